"""What `%%featuremaps` does: a look, for one `with` block."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from featmagic.ipython.cell import VALUE
from featmagic.ipython.namespace import Binding, Namespace, find_inputs, find_model
from featmagic.ipython.parser import LookLine, Saving
from featmagic.ipython.watch import Watches
from featmagic.support.errors import FeatmagicError
from featmagic.support.text import say

if TYPE_CHECKING:
    from featmagic.feature_maps import FeatureMaps


class Look:
    """One look: hooks and modes on while its block runs; the grids when it ends.

    Args:
        line: what was asked for.
        into: the name to bind where the line gives none.
        watches: what `%hook` watches, for a line that names no model; also takes the hooks off
            should an interrupt keep the block from doing it.
        namespace: the user's.
    """

    def __init__(self, line: LookLine, into: str, watches: Watches, namespace: Namespace) -> None:
        self._line, self._into, self._watches, self._namespace = line, into, watches, namespace
        self._open = ExitStack()

    def __enter__(self) -> FeatureMaps:
        expression, layers, name = self._what()
        model = find_model(expression, self._namespace)  # before torch is loaded for nothing

        from featmagic.feature_maps import FeatureMaps
        from featmagic.recording.eval_mode import looking
        from featmagic.recording.recorder import Recorder
        from featmagic.recording.selectors import leaves, select
        from featmagic.recording.sinks import KeepLastPass
        from featmagic.render.target import current_target

        current_target(self._line.view.renderer)  # what can't be shown is said before the cell runs
        if (self._line.view.overview or self._line.view.explore) and not layers:
            layers = tuple(leaves(model))
        chosen = select(model, layers, spelled=expression, listed_by=f"%hook {expression}")
        self._inputs = self._checked_inputs(model, list(chosen.modules))
        self._saving = _checked(self._line.saving, list(chosen.modules))
        self._expression, self._maps = expression, FeatureMaps()
        self._had_dynamo = "torch._dynamo" in sys.modules
        sink = KeepLastPass(self._maps.begin)
        self._recorder = Recorder(chosen, sink, as_is=self._line.as_is, follow=self._explores)
        self._binding = Binding(name, self._maps, self._namespace)
        try:
            self._watches.opened(self._open)
            self._watches.pause(name)
            if not self._line.as_is:
                self._open.enter_context(looking(model))
            self._open.enter_context(self._recorder)
        except BaseException:
            self._watches.closed(self._open)
            self._binding.undo()
            raise
        return self._maps

    @property
    def _explores(self) -> bool:
        """Whether an explorer is shown or saved."""
        saving = self._line.saving
        return self._line.view.explore or (saving is not None and saving.view.explore)

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        try:
            self._watches.closed(self._open)
            self._finish(error)
        except BaseException:
            self._namespace.pop(VALUE, None)  # nobody is left to show it
            raise

    def _finish(self, error: BaseException | None) -> None:
        from featmagic.feature_maps import show_view
        from featmagic.recording.diagnostics import failing_layer, missing_from, moved_line

        maps, recorder = self._maps, self._recorder
        if recorder.last is None:
            self._binding.undo()
            if error is None:
                raise FeatmagicError(self._no_pass(missing_from(recorder)))
            return
        self._watches.remember(maps)
        maps.missing = missing_from(recorder)
        if recorder.moved:
            say(moved_line(recorder))
        if error is None:
            model = recorder.selection.model if self._inputs is not None else None
            show_view(maps, (), self._line.view, model=model, inputs=self._inputs)
            if self._saving:
                save(maps, (), self._saving)
        elif where := failing_layer(recorder.selection.model, error.__traceback__):
            name = self._binding.name
            hint(error, f"{where} failed. {name} holds what ran before: {maps.shapes()}.")

    def _checked_inputs(self, model: Any, paths: list[str]) -> Any:
        """The inputs that can be picked in an explorer; None, where the line names none.

        Raises:
            FeatmagicError: there are none of that name, or they can't be inputs.
        """
        if self._line.inputs is None:
            return None
        from featmagic.recording.rerun import rerun_of
        from featmagic.support.environment import runs_widgets

        if not runs_widgets():
            raise FeatmagicError("--inputs is for an explorer in a notebook: there is none here.")
        found = find_inputs(self._line.inputs, self._namespace)
        rerun_of(model, found, paths)
        return found

    def _no_pass(self, unseen: dict[str, str]) -> str:
        why = [f" {path} gave nothing: {reason}." for path, reason in unseen.items()][:1]
        if not self._had_dynamo and "torch._dynamo" in sys.modules:
            why = [" torch.compile was first used in it: run it again to see into compiled code."]
        return f"No forward pass of {self._expression} ran in this cell.{''.join(why)}"

    def _what(self) -> tuple[str, tuple[str, ...], str]:
        """Model, layers and name: the line's own, or else those of the watch."""
        line = self._line
        if line.model is not None:
            return line.model, line.layers, line.into or self._into
        watch = self._watches.only(line.into)
        return watch.expression, watch.layers, line.into or watch.name


def _checked(saving: Saving | None, paths: list[str]) -> Saving | None:
    """Where to save, wherever the cell may go, if that is possible by what is known before it.

    Raises:
        FeatmagicError: nothing can be saved there, or something is there already.
    """
    if saving is None:
        return None
    from featmagic.feature_maps import files_for

    files_for(saving.path, paths, saving.view, overwrite=saving.overwrite)
    return replace(saving, path=str(Path(saving.path).expanduser().absolute()))


def save(maps: FeatureMaps, layers: tuple[str, ...], saving: Saving) -> None:
    """Save what was shown, and say where it is."""
    from featmagic.feature_maps import save_view
    from featmagic.files.paths import saved_line

    written = save_view(maps, saving.path, layers, saving.view, overwrite=saving.overwrite)
    say(saved_line(written))


def hint(error: BaseException, text: str) -> None:
    """Add a note to the user's error, or print it where errors have no notes or show none."""
    try:
        error.add_note(f"featmagic: {text}")  # type: ignore[attr-defined]
        shown = _shows_notes()
    except Exception:  # Python 3.10 has no notes, and an error may take none
        shown = False
    if not shown:
        say(f"featmagic: {text}")


def _shows_notes() -> bool:
    import IPython

    version: tuple[Any, ...] = IPython.version_info
    return version >= (8, 14)
