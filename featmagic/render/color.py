"""From planes to palette indices: norms, ranges, and colors for what has no value."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import e
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featmagic.options.colormaps import DIVERGING, SEQUENTIAL, is_diverging
from featmagic.options.view import View
from featmagic.planes.dtypes import Pixels, to_float64
from featmagic.planes.measurements import Array, to_host
from featmagic.planes.statistics import Statistics
from featmagic.render.palette import CONSTANT, GAP, LEVELS, NAN, NEGATIVE_INF, POSITIVE_INF
from featmagic.support.errors import FeatmagicError

if TYPE_CHECKING:
    from matplotlib.colors import Normalize


@dataclass(frozen=True)
class Norm:
    """How colors follow values; the formulas are those of matplotlib's norms.

    Attributes:
        forward: from values, the center and the linear width to numbers on which levels are evenly
            spaced. Takes NumPy arrays and tensors.
        inverse: back to the values, of NumPy arrays.
        matplotlib: the same as matplotlib's norm, from low, high, the center or None, and the
            linear width.
        positive: whether only values above 0 can be drawn.
    """

    forward: Callable[[Any, float, Any], Any]
    inverse: Callable[[Any, float, Any], Any]
    matplotlib: Callable[[float, float, float | None, float], Normalize]
    positive: bool = False


def _library(values: Tensor | Array) -> Any:
    """The functions for the values: NumPy's and torch's have the same names."""
    return torch if isinstance(values, Tensor) else np


def _linear(values: Any, center: float, width: Any) -> Any:
    return values


def _matplotlib_linear(low: float, high: float, center: float | None, width: float) -> Normalize:
    from matplotlib.colors import CenteredNorm, Normalize

    return Normalize(low, high) if center is None else CenteredNorm(center, high - center)


def _log(values: Any, center: float, width: Any) -> Any:
    return _library(values).log(values)


def _inverse_log(logs: Any, center: float, width: Any) -> Any:
    return np.exp(logs)


def _matplotlib_log(low: float, high: float, center: float | None, width: float) -> Normalize:
    from matplotlib.colors import LogNorm

    return LogNorm(low, high)


def _symlog(values: Any, center: float, width: Any) -> Any:
    library, ratio = _library(values), (values - center) / width
    magnitude = abs(ratio)
    far = library.sign(ratio) * (1 + library.log(library.clip(magnitude, 1, None)))
    return library.where(magnitude <= 1, ratio, far)


def _inverse_symlog(bent: Any, center: float, width: Any) -> Any:
    far = np.sign(bent) * np.exp(np.maximum(np.abs(bent), 1) - 1)
    return np.where(np.abs(bent) <= 1, bent, far) * width + center


def _matplotlib_symlog(low: float, high: float, center: float | None, width: float) -> Normalize:
    from matplotlib.colors import FuncNorm, SymLogNorm

    if center:  # matplotlib's own is centered on 0
        how = {"center": center, "width": width}
        return FuncNorm((partial(_symlog, **how), partial(_inverse_symlog, **how)), low, high)
    return SymLogNorm(width, linscale=1 - 1 / e, vmin=low, vmax=high, base=e)


def _asinh(values: Any, center: float, width: Any) -> Any:
    return _library(values).arcsinh((values - center) / width)


def _inverse_asinh(bent: Any, center: float, width: Any) -> Any:
    return np.sinh(bent) * width + center


def _matplotlib_asinh(low: float, high: float, center: float | None, width: float) -> Normalize:
    from matplotlib.colors import AsinhNorm, FuncNorm

    if center:  # matplotlib's own is centered on 0
        how = {"center": center, "width": width}
        return FuncNorm((partial(_asinh, **how), partial(_inverse_asinh, **how)), low, high)
    return AsinhNorm(width, low, high)


# The names are the choices of the view's `norm`.
NORMS = {
    "linear": Norm(_linear, _linear, _matplotlib_linear),
    "log": Norm(_log, _inverse_log, _matplotlib_log, positive=True),
    "symlog": Norm(_symlog, _inverse_symlog, _matplotlib_symlog),
    "asinh": Norm(_asinh, _inverse_asinh, _matplotlib_asinh),
}


@dataclass(frozen=True)
class Range:
    """How the values of planes become colors.

    Attributes:
        cmap: the color map's name.
        center: the value in its middle, if there is one.
        own_range: whether each plane has a range of its own.
        low, high: `(P,)`, the range of each plane.
        norm: how colors follow values, a name in `NORMS`.
    """

    cmap: str
    center: float | None
    own_range: bool
    low: Array
    high: Array
    norm: str = "linear"

    @property
    def width(self) -> Array:
        """Up to which distance from the center symlog and asinh are linear, `(P,)`."""
        middle = self.center or 0.0
        most = np.maximum(np.abs(self.low - middle), np.abs(self.high - middle))
        width: Array = np.where(most > 0, most / 100, 1.0)
        return width


def scale_of(view: View, form: str = "tiles") -> str:
    """Return who shares a range: `channel`, `layer` or `all`; by default heat maps share one."""
    if view.scale is not None:
        return view.scale
    given = view.vmin is not None or view.vmax is not None
    return "layer" if given or form != "tiles" else "channel"


def choose_range(
    statistics: Statistics,
    view: View,
    *,
    scale: str = "channel",
    signed: bool = False,
    shown: Sequence[Statistics] = (),
) -> Range:
    """Choose the color map and the ranges: `RdBu_r` centered on 0 for both signs, else `viridis`.

    The rule is xarray's and seaborn's: values on both sides of zero call for a diverging map.
    A diverging map that was asked for by name is centered too; any other runs from low to high.

    Args:
        statistics: of the layer's planes.
        view: its `cmap`, `center`, `vmin`, `vmax` and `norm`.
        scale: who shares a range, by `scale_of`.
        signed: True to center the range on 0, whatever the values.
        shown: all layers that share the range if `scale` is `all`.

    Example:
        >>> from featmagic.planes.statistics import measure
        >>> choose_range(measure(torch.tensor([[[-1.0, 3.0]]])), View()).low
        array([-3.])
    """
    sharing = shown if scale == "all" and shown else [statistics]
    inner = [statistics.inner_low, statistics.inner_high]
    low, high = np.where(statistics.has_finite, inner, 0.0)
    low = np.where(np.isfinite(low), low, high)  # of no value above 0, for a logarithm
    if scale != "channel":
        low, high = (np.full_like(low, end) for end in _shared_range(sharing))
    low = low if view.vmin is None else np.full_like(low, view.vmin)
    high = np.maximum(high, low) if view.vmax is None else np.full_like(high, view.vmax)
    low = np.minimum(low, high)
    both_signs = bool(low.min() < 0 < high.max())
    cmap, center = _map_and_center(view, both_signs=both_signs, signed=signed)
    if center is not None:
        low, high = _around(center, low, high, view)
    return Range(cmap, center, scale == "channel", low, high, view.norm)


def _shared_range(sharing: Sequence[Statistics]) -> tuple[float, float]:
    layers = [layer for layer in sharing if layer.has_finite.any()]
    low = min((float(layer.inner_low[layer.has_finite].min()) for layer in layers), default=0.0)
    high = max((float(layer.inner_high[layer.has_finite].max()) for layer in layers), default=0.0)
    return low, high


def _map_and_center(view: View, *, both_signs: bool, signed: bool) -> tuple[str, float | None]:
    around_0 = (both_signs or signed) and not NORMS[view.norm].positive and view.may_center
    cmap = view.cmap or (DIVERGING if around_0 or view.center is not None else SEQUENTIAL)
    if view.center is not None:
        return cmap, view.center
    return cmap, 0.0 if around_0 and is_diverging(cmap) else None


def _around(center: float, low: Array, high: Array, view: View) -> tuple[Array, Array]:
    """The range with the center in its middle: a given end is mirrored, never moved."""
    most = np.maximum(np.abs(low - center), np.abs(high - center))
    if view.vmin is not None:
        most = np.full_like(low, center - view.vmin)
    elif view.vmax is not None:
        most = np.full_like(low, view.vmax - center)
    return center - most, center + most


def is_signed(color_range: Range) -> bool:
    """Return True if the colors tell both signs: a diverging map around its center."""
    return color_range.center is not None and is_diverging(color_range.cmap)


def signed_opacity(place: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return how opaque the colors of a diverging map lie on a picture, from places 0 to 1 in it.

    It rises faster than the distance from the middle: what is weak, as most of a feature map is, is
    still told from what is absent.
    """
    opacity: NDArray[np.float64] = np.abs(2 * place - 1) ** (2 / 3)
    return opacity


def tints(colors: Pixels) -> Pixels:
    """Return the colors `(256, 3)` of a diverging map's palette for a gray picture below them.

    Each half has its most saturated color throughout: in the map itself what is weak is pale, and
    lightness is what the picture below consists of. Opacity tells strength instead.
    """
    tinted: Pixels = colors.copy()
    half = LEVELS // 2
    for side in slice(0, half), slice(half, LEVELS):
        tinted[side] = colors[side][np.ptp(colors[side].astype(int), 1).argmax()]
    return tinted


def in_gray(pixels: Pixels) -> Pixels:
    """Return RGB pixels without their colors, for signed colors on them (weights of ITU-R BT.601).

    Black becomes a dark gray and white a light one, on which both colors are seen.
    """
    luma = pixels @ np.array([0.299, 0.587, 0.114])
    gray: Pixels = np.repeat((48 + luma * (160 / 255)).round().astype(np.uint8)[..., None], 3, -1)
    return gray


def check_norm(statistics: Statistics, view: View, key: str) -> None:
    """Check that there are values the view's norm can draw.

    Raises:
        FeatmagicError: `--norm log` without a value above 0, or with a range that begins below.
    """
    if not NORMS[view.norm].positive:
        return
    if view.center is not None or (view.vmin is not None and view.vmin <= 0):
        raise FeatmagicError("--norm log needs a range above 0, without a center: or use symlog.")
    if statistics.high.max() <= 0:
        raise FeatmagicError(f"{key} has no value above 0 for --norm log: symlog takes any.")


def middle_of(color_range: Range) -> float:
    """Return the value in the middle of the colors, of a range that all planes share."""
    low, high, width = (
        float(ends[0]) for ends in (color_range.low, color_range.high, color_range.width)
    )
    if color_range.center is not None or color_range.norm == "linear":
        return (low + high) / 2
    norm = NORMS[color_range.norm]
    return float(norm.inverse(norm.forward(np.array([low, high]), 0.0, width).mean(), 0.0, width))


def clipped(values: Tensor, color_range: Range, statistics: Statistics) -> int:
    """Count the finite values of planes `(P, H, W)` that lie outside of their plane's range."""
    inside = (statistics.low >= color_range.low) & (statistics.high <= color_range.high)
    if (inside | ~statistics.has_finite).all():
        return 0  # nothing has to be counted, and nothing brought over
    values = to_float64(values)
    low, high = (_by_plane(ends, values) for ends in (color_range.low, color_range.high))
    outside = ((values < low) | (values > high)) & torch.isfinite(values)
    return int(to_host({"clipped": outside.sum()})[0]["clipped"])


def _by_plane(numbers: Array, values: Tensor) -> Tensor:
    """A number for each plane, `(P, 1, 1)`, in the dtype and on the device of the values."""
    # The dtype first: not every device has float64.
    return torch.from_numpy(numbers).to(values.dtype).to(values.device)[:, None, None]


def apply_norm(values: Tensor, color_range: Range) -> tuple[Tensor, Array, Array]:
    """Apply the range's norm to planes `(P, H, W)` and to the ends of their ranges."""
    norm, low, high = NORMS[color_range.norm], color_range.low, color_range.high
    if color_range.norm == "linear":
        return values, low, high
    values = to_float64(values)
    if norm.positive:
        # A plane without a value above 0 has no range; it is as low as can be everywhere.
        low = np.where(low > 0, low, 1.0)
        high = np.maximum(high, low)
        values = values.maximum(_by_plane(low, values))
    center, width = color_range.center or 0.0, color_range.width
    bent = norm.forward(values, center, _by_plane(width, values))
    return bent, norm.forward(low, center, width), norm.forward(high, center, width)


def levels(values: Tensor, low: Array, high: Array) -> Tensor:
    """Place planes in their ranges: 0 to `LEVELS` - 1, and beyond where values are outside.

    Example:
        >>> levels(torch.tensor([[[0.0, 1.0, 2.0]]]), np.zeros(1), np.full(1, 2.0)).tolist()
        [[[0.0, 119.5, 239.0]]]
    """
    with np.errstate(over="ignore"):
        span = high - low
    factor = np.select([span > 1e37, (span > 0) & (span < 1e-35)], [0.5, 2.0**600], 1.0)
    if (factor != 1).any():
        # The range or its steps are out of float32's reach, or even float64's.
        values = to_float64(values)
        values = values * _by_plane(factor, values)
        low, span = low * factor, high * factor - low * factor
    steps = (LEVELS - 1) / np.where(span > 0, span, np.inf)
    placed = (values - _by_plane(low, values)).mul_(_by_plane(steps, values))
    if (span <= 0).any():  # infinities times nothing; a range of one value lies at its low end
        flat = torch.from_numpy(np.flatnonzero(span <= 0)).to(values.device)
        infinite = values[flat]
        placed[flat] = torch.where(torch.isinf(infinite), infinite, placed[flat])
    return placed


def palette_indices(
    levels: Tensor,
    *,
    nonfinite: bool,
    constant: NDArray[np.bool_] | None = None,
    own_range: bool = True,
) -> Tensor:
    """Turn levels into palette indices, uint8, on their device; the levels are overwritten.

    The index of a value is the nearest of `LEVELS` equal steps of its plane's range. NaN and
    infinities have indices of their own. Constant planes are framed and hatched: a range of one
    value says nothing.

    Args:
        levels: `(P, H, W)`.
        nonfinite: whether there may be NaN or infinities among them.
        constant: `(P,)`, which planes are marked as constant; None for none.
        own_range: whether each plane has its own range, so that a constant one has no color.

    Example:
        >>> palette_indices(torch.tensor([[[0.2, 239.0, torch.nan]]]), nonfinite=True)
        tensor([[[  0, 239, 243]]], dtype=torch.uint8)
    """
    masks = {}
    if nonfinite:
        infinite = {POSITIVE_INF: levels == torch.inf, NEGATIVE_INF: levels == -torch.inf}
        masks = {NAN: levels.isnan(), **infinite}
        levels = levels.nan_to_num(0)
    indices = levels.round_().clamp_(0, LEVELS - 1).to(torch.uint8)
    if constant is not None and constant.any():
        _mark_constant(indices, constant, own_range=own_range)
    for index, mask in masks.items():
        indices[mask] = index
    return indices


def _mark_constant(indices: Tensor, constant: NDArray[np.bool_], *, own_range: bool) -> None:
    """Frame and hatch the constant planes, in place.

    On the value's own color, which may be as light as the lines of the hatch, there are darker
    lines beside them.
    """
    height, width = indices.shape[1:]
    rows, columns = (torch.arange(side, device=indices.device) for side in (height, width))
    diagonals = (rows[:, None] + columns) % 3
    marks = diagonals == 0
    if min(height, width) > 4:
        marks[0], marks[-1], marks[:, 0], marks[:, -1] = True, True, True, True
    places = torch.from_numpy(np.flatnonzero(constant)).to(indices.device)
    if own_range:
        planes = torch.full_like(indices[:1], GAP)
    else:
        planes = indices[places].masked_fill_(diagonals == 1, GAP)
    indices[places] = planes.masked_fill_(marks, CONSTANT)
