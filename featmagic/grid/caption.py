"""An activation in one line of words and figures."""

from __future__ import annotations

import numpy as np

from featmagic.grid.prepare import Prepared
from featmagic.options.view import View
from featmagic.planes.planes import Planes
from featmagic.planes.reduction import PCAImage
from featmagic.planes.statistics import Statistics
from featmagic.recording.records import Activation, call_of, shape_of
from featmagic.render.color import Range, clipped
from featmagic.render.viewport import GridLayout
from featmagic.support.text import percent, printable, sparkline


def caption(activation: Activation, *parts: str) -> str:
    """The activation's name, class, shape, dtype, device and call, then the parts after dots.

    Example:
        >>> import torch
        >>> caption(Activation("fc", "fc", "Linear", 1, torch.zeros(1, 5)), "a fact")
        'fc  Linear  (1, 5) float32 cpu · a fact'
    """
    tensor = activation.tensor
    dtype = str(tensor.dtype).removeprefix("torch.")
    what = f"{activation.key}  {activation.kind}  {shape_of(tensor)} {dtype} {tensor.device}"
    return " · ".join([printable(what), *filter(None, [call_of(activation), *parts])])


def describe_planes(planes: Planes, letters: str) -> str:
    """What the axes are, which planes are shown, of how many, and how they were got.

    Example:
        >>> import torch
        >>> planes = Planes(torch.zeros(1, 2, 4, 4), (0, 1), 5, "channels", words=("sample 0",))
        >>> describe_planes(planes, "NCHW")
        'NCHW: 2 of 5 channels, sample 0'
    """
    count = f"{len(set(planes.indices))} of {planes.total} {planes.noun}"
    read = planes.read if planes.form in ("rows", "columns") else ""
    return f"{letters}: " + ", ".join(filter(None, [count, *planes.words, read]))


def describe_values(measured: Statistics, planes: Planes) -> str:
    """Range with a histogram, mean, standard deviation, share of zeros, and what is wrong.

    The order is that of lovely-tensors: the histogram stands between the ends of the range.

    Example:
        >>> import torch
        >>> from featmagic.planes.statistics import measure
        >>> values = torch.tensor([[[0.0, 2.0]]])
        >>> describe_values(measure(values), Planes(values[None], (0,), 1, "channels"))
        '0 █▁▁▁▁▁▁█ 2  mean 1  std 1  zeros 50 %'
    """
    if measured.has_finite.any():
        low, high = (
            measured.low[measured.has_finite].min() + 0.0,
            measured.high[measured.has_finite].max() + 0.0,
        )
        between = sparkline(measured.histogram) if low < high else "…"
        facts = [
            f"{low:.3g} {between} {high:.3g}  mean {measured.mean:.3g}  std {measured.std:.3g}"
        ]
        facts[0] += f"  zeros {percent(measured.zeros)}" if measured.zeros else ""
    else:
        facts = ["no finite value"]
    facts += _nonfinite(measured.nan, measured.inf)
    if measured.duplicates is None:
        facts.append("near-duplicates not looked for: too many values")
    elif measured.duplicates:
        s = "s" if measured.duplicates > 1 else ""
        facts.append(f"{measured.duplicates} near-duplicate{s} (|r| > 0.99)")
    return ", ".join([*facts, *_dead(measured, planes), *_strip(measured)])


def _nonfinite(nan: int, inf: int) -> list[str]:
    return [f"{count} {name}" for count, name in ((nan, "NaN"), (inf, "inf")) if count]


def _strip(measured: Statistics) -> list[str]:
    """What the prefix tokens hold, which the other figures leave out."""
    if measured.prefix is None:
        return []
    low, high, *nonfinite = measured.prefix
    ends = [f"{low + 0.0:.3g} … {high + 0.0:.3g}"] if low <= high else []
    return [" ".join(["strip:", ", ".join([*ends, *_nonfinite(*nonfinite)])])]


def _dead(measured: Statistics, planes: Planes) -> list[str]:
    """The planes of one value only, in every sample shown."""
    if planes.form == "fold" or planes.values.shape[2:].numel() == 1 or planes.labels:
        return []  # a value isn't a plane
    constant = measured.constant.reshape(len(planes.values), -1).all(0)
    dead = [str(planes.indices[place]) for place in np.flatnonzero(constant)]
    names = ", ".join(dead[:8]) + (", …" if len(dead) > 8 else "")
    return [f"{len(dead)} dead: {names}"] if dead else []


def describe_colors(
    colors: Range, planes: Planes, tiles: int, grid_layout: GridLayout | None, view: View
) -> str:
    """The color map, whose range it spans, and what had to be otherwise for want of room.

    Example:
        >>> import torch
        >>> ends = np.zeros(2), np.ones(2)
        >>> heads = Planes(torch.zeros(1, 2, 4, 4), (0, 1), 2, "heads")
        >>> describe_colors(Range("gray", None, True, *ends), heads, 2, GridLayout(2, 1, 1), View())
        'gray, each head its own range'
    """
    words = colors.cmap + ("" if colors.center is None else f" centred on {colors.center:g}")
    words += "" if colors.norm == "linear" else f", {colors.norm}"
    words += "" if view.robust is None else f", {view.robust:g} % left out at each end"
    if planes.values.shape[:2].numel() > 1 or view.scale == "all":
        noun = "channels" if planes.noun == "slices" else planes.noun
        shared = "one range for all layers" if view.scale == "all" else "one range for all"
        own = f"each {noun.removesuffix('s')} its own range"
        words += f", {own if colors.own_range else shared}"
    if grid_layout is None:
        return words
    if grid_layout.shrink > 1:
        words += f", shrunk: {grid_layout.shrink} × {grid_layout.shrink} values averaged"
    if view.ncols is not None and grid_layout.ncols < min(view.ncols, tiles):
        words += f", {grid_layout.ncols} in a row: no room for more"
    if view.zoom is not None and grid_layout.zoom < view.zoom:
        words += f", zoom {grid_layout.zoom}: no room for more"
    return words


def describe_drawing(ready: Prepared, colors: Range, grid_layout: GridLayout | None) -> str:
    """Colors, ranges, what lies outside of them, and what was done to the input."""
    if ready.rgb is not None:
        words = [_components(ready.rgb)]
    else:
        values = ready.stack.values.flatten(0, 1)
        tiles = len(values) if ready.form == "tiles" else len(ready.stack.values)
        words = [describe_colors(colors, ready.stack, tiles, grid_layout, ready.view)]
        if outside := clipped(values, colors, ready.measured):
            words.append(f"{outside} clipped")
    if ready.overlays:
        words.append(f"on the input, alpha {ready.view.alpha:g}")
    return ", ".join([*words, *([ready.images.words] if ready.images else [])])


def _components(rgb: PCAImage) -> str:
    if not rgb.count:
        return "no principal component: all positions alike, or none finite"
    colors = ", ".join(("red", "green", "blue")[: rgb.count])
    words = f"{rgb.count} principal component{'s' * (rgb.count > 1)} as {colors}"
    if not rgb.kept:
        return words
    clipped = f", {rgb.clipped} clipped" if rgb.clipped else ""
    return f"{words}, basis of an earlier look{clipped}"
