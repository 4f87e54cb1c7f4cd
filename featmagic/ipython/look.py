"""What `%%featuremaps` does: a look, for one `with` block."""

from __future__ import annotations

import sys
from contextlib import ExitStack
from dataclasses import dataclass, replace
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
    from featmagic.recording.recorder import Recorder


class Look:
    """One look: hooks and eval mode are on while its block runs; pictures are shown at its end.

    Args:
        line: what was asked for.
        into: the name to bind if the line gives none.
        watches: what `%hook` watches, for a line that names no model; they also remove the look's
            hooks if an interrupt keeps the block from doing it.
        namespace: the user's variables.
    """

    def __init__(self, line: LookLine, into: str, watches: Watches, namespace: Namespace) -> None:
        self._line, self._into, self._watches, self._namespace = line, into, watches, namespace
        self._open = ExitStack()
        self._run: _Run | None = None

    def __enter__(self) -> FeatureMaps:
        run = self._run = self._prepare()
        try:
            run.binding.bind()
            self._watches.begin_look(self._open)
            self._watches.pause(run.binding.name)
            self._attach(run.recorder)
        except BaseException:
            self._watches.end_look(self._open)
            run.binding.undo()
            raise
        return run.maps

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        try:
            self._watches.end_look(self._open)
            assert self._run is not None
            self._finish(self._run, error)
        except BaseException:
            self._namespace.pop(VALUE, None)  # nothing will show it
            raise

    def _prepare(self) -> _Run:
        """Resolve and check everything that the line names; the model isn't touched yet.

        Raises:
            FeatmagicError: if anything can't be meant, shown or saved: before the cell runs.
        """
        expression, layers, name = self._model_layers_name()
        model = find_model(expression, self._namespace)  # fails before torch is imported in vain

        from featmagic.feature_maps import FeatureMaps
        from featmagic.recording.recorder import Recorder
        from featmagic.recording.selectors import leaves, select
        from featmagic.recording.sinks import KeepLastPass
        from featmagic.render.target import current_target

        line = self._line
        current_target(line.view.renderer)  # raises if nothing can be shown
        if (line.view.overview or line.view.explore) and not layers:
            layers = tuple(leaves(model))
        selection = select(model, layers, spelled=expression, listed_by=f"%hook {expression}")
        paths = list(selection.modules)
        inputs = self._checked_inputs(model, paths)
        saving = _checked_saving(line.saving, paths)
        had_dynamo, maps = "torch._dynamo" in sys.modules, FeatureMaps()
        recorder = Recorder(
            selection, KeepLastPass(maps.begin), as_is=line.as_is, follow=_explores(line)
        )
        binding = Binding(name, maps, self._namespace)
        return _Run(expression, recorder, maps, binding, inputs, saving, had_dynamo)

    def _model_layers_name(self) -> tuple[str, tuple[str, ...], str]:
        """Return model, layers and name: the line's own, or else those of the watch."""
        line = self._line
        if line.model is not None:
            return line.model, line.layers, line.into or self._into
        watch = self._watches.only(line.into)
        return watch.expression, watch.layers, line.into or watch.name

    def _checked_inputs(self, model: Any, paths: list[str]) -> Any:
        """Return the inputs to choose from in an explorer; None if the line names none.

        Raises:
            FeatmagicError: if nothing has that name, or the model can't be run on it again.
        """
        if self._line.inputs is None:
            return None
        from featmagic.recording.rerun import rerun_of
        from featmagic.support.environment import runs_widgets

        if not runs_widgets():
            raise FeatmagicError("--inputs is for an explorer in a notebook: there is none here.")
        inputs = find_inputs(self._line.inputs, self._namespace)
        rerun_of(model, inputs, paths)
        return inputs

    def _attach(self, recorder: Recorder) -> None:
        """Enter eval mode, unless the model is to stay as it is, and put the hooks on."""
        from featmagic.recording.eval_mode import looking

        if not self._line.as_is:
            self._open.enter_context(looking(recorder.selection.model))
        self._open.enter_context(recorder)

    def _finish(self, run: _Run, error: BaseException | None) -> None:
        """Show and save what the pass gave, or say why there is nothing or not all of it."""
        from featmagic.recording.diagnostics import missing_from, moved_line

        if run.recorder.last is None:
            run.binding.undo()
            if error is None:
                raise FeatmagicError(run.no_pass())
            return
        self._watches.remember(run.maps)
        run.maps.missing = missing_from(run.recorder)
        if run.recorder.moved:
            say(moved_line(run.recorder))
        if error is None:
            self._show(run)
        elif failure := run.failure(error):
            hint(error, failure)

    def _show(self, run: _Run) -> None:
        from featmagic.feature_maps import show_view

        model = run.recorder.selection.model if run.inputs is not None else None
        show_view(run.maps, (), self._line.view, model=model, inputs=run.inputs)
        if run.saving:
            save(run.maps, (), run.saving)


@dataclass(frozen=True)
class _Run:
    """What a look holds from the start of its block to its end.

    Attributes:
        expression: the model as the user spelled it.
        recorder: puts the hooks on and takes them off.
        maps: what the recorder fills.
        binding: the user's name that refers to the maps.
        inputs: what can be chosen in an explorer, or None.
        saving: where to save what is shown, or None.
        had_dynamo: True if torch's compiler was imported before the block.
    """

    expression: str
    recorder: Recorder
    maps: FeatureMaps
    binding: Binding
    inputs: Any
    saving: Saving | None
    had_dynamo: bool

    def no_pass(self) -> str:
        """Say that no forward pass ran, and why that may be."""
        from featmagic.recording.diagnostics import missing_from

        reasons = missing_from(self.recorder).items()
        why = [f" {path} gave nothing: {reason}." for path, reason in reasons][:1]
        if not self.had_dynamo and "torch._dynamo" in sys.modules:
            why = [" torch.compile was first used in it: run it again to see into compiled code."]
        return f"No forward pass of {self.expression} ran in this cell.{''.join(why)}"

    def failure(self, error: BaseException) -> str | None:
        """Say which layer failed and what was kept; None if no layer of the model did."""
        from featmagic.recording.diagnostics import failing_layer

        layer = failing_layer(self.recorder.selection.model, error.__traceback__)
        if not layer:
            return None
        return f"{layer} failed. {self.binding.name} holds what ran before: {self.maps.shapes()}."


def _explores(line: LookLine) -> bool:
    """Return True if an explorer is shown or saved."""
    return line.view.explore or (line.saving is not None and line.saving.view.explore)


def _checked_saving(saving: Saving | None, paths: list[str]) -> Saving | None:
    """Return where to save, wherever the cell may change to.

    Raises:
        FeatmagicError: if it is already clear that nothing can be saved there.
    """
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


def hint(error: BaseException, text: str) -> None:
    """Add a note to the user's error, or print it where notes don't exist or aren't shown."""
    try:
        error.add_note(f"featmagic: {text}")  # type: ignore[attr-defined]
        shown = _shows_notes()
    except Exception:  # Python 3.10 has no notes, and an error may refuse one
        shown = False
    if not shown:
        say(f"featmagic: {text}")


def _shows_notes() -> bool:
    import IPython

    version: tuple[Any, ...] = IPython.version_info
    return version >= (8, 14)
