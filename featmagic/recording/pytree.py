"""The tensors in whatever was returned or given, and copies of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import torch
from torch import Tensor


def tensors_in(
    value: object, suffix: str = "", above: tuple[int, ...] = ()
) -> Iterator[tuple[str, Tensor]]:
    """Every tensor in a module's return value or arguments, with the Python that reaches it.

    Tuples, lists, named tuples, dicts, dataclasses and what derives from them; None is skipped.

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
    """What a container holds: the items of a dict, list or tuple, the fields of a dataclass.

    Example:
        >>> parts_of(("a", "b"))
        {0: 'a', 1: 'b'}
    """
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (list, tuple)):
        return dict(enumerate(value))
    if is_dataclass(value) and not isinstance(value, type):
        return {part.name: getattr(value, part.name, None) for part in fields(value)}
    return {}


def copied(tensor: Tensor) -> Tensor:
    """The values, detached, in storage of their own: a layer that works in place may be next.

    Raises:
        TypeError: inside `torch.vmap`, where there is no whole tensor.

    Example:
        >>> copied(torch.ones(2, requires_grad=True))
        tensor([1., 1.])
    """
    copy = tensor.detach().clone()
    # Inside torch.func.grad and the like every tensor is in a wrapper that dies with the call.
    while torch._C._functorch.is_functorch_wrapped_tensor(copy):
        if torch._C._functorch.is_batchedtensor(copy):
            raise TypeError("inside torch.vmap there is no whole tensor")
        copy = torch._C._functorch.get_unwrapped(copy)
    return copy
