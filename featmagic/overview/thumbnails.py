"""Thumbnails of many layers: planes of the same size are painted together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn.functional import avg_pool2d

from featmagic.options.colormaps import DIVERGING, SEQUENTIAL, colormap, is_diverging
from featmagic.options.view import View
from featmagic.planes.dtypes import Pixels
from featmagic.planes.heat_map import assemble
from featmagic.planes.measurements import (
    Array,
    Measurements,
    constant_planes,
    finite_range,
    range_or_zero,
    to_host,
    value_range,
)
from featmagic.render.color import levels, palette_indices
from featmagic.render.palette import GAP, LEVELS, palette

HALF = LEVELS // 2  # where the levels of the second color map begin

_SPARE = 16  # values to a pixel, from twice as many of which a side is thinned before averaging


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
        marks: whether a constant plane is marked.
    """

    values: Tensor
    kernel: tuple[int, int]
    marks: bool

    @property
    def kind(self) -> tuple[object, ...]:
        """What layers have in common whose planes are painted together."""
        values = self.values
        return values.device, values.dtype, tuple(values.shape[1:]), self.kernel, self.marks


def thumbnail_planes(values: Tensor, form: str, band: Band) -> ThumbnailPlanes:
    """Choose the planes of `(P, H, W)` for the band: large ones are thinned, the rest averaged.

    Example:
        >>> thumbnail_planes(torch.zeros(8, 56, 56), "tiles", Band(28, 2)).kernel
        (2, 2)
    """
    if form == "fold":
        line = values.reshape(1, 1, -1)
        across = ceil(line.shape[2] / (band.side * band.width))
        return ThumbnailPlanes(line, (1, across), marks=False)
    tiles = form == "tiles"
    values = values[: band.tiles] if tiles else assemble(values, form)[0]
    tall, wide = band.side, band.side if tiles else band.width
    height, width = values.shape[1:]
    if height >= 2 * _SPARE * tall or width >= 2 * _SPARE * wide:
        down, across = max(1, height // (_SPARE * tall)), max(1, width // (_SPARE * wide))
        values = values[:, ::down, ::across]
        height, width = values.shape[1:]
    down, across = ceil(height / tall), ceil(width / wide)
    if tiles:
        down = across = max(down, across)
    kernel = min(down, height), min(across, width)
    return ThumbnailPlanes(values, kernel, marks=tiles and height * width > 1)


@dataclass(frozen=True, eq=False)
class ThumbnailGroup:
    """The planes of all layers of one kind.

    Attributes:
        places: of the layers in the film strip.
        counts: how many planes each layer has.
        values: `(P, H, W)`, the planes of all.
        kernel, marks: as those of each layer.
    """

    places: tuple[int, ...]
    counts: tuple[int, ...]
    values: Tensor
    kernel: tuple[int, int]
    marks: bool

    def measurements(self) -> Measurements:
        """Reduce each plane to its range, on its device."""
        return value_range(self.values, (1, 2))


def group_thumbnails(layers: Sequence[ThumbnailPlanes | None]) -> list[ThumbnailGroup]:
    """Put the planes of layers of one kind together; None is left out.

    Example:
        >>> layer = ThumbnailPlanes(torch.zeros(8, 4, 4), (1, 1), True)
        >>> group_thumbnails([layer, None, layer])[0].places
        (0, 2)
    """
    kinds: dict[tuple[object, ...], list[tuple[int, ThumbnailPlanes]]] = {}
    for place, layer in enumerate(layers):
        if layer is not None:
            kinds.setdefault(layer.kind, []).append((place, layer))
    return [_group(members) for members in kinds.values()]


def _group(members: list[tuple[int, ThumbnailPlanes]]) -> ThumbnailGroup:
    values, first = [layer.values for _, layer in members], members[0][1]
    places, counts = tuple(place for place, _ in members), tuple(map(len, values))
    return ThumbnailGroup(places, counts, torch.cat(values), first.kernel, first.marks)


@dataclass(frozen=True, eq=False)
class ThumbnailRanges:
    """What is known of each plane of a group, `(P,)`.

    Attributes:
        low, high: the range of its finite values; inf and -inf if there are none.
        constant: whether it holds a single value.
        nonfinite: whether any of the planes holds NaN or an infinity.
    """

    low: Array
    high: Array
    constant: NDArray[np.bool_]
    nonfinite: bool


def thumbnail_ranges(
    groups: Sequence[ThumbnailGroup], measurements: Sequence[Mapping[str, Array]]
) -> list[ThumbnailRanges]:
    """Tell the ranges of the planes; groups with NaN or infinities are read once more.

    Args:
        groups: of planes.
        measurements: those of the groups, on the host.
    """
    nonfinite = [not np.isfinite([ends["low"], ends["high"]]).all() for ends in measurements]
    again = [group.values for group, odd in zip(groups, nonfinite, strict=True) if odd]
    finite = iter(to_host(*[finite_range(values, (1, 2)) for values in again]))
    ranges = []
    for ends, odd in zip(measurements, nonfinite, strict=True):
        constant = constant_planes(ends["low"], ends["high"])
        finite_ends = next(finite) if odd else ends
        ranges.append(ThumbnailRanges(finite_ends["low"], finite_ends["high"], constant, odd))
    return ranges


def paint_thumbnails(
    groups: Sequence[ThumbnailGroup],
    ranges: Sequence[ThumbnailRanges],
    both_signs: NDArray[np.bool_],
    *,
    centered: bool,
) -> dict[int, Pixels]:
    """Paint the tiles `(n, h, w)` of each layer, by its place; one transfer from each device.

    Args:
        groups: of planes.
        ranges: of the groups.
        both_signs: of each place, whether its values call for the second color map.
        centered: whether 0 is in the middle of that.

    Returns:
        Indices of `two_maps`.
    """
    second = [np.repeat(both_signs[list(group.places)], group.counts) for group in groups]
    painted = [
        _paint(group, group_ranges, which & centered)
        for group, group_ranges, which in zip(groups, ranges, second, strict=True)
    ]
    tiles: dict[int, Pixels] = {}
    for device in {group.values.device for group in groups}:
        numbers = [n for n, group in enumerate(groups) if group.values.device == device]
        pixels = torch.cat([painted[n].reshape(-1) for n in numbers]).cpu().numpy()
        end = 0
        for n in numbers:
            start, end = end, end + painted[n].numel()
            indices = pixels[start:end].reshape(painted[n].shape)
            tiles |= _by_place(groups[n], halve_levels(indices, second[n][:, None, None]))
    return tiles


def _paint(group: ThumbnailGroup, ranges: ThumbnailRanges, centered: NDArray[np.bool_]) -> Tensor:
    """Palette indices of a group's planes, each in its own range."""
    low, high = range_or_zero(ranges.low, ranges.high)
    most = np.maximum(np.abs(low), np.abs(high))
    found = levels(group.values, np.where(centered, -most, low), np.where(centered, most, high))
    if group.kernel != (1, 1):
        found = avg_pool2d(found[None], group.kernel, ceil_mode=True)[0]
    constant = ranges.constant if group.marks else None
    return palette_indices(found, constant=constant, nonfinite=ranges.nonfinite)


def _by_place(group: ThumbnailGroup, tiles: Pixels) -> dict[int, Pixels]:
    ends = np.cumsum(group.counts)
    return {
        place: tiles[end - count : end]
        for place, count, end in zip(group.places, group.counts, ends.tolist(), strict=True)
    }


def maps_of(view: View) -> tuple[str, str]:
    """Return the color maps of layers of one sign and of both.

    Example:
        >>> maps_of(View())
        ('viridis', 'RdBu_r')
    """
    return view.cmap or SEQUENTIAL, view.cmap or DIVERGING


def is_centered(view: View) -> bool:
    """Return True if 0 is in the middle of the colors of a layer of both signs."""
    return is_diverging(maps_of(view)[1])


def two_maps(view: View) -> bytes:
    """Return a palette of both color maps, `HALF` levels each, then the colors with a meaning."""
    places = np.linspace(0, 1, HALF)
    both = [colormap(name)(places, bytes=True)[:, :3].tobytes() for name in maps_of(view)]
    return b"".join([*both, palette(SEQUENTIAL)[3 * LEVELS :]])


def halve_levels(tiles: Pixels, second: NDArray[np.bool_]) -> Pixels:
    """Turn indices of one color map into those of `two_maps`: every two levels become one.

    Example:
        >>> halve_levels(np.array([0, 247, 248], np.uint8), np.array([True]))
        array([124, 247, 248], dtype=uint8)
    """
    start = np.where(second, np.uint8(HALF), np.uint8(0))
    return np.where(tiles < LEVELS, (tiles >> 1) + start, tiles)


def lay_out_thumbnails(tiles: Pixels, form: str, band: Band) -> Pixels:
    """Enlarge the tiles as far as whole numbers allow in the band.

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
