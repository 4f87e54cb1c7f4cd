"""Small pictures of many layers: those of one size are painted together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import ceil

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d

from featmagic.options.colormaps import DIVERGING, SEQUENTIAL, colormap, is_diverging
from featmagic.options.view import View
from featmagic.overview.health import Row, bring
from featmagic.planes.dtypes import Pixels
from featmagic.planes.heat_map import assemble
from featmagic.planes.statistics import Measured
from featmagic.render.color import Range, levels, palette_indices
from featmagic.render.palette import GAP, LEVELS, palette

HALF = LEVELS // 2  # where the levels of the second color map begin


@dataclass(frozen=True, eq=False)
class Group:
    """Stacks of one kind.

    Attributes:
        places: which they are.
        counts: how many planes each has.
        values: `(P, H, W)`, the planes of all.
        kernel, marks: as a stack has them.
        nonfinite: which planes hold NaN or an infinity; None where none does.
    """

    places: tuple[int, ...]
    counts: tuple[int, ...]
    values: Tensor
    kernel: tuple[int, int]
    marks: bool
    nonfinite: NDArray[np.bool_] | None = None

    def ends(self) -> list[Tensor]:
        """The least and the largest value of each plane; one NaN makes either NaN."""
        return [self.values.amin((1, 2)), self.values.amax((1, 2))]

    def finite_ends(self) -> list[Tensor]:
        """The same of the finite values; inf and -inf where a plane has none."""
        finite = torch.isfinite(self.values)
        low = torch.where(finite, self.values, torch.inf)
        high = torch.where(finite, self.values, -torch.inf)
        return [low.amin((1, 2)), high.amax((1, 2))]


def grouped(stacks: Sequence[ThumbnailPlanes | None]) -> list[Group]:
    """The stacks by kind; None is left out.

    Example:
        >>> stack = ThumbnailPlanes(torch.zeros(8, 4, 4), (1, 1), True)
        >>> grouped([stack, None, stack])[0].places
        (0, 2)
    """
    kinds: dict[tuple[object, ...], list[int]] = {}
    for place, stack in enumerate(stacks):
        if stack is not None:
            kinds.setdefault(stack.kind, []).append(place)
    return [_group([(n, s) for n in places if (s := stacks[n])]) for places in kinds.values()]


def _group(some: list[tuple[int, ThumbnailPlanes]]) -> Group:
    values = [stack.values for _, stack in some]
    first = some[0][1]
    places, counts = tuple(place for place, _ in some), tuple(map(len, values))
    return Group(places, counts, torch.cat(values), first.kernel, first.marks)


def with_finite_ends(
    groups: Sequence[Group], ends: Sequence[Sequence[Row]]
) -> tuple[list[Group], list[Sequence[Row]]]:
    """The groups, those with NaN or infinities marked, and the ranges of their finite values."""
    marked = []
    for group, some in zip(groups, ends, strict=True):
        nonfinite = ~(np.isfinite(some[0]) & np.isfinite(some[1]))
        marked.append(replace(group, nonfinite=nonfinite if nonfinite.any() else None))
    again = iter(bring([group.finite_ends() for group in marked if group.nonfinite is not None]))
    return marked, [
        some if group.nonfinite is None else next(again)
        for group, some in zip(marked, ends, strict=True)
    ]


def paint_thumbnails(
    groups: Sequence[Group],
    ends: Sequence[Sequence[Row]],
    both_signs: NDArray[np.bool_],
    *,
    centered: bool,
) -> dict[int, Pixels]:
    """The small tiles `(n, h, w)` of each stack, by its place; one transfer from each device.

    Args:
        groups: the stacks.
        ends: the range of each plane's finite values, a group each.
        both_signs: of each place, whether its values call for the second color map.
        centered: whether 0 is in the middle of that.

    Returns:
        Indices of `two_maps`.
    """
    second = [np.repeat(both_signs[list(group.places)], group.counts) for group in groups]
    made = [
        _painted(group, some[0], some[1], which & centered)
        for group, some, which in zip(groups, ends, second, strict=True)
    ]
    tiles: dict[int, Pixels] = {}
    for device in {group.values.device for group in groups}:
        those = [n for n, group in enumerate(groups) if group.values.device == device]
        here = torch.cat([made[n].reshape(-1) for n in those]).cpu().numpy()
        end = 0
        for n in those:
            start, end = end, end + made[n].numel()
            there = here[start:end].reshape(made[n].shape)
            tiles |= _by_place(groups[n], halve_levels(there, second[n][:, None, None]))
    return tiles


def _painted(group: Group, low: Row, high: Row, centered: NDArray[np.bool_]) -> Tensor:
    """Palette indices of a group's planes, made by the stages of an ordinary look."""
    nonfinite = np.zeros_like(low) if group.nonfinite is None else group.nonfinite.astype(float)
    measured = Measured(low, high, low, high, nonfinite, 0.0, 0.0, nan=int(nonfinite.any()))
    low, high = np.where(measured.some, [low, high], 0.0)
    most = np.maximum(np.abs(low), np.abs(high))
    low, high = np.where(centered, -most, low), np.where(centered, most, high)
    colors = Range("", None, True, low, high)
    found = levels(group.values, colors)
    if group.kernel != (1, 1):
        found = avg_pool2d(found[None], group.kernel, ceil_mode=True)[0]
    indices = palette_indices(found, colors, measured, hatch=False)
    if group.marks and (places := np.flatnonzero(measured.constant)).size:
        _mark(indices, places)
    return indices


def _mark(indices: Tensor, places: NDArray[np.intp]) -> None:
    """Mark the planes of one value, as in an ordinary look; only these are painted again."""
    one = np.zeros(1)
    blank = torch.zeros(1, *indices.shape[1:], device=indices.device)
    mark = palette_indices(blank, Range("", None, True, one, one), Measured(*(one,) * 5, 0.0, 0.0))
    indices[torch.from_numpy(places).to(indices.device)] = mark


def _by_place(group: Group, tiles: Pixels) -> dict[int, Pixels]:
    ends = np.cumsum(group.counts)
    return {
        place: tiles[end - count : end]
        for place, count, end in zip(group.places, group.counts, ends.tolist(), strict=True)
    }


def maps_of(view: View) -> tuple[str, str]:
    """The color maps of layers of one sign and of both.

    Example:
        >>> maps_of(View())
        ('viridis', 'RdBu_r')
    """
    return view.cmap or SEQUENTIAL, view.cmap or DIVERGING


def is_centered(view: View) -> bool:
    """Whether 0 is in the middle of the colors of a layer of both signs."""
    return is_diverging(maps_of(view)[1])


def two_maps(view: View) -> bytes:
    """A palette of both color maps, `HALF` levels each, then the colors that mean something else.

    Example:
        >>> len(two_maps(View()))
        768
    """
    places = np.linspace(0, 1, HALF)
    both = [colormap(name)(places, bytes=True)[:, :3].tobytes() for name in maps_of(view)]
    return b"".join([*both, palette(SEQUENTIAL)[3 * LEVELS :]])


def halve_levels(tiles: Pixels, second: NDArray[np.bool_]) -> Pixels:
    """Indices of one color map as those of `two_maps`: every two levels become one.

    Example:
        >>> halve_levels(np.array([0, 247, 248], np.uint8), np.array([True]))
        array([124, 247, 248], dtype=uint8)
    """
    start = np.where(second, np.uint8(HALF), np.uint8(0))
    return np.where(tiles < LEVELS, (tiles >> 1) + start, tiles)


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
class ThumbnailPlanes:
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


def thumbnail_planes(values: Tensor, form: str, band: Band) -> ThumbnailPlanes:
    """Planes `(P, H, W)` as they go into the band: what is large is thinned, the rest averaged.

    Example:
        >>> import torch
        >>> thumbnail_planes(torch.zeros(8, 56, 56), "tiles", Band(28, 2)).kernel
        (2, 2)
    """
    if form == "fold":
        line = values.reshape(1, 1, -1)
        return ThumbnailPlanes(
            line, (1, ceil(line.shape[2] / (band.side * band.width))), marks=False
        )
    tiles = form == "tiles"
    values = values[: band.tiles] if tiles else assemble(values, form)[0]
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
    return ThumbnailPlanes(
        values, (min(down, height), min(across, width)), tiles and height * width > 1
    )


def lay_out_thumbnails(tiles: Pixels, form: str, band: Band) -> Pixels:
    """The tiles as large as whole numbers make them in the band.

    Single values become lines, as many as they need; what is left of the last is a gap.

    Example:
        >>> lay_out_thumbnails(np.zeros((8, 7, 7), np.uint8), "tiles", Band(28, 2)).shape
        (8, 28, 28)
        >>> lay_out_thumbnails(np.zeros((1, 1, 1000), np.uint8), "fold", Band(28, 2)).shape
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
