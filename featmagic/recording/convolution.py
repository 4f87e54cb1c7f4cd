"""Calls of convolutions: the module and, in a look that explores, what it was given."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Mapping
from contextlib import nullcontext, suppress
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from featmagic.recording.model_tree import unwrap
from featmagic.recording.pytree import computes_itself, copied
from featmagic.recording.torch_private import (
    CONVOLUTION,
    HAS_VERSIONS,
    is_wrapped,
    unseen,
    version_of,
)

# A context manager for what a function mode of the user's shouldn't see.
_unseen = nullcontext if unseen is None else unseen


class GivenTensor(NamedTuple):
    """The input of a call, without a copy where possible.

    Attributes:
        tensor: the input, detached; or a copy of it that was there already.
        version: the version of the input itself; if it has changed since, so have the values. None
            for a copy.
        key: the activation whose tensor this is, if it is one.
    """

    tensor: Tensor
    version: int | None = None
    key: str | None = None

    @property
    def is_changed(self) -> bool:
        """Whether the input was changed in place after the call."""
        return self.version is not None and self.version != version_of(self.tensor)


class Copies:
    """The copies made of tensors in a pass, for finding the one of a tensor that comes again.

    A tensor is known by its identity and its version.
    """

    def __init__(self) -> None:
        self._known: dict[int, tuple[Callable[[], Tensor | None], int, GivenTensor]] = {}

    def add(self, tensor: Tensor, copy: Tensor, key: str) -> None:
        """Note a copy; a tensor without a version (of inference, in `vmap`) is never found."""
        with _unseen(), suppress(Exception):
            if HAS_VERSIONS and not tensor.is_inference():
                known = weakref.ref(tensor), version_of(tensor), GivenTensor(copy, key=key)
                self._known[id(tensor)] = known

    def find(self, tensor: Tensor) -> GivenTensor | None:
        """Return the copy of the tensor as it is now, or None."""
        known = self._known.get(id(tensor))
        if known is None or known[0]() is not tensor or known[1] != version_of(tensor):
            return None
        return known[2]

    def clear(self) -> None:
        """Forget all of them."""
        self._known.clear()

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy as none: they are of other tensors."""
        return Copies, ()


@dataclass(frozen=True, eq=False)
class Convolution:
    """A convolution, and what one call of it was given.

    Attributes:
        module: a weak reference to the module, without wrappers.
        given: the input of the call; None if it wasn't kept.
        weights: the identity, version and dtype of each parameter in the call.
    """

    module: Callable[[], nn.Module | None]
    given: GivenTensor | None = None
    weights: tuple[tuple[int, int, torch.dtype], ...] = ()

    def called(
        self, args: tuple[Any, ...], kwargs: Mapping[str, Any], copies: Copies
    ) -> Convolution:
        """Return this convolution with the input of a call; never fails, whatever that is."""
        tensor = args[0] if args else kwargs.get("input")
        module = self.module()
        if module is None or not isinstance(tensor, Tensor):
            return self
        try:
            with _unseen():
                given = _given(tensor, copies)
                return (
                    self if given is None else replace(self, given=given, weights=_weights(module))
                )
        except Exception:  # such as too little memory
            return self

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle and copy without the module and its input."""
        return Convolution, (_no_module,)

    @property
    def has_changed(self) -> bool:
        """Whether the weights aren't those of the call any more."""
        module = self.module()
        return module is None or self.weights != _weights(module)


def _no_module() -> None:
    """Stand for a weak reference to a module that isn't there."""


def convolution_of(module: nn.Module) -> Convolution | None:
    """Return the convolution that a module is; None for other modules."""
    inner = unwrap(module)[-1]
    return Convolution(weakref.ref(inner)) if isinstance(inner, CONVOLUTION) else None


def _given(tensor: Tensor, copies: Copies) -> GivenTensor | None:
    """Return the input without a copy, or with one if changes of it can't be told."""
    is_plain = tensor.layout is torch.strided and not tensor.is_quantized and not tensor.is_nested
    if not is_plain or computes_itself(tensor) or tensor.is_meta or is_wrapped(tensor):
        return None
    if tensor.is_inference() or not HAS_VERSIONS:
        return GivenTensor(copied(tensor))
    return copies.find(tensor) or GivenTensor(tensor.detach(), version_of(tensor))


def _weights(module: nn.Module) -> tuple[tuple[int, int, torch.dtype], ...]:
    return tuple(
        (id(one), -1 if one.is_inference() else version_of(one), one.dtype)
        for one in module.parameters()
    )
