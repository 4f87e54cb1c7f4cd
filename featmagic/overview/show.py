"""The film strip as a view: shown on a target, as a picture, and in a file."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from featmagic.files.paths import target_files
from featmagic.files.transaction import write_whole
from featmagic.options.view import View
from featmagic.overview.filmstrip import Filmstrip, filmstrip
from featmagic.overview.image import filmstrip_png, headed_image
from featmagic.overview.table import alarms, conclusion, filmstrip_text, head
from featmagic.overview.text import filmstrip_lines
from featmagic.recording.records import Request
from featmagic.render.mime_bundle import publish
from featmagic.render.target import Target
from featmagic.render.title import title_lines
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
    """Return the film strip as text and as a PNG, without the text's head.

    Raises:
        FeatmagicError: A layer can't be shown as the view says.
        KeyboardInterrupt: One came while the layers were measured.
    """
    film = _complete(request, view)
    return [(filmstrip_text(film), filmstrip_png(film, headed=False))]


def _complete(request: Request, view: View) -> Filmstrip:
    film = filmstrip(request.activations, view)
    if film.interrupted:
        raise KeyboardInterrupt
    return film


def targets(path: str | os.PathLike[str], keys: Sequence[str], *, overwrite: bool) -> list[Path]:
    """Return the one file that `save` would write, whatever the keys, if it may.

    Raises:
        FeatmagicError: As for `target_files`, or the suffix isn't .png.
    """
    (target,) = target_files(path, ["overview"], overwrite=overwrite)
    if target.suffix.lower() != ".png":
        raise FeatmagicError(f"An overview is saved as .png, not '{target.name}'.")
    return [target]


def save(request: Request, view: View, files: Sequence[Path], *, overwrite: bool) -> list[Path]:
    """Write the film strip to the file that `targets` returned.

    Raises:
        FeatmagicError: A layer can't be shown as the view says, or the file can't be written.
        KeyboardInterrupt: One came while the layers were measured.
    """
    picture = filmstrip_png(_complete(request, view))
    return write_whole({files[0]: lambda path: path.write_bytes(picture)}, overwrite=overwrite)


def show_filmstrip(strip: Filmstrip, target: Target) -> None:
    """Show a film strip as the target's renderer draws it: an image, text, or the table alone."""
    renderer, viewport, title = target.renderer, target.viewport, strip.view.title
    if title and renderer.bundle is None:
        target.tell("\n".join(title_lines(title)))
    if renderer.bundle is not None:
        text, summary = filmstrip_text(strip), "\n".join([*head(strip), *alarms(strip)])
        target.tell("\n".join(wrap(line, target.columns) for line in summary.split("\n")))
        # A terminal at an engine's client shows the text of an image: the summary is above already.
        words = text.removeprefix(f"{summary}\n") if target.engine else text
        publish(*renderer.bundle(headed_image(strip, viewport, headed=False), words, summary))
    elif renderer.cells is not None and viewport is not None:
        target.tell_drawn(filmstrip_lines(strip, renderer.cells, target.colors, viewport.width))
        return
    else:
        target.tell(filmstrip_text(strip))
    # In a terminal the first lines may have scrolled away.
    again = [*conclusion(strip), *alarms(strip)]
    if again and target.lines is not None:
        target.tell("\n".join(wrap(line, target.columns) for line in again))
