"""The channels of a layer reduced to one picture."""

from __future__ import annotations

from collections.abc import MutableMapping
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor

from featmagic.planes.measurements import to_host
from featmagic.planes.pca import Components, coordinates, principal_components
from featmagic.planes.planes import Planes
from featmagic.recording.layer_cache import LayerCache
from featmagic.support.errors import FeatmagicError

# Bases with a name, for several models; those without one are kept with their layer.
_NAMED_BASES: dict[str, Components] = {}

_REDUCTIONS = {
    "mean": lambda values: values.mean(1, keepdim=True),
    "max": lambda values: values.amax(1, keepdim=True),
    "absmax": lambda values: values.abs().amax(1, keepdim=True),
    "norm": lambda values: torch.linalg.vector_norm(values, 2, dim=1, keepdim=True),
}


def reduce(planes: Planes, how: str) -> Planes:
    """Reduce the channels to one plane: their `mean`, `max`, `absmax` or (Euclidean) `norm`.

    Example:
        >>> planes = Planes(torch.tensor([3.0, -4.0]).view(1, 2, 1, 1), (0, 1), 2, "channels")
        >>> reduce(planes, "norm").values
        tensor([[[[5.]]]])
    """
    values = _REDUCTIONS[how](planes.values)
    prefix = None if planes.prefix is None else _REDUCTIONS[how](planes.prefix)
    words = (f"their {how}", *planes.words)
    return replace(planes, values=values, prefix=prefix, form="tiles", words=words, labels=("",))


@dataclass(frozen=True, eq=False)
class PCAImage:
    """Three principal components as a picture.

    Attributes:
        rgb: `(R, H, W, 3)` uint8: each component from its lowest value to its highest.
        count: how many components there are: fewer than three where channels or positions are few
            or all alike.
        kept: whether the basis is that of an earlier look.
        clipped: how many positions lie outside of the range the basis was made with.
        missing: `(R, H, W)`, which positions hold NaN or infinities.
        approximate: whether there were too many channels and positions to find them exactly.
    """

    rgb: Tensor
    count: int
    kept: bool
    clipped: int
    missing: Tensor
    approximate: bool = False


def pca_image(planes: Planes, key: str, cache: LayerCache, name: str | None = None) -> PCAImage:
    """Return the three principal components of the channels as red, green and blue.

    The first look makes the basis, its signs and its ranges, which are kept with the layer or under
    `name`, so that a color means the same in the next look. Positions that hold NaN or infinities
    are black and missing.

    Raises:
        FeatmagicError: the basis of that name has another number of channels.
    """
    rows, count, height, width = planes.values.shape
    points = planes.values.permute(0, 2, 3, 1).reshape(-1, count)
    bases: MutableMapping[Any, Any] = _NAMED_BASES if name else cache.bases
    kept_as = name or (key, planes.indices)
    is_kept = kept_as in bases
    basis = bases[kept_as].like(points) if is_kept else principal_components(points)
    if len(basis.mean) != count:
        raise FeatmagicError(
            f"The basis {name} was made of {len(basis.mean)} channels, and {key} has {count}."
        )
    along = coordinates(points, basis)
    span = (basis.high - basis.low).clamp(min=torch.finfo(along.dtype).tiny)
    place = (along - basis.low) / span
    outside = ((place < -1e-4) | (place > 1 + 1e-4)).any(1)
    (counts,) = to_host({"components": basis.axes.any(1).sum(), "clipped": outside.sum()})
    components = int(counts["components"])
    if components == min(3, count):  # a look that found fewer leaves it to the next
        bases[kept_as] = basis
    rgb = (place.nan_to_num(0).clamp(0, 1) * 255).round().to(torch.uint8)
    return PCAImage(
        rgb=rgb.view(rows, height, width, 3),
        count=components,
        kept=is_kept,
        clipped=int(counts["clipped"]) if is_kept else 0,
        missing=~torch.isfinite(along).all(1).view(rows, height, width),
        approximate=basis.approximate,
    )
