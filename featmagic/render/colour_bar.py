"""The colours of a figure's tiles from their low end to their high end, in matplotlib's terms."""

from __future__ import annotations

from functools import partial
from math import e, isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featmagic.mosaic import Mosaic, Scale
from featmagic.palette import LEVELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.colors import Normalize

_Values = NDArray[np.float64]


def colour_bar(axes: Axes, mosaic: Mosaic, look: dict[str, Any]) -> Colorbar:
    """A colour bar that fills the axes, with figures at both ends and in the middle.

    Args:
        axes: to draw it in.
        mosaic: its `scale` and its palette; `ends` has the figures.
        look: of the figures, as keyword arguments of a text.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap

    assert mosaic.scale is not None
    norm, places = norm_of(mosaic.scale)
    colours = ListedColormap(mosaic.colours[:LEVELS] / 255)
    bar = axes.figure.colorbar(ScalarMappable(norm, colours), cax=axes, orientation="horizontal")
    bar.minorticks_off()
    bar.set_ticks(places, labels=mosaic.ends)
    axes.tick_params(length=2, width=0.5, pad=1, color="black")
    for tick, side in zip(axes.get_xticklabels(), ("left", "center", "right"), strict=True):
        tick.set(**look, horizontalalignment=side)
    bar.outline.set_visible(False)
    return bar


def norm_of(scale: Scale) -> tuple[Normalize, list[float]]:
    """The norm for the range, and the values at its ends and in its middle.

    A range that is one value, or too large or too small for matplotlib, becomes 0 to 1: the figures
    beside the bar are true all the same.

    Example:
        >>> norm, places = norm_of(Scale(1.0, 10.0, 100.0, "log", None, 1.0))
        >>> type(norm).__name__, places
        ('LogNorm', [1.0, 10.0, 100.0])
    """
    from matplotlib import colors

    low, high, width, middle = scale.low, scale.high, scale.width, scale.center or 0.0
    if not _spannable(low, high):
        return colors.Normalize(0, 1), [0.0, 0.5, 1.0]
    places = [low, scale.middle, high]
    if scale.norm == "log":
        return colors.LogNorm(low, high), places
    if scale.norm == "linear" and scale.center is not None:
        return colors.CenteredNorm(scale.center, high - scale.center), places
    if scale.norm == "linear":
        return colors.Normalize(low, high), places
    if middle:
        how = scale.norm, middle, width
        return colors.FuncNorm((partial(_bent, *how), partial(_straight, *how)), low, high), places
    if scale.norm == "asinh":
        return colors.AsinhNorm(width, low, high), places
    return colors.SymLogNorm(width, linscale=1 - 1 / e, vmin=low, vmax=high, base=e), places


def _spannable(low: float, high: float) -> bool:
    """Whether matplotlib takes the range as it is: else it makes it wider, or overflows."""
    most = max(abs(low), abs(high))
    return isfinite(high - low) and most > 1e-280 and high - low > 1e-14 * most


def _bent(norm: str, middle: float, width: float, values: _Values) -> _Values:
    """Values as asinh and symlog around a centre bend them; matplotlib's own have theirs at 0."""
    ratio = (values - middle) / width
    if norm == "asinh":
        return np.arcsinh(ratio)
    far = np.sign(ratio) * (1 + np.log(np.maximum(np.abs(ratio), 1)))
    return np.where(np.abs(ratio) <= 1, ratio, far)


def _straight(norm: str, middle: float, width: float, bent: _Values) -> _Values:
    """What `_bent` bent, back."""
    if norm == "asinh":
        return np.sinh(bent) * width + middle
    far = np.sign(bent) * np.exp(np.maximum(np.abs(bent), 1) - 1)
    return np.where(np.abs(bent) <= 1, bent, far) * width + middle
