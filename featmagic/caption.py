"""An activation in one line of words and figures."""

from __future__ import annotations

import numpy as np

from featmagic.activations import Activation, shape_of
from featmagic.colour import Colours, Measured
from featmagic.errors import printable
from featmagic.layout import Layout
from featmagic.planes import Planes
from featmagic.view import View


def caption(activation: Activation, *parts: str) -> str:
    """The activation's name, class, shape, dtype and device, then the parts, set apart by dots.

    Example:
        >>> import torch
        >>> caption(Activation("fc", "fc", "Linear", 1, torch.zeros(1, 5)), "a fact")
        'fc  Linear  (1, 5) float32 cpu · a fact'
    """
    tensor = activation.tensor
    dtype = str(tensor.dtype).removeprefix("torch.")
    what = f"{activation.key}  {activation.kind}  {shape_of(tensor)} {dtype} {tensor.device}"
    return " · ".join([printable(what), *filter(None, parts)])


def shown(planes: Planes) -> str:
    """Which planes, of how many, and how they were got.

    Example:
        >>> import torch
        >>> shown(Planes(torch.zeros(2, 4, 4), (0, 1), 5, "channels", ("sample 0",)))
        '2 of 5 channels, sample 0'
    """
    return ", ".join([f"{len(set(planes.indices))} of {planes.total} {planes.noun}", *planes.words])


def figures(measured: Measured, planes: Planes) -> str:
    """Range, mean and standard deviation of what is shown, and what is wrong with it.

    Example:
        >>> import torch
        >>> planes = Planes(torch.tensor([[[0.0, 2.0]]]), (0,), 1, "channels")
        >>> figures(Measured(np.zeros(1), np.full(1, 2.0), 1.0, 1.0), planes)
        '0 … 2  mean 1  std 1'
    """
    low, high = measured.low.min(), measured.high.max()
    if low > high:
        facts = ["no finite value"]
    else:
        facts = [f"{low:.3g} … {high:.3g}  mean {measured.mean:.3g}  std {measured.std:.3g}"]
    facts += [f"{n} {name}" for n, name in ((measured.nan, "NaN"), (measured.inf, "inf")) if n]
    return ", ".join([*facts, *_constant(measured, planes)])


def _constant(measured: Measured, planes: Planes) -> list[str]:
    if planes.noun == "values":  # folded: a value isn't a plane
        return []
    channels = [str(planes.indices[place]) for place in np.flatnonzero(measured.constant)]
    names = ", ".join(channels[:8]) + (", …" if len(channels) > 8 else "")
    return [f"{len(channels)} constant: {names}"] if channels else []


def drawn(colours: Colours, planes: Planes, layout: Layout | None, view: View) -> str:
    """The colour map, whose range it spans, and what had to be otherwise for want of room.

    Example:
        >>> import torch
        >>> ends = np.zeros(2), np.ones(2)
        >>> drawn(
        ...     Colours("gray", False, True, *ends),
        ...     Planes(torch.zeros(2, 4, 4), (0, 1), 2, ""),
        ...     Layout(2, 1, 1),
        ...     View(),
        ... )
        'gray, each channel its own range'
    """
    words = colours.cmap + (" centred on 0" if colours.centred else "")
    if len(planes.values) > 1:
        words += ", each channel its own range" if colours.own_range else ", one range for all"
    if layout is None:
        return words
    if layout.shrink > 1:
        words += f", shrunk: {layout.shrink} × {layout.shrink} values averaged"
    if view.ncols is not None and layout.ncols < min(view.ncols, len(planes.values)):
        words += f", {layout.ncols} in a row: no room for more"
    if view.zoom is not None and layout.zoom < view.zoom:
        words += f", zoom {layout.zoom}: no room for more"
    return words
