"""What `%hook` does: all watches, and when their hooks go on and come off."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from IPython.core.interactiveshell import InteractiveShell

from featmagic.ipython.namespace import Namespace, check_free, find_model, may_bind
from featmagic.support.errors import FeatmagicError, did_you_mean
from featmagic.support.text import printable, say

if TYPE_CHECKING:
    from torch import nn

    from featmagic.feature_maps import FeatureMaps
    from featmagic.recording.recorder import Recorder
    from featmagic.recording.records import Pass


class Watches:
    """All watches, by the name they refresh; one model a name."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self._all: dict[str, Watch] = {}
        self._looks: list[tuple[int, ExitStack]] = []
        self._thread: threading.Thread | None = None
        self._last: weakref.ref[FeatureMaps] | None = None

    def __iter__(self) -> Iterator[Watch]:
        return iter(list(self._all.values()))

    def add(self, expression: str, layers: tuple[str, ...], name: str) -> Watch:
        """Watch from now on, in place of what refreshed that name; at once, if a cell is running.

        Raises:
            FeatmagicError: no such model or layer, or a name that is the user's; nothing changes.
        """
        find_model(expression, self._namespace)  # before torch is loaded for what isn't there
        check_free(name, self._namespace)
        watch = Watch(expression, layers, name)
        try:
            maps = watch.attach(self._namespace, self.remember)
            self.remove(name)
            self._all[name] = watch
            self._namespace[name] = maps
        except BaseException:
            watch.detach()
            raise
        if not a_cell_is_running():
            watch.end(self._namespace)
        return watch

    def remove(self, name: str) -> None:
        """Stop watching, if anything refreshes that name."""
        if watch := self._all.pop(name, None):
            watch.detach()

    def named(self, word: str) -> list[Watch]:
        """The watches that refresh that name, or else that watch a model spelled like this.

        Raises:
            FeatmagicError: there is none.
        """
        found = [self._all[word]] if word in self._all else []
        found = found or [watch for watch in self if watch.expression == word]
        if not found:
            there = ", ".join(self._all) or "none"
            near = did_you_mean(word, self._all)
            raise FeatmagicError(f"Nothing is watched as '{word}'.{near} Watched: {there}.")
        return found

    def only(self, name: str | None) -> Watch:
        """The watch a look without a model takes: the one of that name, or the only one.

        Raises:
            FeatmagicError: there is none, or several to choose from.
        """
        if name in self._all:
            return self._all[name]
        if len(self._all) == 1:
            return next(iter(self))
        if not self._all:
            raise FeatmagicError(
                "Nothing is watched. Name a model: %%featuremaps MODEL LAYER ..., or %hook it."
            )
        names = " or ".join(f"--into {name}" for name in self._all)
        raise FeatmagicError(f"{len(self._all)} watches: choose with {names}, or name a model.")

    def begin_cell(self) -> None:
        """Put the hooks on, at the start of a cell of the user's (IPython's `pre_execute`)."""
        if a_cell_is_running() or not self._is_ours():
            return  # a cell inside a cell, or beside one: the outermost decides
        self._thread = threading.current_thread()
        for watch in self:
            try:
                watch.attach(self._namespace, self.remember)
                watch.paused = None
            except FeatmagicError as error:
                if watch.paused != str(error):
                    say(f"Not watching {watch}: {error}")
                watch.paused = str(error)

    def end_cell(self) -> None:
        """Take everything off, at the end of a cell, however it ended (`post_execute`)."""
        if a_cell_is_running() or not self._is_ours():
            return
        self._thread = None
        self.close_all()
        for watch in self:
            watch.end(self._namespace)

    def _is_ours(self) -> bool:
        """Whether no cell is running in another thread: kernels have subshells."""
        thread = self._thread
        return thread in (None, threading.current_thread()) or not thread.is_alive()

    def pause(self, name: str) -> None:
        """Leave a name to a look for the rest of the cell."""
        if watch := self._all.get(name):
            watch.detach()
            watch.running = None

    def opened(self, look: ExitStack) -> None:
        """Have what a look opens closed at the end of the cell, if an interrupt left it open."""
        self._looks.append((threading.get_ident(), look))

    def closed(self, look: ExitStack) -> None:
        """A look is over: its own hooks come off, and those of every watch."""
        look.close()
        self.detach()
        # An unload in the body has closed it already.
        self._looks = [(thread, other) for thread, other in self._looks if other is not look]

    def detach(self) -> None:
        """Take off the hooks of every watch."""
        for watch in self:
            watch.detach()

    def close_all(self) -> None:
        """Take off the hooks of every watch, and of every look of this thread."""
        self.detach()
        for thread, look in list(self._looks):
            if thread == threading.get_ident():
                self.closed(look)

    def remember(self, maps: FeatureMaps) -> None:
        """Keep in mind what was captured last, as long as the user keeps it."""
        self._last = weakref.ref(maps)

    def has_captured(self, key: str) -> bool:
        """Whether what was captured last has that key."""
        maps = self._last() if self._last else None
        return maps is not None and key in maps

    def last(self) -> FeatureMaps:
        """What was captured last.

        Raises:
            FeatmagicError: nothing was, or it is gone.
        """
        maps = self._last() if self._last else None
        if maps is None:
            raise FeatmagicError(
                "Nothing captured is there to show. %featuremaps MODEL ... -- STATEMENT looks."
            )
        return maps


def a_cell_is_running() -> bool:
    """Whether code of the user's is running further up the stack.

    IPython's events come without a partner where a cell is empty, and silently run cells have only
    some of them; what is on the stack is certain.
    """
    frame = sys._getframe()
    while (above := frame.f_back) is not None:
        frame = above
        if frame.f_code is InteractiveShell.run_code.__code__:
            return True
    return False


@dataclass(frozen=True)
class Running:
    """A watch while a cell runs: the hooks, and the maps that they fill."""

    recorder: Recorder
    maps: FeatureMaps
    error_before: object = field(default_factory=lambda: getattr(sys, "last_value", None))

    def failure(self) -> str:
        """Which layer failed, by the traceback that IPython has just shown."""
        from featmagic.recording.diagnostics import failing_layer

        error = getattr(sys, "last_value", None)
        if error is None or error is self.error_before:
            return "The last pass was cut short"
        where = failing_layer(self.recorder.selection.model, error.__traceback__)
        return f"{where or 'The last pass'} failed"


@dataclass
class Watch:
    """A model by how it is spelled, layers of it by how they were asked for, and a name.

    The model and its layers are looked up at every cell, so that a variable bound to a new model
    is followed; between cells nothing of them is held.
    """

    expression: str
    layers: tuple[str, ...]
    name: str
    running: Running | None = None
    paused: str | None = None
    said: set[str] = field(default_factory=set)

    def attach(self, namespace: Namespace, remember: Callable[[FeatureMaps], None]) -> FeatureMaps:
        """Hook the model that the expression stands for now; at a pass, bind the name anew.

        Args:
            namespace: the user's.
            remember: is given the maps when a pass begins.

        Raises:
            FeatmagicError: it stands for none, or a layer isn't there.
        """
        from featmagic.feature_maps import FeatureMaps
        from featmagic.recording.diagnostics import missing_from
        from featmagic.recording.recorder import Recorder
        from featmagic.recording.selectors import select
        from featmagic.recording.sinks import KeepLastPass

        model = find_model(self.expression, namespace)
        listed_by = f"%hook {self.expression}"
        chosen = select(model, self.layers, spelled=self.expression, listed_by=listed_by)
        maps, before = FeatureMaps(), namespace.get(self.name)

        def begin(run: Pass) -> None:
            maps.begin(run)
            remember(maps)
            now = namespace.get(self.name)
            # Maps that this cell has bound to the name itself are the user's, too.
            if (now is None or now is before) and may_bind(self.name, namespace):
                namespace[self.name] = maps

        self.detach()  # should an older cell not have ended
        self.running = Running(Recorder(chosen, KeepLastPass(begin), as_is=True), maps)
        self.running.recorder.attach()
        self.say_missing(missing_from(self.running.recorder))
        return maps

    def detach(self) -> None:
        """Take the hooks off."""
        if self.running is not None:
            self.running.recorder.detach()

    def end(self, namespace: Namespace) -> None:
        """The cell is over: take the hooks off, and say what it didn't give, each thing once."""
        self.detach()
        running, self.running = self.running, None
        if running is not None:
            self._report(running, namespace)

    def _report(self, running: Running, namespace: Namespace) -> None:
        from featmagic.recording.diagnostics import missing_from

        recorder = running.recorder
        if recorder.last is None:
            if _is_bound_anew(self.expression, recorder.selection.model, namespace):
                self.say_once(f"{self.expression} is a new model: watched from the next cell on.")
            if recorder.compiled:
                self.say_once(
                    f"torch compiled code in this cell: a pass of {self.expression} in there isn't "
                    "seen. Look with %%featuremaps."
                )
            return
        running.maps.missing = missing_from(recorder)
        if recorder.last.thread != threading.get_ident():
            return  # it may be under way still
        if recorder.last.failed:
            say(f"{running.failure()}. {self.name} holds what ran before: {running.maps.shapes()}.")
        else:
            self.say_missing(running.maps.missing)
        if not may_bind(self.name, namespace):
            self.say_once(f"{self.name} is yours now: not refreshed. %hook ... --into another.")

    def say_missing(self, missing: Mapping[str, str]) -> None:
        """Say which layers gave nothing, and why."""
        for name, reason in missing.items():
            self.say_once(printable(f"{name} of {self.expression} gave nothing: {reason}."))

    def say_once(self, text: str) -> None:
        """Print a line, unless this watch has printed it before."""
        if text not in self.said:
            self.said.add(text)
            say(text)

    def __str__(self) -> str:
        return printable(f"{', '.join(self.layers)} of {self.expression} → {self.name}")


def _is_bound_anew(expression: str, before: nn.Module, namespace: Namespace) -> bool:
    try:
        return find_model(expression, namespace) is not before
    except FeatmagicError:
        return False
