"""From planes to palette indices: ranges, the colour map, and colours for what has no value."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featmagic.colormaps import DIVERGING, SEQUENTIAL, is_diverging
from featmagic.palette import CONSTANT, GAP, LEVELS, NAN, NEGATIVE_INF, POSITIVE_INF
from featmagic.view import View

_AT_ONCE = 2**18  # values to copy at once


@dataclass(frozen=True)
class Measured:
    """What the planes hold, measured on their device and brought over at once.

    Attributes:
        low, high: `(P,)` float64, the range of each plane's finite values; inf and -inf where a
            plane has none.
        mean, std: of all finite values.
        nan, inf: how many values are not a number, and infinite.
    """

    low: NDArray[np.float64]
    high: NDArray[np.float64]
    mean: float
    std: float
    nan: int = 0
    inf: int = 0

    @property
    def constant(self) -> NDArray[np.bool_]:
        """Which planes hold one value only, `(P,)`."""
        constant: NDArray[np.bool_] = self.low == self.high
        return constant


@dataclass(frozen=True)
class Colours:
    """How values become colours: the map, and each plane's range `(P,)`."""

    cmap: str
    centred: bool
    own_range: bool
    low: NDArray[np.float64]
    high: NDArray[np.float64]


def measure(values: Tensor, padding: int = 0) -> Measured:
    """Range, mean and standard deviation of planes `(P, H, W)`, NaN and infinities set apart.

    Args:
        values: float32 or float64.
        padding: how many values at the end of each plane don't count.

    Example:
        >>> measure(torch.tensor([[[0.0, 2.0]]])).mean
        1.0
    """
    rows = values.flatten(1)
    rows = rows[:, : rows.shape[1] - padding]
    # Two reductions each are several times faster than torch's aminmax and std_mean along rows.
    low, high, mean = rows.amin(1), rows.amax(1), rows.mean()
    std = _variance(rows, mean).sqrt_()
    brought = torch.cat([low, high, mean[None], std[None]]).cpu().double().numpy()
    if not np.isfinite(brought).all():
        brought = _finite_only(exactly(rows)).cpu().double().numpy()
    count = len(rows)
    mean_, std_, *strange = brought[2 * count :].tolist()
    return Measured(
        brought[:count], brought[count : 2 * count], mean_, std_, *(int(n) for n in strange)
    )


def _variance(rows: Tensor, mean: Tensor) -> Tensor:
    """The mean square distance from the mean, a part of the rows at a time: each part is copied."""
    at_once = max(1, _AT_ONCE // rows.shape[1])
    if len(rows) <= at_once:
        return (rows - mean).square_().mean()
    parts = [(rows[n : n + at_once] - mean).square_().sum() for n in range(0, len(rows), at_once)]
    return torch.stack(parts).sum() / rows.numel()


def _finite_only(rows: Tensor) -> Tensor:
    """As `measure` brings over: lows, highs, mean, std, and the counts of NaN and infinities."""
    finite = torch.isfinite(rows)
    low = torch.where(finite, rows, torch.inf).amin(1)
    high = torch.where(finite, rows, -torch.inf).amax(1)
    count = finite.sum().clamp(min=1)
    mean = torch.where(finite, rows, 0).sum() / count
    std = (torch.where(finite, rows - mean, 0).square().sum() / count).sqrt()
    nan = torch.isnan(rows).sum()
    inf = torch.isinf(rows).sum()
    return torch.cat([low, high, *(x[None].to(rows.dtype) for x in (mean, std, nan, inf))])


def choose(measured: Measured, view: View) -> Colours:
    """The colour map and the ranges: `RdBu_r` centred on 0 for both signs, else `viridis`.

    The rule is xarray's and seaborn's: values on both sides of zero call for a diverging map.
    A diverging map that was asked for by name is centred too; any other runs from low to high.

    Example:
        >>> choose(measure(torch.tensor([[[-1.0, 3.0]]])), View()).high
        array([3.])
    """
    some = measured.low <= measured.high
    low, high = (np.where(some, ends, 0) for ends in (measured.low, measured.high))
    if view.scale == "layer":
        low = np.full_like(low, measured.low.min() if some.any() else 0)
        high = np.full_like(high, measured.high.max() if some.any() else 0)
    both_signs = bool(measured.low.min() < 0 < measured.high.max())
    cmap = view.cmap or (DIVERGING if both_signs else SEQUENTIAL)
    centred = both_signs and is_diverging(cmap)
    if centred:
        high = np.maximum(np.abs(low), np.abs(high))
        low = -high
    return Colours(cmap, centred, view.scale == "channel", low, high)


def paint(values: Tensor, colours: Colours, measured: Measured, padding: int = 0) -> Tensor:
    """Palette indices of planes `(P, H, W)`, uint8, on the planes' device.

    A value's index is the nearest of `LEVELS` equal steps of its plane's range. NaN and infinities
    have indices of their own; a constant plane is striped, since a range of one value says nothing.

    Example:
        >>> flat = torch.tensor([[[0.0, 1.0]]])
        >>> paint(flat, choose(measure(flat), View()), measure(flat))
        tensor([[[  0, 249]]], dtype=torch.uint8)
    """
    low, high = colours.low, colours.high
    with np.errstate(over="ignore"):
        span = high - low
    factor = np.select([span > 1e37, (span > 0) & (span < 1e-35)], [0.5, 2.0**600], 1.0)
    if (factor != 1).any():
        # The range or its steps are out of float32's reach, or even float64's.
        scale = torch.from_numpy(factor)[:, None, None]
        values = exactly(values)
        values = values * scale.to(values.device)
        low, span = low * factor, high * factor - low * factor
    steps = (LEVELS - 1) / np.where(span > 0, span, np.inf)
    start, step = (
        # The dtype first: not every device has float64.
        torch.from_numpy(a).to(values.dtype).to(values.device)[:, None, None]
        for a in (low, steps)
    )
    levels = (values - start).mul_(step)
    if measured.nan or measured.inf:
        levels.nan_to_num_(0)
    indices = levels.round_().clamp_(0, LEVELS - 1).to(torch.uint8)
    _mark(indices, values, measured, own_range=colours.own_range)
    if padding:
        indices.flatten(1)[:, -padding:] = GAP
    return indices


def _mark(indices: Tensor, values: Tensor, measured: Measured, *, own_range: bool) -> None:
    """Write the indices that stand for no value of the range, in place."""
    if measured.constant.any():
        rows, columns = (torch.arange(side, device=values.device) for side in values.shape[1:])
        stripes = (rows[:, None] + columns) % 3 == 0
        constant = torch.from_numpy(measured.constant).to(values.device)[:, None, None]
        if own_range:
            indices.masked_fill_(constant, GAP)
        indices.masked_fill_(constant & stripes, CONSTANT)
    if measured.nan or measured.inf:
        indices[torch.isnan(values)] = NAN
        indices[values == torch.inf] = POSITIVE_INF
        indices[values == -torch.inf] = NEGATIVE_INF


def exactly(values: Tensor) -> Tensor:
    """The values as float64, on the CPU where their device has none (MPS)."""
    return (values.cpu() if values.device.type == "mps" else values).double()
