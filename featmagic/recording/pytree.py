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
from featmagic.support.text import printable

# Containers are read so deep and so many of them: a user's may hold each other without an end.
MOST_LEVELS, MOST_CONTAINERS = 64, 20_000
_MOST_ITEMS = 1_000_000  # of a mapping that is no dict, and may count without an end
_SEARCHED_LEVELS, _SEARCHED_OBJECTS = 6, 2_000  # for tensors that are named and not kept

# What a container mostly holds beside tensors; a million of them are passed over quickly.
_PLAIN = frozenset(
    {int, float, complex, bool, str, bytes, bytearray, type(None), torch.device, torch.dtype}
)
# What has attributes and is no record of values.
_CLOSED = (
    nn.Module, type, ModuleType, FunctionType, BuiltinFunctionType, MethodType, torch.Generator,
)  # fmt: skip

T = TypeVar("T")


@dataclass
class Reading:
    """What came to light while containers were read.

    Attributes:
        unread: why parts are left out, by the Python that reaches them.
        containers: how many containers were read.
    """

    unread: dict[str, str] = field(default_factory=dict)
    containers: int = 0


def tensors_in(
    value: object, suffix: str = "", reading: Reading | None = None, above: tuple[int, ...] = ()
) -> Iterator[tuple[str, Tensor]]:
    """Yield every tensor in a module's output or arguments, with the Python that reaches it.

    Containers are tuples, lists, named tuples, mappings, dataclasses, and classes derived from
    them. Of any other object, the public attributes that are tensors are taken; what lies deeper
    in it, what can't be read and what is nested too deep is only told, in `reading`. Nothing is
    raised, whatever the containers do.

    Args:
        value: what a module returned or was given.
        suffix: the Python that reaches the value.
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
        reading.unread[""] = f"only its first {MOST_CONTAINERS} containers were read"
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
    """Return True if the value is an instance of the class; a `__class__` of its own isn't read."""
    return issubclass(type(value), kind)


def parts_of(value: object) -> dict[Any, Any] | None:
    """Return the items of a mapping, list or tuple, or the fields of a dataclass, by key.

    None for anything else. Of a list or tuple, the numbers, texts and such are left out.
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
    """Iterate over a list or tuple, whatever a class derived from them does instead."""
    return list.__iter__(value) if is_a(value, list) else tuple.__iter__(value)


def _tensors_of_object(
    value: object, suffix: str, reading: Reading
) -> Iterator[tuple[str, Tensor]]:
    """Yield the public attributes of an object that are tensors; note if there are further ones."""
    found, others = {}, []
    for name, attribute in attributes_of(value).items():
        if is_a(attribute, Tensor) and not name.startswith("_"):
            found[name] = attribute
        else:
            others.append(attribute)
    for name, tensor in found.items():
        yield f"{suffix}.{name}", tensor
    if type(value) in (set, frozenset, deque):
        others = list(_held(value))
    if others and (count := _count_tensors(others)):
        kind = printable(type(value).__name__)
        more, plural = "more " if found else "", "s" * (count > 1)
        reading.unread[suffix] = (
            f"a {kind} holds {count} {more}tensor{plural}, but only tensors that are its "
            "attributes can be captured"
        )


def attributes_of(value: object) -> dict[str, Any]:
    """Return the attributes that an object itself holds, without running any code of its class."""
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


def _held(value: Any) -> Iterator[Any]:
    """Iterate over what a container of Python's own holds, or else over an object's attributes."""
    kind: Any
    for kind in (list, tuple, set, frozenset, deque):
        if is_a(value, kind):
            items: Iterator[Any] = kind.__iter__(value)
            return items
    return iter((dict(dict.items(value)) if is_a(value, dict) else attributes_of(value)).values())


def _count_tensors(values: list[Any]) -> int:
    """Count the tensors in these objects and in what they hold, as far as a short search goes."""
    seen: dict[int, Any] = {}
    level, count = values, 0
    for _ in range(_SEARCHED_LEVELS):
        below: list[Any] = []
        for value in level:
            if type(value) in _PLAIN or id(value) in seen or len(seen) >= _SEARCHED_OBJECTS:
                continue
            seen[id(value)] = value
            if is_a(value, Tensor):
                count += 1
            else:
                below += islice(_held(value), _SEARCHED_OBJECTS)
        level = below
    return count


def _spelled(key: object) -> str:
    """Return a key as Python writes it."""
    try:
        return repr(key)
    except Exception:  # a class of the user's
        return f"<{type(key).__name__}>"


def _line(error: Exception) -> str:
    """Return the first line of an error's message."""
    try:
        text = str(error)
    except Exception:  # a class of the user's
        text = ""
    return printable(text.partition("\n")[0]) or type(error).__name__


def computes_itself(tensor: Tensor) -> bool:
    """Return True for a tensor that holds others and computes with them in a way of its own.

    A DTensor's values lie in several processes; those of a MaskedTensor are partly undefined.
    """
    return type(tensor).__torch_dispatch__ is not Tensor.__torch_dispatch__


def copied(tensor: Tensor) -> Tensor:
    """Copy a tensor, detached: the next layer may work in place and overwrite the original.

    Where several values share their memory, as in what `expand` gives, the copy's do so too. A
    tensor of inference mode becomes a plain one, which may be changed and viewed anywhere.

    Raises:
        TypeError: inside `torch.vmap`, where there is no whole tensor.
    """
    if torch.is_inference_mode_enabled():
        with torch.inference_mode(False):
            return copied(tensor)
    copy = _cloned(tensor.detach())
    # Inside torch.func.grad and the like every tensor is in a wrapper that dies with the call.
    return unwrapped(copy)


def _cloned(tensor: Tensor) -> Tensor:
    """Clone a tensor with no more memory than it has itself."""
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
    # Windows that overlap: all that they lie in is cloned, and viewed in the same way.
    memory = tensor.as_strided((span,), (1,), tensor.storage_offset()).clone()
    return memory.as_strided(tensor.shape, tensor.stride(), 0).expand(whole.shape)
