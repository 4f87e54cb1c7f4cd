"""One watch: a selection by name, and the hooks for it while a cell runs."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from featmagic.shell.namespace import Namespace, find_model, may_bind
from featmagic.support.errors import FeatmagicError
from featmagic.support.text import printable, say

if TYPE_CHECKING:
    from torch import nn

    from featmagic.maps import FeatureMaps
    from featmagic.recording.recorder import Recorder
    from featmagic.recording.records import Pass


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
        from featmagic.maps import FeatureMaps
        from featmagic.recording.diagnostics import missing_from
        from featmagic.recording.recorder import Recorder
        from featmagic.recording.selectors import select

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
        self.running = Running(Recorder(chosen, begin, as_is=True), maps)
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
