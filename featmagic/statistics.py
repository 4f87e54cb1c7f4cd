"""What is computed of planes where they are; nothing here leaves the device."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd, isfinite

import torch
from torch import Tensor

from featmagic.order import near_duplicates
from featmagic.reals import exactly

BINS = 8  # of the histogram: a letter each in the caption
_AT_ONCE = 2**18  # values to copy at once
_MOST_PRODUCTS = 2**32  # to see which planes are alike; some 50 ms
_FEWEST_VALUES = 9  # a plane of fewer is alike to others by chance
_ENOUGH = 2**17  # values to count for a histogram in letters
_SMALL = 1e-15  # squares of smaller spans are out of float32's reach


@dataclass(frozen=True)
class Asked:
    """What is measured besides the range, mean and deviation.

    Attributes:
        outside: percent of the values at each end that `inner_low` and `inner_high` leave out.
        positive: whether `inner_low` is the least value above 0.
        whole: whether the inner range is that of all planes together.
        alike: whether near-duplicates are counted.
    """

    outside: float | None = None
    positive: bool = False
    whole: bool = False
    alike: bool = False


def plainly(rows: Tensor, asked: Asked) -> list[Tensor]:
    """As `measure` reads it; nothing at all where that needs float64, or a value isn't finite.

    For the CPU alone, where looking at a number in between costs nothing.
    """
    # Two reductions each are several times faster than torch's aminmax and std_mean along rows.
    low, high, mean = rows.amin(1), rows.amax(1), rows.mean()
    ends = low.min().item(), high.max().item()
    if not isfinite(ends[1] - ends[0]) or 0 < ends[1] - ends[0] < _SMALL:
        return []
    counted = _counted(rows, *ends)
    counted[BINS - 1] += counted[BINS]  # the highest value
    return [
        *(low, high, *_inner(rows, low, high, asked), torch.zeros_like(low)),
        *(mean, _variance(rows, mean).sqrt_(), rows.count_nonzero(), mean.new_zeros(2)),
        counted[:BINS],
    ]


def _counted(rows: Tensor, low: float, high: float) -> Tensor:
    """How many values lie in each part of the range: of many, evenly spaced ones."""
    size, step = rows.shape[1], rows.numel() // _ENOUGH
    while step > 1 and gcd(step, size) > 1:  # or the same columns of all planes would be counted
        step += 1
    return torch.bincount(
        _bins(rows[:, :: max(step, 1)], low, high).reshape(-1), minlength=BINS + 1
    )


def _bins(rows: Tensor, low: float, high: float) -> Tensor:
    """Which of `BINS` equal parts of the range each value lies in; behind them the highest one."""
    if high == low:
        return torch.zeros(rows.shape, dtype=torch.uint8, device=rows.device)
    return (rows - low).mul_(BINS / (high - low)).to(torch.uint8)


def _variance(rows: Tensor, mean: Tensor) -> Tensor:
    """The mean square distance from the mean, a part of the rows at a time: each part is copied."""
    at_once = max(1, _AT_ONCE // rows.shape[1])
    if len(rows) <= at_once:
        return (rows - mean).square_().mean()
    parts = [(rows[n : n + at_once] - mean).square_().sum() for n in range(0, len(rows), at_once)]
    return torch.stack(parts).sum() / rows.numel()


def finite_only(rows: Tensor, asked: Asked) -> list[Tensor]:
    """As `plainly`, of float64, with NaN and infinities left out and counted."""
    finite = torch.isfinite(rows)
    low = torch.where(finite, rows, torch.inf).amin(1)
    high = torch.where(finite, rows, -torch.inf).amax(1)
    # In parts of the largest magnitude: squares of the others could be out of reach.
    most = torch.where(finite, rows, 0).abs().amax()
    most = most.where(most > 0, 1)
    parts, count = torch.where(finite, rows / most, 0), finite.sum().clamp(min=1)
    mean = parts.sum() / count
    std = (torch.where(finite, parts - mean, 0).square().sum() / count).sqrt()
    some = [end.min() / most for end in (low, -high)]
    strange = (~finite).sum(1)
    return [
        *(low, high, *_inner(rows.where(finite, torch.nan), low, high, asked), strange),
        *(mean * most, std * most),
        *(rows.count_nonzero(), torch.isnan(rows).sum(), torch.isinf(rows).sum()),
        _histogram(parts.where(finite, torch.inf), some[0], -some[1]),
    ]


def _inner(rows: Tensor, low: Tensor, high: Tensor, asked: Asked) -> tuple[Tensor, Tensor]:
    """The range without what `asked` leaves out, by the nearest rank; NaN doesn't count."""
    if asked.positive:
        rows = rows.where(rows > 0, torch.nan)
        low = rows.nan_to_num(torch.inf).amin(1)
    if asked.outside is None:
        return low, high
    count = len(rows)
    rows = rows.reshape(1, -1) if asked.whole else rows
    shares = asked.outside / 100, 1 - asked.outside / 100
    if rows.device.type == "cpu" and not rows.isnan().any():  # several times faster than sorting
        ranks_ = [1 + round(share * (rows.shape[1] - 1)) for share in shares]
        low, high = (rows.kthvalue(rank, 1).values.expand(count) for rank in ranks_)
        return low, high
    rows = rows.sort(1).values  # NaN comes last
    last = (rows.shape[1] - 1 - rows.isnan().sum(1, keepdim=True)).clamp(min=0)
    ranks = [(last * share).round().long() for share in shares]
    inner = [rows.gather(1, rank)[:, 0].expand(count) for rank in ranks]
    return inner[0].nan_to_num(torch.inf), inner[1].nan_to_num(-torch.inf)


def _histogram(rows: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """How many values lie in each of `BINS` equal parts of the range, infinite ones not counted.

    Added up where the values are: what `torch.bincount` and `torch.histc` would bring over first.
    """
    step = BINS / (high - low).clamp(min=torch.finfo(rows.dtype).tiny)
    place = ((rows - low) * step).clamp_(0, BINS - 1)
    place = place.nan_to_num_(0).where(torch.isfinite(rows), BINS).to(torch.int64).reshape(-1)
    counts = torch.zeros(BINS + 1, dtype=torch.int64, device=rows.device)
    return counts.scatter_add_(0, place, torch.ones_like(place))[:BINS]


def alike(values: Tensor, asked: Asked) -> Tensor:
    """How many planes repeat one before them; -1 where that is too much to find out."""
    count, height, width = values.shape
    size = height * width
    worth = asked.alike and count > 1 and size >= _FEWEST_VALUES
    if not worth or count * count * size > _MOST_PRODUCTS:
        return torch.tensor(-1 if asked.alike and worth else 0, device=values.device)
    return near_duplicates(values)


def apart(prefix: Tensor | None, rows: Tensor) -> Tensor:
    """Four numbers on prefix tokens: range, NaN (below 0 where there are no tokens), infinities."""
    if prefix is None:
        return torch.tensor([0, 0, -1, 0], device=rows.device)
    values = exactly(prefix)
    finite = torch.isfinite(values)
    ends = values.where(finite, torch.inf).amin(), values.where(finite, -torch.inf).amax()
    return torch.stack([*ends, values.isnan().sum(), values.isinf().sum()])
