"""A mosaic: the tiles of one layer as one index image, and its annotations."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

import numpy as np
from torch import Tensor, cat

from featmagic.planes.dtypes import Pixels
from featmagic.render.non_finite_marks import draw_marks
from featmagic.render.palette import GAP
from featmagic.render.viewport import GridLayout


@dataclass(frozen=True)
class PrefixStrip:
    """The prefix tokens: a line for each, with a cell for each plane."""

    names: tuple[str, ...]
    indices: Pixels  # `(tokens, P)`, of the palette


@dataclass(frozen=True)
class SharedRange:
    """The color range that all tiles share: `middle` is the value of the color in the middle."""

    low: float
    middle: float
    high: float
    norm: str  # a name in `NORMS`
    center: float | None  # the value that the color map is centered on
    width: float  # the distance from the center within which symlog and asinh are linear


@dataclass(frozen=True)
class Mosaic:
    """Tiles side by side without gaps, one pixel to a value, and the annotations around them.

    Attributes:
        indices: `(rows, h, ncols, w)` uint8 palette indices, or `(rows, h, ncols, w, 3)` RGB;
            `[r, :, c, :]` is a tile.
        labels: of the tiles, row by row; the last row may have fewer than `ncols`.
        palette: 256 RGB colors.
        zoom: width and height of a value in pixels, as it is drawn.
        bars: the strength of each tile relative to the strongest, 0 to 1; empty for no bars.
        ticks: texts left of the tiles: row of tiles, row of values in it, text.
        strip: the prefix tokens; None if there are none.
        ends: figures at the low end, the middle and the high end of the colors; empty for none.
        inputs: the input image, or one for each row of tiles: `(h, w, 3)` RGB, as drawn.
        scale: the color range behind `ends`; None if the tiles don't share one.
        nonfinite: letters of `LETTERS` for the non-finite values in each tile; empty if there are
            none in any tile.
        missing: `(rows, h, ncols, w)`, of RGB tiles: `NAN` where they hold non-finite values.
        color_maps: how many color maps share the levels of the palette.
        columns: texts below the tiles: column of values, text.
        axes: what runs down and what runs across the values; "" where that isn't said.
        page: width of the page that a row of tiles fills, in pixels; 0 if gaps are narrow instead.
        density: pixels to a CSS pixel, in each direction.
        lead: 1 if the input image stands before the first tile, in a place of its own.
    """

    indices: Pixels
    labels: tuple[str, ...]
    palette: bytes
    zoom: int
    bars: tuple[float, ...] = ()
    ticks: tuple[tuple[int, int, str], ...] = ()
    strip: PrefixStrip | None = None
    ends: tuple[str, ...] = ()
    inputs: tuple[Pixels, ...] = ()
    scale: SharedRange | None = None
    nonfinite: tuple[str, ...] = ()
    missing: Pixels | None = None
    color_maps: int = 1
    columns: tuple[tuple[int, str], ...] = ()
    axes: tuple[str, str] = ("", "")
    page: int = 0
    density: int = 1
    lead: int = 0

    @property
    def tile_size(self) -> tuple[int, int]:
        """Return height and width of a tile, in values."""
        return self.indices.shape[1], self.indices.shape[3]

    @property
    def is_rgb(self) -> bool:
        """Return True if the tiles are RGB, False if they are palette indices."""
        return self.indices.ndim == 5

    @property
    def colors(self) -> Pixels:
        """Return the palette, `(256, 3)`."""
        return np.frombuffer(self.palette, np.uint8).reshape(256, 3)


def tile(
    indices: Tensor, labels: tuple[str, ...], palette: bytes, grid_layout: GridLayout
) -> Mosaic:
    """Lay out tiles as a mosaic: on their device, then copied to the host at once.

    Example:
        >>> import torch
        >>> tiles = torch.zeros(5, 8, 6).byte()
        >>> tile(tiles, tuple("01234"), bytes(768), GridLayout(3, 1, 1)).indices.shape
        (2, 8, 3, 6)
    """
    count, height, width, *rgb = indices.shape
    ncols, lead = grid_layout.ncols, grid_layout.lead
    rows = ceil((lead + count) / ncols)
    spare = rows * ncols - count
    if spare:
        fill = tuple(palette[3 * GAP : 3 * GAP + 3]) if rgb else (GAP,)  # the gaps' color
        empty = indices.new_tensor(fill).expand(spare, height, width, len(fill))
        empty = empty.reshape(spare, height, width, *rgb)
        indices = cat([empty[:lead], indices, empty[lead:]])
    grid = indices.view(rows, ncols, height, width, *rgb).transpose(1, 2).contiguous()
    return Mosaic(
        grid.cpu().numpy(),
        labels,
        palette,
        grid_layout.zoom,
        page=grid_layout.page,
        density=grid_layout.density,
        lead=lead,
    )


def enlarge(mosaic: Mosaic) -> Pixels:
    """Return the tiles with every value `zoom` pixels wide and tall, `(rows, h, ncols, w)`."""
    if mosaic.zoom == 1:
        return mosaic.indices
    return mosaic.indices.repeat(mosaic.zoom, 3).repeat(mosaic.zoom, 1)


def first_rows(mosaic: Mosaic, rows: int) -> Mosaic:
    """Return the first rows of tiles with their annotations."""
    count = rows * mosaic.indices.shape[2] - mosaic.lead
    return replace(
        mosaic,
        indices=mosaic.indices[:rows],
        labels=mosaic.labels[:count],
        bars=mosaic.bars[:count],
        nonfinite=mosaic.nonfinite[:count],
        missing=None if mosaic.missing is None else mosaic.missing[:rows],
        ticks=tuple(tick for tick in mosaic.ticks if tick[0] < rows),
        inputs=mosaic.inputs[:rows],  # one that stands for all rows is in the first
    )


def with_marks(mosaic: Mosaic) -> Pixels:
    """Return the enlarged tiles, with a mark on every non-finite value that has room for one."""
    pixels = enlarge(mosaic)
    if mosaic.nonfinite:
        values = mosaic.indices if mosaic.missing is None else mosaic.missing
        if mosaic.zoom > mosaic.density:
            draw_marks(pixels, values, mosaic.zoom)
    return pixels


def fitted(mosaic: Mosaic, size: tuple[int, int]) -> Mosaic:
    """Return the tiles with exactly so many pixels of height and width each, and with their marks.

    Where these are no multiples of the values, some values are a pixel wider than others.

    Example:
        >>> import torch
        >>> one = tile(torch.zeros(1, 2, 3).byte(), ("",), bytes(768), GridLayout(1, 2, 1))
        >>> fitted(one, (5, 7)).tile_size
        (5, 7)
    """
    pixels = with_marks(mosaic)
    down, across = (
        np.arange(side) * pixels.shape[axis] // side
        for side, axis in zip(size, (1, 3), strict=True)
    )
    return replace(mosaic, indices=pixels[:, down][:, :, :, across], zoom=1, missing=None)
