"""From planes to palette indices: ranges, the color map, and colors for what has no value."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featmagic.options.colormaps import DIVERGING, SEQUENTIAL, is_diverging
from featmagic.options.view import View
from featmagic.planes.dtypes import to_float64
from featmagic.planes.statistics import Measured
from featmagic.render.palette import CONSTANT, GAP, LEVELS, NAN, NEGATIVE_INF, POSITIVE_INF
from featmagic.support.errors import FeatmagicError


def scale_of(view: View, form: str = "tiles") -> str:
    """Who shares a range: `channel`, `layer` or `all`; a heat map's rows do, if nothing is said.

    Example:
        >>> scale_of(View()), scale_of(View(vmax=3)), scale_of(View(), "rows")
        ('channel', 'layer', 'layer')
    """
    if view.scale is not None:
        return view.scale
    given = view.vmin is not None or view.vmax is not None
    return "layer" if given or form != "tiles" else "channel"


def choose_range(
    measured: Measured,
    view: View,
    *,
    scale: str = "channel",
    signed: bool = False,
    shown: Sequence[Measured] = (),
) -> Range:
    """The color map and the ranges: `RdBu_r` centered on 0 for both signs, else `viridis`.

    The rule is xarray's and seaborn's: values on both sides of zero call for a diverging map.
    A diverging map that was asked for by name is centered too; any other runs from low to high.

    Args:
        measured: the layer's planes.
        view: its `cmap`, `center`, `vmin`, `vmax` and `norm`.
        scale: who shares a range, by `scale_of`.
        signed: whether 0 is the middle, whatever the values.
        shown: all layers that share the range, where `scale` is `all`.

    Example:
        >>> from featmagic.planes.statistics import measure
        >>> choose_range(measure(torch.tensor([[[-1.0, 3.0]]])), View()).high
        array([3.])
    """
    sharing = shown if scale == "all" and shown else [measured]
    low, high = np.where(measured.some, [measured.inner_low, measured.inner_high], 0.0)
    low = np.where(np.isfinite(low), low, high)  # of no value above 0, for a logarithm
    if scale != "channel":
        low, high = (np.full_like(low, end) for end in _range_of(sharing))
    low = low if view.vmin is None else np.full_like(low, view.vmin)
    high = np.maximum(high, low) if view.vmax is None else np.full_like(high, view.vmax)
    low = np.minimum(low, high)
    both_signs = bool(low.min() < 0 < high.max())
    cmap, center = _map_and_center(view, both_signs=both_signs, signed=signed)
    if center is not None:
        low, high = _around(center, low, high, view)
    return Range(cmap, center, scale == "channel", low, high, view.norm)


def _around(center: float, low: Ends, high: Ends, view: View) -> tuple[Ends, Ends]:
    """The range with the center in its middle: a given end is mirrored, never moved."""
    most = np.maximum(np.abs(low - center), np.abs(high - center))
    if view.vmin is not None:
        most = np.full_like(low, center - view.vmin)
    elif view.vmax is not None:
        most = np.full_like(low, view.vmax - center)
    return center - most, center + most


def _range_of(sharing: Sequence[Measured]) -> tuple[float, float]:
    some = [m for m in sharing if m.some.any()]
    low = min((float(m.inner_low[m.some].min()) for m in some), default=0.0)
    return low, max((float(m.inner_high[m.some].max()) for m in some), default=0.0)


def _map_and_center(view: View, *, both_signs: bool, signed: bool) -> tuple[str, float | None]:
    around_0 = (both_signs or signed) and view.norm != "log" and view.may_center
    cmap = view.cmap or (DIVERGING if around_0 or view.center is not None else SEQUENTIAL)
    if view.center is not None:
        return cmap, view.center
    return cmap, 0.0 if around_0 and is_diverging(cmap) else None


def clipped(values: Tensor, colors: Range, measured: Measured) -> int:
    """How many finite values of planes `(P, H, W)` lie outside of their plane's range.

    Example:
        >>> from featmagic.planes.statistics import measure
        >>> values = torch.tensor([[[0.0, 5.0]]])
        >>> clipped(values, choose_range(measure(values), View(vmax=3.0)), measure(values))
        1
    """
    inside = (measured.low >= colors.low) & (measured.high <= colors.high)
    if (inside | ~measured.some).all():
        return 0  # nothing has to be counted, and nothing brought over
    low, high = (torch.from_numpy(a)[:, None, None] for a in (colors.low, colors.high))
    values = to_float64(values)
    outside = (values < low.to(values.device)) | (values > high.to(values.device))
    return int((outside & torch.isfinite(values)).sum())


def levels(values: Tensor, colors: Range) -> Tensor:
    """Where planes `(P, H, W)` lie in their ranges: 0 to `LEVELS` - 1, beyond where they do.

    Example:
        >>> from featmagic.planes.statistics import measure
        >>> flat = torch.tensor([[[0.0, 0.5, 1.0]]])
        >>> levels(flat, choose_range(measure(flat), View())).tolist()
        [[[0.0, 123.5, 247.0]]]
    """
    values, low, high = apply_norm(values, colors)
    with np.errstate(over="ignore"):
        span = high - low
    factor = np.select([span > 1e37, (span > 0) & (span < 1e-35)], [0.5, 2.0**600], 1.0)
    if (factor != 1).any():
        # The range or its steps are out of float32's reach, or even float64's.
        scale = torch.from_numpy(factor)[:, None, None]
        values = to_float64(values)
        values = values * scale.to(values.device)
        low, span = low * factor, high * factor - low * factor
    steps = (LEVELS - 1) / np.where(span > 0, span, np.inf)
    start, step = (
        # The dtype first: not every device has float64.
        torch.from_numpy(a).to(values.dtype).to(values.device)[:, None, None]
        for a in (low, steps)
    )
    found = (values - start).mul_(step)
    if (span <= 0).any():  # infinities times nothing; a range of one value lies at its low end
        found = torch.where(torch.isinf(values), values, found)
    return found


def palette_indices(
    found: Tensor, colors: Range, measured: Measured, *, hatch: bool = True
) -> Tensor:
    """Palette indices of `levels`, uint8, on their device; the levels are written over.

    A value's index is the nearest of `LEVELS` equal steps of its plane's range. NaN and infinities
    have indices of their own. A plane of one value is framed and hatched; beside the lines of a
    hatch on the value's own color are darker ones, as that may be as light as they.

    Example:
        >>> from featmagic.planes.statistics import measure
        >>> flat = torch.tensor([[[0.0, 1.0]]])
        >>> colors = choose_range(measure(flat), View())
        >>> palette_indices(levels(flat, colors), colors, measure(flat))
        tensor([[[  0, 247]]], dtype=torch.uint8)
    """
    nonfinite = _nonfinite(found) if measured.nan or measured.inf else []
    if nonfinite:
        found = found.nan_to_num(0)
    indices = found.round_().clamp_(0, LEVELS - 1).to(torch.uint8)
    if hatch and measured.constant.any():
        _mark_constant(indices, measured, own_range=colors.own_range)
    for index, where in nonfinite:
        indices[where] = index
    return indices


def _nonfinite(found: Tensor) -> list[tuple[int, Tensor]]:
    return [
        (NAN, torch.isnan(found)),
        (POSITIVE_INF, found == torch.inf),
        (NEGATIVE_INF, found == -torch.inf),
    ]


def _mark_constant(indices: Tensor, measured: Measured, *, own_range: bool) -> None:
    """Frame and hatch the planes of one value, in place: a range of one value says nothing."""
    height, width = indices.shape[1:]
    rows, columns = (torch.arange(side, device=indices.device) for side in (height, width))
    diagonals = (rows[:, None] + columns) % 3
    marks = diagonals == 0
    if min(height, width) > 4:
        marks[0], marks[-1], marks[:, 0], marks[:, -1] = True, True, True, True
    for place in np.flatnonzero(measured.constant).tolist():
        if own_range:
            indices[place] = GAP
        else:
            indices[place].masked_fill_(diagonals == 1, GAP)
        indices[place].masked_fill_(marks, CONSTANT)


Ends = NDArray[np.float64]


@dataclass(frozen=True)
class Range:
    """How values become colors.

    Attributes:
        cmap: the color map's name.
        center: the value in its middle, if there is one.
        own_range: whether each plane has a range of its own.
        low, high: `(P,)`, each plane's range.
        norm: how levels follow values: `linear`, `log`, `symlog` or `asinh`.
    """

    cmap: str
    center: float | None
    own_range: bool
    low: Ends
    high: Ends
    norm: str = "linear"

    @property
    def width(self) -> Ends:
        """Up to which distance from the center symlog and asinh are linear, `(P,)`."""
        middle = self.center or 0.0
        most = np.maximum(np.abs(self.low - middle), np.abs(self.high - middle))
        width: Ends = np.where(most > 0, most / 100, 1.0)
        return width


def middle_of(colors: Range) -> float:
    """The value in the middle of the colors, of a range that all planes share.

    Example:
        >>> ends = np.full(1, 1.0), np.full(1, 100.0)
        >>> round(middle_of(Range("gray", None, False, *ends, "log")), 6)
        10.0
    """
    low, high, width = (float(ends[0]) for ends in (colors.low, colors.high, colors.width))
    if colors.center is not None or colors.norm == "linear":
        return (low + high) / 2
    if colors.norm == "log":
        return float(np.exp((np.log(low) + np.log(high)) / 2))
    ends = np.array([low, high]) / width
    if colors.norm == "asinh":
        return float(np.sinh(np.arcsinh(ends).mean()) * width)
    bent = _symlog(ends).mean()
    return float((bent if abs(bent) <= 1 else np.sign(bent) * np.exp(abs(bent) - 1)) * width)


def _symlog(ratio: Ends) -> Ends:
    far = np.sign(ratio) * (1 + np.log(np.maximum(np.abs(ratio), 1)))
    return np.where(np.abs(ratio) <= 1, ratio, far)


def check_norm(measured: Measured, view: View, key: str) -> None:
    """Refuse what has no logarithm.

    Raises:
        FeatmagicError: `--norm log` with no value above 0, or a range that doesn't begin there.

    Example:
        >>> from featmagic.planes.statistics import measure
        >>> check_norm(measure(torch.ones(1, 1, 2)), View(norm="log"), "relu")
    """
    if view.norm != "log":
        return
    if view.center is not None or (view.vmin is not None and view.vmin <= 0):
        raise FeatmagicError("--norm log needs a range above 0, without a centre: or take symlog.")
    if measured.high.max() <= 0:
        raise FeatmagicError(f"{key} has no value above 0 for --norm log: symlog takes any.")


def apply_norm(values: Tensor, colors: Range) -> tuple[Tensor, Ends, Ends]:
    """Values and ranges, both bent by the norm; the formulas are those of matplotlib's norms."""
    low, high = colors.low, colors.high
    if colors.norm == "linear":
        return values, low, high
    values = to_float64(values)
    if colors.norm == "log":
        # A channel without a value above 0 has no range; it is as low as can be everywhere.
        low = np.where(low > 0, low, 1.0)
        least = torch.from_numpy(low)[:, None, None].to(values.device)
        return values.maximum(least).log(), np.log(low), np.log(np.maximum(high, low))
    width = torch.from_numpy(colors.width)[:, None, None].to(values.device)
    middle = colors.center or 0.0
    ratio = (values - middle) / width
    ends = [(end - middle) / colors.width for end in (low, high)]
    if colors.norm == "asinh":
        return ratio.asinh(), np.arcsinh(ends[0]), np.arcsinh(ends[1])
    bent = ratio.where(ratio.abs() <= 1, ratio.sign() * (1 + ratio.abs().log()))
    return bent, _symlog(ends[0]), _symlog(ends[1])
