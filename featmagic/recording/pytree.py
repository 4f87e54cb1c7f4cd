"""Pytrees: the tensors in nested outputs and arguments, and copies of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, fields, is_dataclass
from itertools import islice
from types import (
    BuiltinFunctionType,
    FunctionType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any, TypeGuard, TypeVar

import torch
from torch import Tensor, nn

from featmagic.recording.torch_private import is_wrapped, unwrapped
from featmagic.support.errors import text_of
from featmagic.support.text import printable

# Limits on the containers that are read, since a user's may be endless.
MOST_LEVELS, MOST_CONTAINERS = 64, 20_000
_MOST_ITEMS = 1_000_000  # of a mapping that isn't a dict, and may be endless
_SEARCHED_LEVELS, _SEARCHED_OBJECTS = 6, 2_000  # for tensors that are only mentioned

# Types without tensors in them, which are skipped quickly even in very long lists.
_PLAIN = frozenset(
    {int, float, complex, bool, str, bytes, bytearray, type(None), torch.device, torch.dtype}
)
# Types whose attributes aren't outputs.
_CLOSED = (
    nn.Module, type, ModuleType, FunctionType, BuiltinFunctionType, MethodType, torch.Generator,
)  # fmt: skip

T = TypeVar("T")


@dataclass
class Reading:
    """What was noticed while containers were read.

    Attributes:
        unread: why parts are left out, by the expression that reaches them.
        held: the tensors found in these parts.
        containers: how many containers were read.
    """

    unread: dict[str, str] = field(default_factory=dict)
    held: list[Tensor] = field(default_factory=list)
    containers: int = 0


def tensors_in(
    value: object, suffix: str = "", reading: Reading | None = None, above: tuple[int, ...] = ()
) -> Iterator[tuple[str, Tensor]]:
    """Yield every tensor in a module's output or arguments, with the expression that reaches it.

    Containers are tuples, lists, named tuples, mappings, dataclasses, and classes derived from
    them. Of any other object, the public attributes that are tensors are yielded. Tensors deeper in
    such an object, and parts that can't be read or are nested too deeply, are only noted in
    `reading`. No container makes this function raise an error.

    Args:
        value: what a module returned or was given.
        suffix: the Python expression that reaches the value.
        reading: where to note what is left out.
        above: the ids of the containers around the value.

    Example:
        >>> from torch import ones
        >>> [suffix for suffix, _ in tensors_in((ones(1), {"h": ones(1), "c": None}))]
        ['[0]', "[1]['h']"]
    """
    if is_a(value, Tensor):
        yield suffix, value
        return
    if type(value) in _PLAIN or id(value) in above:  # a list may hold itself
        return
    reading = Reading() if reading is None else reading
    reading.containers += 1
    if reading.containers > MOST_CONTAINERS:
        reading.unread[""] = (
            f"only the first {MOST_CONTAINERS:,} containers of its output were read"
        )
        return
    if len(above) >= MOST_LEVELS:
        reading.unread[suffix] = "it is nested too deeply to be read"
        return
    try:
        parts = parts_of(value)
    except Exception as error:  # whatever a container of the user's raises when it is read
        reading.unread[suffix] = f"its output can't be read: {_line(error)}"
        return
    if parts is None:
        yield from _tensors_of_object(value, suffix, reading)
        return
    for key, part in parts.items():
        if type(part) not in _PLAIN:
            yield from tensors_in(part, f"{suffix}[{_spelled(key)}]", reading, (*above, id(value)))


def is_a(value: object, kind: type[T]) -> TypeGuard[T]:
    """Return True if the value's real type is the class or derived from it, whatever it claims."""
    return issubclass(type(value), kind)


def parts_of(value: object) -> dict[Any, Any] | None:
    """Return the items of a mapping, list or tuple, or the fields of a dataclass, by key.

    None for anything else. Numbers, strings and the like in a list or tuple are left out.
    """
    if is_a(value, dict):
        return dict(dict.items(value))
    if issubclass(type(value), Mapping):
        mapping: Any = value
        return {key: mapping[key] for key in islice(iter(mapping), _MOST_ITEMS)}
    if is_a(value, list) or is_a(value, tuple):
        return {n: item for n, item in enumerate(_items(value)) if type(item) not in _PLAIN}
    kind: Any = type(value)
    if is_dataclass(kind):
        return {part.name: getattr(value, part.name, None) for part in fields(kind)}
    return None


def _items(value: Any) -> Iterator[Any]:
    """Iterate over a list or tuple, ignoring an `__iter__` of a derived class."""
    return list.__iter__(value) if is_a(value, list) else tuple.__iter__(value)


def _tensors_of_object(
    value: object, suffix: str, reading: Reading
) -> Iterator[tuple[str, Tensor]]:
    """Yield the public attributes of an object that are tensors; note if it holds others."""
    found, others = {}, []
    for name, attribute in attributes_of(value).items():
        if is_a(attribute, Tensor) and not name.startswith("_"):
            found[name] = attribute
        else:
            others.append(attribute)
    for name, tensor in found.items():
        yield f"{suffix}.{name}", tensor
    others += items_without_keys(value) or []
    if others and (held := _tensors_below(others)):
        reading.held += held
        kind, count = printable(type(value).__name__), len(held)
        more, plural = "more " if found else "", "s" * (count > 1)
        reading.unread[suffix] = (
            f"a {kind} holds {count} {more}tensor{plural}, but only tensors that are its "
            "attributes can be captured"
        )


def attributes_of(value: object) -> dict[str, Any]:
    """Return the attributes that an object itself holds, without running code of its class."""
    if issubclass(type(value), _CLOSED):
        return {}
    found: dict[str, Any] = {}
    for kind in type(value).__mro__:
        for name, slot in vars(kind).items():
            if type(slot) is MemberDescriptorType and name != "__dict__":
                with suppress(AttributeError):  # it isn't set
                    found[name] = slot.__get__(value, kind)
    with suppress(Exception):  # it has none
        own: Any = object.__getattribute__(value, "__dict__")
        found |= {name: part for name, part in dict.items(own) if type(name) is str}
    return found


def items_without_keys(value: Any) -> list[Any] | None:
    """Return the items of a set, frozenset or deque; None for anything else."""
    kind: Any
    for kind in (set, frozenset, deque):
        if is_a(value, kind):
            return list(kind.__iter__(value))
    return None


def _held(value: Any) -> Iterator[Any]:
    """Iterate over the items of a built-in container, or over the attributes of another object."""
    if is_a(value, list) or is_a(value, tuple):
        return _items(value)
    if (items := items_without_keys(value)) is not None:
        return iter(items)
    return iter((dict(dict.items(value)) if is_a(value, dict) else attributes_of(value)).values())


def _tensors_below(values: list[Any]) -> list[Tensor]:
    """Return the tensors in these objects and in what they hold, in a search of limited depth."""
    seen: dict[int, Any] = {}
    level, found = values, list[Tensor]()
    for _ in range(_SEARCHED_LEVELS):
        below: list[Any] = []
        for value in level:
            if type(value) in _PLAIN or id(value) in seen or len(seen) >= _SEARCHED_OBJECTS:
                continue
            seen[id(value)] = value
            if is_a(value, Tensor):
                found.append(value)
            else:
                below += islice(_held(value), _SEARCHED_OBJECTS)
        level = below
    return found


def _spelled(key: object) -> str:
    """Return a key as Python writes it."""
    try:
        return repr(key)
    except Exception:  # the class is the user's
        return f"<{type(key).__name__}>"


def _line(error: Exception) -> str:
    """Return the first line of an error's message, or the name of its class if it has none."""
    return printable(text_of(error).partition("\n")[0]) or type(error).__name__


def computes_itself(tensor: Tensor) -> bool:
    """Return True for a tensor class that holds other tensors and defines its own computation.

    A DTensor's values lie in several processes; those of a MaskedTensor are partly undefined.
    """
    return type(tensor).__torch_dispatch__ is not Tensor.__torch_dispatch__


def copied(tensor: Tensor) -> Tensor:
    """Copy a tensor, detached: the next layer may work in place and overwrite the original.

    Where several values share memory, as after `expand`, those of the copy do, too. An inference
    tensor becomes an ordinary tensor, which may be modified and viewed anywhere.

    Raises:
        TypeError: inside `torch.vmap`, where no whole tensor exists.
    """
    if torch.is_inference_mode_enabled():
        with torch.inference_mode(False):
            return copied(tensor)
    copy = _cloned(tensor.detach())
    # Inside torch.func.grad and the like, a tensor is in a wrapper that ends with the call.
    return unwrapped(copy)


def _cloned(tensor: Tensor) -> Tensor:
    """Clone a tensor without taking more memory than it takes itself."""
    if tensor.is_nested or type(tensor) is not Tensor or tensor.layout is not torch.strided:
        return tensor.clone()
    if tensor.is_contiguous() or is_wrapped(tensor):
        return tensor.clone()
    whole = tensor
    for axis, step in enumerate(whole.stride()):
        if step == 0:
            tensor = tensor.narrow(axis, 0, 1)
    span = 1 + sum((n - 1) * step for n, step in zip(tensor.shape, tensor.stride(), strict=True))
    if tensor.numel() <= span:
        return tensor.clone().expand(whole.shape)
    # The windows overlap: clone the memory that they cover, and view it in the same way.
    memory = tensor.as_strided((span,), (1,), tensor.storage_offset()).clone()
    return memory.as_strided(tensor.shape, tensor.stride(), 0).expand(whole.shape)
