"""One watch: a selection by name, and the hooks for it while a cell runs."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from featmagic.errors import FeatmagicError, printable
from featmagic.shell.namespace import Namespace, find_model, may_bind

if TYPE_CHECKING:
    from torch import nn

    from featmagic.activations import Pass
    from featmagic.maps import FeatureMaps
    from featmagic.recorder import Recorder


@dataclass
class Watch:
    """A model by how it is spelled, layers of it by how they were asked for, and a name.

    The model and its layers are looked up at every cell, so that a variable bound to a new model
    is followed. `recorder` is there only while a cell runs.
    """

    expression: str
    layers: tuple[str, ...]
    name: str
    model: weakref.ref[nn.Module] | None = None
    recorder: Recorder | None = None
    maps: FeatureMaps | None = None
    paused: str | None = None
    said: set[str] = field(default_factory=set)

    def attach(self, namespace: Namespace, remember: Callable[[FeatureMaps], None]) -> None:
        """Hook the model that the expression stands for now; at a pass, bind the name anew.

        Args:
            namespace: the user's.
            remember: is given the maps when a pass begins.

        Raises:
            FeatmagicError: it stands for none, or a layer isn't there.
        """
        from featmagic.capturing import missing_from
        from featmagic.layers import select
        from featmagic.maps import FeatureMaps
        from featmagic.recorder import Recorder

        model = find_model(self.expression, namespace)
        listed_by = f"%hook {self.expression}"
        chosen = select(model, self.layers, spelled=self.expression, listed_by=listed_by)
        self.model = weakref.ref(model)
        self.maps = maps = FeatureMaps()

        before = namespace.get(self.name)

        def begin(run: Pass) -> None:
            maps.begin(run)
            remember(maps)
            now = namespace.get(self.name)
            # Maps that this cell has bound to the name itself are the user's, too.
            if (now is None or now is before) and may_bind(self.name, namespace):
                namespace[self.name] = maps

        self.recorder = Recorder(chosen, begin, as_is=True)
        self.recorder.attach()
        self.say_missing(missing_from(self.recorder))

    def detach(self) -> None:
        """Take the hooks off."""
        if self.recorder is not None:
            self.recorder.detach()

    def say_missing(self, missing: dict[str, str]) -> None:
        """Say which layers gave nothing, and why."""
        for name, reason in missing.items():
            self.say_once(printable(f"{name} of {self.expression} gave nothing: {reason}."))

    def say_once(self, text: str) -> None:
        """Print a line, unless this watch has printed it before."""
        if text not in self.said:
            self.said.add(text)
            print(text)

    def __str__(self) -> str:
        return f"{', '.join(self.layers)} of {self.expression} → {self.name}"


def report(watch: Watch, recorder: Recorder, namespace: Namespace) -> None:
    """Say what a cell didn't give, each thing once."""
    from featmagic.capturing import missing_from

    if recorder.last is None:
        if _is_bound_anew(watch, namespace):
            watch.say_once(f"{watch.expression} is a new model: watched from the next cell on.")
        return
    missing = missing_from(recorder)
    if watch.maps is not None:
        watch.maps.missing = missing
    watch.say_missing(missing)
    if not may_bind(watch.name, namespace):
        watch.say_once(f"{watch.name} is yours now: not refreshed. %hook ... --into another name.")


def _is_bound_anew(watch: Watch, namespace: Namespace) -> bool:
    try:
        now = find_model(watch.expression, namespace)
    except FeatmagicError:
        return False
    return watch.model is not None and now is not watch.model()
