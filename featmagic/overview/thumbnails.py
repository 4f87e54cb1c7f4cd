"""Thumbnails of many layers: planes of the same size are painted together."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
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
_SPARE = 16  # a side with at least twice as many values per pixel is thinned to about so many


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
    """What becomes the tiles of one layer."""

    values: Tensor  # `(n, H, W)`; a heat map is one plane, and so are single values, all in a line
    kernel: tuple[int, int]  # how many values, down and across, are averaged to one
    marks: bool  # whether a constant plane is marked

    @property
    def kind(self) -> tuple[object, ...]:
        """What layers have in common whose planes are painted together."""
        values = self.values
        return values.device, values.dtype, tuple(values.shape[1:]), self.kernel, self.marks


def thumbnail_planes(values: Tensor, form: str, band: Band) -> ThumbnailPlanes:
    """Choose the planes of `(P, H, W)` for the band: large ones are thinned, the rest averaged."""
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
    """The planes of all layers of one kind."""

    places: tuple[int, ...]  # of the layers in the film strip
    counts: tuple[int, ...]  # how many planes each layer has
    planes: ThumbnailPlanes  # of all layers

    def measurements(self) -> Measurements:
        """Reduce each plane to its range, on its device."""
        return value_range(self.planes.values, (1, 2))


def group_thumbnails(layers: Sequence[ThumbnailPlanes | None]) -> list[ThumbnailGroup]:
    """Put the planes of layers of one kind together; None is left out."""
    kinds: dict[tuple[object, ...], list[tuple[int, ThumbnailPlanes]]] = {}
    for place, layer in enumerate(layers):
        if layer is not None:
            kinds.setdefault(layer.kind, []).append((place, layer))
    groups = []
    for members in kinds.values():
        places, layers_of_kind = zip(*members, strict=True)
        values = [layer.values for layer in layers_of_kind]
        planes = replace(layers_of_kind[0], values=torch.cat(values))
        groups.append(ThumbnailGroup(places, tuple(map(len, values)), planes))
    return groups


def paint_thumbnails(
    groups: Sequence[ThumbnailGroup],
    measurements: Sequence[Mapping[str, Array]],
    both_signs: NDArray[np.bool_],
    *,
    centered: bool,
) -> dict[int, Pixels]:
    """Paint the tiles `(n, h, w)` of each layer, by its place, as indices of `two_maps`.

    Groups with NaN or infinities are read once more; all tiles leave their device at once.

    Args:
        groups: of planes.
        measurements: those of the groups, on the host.
        both_signs: of each place, whether its values call for the second color map.
        centered: whether the second map is centered on 0.
    """
    nonfinite = [not np.isfinite([ends["low"], ends["high"]]).all() for ends in measurements]
    again = [group.planes.values for group, odd in zip(groups, nonfinite, strict=True) if odd]
    finite = iter(to_host(*[finite_range(values, (1, 2)) for values in again]))
    second = [np.repeat(both_signs[list(group.places)], group.counts) for group in groups]
    painted = [
        _paint(group.planes, ends, next(finite) if odd else None, which & centered)
        for group, ends, odd, which in zip(groups, measurements, nonfinite, second, strict=True)
    ]
    tiles: dict[int, Pixels] = {}
    for device in {indices.device for indices in painted}:
        numbers = [n for n, indices in enumerate(painted) if indices.device == device]
        pixels = torch.cat([painted[n].reshape(-1) for n in numbers]).cpu().numpy()
        parts = _split(pixels, [painted[n].numel() for n in numbers])
        for n, part in zip(numbers, parts, strict=True):
            indices = halve_levels(part.reshape(painted[n].shape), second[n][:, None, None])
            layers = _split(indices, groups[n].counts)
            tiles |= dict(zip(groups[n].places, layers, strict=True))
    return tiles


def _split(pixels: Pixels, lengths: Sequence[int]) -> list[Pixels]:
    return np.split(pixels, np.cumsum(lengths)[:-1])


def _paint(
    planes: ThumbnailPlanes,
    ends: Mapping[str, Array],
    finite_ends: Mapping[str, Array] | None,
    centered: NDArray[np.bool_],
) -> Tensor:
    """Return the palette indices of planes, each in its own range.

    `finite_ends` are the ranges of the finite values if some aren't; None if all are. Where
    `centered` is True, 0 is in the middle of the range.
    """
    shown = finite_ends or ends
    low, high = range_or_zero(shown["low"], shown["high"])
    most = np.maximum(np.abs(low), np.abs(high))
    placed = levels(planes.values, np.where(centered, -most, low), np.where(centered, most, high))
    if planes.kernel != (1, 1):
        placed = avg_pool2d(placed[None], planes.kernel, ceil_mode=True)[0]
    constant = constant_planes(ends["low"], ends["high"]) if planes.marks else None
    return palette_indices(placed, constant=constant, nonfinite=finite_ends is not None)


def maps_of(view: View) -> tuple[str, str]:
    """Return the color maps of layers of one sign and of both."""
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
    """Turn indices of one color map into those of `two_maps`: every two levels become one."""
    start = np.where(second, np.uint8(HALF), np.uint8(0))
    return np.where(tiles < LEVELS, (tiles >> 1) + start, tiles)


def lay_out_thumbnails(tiles: Pixels, form: str, band: Band) -> Pixels:
    """Enlarge the tiles as far as whole numbers allow in the band.

    Single values become lines, as many as they need; what is left of the last is a gap.
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
    filled = np.full(ceil(count / across) * across, GAP, np.uint8)
    filled[:count] = line[0, 0]
    return filled.reshape(1, -1, across)
