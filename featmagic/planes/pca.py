"""PCA: the principal components of a layer's channels over its positions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from math import sqrt

import torch
from torch import Tensor

from featmagic.planes.dtypes import to_float64
from featmagic.planes.pairwise import most_compared

_SMALL = 128  # the largest matrix of inner products that is decomposed without a search
_BLOCK = 8  # directions to look for at once, at the least
_MOST = 256  # directions to look among before the exact way is quicker
_AT_ONCE = 2**17  # values to copy as float64 at once
# The largest matrix of inner products that is decomposed at all: eight bytes a pair, and as much
# again four times while it is.
_LARGEST = most_compared(40)


@dataclass(frozen=True, eq=False)
class Components:
    """A basis of the channels, and the range of each coordinate where it was fitted.

    Attributes:
        mean: `(C,)`, where the coordinates are zero.
        axes: `(K, C)`, orthonormal, by decreasing variance; zeros where no direction is left.
        low, high: `(K,)`, so that colors mean the same in a later look.
        approximate: whether the search for the axes had to end early.
    """

    mean: Tensor
    axes: Tensor
    low: Tensor
    high: Tensor
    approximate: bool = False

    def like(self, points: Tensor) -> Components:
        """Return the basis in the dtype and on the device of the points."""
        parts = (self.mean, self.axes, self.low, self.high)
        mean, axes, low, high = (part.to(points.dtype).to(points.device) for part in parts)
        return Components(mean, axes, low, high, self.approximate)

    def mirrored(self, signs: Tensor) -> Components:
        """Return the basis with the axes whose sign is negative turned around."""
        turned = signs.to(self.axes.device) < 0
        return replace(
            self,
            axes=torch.where(turned[:, None], -self.axes, self.axes),
            low=torch.where(turned, -self.high, self.low),
            high=torch.where(turned, -self.low, self.high),
        )


def principal_components(points: Tensor, count: int = 3) -> Components:
    """Return the first principal components of `(n, C)`: n positions of C channels.

    They have the points' device and dtype. Rows with NaN or infinities don't count. The largest
    entry of every axis is positive.
    """
    return shared_components([points], count)


def shared_components(layers: Sequence[Tensor], count: int = 3) -> Components:
    """Return one basis for several layers, `(n, C)` each, so that a color means the same in all.

    The axes are those of most variance within the layers: each layer is centered on its own mean,
    so that no axis is spent on how far the layers are apart, and counts equally, however many
    positions it has and however large its values are. The origin is the mean of the layers' means,
    and the ranges include every layer. The dtype and the device are those of the first layer.
    """
    parts = [_centered(points.detach()) for points in layers]
    if len(parts) > 1:
        parts = [_of_unit_variance(part) for part in parts]
    axes, approximate = _directions([part.centered for part in parts], count)
    means = torch.stack([to_float64(part.mean).cpu() for part in parts])
    origin = means.mean(0)
    squares = torch.zeros(count, dtype=torch.float64, device="cpu")
    low, high = squares + torch.inf, squares - torch.inf
    for part, mean in zip(parts, means, strict=True):
        own_axes = axes.to(part.centered.dtype).to(part.centered.device)
        along = to_float64(own_axes @ part.centered.T).cpu()
        squares += along.square().sum(1)
        if part.is_empty:
            continue
        shift = axes @ (mean - origin)
        low = torch.minimum(low, along.amin(1) * part.unit + shift)
        high = torch.maximum(high, along.amax(1) * part.unit + shift)
    size = squares.sqrt()
    # What rounding alone leaves is no direction.
    longest = max(max(part.centered.shape) for part in parts)
    real = size > 4 * torch.finfo(layers[0].dtype).eps * sqrt(longest) * size[:1]
    low, high = (torch.where(real & (low <= high), ends, 0) for ends in (low, high))
    return Components(origin, axes * real[:, None], low, high, approximate).like(layers[0])


def coordinates(points: Tensor, components: Components) -> Tensor:
    """Return the points `(n, C)` in the basis, `(n, K)`; not finite where a point isn't."""
    # The few rows on the left: torch is several times slower the other way around.
    return (components.axes @ (points.detach() - components.mean).T).T


@dataclass(frozen=True, eq=False)
class _Part:
    """The finite rows of a layer less their mean, in parts of a unit."""

    mean: Tensor
    centered: Tensor
    unit: float
    is_empty: bool = False


def _centered(points: Tensor) -> _Part:
    unit, is_empty = 1.0, False
    if points.device.type == "cuda":
        points = points.double()  # of float32, tensor cores may use 10 bits
    # Subtracting a point first removes exactly what all points share, however large.
    shifted = points - points[:1]
    if not _is_usual(shifted):
        finite = points[torch.isfinite(points).all(1)]
        is_empty = not len(finite)
        points, unit = _scaled(finite)
        shifted = points - points[:1]
    middle = shifted.mean(0)
    return _Part((points[0] + middle) * unit, shifted.sub_(middle), unit, is_empty)


def _of_unit_variance(part: _Part) -> _Part:
    """Scale a layer so that it counts as much as others; what doesn't vary doesn't count."""
    size = float(torch.linalg.vector_norm(part.centered))
    if not size:
        return part
    return replace(part, centered=part.centered.div_(size), unit=part.unit * size)


def _is_usual(values: Tensor) -> bool:
    """Return True if there are values, all finite, whose squares can be summed."""
    if not values.numel():
        return False
    largest = torch.maximum(values.amax(), -values.amin()).item()
    return largest == 0 or 1e-12 < largest < 1e12


def _scaled(points: Tensor) -> tuple[Tensor, float]:
    """Return finite points as float64 from -1 to 1, or one of zeros if empty, and their unit."""
    if not points.numel():
        return points.new_zeros(1, points.shape[1]), 1.0
    points = to_float64(points)
    unit = float(points.abs().amax()) or 1.0
    return points / unit, unit


def _directions(parts: Sequence[Tensor], count: int) -> tuple[Tensor, bool]:
    """Return the `count` directions of most variance, and whether they are only approximate.

    They are float64 on the CPU, and zeros beyond the rank.
    """
    positions, channels = sum(map(len, parts)), parts[0].shape[1]
    axes = torch.zeros(count, channels, dtype=torch.float64, device="cpu")
    smaller = min(positions, channels)
    possible = min(count, smaller)
    if not possible:
        return axes, False
    found, converged = _lanczos(parts, possible) if smaller > _SMALL else (axes, False)
    approximate = not converged and smaller > _LARGEST
    axes[:possible] = found if converged or approximate else _exact(parts, possible)
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    return torch.where(largest < 0, -axes, axes), approximate


def _exact(parts: Sequence[Tensor], count: int) -> Tensor:
    """Find the directions from the smaller of the two matrices of inner products."""
    if sum(map(len, parts)) >= parts[0].shape[1]:
        total = torch.stack([_products(part.T) for part in parts]).sum(0)
        largest: Tensor = torch.linalg.eigh(total)[1][:, -count:].flip(1).T.contiguous()
        return largest
    first = parts[0]
    rows = torch.cat([part.to(first.dtype).to(first.device) for part in parts])
    weights = torch.linalg.eigh(_products(rows))[1][:, -count:].flip(1).T.contiguous()
    axes = (weights.to(rows.dtype).to(rows.device) @ rows).cpu().double()
    orthonormal: Tensor = torch.linalg.qr(axes.T)[0].T.contiguous()
    return orthonormal


def _products(rows: Tensor) -> Tensor:
    """Return the inner products of the rows, float64 on the CPU."""
    empty = to_float64(rows[:, :0])
    total = empty @ empty.T
    for part in map(to_float64, torch.split(rows, max(1, _AT_ONCE // len(rows)), dim=1)):
        total.addmm_(part, part.T)
    return total.cpu()


def _lanczos(parts: Sequence[Tensor], count: int) -> tuple[Tensor, bool]:
    """Find the directions by block Lanczos steps, and return whether they converged soon.

    The long products are computed where the points are, the short ones in float64 on the host.
    """
    block, channels = max(_BLOCK, count + 4), parts[0].shape[1]
    # A generator of its own: torch's random numbers stay as they are.
    random = torch.Generator("cpu").manual_seed(0)
    rows = torch.randn(block, channels, generator=random, dtype=torch.float64, device="cpu")
    basis = images = rows[:0]
    axes, converged = rows[:count], False
    while not converged and len(basis) + block <= min(_MOST, channels):
        new = _beyond(basis, rows)
        rows = torch.zeros_like(new)
        for centered in parts:
            short = new.to(centered.dtype).to(centered.device)
            rows += (short @ centered.T @ centered).cpu().double()
        basis, images = torch.cat([basis, new]), torch.cat([images, rows])
        axes, converged = _best(basis, images, count)
    return axes, converged


def _beyond(basis: Tensor, rows: Tensor) -> Tensor:
    """Return orthonormal rows for the rest of the rows outside the basis; twice, for accuracy."""
    for _ in range(2):
        rows = torch.linalg.qr((rows - rows @ basis.T @ basis).T)[0].T
    return rows.contiguous()  # products of a transposed one are several times slower


def _best(basis: Tensor, images: Tensor, count: int) -> tuple[Tensor, bool]:
    """Return the best directions within the basis, and whether they have converged.

    An axis is off by its residual over the gap to the next value. Where the values are nearly
    equal any mixture of their axes explains as much, so there it needn't be as small.
    """
    values, mixtures = torch.linalg.eigh(basis @ images.T)
    values = values.flip(0)[: count + 1].clamp(min=0)
    mixtures = mixtures.flip(1)[:, :count].T
    axes = mixtures @ basis
    residuals = torch.linalg.vector_norm(mixtures @ images - values[:count, None] * axes, dim=1)
    gaps = values[:-1] - values[1:]
    gaps[1:] = torch.minimum(gaps[1:], gaps[:-1])
    enough = 1e-3 * torch.maximum(gaps, 0.1 * values[:-1]) + 1e-6 * values[0]
    return axes, bool((residuals <= enough).all())
