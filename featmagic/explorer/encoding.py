"""Planes as bytes: an 8-bit gray PNG, with a range and statistics for each plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from featmagic.explorer.planes import SamplePlanes
from featmagic.planes.dtypes import Pixels, to_float64
from featmagic.planes.heat_map import block_average
from featmagic.planes.statistics import Figures, Measured, Row, figures_of
from featmagic.render.color import Range, levels, palette_indices
from featmagic.render.palette import GAP
from featmagic.render.png import encode_gray_png


@dataclass(frozen=True, eq=False)
class EncodedPlanes:
    """The planes of one layer and one sample, as they travel.

    Attributes:
        sample: which.
        png: 8-bit gray, the planes under each other. A byte b below 248 is the value
            low + b / 247 * (high - low) of its plane; others are as in `palette`.
        size: of a plane in the PNG, (height, width).
        full: of a plane in the tensor.
        shrink: how many values a side are averaged to one.
        channels: which planes are in the PNG: all, unless some are left out.
        figures: of those.
        prefix: what the prefix tokens have in each of those, `(P, T)`, and their names.
    """

    sample: int
    png: bytes
    size: tuple[int, int]
    full: tuple[int, int]
    shrink: int
    channels: tuple[int, ...]
    figures: Figures
    prefix: tuple[Row, tuple[str, ...]] | None = None


def encode_planes(
    one: SamplePlanes, sample: int = 0, shrink: int = 1, most: int | None = None
) -> EncodedPlanes:
    """The planes as bytes, made on their device: one byte a value leaves it.

    Args:
        one: the planes.
        sample: which they are of.
        shrink: how many values a side are averaged to one.
        most: how many planes, the first ones; all, if None.

    Example:
        >>> import torch
        >>> from featmagic.recording.records import Activation
        >>> from featmagic.explorer.planes import sample_planes
        >>> from featmagic.options.view import View
        >>> act = Activation("act", "act", "ReLU", 1, torch.tensor([[[[1.0, 3.0]]]]))
        >>> made = encode_planes(sample_planes(act, View(layout="NCHW")))
        >>> made.size, made.figures.low, made.figures.high
        ((1, 2), array([1.]), array([3.]))
    """
    values = one.values[:most]
    figures = figures_of(values, one.padding)
    pixels = _coded(values, figures, one.padding, shrink)
    height, width = pixels.shape[1:]
    prefix = one.prefix and (to_float64(one.prefix[0][:most]).cpu().numpy(), one.prefix[1])
    return EncodedPlanes(
        sample=sample,
        png=encode_gray_png(pixels.reshape(-1, width)),
        size=(height, width),
        full=(values.shape[1], values.shape[2]),
        shrink=shrink,
        channels=one.channels[:most],
        figures=figures,
        prefix=prefix,
    )


def _coded(values: Tensor, figures: Figures, padding: int, shrink: int) -> Pixels:
    """A byte for each value, `(P, h, w)`."""
    some = figures.low <= figures.high
    low, high = np.where(some, [figures.low, figures.high], 0.0)
    nonfinite = figures.nan + figures.inf
    measured = Measured(low, high, low, high, nonfinite, 0.0, 0.0, nan=int(nonfinite.any()))
    colors = Range("", None, True, low, high)
    found = levels(values, colors)
    if padding:
        found.flatten(1)[:, -padding:] = 0  # `block_average` counts it in no average
    found, padding = block_average(found, shrink, padding)
    codes: Pixels = palette_indices(found, colors, measured, hatch=False).cpu().numpy()
    if padding:
        codes.reshape(len(codes), -1)[:, -padding:] = GAP
    return codes


def dead_in(one: SamplePlanes) -> tuple[int, int]:
    """How many channels hold one finite value only, and of how many that can be told.

    Example:
        >>> import torch
        >>> from featmagic.recording.records import Activation
        >>> from featmagic.explorer.planes import sample_planes
        >>> from featmagic.options.view import View
        >>> act = Activation("act", "act", "ReLU", 1, torch.zeros(1, 3, 2, 2))
        >>> dead_in(sample_planes(act, View(layout="NCHW")))
        (3, 3)
    """
    rows = one.channel_values.flatten(1)
    if rows.shape[1] < 2:
        return 0, 0
    low = rows.amin(1)
    return int(((low == rows.amax(1)) & torch.isfinite(low)).sum()), len(rows)
