"""Planes as bytes: an 8-bit gray PNG, with the range and the statistics of each plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from torch import Tensor

from featmagic.explorer.planes import SamplePlanes
from featmagic.planes.dtypes import Pixels
from featmagic.planes.heat_map import block_average
from featmagic.planes.measurements import (
    Array,
    constant_planes,
    range_or_zero,
    to_host,
    value_range,
)
from featmagic.planes.statistics import PlaneStatistics, plane_statistics
from featmagic.render.color import levels, palette_indices
from featmagic.render.palette import GAP
from featmagic.render.png import encode_gray_png


@dataclass(frozen=True, eq=False)
class EncodedPlanes:
    """The planes of one layer and one sample, as they travel.

    Attributes:
        sample: the sample they are of.
        png: 8-bit gray, the planes under each other. A byte b below 248 is the value
            low + b / 247 * (high - low) of its plane; others are as in `palette`.
        size: of a plane in the PNG, (height, width).
        full: of a plane in the tensor.
        shrink: how many values a side are averaged to one.
        channels: which planes are in the PNG: all, unless some are left out.
        figures: the statistics of those planes.
        prefix: the values of the prefix tokens in each of those, `(P, T)`, and the tokens' names.
    """

    sample: int
    png: bytes
    size: tuple[int, int]
    full: tuple[int, int]
    shrink: int
    channels: tuple[int, ...]
    figures: PlaneStatistics
    prefix: tuple[Array, tuple[str, ...]] | None = None


def encode_planes(
    planes: SamplePlanes, sample: int = 0, shrink: int = 1, most: int | None = None
) -> EncodedPlanes:
    """Encode planes on their device: one byte a value leaves it.

    Args:
        planes: of one sample.
        sample: its number.
        shrink: how many values a side are averaged to one.
        most: how many planes, the first ones; all, if None.

    Example:
        >>> import torch
        >>> from featmagic.recording.records import Activation
        >>> from featmagic.explorer.planes import sample_planes
        >>> from featmagic.options.view import View
        >>> act = Activation("act", "act", "ReLU", 1, torch.tensor([[[[1.0, 3.0]]]]))
        >>> encoded = encode_planes(sample_planes(act, View(layout="NCHW")))
        >>> encoded.size, encoded.figures.low, encoded.figures.high
        ((1, 2), array([1.]), array([3.]))
    """
    values = planes.values[:most]
    statistics = plane_statistics(values, planes.padding)
    pixels = _encode(values, statistics, planes.padding, shrink)
    height, width = pixels.shape[1:]
    prefix = None
    if planes.prefix is not None:
        tokens, names = planes.prefix
        prefix = to_host({"tokens": tokens[:most]})[0]["tokens"], names
    return EncodedPlanes(
        sample=sample,
        png=encode_gray_png(pixels.reshape(-1, width)),
        size=(height, width),
        full=(values.shape[1], values.shape[2]),
        shrink=shrink,
        channels=planes.channels[:most],
        figures=statistics,
        prefix=prefix,
    )


def _encode(values: Tensor, statistics: PlaneStatistics, padding: int, shrink: int) -> Pixels:
    """A byte for each value, `(P, h, w)`."""
    found = levels(values, *range_or_zero(statistics.low, statistics.high))
    if padding:
        found.flatten(1)[:, -padding:] = 0  # `block_average` counts it in no average
    found, padding = block_average(found, shrink, padding)
    nonfinite = bool((statistics.nan + statistics.inf).any())
    codes: Pixels = palette_indices(found, nonfinite=nonfinite).cpu().numpy()
    if padding:
        codes.reshape(len(codes), -1)[:, -padding:] = GAP
    return codes


def dead_in(planes: SamplePlanes) -> tuple[int, int]:
    """Count the channels that hold one finite value only, and those of which that can be told.

    Example:
        >>> import torch
        >>> from featmagic.recording.records import Activation
        >>> from featmagic.explorer.planes import sample_planes
        >>> from featmagic.options.view import View
        >>> act = Activation("act", "act", "ReLU", 1, torch.zeros(1, 3, 2, 2))
        >>> dead_in(sample_planes(act, View(layout="NCHW")))
        (3, 3)
    """
    rows = planes.channel_values.flatten(1)
    if rows.shape[1] < 2:
        return 0, 0
    (ends,) = to_host(value_range(rows, 1))
    return int(np.count_nonzero(constant_planes(**ends))), len(rows)
