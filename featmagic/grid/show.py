"""Drawings on the target, and in files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import closing
from functools import partial
from pathlib import Path
from textwrap import fill

from featmagic.files.paths import report_unsaved, target_files
from featmagic.files.transaction import write_whole
from featmagic.grid.draw import Drawing, draw_all, draw_together
from featmagic.grid.outline import check_sizes
from featmagic.grid.strip import StripDrawing
from featmagic.options.view import View
from featmagic.recording.records import Request
from featmagic.render.figure import figure_bytes
from featmagic.render.image import mosaic_png, page_raster, rows_within, with_heading
from featmagic.render.mime_bundle import Bundle, publish
from featmagic.render.mosaic import Mosaic, first_rows
from featmagic.render.raster import Raster
from featmagic.render.strip import strip_raster
from featmagic.render.target import Target
from featmagic.render.text import MosaicLines, mosaic_lines
from featmagic.render.title import Heading, title_lines
from featmagic.render.typeface import typeface_of
from featmagic.render.viewport import PAGE
from featmagic.support.memory import unless_out_of_memory
from featmagic.support.text import say, wrap

# Lines of a terminal's screen for what comes below a grid: an empty line, and the next prompt.
_BELOW = 3


def show(request: Request, view: View, target: Target) -> None:
    """Show the grids, each under its caption, as soon as each is drawn.

    Raises:
        FeatmagicError: A layer can't be drawn as the view says.
    """
    title = view.title or ""
    is_page = target.renderer.bundle is not None and target.lines is None
    drawn = draw_together if is_page else draw_all
    with closing(drawn(request.activations, view, target.viewport)) as drawings:
        for drawing in drawings:
            shown = (
                partial(show_strip, drawing, target, title)
                if isinstance(drawing, StripDrawing)
                else partial(show_drawing, drawing, target, view.rows, title)
            )
            unless_out_of_memory(shown, partial(_tell_unshown, target))
            title = ""  # it stands once, above the first layer


def _tell_unshown(target: Target, reason: str) -> None:
    target.tell(f"The picture can't be shown: {reason}.")


def pictures(request: Request, view: View) -> list[tuple[str, bytes]]:
    """Return a caption and a PNG for each layer; no bytes where there is no picture.

    As on a page, a title stands above the first.

    Raises:
        FeatmagicError: A layer can't be drawn as the view says.
    """
    made, title = [], view.title or ""
    for drawing in _drawings(request, view):
        caption = titled(drawing.caption, title) if drawing.mosaic else drawing.caption
        png = mosaic_png(drawing.mosaic, Heading(title)) if drawing.mosaic else b""
        made.append((caption, png))
        title = ""
    if view.title:
        warn_of_missing(view.title)
    return made


def targets(path: str | os.PathLike[str], keys: Sequence[str], *, overwrite: bool) -> list[Path]:
    """Return the files that `save` would write for these keys, if it may.

    Raises:
        FeatmagicError: As for `target_files`.
    """
    return target_files(path, keys, overwrite=overwrite)


def save(request: Request, view: View, files: Sequence[Path], *, overwrite: bool) -> list[Path]:
    """Write a picture for each layer that can be drawn, and return the files that were written.

    Each has the title, if there is one, and says which layer it shows.

    Args:
        request: What to draw.
        view: How to draw it.
        files: One for each layer, by `targets`.
        overwrite: Whether existing files may be replaced.

    Raises:
        FeatmagicError: A layer can't be drawn as the view says, no layer can be drawn at all, or a
            file can't be written.
    """
    figures = any(file.suffix.lower() != ".png" for file in files)
    check_sizes(request.activations, view, PAGE, figures=figures)
    writers: dict[Path, Callable[[Path], object]] = {}
    without = []
    for file, drawing in zip(files, _drawings(request, view), strict=True):
        if drawing.mosaic is None:
            without.append(drawing.caption)
        else:
            writers[file] = partial(_write, drawing, view.title or "", file.suffix)
    if view.title and writers:
        warn_of_missing(view.title)
    report_unsaved("Nothing to draw", without, refuse=request.named or not writers)
    return write_whole(writers, overwrite=overwrite)


def _drawings(request: Request, view: View) -> list[Drawing]:
    """Draw all layers for a page, before the first is used: an error leaves nothing half done."""
    return list(draw_all(request.activations, view))


def titled(caption: str, title: str) -> str:
    """Return a caption that says in which font the title is set, unless it is the usual one."""
    note = typeface_of(title, bold=True).note if title else ""
    first, *others = caption.split("\n")
    return "\n".join([f"{first} · {note}", *others]) if note else caption


def warn_of_missing(title: str, tell: Callable[[str], None] = say) -> None:
    """Say which letters of the title no font has, and what to install, if there are any."""
    if warning := typeface_of(title, bold=True).warning:
        tell(warning)


def show_drawing(
    drawing: Drawing, target: Target, rows: int | None = None, title: str = ""
) -> None:
    """Show the caption, then the mosaic as the target's renderer draws it.

    At most `rows` rows of tiles are shown, or all for 0; as many as fit a terminal's screen for
    None. The title heads a picture; where there is none, it is a line above the caption.
    """
    mosaic, renderer, words = drawing.mosaic, target.renderer, drawing.caption
    if title and mosaic is not None and renderer.bundle is not None:
        words = titled(words, title)
        warn_of_missing(title, target.tell)
    elif title:
        target.tell("\n".join(title_lines(title)))
    caption = wrap(words, target.columns, indented=renderer.bundle is None)
    target.tell(caption)
    if mosaic is None or target.viewport is None:
        return
    total = len(mosaic.indices)
    shown, lines = min(rows or total, total), None
    if rows is None and target.lines is not None:
        lines = target.lines - len(caption.splitlines()) - _BELOW - (2 if title else 0)
    if renderer.bundle is not None:
        shown = _show_image(mosaic, (words, title), target, renderer.bundle, shown, lines)
    elif renderer.cells is not None:
        cells = renderer.cells(mosaic, target.colors)
        text = mosaic_lines(mosaic, cells, target.viewport.width)
        shown = _show_text(text, target, shown, lines)
    else:
        return
    if left_out := total - shown:
        target.tell(_hint(left_out, target))


def show_strip(drawing: StripDrawing, target: Target, title: str = "") -> None:
    """Show several layers on a page, under one caption; its description has that of each."""
    assert target.renderer.bundle is not None
    words = titled(drawing.caption, title)
    if title:
        warn_of_missing(title, target.tell)
    target.tell(wrap(words, target.columns, indented=False))
    whole = "\n".join([words, *drawing.details])
    alt = f"{' '.join(title_lines(title))}\n{whole}" if title else whole
    text = _short(words) if target.engine else whole
    width = target.viewport.width if target.viewport else 0  # that of all pictures of a page
    picture = with_heading(strip_raster(drawing.strip, width), Heading(title))
    publish(*target.renderer.bundle(picture, text, alt))


def _show_image(
    mosaic: Mosaic,
    words: tuple[str, str],
    target: Target,
    bundle: Callable[[Raster, str, str], Bundle],
    rows: int,
    lines: int | None,
) -> int:
    """Show so many rows of tiles, or those within the lines of a screen, and return how many.

    The words are the caption and the title.
    """
    caption, title = words
    if lines is not None and target.line_height is not None:
        rows = rows_within(mosaic, lines * target.line_height)
    mosaic = first_rows(mosaic, rows)
    # A terminal at an engine's client shows the text of an image: the caption is above already.
    text = _short(caption) if target.engine else caption
    alt = f"{' '.join(title_lines(title))}\n{caption}" if title else caption
    width = target.viewport.width if target.viewport else 0
    picture = with_heading(page_raster(mosaic, width), Heading(title))
    publish(*bundle(picture, text, alt))
    return rows


def _show_text(text: MosaicLines, target: Target, rows: int, lines: int | None) -> int:
    """Show so many rows of tiles, or those within the lines of a screen, and return how many."""
    if lines is not None and text.fitting(lines) < text.rows:  # the hint at the rest takes some
        rows = text.fitting(lines - _hint(text.rows - 1, target).count("\n"))
    target.tell_drawn("\n".join(text.first(rows)) + "\n" * (rows == text.rows))
    return rows


def _short(caption: str) -> str:
    return f"{caption.splitlines()[0].partition(' · ')[0]} · as a picture"


def _hint(rows: int, target: Target) -> str:
    """Return how to see the rows of tiles that are left out, and an empty line below it."""
    text = f"{rows} more row{'s' * (rows > 1)}; --rows 0 shows all"
    columns = target.columns or len(text)
    return fill(text, columns, subsequent_indent="  ", break_on_hyphens=False) + "\n"


def _write(drawing: Drawing, title: str, suffix: str, path: Path) -> None:
    """Write a picture that says what it shows: its first words, or in a figure the caption."""
    assert drawing.mosaic is not None
    kind = suffix.lower().removeprefix(".")
    if kind == "png":
        heading = Heading(title, drawing.caption.splitlines()[0])
        path.write_bytes(mosaic_png(drawing.mosaic, heading))
    else:
        caption = titled(drawing.caption, title)
        path.write_bytes(figure_bytes(drawing.mosaic, caption, kind, title))
