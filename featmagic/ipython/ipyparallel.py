"""How feature maps travel from an engine of ipyparallel to a client that pulls them."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

# Given as text, because ipyparallel resolves it when it first sends anything: until then torch need
# not be imported.
_MAPS = "featmagic.feature_maps.FeatureMaps"


def pulled(maps: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    """Return the maps as arrays, which a client without featmagic and torch can unpickle."""
    from featmagic.files.arrays import as_arrays

    return as_arrays(maps)


def begin() -> None:
    """Send feature maps as arrays from now on, if ipyparallel is loaded in this process."""
    _canners()[_MAPS] = pulled


def end() -> None:
    """Send feature maps as pickles again."""
    canners = _canners()
    canners.pop(_MAPS, None)
    if module := sys.modules.get("featmagic.feature_maps"):
        canners.pop(module.FeatureMaps, None)


def _canners() -> dict[Any, Any]:
    """Return ipyparallel's table of what replaces an object of a class before it is pickled."""
    module = sys.modules.get("ipyparallel.serialize")
    return module.can_map if module else {}
