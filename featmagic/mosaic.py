"""From tiles to one index image, and the image with gaps, labels and zoom."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import ceil

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featmagic.layout import PAGE, Layout
from featmagic.palette import GAP, INK

Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Mosaic:
    """Tiles side by side, one pixel a value, without gaps.

    Attributes:
        indices: `(rows, h, ncols, w)` uint8 palette indices; `[r, :, c, :]` is a tile.
        labels: each tile's, row by row; places without one are empty.
        palette: 256 RGB colours.
        zoom: how many pixels a value gets when drawn.
    """

    indices: Pixels
    labels: tuple[str, ...]
    palette: bytes
    zoom: int

    @property
    def tile_size(self) -> tuple[int, int]:
        """Height and width of a tile, in values."""
        return self.indices.shape[1], self.indices.shape[3]


def tile(indices: Tensor, labels: tuple[str, ...], palette: bytes, layout: Layout) -> Mosaic:
    """The tiles `(P, h, w)` as one mosaic: laid out where they are, then copied at once.

    Example:
        >>> tiles = torch.zeros(5, 8, 6).byte()
        >>> tile(tiles, tuple("01234"), bytes(768), Layout(3, 1, 1)).indices.shape
        (2, 8, 3, 6)
    """
    count, height, width = indices.shape
    rows = ceil(count / layout.ncols)
    if spare := rows * layout.ncols - count:
        indices = torch.cat([indices, indices.new_full((spare, height, width), GAP)])
    grid = indices.view(rows, layout.ncols, height, width).permute(0, 2, 1, 3).contiguous()
    return Mosaic(grid.cpu().numpy(), labels, palette, layout.zoom)


def image(mosaic: Mosaic, gap: int = PAGE.gap) -> Pixels:
    """The mosaic enlarged by its zoom, with gaps around the tiles and labels over them.

    Returns:
        `(H, W)` uint8 palette indices. Labels stand in a strip of the gap, never on a value; they
        are left out where a tile has no room for the longest.

    Example:
        >>> mosaic = tile(torch.zeros(2, 8, 8).byte(), ("0", "1"), bytes(768), Layout(2, 3, 1))
        >>> image(mosaic).shape
        (37, 54)
    """
    rows, height, ncols, width = mosaic.indices.shape
    strip = label_height(mosaic)
    tall, wide = strip + height * mosaic.zoom + gap, width * mosaic.zoom + gap
    canvas = np.full((gap + rows * tall, gap + ncols * wide), GAP, np.uint8)
    # A view of the canvas, tile by tile: (rows, tall, ncols, wide) without its outer gap.
    cells = np.lib.stride_tricks.as_strided(
        canvas[gap:, gap:],
        (rows, tall, ncols, wide),
        (tall * canvas.shape[1], canvas.shape[1], wide, 1),
    )
    cells[:, strip : tall - gap, :, : wide - gap] = enlarged(mosaic)
    if strip:
        for place, label in enumerate(mosaic.labels):
            row, column = divmod(place, ncols)
            _write(canvas, label, gap + row * tall + 1, gap + column * wide)
    return canvas


def enlarged(mosaic: Mosaic) -> Pixels:
    """The tiles with every value `zoom` pixels wide and tall, `(rows, h, ncols, w)`.

    Example:
        >>> enlarged(tile(torch.zeros(1, 2, 3).byte(), ("0",), bytes(768), Layout(1, 2, 1))).shape
        (1, 4, 1, 6)
    """
    if mosaic.zoom == 1:
        return mosaic.indices
    return mosaic.indices.repeat(mosaic.zoom, 3).repeat(mosaic.zoom, 1)


def label_height(mosaic: Mosaic) -> int:
    """How tall the strip for labels is; 0 where they have no room.

    Example:
        >>> label_height(tile(torch.zeros(1, 2, 2).byte(), ("0",), bytes(768), Layout(1, 1, 1)))
        0
    """
    longest = max(map(len, mosaic.labels), default=0)
    wide = longest * _digit("0").shape[1]
    return _digit("0").shape[0] + 2 if 0 < wide <= mosaic.tile_size[1] * mosaic.zoom else 0


def _write(canvas: Pixels, label: str, top: int, left: int) -> None:
    for digit in label:
        ink = _digit(digit)
        place = canvas[top : top + ink.shape[0], left : left + ink.shape[1]]
        place[ink] = INK
        left += ink.shape[1]


@cache
def _digit(digit: str) -> NDArray[np.bool_]:
    rows = np.array(_DIGITS[digit])[:, None]
    return (rows >> np.arange(5, -1, -1) & 1).astype(bool)


# Five pixels by seven, a row a number whose lowest bit is the rightmost pixel.
_DIGITS = {
    "0": (14, 17, 17, 17, 17, 17, 14),
    "1": (4, 12, 4, 4, 4, 4, 14),
    "2": (14, 17, 1, 2, 4, 8, 31),
    "3": (31, 2, 4, 2, 1, 17, 14),
    "4": (2, 6, 10, 18, 31, 2, 2),
    "5": (31, 16, 30, 1, 1, 17, 14),
    "6": (6, 8, 16, 30, 17, 17, 14),
    "7": (31, 1, 2, 4, 8, 8, 8),
    "8": (14, 17, 17, 14, 17, 17, 14),
    "9": (14, 17, 17, 15, 1, 2, 12),
}
