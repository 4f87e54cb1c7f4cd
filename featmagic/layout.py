"""How many tiles in a row and how large, in the room there is."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2, sqrt

from featmagic.errors import FeatmagicError
from featmagic.view import View


@dataclass(frozen=True)
class Room:
    """What there is to draw on, in pixels: a page's, or a terminal's half cells.

    Attributes:
        width: of the whole mosaic.
        gap: between tiles.
        smallest, largest: a tile's longer side, where zooming can choose.
        columns: planes too large for so many tiles in a row are shrunk.
        strict: whether nothing may be wider than `width`.
    """

    width: int
    gap: int
    smallest: int
    largest: int
    columns: int
    strict: bool = False


# A JupyterLab cell has 768 pixels in a window of 1200; wider pictures it shrinks and blurs.
PAGE = Room(width=760, gap=2, smallest=20, largest=192, columns=4)


@dataclass(frozen=True)
class Layout:
    """`ncols` tiles a row, each value `zoom` pixels wide; first every `shrink` values are one."""

    ncols: int
    zoom: int
    shrink: int


def lay_out(count: int, size: tuple[int, int], view: View, room: Room) -> Layout:
    """How to lay out `count` planes of `(H, W)` values in the room there is.

    About as many rows as columns. Planes too large for `room.columns` in a row are shrunk by a
    whole number, unless `view.zoom` says how large they are.

    Raises:
        FeatmagicError: the picture would be larger than 100 million pixels.

    Example:
        >>> lay_out(5, (24, 24), View(), PAGE)
        Layout(ncols=5, zoom=6, shrink=1)
    """
    least = min(count, room.columns)
    shrink = 1
    if view.zoom is None or room.strict:
        across = (room.width - room.gap) // least - room.gap
        shrink = max(ceil(size[1] / across), ceil(size[0] / room.width))
    height, width = (ceil(side / shrink) for side in size)
    smallest = view.zoom or ceil(room.smallest / max(height, width))
    near_square = max(8, 2 ** ceil(log2(sqrt(count))))
    ncols = view.ncols or min(near_square, max(1, _fit(width, smallest, room)))
    if room.strict:
        ncols = min(ncols, _fit(width, 1, room))
    ncols = min(ncols, count)
    widest = max(1, ((room.width - room.gap) // ncols - room.gap) // width)
    zoom = view.zoom or max(1, min(widest, room.largest // max(height, width)))
    if room.strict:
        zoom = min(zoom, widest)
    _check_size(ceil(count / ncols) * height * zoom, ncols * width * zoom)
    return Layout(ncols, zoom, shrink)


_MOST_PIXELS = 10**8


def _check_size(height: int, width: int) -> None:
    if height * width > _MOST_PIXELS:
        raise FeatmagicError(
            f"A picture of {width} × {height} pixels is too large: "
            f"{_MOST_PIXELS // 10**6} million are the most. A smaller zoom or fewer channels help."
        )


def _fit(width: int, zoom: int, room: Room) -> int:
    """How many tiles of that width fit in a row."""
    return (room.width - room.gap) // (width * zoom + room.gap)
