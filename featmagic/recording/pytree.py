"""Pytrees: the tensors in nested outputs and arguments, and copies of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor


def tensors_in(
    value: object, suffix: str = "", above: tuple[int, ...] = ()
) -> Iterator[tuple[str, Tensor]]:
    """Yield every tensor in a module's output or arguments, with the Python that reaches it.

    Containers are tuples, lists, named tuples, mappings, dataclasses, and classes derived from
    them; anything else that isn't a tensor is skipped. `suffix` is the Python that reaches the
    value, and `above` has the ids of the containers around it.

    Example:
        >>> from torch import ones
        >>> [suffix for suffix, _ in tensors_in((ones(1), {"h": ones(1), "c": None}))]
        ['[0]', "[1]['h']"]
    """
    if isinstance(value, Tensor):
        yield suffix, value
    elif id(value) not in above:  # a list may hold itself
        for key, part in parts_of(value).items():
            yield from tensors_in(part, f"{suffix}[{key!r}]", (*above, id(value)))


def parts_of(value: object) -> dict[Any, Any]:
    """Return the items of a mapping, list or tuple, or the fields of a dataclass, by key."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (list, tuple)):
        return dict(enumerate(value))
    if is_dataclass(value) and not isinstance(value, type):
        return {part.name: getattr(value, part.name, None) for part in fields(value)}
    return {}


def copied(tensor: Tensor) -> Tensor:
    """Copy a tensor, detached: the next layer may work in place and overwrite the original.

    Raises:
        TypeError: inside `torch.vmap`, where there is no whole tensor.
    """
    copy = tensor.detach().clone()
    # Inside torch.func.grad and the like every tensor is in a wrapper that dies with the call.
    while torch._C._functorch.is_functorch_wrapped_tensor(copy):
        if torch._C._functorch.is_batchedtensor(copy):
            raise TypeError("inside torch.vmap there is no whole tensor")
        copy = torch._C._functorch.get_unwrapped(copy)
    return copy
