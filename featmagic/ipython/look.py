"""What `%%featuremaps` does, as a context manager: one run of it is called a look."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import IPython

from featmagic.ipython.cell import VALUE
from featmagic.ipython.namespace import Binding, Namespace, find_inputs, find_model
from featmagic.ipython.parser import LookLine, Saving
from featmagic.ipython.watch import Watches, kept_in
from featmagic.support.errors import FeatmagicError, add_note
from featmagic.support.interrupts import Block
from featmagic.support.text import say

if TYPE_CHECKING:
    from torch import nn

    from featmagic.feature_maps import FeatureMaps


class Look(Block["FeatureMaps"]):
    """One look: hooks and eval mode are on while its block runs; pictures are shown at its end.

    Making one resolves and checks everything that the line names, before the cell runs; the model
    isn't touched yet. The watches serve a line that names no model.
    """

    def __init__(self, line: LookLine, into: str, watches: Watches, namespace: Namespace) -> None:
        self._line, self._watches, self._namespace = line, watches, namespace
        self._expression, layers, name = self._model_layers_name(into)
        model = find_model(self._expression, namespace)  # raises before torch is imported

        from featmagic.feature_maps import FeatureMaps
        from featmagic.recording.recorder import Recorder
        from featmagic.recording.selectors import select, select_all
        from featmagic.recording.sinks import KeepPasses
        from featmagic.render.target import current_target

        current_target(line.view.renderer)  # raises if nothing can be shown
        if (line.view.overview or line.view.explore) and not layers:
            selection = select_all(model, spelled=self._expression)
        else:
            listed_by = f"%hook {self._expression}"
            selection = select(model, layers, spelled=self._expression, listed_by=listed_by)
        paths = list(selection.modules)
        self._inputs = self._checked_inputs(model, paths)
        self._saving = _checked_saving(line.saving, paths)
        self._maps = FeatureMaps("last" if line.view.passes is None else line.view.passes)
        sink = KeepPasses(self._maps.kept)
        explores = line.view.explore or (line.saving is not None and line.saving.view.explore)
        self._recorder = Recorder(selection, sink, as_is=line.as_is, follow=explores)
        self._binding = Binding(name, self._maps, namespace)

    def open(self) -> FeatureMaps:
        """Bind the name and put the hooks on; if that fails, everything is as it was."""
        try:
            self._binding.bind()
            self._watches.pause(self._binding.name)
            self._watches.begin_look(self)
            self._recorder.attach(self.end)
        except BaseException:
            self.close()
            raise
        return self._maps

    def close(self) -> None:
        """Take all hooks off, those of every watch too; without a pass, undo the binding."""
        self._recorder.detach()
        self._watches.end_look(self)
        if self._recorder.last is None:
            self._binding.undo()

    def report(self, error: BaseException | None) -> None:
        """Show and save what the pass gave; an error leaves no value for the cell to display."""
        try:
            self._finish(error)
        except BaseException:
            self._namespace.pop(VALUE, None)  # nothing will show it
            raise

    def _model_layers_name(self, into: str) -> tuple[str, tuple[str, ...], str]:
        """Return model, layers and name: the line's own, or else those of the watch."""
        line = self._line
        if line.model is not None:
            return line.model, line.layers, line.into or into
        watch = self._watches.only(line.into)
        return watch.expression, watch.layers, line.into or watch.name

    def _checked_inputs(self, model: nn.Module, paths: list[str]) -> Any:
        """Return the inputs to choose from in an explorer; None if the line names none."""
        if self._line.inputs is None:
            return None
        from featmagic.recording.rerun import rerun_of
        from featmagic.support.environment import runs_widgets

        if not runs_widgets():
            raise FeatmagicError("--inputs works only with an explorer in a notebook.")
        inputs = find_inputs(self._line.inputs, self._namespace)
        rerun_of(model, inputs, paths)  # raises if the model can't be run on them again
        return inputs

    def _finish(self, error: BaseException | None) -> None:
        """Show and save what the pass gave, or say why there is nothing or not all of it."""
        from featmagic.recording.diagnostics import gradient_hint, missing_from, remarks
        from featmagic.recording.failure import failure_line
        from featmagic.recording.output_shapes import remember_shapes

        recorder, maps = self._recorder, self._maps
        if recorder.last is None:
            if error is None:
                raise FeatmagicError(self._no_pass())
            return
        self._watches.remember(maps)
        maps.missing = missing_from(recorder, maps.kept)
        remember_shapes(recorder.selection.model, maps.kept.activations.values())
        for remark in remarks(recorder):
            say(remark)
        if error is None:
            self._show()
            return
        if not self._line.as_is and (hint := gradient_hint(error)):
            _hint(error, hint)
        if line := failure_line(recorder, error, kept_in(self._binding.name)):
            _hint(error, line)

    def _no_pass(self) -> str:
        """Say that no forward pass ran, and why that may be."""
        from featmagic.recording.diagnostics import missing_from, why_no_pass

        text = f"No forward pass of {self._expression} ran in this cell"
        if why := why_no_pass(self._recorder):
            return f"{text}: {why}."
        reasons = missing_from(self._recorder, self._maps.kept).items()
        return f"{text}." + "".join(
            [(f" Nothing captured from {path}: {why}.") for path, why in reasons][:1]
        )

    def _show(self) -> None:
        from featmagic.feature_maps import show_view

        model = self._recorder.selection.model if self._inputs is not None else None
        show_view(self._maps, (), self._line.view, model=model, inputs=self._inputs)
        if self._saving:
            save(self._maps, (), self._saving)


def _checked_saving(saving: Saving | None, paths: list[str]) -> Saving | None:
    """Return where to save, wherever the cell may change to, if files can be written there."""
    if saving is None:
        return None
    from featmagic.feature_maps import files_for

    files_for(saving.path, paths, saving.view, overwrite=saving.overwrite)
    return replace(saving, path=str(Path(saving.path).expanduser().absolute()))


def save(maps: FeatureMaps, layers: tuple[str, ...], saving: Saving) -> None:
    """Save what was shown, and print where it is."""
    from featmagic.feature_maps import save_view
    from featmagic.files.paths import saved_line

    written = save_view(maps, saving.path, layers, saving.view, overwrite=saving.overwrite)
    say(saved_line(written))


def _hint(error: BaseException, text: str) -> None:
    """Add a note to the user's error, or print it where notes don't exist or aren't shown."""
    is_shown = add_note(error, text) and IPython.version_info >= (8, 14)
    if not is_shown:
        say(f"featmagic: {text}")
