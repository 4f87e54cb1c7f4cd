"""A layer's channels put together in one picture."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from featmagic.planes.pca import Components, coordinates, principal_components
from featmagic.planes.planes import Planes
from featmagic.recording.layer_cache import LayerCache
from featmagic.support.errors import FeatmagicError

# Bases that were named, for several models; those without a name are kept with their layer.
_NAMED: dict[str, Components] = {}


def reduce(stack: Planes, how: str) -> Planes:
    """One plane in place of the channels: their mean, max, absmax or (Euclidean) norm.

    Example:
        >>> stack = Planes(torch.tensor([3.0, -4.0]).view(1, 2, 1, 1), (0, 1), 2, "channels")
        >>> reduce(stack, "norm").values
        tensor([[[[5.]]]])
    """
    values = _WAYS[how](stack.values)
    prefix = None if stack.prefix is None else _WAYS[how](stack.prefix)
    words = (f"their {how}", *stack.words)
    return replace(stack, values=values, prefix=prefix, form="tiles", words=words, labels=("",))


_WAYS = {
    "mean": lambda values: values.mean(1, keepdim=True),
    "max": lambda values: values.amax(1, keepdim=True),
    "absmax": lambda values: values.abs().amax(1, keepdim=True),
    "norm": lambda values: torch.linalg.vector_norm(values, 2, dim=1, keepdim=True),
}


@dataclass(frozen=True, eq=False)
class PCAImage:
    """Three principal components as a picture.

    Attributes:
        rgb: `(R, H, W, 3)` uint8: each component from its lowest value to its highest.
        count: how many components there are: fewer than three where channels or positions are few
            or all alike.
        kept: whether the basis is that of an earlier look.
        clipped: how many positions lie outside of the range the basis was made with.
        missing: `(R, H, W)`, which positions hold NaN or inf.
    """

    rgb: Tensor
    count: int
    kept: bool
    clipped: int
    missing: Tensor


def pca_image(stack: Planes, key: str, memory: LayerCache, name: str | None = None) -> PCAImage:
    """The three principal components of the channels as red, green and blue.

    The basis, its signs and its ranges are made by the first look and kept, with the layer or under
    `name`; so a color means the same in the next one. Positions that hold NaN or inf are black
    and missing.

    Raises:
        FeatmagicError: a basis of that name has another number of channels.

    Example:
        >>> stack = Planes(torch.rand(1, 5, 4, 4), tuple(range(5)), 5, "channels")
        >>> pca_image(stack, "conv1", LayerCache()).rgb.shape
        torch.Size([1, 4, 4, 3])
    """
    rows, count, height, width = stack.values.shape
    points = stack.values.permute(0, 2, 3, 1).reshape(-1, count)
    kept = _NAMED.get(name) if name else memory.bases.get((key, stack.indices))
    basis = kept if isinstance(kept, Components) else principal_components(points, 3)
    basis = _moved(basis, points)
    if len(basis.mean) != count:
        raise FeatmagicError(
            f"The basis {name} was made of {len(basis.mean)} channels, and {key} has {count}."
        )
    there = coordinates(points, basis)
    span = (basis.high - basis.low).clamp(min=torch.finfo(there.dtype).tiny)
    place = (there - basis.low) / span
    outside = ((place < -1e-4) | (place > 1 + 1e-4)).any(1).sum()
    found, clipped = torch.stack([basis.axes.any(1).sum(), outside]).tolist()
    if found == min(3, count):  # a look that found less leaves it to the next
        _keep(basis, key, stack, memory, name)
    rgb = (place.nan_to_num(0).clamp(0, 1) * 255).round().to(torch.uint8)
    was = kept is not None
    missing = ~torch.isfinite(there).all(1).view(rows, height, width)
    rgb = rgb.view(rows, height, width, 3)
    return PCAImage(rgb, found, was, clipped if was else 0, missing)


def _keep(basis: Components, key: str, stack: Planes, memory: LayerCache, name: str | None) -> None:
    if name:
        _NAMED[name] = basis
    else:
        memory.bases[key, stack.indices] = basis


def _moved(basis: Components, points: Tensor) -> Components:
    parts = (basis.mean, basis.axes, basis.low, basis.high)
    return Components(*(part.to(points.device, points.dtype) for part in parts))
