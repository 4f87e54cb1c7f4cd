"""What layers have given in a pass: whose tensor a tensor is, as long as nothing has changed it."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable
from typing import Any, NamedTuple

import torch
from torch import Tensor

from featmagic.recording.torch_private import HAS_VERSIONS, unseen, version_of

# Integers as large as the values of other types, to compare them bit for bit.
_BITS = {1: torch.uint8, 2: torch.int16, 4: torch.int32, 8: torch.int64}


class Identity(NamedTuple):
    """What makes a tensor the same values in the same memory as another one.

    Two tensors may lie at the same place one after the other, so the place alone says nothing: the
    memory must still be there.
    """

    place: Hashable  # which memory, and how the values lie in it
    memory: Callable[[], object]  # a weak reference to it
    version: int | None  # how often it was changed; None where torch doesn't count that


class GivenTensors:
    """The tensors that layers gave in a pass, by the keys of their activations."""

    def __init__(self) -> None:
        self._given: dict[Hashable, tuple[Identity, str]] = {}

    def __reduce__(self) -> tuple[Any, ...]:
        return GivenTensors, ()  # a copy is of other tensors

    def key_of(self, identity: Identity) -> str:
        """Return the key under which the tensor was given last; "" if it wasn't, or has changed."""
        found = self._given.get(identity.place)
        if found is None or found[0].version != identity.version or found[0].memory() is None:
            return ""
        return found[1]

    def add(self, identity: Identity, key: str) -> None:
        """Note that a layer gave the tensor."""
        self._given[identity.place] = identity, key


def identity_of(tensor: Tensor, *, traced: bool = False) -> Identity | None:
    """Return the identity of a tensor; None if it can't be told.

    Args:
        tensor: what a layer returned.
        traced: whether a mode follows the pass, which must not see this.
    """
    try:
        if traced:
            with unseen():
                return _identity(tensor)
        return _identity(tensor)
    except Exception:  # a tensor class of the user's may raise anything
        return None


def _identity(tensor: Tensor) -> Identity:
    try:
        version = version_of(tensor) if HAS_VERSIONS else None
    except RuntimeError:  # an inference tensor has none
        version = None
    if type(tensor) is not Tensor or tensor.layout is not torch.strided or tensor.is_nested:
        return Identity(id(tensor), weakref.ref(tensor), version)
    memory, dtype = tensor.untyped_storage(), tensor.dtype
    # What is read may be negated or conjugated, as in the parts and views of a complex tensor.
    odd = (tensor.is_neg(), dtype.is_complex and tensor.is_conj())
    size = (tensor.storage_offset(), tensor.shape, tensor.stride())
    return Identity((id(memory), size, dtype, odd), weakref.ref(memory), version)


def has_bits_of(tensor: Tensor, copy: Tensor) -> bool:
    """Return True if all values are those of a copy, bit for bit; False also if that is unknown."""
    try:
        if (tensor.shape, tensor.dtype) != (copy.shape, copy.dtype):
            return False
        with torch.no_grad():
            return torch.equal(_bits(tensor.detach()), _bits(copy))
    except Exception:  # it has no values that could be read
        return False


def _bits(tensor: Tensor) -> Tensor:
    real = torch.view_as_real(tensor) if tensor.is_complex() else tensor
    return real if real.dtype is torch.bool else real.view(_BITS[real.element_size()])
