"""A mosaic as an image for a page: gaps, labels, marks and margins around its tiles."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np

from featmagic.planes.dtypes import Pixels
from featmagic.render.font import DIGIT, LETTER, LINE, draw_text
from featmagic.render.mosaic import Mosaic, PrefixStrip, with_marks
from featmagic.render.non_finite_marks import KINDS, draw_cell_marks, mark
from featmagic.render.palette import GAP, INK, LEVELS
from featmagic.render.png import encode_png
from featmagic.render.viewport import PAGE

_COLOR_BAR = 180  # pixels, where there is room


_FIGURES = LINE + 12  # pixels below the tiles, for the colors' figures


def page_image(mosaic: Mosaic, gap: int = PAGE.gap) -> Pixels:
    """The mosaic enlarged by its zoom, with gaps around the tiles and what belongs to them.

    Returns:
        `(H, W)` uint8 palette indices, or `(H, W, 3)` RGB where the tiles are RGB or an input image
        is beside them. Labels, bars and figures stand in the gaps, never on a value; labels are
        left out where a tile has no room for the longest.

    Example:
        >>> import torch
        >>> from featmagic.render.mosaic import tile
        >>> from featmagic.render.viewport import GridLayout
        >>> tiles = torch.zeros(2, 8, 8).byte()
        >>> page_image(tile(tiles, ("0", "1"), bytes(768), GridLayout(2, 3, 1))).shape
        (37, 54)
    """
    frame = page_geometry(mosaic, gap)
    rows = len(mosaic.indices)
    below = frame.top + rows * frame.tall
    tallest = max((len(one) for one in mosaic.inputs), default=0) if len(mosaic.inputs) == 1 else 0
    below = max(below, frame.top + frame.label + tallest + gap * bool(tallest))
    height = below + _FIGURES * bool(mosaic.ends)
    canvas = np.full((height, frame.width), GAP, np.uint8)
    _label(canvas, mosaic, frame)
    _note(canvas, mosaic, frame)
    if mosaic.bars:
        _bar(canvas, mosaic, frame)
    _tick(canvas, mosaic, frame)
    if mosaic.strip:
        _draw_strip(canvas, mosaic.strip, frame, gap)
    if mosaic.ends:
        _draw_colors(canvas[below:], mosaic.ends, frame.left)
    pixels = mosaic.colors[canvas] if mosaic.is_rgb or mosaic.inputs else canvas
    tiles = with_marks(mosaic)
    as_rgb = pixels.ndim == 3 and not mosaic.is_rgb
    _cells(pixels, mosaic, frame)[:] = mosaic.colors[tiles] if as_rgb else tiles
    for row, picture in enumerate(mosaic.inputs):
        top = frame.top + frame.label + row * frame.tall
        pixels[top : top + picture.shape[0], gap : gap + picture.shape[1]] = picture
    return pixels


def rows_within(mosaic: Mosaic, height: int, gap: int = PAGE.gap) -> int:
    """How many rows of tiles an image of so many pixels has room for: one at least.

    Example:
        >>> import torch
        >>> from featmagic.render.mosaic import tile
        >>> from featmagic.render.viewport import GridLayout
        >>> tiles = torch.zeros(4, 8, 8).byte()
        >>> rows_within(tile(tiles, tuple("0123"), bytes(768), GridLayout(1, 3, 1)), 80)
        2
    """
    frame = page_geometry(mosaic, gap)
    left = height - frame.top - _FIGURES * bool(mosaic.ends)
    return max(1, min(len(mosaic.indices), left // frame.tall))


def _cells(pixels: Pixels, mosaic: Mosaic, frame: PageGeometry) -> Pixels:
    """A view of the image's pixels that belong to tiles: `(rows, h, ncols, w)`."""
    rows, height, ncols, width = mosaic.indices.shape[:4]
    return _tiles_of(pixels, frame, (rows, height * mosaic.zoom, ncols, width * mosaic.zoom))


def _tiles_of(pixels: Pixels, frame: PageGeometry, shape: tuple[int, int, int, int]) -> Pixels:
    """A view of the pixels at each tile's place, `(rows, h, ncols, w)`."""
    down, across, *color = pixels.strides
    return np.lib.stride_tricks.as_strided(
        pixels[frame.top + frame.label :, frame.left :],
        (*shape, *pixels.shape[2:]),
        (frame.tall * down, down, frame.wide * across, across, *color),
    )


def _label(canvas: Pixels, mosaic: Mosaic, frame: PageGeometry) -> None:
    """Labels above the tiles."""
    if label_height(mosaic):
        for place, label in enumerate(mosaic.labels):
            row, column = divmod(place, mosaic.indices.shape[2])
            top, left = frame.top + row * frame.tall, frame.left + column * frame.wide
            draw_text(canvas, label, top + 1, left, DIGIT)


def _note(canvas: Pixels, mosaic: Mosaic, frame: PageGeometry) -> None:
    """A shape above a tile for each kind of what it holds that is no number."""
    width, side = mosaic.tile_size[1] * mosaic.zoom, frame.mark
    for place, letters in enumerate(mosaic.nonfinite):
        row, column = divmod(place, mosaic.indices.shape[2])
        top = frame.top + row * frame.tall + frame.label - side - 1
        shown = letters[: max(1, width // side)]
        left = frame.left + column * frame.wide + frame.beside
        for letter in shown:
            canvas[top : top + side, left : left + side][mark(KINDS[letter], side)] = INK
            left += side


def _bar(canvas: Pixels, mosaic: Mosaic, frame: PageGeometry) -> None:
    """Bars under the tiles, as long as the channels are strong."""
    rows, height, ncols, width = mosaic.indices.shape[:4]
    strengths = np.zeros(rows * ncols)
    strengths[: len(mosaic.bars)] = mosaic.bars
    lengths = (strengths * width * mosaic.zoom).round().reshape(rows, 1, ncols, 1)
    places = _tiles_of(
        canvas[height * mosaic.zoom + 1 :], frame, (rows, 2, ncols, width * mosaic.zoom)
    )
    places[np.broadcast_to(np.arange(width * mosaic.zoom) < lengths, places.shape)] = INK


def _tick(canvas: Pixels, mosaic: Mosaic, frame: PageGeometry) -> None:
    """Texts left of rows, in the middle of a row of tiles or at a row of values."""
    for row, line, text in mosaic.ticks:
        top = frame.top + frame.label + row * frame.tall + line * mosaic.zoom
        middle = max(0, min(mosaic.zoom, LINE) - 7) // 2
        draw_text(canvas, text, top + middle, frame.left - LETTER * len(text) - 3, DIGIT)


def _draw_strip(canvas: Pixels, strip: PrefixStrip, frame: PageGeometry, gap: int) -> None:
    name = LETTER * max(map(len, strip.names)) + 4
    a_line = ceil(strip.indices.shape[1] / frame.lines)
    for number, (text, indices) in enumerate(zip(strip.names, strip.indices, strict=True)):
        top = gap + number * (frame.lines * CELL + 1)
        draw_text(canvas, text, top + 1, frame.left, DIGIT)
        for line in range(frame.lines):
            cells = indices[line * a_line : (line + 1) * a_line]
            down, left = top + line * CELL, frame.left + name
            there = canvas[down : down + CELL - 1, left : left + len(cells) * frame.cell]
            there[:] = cells.repeat(frame.cell)
            draw_cell_marks(there, cells)


def _draw_colors(canvas: Pixels, ends: tuple[str, ...], left: int) -> None:
    """All levels from the lowest to the highest; under them both ends' figures and the middle's."""
    width = min(_COLOR_BAR, canvas.shape[1] - left - 2)
    canvas[2:9, left : left + width] = np.linspace(0, LEVELS - 1, width).round().astype(np.uint8)
    for text, place in zip(ends, (0.0, 0.5, 1.0), strict=True):
        draw_text(canvas, text, 11, left + round(place * (width - LETTER * len(text))))


def mosaic_png(mosaic: Mosaic) -> bytes:
    """An opaque PNG, enlarged by whole numbers; a pixel is a CSS pixel.

    With an 8-bit palette; in RGB where tiles are RGB or an input image stands beside them.

    Example:
        >>> import torch
        >>> from featmagic.render.mosaic import tile
        >>> from featmagic.render.viewport import GridLayout
        >>> tiles = tile(torch.zeros(1, 2, 2).byte(), ("0",), bytes(768), GridLayout(1, 1, 1))
        >>> mosaic_png(tiles)[1:4]
        b'PNG'
    """
    return encode_png(page_image(mosaic), mosaic.palette)


CELL = 9  # pixels a prefix token's line is tall


_LABEL = 9  # pixels a label takes above its tile


_MARK = 7  # pixels a mark above a tile is tall and wide, where the tile is


_SMALLEST_MARK = 3


_BAR = 3  # pixels a bar takes under its tile: two, and one apart from it


_WIDEST_CELL = 12


@dataclass(frozen=True)
class PageGeometry:
    """Where everything stands, in pixels.

    Attributes:
        left, top: of the first tile's labels.
        tall, wide: from one tile to the next.
        label: how tall what stands above a tile is: its label, and marks.
        mark: how tall and wide a mark is; `beside`: how far right the first one stands.
        width: of everything.
        cell: how wide a prefix token's cell is; `lines`: how many lines of cells each has.
    """

    left: int
    top: int
    tall: int
    wide: int
    label: int
    mark: int
    beside: int
    width: int
    cell: int
    lines: int


def page_geometry(mosaic: Mosaic, gap: int) -> PageGeometry:
    """Where everything stands, with gaps so wide.

    Example:
        >>> import torch
        >>> from featmagic.render.mosaic import tile
        >>> from featmagic.render.viewport import GridLayout
        >>> tiles = torch.zeros(2, 8, 8).byte()
        >>> frame = page_geometry(tile(tiles, ("0", "1"), bytes(768), GridLayout(2, 3, 1)), 2)
        >>> frame.width, frame.wide
        (54, 26)
    """
    height, ncols, width = mosaic.indices.shape[1:4]
    label = label_height(mosaic)
    mark, beside_label = _marks(mosaic, label)
    if mosaic.nonfinite and not beside_label:
        label += mark + 1  # a line of their own
    tall = label + height * mosaic.zoom + _BAR * bool(mosaic.bars) + gap
    wide = width * mosaic.zoom + gap
    beside = max((one.shape[1] + gap for one in mosaic.inputs), default=0)
    margin = max((LETTER * len(text) + 4 for *_, text in mosaic.ticks), default=0)
    left = gap + beside + margin
    full = left + ncols * wide
    if mosaic.ends:
        full = max(full, left + LETTER * (sum(map(len, mosaic.ends)) + 4) + gap)
    cell, lines, top = 0, 0, gap
    if mosaic.strip:
        name = LETTER * max(map(len, mosaic.strip.names)) + 4
        count = mosaic.strip.indices.shape[1]
        full = max(full, left + name + min(count, 32) * 4)
        across = full - left - name - gap
        cell = max(2, min(_WIDEST_CELL, across // count))
        lines = ceil(count * cell / max(cell, across))
        top += len(mosaic.strip.names) * (lines * CELL + 1) + gap
    return PageGeometry(left, top, tall, wide, label, mark, beside_label, full, cell, lines)


def label_height(mosaic: Mosaic) -> int:
    """How tall the strip for labels is; 0 where they have no room.

    Example:
        >>> import torch
        >>> from featmagic.render.mosaic import tile
        >>> from featmagic.render.viewport import GridLayout
        >>> one = torch.zeros(1, 2, 2).byte()
        >>> label_height(tile(one, ("0",), bytes(768), GridLayout(1, 1, 1)))
        0
    """
    longest = LETTER * max(map(len, mosaic.labels), default=0)
    return _LABEL if 0 < longest <= mosaic.tile_size[1] * mosaic.zoom else 0


def _marks(mosaic: Mosaic, label: int) -> tuple[int, int]:
    """How large a mark is, and how far right behind a label; 0 where there is no room for all."""
    most = max(map(len, mosaic.nonfinite), default=0)
    width = mosaic.tile_size[1] * mosaic.zoom
    mark = max(_SMALLEST_MARK, min(_MARK, width))
    behind = LETTER * max(map(len, mosaic.labels), default=0) + 2
    return mark, behind if label and behind + most * mark <= width else 0
