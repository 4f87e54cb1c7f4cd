"""The channels of a layer reduced to one picture."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor
from torch.nn.functional import adaptive_avg_pool2d

from featmagic.planes.dtypes import to_float64
from featmagic.planes.measurements import to_host
from featmagic.planes.pca import Components, coordinates, shared_components
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
        name: under which the basis is kept; "" if it is kept with its layers.
        sharing: how many layers of the look have this basis.
        others: whether layers of the look have another basis, since their channels differ.
    """

    rgb: Tensor
    count: int
    kept: bool
    clipped: int
    missing: Tensor
    approximate: bool = False
    name: str = ""
    sharing: int = 1
    others: bool = False


@dataclass(frozen=True, eq=False)
class PCALayer:
    """A layer whose channels are reduced to principal components."""

    planes: Planes
    key: str
    cache: LayerCache

    @property
    def width(self) -> tuple[object, ...]:
        """What layers have in common whose channels can share a basis."""
        return self.planes.noun, self.planes.total, self.planes.indices

    @property
    def points(self) -> Tensor:
        """The positions, `(n, C)`."""
        values = self.planes.values
        return values.permute(0, 2, 3, 1).reshape(-1, values.shape[1])

    def along(self, basis: Components) -> Tensor:
        """Return the coordinates of the positions in the basis, `(R, K, H, W)`."""
        rows, _, height, width = self.planes.values.shape
        found = coordinates(self.points, basis.like(self.planes.values))
        return found.view(rows, height, width, -1).permute(0, 3, 1, 2)


def pca_images(layers: Sequence[PCALayer], name: str | None = None) -> list[PCAImage]:
    """Return the three principal components of each layer's channels as red, green and blue.

    All layers of equal width share one basis with its ranges, so that a color means the same in
    each. The channels of other layers are others: there, each component only has the sign that
    makes it the more alike to that of the layer before. The bases are kept with the layers or
    under `name`, so that a color means the same in the next look; layers that have one basis in
    common keep it. Positions that hold NaN or infinities are black and missing.

    Raises:
        FeatmagicError: the basis of that name has another number of channels.
    """
    groups: dict[tuple[object, ...], list[PCALayer]] = {}
    for layer in layers:
        groups.setdefault(layer.width, []).append(layer)
    if name:
        _check_widths(layers, name)
    bases: dict[tuple[object, ...], Components] = {}
    kept: dict[tuple[object, ...], bool] = {}
    for before, layer in zip([None, *layers], layers, strict=False):
        width = layer.width
        if width in bases:
            continue
        group = groups[width]
        found = _kept_basis(group, name)
        kept[width] = found is not None
        if found is None:
            found = shared_components([each.points for each in group])
            if before is not None:
                found = _aligned(found, layer, before.along(bases[before.width]))
            _keep(found, group, name)
        bases[width] = found
    return [
        replace(
            _image(layer, bases[layer.width], kept=kept[layer.width]),
            name=name or "",
            sharing=len(groups[layer.width]),
            others=len(groups) > 1,
        )
        for layer in layers
    ]


def _check_widths(layers: Sequence[PCALayer], name: str) -> None:
    kept = _NAMED_BASES.get(name)
    for layer in layers:
        channels = len(layer.planes.indices)
        if kept is not None and channels != len(kept.mean):
            raise FeatmagicError(
                f'PCA basis "{name}" has {len(kept.mean)} channels, but {layer.key} has {channels}.'
            )
        if layer.width != layers[0].width:
            raise FeatmagicError(
                f'PCA basis "{name}" can only be shared by layers of equal width: {layers[0].key} '
                f"has {len(layers[0].planes.indices)} channels, but {layer.key} has {channels}."
            )


def _kept_basis(group: Sequence[PCALayer], name: str | None) -> Components | None:
    """Return the basis that all of the layers have from an earlier look, if they have one."""
    if name:
        return _NAMED_BASES.get(name)
    first, *others = (layer.cache.bases.get((layer.key, layer.planes.indices)) for layer in group)
    is_common = isinstance(first, Components) and all(other is first for other in others)
    return first if is_common and isinstance(first, Components) else None


def _keep(basis: Components, group: Sequence[PCALayer], name: str | None) -> None:
    """Keep a basis for the next look, unless that may find more components."""
    if int(basis.axes.any(1).sum()) < min(3, len(basis.mean)):
        return
    if name:
        _NAMED_BASES[name] = basis
        return
    for layer in group:
        layer.cache.bases[layer.key, layer.planes.indices] = basis


def _aligned(basis: Components, layer: PCALayer, before: Tensor) -> Components:
    """Return the basis with the signs that make the components more like those of another layer.

    `before` has them, `(R, K, H, W)`. They are compared on the smaller grid of both, with values
    averaged.
    """
    own = layer.along(basis)
    if len(own) != len(before):
        return basis
    size = min(own.shape[2], before.shape[2]), min(own.shape[3], before.shape[3])
    first, second = (
        adaptive_avg_pool2d(to_float64(each).nan_to_num(0, 0, 0), size).transpose(0, 1).flatten(1)
        for each in (own, before.to(own.device))
    )
    first, second = (each - each.mean(1, keepdim=True) for each in (first, second))
    return basis.mirrored(torch.where((first * second).sum(1) < 0, -1, 1))


def _image(layer: PCALayer, basis: Components, *, kept: bool) -> PCAImage:
    """Return the picture of a layer in a basis."""
    basis = basis.like(layer.planes.values)
    along = layer.along(basis).permute(0, 2, 3, 1)
    span = (basis.high - basis.low).clamp(min=torch.finfo(along.dtype).tiny)
    place = (along - basis.low) / span
    outside = ((place < -1e-4) | (place > 1 + 1e-4)).any(-1)
    (counts,) = to_host({"components": basis.axes.any(1).sum(), "clipped": outside.sum()})
    return PCAImage(
        rgb=(place.nan_to_num(0).clamp(0, 1) * 255).round().to(torch.uint8),
        count=int(counts["components"]),
        kept=kept,
        clipped=int(counts["clipped"]) if kept else 0,
        missing=~torch.isfinite(along).all(-1),
        approximate=basis.approximate,
    )
