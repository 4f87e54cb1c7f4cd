"""How tiles fill the width of a page: how many stand in a row, and how large they are."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, log2, sqrt

from featmagic.options.view import View
from featmagic.render.viewport import MOST_DENSE, GridLayout, Viewport

FLAT = 8  # a tile that is so many times wider than tall is flat
_LONG = 2  # a tile that is so many times longer than the other side isn't nearly square
_FULL = 0.7  # of a tile's room has to be filled, or more values are averaged
_FULL_IF_FLAT = 0.5  # the same, of tiles whose few rows would be averaged, too
_SHARP = 0.86  # of it has to be filled for whole CSS pixels to a value
_WIDEST_GAP = 0.75  # of a tile's width; a row of which more would be gaps doesn't fill the page
_SCREEN = 1150  # CSS pixels: the height of a grid that is seen at a glance
_AROUND = 30  # CSS pixels below and above a tile: its label, its bar and the gap
_LARGEST_ZOOM = 32  # CSS pixels to a value of wide tiles, if there are several
_SINGLE = 64  # CSS pixels: the largest side of a single value


def lay_out_page(
    count: int,
    size: tuple[int, int],
    view: View,
    viewport: Viewport,
    columns: int | None = None,
    *,
    lead: int = 0,
    beside: int = 0,
) -> GridLayout:
    """Return the layout of `count` tiles of `(H, W)` values on a page.

    Every value is a square of as many whole pixels. Where tiles are too large for their room,
    blocks of values are averaged, the smallest that fill most of the room.

    Args:
        count: of tiles.
        size: of each, in values.
        view: its `ncols` and `zoom`, in CSS pixels, are kept.
        viewport: the room.
        columns: how many tiles stand in a row, where a row means something.
        lead: 1 if the input image stands before the first tile, as a tile of its own.
        beside: 1 if each row begins with an input image that is as large as a tile.
    """
    cells = count + lead
    if view.zoom is None:
        ncols = columns or view.ncols or _ncols(count, size, viewport, lead)
    else:
        wide = size[1] * view.zoom
        fitting = max(1, (viewport.width + viewport.gap) // (wide + viewport.gap))
        ncols = columns or view.ncols or min(_near_square(count), fitting)
    ncols = min(ncols, cells)
    layout = _sized(ncols, size, view, viewport, is_row=columns is not None, beside=beside)
    height, width = (ceil(side / layout.shrink) * layout.zoom for side in size)
    rows, d = ceil(cells / ncols), viewport.density
    page = rows * (height * layout.tall // d + _AROUND) * ncols * (width // d + viewport.gap)
    if d > 1 and page > MOST_DENSE:
        return lay_out_page(
            count, size, view, replace(viewport, density=1), columns, lead=lead, beside=beside
        )
    return replace(layout, lead=lead)


def _ncols(count: int, size: tuple[int, int], viewport: Viewport, lead: int) -> int:
    """Return how many tiles stand in a row where nothing else decides it."""
    height, width = size
    if height == 1 and width >= FLAT:
        return 1
    if size == (1, 1):
        return min(count + lead, 2 * viewport.columns)
    cells = count + lead
    # With an input image before them, a row has a place more, so that the last one isn't left over.
    ncols = cells if cells <= viewport.columns + 1 else _near_square(count) + lead
    fitting = max(1, (viewport.width + viewport.gap) // (viewport.smallest + viewport.gap))
    while ncols > fitting:
        ncols = ceil(ncols / 2)
    if height >= _LONG * width:  # such tiles are as tall as may be: as many as there is room for
        wide = max(viewport.smallest, viewport.largest * width // height)
        fitting = max(1, (viewport.width + viewport.gap) // (wide + viewport.gap))
        rows = ceil(cells / max(ncols, fitting))
        return ceil(cells / rows)
    while width >= _LONG * height and ncols > 1:  # fewer and larger ones, if a screen has them all
        fewer = ceil(ncols / 2)
        wide = (viewport.width - (fewer - 1) * viewport.gap) // fewer
        tall = min(viewport.largest, wide * height // width) + _AROUND
        if ceil(cells / fewer) * tall > _SCREEN or wide > _LARGEST_ZOOM * width:
            break
        ncols = fewer
    return ncols


def _near_square(count: int) -> int:
    return max(8, 1 << ceil(log2(sqrt(count))))


def _sized(
    ncols: int,
    size: tuple[int, int],
    view: View,
    viewport: Viewport,
    *,
    is_row: bool,
    beside: int,
) -> GridLayout:
    """Return the layout with so many tiles in a row, as large as its width allows."""
    d, cells = viewport.density, ncols + beside
    width = viewport.width * d
    if view.zoom is not None:
        return GridLayout(ncols, view.zoom * d, 1, density=d)
    room = max(1, (width - (cells - 1) * viewport.gap * d) // cells)
    shrink, zoom = _fitted(size, _limits(room, size, view, viewport), d)
    if is_row and shrink > (most := ceil(max(size) / viewport.narrowest)):
        shrink, zoom = most, d  # a row that can't be broken may be wider than the page
    elif is_row and zoom < d and shrink == 1 and max(size) < viewport.narrowest:
        zoom = d
    height, wide = (ceil(side / shrink) for side in size)
    tall = 1
    if size[1] >= FLAT * size[0]:
        tall = _tall(height * zoom, zoom, viewport.line * d)
    gap = (width - cells * wide * zoom) / max(1, cells - 1)
    is_full = cells > 1 and viewport.gap * d <= gap <= _WIDEST_GAP * wide * zoom
    return GridLayout(ncols, zoom, shrink, tall, width if is_full else 0, d)


def _limits(room: int, size: tuple[int, int], view: View, viewport: Viewport) -> tuple[int, int]:
    """Return the most height and width of a tile, in pixels."""
    if size == (1, 1):
        return (min(room, _SINGLE * viewport.density),) * 2
    largest = viewport.largest * viewport.density
    if view.ncols is not None:
        largest = max(largest, viewport.width * viewport.density // 2)
    is_wide = size[1] >= _LONG * size[0]
    return largest, room if is_wide else min(room, largest)


def _fitted(size: tuple[int, int], limits: tuple[int, int], density: int) -> tuple[int, int]:
    """Return how many values are averaged, in each direction, and the zoom of what is left."""
    least = max(ceil(side / limit) for side, limit in zip(size, limits, strict=True))
    best, chosen = 0.0, (least, 1)
    full = _FULL_IF_FLAT if size[1] >= FLAT * size[0] else _FULL
    for shrink in range(least, min(4 * least + 8, max(size)) + 1):
        sides = [ceil(side / shrink) for side in size]
        zoom = min(limit // side for side, limit in zip(sides, limits, strict=True))
        if zoom > density and zoom % density and _filled(sides, limits, zoom - 1) >= _SHARP:
            zoom -= 1
        filled = _filled(sides, limits, zoom)
        if filled > best:
            best, chosen = filled, (shrink, zoom)
        if filled >= full or (shrink == 1 and zoom > density):
            break
    return chosen


def _filled(sides: list[int], limits: tuple[int, int], zoom: int) -> float:
    """Return how much of its room a tile fills, in the direction in which it fills more."""
    return max(side * zoom / limit for side, limit in zip(sides, limits, strict=True))


def _tall(height: int, zoom: int, line: int) -> int:
    """Return how often to repeat each row of a flat tile for a line of text to fit beside it."""
    most = 2 * line // zoom if height < 4 * line else line // zoom
    return max(1, min(most, 10 * line // height))
