"""The layer cache: what is kept of a module between captures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from weakref import ref

from torch import nn


@dataclass(eq=False)
class LayerCache:
    """What captures of a layer have computed, for the next one to reuse.

    Attributes:
        orders: orders of channels by similarity, by the activation's key and the channels' indices.
        bases: PCA bases, by the same.
        shapes: of a model, what its layers returned in the last look at it: the shapes of the
            tensors of one call, by path.
    """

    orders: dict[tuple[str, tuple[int, ...]], tuple[int, ...]] = field(default_factory=dict)
    bases: dict[tuple[str, tuple[int, ...]], object] = field(default_factory=dict)
    shapes: Mapping[str, Sequence[tuple[int, ...]]] = field(default_factory=dict)


# Not stored on the modules, so that a copy or a pickle of a model contains nothing of it. By their
# ids, since modules may be equal to each other. An entry is removed with its module.
_CACHES: dict[int, tuple[ref[nn.Module], LayerCache]] = {}


def layer_cache_of(module: nn.Module) -> LayerCache:
    """Return the module's cache, which lives as long as the module; a copy has its own."""
    number = id(module)
    kept = _CACHES.get(number)
    if kept is None:
        kept = ref(module, lambda _: _CACHES.pop(number, None)), LayerCache()
        # If another thread was faster, its cache is used.
        kept = _CACHES.setdefault(number, kept)
    return kept[1]
