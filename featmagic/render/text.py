"""A mosaic as lines of text: a cell is a letter that stands for two values, one above the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache, partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from featmagic.planes.dtypes import Pixels
from featmagic.render.mosaic import Mosaic
from featmagic.render.palette import GAP, LEVELS

_LEAST_TOKEN_CELLS = 24  # in a line, if the terminal is wide enough


class CellPainter(Protocol):
    """What draws the cells of a mosaic: in half blocks, or in plain letters."""

    # The tiles as large as they are drawn, `(rows, h, ncols, w)`: only the painter knows what the
    # indices mean.
    pixels: NDArray[Any]

    def line(self, upper: list[list[int]], lower: list[list[int]]) -> str:
        """Return a line of a row of tiles, with a blank between two tiles."""

    def run(self, indices: list[int]) -> str:
        """Return single values from left to right."""

    def strength(self, share: float) -> str:
        """Return a letter for a channel's strength, 0 to 1."""

    def mark(self, letters: str) -> str:
        """Return what stands behind the label of a tile with NaN or infinities."""

    def picture(self, pixels: Pixels) -> NDArray[Any]:
        """Return an image `(h, w, 3)` as indices, as in `pixels`."""


@dataclass(frozen=True)
class MosaicLines:
    """The lines of a mosaic; those of a row of tiles are made when they are asked for."""

    head: list[str]  # above all tiles
    row: Callable[[int], list[str]]  # returns the lines of a row of tiles
    rows: int  # the number of rows of tiles
    tail: list[str]  # below all tiles

    def all(self) -> list[str]:
        """Return every line."""
        return self.first(self.rows)

    def first(self, rows: int) -> list[str]:
        """Return the lines with only the first rows of tiles."""
        return [*self.head, *(line for n in range(rows) for line in self.row(n)), *self.tail]

    def fitting(self, height: int) -> int:
        """Return how many rows of tiles fit in `height` lines; one at least."""
        left = height - len(self.head) - len(self.tail)
        for number in range(self.rows):
            left -= len(self.row(number))
            if left < 0:
                return max(1, number)
        return self.rows


def mosaic_lines(mosaic: Mosaic, cells: CellPainter, columns: int) -> MosaicLines:
    """Lay out a mosaic in lines of at most `columns` letters, with labels above the tiles.

    Example:
        >>> import torch
        >>> from featmagic.render.mosaic import tile
        >>> from featmagic.render.ascii import AsciiCells
        >>> from featmagic.render.viewport import GridLayout
        >>> tiles = torch.tensor([[[0, 120, 239]], [[239, 245, 0]]]).byte()
        >>> mosaic = tile(tiles, ("0", "1"), bytes(768), GridLayout(2, 1, 1))
        >>> mosaic_lines(mosaic, AsciiCells(mosaic), 80).all()
        ['0   1', '.+@ @v.']
    """
    margin = max((len(text) + 1 for *_, text in mosaic.ticks), default=0)
    head = _prefix_token_lines(mosaic, cells, margin, columns)
    row = cache(partial(_row_lines, mosaic, cells, margin))
    return MosaicLines(head, row, len(cells.pixels), _color_line(mosaic, cells, margin, columns))


def _row_lines(mosaic: Mosaic, cells: CellPainter, margin: int, row: int) -> list[str]:
    """Return the lines of a row of tiles: its input image, labels, and values."""
    values = cells.pixels[row]
    ncols, width = values.shape[1:3]
    tiles = slice(row * ncols, (row + 1) * ncols)
    count = len(mosaic.labels[tiles])
    lines = _input_lines(mosaic, cells, row, margin)
    lines += _label_line(mosaic, cells, tiles, width, margin)
    ticks = {(line * mosaic.zoom) // 2: text for r, line, text in mosaic.ticks if r == row}
    for number, (upper, lower) in enumerate(_pairs(values[:, :count])):
        tick = ticks.get(number, "").rjust(margin - 1) + " " if margin else ""
        lines.append(tick + cells.line(upper, lower))
    return lines


def _input_lines(mosaic: Mosaic, cells: CellPainter, row: int, margin: int) -> list[str]:
    """Return the input image of a row of tiles; one for all rows stands above the first."""
    if row >= len(mosaic.inputs):
        return []
    image = cells.picture(mosaic.inputs[row])[:, None]
    lines = [cells.line(upper, lower) for upper, lower in _pairs(image)]
    return [f"{'':{margin}}{line}" for line in ["input", *lines]]


def _label_line(
    mosaic: Mosaic, cells: CellPainter, tiles: slice, width: int, margin: int
) -> list[str]:
    """Return the labels of a row of tiles, each with its channel's strength and marks behind it.

    There is no line if a tile is too narrow for the longest label.
    """
    longest = max(map(len, mosaic.labels))
    if longest == 0 or longest > width:
        return []
    texts = list(mosaic.labels[tiles])
    if mosaic.bars and longest + 2 <= width:
        strengths = map(cells.strength, mosaic.bars[tiles])
        texts = list(map(" ".join, zip(texts, strengths, strict=True)))
    most = max(map(len, texts)) + 1 + max(map(len, mosaic.nonfinite), default=width)
    if most <= width:
        marks = map(cells.mark, mosaic.nonfinite[tiles])
        texts = list(map(" ".join, zip(texts, marks, strict=True)))
    return [(" " * margin + " ".join(text.ljust(width) for text in texts)).rstrip()]


def _prefix_token_lines(mosaic: Mosaic, cells: CellPainter, margin: int, columns: int) -> list[str]:
    """Return the prefix tokens: a cell for each channel, in as many lines as they need."""
    if mosaic.strip is None:
        return []
    name_width = max(len(name) for name in mosaic.strip.names)
    tiles = mosaic.indices.shape[2] * (mosaic.tile_size[1] * mosaic.zoom + 1)
    wanted = max(_LEAST_TOKEN_CELLS, tiles - name_width - 1)
    cells_per_line = max(1, min(wanted, columns - margin - name_width - 1))
    lines = []
    for name, indices in zip(mosaic.strip.names, mosaic.strip.indices.tolist(), strict=True):
        for first in range(0, len(indices), cells_per_line):
            text = "" if first else name
            run = cells.run(indices[first : first + cells_per_line])
            lines.append(f"{'':{margin}}{text:<{name_width}} {run}")
    return lines


def _color_line(mosaic: Mosaic, cells: CellPainter, margin: int, columns: int) -> list[str]:
    """Return the colors from the low end to the high end, with figures."""
    if not mosaic.ends:
        return []
    low, middle, high = mosaic.ends
    room = columns - margin - sum(map(len, mosaic.ends)) - 4
    half = min(8, room // 2)
    if half < 1:
        text = f"{low} … {middle} … {high}"
        return [text if len(text) <= columns else text[: columns - 1] + "…"]
    steps = np.linspace(0, LEVELS - 1, 2 * half).round().astype(int).tolist()
    left, right = cells.run(steps[:half]), cells.run(steps[half:])
    return [f"{'':{margin}}{low} {left} {middle} {right} {high}"]


def _pairs(values: NDArray[Any]) -> Iterator[tuple[list[list[int]], list[list[int]]]]:
    """Yield two rows of pixels at a time, `(ncols, w)` each; below an odd last one is a gap."""
    if len(values) % 2:
        values = np.concatenate([values, np.full_like(values[:1], GAP)])
    for upper, lower in zip(values[::2], values[1::2], strict=True):
        yield upper.tolist(), lower.tolist()
