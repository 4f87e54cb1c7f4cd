"""How many tiles in a row and how large, in the room there is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil, log2, sqrt

from featmagic.options.view import View
from featmagic.support.errors import FeatmagicError


@dataclass(frozen=True)
class Room:
    """What there is to draw on, in pixels: a page's, or a terminal's half cells.

    Attributes:
        width: of the whole mosaic.
        gap: between tiles.
        smallest, largest: a tile's longer side, where zooming can choose.
        columns: planes too large for so many tiles in a row are shrunk.
        narrowest: how far they are shrunk where a row can't be broken.
        line: the least distance between the labels of two rows of values.
        letter: how wide a letter of such a label is.
        beside: the longest side of an input image that stands beside the tiles.
        on_image: as `smallest`, for tiles that lie on the input image.
        strict: whether nothing may be wider than `width`.
        height: that a tile may have, where there is such a limit.
    """

    width: int
    gap: int
    smallest: int
    largest: int
    columns: int
    narrowest: int = 80
    line: int = 12
    letter: int = 7
    beside: int = 160
    on_image: int = 96
    strict: bool = False
    height: int | None = None

    def with_input(self) -> Room:
        """The room that an input image leaves: beside it, or in a terminal below it."""
        if not self.strict:
            return replace(self, width=self.width - self.beside - self.gap)
        return replace(self, height=self.height and max(8, self._for_both - self._for_both // 3))

    def of_input(self, height: int) -> int | None:
        """How tall an input image may be above tiles so tall; None where nothing limits it."""
        if self.height is None:
            return None
        return max(4, self._for_both // 3, self._for_both - height) // 2 * 2

    @property
    def _for_both(self) -> int:
        return (self.height or 0) - _WORDS


# In half cells: the line above an input image, and three of a caption that speaks of it.
_WORDS = 8

# A JupyterLab cell has 768 pixels in a window of 1200; wider pictures it shrinks and blurs.
PAGE = Room(width=760, gap=2, smallest=20, largest=192, columns=4)

_LARGEST_ZOOM = 32  # one value needs no more, however few there are


@dataclass(frozen=True)
class Arrangement:
    """`ncols` tiles a row, each value `zoom` pixels wide; first every `shrink` values are one.

    Flat pictures are drawn taller: then each row of values comes `tall` times.
    """

    ncols: int
    zoom: int
    shrink: int
    tall: int = 1


def arrange(
    count: int, size: tuple[int, int], view: View, room: Room, columns: int | None = None
) -> Arrangement:
    """How to lay out `count` planes of `(H, W)` values in the room there is.

    About as many rows as columns. Planes too large for `room.columns` in a row are shrunk by a
    whole number, unless `view.zoom` says how large they are.

    Args:
        count: of the planes.
        size: of each.
        view: its `ncols` and `zoom`.
        room: where to draw.
        columns: how many tiles a row has, where rows mean something.

    Raises:
        FeatmagicError: the picture would be larger than 100 million pixels.

    Example:
        >>> arrange(5, (24, 24), View(), PAGE)
        Arrangement(ncols=5, zoom=6, shrink=1, tall=1)
    """
    flat = size[1] >= _FLAT * size[0]
    strip = flat and size[0] == 1
    shrink = _shrink(columns or (1 if strip else min(count, room.columns)), size, view, room)
    if columns and not room.strict:  # as many as were asked for, however wide
        shrink = min(shrink, ceil(max(size) / room.narrowest))
    height, width = (ceil(side / shrink) for side in size)
    largest = max(1, min(_LARGEST_ZOOM, room.largest // max(height, width)))
    ncols = min(count, columns or _in_a_row(count, (height, width), strip, largest, view, room))
    widest = max(1, ((room.width - room.gap) // ncols - room.gap) // width)
    tallest = (room.height or room.largest) // height
    zoom = view.zoom or max(1, min(widest, tallest, largest))
    if room.strict:
        zoom = min(zoom, widest)
    tall = _tall(height * zoom, zoom, room) if flat and view.zoom is None else 1
    _check_size(ceil(count / ncols) * height * tall * zoom, ncols * width * zoom)
    return Arrangement(ncols, zoom, shrink, tall)


def _shrink(columns: int, size: tuple[int, int], view: View, room: Room) -> int:
    """How many values become one in each direction, so that so many planes fit in a row."""
    if view.zoom is not None and not room.strict:
        return 1
    across = max(1, (room.width - room.gap) // columns - room.gap)
    return max(ceil(size[1] / across), ceil(size[0] / (room.height or room.width)))


def _in_a_row(
    count: int, size: tuple[int, int], strip: bool, largest: int, view: View, room: Room
) -> int:
    """How many tiles stand in a row where that is open: about as many as there are rows."""
    height, width = size
    smallest = view.zoom or min(ceil(room.smallest / max(height, width)), largest)
    near_square = max(8, 2 ** ceil(log2(sqrt(count))))
    open_ = 1 if strip else min(near_square, max(1, _fit(width, smallest, room)))
    ncols = view.ncols or open_
    return min(ncols, _fit(width, 1, room)) if room.strict else ncols


_FLAT = 8  # so many times wider than tall


def _tall(height: int, zoom: int, room: Room) -> int:
    """How often each row of values comes in a flat picture: so that a line of text fits beside."""
    most = 2 * room.line // zoom if height < 4 * room.line else room.line // zoom
    return max(1, min(most, 10 * room.line // height))


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


def most_columns(size: tuple[int, int], view: View, room: Room) -> int:
    """How many planes of `(H, W)` values fit in one row, shrunk to `room.narrowest` if need be.

    Example:
        >>> most_columns((24, 24), View(), PAGE)
        29
    """
    height, width = size
    longest = max(height, width)
    if view.zoom is not None:
        tile = width * view.zoom
    elif longest > room.narrowest:
        tile = ceil(width / ceil(longest / room.narrowest))
    else:
        tile = width * ceil(room.smallest / longest)
    return max(1, _fit(tile, 1, room))


def step_of_labels(zoom: int, room: Room) -> int:
    """Every how many rows of values a label has room: 1, 2, 5, 10, 20 ...

    Example:
        >>> step_of_labels(3, PAGE)
        5
    """
    least = ceil(room.line / zoom)
    steps: list[int] = [n * 10**power for power in range(9) for n in (1, 2, 5)]
    return min(step for step in steps if step >= least)
