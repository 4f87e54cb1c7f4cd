"""From planes and colors to a mosaic: tiles, overlay and annotations."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor, uint8
from torch.nn.functional import avg_pool2d

from featmagic.grid.arrange import ticks
from featmagic.grid.prepare import Prepared
from featmagic.planes.dtypes import Pixels
from featmagic.planes.heat_map import assemble, block_average
from featmagic.planes.input_image import fit, resize
from featmagic.planes.reduction import PCAImage
from featmagic.render.color import Range, apply_norm, levels, middle_of, palette_indices
from featmagic.render.mosaic import Mosaic, PrefixStrip, SharedRange, tile, with_marks
from featmagic.render.non_finite_marks import mark_letters
from featmagic.render.palette import GAP, LEVELS, NAN, palette
from featmagic.render.viewport import GridLayout


def compose(ready: Prepared, colors: Range, grid_layout: GridLayout) -> Mosaic:
    """The tiles and what stands around them."""
    if ready.rgb is not None:
        nonfinite = ready.measured.has_nonfinite
        made = pca_tiles(ready.rgb, palette(colors.cmap), grid_layout, nonfinite=nonfinite)
    else:
        tiles = _painted(ready, colors, grid_layout)
        made = tile(tiles, labels(ready), palette(colors.cmap), grid_layout)
        scale = shared_scale(colors)
        made = replace(
            made,
            bars=bars(ready, colors),
            ends=ends(scale),
            scale=scale,
            strip=strip(ready, colors),
        )
        if ready.measured.has_nonfinite:
            letters = mark_letters(made.indices)[: len(made.labels)]
            made = replace(made, nonfinite=letters if any(letters) else ())
    made = replace(made, ticks=ticks(ready, grid_layout))
    if ready.overlays and ready.images:
        height, width = (side * made.zoom for side in made.tile_size)
        pictures = resize(ready.images, height, width)
        by_row = len(ready.stack.values) > 1
        made = overlay(
            made, pictures, None if ready.rgb else colors, ready.view.alpha, by_row=by_row
        )
    return replace(made, inputs=_inputs(ready, made))


def _painted(ready: Prepared, colors: Range, grid_layout: GridLayout) -> Tensor:
    """Palette indices of the tiles, `(P, h, w)`."""
    values = ready.stack.values.flatten(0, 1)
    found = levels(*apply_norm(values, colors))
    found, padding = assemble(found, ready.form, len(ready.stack.values))
    found, padding = block_average(found, grid_layout.shrink, padding)
    hatch = ready.form == "tiles" and found.shape[1:].numel() > 1
    indices = palette_indices(
        found,
        nonfinite=ready.measured.has_nonfinite,
        constant=ready.measured.constant if hatch else None,
        own_range=colors.own_range,
    )
    if padding:
        indices.flatten(1)[:, -padding:] = GAP
    return indices if grid_layout.tall == 1 else indices.repeat_interleave(grid_layout.tall, 1)


def _inputs(ready: Prepared, made: Mosaic) -> tuple[Pixels, ...]:
    """The input image as it stands beside the tiles: one, or one for each row of them."""
    if not (ready.images and ready.view.input and ready.viewport):
        return ()
    rows, height = len(made.indices), made.tile_size[0] * made.zoom
    highest = ready.viewport.of_input(height)
    if len(ready.stack.values) == 1:
        side = min(ready.viewport.beside, ready.viewport.width, max(96, rows * height))
        return tuple(fit(ready.images, side, highest)[:1])
    there = ready.images.pixels.shape[2:]
    # As tall as the tiles, but no wider than there is room beside them.
    scale = min(height / there[0], ready.viewport.beside / there[1], (highest or height) / there[0])
    return tuple(resize(ready.images, *(max(1, round(side * scale)) for side in there)))


def labels(ready: Prepared) -> tuple[str, ...]:
    """What stands above each tile: the channel's own index.

    The sample, where all channels are in one picture; nothing, where there is only one of those.
    """
    stack = ready.stack
    if ready.form != "tiles":
        return stack.rows or ("",)
    one_row = stack.labels or tuple(map(str, stack.indices))
    return one_row * len(stack.values)


def bars(ready: Prepared, colors: Range) -> tuple[float, ...]:
    """How strong each channel is against the strongest shown, where each has its own range."""
    strength = ready.measured.strength
    if not colors.own_range or ready.form != "tiles" or not strength.max() > 0:
        return ()
    with np.errstate(over="ignore"):
        return tuple((strength / strength.max()).tolist())


def shared_scale(colors: Range) -> SharedRange | None:
    """The range that all tiles share, if they do: one value is no range, nor is none."""
    low, high, width = (float(one[0]) for one in (colors.low, colors.high, colors.width))
    if colors.own_range or low == high:
        return None
    return SharedRange(low, middle_of(colors), high, colors.norm, colors.center, width)


def ends(scale: SharedRange | None) -> tuple[str, ...]:
    """The values at the low end, the middle and the high end of a range that all share."""
    if scale is None:
        return ()
    return tuple(f"{value:.3g}" for value in (scale.low, scale.middle, scale.high))


def strip(ready: Prepared, colors: Range) -> PrefixStrip | None:
    """The prefix tokens, a line each, in the colors of the channels' own ranges."""
    stack = ready.stack
    if stack.prefix is None:
        return None
    rows, count, tokens = stack.prefix.shape
    found = levels(*apply_norm(stack.prefix.reshape(rows * count, tokens, 1), colors))
    # Prefix tokens may hold NaN where the patches don't.
    indices = palette_indices(found, nonfinite=True).view(rows, count, tokens)
    lines = indices.transpose(1, 2).reshape(rows * tokens, count).cpu().numpy()
    names = [f"{row} {name}".strip() for row in stack.rows or ("",) for name in stack.names]
    marks = mark_letters(lines[:, None, None])
    return PrefixStrip(tuple(f"{n} {m}".rstrip() for n, m in zip(names, marks, strict=True)), lines)


def pca_tiles(rgb: PCAImage, colors: bytes, grid_layout: GridLayout, *, nonfinite: bool) -> Mosaic:
    """A tile a sample; what is no number has NaN's color, and where there is room its shape.

    Args:
        rgb: the components.
        colors: a palette.
        grid_layout: of the tiles.
        nonfinite: whether any value may be no number.

    Example:
        >>> import torch
        >>> blank, lost = torch.zeros(1, 2, 2, 3).byte(), torch.eye(2)[None] > 0
        >>> made = PCAImage(blank, 3, False, 0, lost)
        >>> pca_tiles(made, bytes(768), GridLayout(1, 1, 1), nonfinite=True).nonfinite
        ('×',)
    """
    small = _small(rgb.rgb, grid_layout.shrink)
    labels = ("",) * len(small)
    made = tile(small, labels, colors, grid_layout)
    if not nonfinite:
        return made
    lost = block_average(rgb.missing.float(), grid_layout.shrink)[0] > 0
    missing = tile((lost * NAN).to(uint8), labels, colors, grid_layout).indices
    letters = mark_letters(missing)[: len(small)]
    made.indices[missing == NAN] = made.colors[NAN]
    return replace(made, nonfinite=letters, missing=missing) if any(letters) else made


def _small(rgb: Tensor, shrink: int) -> Tensor:
    """Pictures `(R, H, W, 3)` with every `shrink` x `shrink` pixels averaged."""
    if shrink == 1:
        return rgb
    small = avg_pool2d(rgb.permute(0, 3, 1, 2).float(), shrink, ceil_mode=True)
    return small.round().to(uint8).permute(0, 2, 3, 1)


def overlay(
    mosaic: Mosaic, pictures: Pixels, colors: Range | None, alpha: float, *, by_row: bool
) -> Mosaic:
    """The tiles on the input, the more opaque the larger the magnitude.

    The rule is FiftyOne's: opacity in proportion to |value|, or to the distance from the middle of
    a centered range; under a norm that isn't linear, to what the norm makes of it.

    Args:
        mosaic: of palette indices, or of RGB, which is opaque everywhere.
        pictures: the input at the size of an enlarged tile, `(S, h * zoom, w * zoom, 3)`.
        colors: the ranges behind the indices.
        alpha: how opaque the largest value is, 0 to 1.
        by_row: whether each row of tiles has a picture of its own.

    Returns:
        A mosaic of RGB pixels, with zoom 1.

    Example:
        >>> import torch
        >>> from featmagic.render.mosaic import tile
        >>> from featmagic.render.viewport import GridLayout
        >>> tiles = tile(torch.zeros(1, 2, 2).byte(), ("",), bytes(768), GridLayout(1, 3, 1))
        >>> ends = np.zeros(1), np.ones(1)
        >>> gray = np.full((1, 6, 6, 3), 9, np.uint8)
        >>> colors = Range("gray", None, True, *ends)
        >>> overlay(tiles, gray, colors, 0.5, by_row=False).indices[0, 0, 0, 0]
        array([9, 9, 9], dtype=uint8)
    """
    rows = len(mosaic.indices)
    under = pictures if by_row else np.broadcast_to(pictures[:1], (rows, *pictures.shape[1:]))
    if mosaic.is_rgb or colors is None:
        over, opacity = with_marks(mosaic), np.array(alpha)
    else:
        tiles = with_marks(mosaic)
        over, opacity = mosaic.colors[tiles], alpha * _opacity(mosaic, tiles, colors)[..., None]
    blended = under[:, :, None] * (1 - opacity) + over * opacity
    if spare := rows * mosaic.indices.shape[2] - len(mosaic.labels):
        blended[-1, :, -spare:] = mosaic.colors[GAP]
    return replace(mosaic, indices=blended.round().astype(np.uint8), zoom=1)


def _opacity(mosaic: Mosaic, tiles: Pixels, colors: Range) -> NDArray[np.float64]:
    """How opaque each pixel of the tiles is, 0 to 1."""
    rows, _, ncols, _ = mosaic.indices.shape
    by_tile = np.zeros((rows * ncols, 256))
    by_tile[: len(mosaic.labels)] = opacities(colors)
    result: NDArray[np.float64] = by_tile[np.arange(rows * ncols).reshape(rows, 1, ncols, 1), tiles]
    return result


def opacities(colors: Range) -> NDArray[np.float64]:
    """How opaque each of the 256 palette indices is in each plane, `(P, 256)`, 0 to 1.

    Example:
        >>> ends = np.full(1, 1.0), np.full(1, 2.0)
        >>> opacities(Range("viridis", None, True, *ends))[0, [0, 247]].tolist()
        [0.5, 1.0]
    """
    place = np.linspace(0, 1, LEVELS)
    low, high = colors.low[:, None], colors.high[:, None]
    if colors.center is not None:
        opaque = np.broadcast_to(np.abs(2 * place - 1), (len(low), LEVELS))
    elif colors.norm != "linear":
        opaque = np.broadcast_to(place, (len(low), LEVELS))
    else:
        most = np.maximum(np.abs(low), np.abs(high))
        opaque = np.abs(low + place * (high - low)) / np.where(most > 0, most, 1)
    others = np.ones((len(low), 256 - LEVELS))
    others[:, GAP - LEVELS] = 0
    return np.concatenate([opaque, others], 1)
