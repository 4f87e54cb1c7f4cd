"""The third stage: from planes and colors to a mosaic of tiles with annotations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from math import ceil

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, uint8

from featmagic.grid.prepare import Prepared
from featmagic.planes.dtypes import Pixels
from featmagic.planes.heat_map import assemble, block_average
from featmagic.planes.input_image import InputImages, fit, resize
from featmagic.planes.reduction import PCAImage
from featmagic.planes.statistics import Statistics
from featmagic.render.color import (
    Range,
    apply_norm,
    choose_range,
    in_gray,
    is_signed,
    levels,
    middle_of,
    palette_indices,
    signed_opacity,
    tints,
)
from featmagic.render.mosaic import Mosaic, PrefixStrip, SharedRange, fitted, tile, with_marks
from featmagic.render.non_finite_marks import mark_letters
from featmagic.render.palette import GAP, LEVELS, NAN, palette
from featmagic.render.viewport import GridLayout, Viewport, step_of_labels

_BETWEEN_COLUMNS = 10  # CSS pixels between two names below a heat map
_AT_ONCE = 2**17  # values to color at once
_LEAST_INPUT = 16  # CSS pixels that an input image is wide, where several stand one below the other


def color_range_of(prepared: Prepared, shown: Sequence[Prepared] = ()) -> Range:
    """Return the colormap and the ranges of a layer; all layers shown may share one range."""
    sharing = shown if prepared.scale == "all" and shown else [prepared]
    return choose_range(
        prepared.measured,
        prepared.view,
        scale=prepared.scale,
        signed=any(layer.planes.signed for layer in sharing),
        shown=[layer.measured for layer in sharing],
    )


def compose(prepared: Prepared, color_range: Range, grid_layout: GridLayout) -> Mosaic:
    """Return the tiles and their annotations."""
    if prepared.rgb is None:
        tiles = _color_tiles(prepared, color_range, grid_layout)
    else:
        tiles = _pca_tiles(prepared, prepared.rgb, color_range, grid_layout)
    mosaic = _annotated(tiles, prepared, color_range, grid_layout)
    if grid_layout.size:
        mosaic = fitted(mosaic, grid_layout.size)
    if prepared.overlays and prepared.images:
        return _overlay(mosaic, prepared, prepared.images, color_range)
    return mosaic


def _color_tiles(prepared: Prepared, color_range: Range, grid_layout: GridLayout) -> Mosaic:
    """Return the tiles as palette indices."""
    tiling, planes = prepared.tiling, prepared.planes.values.flatten(0, 1)
    if tiling.form == "tiles":
        indices = _colored_planes(planes, prepared.measured, color_range, grid_layout.shrink)
    else:
        values = levels(*apply_norm(planes, color_range))
        values, padding = assemble(values, tiling.form, tiling.count, tiling.fold)
        values, padding = block_average(values, grid_layout.shrink, padding)
        indices = palette_indices(values, nonfinite=prepared.measured.has_nonfinite)
        if padding:
            indices.flatten(1)[:, -padding:] = GAP
    if grid_layout.tall > 1:
        indices = indices.repeat_interleave(grid_layout.tall, 1)
    return tile(indices, tiling.labels, palette(color_range.cmap), grid_layout)


def _colored_planes(
    planes: Tensor, measured: Statistics, color_range: Range, shrink: int
) -> Tensor:
    """Return planes `(P, H, W)` as palette indices, a tile each.

    On the CPU only some planes at a time are copied as numbers.
    """
    count, height, width = planes.shape
    at_once = max(1, _AT_ONCE // (height * width)) if planes.device.type == "cpu" else count
    size = tuple(ceil(side / min(shrink, side)) for side in (height, width))
    indices = planes.new_empty((count, *size), dtype=uint8)
    for first in range(0, count, at_once):
        some = slice(first, first + at_once)
        own_range = replace(color_range, low=color_range.low[some], high=color_range.high[some])
        values, _ = block_average(levels(*apply_norm(planes[some], own_range)), shrink)
        indices[some] = palette_indices(
            values,
            nonfinite=measured.has_nonfinite,
            constant=measured.constant[some] if values.shape[1:].numel() > 1 else None,
            own_range=color_range.own_range,
        )
    return indices


def _pca_tiles(
    prepared: Prepared, rgb: PCAImage, color_range: Range, grid_layout: GridLayout
) -> Mosaic:
    """Return one RGB tile for each sample; positions with non-finite values have NaN's color."""
    labels, colors = prepared.tiling.labels, palette(color_range.cmap)
    tiles = tile(_averaged(rgb.rgb, grid_layout.shrink), labels, colors, grid_layout)
    if not prepared.measured.has_nonfinite:
        return tiles
    is_missing = block_average(rgb.missing.float(), grid_layout.shrink)[0] > 0
    missing = tile((is_missing * NAN).to(uint8), labels, colors, grid_layout).indices
    is_nan = missing == NAN
    if not is_nan.any():
        return tiles
    indices = np.where(is_nan[..., None], tiles.colors[NAN], tiles.indices)
    return replace(tiles, indices=indices, missing=missing)


def _averaged(rgb: Tensor, shrink: int) -> Tensor:
    """Return images `(R, H, W, 3)` with every `shrink` x `shrink` pixels averaged."""
    if shrink == 1:
        return rgb
    small, _ = block_average(rgb.permute(0, 3, 1, 2).flatten(0, 1).float(), shrink)
    small = small.reshape(-1, 3, *small.shape[1:])
    return small.round().to(uint8).permute(0, 2, 3, 1)


def _annotated(
    tiles: Mosaic, prepared: Prepared, color_range: Range, grid_layout: GridLayout
) -> Mosaic:
    """Return the tiles with everything that is shown around them."""
    shared = None if tiles.is_rgb else _shared_range(color_range)
    ends = (shared.low, shared.middle, shared.high) if shared else ()
    return replace(
        tiles,
        bars=() if tiles.is_rgb else _bars(prepared, color_range),
        ticks=_ticks(prepared, grid_layout),
        columns=_columns(prepared, grid_layout),
        axes=prepared.tiling.axes
        if prepared.viewport and not prepared.viewport.strict
        else ("", ""),
        strip=_prefix_strip(prepared, color_range),
        scale=shared,
        ends=tuple(f"{value:.3g}" for value in ends),
        nonfinite=_nonfinite_letters(tiles, prepared),
        inputs=_inputs(tiles, prepared),
    )


def _bars(prepared: Prepared, color_range: Range) -> tuple[float, ...]:
    """Return how strong each channel is against the strongest, if each has its own range."""
    measured = prepared.measured
    largest = np.maximum(np.abs(measured.low), np.abs(measured.high))
    strength = np.where(measured.has_finite, largest, 0.0)
    if not color_range.own_range or prepared.tiling.form != "tiles" or not strength.max() > 0:
        return ()
    with np.errstate(over="ignore"):
        return tuple((strength / strength.max()).tolist())


def _ticks(prepared: Prepared, grid_layout: GridLayout) -> tuple[tuple[int, int, str], ...]:
    """Return the names on the left: of the rows of tiles, or of a heat map's rows of values."""
    tiling, shrink, tall = prepared.tiling, grid_layout.shrink, grid_layout.tall
    if prepared.viewport is None or not tiling.value_row_names:
        return tuple((row, 0, name) for row, name in enumerate(tiling.row_names))
    room = prepared.viewport.line * grid_layout.density
    step = _step(grid_layout.zoom * tall, room, shrink, prepared.viewport)
    names = list(enumerate(tiling.value_row_names))[::step]
    middle = 0 if prepared.viewport.strict else tall // 2
    return tuple((0, row // shrink * tall + middle, name) for row, name in names)


def _columns(prepared: Prepared, grid_layout: GridLayout) -> tuple[tuple[int, str], ...]:
    """Return the names below a heat map on a page: of every so many columns of values."""
    names, viewport = prepared.tiling.value_column_names, prepared.viewport
    if viewport is None or viewport.strict or not names:
        return ()
    longest = max(map(len, names)) * viewport.letter + _BETWEEN_COLUMNS
    room = longest * grid_layout.density
    step = _step(grid_layout.zoom, room, grid_layout.shrink, viewport)
    return tuple(
        (place // grid_layout.shrink, names[place]) for place in range(0, len(names), step)
    )


def _step(zoom: int, room: int, shrink: int, viewport: Viewport) -> int:
    """Return the step between names: 1, 2, 5 ...; in a terminal so many averages of values."""
    if viewport.strict:
        return shrink * step_of_labels(zoom, room)
    return step_of_labels(zoom, room * shrink)


def _prefix_strip(prepared: Prepared, color_range: Range) -> PrefixStrip | None:
    """Return the prefix tokens, a line each, in the colors of the channels' own ranges."""
    planes = prepared.planes
    if planes.prefix is None:
        return None
    rows, count, tokens = planes.prefix.shape
    values = levels(*apply_norm(planes.prefix.reshape(rows * count, tokens, 1), color_range))
    # Prefix tokens may hold NaN where the patches don't.
    indices = palette_indices(values, nonfinite=True)
    lines = indices.view(rows, count, tokens).transpose(1, 2).reshape(rows * tokens, count)
    lines_on_host = lines.cpu().numpy()
    names = [f"{row} {name}".strip() for row in planes.rows or ("",) for name in planes.names]
    letters = mark_letters(lines_on_host[:, None, None])
    labels = (f"{name} {mark}".rstrip() for name, mark in zip(names, letters, strict=True))
    return PrefixStrip(tuple(labels), lines_on_host)


def _shared_range(color_range: Range) -> SharedRange | None:
    """Return the range that all tiles share; None if they don't, or if it is a single value."""
    ends = (color_range.low, color_range.high, color_range.width)
    low, high, width = (float(end[0]) for end in ends)
    if color_range.own_range or low == high:
        return None
    middle = middle_of(color_range)
    return SharedRange(low, middle, high, color_range.norm, color_range.center, width)


def _nonfinite_letters(tiles: Mosaic, prepared: Prepared) -> tuple[str, ...]:
    """Return the letters of the non-finite values in each tile; none if no tile has any."""
    values = tiles.missing if tiles.is_rgb else tiles.indices
    if values is None or not prepared.measured.has_nonfinite:
        return ()
    letters = mark_letters(values)[tiles.lead : tiles.lead + len(tiles.labels)]
    return letters if any(letters) else ()


def _inputs(tiles: Mosaic, prepared: Prepared) -> tuple[Pixels, ...]:
    """Return the input image as it is shown beside the tiles: one, or one for each row of them."""
    images, viewport = prepared.images, prepared.viewport
    if not (images and prepared.view.input and viewport):
        return ()
    rows, (tall, wide) = len(tiles.indices), (side * tiles.zoom for side in tiles.tile_size)
    highest, d, size = viewport.of_input(tall), tiles.density, images.pixels.shape[2:]
    if tiles.lead or (prepared.tiling.form == "tiles" and not viewport.strict):
        scale = min(tall / size[0], wide / size[1])  # in the place of a tile
    elif len(prepared.planes.values) == 1:
        # A fold is low, whatever it holds: beside it an image has all of the room.
        least = viewport.beside if prepared.tiling.form == "fold" else 96
        side = min(viewport.beside * d, viewport.width * d, max(least * d, rows * tall))
        if not prepared.planes.down:
            return tuple(fit(images, side, highest)[:1])
        # The rows of values are samples or passes: one image below the other, each beside its row.
        count = len(images.pixels)
        each = min(side, max(_LEAST_INPUT * d, tall // count), (highest or side * count) // count)
        return (np.concatenate(list(fit(images, max(1, each)))),)
    else:
        # As tall as the tiles, but no wider than the space beside them.
        beside = viewport.beside * d / size[1]
        scale = min(tall / size[0], beside, (highest or tall) / size[0])
    shown = resize(images, *(max(1, round(side * scale)) for side in size))
    return tuple(shown[:1] if tiles.lead else shown)


def _overlay(mosaic: Mosaic, prepared: Prepared, images: InputImages, color_range: Range) -> Mosaic:
    """Return the tiles over the input, the more opaque the larger the magnitude.

    The rule is FiftyOne's: opacity in proportion to |value|; under a norm that isn't linear, to the
    normalized value. Where the colors are those of both signs, the input is gray, and opacity
    follows `signed_opacity`. RGB tiles are equally opaque everywhere. The mosaic is of RGB pixels,
    with zoom 1.
    """
    rows, (height, width) = len(mosaic.indices), mosaic.tile_size
    below = resize(images, height * mosaic.zoom, width * mosaic.zoom)
    if len(prepared.planes.values) == 1:  # the rows of tiles aren't samples
        below = np.broadcast_to(below[:1], (rows, *below.shape[1:]))
    tiles, alpha, palette = with_marks(mosaic), prepared.view.alpha, mosaic.colors
    if is_signed(color_range) and not mosaic.is_rgb:
        below, palette = in_gray(below), tints(palette)
    opacity = None if mosaic.is_rgb else alpha * _opacity_by_tile(mosaic, color_range)
    blended = np.empty((*tiles.shape[:4], 3), np.uint8)
    ncols = tiles.shape[2]
    at_once = max(1, _AT_ONCE // tiles[0, 0].size)  # lines: numbers take many times the bytes
    for row, first in product(range(rows), range(0, tiles.shape[1], at_once)):
        lines = slice(first, first + at_once)
        colors, opaque = tiles[row, lines], np.array(alpha)
        if opacity is not None:
            opaque = opacity[row][np.arange(ncols)[:, None], colors][..., None]
            colors = palette[colors]
        mixed = below[row, lines, None] * (1 - opaque) + colors * opaque
        blended[row, lines] = mixed.round().astype(np.uint8)
    return replace(mosaic, indices=blended, zoom=1)


def _opacity_by_tile(mosaic: Mosaic, color_range: Range) -> NDArray[np.float64]:
    """Return the opacity of each palette index in each tile, `(rows, ncols, 256)`, 0 to 1."""
    rows, _, ncols, _ = mosaic.indices.shape
    by_tile = np.zeros((rows * ncols, 256))
    by_tile[mosaic.lead : mosaic.lead + len(mosaic.labels)] = opacities(color_range)
    return by_tile.reshape(rows, ncols, 256)


def opacities(color_range: Range) -> NDArray[np.float64]:
    """Return the opacity of each of the 256 palette indices in each plane, `(P, 256)`, 0 to 1."""
    place = np.linspace(0, 1, LEVELS)
    low, high = color_range.low[:, None], color_range.high[:, None]
    if color_range.center is not None:
        apart = signed_opacity(place) if is_signed(color_range) else np.abs(2 * place - 1)
        opaque = np.broadcast_to(apart, (len(low), LEVELS))
    elif color_range.norm != "linear":
        opaque = np.broadcast_to(place, (len(low), LEVELS))
    else:
        most = np.maximum(np.abs(low), np.abs(high))
        opaque = np.abs(low + place * (high - low)) / np.where(most > 0, most, 1)
    others = np.ones((len(low), 256 - LEVELS))
    others[:, GAP - LEVELS] = 0
    return np.concatenate([opaque, others], 1)
