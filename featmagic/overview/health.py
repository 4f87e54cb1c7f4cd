"""The health of layers: ranges, dead channels, NaN and infinities, of all layers at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite, prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featmagic.planes.dtypes import to_real
from featmagic.planes.measurements import (
    Array,
    Measurements,
    constant_planes,
    count_nonfinite,
    evenly_spaced,
    finite_range,
    to_host,
    value_range,
)

PARTS = 16  # of the histogram
SAMPLED = 1024  # values of a layer, at most, for the mean, the share of zeros and the histogram
_READ_DIRECTLY = (torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True)
class Health:
    """What a layer's values are like, over all samples, channels and positions.

    The mean, the share of zeros and the histogram are those of at most `SAMPLED` values, evenly
    spaced; all else is that of all values.
    """

    low: float = np.inf  # of the finite values
    high: float = -np.inf
    nan: int = 0  # the number of values that are NaN
    inf: int = 0  # the number of infinite values
    channels: int = 0  # 0 if a channel is a single value
    dead: int = 0  # the number of channels that hold one finite value throughout
    mean: float = np.nan  # of the finite values
    zeros: float = 0.0  # the share of values that are 0, from 0 to 1
    histogram: tuple[int, ...] = ()  # of the finite values, in `PARTS` equal parts of the range
    sampled: bool = False  # whether not all values were used

    @property
    def nonfinite(self) -> dict[str, int]:
        """The number of values that are NaN, and that of infinite ones, if there are any."""
        if not self.nan and not self.inf:  # the usual case, in less time
            return {}
        return {what: n for what, n in (("NaN", self.nan), ("inf", self.inf)) if n}


@dataclass(frozen=True, eq=False)
class Reading:
    """What is read of a layer, on its device."""

    values: Tensor  # all of them, as real numbers
    measurements: Measurements  # `low` and `high` of each channel; evenly spaced values, `sampled`
    channels: int  # 0 if a channel is a single value


def read_values(tensor: Tensor, dims: str) -> Reading:
    """Read a dense tensor that isn't empty, of any dtype."""
    values = tensor if tensor.dtype in _READ_DIRECTLY else to_real(tensor)[0]
    channel = "A" if "A" in dims else "C"  # a head may have several features
    others = tuple(place for place, letter in enumerate(dims) if letter != channel)
    # No dims at all mean all of them to torch.
    ends = value_range(values, others) if others else {"low": values, "high": values}
    several = len(others) < len(dims) and prod(values.shape[place] for place in others) > 1
    sampled = evenly_spaced(values, SAMPLED)
    if values.device.type == "cpu":  # gathered while the values are still in the cache
        sampled = sampled.contiguous()
    measurements = {**ends, "sampled": sampled}
    return Reading(values, measurements, ends["low"].numel() if several else 0)


def healths(
    readings: Sequence[Reading], measurements: Sequence[Mapping[str, Array]]
) -> list[Health]:
    """Tell the health of each layer; those with NaN or infinities are read once more."""
    if not readings:
        return []
    ends = [(float(layer["low"].min()), float(layer["high"].max())) for layer in measurements]
    nonfinite = [place for place, (low, high) in enumerate(ends) if not isfinite(low - high)]
    again = [readings[place].values for place in nonfinite]
    counted = to_host(*[count_nonfinite(values) | finite_range(values) for values in again])
    counts = [(0, 0)] * len(ends)
    for place, layer in zip(nonfinite, counted, strict=True):
        counts[place] = int(layer["nan"]), int(layer["inf"])
        ends[place] = float(layer["low"]), float(layer["high"])
    samples = [layer["sampled"] for layer in measurements]
    sizes = [reading.values.numel() for reading in readings]
    sampled = [len(sample) < size for sample, size in zip(samples, sizes, strict=True)]
    channels = [reading.channels for reading in readings]
    dead = [_dead(layer) if n else 0 for layer, n in zip(measurements, channels, strict=True)]
    described = _describe_samples(samples, ends)
    columns = zip(ends, counts, channels, dead, *described, sampled, strict=True)
    return [Health(*pair, *count, *others) for pair, count, *others in columns]


def _dead(measurements: Mapping[str, Array]) -> int:
    return int(np.count_nonzero(constant_planes(measurements["low"], measurements["high"])))


def _describe_samples(
    samples: Sequence[Array], ends: Sequence[tuple[float, float]]
) -> tuple[list[float], list[float], list[tuple[int, ...]]]:
    """Mean, share of zeros and histogram of all layers at once: a row each, padded with NaN."""
    values = np.full((len(samples), max(map(len, samples))), np.nan)
    for row, sample in zip(values, samples, strict=True):
        row[: len(sample)] = sample
    finite = np.isfinite(values)
    with np.errstate(all="ignore"):
        means = np.where(finite, values, 0).sum(1) / np.count_nonzero(finite, 1)
    zeros = np.count_nonzero(values == 0, 1) / np.array([len(sample) for sample in samples])
    histograms = _histograms(values, finite, ends).tolist()
    return means.tolist(), zeros.tolist(), list(map(tuple, histograms))


def _histograms(
    values: Array, finite: NDArray[np.bool_], ends: Sequence[tuple[float, float]]
) -> NDArray[np.intp]:
    """Count the finite values of each row in each of `PARTS` equal parts of its range."""
    # A quarter of each, as float64 can't say how wide the range of float64 is.
    quarters = np.array([pair if pair[0] <= pair[1] else (0.0, 0.0) for pair in ends]) / 4
    low, span = quarters[:, :1], quarters[:, 1:] - quarters[:, :1]
    with np.errstate(all="ignore"):
        place = (values / 4 - low) / np.where(span > 0, span, np.inf) * PARTS
    place = np.where(finite, place.clip(0, PARTS - 1), PARTS).astype(np.intp)
    place += np.arange(len(values))[:, None] * (PARTS + 1)
    counts = np.bincount(place.reshape(-1), minlength=place.shape[0] * (PARTS + 1))
    return counts.reshape(-1, PARTS + 1)[:, :PARTS]
