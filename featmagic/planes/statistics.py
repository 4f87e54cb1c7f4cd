"""Statistics of planes and of layers, in one transfer to the host.

Values are reduced in their own dtype first. Where that isn't enough, because a value is NaN or
infinite or the range is out of the dtype's reach, they are reduced again as float64, without the
non-finite values, which are counted.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featmagic.planes.dtypes import to_float64
from featmagic.planes.measurements import (
    Array,
    Measurements,
    coprime_step,
    count_nonfinite,
    finite_range,
    to_host,
    value_range,
)
from featmagic.planes.similarity import near_duplicates

BINS = 8  # of the histogram: a letter each in the caption

_HISTOGRAM_VALUES = 2**17  # about how many values are counted for a histogram on the CPU
_SMALLEST_SPAN = 1e-15  # squares of smaller spans are out of float32's reach
_AT_ONCE = 2**18  # values to copy at once
_MOST_PRODUCTS = 2**32  # limit for comparing all pairs of planes, about 50 ms
_FEWEST_VALUES = 9  # smaller planes are alike by chance


def _in_reach(low: Array | float, high: Array | float) -> bool:
    """Return True if deviations within the ranges neither overflow nor vanish in float32."""
    with np.errstate(over="ignore", invalid="ignore"):
        span = np.subtract(high, low)
    return bool((np.isfinite(span) & ((span == 0) | (span >= _SMALLEST_SPAN))).all())


def _all_finite(brought: Sequence[Mapping[str, Array]]) -> bool:
    arrays = [array for measurements in brought for array in measurements.values()]
    return bool(np.isfinite(np.concatenate(arrays, axis=None)).all())


class _Moments(NamedTuple):
    """The finite values of float64 rows `(R, n)`, in parts of each row's largest magnitude.

    Squares and sums of the values themselves could be out of reach. The parts, `(R, n)`, are 0
    where a value isn't finite; all else is `(R,)`, the mean and the deviation in parts too.
    """

    parts: Tensor
    unit: Tensor
    finite_count: Tensor
    mean: Tensor
    std: Tensor


def _moments(rows: Tensor, finite: Tensor) -> _Moments:
    count = finite.sum(1, keepdim=True).clamp(min=1)
    values = rows.where(finite, 0)
    unit = values.abs().amax(1, keepdim=True)
    unit = unit.where(unit > 0, 1)
    parts = values / unit
    mean = parts.sum(1, keepdim=True) / count
    squares = (parts - mean).where(finite, 0).square().sum(1, keepdim=True)
    std = (squares / count).sqrt()
    return _Moments(parts, *(column[:, 0] for column in (unit, count, mean, std)))


@dataclass(frozen=True)
class PlaneStatistics:
    """What each plane holds, `(P,)` float64 each; all but the counts are of the finite values.

    Attributes:
        low, high: the range; inf and -inf where no value is finite.
        mean, std, absmean: mean, standard deviation, and mean magnitude.
        zeros: the share of values that are 0, from 0 to 1.
        nan, inf: how many values are NaN and infinite.
    """

    low: Array
    high: Array
    mean: Array
    std: Array
    absmean: Array
    zeros: Array
    nan: Array
    inf: Array


def plane_statistics(values: Tensor, padding: int = 0) -> PlaneStatistics:
    """Measure each of the planes `(P, H, W)`, less the padding at the end of each.

    They come in one transfer, or in two where float32 isn't enough.
    """
    rows = values.flatten(1)
    rows = rows[:, : rows.shape[1] - padding]
    (measurements,) = to_host(_plane_measurements(rows))
    if _all_finite([measurements]) and _in_reach(measurements["low"], measurements["high"]):
        nan, inf = np.zeros((2, len(rows)))
        return PlaneStatistics(**measurements, nan=nan, inf=inf)
    (measurements,) = to_host(_finite_plane_measurements(to_float64(rows)))
    return PlaneStatistics(**measurements)


def _plane_measurements(rows: Tensor) -> Measurements:
    """Reduce rows in their own dtype."""
    ends, size = value_range(rows, 1), rows.shape[1]
    mean = rows.mean(1)
    std = torch.linalg.vector_norm(rows - mean[:, None], 2, dim=1) / size**0.5
    return {
        **ends,
        "mean": mean,
        # Rounding leaves a deviation where all values are the same.
        "std": std.where(ends["low"] < ends["high"], 0),
        "absmean": torch.linalg.vector_norm(rows, 1, dim=1) / size,
        "zeros": 1 - torch.linalg.vector_norm(rows, 0, dim=1) / size,
    }


def _finite_plane_measurements(rows: Tensor) -> Measurements:
    """Reduce the finite values of float64 rows."""
    finite = torch.isfinite(rows)
    ends, moments = finite_range(rows, 1, finite), _moments(rows, finite)
    std = moments.std.where(ends["low"] < ends["high"], 0)
    return {
        **ends,
        **count_nonfinite(rows, 1),
        "mean": moments.mean * moments.unit,
        "std": std * moments.unit,
        "absmean": moments.parts.abs().sum(1) / moments.finite_count * moments.unit,
        "zeros": (rows == 0).sum(1) / rows.shape[1],
    }


@dataclass(frozen=True)
class StatisticsRequest:
    """What `measure` computes besides the ranges, the mean and the deviation.

    Attributes:
        outside: percent of the values to leave out of `inner_low` and `inner_high` at each end.
        positive: True for an `inner_low` that is the least value above 0.
        whole: True for one inner range of all planes together.
        duplicates: True to count near-duplicates.
    """

    outside: float | None = None
    positive: bool = False
    whole: bool = False
    duplicates: bool = False


@dataclass(frozen=True)
class Statistics:
    """What the planes `(P, H, W)` of a layer hold; all but the counts are of the finite values.

    Attributes:
        low, high: `(P,)`, the range of each plane; inf and -inf where no value is finite.
        inner_low, inner_high: `(P,)`, the range that was requested, by default the same.
        nonfinite: `(P,)`, how many values of each plane are NaN or infinite.
        mean, std: of all values.
        zeros: the share of values that are 0, from 0 to 1.
        histogram: how many values lie in each of `BINS` equal parts of the whole range; of more
            than 2**18 values on the CPU, how many of evenly spaced ones.
        nan, inf: how many values are NaN and infinite.
        duplicates: how many planes are nearly the same as an earlier one (|r| > 0.99); None if
            there are too many values to tell.
        prefix: low, high, nan and inf of the prefix tokens, which count in nothing else; None if
            there are none.
        order: the order that was handed in.
    """

    low: Array
    high: Array
    inner_low: Array
    inner_high: Array
    nonfinite: Array
    mean: float
    std: float
    zeros: float = 0.0
    histogram: tuple[int, ...] = ()
    nan: int = 0
    inf: int = 0
    duplicates: int | None = None
    prefix: tuple[float, float, int, int] | None = None
    order: tuple[int, ...] = ()

    @property
    def constant(self) -> NDArray[np.bool_]:
        """Which planes hold a single value, `(P,)`."""
        constant: NDArray[np.bool_] = (self.low == self.high) & (self.nonfinite == 0)
        return constant

    @property
    def has_finite(self) -> NDArray[np.bool_]:
        """Which planes hold a finite value, `(P,)`."""
        has_finite: NDArray[np.bool_] = self.low <= self.high
        return has_finite

    @property
    def has_nonfinite(self) -> bool:
        """True if any value is NaN or infinite."""
        return self.nan > 0 or self.inf > 0


_RANGE_ONLY = StatisticsRequest()


def measure(
    values: Tensor,
    request: StatisticsRequest = _RANGE_ONLY,
    *,
    prefix: Tensor | None = None,
    order: Tensor | None = None,
) -> Statistics:
    """Measure the planes of a layer; all measurements leave the device in one transfer.

    Args:
        values: `(P, H, W)`, float32 or float64.
        request: what to compute.
        prefix: values of prefix tokens, of any shape, measured apart.
        order: whole numbers to bring over in the same transfer.

    Example:
        >>> statistics = measure(torch.tensor([[[0.0, 2.0], [1.0, torch.nan]]]))
        >>> statistics.mean, statistics.nan
        (1.0, 1)
    """
    rows, brought = values.flatten(1), None
    duplicates = _duplicates(values, request)
    ordered = {} if order is None else {"order": order}
    apart = {}
    if prefix is not None:
        prefix = to_float64(prefix)
        apart = finite_range(prefix) | count_nonfinite(prefix)
    # On the CPU nothing has to be brought over, so that a second look costs no transfer.
    if rows.device.type == "cpu" and (quick := _layer_measurements(rows, request)):
        brought = to_host(quick | duplicates, apart, ordered)
    if brought is None or not _all_finite(brought):
        exact = _finite_layer_measurements(to_float64(rows), request)
        brought = to_host(exact | duplicates, apart, ordered)
    return _statistics(rows.numel(), *brought)


def _statistics(
    count: int, layer: dict[str, Array], prefix: dict[str, Array], order: dict[str, Array]
) -> Statistics:
    """Make `Statistics` of what was brought to the host, for `count` values."""
    nan, inf = (layer.get(name, np.zeros(len(layer["low"]))) for name in ("nan", "inf"))
    duplicates = int(layer.get("duplicates", 0))
    return Statistics(
        **{name: layer[name] for name in ("low", "high", "inner_low", "inner_high")},
        nonfinite=nan + inf,
        mean=float(layer["mean"]),
        std=float(layer["std"]),
        zeros=1 - float(layer["nonzero"]) / count,
        histogram=tuple(layer["histogram"].astype(int).tolist()),
        nan=int(nan.sum()),
        inf=int(inf.sum()),
        duplicates=None if duplicates < 0 else duplicates,
        prefix=(float(prefix["low"]), float(prefix["high"]), int(prefix["nan"]), int(prefix["inf"]))
        if prefix
        else None,
        order=tuple(order["order"].astype(int).tolist()) if order else (),
    )


def _layer_measurements(rows: Tensor, request: StatisticsRequest) -> Measurements:
    """Reduce rows on the CPU in their own dtype; nothing if that isn't enough for their range."""
    ends = value_range(rows, 1)
    low, high = ends["low"].min().item(), ends["high"].max().item()
    if not _in_reach(low, high):
        return {}
    mean = rows.mean()
    return {
        **ends,
        **_inner_range(rows, ends, request),
        "mean": mean,
        "std": _variance(rows, mean).sqrt_(),
        "nonzero": rows.count_nonzero(),
        "histogram": _spaced_histogram(rows, low, high),
    }


def _finite_layer_measurements(rows: Tensor, request: StatisticsRequest) -> Measurements:
    """Reduce the finite values of float64 rows."""
    finite = torch.isfinite(rows)
    ends = finite_range(rows, 1, finite)
    moments = _moments(rows.reshape(1, -1), finite.reshape(1, -1))
    unit = moments.unit[0]
    low, high = ends["low"].min() / unit, ends["high"].max() / unit
    parts = moments.parts.where(finite.reshape(1, -1), torch.inf)
    return {
        **ends,
        **_inner_range(rows.where(finite, torch.nan), ends, request),
        **count_nonfinite(rows, 1),
        "mean": moments.mean[0] * unit,
        "std": moments.std[0] * unit,
        "nonzero": rows.count_nonzero(),
        "histogram": _histogram(parts, low, high),
    }


def _variance(rows: Tensor, mean: Tensor) -> Tensor:
    """Return the mean square distance from the mean, copying only some rows at a time."""
    at_once = max(1, _AT_ONCE // rows.shape[1])
    if len(rows) <= at_once:
        return (rows - mean).square_().mean()
    # One buffer for all: where each part has its own, the C library may keep all of them.
    buffer = torch.empty_like(rows[:at_once])
    parts = [
        torch.sub(part, mean, out=buffer if len(part) == at_once else None).square_().sum()
        for part in torch.split(rows, at_once)
    ]
    return torch.stack(parts).sum() / rows.numel()


def _inner_range(rows: Tensor, ends: Measurements, request: StatisticsRequest) -> Measurements:
    """Reduce to the range that was requested, by the nearest rank; NaN doesn't count."""
    low, high = ends["low"], ends["high"]
    if request.positive:
        rows = rows.where(rows > 0, torch.nan)
        low = rows.nan_to_num(torch.inf).amin(1)
    if request.outside is None:
        return {"inner_low": low, "inner_high": high}
    count = len(rows)
    rows = rows.reshape(1, -1) if request.whole else rows
    shares = request.outside / 100, 1 - request.outside / 100
    if rows.device.type == "cpu" and not rows.isnan().any():  # several times faster than sorting
        ranks = [1 + round(share * (rows.shape[1] - 1)) for share in shares]
        low, high = (rows.kthvalue(rank, 1).values for rank in ranks)
    else:
        rows = rows.sort(1).values  # NaN comes last
        last = (rows.shape[1] - 1 - rows.isnan().sum(1, keepdim=True)).clamp(min=0)
        low, high = (rows.gather(1, (last * share).round().long())[:, 0] for share in shares)
        low, high = low.nan_to_num(torch.inf), high.nan_to_num(-torch.inf)
    return {"inner_low": low.expand(count), "inner_high": high.expand(count)}


def _spaced_histogram(rows: Tensor, low: float, high: float) -> Tensor:
    """Count the values in each of `BINS` equal parts of the range; of many, evenly spaced ones."""
    step = coprime_step(rows.numel() // _HISTOGRAM_VALUES, rows.shape[1])
    rows = rows[:, ::step]
    if high == low:
        bins = torch.zeros(rows.shape, dtype=torch.uint8)
    else:
        bins = (rows - low).mul_(BINS / (high - low)).to(torch.uint8)
    counts = torch.bincount(bins.reshape(-1), minlength=BINS + 1)
    counts[BINS - 1] += counts[BINS]  # the highest value
    return counts[:BINS]


def _histogram(values: Tensor, low: Tensor, high: Tensor) -> Tensor:
    """Count the finite values in each of `BINS` equal parts of the range, on their device.

    `torch.bincount` and `torch.histc` would bring them to the host.
    """
    step = BINS / (high - low).clamp(min=torch.finfo(values.dtype).tiny)
    place = ((values - low) * step).clamp_(0, BINS - 1)
    place = place.nan_to_num_(0).where(torch.isfinite(values), BINS).to(torch.int64).reshape(-1)
    counts = torch.zeros(BINS + 1, dtype=torch.int64, device=values.device)
    return counts.scatter_add_(0, place, torch.ones_like(place))[:BINS]


def _duplicates(values: Tensor, request: StatisticsRequest) -> Measurements:
    """Count the planes that repeat an earlier one, if requested; -1 if it takes too long."""
    count, height, width = values.shape
    size = height * width
    if not request.duplicates or count < 2 or size < _FEWEST_VALUES:
        return {}
    if count * count * size > _MOST_PRODUCTS:
        return {"duplicates": values.new_full((), -1)}
    return {"duplicates": near_duplicates(values)}
