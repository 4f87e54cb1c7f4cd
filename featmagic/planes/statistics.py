"""What is computed of planes where they are; nothing here leaves the device."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd, isfinite

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featmagic.planes.dtypes import to_float64
from featmagic.planes.similarity import near_duplicates

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
    nonfinite = (~finite).sum(1)
    return [
        *(low, high, *_inner(rows.where(finite, torch.nan), low, high, asked), nonfinite),
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
    values = to_float64(prefix)
    finite = torch.isfinite(values)
    ends = values.where(finite, torch.inf).amin(), values.where(finite, -torch.inf).amax()
    return torch.stack([*ends, values.isnan().sum(), values.isinf().sum()])


Row = NDArray[np.float64]


@dataclass(frozen=True)
class Figures:
    """What each plane holds, `(P,)` each; infinities and NaN are counted and left out of the rest.

    Attributes:
        low, high: the range; inf and -inf where no value is finite.
        mean, std, absmean: mean, deviation, and mean of the magnitudes.
        zeros: the share of values that are 0, 0 to 1.
        nan, inf: how many values are not a number, and infinite.
    """

    low: Row
    high: Row
    mean: Row
    std: Row
    absmean: Row
    zeros: Row
    nan: Row
    inf: Row


def figures_of(values: Tensor, padding: int = 0) -> Figures:
    """What each of the planes `(P, H, W)` holds, in one transfer; padding is left out.

    Example:
        >>> figures_of(torch.tensor([[[0.0, 2.0]]])).zeros
        array([0.5])
    """
    rows = values.flatten(1)
    rows = rows[:, : rows.shape[1] - padding]
    low, high = rows.amin(1), rows.amax(1)
    mean, spread, absmean, zeros = _shares(rows)
    spread = spread.where(low < high, 0)  # what rounding leaves of it where all values are the same
    span = high - low
    plain = torch.isfinite(span) & torch.isfinite(spread) & torch.isfinite(absmean)
    plain &= (span >= _SMALL_SPAN) | (span == 0)
    brought = _brought_rows([low, high, mean, spread, absmean, zeros, plain])
    if not brought[-1].all():
        return _finite_figures(to_float64(rows))
    return Figures(*brought[:6], *np.zeros((2, len(rows))))


_SMALL_SPAN = 1e-15  # squares of smaller spans are out of float32's reach


def _shares(rows: Tensor) -> list[Tensor]:
    """Mean, deviation, mean magnitude and the share of zeros of each row."""
    size = rows.shape[1]
    mean = rows.mean(1)
    spread = torch.linalg.vector_norm(rows - mean[:, None], 2, dim=1) / size**0.5
    absmean = torch.linalg.vector_norm(rows, 1, dim=1) / size
    return [mean, spread, absmean, 1 - torch.linalg.vector_norm(rows, 0, dim=1) / size]


def _finite_figures(rows: Tensor) -> Figures:
    """The same of rows with values that aren't finite; float64."""
    finite = torch.isfinite(rows)
    count = finite.sum(1).clamp(min=1)
    low = rows.where(finite, torch.inf).amin(1)
    high = rows.where(finite, -torch.inf).amax(1)
    # In parts of the largest magnitude: sums and squares of the others could be out of reach.
    most = rows.where(finite, 0).abs().amax(1, keepdim=True)
    most = most.where(most > 0, 1)
    some = rows.where(finite, 0) / most
    mean = some.sum(1, keepdim=True) / count[:, None]
    spread = ((some - mean).where(finite, 0).square().sum(1) / count).sqrt()
    spread = spread.where(low < high, 0)
    whole = [each * most[:, 0] for each in (mean[:, 0], spread, some.abs().sum(1) / count)]
    parts = [
        *(low, high, *whole),
        *((rows == 0).sum(1) / rows.shape[1], rows.isnan().sum(1), rows.isinf().sum(1)),
    ]
    return Figures(*_brought_rows(parts))


def _brought_rows(parts: list[Tensor]) -> list[Row]:
    kind = torch.float32 if parts[0].device.type == "mps" else torch.float64
    together: Row = torch.stack([part.to(kind) for part in parts]).cpu().double().numpy()
    return list(together)


@dataclass(frozen=True)
class Measured:
    """What `(P, H, W)` planes hold; infinities and NaN are counted and left out of all else.

    Attributes:
        low, high: `(P,)` float64, the range of each plane's finite values; inf and -inf where a
            plane has none.
        inner_low, inner_high: the same without the outermost values, where that was asked for.
        strange: `(P,)`, how many values of each plane aren't finite.
        mean, std: of all finite values.
        zeros: the share of values that are 0, 0 to 1.
        histogram: how many finite values lie in each of `BINS` equal parts of the whole range; on
            the CPU, of more than 2**18 values, how many of evenly spaced ones.
        nan, inf: how many values are not a number, and infinite.
        duplicates: how many planes are nearly the same as one before them (|r| > 0.99); None where
            that wasn't looked for.
        prefix: the range of the prefix tokens' finite values, which counts in nothing else, and how
            many are not a number, and infinite; None where there are no such tokens.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    inner_low: NDArray[np.float64]
    inner_high: NDArray[np.float64]
    nonfinite: NDArray[np.float64]
    mean: float
    std: float
    zeros: float = 0.0
    histogram: tuple[int, ...] = ()
    nan: int = 0
    inf: int = 0
    duplicates: int | None = None
    prefix: tuple[float, float, int, int] | None = None

    @property
    def constant(self) -> NDArray[np.bool_]:
        """Which planes hold one value only, `(P,)`."""
        constant: NDArray[np.bool_] = (self.low == self.high) & (self.nonfinite == 0)
        return constant

    @property
    def some(self) -> NDArray[np.bool_]:
        """Which planes hold a finite value, `(P,)`."""
        some: NDArray[np.bool_] = self.low <= self.high
        return some

    @property
    def strength(self) -> NDArray[np.float64]:
        """The largest magnitude in each plane, `(P,)`; 0 where nothing is finite."""
        most = np.maximum(np.abs(self.low), np.abs(self.high))
        strength: NDArray[np.float64] = np.where(self.some, most, 0.0)
        return strength


_RANGE_ONLY = Asked()


def measure(values: Tensor, asked: Asked = _RANGE_ONLY) -> Measured:
    """Measure planes `(P, H, W)`, float32 or float64.

    Example:
        >>> measure(torch.tensor([[[0.0, 2.0]]])).mean
        1.0
    """
    return measured_and_order(values, asked)[0]


def measured_and_order(
    values: Tensor, asked: Asked, order: Tensor | None = None, prefix: Tensor | None = None
) -> tuple[Measured, tuple[int, ...]]:
    """`measure`, with prefix tokens, and the numbers in `order` in the same transfer.

    Example:
        >>> measured_and_order(torch.zeros(1, 1, 1), Asked(), torch.tensor([4]))[1]
        (4,)
    """
    rows = values.flatten(1)
    others = [alike(values, asked), apart(prefix, rows), *([] if order is None else [order])]
    brought = None
    # On the CPU nothing has to be brought over: a second look costs nothing.
    if rows.device.type == "cpu" and (plain := plainly(rows, asked)):
        brought = _brought([*plain, *others])
    if brought is None or not np.isfinite(brought).all():
        brought = _brought([*finite_only(to_float64(rows), asked), *others])
    return _read(brought, *rows.shape)


def _brought(parts: list[Tensor]) -> NDArray[np.float64]:
    """The parts in one row, as float64; MPS has none, so it is given float32 to bring."""
    kind = torch.float32 if parts[0].device.type == "mps" else torch.float64
    row: NDArray[np.float64] = (
        torch.cat([part.reshape(-1).to(kind) for part in parts]).cpu().double().numpy()
    )
    return row


def _read(row: NDArray[np.float64], count: int, size: int) -> tuple[Measured, tuple[int, ...]]:
    low, high, inner_low, inner_high, nonfinite = row[: 5 * count].reshape(5, count)
    mean, std, nonzero, nan, inf, *rest = row[5 * count :].tolist()
    counts, (alike, least, most, prefix_nan, prefix_inf, *order) = rest[:BINS], rest[BINS:]
    measured = Measured(
        *(low, high, inner_low, inner_high, nonfinite, mean, std),
        zeros=1 - nonzero / (count * size),
        histogram=tuple(map(int, counts)),
        nan=int(nan),
        inf=int(inf),
        duplicates=int(alike) if alike >= 0 else None,
        prefix=None if prefix_nan < 0 else (least, most, int(prefix_nan), int(prefix_inf)),
    )
    return measured, tuple(map(int, order))
