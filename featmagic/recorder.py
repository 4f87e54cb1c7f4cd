"""Forward hooks for as long as a `with` block, and the passes that they bring."""

from __future__ import annotations

import sys
import threading
from collections import Counter
from collections.abc import Callable
from functools import cached_property
from types import FrameType
from typing import Any

from torch import nn

from featmagic.activations import Pass
from featmagic.calls import calls_of, in_backward, is_replica, module_of, outermost
from featmagic.hooks import Compilations, Hook, remove
from featmagic.inputs import device_of, moved_to
from featmagic.layers import Selection
from featmagic.tree import (
    CAN_RUN_EAGER,
    ROOT,
    is_compiled,
    is_torchscript,
    runs_compiled,
    unwrap,
    walk,
)


class Recorder:
    """Records the selected modules' outputs between `attach` and `detach`.

    A pass begins when the model is called; each begins afresh, so only the last one counts. The
    model's parts may also be called on their own (`model.forward(x)`, `model.features(x)`): then a
    pass begins when the part that came first comes again.

    Args:
        selection: the modules to record.
        on_pass: is given every `Pass` as it begins, to read while it fills.
        as_is: leave the model's inputs where they are, and compiled code alone: a hook inside it
            would never fire and have it compiled anew.

    Attributes:
        last: the pass that began last, or None.
        moved: how many inputs were moved to the model's device, by the device they came from.
        compiled: whether torch compiled something meanwhile.
    """

    def __init__(
        self,
        selection: Selection,
        on_pass: Callable[[Pass], None] = lambda _: None,
        *,
        as_is: bool = False,
    ) -> None:
        self.selection = selection
        self.moved: Counter[str] = Counter()
        self.device = None if as_is else device_of(selection.model)
        self.last: Pass | None = None
        self.compiled = False
        self._on_pass = on_pass
        self._here = _Here()
        self._open: list[Pass] = []
        self._lock = threading.Lock()
        self._whole = unwrap(selection.model)
        self._layers = {
            path: module
            for path, module in selection.modules.items()
            if not is_torchscript(module)  # it takes no hooks, or never calls them
        }
        self.leaves_compiled = as_is or not CAN_RUN_EAGER
        self._compilations: Compilations | None = None
        if self.leaves_compiled:
            self._leave_compiled()

    def __enter__(self) -> Recorder:
        self.attach()
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()

    def _leave_compiled(self) -> None:
        """Keep off what runs compiled; a wrapper is outside of what it compiles."""
        tree = dict(walk(self.selection.model))
        for path in [path for path in self._layers if runs_compiled(path, tree)]:
            del self._layers[path]
        if runs_compiled(ROOT, tree):
            self._whole = []
        elif is_compiled(tree[ROOT]):
            self._whole = self._whole[:1]

    def attach(self) -> None:
        """Put the hooks on; none stays if that fails half-way."""
        try:
            self._put_on()
            if self.leaves_compiled:
                self._compilations = Compilations(self._compiling, self._put_on)
                self._compilations.switch_on()
        except BaseException:
            self.detach()
            raise

    def detach(self) -> None:
        """Take every hook of this recorder off; again does no harm."""
        self._take_off()
        if self._compilations is not None:
            self._compilations.switch_off()
            self._compilations = None  # it holds the recorder, and so what was recorded
        self._here = _Here()  # it may hold a frame

    def _put_on(self) -> None:
        for path, module in self._layers.items():
            module.register_forward_hook(Hook(self, self._returned(path)))
        for module in self._whole:
            begin, end = Hook(self, self._begin), Hook(self, self._end)
            module.register_forward_pre_hook(begin, prepend=True, with_kwargs=True)
            module.register_forward_hook(end, always_call=True)

    def _take_off(self) -> None:
        remove(self, [*self._layers.values(), *self._whole])

    def _compiling(self) -> None:
        self.compiled = True
        self._take_off()

    def _returned(self, path: str) -> Callable[..., None]:
        wanted = self.selection.calls.get(path, frozenset())

        def record(module: nn.Module, args: object, output: object) -> None:
            if not in_backward():
                with self._lock:
                    self._current().add(path, module, output, wanted)

        return record

    def _current(self) -> Pass:
        here = self._here
        if here.whole is not None:
            return here.whole
        if len(self._open) == 1:
            return self._open[0]  # the pass runs this layer in a thread of its own
        part = outermost(self._parts)
        if here.part is None or (part is not here.frame and module_of(part) is here.first):
            here.part, here.first = self._start(), module_of(part)
        here.frame = part
        return here.part

    @cached_property
    def _parts(self) -> set[int]:
        return {id(module) for module in self.selection.model.modules()}

    def _start(self) -> Pass:
        self.last = Pass()
        self._on_pass(self.last)
        return self.last

    def _begin(self, module: nn.Module, args: Any, kwargs: Any) -> Any:
        here = self._here
        if is_replica(module) or in_backward():
            return None
        if here.opened_by is not None and calls_of(here.opened_by) > (here.opened_by is module):
            here.depth += 1
            return None
        self._close()  # an interrupt keeps a pass from ending
        here.depth, here.opened_by, here.part, here.frame = 1, module, None, None
        here.whole = self._start()
        here.whole.failed = True  # until it ends
        self._open.append(here.whole)
        if self.device is None:
            return None
        return moved_to(self.device, (args, kwargs), self.moved)

    def _end(self, module: nn.Module, args: object, output: object) -> None:
        here = self._here
        if is_replica(module) or in_backward():
            return
        here.depth -= 1
        if here.depth == 0 and here.whole is not None:
            # Called for an error too: torch then has no output, and is handling the error.
            here.whole.failed = output is None and sys.exc_info()[1] is not None
            self._close()

    def _close(self) -> None:
        here = self._here
        if here.whole in self._open:
            self._open.remove(here.whole)
        here.whole = here.opened_by = None


class _Here(threading.local):
    """Where the recorder is in this thread."""

    depth: int = 0
    whole: Pass | None = None
    opened_by: nn.Module | None = None
    part: Pass | None = None
    first: object = None
    frame: FrameType | None = None
