"""A mosaic as an image for a page: gaps, labels, marks and margins around its tiles."""

from __future__ import annotations

from math import ceil

import numpy as np

from featmagic.framing import CELL, Frame, frame_of, label_height
from featmagic.glyphs import DIGIT, LETTER, LINE, write
from featmagic.mosaic import Mosaic, Strip, shaped
from featmagic.palette import GAP, INK, LEVELS
from featmagic.planes.dtypes import Pixels
from featmagic.room import PAGE
from featmagic.shapes import KINDS, draw_shapes_of_cells, shape

_COLOUR_BAR = 180  # pixels, where there is room
_FIGURES = LINE + 12  # pixels below the tiles, for the colours' figures


def image(mosaic: Mosaic, gap: int = PAGE.gap) -> Pixels:
    """The mosaic enlarged by its zoom, with gaps around the tiles and what belongs to them.

    Returns:
        `(H, W)` uint8 palette indices, or `(H, W, 3)` RGB where the tiles are RGB or an input image
        is beside them. Labels, bars and figures stand in the gaps, never on a value; labels are
        left out where a tile has no room for the longest.

    Example:
        >>> import torch
        >>> from featmagic.mosaic import tile
        >>> from featmagic.room import Arrangement
        >>> tiles = torch.zeros(2, 8, 8).byte()
        >>> image(tile(tiles, ("0", "1"), bytes(768), Arrangement(2, 3, 1))).shape
        (37, 54)
    """
    frame = frame_of(mosaic, gap)
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
        _draw_colours(canvas[below:], mosaic.ends, frame.left)
    pixels = mosaic.colours[canvas] if mosaic.is_rgb or mosaic.inputs else canvas
    tiles = shaped(mosaic)
    as_rgb = pixels.ndim == 3 and not mosaic.is_rgb
    _cells(pixels, mosaic, frame)[:] = mosaic.colours[tiles] if as_rgb else tiles
    for row, picture in enumerate(mosaic.inputs):
        top = frame.top + frame.label + row * frame.tall
        pixels[top : top + picture.shape[0], gap : gap + picture.shape[1]] = picture
    return pixels


def rows_within(mosaic: Mosaic, height: int, gap: int = PAGE.gap) -> int:
    """How many rows of tiles an image of so many pixels has room for: one at least.

    Example:
        >>> import torch
        >>> from featmagic.mosaic import tile
        >>> from featmagic.room import Arrangement
        >>> tiles = torch.zeros(4, 8, 8).byte()
        >>> rows_within(tile(tiles, tuple("0123"), bytes(768), Arrangement(1, 3, 1)), 80)
        2
    """
    frame = frame_of(mosaic, gap)
    left = height - frame.top - _FIGURES * bool(mosaic.ends)
    return max(1, min(len(mosaic.indices), left // frame.tall))


def _cells(pixels: Pixels, mosaic: Mosaic, frame: Frame) -> Pixels:
    """A view of the image's pixels that belong to tiles: `(rows, h, ncols, w)`."""
    rows, height, ncols, width = mosaic.indices.shape[:4]
    return _tiles_of(pixels, frame, (rows, height * mosaic.zoom, ncols, width * mosaic.zoom))


def _tiles_of(pixels: Pixels, frame: Frame, shape: tuple[int, int, int, int]) -> Pixels:
    """A view of the pixels at each tile's place, `(rows, h, ncols, w)`."""
    down, across, *colour = pixels.strides
    return np.lib.stride_tricks.as_strided(
        pixels[frame.top + frame.label :, frame.left :],
        (*shape, *pixels.shape[2:]),
        (frame.tall * down, down, frame.wide * across, across, *colour),
    )


def _label(canvas: Pixels, mosaic: Mosaic, frame: Frame) -> None:
    """Labels above the tiles."""
    if label_height(mosaic):
        for place, label in enumerate(mosaic.labels):
            row, column = divmod(place, mosaic.indices.shape[2])
            top, left = frame.top + row * frame.tall, frame.left + column * frame.wide
            write(canvas, label, top + 1, left, DIGIT)


def _note(canvas: Pixels, mosaic: Mosaic, frame: Frame) -> None:
    """A shape above a tile for each kind of what it holds that is no number."""
    width, side = mosaic.tile_size[1] * mosaic.zoom, frame.mark
    for place, letters in enumerate(mosaic.strange):
        row, column = divmod(place, mosaic.indices.shape[2])
        top = frame.top + row * frame.tall + frame.label - side - 1
        shown = letters[: max(1, width // side)]
        left = frame.left + column * frame.wide + frame.beside
        for letter in shown:
            canvas[top : top + side, left : left + side][shape(KINDS[letter], side)] = INK
            left += side


def _bar(canvas: Pixels, mosaic: Mosaic, frame: Frame) -> None:
    """Bars under the tiles, as long as the channels are strong."""
    rows, height, ncols, width = mosaic.indices.shape[:4]
    strengths = np.zeros(rows * ncols)
    strengths[: len(mosaic.bars)] = mosaic.bars
    lengths = (strengths * width * mosaic.zoom).round().reshape(rows, 1, ncols, 1)
    places = _tiles_of(
        canvas[height * mosaic.zoom + 1 :], frame, (rows, 2, ncols, width * mosaic.zoom)
    )
    places[np.broadcast_to(np.arange(width * mosaic.zoom) < lengths, places.shape)] = INK


def _tick(canvas: Pixels, mosaic: Mosaic, frame: Frame) -> None:
    """Texts left of rows, in the middle of a row of tiles or at a row of values."""
    for row, line, text in mosaic.ticks:
        top = frame.top + frame.label + row * frame.tall + line * mosaic.zoom
        middle = max(0, min(mosaic.zoom, LINE) - 7) // 2
        write(canvas, text, top + middle, frame.left - LETTER * len(text) - 3, DIGIT)


def _draw_strip(canvas: Pixels, strip: Strip, frame: Frame, gap: int) -> None:
    name = LETTER * max(map(len, strip.names)) + 4
    a_line = ceil(strip.indices.shape[1] / frame.lines)
    for number, (text, indices) in enumerate(zip(strip.names, strip.indices, strict=True)):
        top = gap + number * (frame.lines * CELL + 1)
        write(canvas, text, top + 1, frame.left, DIGIT)
        for line in range(frame.lines):
            cells = indices[line * a_line : (line + 1) * a_line]
            down, left = top + line * CELL, frame.left + name
            there = canvas[down : down + CELL - 1, left : left + len(cells) * frame.cell]
            there[:] = cells.repeat(frame.cell)
            draw_shapes_of_cells(there, cells)


def _draw_colours(canvas: Pixels, ends: tuple[str, ...], left: int) -> None:
    """All levels from the lowest to the highest; under them both ends' figures and the middle's."""
    width = min(_COLOUR_BAR, canvas.shape[1] - left - 2)
    canvas[2:9, left : left + width] = np.linspace(0, LEVELS - 1, width).round().astype(np.uint8)
    for text, place in zip(ends, (0.0, 0.5, 1.0), strict=True):
        write(canvas, text, 11, left + round(place * (width - LETTER * len(text))))
