"""The room for a picture, and how tiles are laid out in it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from featmagic.options.view import View

# In half cells: the line above an input image, and three of a caption that speaks of it.
_INPUT_WORDS = 8
MOST_DENSE = (
    4 * 10**6
)  # CSS pixels of a picture with two pixels each: a browser keeps 16 bytes of each
_LINES_AROUND = 6  # lines of a screen for a caption, labels, figures and the next prompt


@dataclass(frozen=True)
class Viewport:
    """The room for a picture, in CSS pixels of a page, or in half cells of a terminal.

    Attributes:
        width: of the whole mosaic.
        gap: the least distance between tiles.
        smallest, largest: a tile's longer side, if the zoom is free to choose.
        columns: planes are shrunk if they are too large for so many tiles in a row.
        narrowest: a tile's longer side below which planes aren't shrunk for a row that can't be
            broken.
        line: the least distance between the ticks of two rows of values.
        letter: width of a letter of a tick.
        beside: the longest side of an input image beside the tiles.
        on_image: as `smallest`, for tiles that lie on the input image.
        strict: whether nothing may be wider than `width`.
        height: the most that a tile may have; None if there is no limit.
        density: pixels of the picture to a CSS pixel, in each direction; 1 in a terminal.
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
    density: int = 1

    def with_input(self) -> Viewport:
        """Return the room that an input image leaves: beside it, or in a terminal below it."""
        if not self.strict:
            return replace(self, width=self.width - self.beside - self.gap)
        return replace(self, height=self.height and max(8, self._for_both - self._for_both // 3))

    def of_input(self, height: int) -> int | None:
        """Return the most height of an input image above tiles so tall; None for no limit."""
        if self.height is None:
            return None
        return max(4, self._for_both // 3, self._for_both - height) // 2 * 2

    @property
    def _for_both(self) -> int:
        return (self.height or 0) - _INPUT_WORDS


# Front ends scale a picture down that is wider than the cell. On a screen of two pixels to a CSS
# pixel a PNG with one would be blurred; a PNG with two is sharp there, and smooth on others.
PAGE = Viewport(
    width=1000, gap=5, smallest=26, largest=330, columns=8, line=12, letter=7, density=2
)
# The same page, where a picture has to take few bytes.
SMALL_PAGE = replace(PAGE, density=1)


@dataclass(frozen=True)
class GridLayout:
    """How tiles are laid out, in pixels of the picture."""

    ncols: int  # tiles in a row
    zoom: int  # width and height of a value
    shrink: int  # so many values become one in each direction, before they are enlarged
    tall: int = 1  # how often each row of values is repeated, to draw a flat picture taller
    page: int = 0  # width that a row fills: gaps are as wide as that takes; 0 for narrow gaps
    density: int = 1  # pixels to a CSS pixel, in each direction
    lead: int = 0  # 1 if the input image stands before the first tile, as a tile of its own
    size: tuple[int, int] | None = None  # of a tile, if not all values have as many pixels


def tiles_that_fit(width: int, zoom: int, viewport: Viewport) -> int:
    """Return how many tiles of `width` values fit in a row."""
    return (viewport.width - viewport.gap) // (width * zoom + viewport.gap)


def most_columns(size: tuple[int, int], view: View, viewport: Viewport) -> int:
    """Return how many planes of `(H, W)` values fit in a row, shrunk as far as they may be."""
    height, width = size
    longest = max(height, width)
    if view.zoom is not None:
        tile = width * view.zoom
    elif longest > viewport.narrowest:
        tile = ceil(width / ceil(longest / viewport.narrowest))
    else:
        tile = width * ceil(viewport.smallest / longest)
    return max(1, tiles_that_fit(tile, 1, viewport))


def step_of_labels(zoom: int, room: int) -> int:
    """Return the step between values that have ticks, `room` pixels each: 1, 2, 5, 10, 20 ..."""
    least = ceil(room / zoom)
    steps: list[int] = [n * 10**power for power in range(9) for n in (1, 2, 5)]
    return min(step for step in steps if step >= least)


def terminal_viewport(columns: int, lines: int | None = None) -> Viewport:
    """Return the room in a terminal, where a value is as wide as a cell and half as tall."""
    return Viewport(
        width=max(8, columns - 1),
        gap=1,
        smallest=8,
        largest=24,
        columns=2,
        narrowest=12,
        line=4,
        letter=1,
        beside=32,
        on_image=24,
        strict=True,
        height=lines and max(8, 2 * (lines - _LINES_AROUND)),
    )
