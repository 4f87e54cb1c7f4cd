"""PCA: the principal components of a layer's channels over its positions."""

from __future__ import annotations

from dataclasses import dataclass
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


def principal_components(points: Tensor, count: int = 3) -> Components:
    """Return the first principal components of `(n, C)`: n positions of C channels.

    They have the points' device and dtype. Rows with NaN or infinities don't count. The largest
    entry of every axis is positive.
    """
    mean, centered, unit = _centered(points.detach())
    axes, approximate = _directions(centered, count)
    axes = axes.to(centered.dtype).to(centered.device)
    along = axes @ centered.T
    size = torch.linalg.vector_norm(along, dim=1)
    # What rounding alone leaves is no direction.
    rounding = 4 * torch.finfo(points.dtype).eps * sqrt(max(centered.shape))
    real = size > rounding * size[:1]
    low, high = (ends * real * unit for ends in (along.amin(1), along.amax(1)))
    return Components(mean, axes * real[:, None], low, high, approximate).like(points)


def coordinates(points: Tensor, components: Components) -> Tensor:
    """Return the points `(n, C)` in the basis, `(n, K)`; not finite where a point isn't."""
    # The few rows on the left: torch is several times slower the other way around.
    return (components.axes @ (points.detach() - components.mean).T).T


def _centered(points: Tensor) -> tuple[Tensor, Tensor, float]:
    """Return the mean of the finite rows, the rows less their mean, and the unit of the latter."""
    unit = 1.0
    if points.device.type == "cuda":
        points = points.double()  # of float32, tensor cores may use 10 bits
    # Subtracting a point first removes exactly what all points share, however large.
    shifted = points - points[:1]
    if not _is_usual(shifted):
        points, unit = _scaled(points[torch.isfinite(points).all(1)])
        shifted = points - points[:1]
    middle = shifted.mean(0)
    return (points[0] + middle) * unit, shifted.sub_(middle), unit


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


def _directions(centered: Tensor, count: int) -> tuple[Tensor, bool]:
    """Return the `count` directions of most variance, and whether they are only approximate.

    They are float64 on the CPU, and zeros beyond the rank.
    """
    axes = torch.zeros(count, centered.shape[1], dtype=torch.float64, device="cpu")
    possible, smaller = min(count, *centered.shape), min(centered.shape)
    if not possible:
        return axes, False
    found, converged = _lanczos(centered, possible) if smaller > _SMALL else (axes, False)
    approximate = not converged and smaller > _LARGEST
    axes[:possible] = found if converged or approximate else _exact(centered, possible)
    largest = axes.gather(1, axes.abs().argmax(1, keepdim=True))
    return torch.where(largest < 0, -axes, axes), approximate


def _exact(centered: Tensor, count: int) -> Tensor:
    """Find the directions from the smaller of the two matrices of inner products."""
    wide = len(centered) < centered.shape[1]
    vectors = torch.linalg.eigh(_products(centered if wide else centered.T))[1]
    rows: Tensor = vectors[:, -count:].flip(1).T.contiguous()
    if wide:
        rows = (rows.to(centered.dtype).to(centered.device) @ centered).cpu().double()
        rows = torch.linalg.qr(rows.T)[0].T.contiguous()
    return rows


def _products(rows: Tensor) -> Tensor:
    """Return the inner products of the rows, float64 on the CPU."""
    empty = to_float64(rows[:, :0])
    total = empty @ empty.T
    for part in map(to_float64, torch.split(rows, max(1, _AT_ONCE // len(rows)), dim=1)):
        total.addmm_(part, part.T)
    return total.cpu()


def _lanczos(centered: Tensor, count: int) -> tuple[Tensor, bool]:
    """Find the directions by block Lanczos steps, and return whether they converged soon.

    The long products are computed where the points are, the short ones in float64 on the host.
    """
    block, channels = max(_BLOCK, count + 4), centered.shape[1]
    # A generator of its own: torch's random numbers stay as they are.
    random = torch.Generator("cpu").manual_seed(0)
    rows = torch.randn(block, channels, generator=random, dtype=torch.float64, device="cpu")
    basis = images = rows[:0]
    axes, converged = rows[:count], False
    while not converged and len(basis) + block <= min(_MOST, channels):
        new = _beyond(basis, rows)
        part = new.to(centered.dtype).to(centered.device)
        rows = (part @ centered.T @ centered).cpu().double()
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
