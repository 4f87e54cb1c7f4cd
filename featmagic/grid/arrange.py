"""The second stage: how many tiles stand in a row and how large they are."""

from __future__ import annotations

from dataclasses import replace
from math import ceil, log2, sqrt

from featmagic.grid.page_layout import FLAT, lay_out_page
from featmagic.grid.prepare import Prepared, Tiling, Undrawable
from featmagic.options.view import View
from featmagic.render.viewport import GridLayout, Viewport, tiles_that_fit
from featmagic.support.errors import FeatmagicError

MOST_PIXELS = 10**8  # of a picture
LARGEST_ZOOM = 32  # pixels per value on a screen, however few values there are
_LONGEST_SIDE = 10**12  # pixels; a longer one is abbreviated in messages


def arrange(prepared: Prepared | Undrawable) -> GridLayout | None:
    """Return the layout of the tiles in the viewport; None where there is no picture.

    Raises:
        FeatmagicError: The picture would be larger than 100 million pixels.
    """
    if isinstance(prepared, Undrawable) or prepared.viewport is None:
        return None
    tiling, viewport = prepared.tiling, _viewport_of_tiles(prepared, prepared.viewport)
    lead = beside = 0
    if _has_input(prepared) and tiling.form == "tiles" and not viewport.strict:
        lead, beside = (1, 0) if leads(prepared) else (0, 1)
    layout = lay_out_tiles(
        tiling.count,
        tiling.size,
        prepared.view,
        viewport,
        tiling.ncols,
        lead=lead,
        beside=beside,
    )
    # The names on the left are as wide as they are drawn, and no wider.
    width = prepared.viewport.width * layout.density
    return replace(layout, page=width) if layout.page else layout


def leads(prepared: Prepared) -> bool:
    """Return True if one input image stands before the first tile, and not beside all rows."""
    height, width = prepared.tiling.size
    rows = prepared.tiling.ncols is not None
    return prepared.tiling.form == "tiles" and not rows and width < FLAT * height


def _has_input(prepared: Prepared) -> bool:
    return bool(prepared.images and prepared.view.input)


def _viewport_of_tiles(prepared: Prepared, viewport: Viewport) -> Viewport:
    """Return the space that an input image and the names on the left leave for the tiles."""
    is_apart = viewport.strict or prepared.tiling.form != "tiles"
    if _has_input(prepared) and is_apart:
        viewport = viewport.with_input()
    if prepared.overlays:
        viewport = replace(viewport, smallest=viewport.on_image)
    return viewport_of(prepared.tiling, viewport)


def viewport_of(tiling: Tiling, viewport: Viewport) -> Viewport:
    """Return the space that the names on the left leave for the tiles."""
    viewport = replace(viewport, width=viewport.width - tiling.margin * viewport.letter)
    if tiling.count > 1:
        return viewport
    # A single tile may be larger, and a wide heat map may take all of the width.
    height, width = tiling.size
    if tiling.form == "tiles" and not viewport.strict:
        return viewport
    is_heat_map = tiling.form in ("rows", "columns") or not viewport.strict
    is_wide_heat_map = is_heat_map and width > height
    return replace(viewport, largest=viewport.width // (1 if is_wide_heat_map else 2))


def lay_out_tiles(
    count: int,
    size: tuple[int, int],
    view: View,
    viewport: Viewport,
    columns: int | None = None,
    *,
    lead: int = 0,
    beside: int = 0,
) -> GridLayout:
    """Return the layout of `count` tiles of `(H, W)` values, with about as many rows as columns.

    `columns` is how many stand in a row, where a row means something; `view.ncols` is used where
    it doesn't. `lead` and `beside` are as for `lay_out_page`; in a terminal input images stand
    elsewhere.

    Raises:
        FeatmagicError: The picture would be larger than 100 million pixels.
    """
    if viewport.strict:
        layout = _lay_out_screen(count, size, view, viewport, columns)
    else:
        layout = lay_out_page(count, size, view, viewport, columns, lead=lead, beside=beside)
    height, width = (ceil(side / layout.shrink) * layout.zoom for side in size)
    rows = ceil((count + layout.lead) / layout.ncols)
    _check_size(rows * height * layout.tall, layout.ncols * width)
    return layout


def _lay_out_screen(
    count: int, size: tuple[int, int], view: View, viewport: Viewport, columns: int | None
) -> GridLayout:
    """Return the layout on a terminal's screen, where nothing may be wider than the viewport.

    Tiles that are too large for `viewport.columns` in a row are shrunk by a whole number.
    """
    is_flat = size[1] >= FLAT * size[0]
    is_line = is_flat and size[0] == 1
    at_least = columns or (1 if is_line else min(count, viewport.columns))
    shrink = _shrink(at_least, size, viewport)
    height, width = (ceil(side / shrink) for side in size)
    largest = max(1, min(LARGEST_ZOOM, viewport.largest // max(height, width)))
    ncols = columns or _ncols(count, (height, width), is_line, largest, view, viewport)
    ncols = min(count, ncols)
    zoom = _zoom(ncols, (height, width), largest, view, viewport)
    tall = _tall(height * zoom, zoom, viewport) if is_flat and view.zoom is None else 1
    return GridLayout(ncols, zoom, shrink, tall)


def _shrink(columns: int, size: tuple[int, int], viewport: Viewport) -> int:
    """Return how many values are averaged in each direction for so many tiles to fit in a row."""
    across = max(1, (viewport.width - viewport.gap) // columns - viewport.gap)
    return max(ceil(size[1] / across), ceil(size[0] / (viewport.height or viewport.width)))


def _ncols(
    count: int,
    size: tuple[int, int],
    is_line: bool,
    largest: int,
    view: View,
    viewport: Viewport,
) -> int:
    """Return how many tiles stand in a row where nothing else decides it."""
    height, width = size
    smallest = view.zoom or min(ceil(viewport.smallest / max(height, width)), largest)
    near_square = max(8, 2 ** ceil(log2(sqrt(count))))
    usual = min(near_square, max(1, tiles_that_fit(width, smallest, viewport)))
    ncols = view.ncols or (1 if is_line else usual)
    return min(ncols, tiles_that_fit(width, 1, viewport))


def _zoom(ncols: int, size: tuple[int, int], largest: int, view: View, viewport: Viewport) -> int:
    """Return how many pixels a value gets in each direction."""
    height, width = size
    widest = max(1, ((viewport.width - viewport.gap) // ncols - viewport.gap) // width)
    tallest = (viewport.height or viewport.largest) // height
    zoom = view.zoom or max(1, min(widest, tallest, largest))
    return min(zoom, widest)


def _tall(height: int, zoom: int, viewport: Viewport) -> int:
    """Return how often to repeat each row of a flat tile for a line of text to fit beside it."""
    most = 2 * viewport.line // zoom if height < 4 * viewport.line else viewport.line // zoom
    return max(1, min(most, 10 * viewport.line // height))


def _check_size(height: int, width: int) -> None:
    if height * width > MOST_PIXELS:
        # A very large zoom may give a side of hundreds of digits.
        sides = (
            f"{min(side, _LONGEST_SIDE)}{'…' * (side > _LONGEST_SIDE)}" for side in (width, height)
        )
        raise FeatmagicError(
            f"A picture of {' × '.join(sides)} pixels is too large (at most "
            f"{MOST_PIXELS // 10**6} million): choose a smaller zoom or fewer channels."
        )
