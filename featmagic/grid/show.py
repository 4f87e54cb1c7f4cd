"""The grids as a view: shown on a target, as pictures, and in files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from textwrap import fill

from featmagic.files.arrays import check_some
from featmagic.files.paths import target_files, write_whole
from featmagic.grid.draw import Drawing, draw_all
from featmagic.options.view import View
from featmagic.recording.records import Request
from featmagic.render.ascii import AsciiCells
from featmagic.render.figure import write_figure
from featmagic.render.half_blocks import HalfBlockCells
from featmagic.render.image import mosaic_png, page_image, rows_within
from featmagic.render.mime_bundle import bundle, publish, tell
from featmagic.render.mosaic import Mosaic, first_rows
from featmagic.render.target import Target
from featmagic.render.text import MosaicLines, mosaic_lines
from featmagic.render.viewport import Viewport
from featmagic.support.text import wrap


def show(request: Request, view: View, target: Target) -> None:
    """Show the grids, each under its caption, as soon as each is drawn.

    Raises:
        FeatmagicError: A layer can't be drawn as the view says.
    """
    with closing(draw_all(request.activations, view, target.viewport)) as drawings:
        for drawing in drawings:
            show_drawing(drawing, target, view.rows)


def pictures(request: Request, view: View) -> list[tuple[str, bytes]]:
    """Return a caption and a PNG for each layer; no bytes where there is no picture.

    Raises:
        FeatmagicError: A layer can't be drawn as the view says.
    """
    return [
        (drawing.caption, mosaic_png(drawing.mosaic) if drawing.mosaic else b"")
        for drawing in _drawings(request, view)
    ]


def targets(path: str | os.PathLike[str], keys: Sequence[str], *, overwrite: bool) -> list[Path]:
    """Return the files that `save` would write for these keys, if it may.

    Raises:
        FeatmagicError: As for `target_files`.
    """
    return target_files(path, keys, overwrite=overwrite)


def show_drawing(drawing: Drawing, screen: Target, rows: int | None = None) -> None:
    """Show the caption, then the mosaic: a PNG in a notebook, half blocks in a terminal.

    Where there is neither a terminal nor color, the caption alone.

    Args:
        drawing: made for the screen's room.
        screen: where to.
        rows: of tiles at most, 0 for all; None for as many as fit a terminal's screen.

    Example:
        >>> from featmagic.render.target import Target
        >>> show_drawing(Drawing("fc  Linear", None), Target("none", 80))
        fc  Linear
    """
    text = wrap(drawing.caption, screen.columns)
    tell(text, screen)
    if drawing.mosaic is None or screen.viewport is None:
        return
    there = len(drawing.mosaic.indices)
    shown = min(rows or there, there)
    if screen.renderer == "png":
        # A terminal at the other end shows the picture's text: the caption is above it already.
        words = _short(drawing.caption) if screen.engine else drawing.caption
        if rows is None and screen.line and screen.lines:
            lines_left = screen.lines - len(text.splitlines()) - _BELOW
            shown = rows_within(drawing.mosaic, lines_left * screen.line)
        mosaic = first_rows(drawing.mosaic, shown)
        publish(*bundle(page_image(mosaic), mosaic.palette, words, drawing.caption))
    else:
        lines = _in_letters(drawing.mosaic, screen, screen.viewport)
        if rows is None and screen.lines is not None:
            left = screen.lines - len(text.splitlines()) - _BELOW
            shown = lines.fitting(left)
            if shown < there:
                shown = lines.fitting(left - _hint(there - 1, screen).count("\n"))
        tell("\n".join(lines.first(shown)) + "\n" * (shown == there), screen)
    if more := there - shown:
        tell(_hint(more, screen), screen)


def _hint(more: int, screen: Target) -> str:
    """How to see the rows of tiles that are left out; below it a line apart from what follows."""
    row = "1 row" if more == 1 else f"{more} rows"
    text = f"{row} of tiles more: --rows 0 shows all, --max and --channels fewer."
    columns = screen.columns or len(text)
    return fill(text, columns, subsequent_indent="  ", break_on_hyphens=False) + "\n"


def _short(caption: str) -> str:
    return f"{caption.partition(' · ')[0]} · as a picture"


# Lines of a terminal's screen for what comes below a grid: an empty line, and the next prompt.
_BELOW = 3


def _in_letters(mosaic: Mosaic, screen: Target, viewport: Viewport) -> MosaicLines:
    ink = (
        AsciiCells(mosaic) if screen.renderer == "ascii" else HalfBlockCells(mosaic, screen.colors)
    )
    return mosaic_lines(mosaic, ink, viewport.width)


def save(request: Request, view: View, files: Sequence[Path]) -> list[Path]:
    """Write a picture for each layer that can be drawn.

    Args:
        request: What to draw.
        view: How to draw it.
        files: One for each layer, by `targets`.

    Returns:
        The files that were written.

    Raises:
        FeatmagicError: A layer can't be drawn as the view says, no layer can be drawn at all, or a
            file can't be written.
    """
    writers: dict[Path, Callable[[Path], object]] = {}
    without = []
    for file, drawing in zip(files, _drawings(request, view), strict=True):
        if drawing.mosaic is None:
            without.append(drawing.caption)
        else:
            writers[file] = partial(_write, drawing.mosaic, drawing.caption, file.suffix)
    check_some("Nothing to draw", without, some=bool(writers) and not request.named)
    return write_whole(writers)


def _drawings(request: Request, view: View) -> list[Drawing]:
    """Draw all layers for a page, before the first is used: an error leaves nothing half done."""
    return list(draw_all(request.activations, view))


def _write(mosaic: Mosaic, caption: str, suffix: str, path: Path) -> None:
    if suffix.lower() == ".png":
        path.write_bytes(mosaic_png(mosaic))
    else:
        write_figure(mosaic, caption, path, suffix.lower().removeprefix("."))
