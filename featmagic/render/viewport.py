"""How many tiles in a row and how large, in the room there is."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from featmagic.options.view import View


@dataclass(frozen=True)
class Viewport:
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

    def with_input(self) -> Viewport:
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
PAGE = Viewport(width=760, gap=2, smallest=20, largest=192, columns=4)


@dataclass(frozen=True)
class GridLayout:
    """`ncols` tiles a row, each value `zoom` pixels wide; first every `shrink` values are one.

    Flat pictures are drawn taller: then each row of values comes `tall` times.
    """

    ncols: int
    zoom: int
    shrink: int
    tall: int = 1


def tiles_that_fit(width: int, zoom: int, viewport: Viewport) -> int:
    """How many tiles of that width fit in a row."""
    return (viewport.width - viewport.gap) // (width * zoom + viewport.gap)


def most_columns(size: tuple[int, int], view: View, viewport: Viewport) -> int:
    """How many planes of `(H, W)` values fit in one row, shrunk to `room.narrowest` if need be.

    Example:
        >>> most_columns((24, 24), View(), PAGE)
        29
    """
    height, width = size
    longest = max(height, width)
    if view.zoom is not None:
        tile = width * view.zoom
    elif longest > viewport.narrowest:
        tile = ceil(width / ceil(longest / viewport.narrowest))
    else:
        tile = width * ceil(viewport.smallest / longest)
    return max(1, tiles_that_fit(tile, 1, viewport))


def step_of_labels(zoom: int, viewport: Viewport) -> int:
    """Every how many rows of values a label has room: 1, 2, 5, 10, 20 ...

    Example:
        >>> step_of_labels(3, PAGE)
        5
    """
    least = ceil(viewport.line / zoom)
    steps: list[int] = [n * 10**power for power in range(9) for n in (1, 2, 5)]
    return min(step for step in steps if step >= least)


LINES_AROUND = 6  # lines of a screen for a caption, labels, figures and the next prompt


def terminal_viewport(columns: int, lines: int | None = None) -> Viewport:
    """The room in a terminal: a value is as wide as a cell and half as tall.

    Args:
        columns: of the terminal.
        lines: of its screen, where it has one: a tile is no taller, with its caption.

    Example:
        >>> terminal_viewport(80, 24).height
        36
    """
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
        height=lines and max(8, 2 * (lines - LINES_AROUND)),
    )
