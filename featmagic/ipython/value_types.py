"""The type of a value, without running the user's code, which asking the value itself would do.

A class may claim to be another (`__class__`), as a mock does, or raise an error when asked, and a
metaclass may do so with the name of the class.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, TypeGuard

if TYPE_CHECKING:
    from torch import nn

    from featmagic.feature_maps import FeatureMaps

_NAME: Any = type.__dict__["__name__"]  # Python's own descriptor, which no metaclass can replace


def class_of(value: object) -> str:
    """Return the name of a value's class."""
    return name_of_class(type(value))


def name_of_class(kind: type[Any]) -> str:
    """Return the name of a class."""
    return str(_NAME.__get__(kind))


def is_module(value: object) -> TypeGuard[nn.Module]:
    """Return True for a torch module."""
    torch = sys.modules.get("torch")  # loaded if there is any module
    return torch is not None and issubclass(type(value), torch.nn.Module)


def is_tensor(value: object) -> bool:
    """Return True for a tensor."""
    torch = sys.modules.get("torch")
    return torch is not None and issubclass(type(value), torch.Tensor)


def is_maps(value: object) -> TypeGuard[FeatureMaps]:
    """Return True for feature maps; there are none before their module is imported."""
    maps = sys.modules.get("featmagic.feature_maps")
    # `issubclass` would run code of the other class, because `FeatureMaps` is an abstract class.
    return maps is not None and type.__subclasscheck__(maps.FeatureMaps, type(value))


def is_shown(value: object) -> bool:
    """Return True for what `%featuremaps` shows by itself: feature maps, a tensor, an array."""
    numpy = sys.modules.get("numpy")
    is_array = numpy is not None and issubclass(type(value), numpy.ndarray)
    return is_maps(value) or is_tensor(value) or is_array
