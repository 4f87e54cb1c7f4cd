"""A mosaic as an image for a notebook's page."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from math import ceil, gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featmagic.planes.dtypes import Pixels
from featmagic.render.lettering import LINE, in_shades, text_width, write
from featmagic.render.mosaic import Mosaic, PrefixStrip, with_marks
from featmagic.render.non_finite_marks import KINDS, draw_cell_marks, smooth_mark
from featmagic.render.page_geometry import (
    INPUT,
    PageGeometry,
    PageMetrics,
    page_geometry,
    width_of_figures,
)
from featmagic.render.palette import GAP, INK, LEVELS, SHADES, TRACK, page_colors
from featmagic.render.png import encode_png
from featmagic.render.raster import Band, Raster
from featmagic.render.title import DENSITY, NO_HEADING, Heading, heading_alpha
from featmagic.render.viewport import PAGE

# In CSS pixels:
_BEFORE_MARKS = 3  # between a label and the marks behind it
_MARK = 9  # of the letter of a mark above a tile
_BAR_TOP, _BAR = 2, 3  # from a tile to its bar; a bar
_COLOR_BAR = 6  # height of the color bar
_BETWEEN_ENDS = 8  # between two figures of the color bar
_WIDEST_COLOR_BAR = 180  # but for its figures


@cache
def page_metrics(density: int) -> PageMetrics[int]:
    """Return the sizes of the parts of a page, in pixels, so many to a CSS pixel."""
    d = density
    width = partial(text_width, density=d)
    return PageMetrics(
        pixels=1,
        css=d,
        head=0,
        edge=0,
        gap=PAGE.gap * d,
        row_gap=7 * d,
        label=13 * d,
        between=3 * d,
        marks=(3 * d, _MARK * d),
        bar=(_BAR_TOP + _BAR) * d,
        columns=(LINE + 3) * d,
        margin=4 * d,
        cell=(2 * d, 12 * d),
        token_line=10 * d,
        token_gap=2 * d,
        input_right=2 * PAGE.gap * d,
        input_below=7 * d,
        color_bar=(_COLOR_BAR + LINE + 8) * d,
        bottom=0,
        least_width=0,
        least_cells=32,
        even_lines=True,
        fills=True,
        between_ends=_BETWEEN_ENDS * d,
        text_width=width,
        marked_width=lambda label, marks: width(label) + (_BEFORE_MARKS + _MARK * len(marks)) * d,
    )


def mosaic_png(mosaic: Mosaic, heading: Heading = NO_HEADING) -> bytes:
    """Return the page image of a mosaic as a PNG: with an 8-bit palette, or RGBA if it is that."""
    return encode_png(with_heading(page_raster(mosaic), heading))


def with_heading(picture: Raster, heading: Heading) -> Raster:
    """Return a picture with a heading above it, which is drawn in the colors of its palette."""
    if not heading:
        return picture
    alpha = heading_alpha(heading, picture.css_size[1])
    if picture.density < DENSITY:
        alpha = alpha.reshape(len(alpha) // DENSITY, DENSITY, -1, DENSITY).mean((1, 3))
    is_opaque = picture.colors.shape[1] == 3
    ink = np.where(alpha > 102, INK, GAP).astype(np.uint8) if is_opaque else in_shades(alpha)

    def bands() -> Iterator[Band]:
        below = iter(picture.bands())
        first = next(below)
        is_indexed = first.lines.ndim == 2
        yield Band(ink if is_indexed else picture.colors[ink][..., : first.lines.shape[2]])
        yield first
        yield from below

    return replace(picture, height=picture.height + len(ink), bands=bands)


def page_raster(mosaic: Mosaic, least_width: int = 0) -> Raster:
    """Draw a mosaic, enlarged by its zoom, with everything that belongs around its tiles.

    Labels, bars and figures stand in the gaps, never on a value; labels are left out if there is
    no room for the longest. Gaps and unused places are transparent.

    Args:
        mosaic: what to draw.
        least_width: of the picture, in CSS pixels.

    Returns:
        A picture of uint8 palette indices; of RGBA if the tiles are RGB or there is an input image.

    Example:
        >>> import torch
        >>> from featmagic.render.mosaic import tile
        >>> from featmagic.render.viewport import GridLayout
        >>> tiles = torch.zeros(2, 8, 8).byte()
        >>> page_raster(tile(tiles, ("0", "1"), bytes(768), GridLayout(2, 3, 1))).pixels().shape
        (44, 53)
    """
    density = mosaic.density
    metrics = replace(page_metrics(density), least_width=least_width * density)
    geometry = page_geometry(mosaic, metrics)
    height, width = (ceil(side / density) * density for side in (geometry.height, geometry.width))
    page = _Page(mosaic, geometry, width, page_colors(mosaic.palette))
    return Raster(height, width, density, partial(page.bands, height), page.colors)


def rows_within(mosaic: Mosaic, height: int) -> int:
    """Return the number of rows of tiles that fit an image of `height` pixels; one at least."""
    metrics = page_metrics(mosaic.density)
    geometry = page_geometry(mosaic, metrics)
    left = height - geometry.top - metrics.color_bar * bool(mosaic.ends)
    return max(1, min(len(mosaic.indices), left // geometry.row_pitch))


class _Page:
    """Draws a mosaic in bands: what is above the tiles, each row of them, and what is below."""

    def __init__(
        self, mosaic: Mosaic, geometry: PageGeometry[int], width: int, colors: Pixels
    ) -> None:
        self.mosaic, self.geometry, self.width, self.colors = mosaic, geometry, width, colors
        self.density = mosaic.density
        self.is_colored = mosaic.is_rgb or bool(mosaic.inputs)
        self.longest_label = text_width(max(mosaic.labels, key=len, default=""), mosaic.density)
        # Of each pixel across: which tile of the row it is in, and where in the tile; -1 in gaps.
        wide = mosaic.tile_size[1] * mosaic.zoom
        self.column, self.within = np.full((2, width), -1)
        for column, left in enumerate(geometry.columns):
            at = slice(geometry.left + left, geometry.left + left + wide)
            self.column[at], self.within[at] = column, np.arange(wide)
        self.source: dict[int, NDArray[np.intp]] = {}  # by zoom: which value each pixel shows

    def bands(self, height: int) -> Iterator[Band]:
        """Yield the bands of a page of that height."""
        geometry, rows = self.geometry, len(self.mosaic.indices)
        if geometry.top:
            yield self._colored(self._head())
        bottom = geometry.top + rows * geometry.row_pitch
        if len(self.mosaic.inputs) == 1 and not self.mosaic.lead:  # beside all rows
            bottom = max(bottom, geometry.tiles_bottom)
            yield from self._rows(0, rows, bottom - geometry.top)
        else:
            for row in range(rows):
                yield from self._rows(row, row + 1, geometry.row_pitch)
        if height > bottom:
            canvas = self._paper(height - bottom)
            if self.mosaic.ends:
                below = canvas[geometry.tiles_bottom - bottom :]
                draw_color_bar(below, self.mosaic.ends, geometry.left, self.density)
            yield self._colored(canvas)

    def _paper(self, height: int) -> Pixels:
        return np.full((height, self.width), GAP, np.uint8)

    def _colored(self, canvas: Pixels, times: int = 1, *, has_text: bool = False) -> Band:
        return Band(self.colors[canvas] if self.is_colored else canvas, times, has_text)

    def _head(self) -> Pixels:
        """Draw the prefix tokens: the name and the cells of each."""
        geometry, strip = self.geometry, self.mosaic.strip
        canvas = self._paper(geometry.top)
        if strip:
            metrics = page_metrics(self.density)
            top, left = metrics.edge + metrics.head, geometry.tokens_left
            for token, name in enumerate(strip.names):
                line = top + token * geometry.token_pitch - self.density
                write(canvas, name, line, geometry.left, self.density)
            cells = token_cells(strip, geometry)
            canvas[top : top + cells.shape[0], left : left + cells.shape[1]] = cells
        return canvas

    def _rows(self, first: int, last: int, height: int) -> Iterator[Band]:
        """Yield some rows of tiles with all that stands around them."""
        mosaic, geometry = self.mosaic, self.geometry
        if not (mosaic.ticks or mosaic.inputs or mosaic.nonfinite):
            yield from self._plain_row(first, height)
            return
        canvas = self._paper(height)
        for row in range(first, last):
            top = (row - first) * geometry.row_pitch
            self._draw_labels(canvas[top:], row)
            self._draw_below(canvas[top:], row)
        tall = mosaic.tile_size[0] * mosaic.zoom
        self._draw_ticks(canvas, first, last)
        pixels = self._colored(canvas).lines
        for row in range(first, last):
            top = (row - first) * geometry.row_pitch + geometry.header
            part = replace(
                mosaic,
                indices=mosaic.indices[row : row + 1],
                missing=None if mosaic.missing is None else mosaic.missing[row : row + 1],
            )
            lines = self._lines(with_marks(part)[0], row, enlarged=True)
            is_tile = self.column >= 0
            where = is_tile[:, None] if lines.ndim == 3 else is_tile
            np.copyto(pixels[top : top + tall], lines, where=where)
        self._draw_inputs(pixels, first, last)
        yield Band(pixels)

    def _plain_row(self, row: int, height: int) -> Iterator[Band]:
        """Yield a row of tiles where nothing stands beside them, so that most lines repeat."""
        mosaic, header = self.mosaic, self.geometry.header
        if header:
            canvas = self._paper(header)
            self._draw_labels(canvas, row)
            yield self._colored(canvas, has_text=True)
        yield Band(self._lines(mosaic.indices[row], row), mosaic.zoom)
        left = height - header - mosaic.tile_size[0] * mosaic.zoom
        if mosaic.columns:
            canvas = self._paper(height)
            self._draw_below(canvas, row)
            yield self._colored(canvas[height - left :], has_text=True)
            return
        times = gcd(left, self.density)  # there is nothing finer than a CSS pixel
        if left:
            canvas = self._paper(left // times)
            if mosaic.bars:
                bar = slice(_BAR_TOP * self.density // times, None)
                canvas[bar][: _BAR * self.density // times] = self._bar(row)
            yield self._colored(canvas, times)

    def _lines(self, tiles: Pixels, row: int, *, enlarged: bool = False) -> Pixels:
        """Return a row of tiles `(h, ncols, w)` as lines of the page; unused places are gaps."""
        height, ncols, width = tiles.shape[:3]
        zoom = 1 if enlarged else self.mosaic.zoom
        if self.mosaic.is_rgb:
            opaque, places = np.zeros((*tiles.shape[:3], 1), np.uint8), self._places(row)
            first = (places.start + self.geometry.lead) % ncols
            opaque[:, first : first + len(places)] = 255
            tiles = np.concatenate([tiles * (opaque > 0), opaque], 3)
        values = tiles.reshape(height, ncols * width, *tiles.shape[3:])
        nothing = np.full_like(values[:, :1], 0 if self.mosaic.is_rgb else GAP)
        if zoom not in self.source:
            place = self.column * width + self.within // zoom
            self.source[zoom] = np.where(self.column < 0, ncols * width, place)
        lines: Pixels = np.concatenate([values, nothing], 1).take(self.source[zoom], 1)
        return self.colors[lines] if self.is_colored and not self.mosaic.is_rgb else lines

    def _places(self, row: int) -> range:
        """Return the numbers of the tiles in a row."""
        ncols, lead = len(self.geometry.columns), self.geometry.lead
        return range(
            max(0, row * ncols - lead), min(len(self.mosaic.labels), (row + 1) * ncols - lead)
        )

    def _draw_labels(self, canvas: Pixels, row: int) -> None:
        """Write the label of each tile, and a shape for each kind of non-finite value in it."""
        mosaic, geometry, d = self.mosaic, self.geometry, self.density
        behind_label = 0 if geometry.marks else self.longest_label + _BEFORE_MARKS * d
        places = self._places(row)
        first = (places.start + geometry.lead) % len(geometry.columns)
        for place, column in zip(places, geometry.columns[first:], strict=False):
            left = geometry.left + column
            if geometry.has_labels:  # in full at the right edge, too
                most = geometry.width - text_width(mosaic.labels[place], d)
                write(canvas, mosaic.labels[place], 0, min(left, most), d)
            if mosaic.nonfinite:
                letters = mosaic.nonfinite[place][: geometry.most_marks]
                most = geometry.width - len(letters) * geometry.mark
                self._draw_marks(canvas, letters, max(0, min(left + behind_label, most)))
        if row == 0 and mosaic.axes[0] and not geometry.has_labels:
            width = text_width(mosaic.axes[0], d)
            left = max(0, geometry.left - width - page_metrics(d).margin)
            write(canvas, mosaic.axes[0], 0, left, d)

    def _draw_marks(self, canvas: Pixels, letters: str, left: int) -> None:
        """Draw marks above a tile: letters, or smaller shapes where these have no room."""
        side, header, d = self.geometry.mark, self.geometry.header, self.density
        for letter in letters:
            if side == _MARK * d:
                write(canvas, letter, header - page_metrics(d).label, left, d)
            else:
                place = canvas[header - side : header, left : left + side]
                place[:] = smooth_mark(KINDS[letter], side)[:, : place.shape[1]]
            left += side

    def _draw_below(self, canvas: Pixels, row: int) -> None:
        """Draw a bar below each tile, and texts below that."""
        mosaic, geometry, d = self.mosaic, self.geometry, self.density
        top = geometry.header + mosaic.tile_size[0] * mosaic.zoom
        if mosaic.bars:
            canvas[top + _BAR_TOP * d : top + (_BAR_TOP + _BAR) * d] = self._bar(row)
            top += (_BAR_TOP + _BAR) * d
        for place in self._places(row) if mosaic.columns else ():
            _, left = geometry.header_corner(place)
            wide = mosaic.tile_size[1] * mosaic.zoom
            _write_columns(canvas[top + 2 * d :], mosaic, left, wide)

    def _bar(self, row: int) -> Pixels:
        """Return a line of the bars below a row of tiles: as long as each channel is strong."""
        mosaic, geometry, places = self.mosaic, self.geometry, self._places(row)
        wide, count = mosaic.tile_size[1] * mosaic.zoom, len(geometry.columns)
        lengths = np.full(count + 1, -1)  # the last one stands for gaps
        first = (places.start + geometry.lead) % count
        shares = np.array(mosaic.bars[places.start : places.stop])
        lengths[first : first + len(places)] = (shares * wide).round()
        length = lengths[self.column]
        line = np.where(self.within < length, np.uint8(SHADES[-1]), np.uint8(TRACK))
        bar: Pixels = np.where((length < 0) | (self.column < 0), np.uint8(GAP), line)[None]
        return bar

    def _draw_ticks(self, canvas: Pixels, first: int, last: int) -> None:
        """Write texts left of the tiles: at the top of a row of them, or beside a row of values."""
        mosaic, geometry, d = self.mosaic, self.geometry, self.density
        name_rows = len(mosaic.indices) > 1 or any(mosaic.labels)
        for row, line, text in mosaic.ticks:
            if first <= row < last:
                beside = 0 if name_rows else mosaic.zoom // 2 - (LINE * d) // 2
                top = (row - first) * geometry.row_pitch + geometry.header + line * mosaic.zoom
                top = max(0, top + beside)
                left = geometry.left - text_width(text, d) - page_metrics(d).margin
                write(canvas, text, top, left, d)

    def _draw_inputs(self, pixels: Pixels, first: int, last: int) -> None:
        """Put the input images into their places, each under its name."""
        geometry, d = self.geometry, self.density
        for row, image in enumerate(self.mosaic.inputs):
            if not first <= row < last:
                continue
            top = (row - first) * geometry.row_pitch
            left = geometry.left if geometry.lead else page_metrics(d).edge
            if geometry.header >= LINE * d:
                words = np.full((LINE * d, text_width(INPUT, d) + d), GAP, np.uint8)
                write(words, INPUT, 0, 0, d)
                place = pixels[top : top + LINE * d, left : left + words.shape[1]]
                place[:] = self.colors[words[:, : place.shape[1]]]
            top += geometry.header
            place = pixels[top : top + image.shape[0], left : left + image.shape[1]]
            place[..., :3], place[..., 3] = image[: len(place)], 255


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


def _write_columns(canvas: Pixels, mosaic: Mosaic, left: int, wide: int) -> None:
    """Write the texts below a tile, and what runs across at its right end."""
    d, name = mosaic.density, mosaic.axes[1]
    apart = 6 * d
    right = left + wide
    if name and text_width(name, d) + 2 * apart < wide:
        right -= text_width(name, d)
        write(canvas, name, 0, right, d)
        right -= apart
    end = -apart
    for column, text in mosaic.columns:
        width = text_width(text, d)
        start = max(0, left + column * mosaic.zoom + (mosaic.zoom - width) // 2)
        if start >= end + apart and start + width <= right:
            write(canvas, text, 0, start, d)
            end = start + width


def draw_color_bar(canvas: Pixels, ends: tuple[str, ...], left: int, density: int) -> None:
    """Draw all levels from low to high, and below them the figures of `ends`, in place."""
    d, widths = density, tuple(text_width(text, density) for text in ends)
    needed = width_of_figures(widths, _BETWEEN_ENDS * d)
    width = max(needed, min(_WIDEST_COLOR_BAR * d, canvas.shape[1] - left))
    bar = np.linspace(0, LEVELS - 1, width).round().astype(np.uint8)
    canvas[2 * d : (2 + _COLOR_BAR) * d, left : left + width] = bar
    for text, place, wide in zip(ends, (0.0, 0.5, 1.0), widths, strict=True):
        write(canvas, text, (4 + _COLOR_BAR) * d, left + round(place * (width - wide)), d)
