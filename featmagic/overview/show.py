"""Where a picture goes: to the IPython that is running, or to the standard output."""

from __future__ import annotations

import os
from pathlib import Path

from featmagic.files.paths import target_files
from featmagic.overview.filmstrip import Filmstrip
from featmagic.overview.image import filmstrip_image as film_image
from featmagic.overview.table import alarms, head
from featmagic.overview.table import filmstrip_text as film_text
from featmagic.overview.text import filmstrip_lines
from featmagic.render.mime_bundle import bundle, publish, tell
from featmagic.render.target import Target
from featmagic.support.errors import FeatmagicError
from featmagic.support.text import wrap


def overview_target(path: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """The file that an overview would be written to.

    Raises:
        FeatmagicError: as for any picture, or a suffix that isn't .png.

    Example:
        >>> overview_target("overview.png", overwrite=True).name
        'overview.png'
    """
    (target,) = target_files(path, ["overview"], overwrite=overwrite)
    if target.suffix.lower() != ".png":
        raise FeatmagicError(f"An overview is saved as .png, not '{target.name}'.")
    return target


def show(film: Filmstrip, screen: Target) -> None:
    """Show an overview: one PNG in a notebook, half blocks in a terminal, else the table as text.

    Example:
        >>> from featmagic.overview.filmstrip import filmstrip
        >>> from featmagic.render.target import Target
        >>> from featmagic.options.view import View
        >>> show(filmstrip([], View(), None), Target("none", 80))
        0 layers · 0 B of activations · no NaN, no inf
    """
    text = film_text(film)
    if screen.renderer == "png":
        summary = "\n".join([*head(film), *alarms(film)])
        tell("\n".join(wrap(line, screen.columns) for line in summary.split("\n")), screen)
        words = text.removeprefix(f"{summary}\n") if screen.engine else text
        publish(*bundle(film_image(film), film.palette, words, summary))
    elif screen.viewport is not None:
        colors = 0 if screen.renderer == "ascii" else screen.colors
        tell(filmstrip_lines(film, colors, screen.viewport.width), screen)
    else:
        tell(text, screen)
