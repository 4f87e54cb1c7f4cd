"""A film strip on the target, and where it is saved."""

from __future__ import annotations

import os
from pathlib import Path

from featmagic.files.paths import target_files
from featmagic.overview.filmstrip import Filmstrip
from featmagic.overview.image import filmstrip_image
from featmagic.overview.table import alarms, filmstrip_text, head
from featmagic.overview.text import filmstrip_lines
from featmagic.render.mime_bundle import publish
from featmagic.render.target import Target
from featmagic.support.errors import FeatmagicError
from featmagic.support.text import wrap


def overview_target(path: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """Return the file that a film strip would be written to.

    Raises:
        FeatmagicError: as for any picture, or a suffix other than .png.

    Example:
        >>> overview_target("overview.png", overwrite=True).name
        'overview.png'
    """
    (file,) = target_files(path, ["overview"], overwrite=overwrite)
    if file.suffix.lower() != ".png":
        raise FeatmagicError(f"An overview is saved as .png, not '{file.name}'.")
    return file


def show(filmstrip: Filmstrip, target: Target) -> None:
    """Show a film strip as the target's renderer draws it: an image, text, or the table alone.

    Args:
        filmstrip: made for the target's viewport.
        target: where to show it.

    Example:
        >>> from featmagic.overview.filmstrip import filmstrip
        >>> from featmagic.options.view import View
        >>> from featmagic.render.target import RENDERERS, Target
        >>> show(filmstrip([], View(), None), Target(RENDERERS["none"], 80))
        0 layers · 0 B of activations · no NaN, no inf
    """
    renderer, viewport = target.renderer, target.viewport
    if renderer.bundle is not None:
        text, summary = filmstrip_text(filmstrip), "\n".join([*head(filmstrip), *alarms(filmstrip)])
        target.tell("\n".join(wrap(line, target.columns) for line in summary.split("\n")))
        # A terminal at an engine's client shows the text of an image: the summary is above already.
        words = text.removeprefix(f"{summary}\n") if target.engine else text
        publish(*renderer.bundle(filmstrip_image(filmstrip), filmstrip.palette, words, summary))
    elif renderer.cells is not None and viewport is not None:
        target.tell(filmstrip_lines(filmstrip, renderer.cells, target.colors, viewport.width))
    else:
        target.tell(filmstrip_text(filmstrip))
