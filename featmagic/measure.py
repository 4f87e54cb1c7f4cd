"""What planes hold, measured on their device and brought over in one transfer."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featmagic.reals import exactly
from featmagic.statistics import BINS, Asked, alike, apart, finite_only, plainly


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
    strange: NDArray[np.float64]
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
        constant: NDArray[np.bool_] = (self.low == self.high) & (self.strange == 0)
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
        brought = _brought([*finite_only(exactly(rows), asked), *others])
    return _read(brought, *rows.shape)


def _brought(parts: list[Tensor]) -> NDArray[np.float64]:
    """The parts in one row, as float64; MPS has none, so it is given float32 to bring."""
    kind = torch.float32 if parts[0].device.type == "mps" else torch.float64
    row: NDArray[np.float64] = (
        torch.cat([part.reshape(-1).to(kind) for part in parts]).cpu().double().numpy()
    )
    return row


def _read(row: NDArray[np.float64], count: int, size: int) -> tuple[Measured, tuple[int, ...]]:
    low, high, inner_low, inner_high, strange = row[: 5 * count].reshape(5, count)
    mean, std, nonzero, nan, inf, *rest = row[5 * count :].tolist()
    counts, (alike, least, most, prefix_nan, prefix_inf, *order) = rest[:BINS], rest[BINS:]
    measured = Measured(
        *(low, high, inner_low, inner_high, strange, mean, std),
        zeros=1 - nonzero / (count * size),
        histogram=tuple(map(int, counts)),
        nan=int(nan),
        inf=int(inf),
        duplicates=int(alike) if alike >= 0 else None,
        prefix=None if prefix_nan < 0 else (least, most, int(prefix_nan), int(prefix_inf)),
    )
    return measured, tuple(map(int, order))
