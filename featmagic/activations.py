"""What a pass gave: activations, one for each tensor that a module returned."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any

import torch
from torch import Tensor, nn

from featmagic.errors import printable
from featmagic.tree import unwrap


@dataclass(frozen=True, eq=False)
class Activation:
    """What one call of a module returned, or one tensor of it where the return value is nested.

    Attributes:
        key: the name it goes by, such as `relu:2` or `lstm[1][0]`.
        path: the module's path.
        kind: the module's class name.
        call: which call of the module in the pass, from 1.
        tensor: a detached copy on the model's device, made when the module returned.
    """

    key: str
    path: str
    kind: str
    call: int
    tensor: Tensor


@dataclass(eq=False)
class Pass:
    """One call of the whole model.

    Attributes:
        activations: by key, in the order the layers returned.
        calls: how often each layer was called.
        empty: the calls that gave no activation, each with the reason.
        failed: whether the pass was cut short, or is still under way.
        thread: the thread in which it began.
    """

    activations: dict[str, Activation] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    empty: dict[str, str] = field(default_factory=dict)
    failed: bool = False
    thread: int = field(default_factory=threading.get_ident)

    def count(self, path: str) -> int:
        """Which call of that layer this is, from 1."""
        self.calls[path] += 1
        return self.calls[path]

    def keep(self, path: str, module: nn.Module, call: int, output: object) -> None:
        """Keep a copy of every tensor in `output`; whatever it is, the user's forward goes on."""
        name = path if call == 1 else f"{path}:{call}"
        kind = type(unwrap(module)[-1]).__name__
        try:
            tensors = list(tensors_in(output))
        except Exception as error:
            self.empty[name] = f"its output can't be read: {printable(str(error))}"
            return
        if not tensors:
            self.empty[name] = f"it returned no tensor ({printable(type(output).__name__)})"
        for suffix, tensor in tensors:
            key = name + suffix
            try:
                self.activations[key] = Activation(key, path, kind, call, _copied(tensor))
            except Exception as error:
                self.empty[key] = f"its output can't be copied: {printable(str(error))}"


def _copied(tensor: Tensor) -> Tensor:
    """The values, detached, in storage of their own: a layer that works in place may be next."""
    copied = tensor.detach().clone()
    # Inside torch.func.grad and the like every tensor is in a wrapper that dies with the call.
    while torch._C._functorch.is_functorch_wrapped_tensor(copied):
        if torch._C._functorch.is_batchedtensor(copied):
            raise TypeError("inside torch.vmap there is no whole tensor")
        copied = torch._C._functorch.get_unwrapped(copied)
    return copied


def shape_of(tensor: Tensor) -> str:
    """A tensor's shape as Python writes it.

    Example:
        >>> shape_of(torch.zeros(1, 5, 24, 24))
        '(1, 5, 24, 24)'
    """
    return "(nested)" if tensor.is_nested else str(tuple(tensor.shape))


def tensors_in(
    value: object, suffix: str = "", above: tuple[int, ...] = ()
) -> Iterator[tuple[str, Tensor]]:
    """Every tensor in a module's return value, with the Python that reaches it.

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
