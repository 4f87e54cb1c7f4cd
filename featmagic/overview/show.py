"""The film strip as a view: shown on a target, as a picture, and in a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from featmagic.files.paths import target_files, write_whole
from featmagic.options.view import View
from featmagic.overview.filmstrip import Filmstrip, filmstrip
from featmagic.overview.image import filmstrip_image as film_image
from featmagic.overview.image import filmstrip_png
from featmagic.overview.table import alarms, head
from featmagic.overview.table import filmstrip_text as film_text
from featmagic.overview.text import filmstrip_lines
from featmagic.recording.records import Request
from featmagic.render.mime_bundle import bundle, publish, tell
from featmagic.render.target import Target
from featmagic.support.errors import FeatmagicError
from featmagic.support.text import wrap


def show(request: Request, view: View, target: Target) -> None:
    """Show the film strip; after an interrupt, the layers before it.

    Raises:
        FeatmagicError: A layer can't be shown as the view says.
        KeyboardInterrupt: One came while the layers were measured.
    """
    film = filmstrip(request.activations, view, target.viewport)
    show_filmstrip(film, target)
    if film.interrupted:
        raise KeyboardInterrupt


def pictures(request: Request, view: View) -> list[tuple[str, bytes]]:
    """Return the film strip as text and as a PNG.

    Raises:
        FeatmagicError: A layer can't be shown as the view says.
        KeyboardInterrupt: One came while the layers were measured.
    """
    film = filmstrip(request.activations, view)
    if film.interrupted:
        raise KeyboardInterrupt
    return [(film_text(film), filmstrip_png(film))]


def targets(path: str | os.PathLike[str], keys: Sequence[str], *, overwrite: bool) -> list[Path]:
    """Return the one file that `save` would write, whatever the keys, if it may.

    Raises:
        FeatmagicError: As for `target_files`, or the suffix isn't .png.
    """
    (target,) = target_files(path, ["overview"], overwrite=overwrite)
    if target.suffix.lower() != ".png":
        raise FeatmagicError(f"An overview is saved as .png, not '{target.name}'.")
    return [target]


def save(request: Request, view: View, files: Sequence[Path]) -> list[Path]:
    """Write the film strip to the file that `targets` returned.

    Raises:
        FeatmagicError: A layer can't be shown as the view says, or the file can't be written.
        KeyboardInterrupt: One came while the layers were measured.
    """
    ((_, picture),) = pictures(request, view)
    return write_whole({files[0]: lambda beside: beside.write_bytes(picture)})


def show_filmstrip(film: Filmstrip, screen: Target) -> None:
    """Show an overview: one PNG in a notebook, half blocks in a terminal, else the table as text.

    Example:
        >>> show_filmstrip(filmstrip([], View(), None), Target("none", 80))
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
