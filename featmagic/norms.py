"""How colours follow values: ranges, and the norms that bend them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featmagic.options.view import View
from featmagic.planes.dtypes import exactly
from featmagic.planes.statistics import Measured
from featmagic.support.errors import FeatmagicError

Ends = NDArray[np.float64]


@dataclass(frozen=True)
class Colours:
    """How values become colours.

    Attributes:
        cmap: the colour map's name.
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
        """Up to which distance from the centre symlog and asinh are linear, `(P,)`."""
        middle = self.center or 0.0
        most = np.maximum(np.abs(self.low - middle), np.abs(self.high - middle))
        width: Ends = np.where(most > 0, most / 100, 1.0)
        return width


def middle_of(colours: Colours) -> float:
    """The value in the middle of the colours, of a range that all planes share.

    Example:
        >>> ends = np.full(1, 1.0), np.full(1, 100.0)
        >>> round(middle_of(Colours("gray", None, False, *ends, "log")), 6)
        10.0
    """
    low, high, width = (float(ends[0]) for ends in (colours.low, colours.high, colours.width))
    if colours.center is not None or colours.norm == "linear":
        return (low + high) / 2
    if colours.norm == "log":
        return float(np.exp((np.log(low) + np.log(high)) / 2))
    ends = np.array([low, high]) / width
    if colours.norm == "asinh":
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


def normed(values: Tensor, colours: Colours) -> tuple[Tensor, Ends, Ends]:
    """Values and ranges, both bent by the norm; the formulas are those of matplotlib's norms."""
    low, high = colours.low, colours.high
    if colours.norm == "linear":
        return values, low, high
    values = exactly(values)
    if colours.norm == "log":
        # A channel without a value above 0 has no range; it is as low as can be everywhere.
        low = np.where(low > 0, low, 1.0)
        least = torch.from_numpy(low)[:, None, None].to(values.device)
        return values.maximum(least).log(), np.log(low), np.log(np.maximum(high, low))
    width = torch.from_numpy(colours.width)[:, None, None].to(values.device)
    middle = colours.center or 0.0
    ratio = (values - middle) / width
    ends = [(end - middle) / colours.width for end in (low, high)]
    if colours.norm == "asinh":
        return ratio.asinh(), np.arcsinh(ends[0]), np.arcsinh(ends[1])
    bent = ratio.where(ratio.abs() <= 1, ratio.sign() * (1 + ratio.abs().log()))
    return bent, _symlog(ends[0]), _symlog(ends[1])
