"""What is kept of a layer from one look to the next."""

from __future__ import annotations

from dataclasses import dataclass, field
from weakref import WeakKeyDictionary

from torch import nn


@dataclass(eq=False)
class LayerCache:
    """What looks at a layer have worked out, for the next look to go on with.

    Attributes:
        orders: an order of channels by likeness, by the activation's key and the channels' indices.
        bases: the principal components, by the activation's key and the channels' indices.
    """

    orders: dict[tuple[str, tuple[int, ...]], tuple[int, ...]] = field(default_factory=dict)
    bases: dict[tuple[str, tuple[int, ...]], object] = field(default_factory=dict)


# Beside the models, not on them: a copy or a pickle of one carries none of it.
_CACHES: WeakKeyDictionary[nn.Module, LayerCache] = WeakKeyDictionary()


def layer_cache_of(module: nn.Module) -> LayerCache:
    """The module's cache, which is gone when the module is; a copy of it has one of its own.

    Example:
        >>> layer = nn.ReLU()
        >>> layer_cache_of(layer) is layer_cache_of(layer)
        True
    """
    return _CACHES.setdefault(module, LayerCache())
