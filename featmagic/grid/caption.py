"""The fourth stage: an activation in one line of words and figures."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from featmagic.grid.pass_rows import words_of_passes
from featmagic.grid.prepare import Prepared, Undrawable
from featmagic.planes.planes import Planes
from featmagic.planes.reduction import PCAImage
from featmagic.planes.statistics import Statistics
from featmagic.recording.records import Activation, call_of, shape_of
from featmagic.render.color import Range, clipped
from featmagic.render.viewport import GridLayout
from featmagic.support.text import percent, readable, sparkline


def caption(prepared: Prepared, color_range: Range, grid_layout: GridLayout | None) -> str:
    """Return what is shown: the activation, its planes, their values and their colors."""
    return _parts(
        prepared.rows,
        _describe_planes(prepared.planes, prepared.dims),
        describe_values(prepared.measured, prepared.planes),
        _describe_drawing(prepared, color_range, grid_layout),
    )


def caption_of_undrawable(undrawable: Undrawable) -> str:
    """Return what the activation is, and why it can't be drawn."""
    return _parts([undrawable.activation], undrawable.reason)


def _parts(rows: Sequence[Activation], *parts: str) -> str:
    """Join the activation's name, class, shape, dtype, device, call and pass with further parts."""
    activation = rows[0]
    tensor = activation.tensor
    dtype = str(tensor.dtype).removeprefix("torch.")
    name, kind = readable(activation.key), readable(activation.kind)
    what = f"{name}  {kind}  {shape_of(tensor)} {dtype} {tensor.device}"
    which = call_of(activation), words_of_passes(rows)
    return " · ".join([what, *filter(None, [*which, *parts])])


def _describe_planes(planes: Planes, dims: str) -> str:
    """Return the layout, which planes are shown, of how many, and how they were made."""
    count = f"{len(set(planes.indices))} of {planes.total} {planes.noun}"
    read = planes.read if planes.form in ("rows", "columns") else ""
    return f"{dims}: " + ", ".join(filter(None, [count, *planes.words, read]))


def describe_values(measured: Statistics, planes: Planes) -> str:
    """Return the range with a histogram, mean, standard deviation, zeros, and what is wrong.

    The order is that of lovely-tensors: the histogram stands between the ends of the range.
    """
    facts = [_describe_range(measured), *_nonfinite(measured.nan, measured.inf)]
    if measured.duplicates is None:
        facts.append("near-duplicates not looked for: too many values")
    elif measured.duplicates:
        s = "s" if measured.duplicates > 1 else ""
        facts.append(f"{measured.duplicates} near-duplicate{s} (|r| > 0.99)")
    return ", ".join([*facts, *_dead(measured, planes), *_prefix_tokens(measured)])


def _describe_range(measured: Statistics) -> str:
    is_finite = measured.has_finite
    if not is_finite.any():
        return "no finite value"
    # Adding 0.0 turns -0.0 into 0.0.
    low, high = measured.low[is_finite].min() + 0.0, measured.high[is_finite].max() + 0.0
    between = sparkline(measured.histogram) if low < high else "…"
    zeros = f"  zeros {percent(measured.zeros)}" if measured.zeros else ""
    mean_and_std = f"mean {measured.mean:.3g}  std {measured.std:.3g}"
    return f"{low:.3g} {between} {high:.3g}  {mean_and_std}{zeros}"


def _nonfinite(nan: int, inf: int) -> list[str]:
    return [f"{count} {name}" for count, name in ((nan, "NaN"), (inf, "inf")) if count]


def _prefix_tokens(measured: Statistics) -> list[str]:
    """Return the range of the prefix tokens, which no other figure includes."""
    if measured.prefix is None:
        return []
    low, high, *nonfinite = measured.prefix
    ends = [f"{low + 0.0:.3g} … {high + 0.0:.3g}"] if low <= high else []
    return [" ".join(["strip:", ", ".join([*ends, *_nonfinite(*nonfinite)])])]


def _dead(measured: Statistics, planes: Planes) -> list[str]:
    """Return the planes that are constant in every sample shown."""
    if planes.form == "fold" or planes.values.shape[2:].numel() == 1 or planes.labels:
        return []  # a single value isn't a plane
    constant = measured.constant.reshape(len(planes.values), -1).all(0)
    dead = [str(planes.indices[place]) for place in np.flatnonzero(constant)]
    names = ", ".join(dead[:8]) + (", …" if len(dead) > 8 else "")
    return [f"{len(dead)} dead: {names}"] if dead else []


def _describe_drawing(
    prepared: Prepared, color_range: Range, grid_layout: GridLayout | None
) -> str:
    """Return the colors, how many values are clipped, and what was done to the input."""
    if prepared.rgb is not None:
        words = [_describe_components(prepared.rgb)]
    else:
        words = [_describe_colors(prepared, color_range)]
        words += _describe_layout(prepared, grid_layout) if grid_layout else []
        values = prepared.planes.values.flatten(0, 1)
        if outside := clipped(values, color_range, prepared.measured):
            words.append(f"{outside} clipped")
    if prepared.overlays:
        words.append(f"on the input, alpha {prepared.view.alpha:g}")
    return ", ".join([*words, *([prepared.images.words] if prepared.images else [])])


def _describe_colors(prepared: Prepared, color_range: Range) -> str:
    """Return the colormap, its norm, and what shares its range."""
    view, planes = prepared.view, prepared.planes
    center = "" if color_range.center is None else f" centred on {color_range.center:g}"
    words = [color_range.cmap + center]
    words += [] if color_range.norm == "linear" else [color_range.norm]
    words += [] if view.robust is None else [f"{view.robust:g} % left out at each end"]
    if planes.values.shape[:2].numel() > 1 or view.scale == "all":
        noun = "channels" if planes.noun == "slices" else planes.noun
        shared = "one range for all layers" if view.scale == "all" else "one range for all"
        own = f"each {noun.removesuffix('s')} its own range"
        words.append(own if color_range.own_range else shared)
    return ", ".join(words)


def _describe_layout(prepared: Prepared, grid_layout: GridLayout) -> list[str]:
    """Return what had to be different from what was asked for, for want of space."""
    view, words = prepared.view, []
    if grid_layout.shrink > 1:
        words.append(f"shrunk: {grid_layout.shrink} × {grid_layout.shrink} values averaged")
    if view.ncols is not None and grid_layout.ncols < min(view.ncols, prepared.tiling.count):
        words.append(f"{grid_layout.ncols} in a row: no room for more")
    if view.zoom is not None and grid_layout.zoom < view.zoom:
        words.append(f"zoom {grid_layout.zoom}: no room for more")
    return words


def _describe_components(rgb: PCAImage) -> str:
    if not rgb.count:
        return "no principal component: all positions alike, or none finite"
    colors = ", ".join(("red", "green", "blue")[: rgb.count])
    words = f"{rgb.count} principal component{'s' * (rgb.count > 1)} as {colors}"
    if rgb.approximate:
        words += ", approximate: too many channels and positions for an exact search"
    if not rgb.kept:
        return words
    clipped = f", {rgb.clipped} clipped" if rgb.clipped else ""
    return f"{words}, basis of an earlier look{clipped}"
