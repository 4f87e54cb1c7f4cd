"""A mosaic as lines of text, whatever draws its cells: two values, one above the other, are one."""

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


class CellPainter(Protocol):
    """What draws cells: half blocks in color, or letters.

    Attributes:
        pixels: the tiles as indices of the ink's own, `(rows, h, ncols, w)`, as large as drawn.
    """

    pixels: NDArray[Any]

    def line(self, upper: list[list[int]], lower: list[list[int]]) -> str:
        """A line of a row of tiles, a blank between them."""

    def run(self, indices: list[int]) -> str:
        """Single values from left to right."""

    def strength(self, share: float) -> str:
        """One letter for a channel's strength, 0 to 1."""

    def mark(self, letters: str) -> str:
        """What says behind a label that a tile holds NaN or infinities."""

    def picture(self, pixels: Pixels) -> NDArray[Any]:
        """An image `(h, w, 3)` as indices."""


@dataclass(frozen=True)
class MosaicLines:
    """The lines of a mosaic; those of a row of tiles are made when they are asked for.

    Attributes:
        head, tail: above and below all tiles.
        row: gives the lines of a row of tiles.
        rows: how many there are.
    """

    head: list[str]
    row: Callable[[int], list[str]]
    rows: int
    tail: list[str]

    def all(self) -> list[str]:
        """Every line."""
        return self.first(self.rows)

    def first(self, rows: int) -> list[str]:
        """The lines with that many rows of tiles."""
        return [*self.head, *(line for n in range(rows) for line in self.row(n)), *self.tail]

    def fitting(self, height: int) -> int:
        """How many rows of tiles leave the whole no taller than `height`: one at least."""
        left = height - len(self.head) - len(self.tail)
        for number in range(self.rows):
            left -= len(self.row(number))
            if left < 0:
                return max(1, number)
        return self.rows


def mosaic_lines(mosaic: Mosaic, ink: CellPainter, columns: int) -> MosaicLines:
    """The mosaic in lines of at most `columns` letters, labels above the tiles.

    Example:
        >>> import torch
        >>> from featmagic.render.mosaic import tile
        >>> from featmagic.render.ascii import AsciiCells
        >>> from featmagic.render.viewport import GridLayout
        >>> tiles = torch.tensor([[[0, 120, 247]], [[247, 253, 0]]]).byte()
        >>> mosaic = tile(tiles, ("0", "1"), bytes(768), GridLayout(2, 1, 1))
        >>> mosaic_lines(mosaic, AsciiCells(mosaic), 80).all()
        ['0   1', '.+@ @v.']
    """
    margin = max((len(text) + 1 for *_, text in mosaic.ticks), default=0)
    head = _strip_lines(mosaic, ink, margin, columns)
    row = cache(partial(_row, mosaic, ink, margin))
    return MosaicLines(head, row, len(ink.pixels), _color_line(mosaic, ink, margin, columns))


def _row(mosaic: Mosaic, ink: CellPainter, margin: int, row: int) -> list[str]:
    """The lines of a row of tiles."""
    band = ink.pixels[row]
    ncols, width = band.shape[1:3]
    first = row * ncols
    there = len(mosaic.labels[first : first + ncols])
    lines = _label_line(mosaic, ink, first, there, width, margin)
    names = {(line * mosaic.zoom) // 2: text for r, line, text in mosaic.ticks if r == row}
    for number, (upper, lower) in enumerate(_pairs(band[:, :there])):
        name = names.get(number, "").rjust(margin - 1) + " " if margin else ""
        lines.append(name + ink.line(upper, lower))
    return [*_input_lines(mosaic, ink, row, margin), *lines]


def _input_lines(mosaic: Mosaic, ink: CellPainter, row: int, margin: int) -> list[str]:
    """The input image, above the tiles that belong to it: once, if it is the same for all."""
    if row >= len(mosaic.inputs):
        return []
    places = ink.picture(mosaic.inputs[row])[:, None]
    lines = [ink.line(upper, lower) for upper, lower in _pairs(places)]
    return [f"{'':{margin}}{line}" for line in ["input", *lines]]


def _strip_lines(mosaic: Mosaic, ink: CellPainter, margin: int, columns: int) -> list[str]:
    """A line for each prefix token, a cell for each channel; more lines where one is too short."""
    if mosaic.strip is None:
        return []
    wide = max(len(name) for name in mosaic.strip.names)
    across = mosaic.indices.shape[2] * (mosaic.tile_size[1] * mosaic.zoom + 1)
    a_line = max(1, min(max(24, across - wide - 1), columns - margin - wide - 1))
    lines = []
    for name, indices in zip(mosaic.strip.names, mosaic.strip.indices.tolist(), strict=True):
        for first in range(0, len(indices), a_line):
            text = "" if first else name
            cells = ink.run(indices[first : first + a_line])
            lines.append(f"{'':{margin}}{text:<{wide}} {cells}")
    return lines


def _color_line(mosaic: Mosaic, ink: CellPainter, margin: int, columns: int) -> list[str]:
    """The colors from the low end to the high end, with figures."""
    if not mosaic.ends:
        return []
    low, middle, high = mosaic.ends
    there = columns - margin - sum(map(len, mosaic.ends)) - 4
    half = min(8, there // 2)
    if half < 1:
        return [_cut(f"{low} … {middle} … {high}", columns)]
    steps = np.linspace(0, LEVELS - 1, 2 * half).round().astype(int).tolist()
    left, right = ink.run(steps[:half]), ink.run(steps[half:])
    return [f"{'':{margin}}{low} {left} {middle} {right} {high}"]


def _cut(text: str, columns: int) -> str:
    return text if len(text) <= columns else text[: columns - 1] + "…"


def _pairs(band: NDArray[Any]) -> Iterator[tuple[list[list[int]], list[list[int]]]]:
    """Two rows of pixels at a time, `(ncols, w)` each."""
    if len(band) % 2:
        band = np.concatenate([band, np.full_like(band[:1], GAP)])
    for upper, lower in zip(band[::2], band[1::2], strict=True):
        yield upper.tolist(), lower.tolist()


def _label_line(
    mosaic: Mosaic, ink: CellPainter, first: int, there: int, width: int, margin: int
) -> list[str]:
    """The labels of a row of tiles, each with its channel's strength behind it."""
    labels = mosaic.labels
    longest = max(map(len, labels))
    if longest == 0 or longest > width:
        return []
    texts = list(labels[first : first + there])
    if mosaic.bars and longest + 2 <= width:
        strengths = mosaic.bars[first : first + there]
        texts = [f"{t} {ink.strength(s)}" for t, s in zip(texts, strengths, strict=True)]
    most = max(map(len, texts)) + 1 + max(map(len, mosaic.nonfinite), default=width)
    if most <= width:
        marks = mosaic.nonfinite[first : first + there]
        texts = [f"{t} {ink.mark(mark)}" for t, mark in zip(texts, marks, strict=True)]
    return [(" " * margin + " ".join(text.ljust(width) for text in texts)).rstrip()]
