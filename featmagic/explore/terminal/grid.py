"""The lines of a mosaic, and where in them each tile stands."""

from __future__ import annotations

from dataclasses import dataclass

from featmagic.render.ascii import Letters
from featmagic.render.half_blocks import Blocks
from featmagic.render.mosaic import Mosaic
from featmagic.render.text import text_of


@dataclass(frozen=True)
class Place:
    """Where a tile stands: its first line and column, how tall and how wide it is.

    Attributes:
        labelled: whether the line above it has its label.
    """

    top: int
    left: int
    height: int
    width: int
    labelled: bool


class Grid:
    """A mosaic as lines, made when they are asked for.

    Attributes:
        tiles: how many there are.
        ncols: how many stand in a row.
        zoom: how many pixels a value has.
        height: how many lines there are.

    Example:
        >>> import torch
        >>> from featmagic.render.mosaic import tile
        >>> from featmagic.render.viewport import Arrangement
        >>> tiles = torch.tensor([[[0, 120, 247]], [[247, 253, 0]]]).byte()
        >>> grid = Grid(tile(tiles, ("0", "1"), bytes(768), Arrangement(2, 1, 1)), 0, 80)
        >>> grid.height, grid.line(1), grid.place(1)
        (2, '.+@ @v.', Place(top=1, left=4, height=1, width=3, labelled=True))
    """

    def __init__(self, mosaic: Mosaic, colours: int, columns: int) -> None:
        """Lay out a mosaic.

        Args:
            mosaic: without an input image.
            colours: how many there are; 0 for plain letters.
            columns: there are for what stands around the tiles.
        """
        # Of 256 colours prompt_toolkit finds the nearest itself; told by number, those before
        # 3.0.53 lose the two palest greys.
        ink = Blocks(mosaic, 2**24) if colours else Letters(mosaic)
        self._lines = text_of(mosaic, ink, columns)
        self._margin = max((len(text) + 1 for *_, text in mosaic.ticks), default=0)
        self._tile = -(-ink.pixels.shape[1] // 2), int(ink.pixels.shape[3])
        self._row = len(self._lines.row(0))
        self.tiles, self.ncols, self.zoom = len(mosaic.labels), ink.pixels.shape[2], mosaic.zoom
        above, below = len(self._lines.head), len(self._lines.tail)
        self.height = above + self._row * self._lines.rows + below

    def line(self, number: int) -> str:
        """One of the lines, with the codes of its colours."""
        number -= (above := len(self._lines.head))
        if number < 0:
            return self._lines.head[above + number]
        row, number = divmod(number, self._row)
        if row < self._lines.rows:
            return self._lines.row(row)[number]
        return self._lines.tail[number + (row - self._lines.rows) * self._row]

    def place(self, tile: int) -> Place:
        """Where a tile stands."""
        (height, width), (row, column) = self._tile, divmod(tile, self.ncols)
        labelled = self._row > height
        top = len(self._lines.head) + row * self._row + labelled
        return Place(top, self._margin + column * (width + 1), height, width, labelled)
