"""The layer cache: what is kept of a module from one look to the next."""

from __future__ import annotations

from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from torch import nn


@dataclass(eq=False)
class LayerCache:
    """What looks at a layer have computed, for the next look to reuse.

    Orders of channels by similarity and PCA bases, each by the activation's key and the channels'
    indices.
    """

    orders: dict[tuple[str, tuple[int, ...]], tuple[int, ...]] = field(default_factory=dict)
    bases: dict[tuple[str, tuple[int, ...]], object] = field(default_factory=dict)


# Kept beside the modules and not on them, so that a copy or a pickle of a model carries none of it.
_CACHES: WeakKeyDictionary[nn.Module, LayerCache] = WeakKeyDictionary()


def layer_cache_of(module: nn.Module) -> LayerCache:
    """Return the module's cache, which lives as long as the module; a copy has its own."""
    return _CACHES.setdefault(module, LayerCache())
