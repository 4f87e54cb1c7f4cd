"""A mosaic as an image for a notebook's page."""

from __future__ import annotations

from math import ceil
from typing import Any

import numpy as np

from featmagic.planes.dtypes import Pixels
from featmagic.render.font import BELOW_TOP, DIGIT, LETTER, LINE, draw_text
from featmagic.render.mosaic import Mosaic, PrefixStrip, with_marks
from featmagic.render.non_finite_marks import KINDS, draw_cell_marks, mark
from featmagic.render.page_geometry import MARK_WIDTH, PageGeometry, PageMetrics, page_geometry
from featmagic.render.palette import GAP, INK, LEVELS
from featmagic.render.png import encode_png
from featmagic.render.title import DENSITY, NO_HEADING, Heading, heading_alpha
from featmagic.render.viewport import PAGE

_BEFORE_MARKS = 2  # pixels between a label and the marks behind it
_WIDEST_COLOR_BAR = 180  # pixels


def _text_width(text: str) -> int:
    return LETTER * len(text)


PAGE_METRICS: PageMetrics[int] = PageMetrics(
    edge=PAGE.gap,
    gap=PAGE.gap,
    label=9,
    marks=(3, MARK_WIDTH),
    bar=3,  # two pixels, and one apart from the tile
    token_line=9,
    token_gap=1,
    input_right=PAGE.gap,
    input_below=PAGE.gap,
    color_bar=LINE + 12,
    bottom=0,
    least_width=0,
    least_cells=32,
    even_lines=True,
    between_ends=2 * LETTER,
    text_width=_text_width,
    marked_width=lambda label, marks: _text_width(label) + _BEFORE_MARKS + MARK_WIDTH * len(marks),
)


def mosaic_png(mosaic: Mosaic, heading: Heading = NO_HEADING) -> bytes:
    """Return the page image of a mosaic as an opaque PNG, one pixel to a CSS pixel.

    The PNG has an 8-bit palette, or is RGB where the page image is.
    """
    return encode_png(with_heading(page_image(mosaic), mosaic.colors, heading), mosaic.palette)


def with_heading(pixels: Pixels, colors: Pixels, heading: Heading) -> Pixels:
    """Return a page image, of palette indices or RGB, with a heading above it."""
    if not heading:
        return pixels
    alpha = heading_alpha(heading, pixels.shape[1] - 2 * PAGE.gap)
    alpha = alpha.reshape(len(alpha) // DENSITY, DENSITY, -1, DENSITY).mean((1, 3)) / 255
    alpha = np.pad(alpha, ((2 * PAGE.gap, 0), (PAGE.gap, PAGE.gap)))
    if pixels.ndim == 2:
        return np.vstack([np.where(alpha > 0.4, INK, GAP).astype(np.uint8), pixels])
    ink, gap = colors[INK].astype(float), colors[GAP].astype(float)
    blended = gap + alpha[..., None] * (ink - gap)
    return np.vstack([blended.round().astype(np.uint8), pixels])


def page_image(mosaic: Mosaic) -> Pixels:
    """Draw a mosaic, enlarged by its zoom, with everything that belongs around its tiles.

    Labels, bars and figures stand in the gaps, never on a value; labels are left out if a tile is
    too narrow for the longest.

    Args:
        mosaic: what to draw.

    Returns:
        `(H, W)` uint8 palette indices, or `(H, W, 3)` RGB if the tiles are RGB or an input image
        stands beside them.

    Example:
        >>> import torch
        >>> from featmagic.render.mosaic import tile
        >>> from featmagic.render.viewport import GridLayout
        >>> tiles = torch.zeros(2, 8, 8).byte()
        >>> page_image(tile(tiles, ("0", "1"), bytes(768), GridLayout(2, 3, 1))).shape
        (37, 54)
    """
    geometry = page_geometry(mosaic, PAGE_METRICS)
    canvas = np.full((geometry.height, geometry.width), GAP, np.uint8)
    _draw_labels(canvas, mosaic, geometry)
    _draw_marks(canvas, mosaic, geometry)
    _draw_bars(canvas, mosaic, geometry)
    _draw_ticks(canvas, mosaic, geometry)
    if mosaic.strip:
        _draw_prefix_tokens(canvas, mosaic.strip, geometry)
    if mosaic.ends:
        _draw_color_bar(canvas[geometry.tiles_bottom :], mosaic.ends, geometry.left)
    pixels = mosaic.colors[canvas] if mosaic.is_rgb or mosaic.inputs else canvas
    _draw_tiles(pixels, mosaic, geometry)
    _draw_inputs(pixels, mosaic, geometry)
    return pixels


def rows_within(mosaic: Mosaic, height: int) -> int:
    """Return the number of rows of tiles that fit an image of `height` pixels; one at least."""
    geometry = page_geometry(mosaic, PAGE_METRICS)
    left = height - geometry.top - PAGE_METRICS.color_bar * bool(mosaic.ends)
    return max(1, min(len(mosaic.indices), left // geometry.row_pitch))


def _draw_labels(canvas: Pixels, mosaic: Mosaic, geometry: PageGeometry[int]) -> None:
    for place, label in enumerate(mosaic.labels if geometry.has_labels else ()):
        top, left = geometry.header_corner(place)
        draw_text(canvas, label, top + 1, left, DIGIT)


def _draw_marks(canvas: Pixels, mosaic: Mosaic, geometry: PageGeometry[int]) -> None:
    """Draw a shape above a tile for each kind of non-finite value in it."""
    side = geometry.mark
    longest = max(mosaic.labels, key=len, default="")
    behind_label = 0 if geometry.marks else _text_width(longest) + _BEFORE_MARKS
    for place, letters in enumerate(mosaic.nonfinite):
        top, left = geometry.header_corner(place)
        top, left = top + geometry.header - side - 1, left + behind_label
        for letter in letters[: geometry.most_marks]:
            canvas[top : top + side, left : left + side][mark(KINDS[letter], side)] = INK
            left += side


def _draw_bars(canvas: Pixels, mosaic: Mosaic, geometry: PageGeometry[int]) -> None:
    """Draw a bar below each tile, as long as its channel is strong."""
    if not mosaic.bars:
        return
    rows, height, ncols, width = mosaic.indices.shape[:4]
    strengths = np.zeros(rows * ncols)
    strengths[: len(mosaic.bars)] = mosaic.bars
    lengths = (strengths * width * mosaic.zoom).round().reshape(rows, 1, ncols, 1)
    below = canvas[height * mosaic.zoom + 1 :]
    bars = _at_tiles(below, geometry, (rows, 2, ncols, width * mosaic.zoom))
    bars[np.broadcast_to(np.arange(width * mosaic.zoom) < lengths, bars.shape)] = INK


def _draw_ticks(canvas: Pixels, mosaic: Mosaic, geometry: PageGeometry[int]) -> None:
    """Write texts left of the tiles, each in the middle of its row of values."""
    middle = max(0, min(mosaic.zoom, LINE) - 7) // 2
    for row, line, text in mosaic.ticks:
        top = geometry.tile_top(row) + line * mosaic.zoom + middle
        draw_text(canvas, text, top, geometry.left - _text_width(text) - 3, BELOW_TOP)


def _draw_prefix_tokens(canvas: Pixels, strip: PrefixStrip, geometry: PageGeometry[int]) -> None:
    """Draw each prefix token's name and cells."""
    top, left = PAGE_METRICS.edge, geometry.tokens_left
    for token, name in enumerate(strip.names):
        draw_text(canvas, name, top + token * geometry.token_pitch + 1, geometry.left, BELOW_TOP)
    cells = token_cells(strip, geometry)
    canvas[top : top + cells.shape[0], left : left + cells.shape[1]] = cells


def token_cells(strip: PrefixStrip, geometry: PageGeometry[Any]) -> Pixels:
    """Draw the cells of all prefix tokens as an image, in as many lines as they need."""
    (tokens, count), per_line = strip.indices.shape, geometry.cells_per_line
    lines = ceil(count / per_line)
    cells = np.full((tokens, lines * per_line), GAP, np.uint8)
    cells[:, :count] = strip.indices
    cells = cells.reshape(tokens, lines, per_line)
    canvas = np.full((tokens, geometry.token_pitch, per_line * geometry.cell), GAP, np.uint8)
    height = geometry.token_line
    places = canvas[:, : lines * height].reshape(tokens, lines, height, -1)[:, :, :-1]
    places[:] = cells.repeat(geometry.cell, 2)[:, :, None]
    for place in np.ndindex(tokens, lines):
        draw_cell_marks(places[place], cells[place])
    return canvas.reshape(-1, canvas.shape[2])


def _draw_color_bar(canvas: Pixels, ends: tuple[str, ...], left: int) -> None:
    """Draw all levels from low to high, and below them the figures of `ends`."""
    width = min(_WIDEST_COLOR_BAR, canvas.shape[1] - left - 2)
    canvas[2:9, left : left + width] = np.linspace(0, LEVELS - 1, width).round().astype(np.uint8)
    for text, place in zip(ends, (0.0, 0.5, 1.0), strict=True):
        draw_text(canvas, text, 11, left + round(place * (width - _text_width(text))))


def _draw_tiles(pixels: Pixels, mosaic: Mosaic, geometry: PageGeometry[int]) -> None:
    tiles = with_marks(mosaic)
    if pixels.ndim == 3 and not mosaic.is_rgb:
        tiles = mosaic.colors[tiles]
    _at_tiles(pixels, geometry, tiles.shape[:4])[:] = tiles


def _draw_inputs(pixels: Pixels, mosaic: Mosaic, geometry: PageGeometry[int]) -> None:
    left = PAGE_METRICS.edge
    for row, image in enumerate(mosaic.inputs):
        top = geometry.tile_top(row)
        pixels[top : top + image.shape[0], left : left + image.shape[1]] = image


def _at_tiles(pixels: Pixels, geometry: PageGeometry[int], shape: tuple[int, ...]) -> Pixels:
    """Return a view of the pixels where the tiles stand, `(rows, h, ncols, w)`."""
    down, across, *color = pixels.strides
    return np.lib.stride_tricks.as_strided(
        pixels[geometry.tile_top(0) :, geometry.left :],
        (*shape, *pixels.shape[2:]),
        (geometry.row_pitch * down, down, geometry.column_pitch * across, across, *color),
    )
