"""Drawings on the target, and in files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from textwrap import fill

from featmagic.files.paths import report_unsaved, target_files, write_whole
from featmagic.grid.draw import Drawing, draw_all
from featmagic.options.view import View
from featmagic.planes.dtypes import Pixels
from featmagic.recording.records import Request
from featmagic.render.figure import write_figure
from featmagic.render.image import mosaic_png, page_image, rows_within
from featmagic.render.mime_bundle import Bundle, publish
from featmagic.render.mosaic import Mosaic, first_rows
from featmagic.render.target import Target
from featmagic.render.text import MosaicLines, mosaic_lines
from featmagic.support.text import wrap

# Lines of a terminal's screen for what comes below a grid: an empty line, and the next prompt.
_BELOW = 3


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


def save(request: Request, view: View, files: Sequence[Path]) -> list[Path]:
    """Write a picture for each layer that can be drawn, and return the files that were written.

    Args:
        request: What to draw.
        view: How to draw it.
        files: One for each layer, by `targets`.

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
    report_unsaved("Nothing to draw", without, refuse=request.named or not writers)
    return write_whole(writers)


def _drawings(request: Request, view: View) -> list[Drawing]:
    """Draw all layers for a page, before the first is used: an error leaves nothing half done."""
    return list(draw_all(request.activations, view))


def show_drawing(drawing: Drawing, target: Target, rows: int | None = None) -> None:
    """Show the caption, then the mosaic as the target's renderer draws it.

    At most `rows` rows of tiles are shown, or all for 0; as many as fit a terminal's screen for
    None.
    """
    caption = wrap(drawing.caption, target.columns)
    target.tell(caption)
    picture = _picture(drawing, target)
    if picture is None:
        return
    shown = min(rows or picture.rows, picture.rows)
    if rows is None and target.lines is not None:
        lines = target.lines - len(caption.splitlines()) - _BELOW
        shown = picture.rows_within(lines, _hint(picture.rows - 1, target).count("\n"))
    picture.show(shown)
    if left_out := picture.rows - shown:
        target.tell(_hint(left_out, target))


@dataclass(frozen=True)
class _Image:
    """An image, whose rows are cut where it would be taller than a terminal's window."""

    mosaic: Mosaic
    caption: str
    target: Target
    bundle: Callable[[Pixels, bytes, str, str], Bundle]

    @property
    def rows(self) -> int:
        """The number of rows of tiles."""
        return len(self.mosaic.indices)

    def rows_within(self, lines: int, hint: int) -> int:
        """Return how many rows fit so many lines, of which a hint takes none; one at least."""
        height = self.target.line_height
        return self.rows if height is None else rows_within(self.mosaic, lines * height)

    def show(self, rows: int) -> None:
        """Publish the first rows."""
        mosaic = first_rows(self.mosaic, rows)
        # A terminal at an engine's client shows the text of an image: the caption is above already.
        text = _short(self.caption) if self.target.engine else self.caption
        publish(*self.bundle(page_image(mosaic), mosaic.palette, text, self.caption))


@dataclass(frozen=True)
class _Text:
    """Lines of text, of which a hint takes some where rows are cut."""

    lines: MosaicLines
    target: Target

    @property
    def rows(self) -> int:
        """The number of rows of tiles."""
        return self.lines.rows

    def rows_within(self, lines: int, hint: int) -> int:
        """Return how many rows fit so many lines, of which a hint takes some if there are more."""
        rows = self.lines.fitting(lines)
        return rows if rows == self.rows else self.lines.fitting(lines - hint)

    def show(self, rows: int) -> None:
        """Tell the lines of the first rows."""
        self.target.tell("\n".join(self.lines.first(rows)) + "\n" * (rows == self.rows))


def _picture(drawing: Drawing, target: Target) -> _Image | _Text | None:
    """Return the mosaic as the target's renderer draws it; None if there is nothing to draw."""
    mosaic, renderer = drawing.mosaic, target.renderer
    if mosaic is None or target.viewport is None:
        return None
    if renderer.bundle is not None:
        return _Image(mosaic, drawing.caption, target, renderer.bundle)
    if renderer.cells is not None:
        cells = renderer.cells(mosaic, target.colors)
        return _Text(mosaic_lines(mosaic, cells, target.viewport.width), target)
    return None


def _short(caption: str) -> str:
    return f"{caption.partition(' · ')[0]} · as a picture"


def _hint(rows: int, target: Target) -> str:
    """Return how to see the rows of tiles that are left out, and an empty line below it."""
    count = "1 row" if rows == 1 else f"{rows} rows"
    text = f"{count} of tiles more: --rows 0 shows all, --max and --channels fewer."
    columns = target.columns or len(text)
    return fill(text, columns, subsequent_indent="  ", break_on_hyphens=False) + "\n"


def _write(mosaic: Mosaic, caption: str, suffix: str, path: Path) -> None:
    if suffix.lower() == ".png":
        path.write_bytes(mosaic_png(mosaic))
    else:
        write_figure(mosaic, caption, path, suffix.lower().removeprefix("."))
