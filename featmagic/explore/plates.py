"""Planes as bytes: an 8-bit grey PNG, with a range and statistics for each plane."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featmagic.colour import levels, paint
from featmagic.explore.spread import Spread
from featmagic.joining import shrunk
from featmagic.measure import Measured
from featmagic.mosaic import Pixels
from featmagic.norms import Colours
from featmagic.palette import GAP
from featmagic.reals import exactly
from featmagic.render.encoding import grey

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


@dataclass(frozen=True, eq=False)
class Plate:
    """The planes of one layer and one sample, as they travel.

    Attributes:
        sample: which.
        png: 8-bit grey, the planes under each other. A byte b below 248 is the value
            low + b / 247 * (high - low) of its plane; others are as in `palette`.
        size: of a plane in the PNG, (height, width).
        full: of a plane in the tensor.
        shrink: how many values a side are averaged to one.
        channels: which planes are in the PNG: all, unless some are left out.
        figures: of those.
        prefix: what the prefix tokens have in each of those, `(P, T)`, and their names.
    """

    sample: int
    png: bytes
    size: tuple[int, int]
    full: tuple[int, int]
    shrink: int
    channels: tuple[int, ...]
    figures: Figures
    prefix: tuple[Row, tuple[str, ...]] | None = None


def plate(one: Spread, sample: int = 0, shrink: int = 1, most: int | None = None) -> Plate:
    """The planes as bytes, made on their device: one byte a value leaves it.

    Args:
        one: the planes.
        sample: which they are of.
        shrink: how many values a side are averaged to one.
        most: how many planes, the first ones; all, if None.

    Example:
        >>> import torch
        >>> from featmagic.recording.records import Activation
        >>> from featmagic.explore.spread import spread
        >>> from featmagic.options.view import View
        >>> act = Activation("act", "act", "ReLU", 1, torch.tensor([[[[1.0, 3.0]]]]))
        >>> made = plate(spread(act, View(layout="NCHW")))
        >>> made.size, made.figures.low, made.figures.high
        ((1, 2), array([1.]), array([3.]))
    """
    values = one.values[:most]
    figures = figures_of(values, one.padding)
    pixels = _coded(values, figures, one.padding, shrink)
    height, width = pixels.shape[1:]
    prefix = one.prefix and (exactly(one.prefix[0][:most]).cpu().numpy(), one.prefix[1])
    return Plate(
        sample=sample,
        png=grey(pixels.reshape(-1, width)),
        size=(height, width),
        full=(values.shape[1], values.shape[2]),
        shrink=shrink,
        channels=one.channels[:most],
        figures=figures,
        prefix=prefix,
    )


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
    plain &= (span >= _SMALL) | (span == 0)
    brought = _brought([low, high, mean, spread, absmean, zeros, plain])
    if not brought[-1].all():
        return _finite_figures(exactly(rows))
    return Figures(*brought[:6], *np.zeros((2, len(rows))))


_SMALL = 1e-15  # squares of smaller spans are out of float32's reach


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
    return Figures(*_brought(parts))


def _brought(parts: list[Tensor]) -> list[Row]:
    kind = torch.float32 if parts[0].device.type == "mps" else torch.float64
    together: Row = torch.stack([part.to(kind) for part in parts]).cpu().double().numpy()
    return list(together)


def _coded(values: Tensor, figures: Figures, padding: int, shrink: int) -> Pixels:
    """A byte for each value, `(P, h, w)`."""
    some = figures.low <= figures.high
    low, high = np.where(some, [figures.low, figures.high], 0.0)
    strange = figures.nan + figures.inf
    measured = Measured(low, high, low, high, strange, 0.0, 0.0, nan=int(strange.any()))
    colours = Colours("", None, True, low, high)
    found = levels(values, colours)
    if padding:
        found.flatten(1)[:, -padding:] = 0  # `shrunk` counts it in no average
    found, padding = shrunk(found, shrink, padding)
    codes: Pixels = paint(found, colours, measured, hatch=False).cpu().numpy()
    if padding:
        codes.reshape(len(codes), -1)[:, -padding:] = GAP
    return codes


def dead_in(one: Spread) -> tuple[int, int]:
    """How many channels hold one finite value only, and of how many that can be told.

    Example:
        >>> import torch
        >>> from featmagic.recording.records import Activation
        >>> from featmagic.explore.spread import spread
        >>> from featmagic.options.view import View
        >>> act = Activation("act", "act", "ReLU", 1, torch.zeros(1, 3, 2, 2))
        >>> dead_in(spread(act, View(layout="NCHW")))
        (3, 3)
    """
    rows = one.lines.flatten(1)
    if rows.shape[1] < 2:
        return 0, 0
    low = rows.amin(1)
    return int(((low == rows.amax(1)) & torch.isfinite(low)).sum()), len(rows)
