"""Statistics of planes and layers: computed on the values' device, brought to the host together.

Values are reduced in their own dtype first. Where that isn't enough, because a value is NaN or
infinite or the range is out of the dtype's reach, they are reduced again as float64, without the
non-finite values, which are counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import gcd

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featmagic.planes.dtypes import to_float64
from featmagic.planes.similarity import near_duplicates

Array = NDArray[np.float64]

Figures = dict[str, Tensor]  # named statistics, still on the device of the values


def to_host(*figures: Mapping[str, Tensor]) -> list[dict[str, Array]]:
    """Bring figures to the host as float64 arrays, in one transfer from each device.

    They travel in the widest floating-point dtype among them; integers count as float64, or as
    float32 on MPS, which has no float64.

    Args:
        figures: any number of them, each by name; their tensors may lie on different devices.

    Returns:
        One dict for each argument, with the same names and shapes.

    Example:
        >>> to_host({"count": torch.tensor(3)}, {"low": torch.zeros(2)})
        [{'count': array(3.)}, {'low': array([0., 0.])}]
    """
    tensors = [tensor for named in figures for tensor in named.values()]
    arrays: dict[int, Array] = {}
    for device in {tensor.device for tensor in tensors}:
        places = [place for place, tensor in enumerate(tensors) if tensor.device == device]
        together = torch.cat([_flat_floats(tensors[place]) for place in places])
        values = together.cpu().double().numpy()
        end = 0
        for place in places:
            start, end = end, end + tensors[place].numel()
            arrays[place] = values[start:end].reshape(tensors[place].shape)
    in_order = iter([arrays[place] for place in range(len(tensors))])
    return [{name: next(in_order) for name in named} for named in figures]


def _flat_floats(tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        tensor = tensor.to(torch.float32 if tensor.device.type == "mps" else torch.float64)
    return tensor.reshape(-1)


def value_range(values: Tensor, dims: int | tuple[int, ...]) -> Figures:
    """Reduce to `low` and `high`, the range over `dims`; a NaN makes both NaN."""
    # Two reductions are several times faster than torch's aminmax along rows.
    return {"low": values.amin(dims), "high": values.amax(dims)}


def finite_range(
    values: Tensor, dims: int | tuple[int, ...] = (), finite: Tensor | None = None
) -> Figures:
    """Reduce to `low` and `high`, the range of the finite values; inf and -inf if there are none.

    Args:
        values: of any shape.
        dims: to reduce; all of them, if empty.
        finite: which values are finite, where that is known already.
    """
    finite = torch.isfinite(values) if finite is None else finite
    low = torch.where(finite, values, torch.inf).amin(dims)
    return {"low": low, "high": torch.where(finite, values, -torch.inf).amax(dims)}


def count_nonfinite(values: Tensor, dims: int | tuple[int, ...] = ()) -> Figures:
    """Reduce to `nan` and `inf`, how many values are NaN and infinite; over all `dims` if empty."""
    dims = tuple(range(values.dim())) if dims == () else dims
    return {"nan": values.isnan().sum(dims), "inf": values.isinf().sum(dims)}


def evenly_spaced(values: Tensor, most: int) -> Tensor:
    """Return at most `most` of the values, in the order in which they lie in memory."""
    count = values.numel()
    if not values.is_contiguous():
        values = values.permute(sorted(range(values.dim()), key=values.stride, reverse=True))
    return values.reshape(-1)[:: _coprime_step(-(-count // most), count)]


def _coprime_step(step: int, count: int) -> int:
    """Return the first step from `step` on with no factor in common with `count`.

    Other steps would read the same column of every row, or the same position of every plane.
    """
    while step > 1 and gcd(step, count) > 1:
        step += 1
    return max(step, 1)


def constant_planes(low: Array, high: Array) -> NDArray[np.bool_]:
    """Return which planes hold a single value, by their `value_range`; none that has NaN or inf."""
    constant: NDArray[np.bool_] = (low == high) & np.isfinite(low)
    return constant


def range_or_zero(low: Array, high: Array) -> tuple[Array, Array]:
    """Return the ranges by `finite_range`, 0 to 0 for planes without a finite value."""
    low, high = np.where(low <= high, [low, high], 0.0)
    return low, high


_SMALLEST_SPAN = 1e-15  # squares of smaller spans are out of float32's reach


def _in_reach(low: Array | float, high: Array | float) -> bool:
    """Return True if deviations within the ranges neither overflow nor vanish in float32."""
    with np.errstate(over="ignore", invalid="ignore"):
        span = np.subtract(high, low)
    return bool((np.isfinite(span) & ((span == 0) | (span >= _SMALLEST_SPAN))).all())


def _all_finite(figures: Mapping[str, Array]) -> bool:
    return all(np.isfinite(array).all() for array in figures.values())


@dataclass(frozen=True)
class _Moments:
    """The finite values of rows `(R, n)` in units of each row's largest magnitude, as float64.

    Squares and sums of the values themselves could be out of reach. All are `(R, 1)` but `parts`.

    Attributes:
        parts: `(R, n)`, the values; 0 for those that aren't finite.
        unit: the largest magnitude of each row; 1 if that is 0.
        count: how many values are finite, at least 1.
        mean, std: of the parts.
    """

    parts: Tensor
    unit: Tensor
    count: Tensor
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
    return _Moments(parts, unit, count, mean, (squares / count).sqrt())


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
    """Measure each of the planes, in one transfer, or two where float32 isn't enough.

    Args:
        values: `(P, H, W)`, float32 or float64.
        padding: how many values at the end of each plane don't count.

    Example:
        >>> plane_statistics(torch.tensor([[[0.0, 2.0], [1.0, 1.0]]])).mean
        array([1.])
    """
    rows = values.flatten(1)
    rows = rows[:, : rows.shape[1] - padding]
    (figures,) = to_host(_plane_figures(rows))
    if _all_finite(figures) and _in_reach(figures["low"], figures["high"]):
        nan, inf = np.zeros((2, len(rows)))
        return PlaneStatistics(**figures, nan=nan, inf=inf)
    (figures,) = to_host(_finite_plane_figures(to_float64(rows)))
    return PlaneStatistics(**figures)


def _plane_figures(rows: Tensor) -> Figures:
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


def _finite_plane_figures(rows: Tensor) -> Figures:
    """Reduce the finite values of float64 rows."""
    finite = torch.isfinite(rows)
    ends, of = finite_range(rows, 1, finite), _moments(rows, finite)
    std = of.std[:, 0].where(ends["low"] < ends["high"], 0)
    return {
        **ends,
        **count_nonfinite(rows, 1),
        "mean": (of.mean * of.unit)[:, 0],
        "std": std * of.unit[:, 0],
        "absmean": of.parts.abs().sum(1) / of.count[:, 0] * of.unit[:, 0],
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

    @property
    def strength(self) -> Array:
        """The largest magnitude in each plane, `(P,)`; 0 where nothing is finite."""
        most = np.maximum(np.abs(self.low), np.abs(self.high))
        strength: Array = np.where(self.has_finite, most, 0.0)
        return strength


BINS = 8  # of the histogram: a letter each in the caption

_HISTOGRAM_VALUES = 2**17  # about how many values are counted for a histogram on the CPU

_RANGE_ONLY = StatisticsRequest()


def measure(
    values: Tensor,
    request: StatisticsRequest = _RANGE_ONLY,
    *,
    prefix: Tensor | None = None,
    order: Tensor | None = None,
) -> Statistics:
    """Measure the planes of a layer; all figures leave the device in one transfer.

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
    rows = values.flatten(1)
    others = _duplicates(values, request) | _prefix_figures(prefix)
    if order is not None:
        others["order"] = order
    figures = None
    # On the CPU nothing has to be brought over, so that a second look costs no transfer.
    if rows.device.type == "cpu" and (quick := _layer_figures(rows, request)):
        (figures,) = to_host(quick | others)
    if figures is None or not _all_finite(figures):
        (figures,) = to_host(_finite_layer_figures(to_float64(rows), request) | others)
    return _statistics(figures, rows.numel())


def _statistics(figures: dict[str, Array], count: int) -> Statistics:
    """Make `Statistics` of what was brought to the host, for `count` values."""
    low = figures["low"]
    nan, inf = (figures.get(name, np.zeros(len(low))) for name in ("nan", "inf"))
    duplicates = float(figures["duplicates"])
    return Statistics(
        low=low,
        high=figures["high"],
        inner_low=figures["inner_low"],
        inner_high=figures["inner_high"],
        nonfinite=nan + inf,
        mean=float(figures["mean"]),
        std=float(figures["std"]),
        zeros=1 - float(figures["nonzero"]) / count,
        histogram=tuple(figures["histogram"].astype(int).tolist()),
        nan=int(nan.sum()),
        inf=int(inf.sum()),
        duplicates=None if duplicates < 0 else int(duplicates),
        prefix=_prefix_of(figures),
        order=tuple(figures["order"].astype(int).tolist()) if "order" in figures else (),
    )


def _layer_figures(rows: Tensor, request: StatisticsRequest) -> Figures:
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


def _finite_layer_figures(rows: Tensor, request: StatisticsRequest) -> Figures:
    """Reduce the finite values of float64 rows."""
    finite = torch.isfinite(rows)
    ends = finite_range(rows, 1, finite)
    of = _moments(rows.reshape(1, -1), finite.reshape(1, -1))
    unit = of.unit[0, 0]
    low, high = ends["low"].min() / unit, ends["high"].max() / unit
    return {
        **ends,
        **_inner_range(rows.where(finite, torch.nan), ends, request),
        **count_nonfinite(rows, 1),
        "mean": of.mean[0, 0] * unit,
        "std": of.std[0, 0] * unit,
        "nonzero": rows.count_nonzero(),
        "histogram": _histogram(of.parts.where(finite.reshape(1, -1), torch.inf), low, high),
    }


_AT_ONCE = 2**18  # values to copy at once


def _variance(rows: Tensor, mean: Tensor) -> Tensor:
    """Return the mean square distance from the mean, from copies of a part of the rows each."""
    at_once = max(1, _AT_ONCE // rows.shape[1])
    if len(rows) <= at_once:
        return (rows - mean).square_().mean()
    parts = [(rows[n : n + at_once] - mean).square_().sum() for n in range(0, len(rows), at_once)]
    return torch.stack(parts).sum() / rows.numel()


def _inner_range(rows: Tensor, ends: Figures, request: StatisticsRequest) -> Figures:
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
    step = _coprime_step(rows.numel() // _HISTOGRAM_VALUES, rows.shape[1])
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


_MOST_PRODUCTS = 2**32  # to compare all planes with each other: some 50 ms

_FEWEST_VALUES = 9  # smaller planes are alike by chance


def _duplicates(values: Tensor, request: StatisticsRequest) -> Figures:
    """Count the planes that repeat an earlier one; -1 if there are too many values to tell."""
    count, height, width = values.shape
    size = height * width
    if not request.duplicates or count < 2 or size < _FEWEST_VALUES:
        return {"duplicates": values.new_zeros(())}
    if count * count * size > _MOST_PRODUCTS:
        return {"duplicates": values.new_full((), -1)}
    return {"duplicates": near_duplicates(values)}


def _prefix_figures(prefix: Tensor | None) -> Figures:
    if prefix is None:
        return {}
    values = to_float64(prefix)
    figures = finite_range(values) | count_nonfinite(values)
    return {f"prefix_{name}": figure for name, figure in figures.items()}


def _prefix_of(figures: Mapping[str, Array]) -> tuple[float, float, int, int] | None:
    if "prefix_low" not in figures:
        return None
    low, high, nan, inf = (float(figures[f"prefix_{n}"]) for n in ("low", "high", "nan", "inf"))
    return low, high, int(nan), int(inf)
