"""Passes: when one begins and ends, and to which one a call in some thread belongs."""

from __future__ import annotations

import threading
from functools import cached_property

from torch import nn

from featmagic.recording.given import GivenTensors
from featmagic.recording.hooks import calls_of, is_under_way, number_of_call, outermost
from featmagic.recording.model_tree import modules_of
from featmagic.recording.pass_number import PassCounts
from featmagic.recording.records import Pass
from featmagic.recording.selectors import Selection
from featmagic.recording.sinks import Sink
from featmagic.recording.threads_of_control import busy_threads
from featmagic.support.thread_frames import current_frames


class Passes:
    """Tracks the pass under way in each thread, and notifies a sink when one begins or ends."""

    def __init__(self, sink: Sink, selection: Selection) -> None:
        self.last: Pass | None = None
        self._sink, self._selection = sink, selection
        self._here, self._counts = _ThreadState(), PassCounts()
        # The passes that have not ended, in order: each with the other threads that were at work
        # when it began, which don't belong to it, or None if it isn't of the whole model.
        self._under_way: dict[Pass, frozenset[int] | None] = {}
        self._lock = threading.RLock()

    def model_called(self, module: nn.Module) -> Pass | None:
        """Begin a pass; None if the call belongs to the pass under way in this thread."""
        here = self._here
        # The call that begins now is on the stack already.
        if here.called is not None and calls_of(here.called) > (here.called is module):
            return None
        self._end_here()  # an error may have prevented the end of the last one
        here.called, here.of_parts, here.is_inside = module, None, False
        here.number = number_of_call(module)
        here.of_model = self._begin(is_whole=True)
        return here.of_model

    def model_returned(self, module: nn.Module) -> None:
        """End the pass, if the call that returns is the one that began it."""
        here = self._here
        began_it = module is here.called and number_of_call(module) == here.number
        if began_it and here.of_model is not None:
            here.of_model.failed = False
            self._end_here()

    def next_call(self, path: str, module: nn.Module) -> tuple[Pass, int]:
        """Return the pass in which a layer returned, and which call of the layer that was."""
        with self._lock:
            forward_pass = self._of_layer(module)
            call = forward_pass.calls.get(path, 0) + 1
            forward_pass.calls[path] = self._counts.calls[path] = call
            return forward_pass, call

    def may_run_here(self) -> bool:
        """Return True if a pass of the whole model may run layers in this thread.

        One is under way, and this thread wasn't at work when it began.
        """
        return bool(self._whole())

    def _whole(self) -> list[Pass]:
        """Return the passes of the whole model under way to which this thread may belong."""
        thread, under_way = threading.get_ident(), list(self._under_way.items())
        return [run for run, busy in under_way if busy is not None and thread not in busy]

    def _of_layer(self, module: nn.Module) -> Pass:
        here = self._here
        if here.called is not None and not is_under_way(here.called, here.number):
            self._end_here()  # an error has ended the pass
        if here.of_model is not None:
            return here.of_model
        whole = self._whole()
        if len(whole) == 1:
            return whole[0]  # that pass runs this layer in a thread of its own
        outer = outermost(self._parts) or module
        if here.of_parts is None or (not here.is_inside and outer is here.first_part):
            here.of_parts, here.first_part = self._begin(is_whole=False), outer
        here.is_inside = outer is not module
        return here.of_parts

    def part_returned(self, module: nn.Module) -> None:
        """Note that a module above a layer returned; the outermost one's next call is another."""
        if self._here.is_inside and outermost(self._parts) is module:
            self._here.is_inside = False

    @cached_property
    def _parts(self) -> set[int]:
        modules = [*modules_of(self._selection.model), *self._selection.modules.values()]
        return {id(module) for module in modules}

    def _begin(self, *, is_whole: bool) -> Pass:
        self._end_leftovers()
        # Known before the pass is: one of these threads may return a layer at this very moment.
        busy = busy_threads() if is_whole else None
        with self._lock:
            number = self._counts.begin(is_whole=is_whole)
        # A pass of the whole model counts as failed until the model returns.
        given = None if self._selection.blocks is None else GivenTensors()
        self.last = forward_pass = Pass(number, failed=is_whole, given=given)
        self._under_way[forward_pass] = busy
        self._sink.pass_began(forward_pass)
        return forward_pass

    def _end_leftovers(self) -> None:
        """End passes that nothing else ends: those of parts, and those of ended threads."""
        for forward_pass in list(self._under_way):
            thread = forward_pass.thread
            if thread == threading.get_ident() or thread not in current_frames():
                self._end(forward_pass)

    def _end_here(self) -> None:
        here = self._here
        ended, here.of_model, here.called = here.of_model, None, None
        if ended is not None:
            self._end(ended)

    def end_all(self) -> None:
        """End every pass; no further values will come."""
        for forward_pass in list(self._under_way):
            self._end(forward_pass)

    def _end(self, forward_pass: Pass) -> None:
        try:
            del self._under_way[forward_pass]
        except KeyError:  # another thread is ending it at the same time, and tells the sink
            return
        forward_pass.given = None
        self._sink.pass_ended(forward_pass)


class _ThreadState(threading.local):
    """The state of the model's calls in one thread."""

    of_model: Pass | None = None  # the pass under way, if the model was called
    called: nn.Module | None = None  # the module whose call began it
    number: int = 0  # of that call
    of_parts: Pass | None = None  # the pass under way, if parts were called on their own
    first_part: nn.Module | None = None  # the part whose call began it
    is_inside: bool = False  # whether a part is running that contains layers
