"""How layers are: ranges, dead channels, NaN and infinities, of all layers at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import gcd, isfinite, prod

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featmagic.planes.dtypes import to_real

PARTS = 16  # of the histogram


SAMPLED = 1024  # values of a layer at most, from which shares are told


_AS_THEY_ARE = (torch.float16, torch.bfloat16, torch.float32, torch.float64)

Row = NDArray[np.float64]


@dataclass(frozen=True)
class Health:
    """What a layer's values are like, over all samples, channels and positions.

    The range, the counts and the dead channels are those of all values; the mean, the share of
    zeros and the histogram those of at most `SAMPLED` values, evenly spaced.

    Attributes:
        low, high: the range of the finite values; inf and -inf where there is none.
        nan, inf: how many values are not a number, and infinite.
        channels: how many there are, if a channel holds several values; else 0.
        dead: how many of them hold one and the same finite value only.
        mean: of the finite values looked at; NaN where there is none.
        zeros: the share of the values looked at that are 0.
        histogram: how many of those are in each of `PARTS` equal parts of the range.
        sampled: whether not all values were looked at for the last three.
    """

    low: float = np.inf
    high: float = -np.inf
    nan: int = 0
    inf: int = 0
    channels: int = 0
    dead: int = 0
    mean: float = np.nan
    zeros: float = 0.0
    histogram: tuple[int, ...] = ()
    sampled: bool = False


@dataclass(frozen=True, eq=False)
class Reading:
    """What is looked at of a layer, still on its device.

    Attributes:
        values: all, as real numbers.
        low, high: the least and the largest value of each channel; one NaN makes either NaN.
        some: evenly spaced values.
        channels: how many there are, if a channel holds several values; else 0.
    """

    values: Tensor
    low: Tensor
    high: Tensor
    some: Tensor
    channels: int


def read_values(tensor: Tensor, dims: str) -> Reading:
    """Reading at a tensor: of any dtype, dense and not empty.

    Example:
        >>> read_values(torch.tensor([[[0.0, 0.0], [1.0, 3.0]]]), "NCL").high
        tensor([0., 3.])
    """
    values = tensor if tensor.dtype in _AS_THEY_ARE else to_real(tensor)[0]
    others = tuple(place for place, letter in enumerate(dims) if letter not in "CA")
    low, high = values, values
    if others:  # none of them means all of them to torch
        low, high = values.amin(others), values.amax(others)
    several = len(others) < len(dims) and prod(values.shape[place] for place in others) > 1
    return Reading(values, low, high, _spaced(values), low.numel() if several else 0)


def _spaced(values: Tensor) -> Tensor:
    """At most `SAMPLED` values, in the order in which they lie in nbytes.

    Their distance shares no factor with the number of values, so it falls in with no row.
    """
    count = values.numel()
    step = -(-count // SAMPLED)
    while step > 1 and gcd(step, count) > 1:
        step += 1
    if not values.is_contiguous():
        values = values.permute(sorted(range(values.dim()), key=values.stride, reverse=True))
    return values.reshape(-1)[::step]


def bring(parts: Sequence[Sequence[Tensor]]) -> list[list[Row]]:
    """Tensors, flat and as float64, in one transfer from each device they are on.

    Example:
        >>> bring([[torch.ones(2)], [torch.zeros(()), torch.ones(1)]])
        [[array([1., 1.])], [array([0.]), array([1.])]]
    """
    there = [tensor.reshape(-1) for some in parts for tensor in some]
    here: dict[int, Row] = {}
    for device in {tensor.device for tensor in there}:
        places = [place for place, tensor in enumerate(there) if tensor.device == device]
        together = torch.cat([there[place] for place in places]).cpu().double().numpy()
        end = 0
        for place in places:
            start, end = end, end + len(there[place])
            here[place] = together[start:end]
    in_order = iter([here[place] for place in range(len(there))])
    return [[next(in_order) for _ in some] for some in parts]


def healths(readings: Sequence[Reading], brought: Sequence[Sequence[Row]]) -> list[Health]:
    """The health of each layer; of those with NaN or infinities, all values are read again.

    Args:
        readings: one a layer.
        brought: `low`, `high` and `some` of each.

    Example:
        >>> one = read_values(torch.tensor([[[0.0, 0.0], [1.0, 3.0]]]), "NCL")
        >>> found = healths([one], bring([[one.low, one.high, one.some]]))[0]
        >>> found.low, found.high, found.dead, found.channels, found.zeros
        (0.0, 3.0, 1, 2, 0.5)
    """
    if not readings:
        return []
    ends = [(float(low.min()), float(high.max())) for low, high, _ in brought]
    nonfinite = [n for n, pair in enumerate(ends) if not isfinite(pair[0] - pair[1])]
    counts = [(0, 0)] * len(ends)
    counted = bring([_counted(readings[place].values) for place in nonfinite])
    for place, (nan, inf, low, high) in zip(nonfinite, counted, strict=True):
        counts[place] = int(nan[0]), int(inf[0])
        ends[place] = float(low[0]), float(high[0])
    dead = [_dead(one, *some[:2]) for one, some in zip(readings, brought, strict=True)]
    shares = _shares([some for _, _, some in brought], ends)
    channels = [one.channels for one in readings]
    sampled = [one.some.numel() < one.values.numel() for one in readings]
    columns = zip(ends, counts, channels, dead, *shares, sampled, strict=True)
    return [Health(*pair, *count, *others) for pair, count, *others in columns]


def _dead(one: Reading, low: Row, high: Row) -> int:
    """How many channels are one value; of none can that be said which is NaN or infinite."""
    return int(np.count_nonzero((low == high) & np.isfinite(low))) if one.channels else 0


def _counted(values: Tensor) -> list[Tensor]:
    """How many values are NaN, how many infinite, and the range of all others."""
    finite = torch.isfinite(values)
    kind = torch.float32 if values.device.type == "mps" else torch.float64
    counts = [torch.isnan(values).sum().to(kind), torch.isinf(values).sum().to(kind)]
    low = torch.where(finite, values, torch.inf).amin()
    return [*counts, low, torch.where(finite, values, -torch.inf).amax()]


def _shares(
    some: Sequence[Row], ends: Sequence[tuple[float, float]]
) -> tuple[list[float], list[float], list[tuple[int, ...]]]:
    """Mean, zeros and histogram, of all layers at once: a row each, filled up with NaN."""
    values = np.full((len(some), max(map(len, some))), np.nan)
    for row, part in zip(values, some, strict=True):
        row[: len(part)] = part
    finite = np.isfinite(values)
    with np.errstate(all="ignore"):
        means = np.where(finite, values, 0).sum(1) / np.count_nonzero(finite, 1)
    zeros = np.count_nonzero(values == 0, 1) / np.array([len(part) for part in some])
    histograms = _histograms(values, finite, ends).tolist()
    return means.tolist(), zeros.tolist(), list(map(tuple, histograms))


def _histograms(
    values: Row, finite: NDArray[np.bool_], ends: Sequence[tuple[float, float]]
) -> NDArray[np.intp]:
    """How many of a row's finite values are in each of `PARTS` equal parts of its range."""
    # A quarter of each, as float64 can't say how wide the range of float64 is.
    quarters = np.array([pair if pair[0] <= pair[1] else (0.0, 0.0) for pair in ends]) / 4
    low, span = quarters[:, :1], quarters[:, 1:] - quarters[:, :1]
    with np.errstate(all="ignore"):
        place = (values / 4 - low) / np.where(span > 0, span, np.inf) * PARTS
    place = np.where(finite, place.clip(0, PARTS - 1), PARTS).astype(np.intp)
    place += np.arange(len(values))[:, None] * (PARTS + 1)
    counts = np.bincount(place.reshape(-1), minlength=place.shape[0] * (PARTS + 1))
    return counts.reshape(-1, PARTS + 1)[:, :PARTS]
