"""What `%hook` does: the watches, and when their hooks go on and come off."""

from __future__ import annotations

import sys
import threading
import weakref
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from types import FrameType
from typing import TYPE_CHECKING, Protocol

from IPython.core.interactiveshell import InteractiveShell

from featmagic.ipython.namespace import Namespace, check_free, find_model, may_bind
from featmagic.recording.leftovers import end_leftovers
from featmagic.support.errors import FeatmagicError, did_you_mean
from featmagic.support.text import printable, readable, say

if TYPE_CHECKING:
    from torch import nn

    from featmagic.feature_maps import FeatureMaps
    from featmagic.recording.recorder import Recorder
    from featmagic.recording.records import Pass


class Watches:
    """All watches by the name they refresh; also the looks under way and what was captured last."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self._all: dict[str, Watch] = {}
        self._looks: dict[int, Closable] = {}
        self._thread: threading.Thread | None = None
        self._cell: Cell | None = None
        self._last: Callable[[], FeatureMaps | None] = lambda: None

    def __iter__(self) -> Iterator[Watch]:
        return iter(list(self._all.values()))

    def add(self, expression: str, layers: tuple[str, ...], name: str) -> Watch:
        """Watch from now on, in place of what refreshed that name; at once if a cell is running.

        Nothing changes if there is no such model or layer, or the name isn't free.
        """
        find_model(expression, self._namespace)  # fails before torch is imported in vain
        check_free(name, self._namespace)
        watch = Watch(expression, layers, name, self._namespace)
        if self._cell is None:
            self._cell = Cell()  # magics can be called between cells, too
        try:
            maps = watch.attach(self.remember, weakref.ref(self._cell))
            self.remove(name)
            self._all[name] = watch
            self._namespace[name] = maps
        except BaseException:
            watch.detach()
            raise
        if not is_cell_running():
            watch.end()
        return watch

    def remove(self, name: str) -> None:
        """Stop watching for that name, if a watch refreshes it."""
        if watch := self._all.pop(name, None):
            watch.detach()

    def named(self, word: str) -> list[Watch]:
        """Return the watch that refreshes that name, or else those of a model spelled like it."""
        if word in self._all:
            return [self._all[word]]
        watches = [watch for watch in self if watch.expression == word]
        if not watches:
            near, names = did_you_mean(word, self._all), ", ".join(self._all) or "none"
            raise FeatmagicError(f"No watch is named '{readable(word)}'.{near} Watched: {names}.")
        return watches

    def only(self, name: str | None) -> Watch:
        """Return the watch that a look without a model takes: that of the name, or the only one."""
        if name in self._all:
            return self._all[name]
        if len(self._all) == 1:
            return next(iter(self))
        if not self._all:
            raise FeatmagicError(
                "No model is being watched: name one, as in %%featuremaps MODEL LAYER ..., or "
                "%hook it first."
            )
        names = " or ".join(f"--into {name}" for name in self._all)
        raise FeatmagicError(
            f"There are {len(self._all)} watches: choose one with {names}, or name a model."
        )

    def begin_cell(self) -> None:
        """Put the hooks on as a cell of the user's starts (IPython's `pre_execute`)."""
        if is_cell_running() or not self._is_ours():
            return  # inside another cell or beside one: the outermost cell decides
        self._begin_anew(Cell())
        self._thread = threading.current_thread()
        for watch in self:
            self._attach(watch)

    def end_cell(self) -> None:
        """Take all hooks off as a cell ends, however it ends (IPython's `post_execute`)."""
        if is_cell_running() or not self._is_ours():
            return
        self._thread = None
        self._begin_anew(None)
        for watch in self:
            watch.end()

    def _begin_anew(self, cell: Cell | None) -> None:
        """Take off any hooks that are left from the cell before."""
        self._cell = cell
        end_leftovers()

    def _attach(self, watch: Watch) -> None:
        try:
            watch.attach(self.remember, weakref.ref(self._cell))
            watch.paused = None
        except FeatmagicError as error:
            if watch.paused != str(error):
                say(f"Not watching {watch}: {error}")
            watch.paused = str(error)

    def _is_ours(self) -> bool:
        """Return True if no cell runs in another thread, as in a kernel's subshell."""
        thread = self._thread
        return thread in (None, threading.current_thread()) or not thread.is_alive()

    def pause(self, name: str) -> None:
        """Stop refreshing a name for the rest of the cell, because a look binds it."""
        if watch := self._all.get(name):
            watch.detach()
            watch.running = None

    def begin_look(self, look: Closable) -> None:
        """Register a look whose hooks are on, so that unloading the extension can take them off."""
        self._looks[id(look)] = look

    def end_look(self, look: Closable) -> None:
        """Forget a look, and take off the hooks of every watch."""
        self.detach()
        self._looks.pop(id(look), None)

    def detach(self) -> None:
        """Take off the hooks of every watch."""
        for watch in self:
            watch.detach()

    def close(self) -> None:
        """Take off the hooks of every watch and look; may be called more than once."""
        self.detach()
        for look in list(self._looks.values()):
            look.close()

    def remember(self, maps: FeatureMaps) -> None:
        """Remember what was captured last, for as long as the user keeps it."""
        self._last = weakref.ref(maps)

    def captured(self) -> list[str]:
        """Return the keys of what was captured last."""
        return list(self._last() or ())

    def last(self) -> FeatureMaps:
        """Return what was captured last, if the user still keeps it."""
        maps = self._last()
        if maps is None:
            raise FeatmagicError(
                "Nothing has been captured yet. Run %featuremaps MODEL ... -- model(x)."
            )
        return maps


class Closable(Protocol):
    """A look, which is closed when its block ends or the extension is unloaded."""

    def close(self) -> None:
        """Take all hooks off."""


class Cell:
    """An object that lives as long as a cell runs, and the hooks of watches may stay on."""


@dataclass
class Watch:
    """A model and layers of it as the user spelled them, and the name that is refreshed.

    The model and its layers are looked up for every cell, so that a variable bound to a new model
    is followed; between cells no reference to them is held.

    Attributes:
        running: hooks and maps of the cell under way.
        paused: why the last cell wasn't watched.
        said: what was printed about this watch, to print it once.
    """

    expression: str
    layers: tuple[str, ...]
    name: str
    namespace: Namespace
    running: Running | None = None
    paused: str | None = None
    said: set[str] = field(default_factory=set)

    def attach(
        self, remember: Callable[[FeatureMaps], None], end: Callable[[], object]
    ) -> FeatureMaps:
        """Hook the model that the expression refers to now.

        Args:
            remember: called with the maps when a pass begins; the name is then bound to them.
            end: a weak reference to the cell for which the hooks are on.

        Returns:
            The maps, which fill up as the model runs.
        """
        from featmagic.feature_maps import FeatureMaps
        from featmagic.recording.diagnostics import missing_from
        from featmagic.recording.recorder import Recorder
        from featmagic.recording.selectors import select
        from featmagic.recording.sinks import KeepPasses

        namespace, model = self.namespace, find_model(self.expression, self.namespace)
        listed_by = f"%hook {self.expression}"
        selection = select(model, self.layers, spelled=self.expression, listed_by=listed_by)
        maps, before = FeatureMaps(), namespace.get(self.name)

        def begin(_: Pass) -> None:
            remember(maps)
            now = namespace.get(self.name)
            # Maps that the cell itself has bound to the name are the user's own.
            if (now is None or now is before) and may_bind(self.name, namespace):
                namespace[self.name] = maps

        self.detach()  # in case an older cell has not ended
        self.running = Running(Recorder(selection, KeepPasses(maps.kept, begin), as_is=True), maps)
        self.running.recorder.attach(end)
        self.say_missing(missing_from(self.running.recorder, maps.kept))
        return maps

    def detach(self) -> None:
        """Take the hooks off."""
        if self.running is not None:
            self.running.recorder.detach()

    def end(self) -> None:
        """Take the hooks off after the cell, and say what it didn't give, each thing once."""
        self.detach()
        running, self.running = self.running, None
        if running is not None:
            self._report(running)

    def _report(self, running: Running) -> None:
        from featmagic.recording.diagnostics import missing_from
        from featmagic.recording.output_shapes import remember_shapes

        recorder = running.recorder
        if recorder.last is None:
            if self._is_bound_anew(recorder.selection.model):
                self.say_once(
                    f"{self.expression} refers to a new model, which is watched from the next cell "
                    "on."
                )
            if recorder.ran_elsewhere:
                self.say_once(
                    f"Another thread ran {self.expression}: a watch captures only what the cell "
                    "itself runs."
                )
            if recorder.compiled:
                self.say_once(
                    f"torch compiled code in this cell, and a pass of {self.expression} in there "
                    "can't be observed: use %%featuremaps."
                )
            return
        running.maps.missing = missing_from(recorder, running.maps.kept)
        remember_shapes(recorder.selection.model, running.maps.kept.activations.values())
        if recorder.last.thread != threading.get_ident():
            return  # it may still be under way
        if recorder.last.failed:
            say(running.failure(kept_in(self.name)) or self._unfinished(running))
        else:
            self.say_missing(running.maps.missing)
        if not may_bind(self.name, self.namespace):
            self.say_once(
                f"{self.name} has been reassigned and is no longer updated: use %hook ... --into "
                "NAME."
            )

    def _unfinished(self, running: Running) -> str:
        kept = f" {kept_in(self.name)}" if running.maps else ""
        return f"The last pass of {self.expression} didn't finish.{kept}"

    def _is_bound_anew(self, before: nn.Module) -> bool:
        """Return True if the expression refers to another model than before."""
        try:
            return find_model(self.expression, self.namespace) is not before
        except FeatmagicError:
            return False

    def say_missing(self, missing: Mapping[str, str]) -> None:
        """Print which layers have no output, and why."""
        for name, reason in missing.items():
            self.say_once(
                printable(f"Nothing captured from {name} of {self.expression}: {reason}.")
            )

    def say_once(self, text: str) -> None:
        """Print a line unless this watch has printed it before."""
        if text not in self.said:
            self.said.add(text)
            say(text)

    def __str__(self) -> str:
        return printable(f"{', '.join(self.layers)} of {self.expression} → {self.name}")


@dataclass(frozen=True)
class Running:
    """A watch while a cell runs: the recorder, and the maps that it fills."""

    recorder: Recorder
    maps: FeatureMaps
    error_before: object = field(default_factory=lambda: getattr(sys, "last_value", None))

    def failure(self, kept: str) -> str | None:
        """Say which layer failed, by the traceback that IPython has just shown, if it has."""
        from featmagic.recording.failure import failure_line

        error = getattr(sys, "last_value", None)
        if error is None or error is self.error_before:
            return None
        return failure_line(self.recorder, error, kept)


def kept_in(name: str) -> str:
    """Say where the layers are that ran before a failure."""
    return f"The layers captured before it are in {name}; %featuremaps shows them."


def is_cell_running() -> bool:
    """Return True if a cell of the user's is running, by the frames on the stack.

    IPython's events don't come in pairs for an empty cell, and a silently run cell has only some of
    them; the stack is certain.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code is not InteractiveShell.run_code.__code__:
        frame = frame.f_back
    return frame is not None
