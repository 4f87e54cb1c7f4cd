"""How many tiles stand in a row and how large they are, in the room there is."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, log2, sqrt

from featmagic.grid.prepare import Prepared, Undrawable
from featmagic.options.view import View
from featmagic.planes.heat_map import assembled_size, folded_width
from featmagic.render.viewport import GridLayout, Viewport, step_of_labels, tiles_that_fit
from featmagic.support.errors import FeatmagicError


def arrange(ready: Prepared | Undrawable) -> GridLayout | None:
    """How the tiles are laid out; an input image beside them takes its room first."""
    if isinstance(ready, Undrawable) or ready.viewport is None:
        return None
    viewport, (rows, count, height, width) = ready.viewport, ready.stack.values.shape
    if ready.images and ready.view.input:
        viewport = viewport.with_input()
    viewport = replace(viewport, width=viewport.width - longest_tick(ready) * viewport.letter)
    if ready.overlays:
        viewport = replace(viewport, smallest=viewport.on_image)
    if ready.rgb is not None:
        columns = 1 if rows > 1 else None
        return lay_out_tiles(rows, (height, width), ready.view, _wider(viewport, rows), columns)
    columns = count if rows > 1 and ready.form == "tiles" else None
    number, *size = assembled_size(count, (height, width), ready.form)
    number *= rows
    flat = ready.form in ("rows", "columns") and size[1] > size[0]
    wider = _wider(viewport, number, flat=flat)
    return lay_out_tiles(number, (size[0], size[1]), ready.view, wider, columns)


def _wider(viewport: Viewport, tiles: int, *, flat: bool = False) -> Viewport:
    """More room for a tile that is alone, and all there is for a wide heat map."""
    return (
        viewport if tiles > 1 else replace(viewport, largest=viewport.width // (1 if flat else 2))
    )


_LARGEST_ZOOM = 32  # one value needs no more, however few there are


def lay_out_tiles(
    count: int, size: tuple[int, int], view: View, viewport: Viewport, columns: int | None = None
) -> GridLayout:
    """How to lay out `count` planes of `(H, W)` values in the room there is.

    About as many rows as columns. Planes too large for `room.columns` in a row are shrunk by a
    whole number, unless `view.zoom` says how large they are.

    Args:
        count: of the planes.
        size: of each.
        view: its `ncols` and `zoom`.
        viewport: where to draw.
        columns: how many tiles a row has, where rows mean something.

    Raises:
        FeatmagicError: the picture would be larger than 100 million pixels.

    Example:
        >>> from featmagic.render.viewport import PAGE
        >>> lay_out_tiles(5, (24, 24), View(), PAGE)
        GridLayout(ncols=5, zoom=6, shrink=1, tall=1)
    """
    flat = size[1] >= _FLAT * size[0]
    strip = flat and size[0] == 1
    shrink = _shrink(
        columns or (1 if strip else min(count, viewport.columns)), size, view, viewport
    )
    if columns and not viewport.strict:  # as many as were asked for, however wide
        shrink = min(shrink, ceil(max(size) / viewport.narrowest))
    height, width = (ceil(side / shrink) for side in size)
    largest = max(1, min(_LARGEST_ZOOM, viewport.largest // max(height, width)))
    ncols = min(count, columns or _in_a_row(count, (height, width), strip, largest, view, viewport))
    widest = max(1, ((viewport.width - viewport.gap) // ncols - viewport.gap) // width)
    tallest = (viewport.height or viewport.largest) // height
    zoom = view.zoom or max(1, min(widest, tallest, largest))
    if viewport.strict:
        zoom = min(zoom, widest)
    tall = _tall(height * zoom, zoom, viewport) if flat and view.zoom is None else 1
    _check_size(ceil(count / ncols) * height * tall * zoom, ncols * width * zoom)
    return GridLayout(ncols, zoom, shrink, tall)


def _shrink(columns: int, size: tuple[int, int], view: View, viewport: Viewport) -> int:
    """How many values become one in each direction, so that so many planes fit in a row."""
    if view.zoom is not None and not viewport.strict:
        return 1
    across = max(1, (viewport.width - viewport.gap) // columns - viewport.gap)
    return max(ceil(size[1] / across), ceil(size[0] / (viewport.height or viewport.width)))


def _in_a_row(
    count: int, size: tuple[int, int], strip: bool, largest: int, view: View, viewport: Viewport
) -> int:
    """How many tiles stand in a row where that is open: about as many as there are rows."""
    height, width = size
    smallest = view.zoom or min(ceil(viewport.smallest / max(height, width)), largest)
    near_square = max(8, 2 ** ceil(log2(sqrt(count))))
    open_ = 1 if strip else min(near_square, max(1, tiles_that_fit(width, smallest, viewport)))
    ncols = view.ncols or open_
    return min(ncols, tiles_that_fit(width, 1, viewport)) if viewport.strict else ncols


_FLAT = 8  # so many times wider than tall


def _tall(height: int, zoom: int, viewport: Viewport) -> int:
    """How often each row of values comes in a flat picture: so that a line of text fits beside."""
    most = 2 * viewport.line // zoom if height < 4 * viewport.line else viewport.line // zoom
    return max(1, min(most, 10 * viewport.line // height))


_MOST_PIXELS = 10**8


def _check_size(height: int, width: int) -> None:
    if height * width > _MOST_PIXELS:
        raise FeatmagicError(
            f"A picture of {width} × {height} pixels is too large: "
            f"{_MOST_PIXELS // 10**6} million are the most. A smaller zoom or fewer channels help."
        )


def ticks(ready: Prepared, grid_layout: GridLayout) -> tuple[tuple[int, int, str], ...]:
    """What stands left of the tiles: the samples' rows, or the rows of one large picture."""
    stack = ready.stack
    if ready.form == "tiles" or ready.rgb is not None:
        return tuple((row, 0, text) for row, text in enumerate(stack.rows))
    if ready.viewport is None or len(stack.values) > 1:
        return ()
    shrink, tall = grid_layout.shrink, grid_layout.tall
    step = shrink * step_of_labels(grid_layout.zoom * tall, ready.viewport)
    rows = range(0, _rows(ready), step)
    return tuple((0, row // shrink * tall, _row_name(ready, row)) for row in rows)


def longest_tick(ready: Prepared) -> int:
    """How many letters the longest of the ticks may have, and one apart; 0 where there are none."""
    if ready.form == "tiles" or ready.rgb is not None:
        return max((len(text) + 1 for text in ready.stack.rows), default=0)
    if len(ready.stack.values) > 1:
        return 0
    return max(len(_row_name(ready, row)) for row in range(_rows(ready))) + 1


def _rows(ready: Prepared) -> int:
    """How many rows of values the picture has before it is shrunk."""
    count, height = ready.stack.values.shape[1:3]
    if ready.form == "columns":
        return height
    return count if ready.form == "rows" else -(-count // folded_width(count))


def _row_name(ready: Prepared, row: int) -> str:
    """The index of a row of values: the channel's, the sample's or the token's."""
    stack = ready.stack
    if ready.form == "rows":
        return str(stack.indices[row])
    if ready.form == "columns":
        return f"s{stack.samples[row]}" if len(stack.samples) > 1 else str(row)
    return str(stack.indices[row * folded_width(len(stack.indices))])
