"""What a client of ipyparallel gets that pulls feature maps from an engine."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray
    from torch import Tensor

# ipyparallel imports it when it first sends anything: until then there may be no torch.
_MAPS = "featmagic.feature_maps.FeatureMaps"


def pulled(maps: Mapping[str, Tensor]) -> dict[str, NDArray[Any]]:
    """The maps as a client gets them, which needs neither featmagic nor torch to have them.

    Returns:
        An array for each key, with the values that an .npz file has.

    Raises:
        FeatmagicError: a tensor that is no array.

    Example:
        >>> import torch
        >>> pulled({"fc": torch.tensor([0.5]).bfloat16()})
        {'fc': array([0.5], dtype=float32)}
    """
    from featmagic.files.arrays import as_arrays

    return as_arrays(maps)


def begin() -> None:
    """From now on this process sends feature maps as arrays, if it has ipyparallel loaded.

    Example:
        >>> begin()
        >>> end()
    """
    _canners()[_MAPS] = pulled


def end() -> None:
    """Leave it to pickle again to send feature maps."""
    canners = _canners()
    canners.pop(_MAPS, None)
    if "featmagic.feature_maps" in sys.modules:
        from featmagic.feature_maps import FeatureMaps

        canners.pop(FeatureMaps, None)


def _canners() -> dict[Any, Any]:
    """What ipyparallel makes of an object of a class before it pickles it."""
    module = sys.modules.get("ipyparallel.serialize")
    return module.can_map if module else {}
