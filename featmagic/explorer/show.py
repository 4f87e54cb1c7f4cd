"""The explorer as a view: in a notebook, in a terminal, and as a page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from featmagic.explorer.html.save import save_page
from featmagic.explorer.opening import Opening
from featmagic.explorer.terminal.open import browse
from featmagic.files.paths import target_files
from featmagic.grid import show as grid
from featmagic.options.groups import TAKEN
from featmagic.options.view import View
from featmagic.recording.records import Request
from featmagic.render.target import Target, current_target, why_no_widget
from featmagic.render.title import title_lines
from featmagic.support.environment import name_of, running_shell, runs_widgets
from featmagic.support.errors import FeatmagicError
from featmagic.support.text import say

if TYPE_CHECKING:
    from featmagic.explorer.widget import Explorer


def explore(request: Request, view: View) -> Explorer | None:
    """Return an explorer for a notebook to show, or open one in the terminal until it is closed.

    Raises:
        FeatmagicError: There is nothing to explore, a layer can't be shown as the view says, or
            there is neither a notebook nor IPython.
    """
    if runs_widgets():
        opening = Opening()
        try:
            return _explorer(request, view, opening)
        except BaseException:
            opening.undo()
            raise
    if running_shell() is None:
        raise FeatmagicError(
            "An explorer needs a notebook or IPython; feature_maps.save('explorer.html') saves "
            "it as an HTML page."
        )
    if request.model is not None or request.inputs is not None:
        raise FeatmagicError("inputs works only with an explorer in a notebook.")
    browse(request.activations, view, current_target(view.renderer))
    return None


def show(request: Request, view: View, target: Target) -> None:
    """Show an explorer; where there can be none, the grids, and say why.

    Raises:
        FeatmagicError: A layer can't be shown as the view says.
    """
    if not request.activations:
        return
    if view.title:
        target.tell("\n".join(title_lines(view.title)))
    if not runs_widgets():
        browse(request.activations, view, target)
    elif reason := why_no_widget(target):
        grid.show(request, view.only(*TAKEN["grid"] - {"title"}), target)
        say(f"Showing still pictures instead of an explorer: {reason}.")
    else:
        from featmagic.explorer.open import show_explorer  # anywidget takes its time

        opening = Opening()
        try:
            show_explorer(_explorer(request, view, opening))
        except BaseException:
            opening.undo()
            raise


def targets(path: str | os.PathLike[str], keys: Sequence[str], *, overwrite: bool) -> list[Path]:
    """Return the one page that `save` would write for these keys, if it may.

    Raises:
        FeatmagicError: As for `target_files`.
    """
    return target_files(path, keys, overwrite=overwrite)


def save(request: Request, view: View, files: Sequence[Path], *, overwrite: bool) -> list[Path]:
    """Write the page to the file that `targets` returned.

    Raises:
        FeatmagicError: A layer can't be shown as the view says, or the file can't be written.
    """
    maps = _variable(request)
    return save_page(files[0], request.activations, view, maps=maps, overwrite=overwrite)


def _explorer(request: Request, view: View, opening: Opening) -> Explorer:
    from featmagic.explorer.open import open_explorer

    variable = _variable(request)
    return open_explorer(
        request.activations, view, variable, request.model, request.inputs, opening
    )


def _variable(request: Request) -> str:
    """Return the name of the user's variable, for code that is copied from an explorer."""
    return name_of(request.maps, "feature_maps")
