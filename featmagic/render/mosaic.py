"""From tiles to one index image, and what stands around them."""

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
    """The prefix tokens: a line each, a cell for each plane.

    Attributes:
        names: of the lines.
        indices: `(lines, P)` palette indices.
    """

    names: tuple[str, ...]
    indices: Pixels


@dataclass(frozen=True)
class SharedRange:
    """The range of values that all tiles share.

    Attributes:
        low, middle, high: the values at both ends and in the middle of the colors.
        norm: how colors follow values: `linear`, `log`, `symlog` or `asinh`.
        center: the value in the middle of a map that was centered on it, if it was.
        width: up to which distance from the center, or from 0, symlog and asinh are linear.
    """

    low: float
    middle: float
    high: float
    norm: str
    center: float | None
    width: float


@dataclass(frozen=True)
class Mosaic:
    """Tiles side by side, one pixel a value, without gaps, and what stands around them.

    Attributes:
        indices: `(rows, h, ncols, w)` uint8 palette indices, or `(rows, h, ncols, w, 3)` RGB;
            `[r, :, c, :]` is a tile.
        labels: each tile's, row by row; places without one are empty.
        palette: 256 RGB colors.
        zoom: how many pixels a value gets when drawn.
        bars: how strong each tile is against the strongest, 0 to 1; empty for none.
        ticks: what stands left of the tiles: row of tiles, row of values in it, text.
        strip: the prefix tokens.
        ends: figures at the low end, the middle and the high end of the colors; empty for none.
        inputs: the input image, or one for each row of tiles: `(h, w, 3)` RGB, as drawn.
        scale: the range behind `ends`, where all tiles share it.
        nonfinite: what each tile holds that is no number, as letters of `LETTERS`; empty where
            no tile does.
        missing: `(rows, h, ncols, w)`, of RGB tiles: `NAN` where they hold non-finite values.
        color_maps: how many color maps share the levels of the palette.
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

    @property
    def tile_size(self) -> tuple[int, int]:
        """Height and width of a tile, in values."""
        return self.indices.shape[1], self.indices.shape[3]

    @property
    def is_rgb(self) -> bool:
        """Whether the tiles are RGB, not palette indices."""
        return self.indices.ndim == 5

    @property
    def colors(self) -> Pixels:
        """The palette, `(256, 3)`."""
        return np.frombuffer(self.palette, np.uint8).reshape(256, 3)


def tile(
    indices: Tensor, labels: tuple[str, ...], palette: bytes, grid_layout: GridLayout
) -> Mosaic:
    """The tiles `(P, h, w)` as one mosaic: laid out where they are, then copied at once.

    Tiles of `(P, h, w, 3)` are RGB.

    Example:
        >>> import torch
        >>> tiles = torch.zeros(5, 8, 6).byte()
        >>> tile(tiles, tuple("01234"), bytes(768), GridLayout(3, 1, 1)).indices.shape
        (2, 8, 3, 6)
    """
    count, height, width, *rgb = indices.shape
    ncols = grid_layout.ncols
    rows = ceil(count / ncols)
    if spare := rows * ncols - count:
        # As RGB, the gaps' own color.
        fill = tuple(palette[3 * GAP : 3 * GAP + 3]) if rgb else (GAP,)
        empty = indices.new_tensor(fill).expand(spare, height, width, len(fill))
        empty = empty.reshape(spare, height, width, *rgb)
        indices = cat([indices, empty])
    grid = indices.view(rows, ncols, height, width, *rgb).transpose(1, 2).contiguous()
    return Mosaic(grid.cpu().numpy(), labels, palette, grid_layout.zoom)


def enlarge(mosaic: Mosaic) -> Pixels:
    """The tiles with every value `zoom` pixels wide and tall, `(rows, h, ncols, w)`.

    Example:
        >>> import torch
        >>> tiles = torch.zeros(1, 2, 3).byte()
        >>> enlarge(tile(tiles, ("0",), bytes(768), GridLayout(1, 2, 1))).shape
        (1, 4, 1, 6)
    """
    if mosaic.zoom == 1:
        return mosaic.indices
    return mosaic.indices.repeat(mosaic.zoom, 3).repeat(mosaic.zoom, 1)


def first_rows(mosaic: Mosaic, rows: int) -> Mosaic:
    """The first rows of tiles, with what stands around them.

    Example:
        >>> import torch
        >>> tiles = torch.zeros(4, 2, 3).byte()
        >>> first_rows(tile(tiles, tuple("0123"), bytes(768), GridLayout(2, 1, 1)), 1).labels
        ('0', '1')
    """
    tiles = rows * mosaic.indices.shape[2]
    return replace(
        mosaic,
        indices=mosaic.indices[:rows],
        labels=mosaic.labels[:tiles],
        bars=mosaic.bars[:tiles],
        nonfinite=mosaic.nonfinite[:tiles],
        missing=None if mosaic.missing is None else mosaic.missing[:rows],
        ticks=tuple(tick for tick in mosaic.ticks if tick[0] < rows),
        inputs=mosaic.inputs if len(mosaic.inputs) == 1 else mosaic.inputs[:rows],
    )


def with_marks(mosaic: Mosaic) -> Pixels:
    """`enlarge`, with a shape on every value that is no number, where a value has room for one.

    Example:
        >>> import torch
        >>> from dataclasses import replace
        >>> from featmagic.render.palette import MARK, NAN
        >>> one = tile(torch.full((1, 1, 1), NAN).byte(), ("0",), bytes(768), GridLayout(1, 3, 1))
        >>> np.unique(with_marks(replace(one, nonfinite=("×",)))).tolist() == [NAN, MARK]
        True
    """
    pixels = enlarge(mosaic)
    if mosaic.nonfinite:
        values = mosaic.indices if mosaic.missing is None else mosaic.missing
        draw_marks(pixels, values, mosaic.zoom)
    return pixels
