"""The room for a layer's tiles in a film strip, and how they are made to fit."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from torch import Tensor

from featmagic.planes.dtypes import Pixels
from featmagic.planes.heat_map import joined
from featmagic.render.palette import GAP

_SPARE = 16  # a side with more than so many values to a pixel is thinned before they are averaged


@dataclass(frozen=True)
class Band:
    """The room for a layer's tiles, in pixels: squares of `side` in a row, `gap` apart."""

    side: int
    gap: int
    tiles: int = 8

    @property
    def width(self) -> int:
        """From the first tile's left to the last one's right."""
        return self.tiles * (self.side + self.gap) - self.gap


@dataclass(frozen=True, eq=False)
class Stack:
    """What becomes the tiles of one layer.

    Attributes:
        values: `(n, H, W)` planes; a heat map is one, and so are single values, all in a line.
        kernel: how many values, down and across, are averaged to one.
        marks: whether a plane of one value is marked.
    """

    values: Tensor
    kernel: tuple[int, int]
    marks: bool

    @property
    def kind(self) -> tuple[object, ...]:
        """What stacks have in common that are painted together."""
        values = self.values
        return values.device, values.dtype, tuple(values.shape[1:]), self.kernel, self.marks


def stack_of(values: Tensor, form: str, band: Band) -> Stack:
    """Planes `(P, H, W)` as they go into the band: what is large is thinned, the rest averaged.

    Example:
        >>> import torch
        >>> stack_of(torch.zeros(8, 56, 56), "tiles", Band(28, 2)).kernel
        (2, 2)
    """
    if form == "fold":
        line = values.reshape(1, 1, -1)
        return Stack(line, (1, ceil(line.shape[2] / (band.side * band.width))), marks=False)
    tiles = form == "tiles"
    values = values[: band.tiles] if tiles else joined(values, form)[0]
    tall, wide = band.side, band.side if tiles else band.width
    height, width = values.shape[1:]
    if height >= 2 * _SPARE * tall or width >= 2 * _SPARE * wide:
        values = values[
            :, :: max(1, height // (_SPARE * tall)), :: max(1, width // (_SPARE * wide))
        ]
        height, width = values.shape[1:]
    down, across = ceil(height / tall), ceil(width / wide)
    if tiles:
        down = across = max(down, across)
    return Stack(values, (min(down, height), min(across, width)), tiles and height * width > 1)


def laid_out(tiles: Pixels, form: str, band: Band) -> Pixels:
    """The tiles as large as whole numbers make them in the band.

    Single values become lines, as many as they need; what is left of the last is a gap.

    Example:
        >>> laid_out(np.zeros((8, 7, 7), np.uint8), "tiles", Band(28, 2)).shape
        (8, 28, 28)
        >>> laid_out(np.zeros((1, 1, 1000), np.uint8), "fold", Band(28, 2)).shape
        (1, 18, 238)
    """
    tiles = _folded(tiles, band) if form == "fold" else tiles
    height, width = tiles.shape[1:]
    wide = band.side if form == "tiles" else band.width
    down, across = max(1, band.side // height), max(1, min(band.side, wide // width))
    if form == "fold" or (form == "tiles" and min(height, width) > 1):
        down = across = min(down, across)
    return tiles.repeat(down, 1).repeat(across, 2) if max(down, across) > 1 else tiles


def _folded(line: Pixels, band: Band) -> Pixels:
    count = line.shape[2]
    sides = (band.side // down for down in range(1, band.side + 1))
    zoom = next(z for z in sides if (band.side // z) * (band.width // z) >= count)
    across = min(count, band.width // zoom)
    filled = np.full(-(-count // across) * across, GAP, np.uint8)
    filled[:count] = line[0, 0]
    return filled.reshape(1, -1, across)
