"""What the user's variables hold, read without running any of the user's code.

Nothing is called here and no property is read, so a value that only code could compute is not
found. A class may turn anything into a property, even `__dict__`.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from types import GetSetDescriptorType, MappingProxyType, MemberDescriptorType, ModuleType
from typing import Any

from featmagic.ipython.completion.fragment import steps_of
from featmagic.ipython.value_types import is_module

_WITHOUT_PARTS = (str, bytes, int, float, complex, type(None))
_MOST_LOOKED_AT = 6000  # values in all: a few milliseconds
# Python's own descriptors, which no metaclass can replace.
_MRO, _DICT = (type.__dict__[name] for name in ("__mro__", "__dict__"))
_NO_CODE = (GetSetDescriptorType, MemberDescriptorType)


def value_of(expression: str, names: Mapping[str, Any]) -> Any:
    """Return what a variable, an attribute or an item holds.

    Raises:
        LookupError: if there is none, or only running code could tell.
    """
    first, *steps = steps_of(expression)
    if first.is_item:
        raise LookupError(expression)
    value = names[first.text]
    for step in steps:
        value = item(value, step.key) if step.is_item else attribute(value, str(step.key))
    return value


def attribute(owner: object, name: str) -> Any:
    """Return an attribute that an object or its class holds; a property isn't read."""
    held = attributes(owner)
    if name in held:
        return held[name]
    value = _of_class(owner if issubclass(type(owner), type) else type(owner), name)
    if type(value) is MemberDescriptorType:  # a slot, which is no code of the user's
        try:
            return value.__get__(owner, type(owner))
        except (AttributeError, TypeError):  # empty, or asked of the class
            raise KeyError(name) from None
    if value is None or _of_class(type(value), "__get__") is not None:
        raise KeyError(name)
    return value


def attributes(owner: object) -> dict[str, Any]:
    """Return the attributes that an object itself holds, including the children of a module."""
    own = {name: value for name, value in _own(owner) if type(name) is str}
    return {**own, **dict(_children(owner))} if is_module(owner) else own


def item(owner: object, key: str | int) -> Any:
    """Return an item of a dict, a list, a tuple or one of torch's own containers of modules."""
    kind = type(owner)
    if issubclass(kind, (list, tuple)) and isinstance(key, int):
        base: Any = list if issubclass(kind, list) else tuple
        return base.__getitem__(owner, key)
    # One by one: a lookup would compare keys of the user's classes and run their code.
    held = [(other, value) for other, value in items(owner) if type(other) is type(key)]
    if is_module(owner) and isinstance(key, int):
        return [value for _, value in held][key]
    for other, value in held:
        if other == key:
            return value
    raise KeyError(key)


def items(owner: object) -> Iterator[tuple[Any, Any]]:
    """Yield the items of what `item` accepts, each with its key or index."""
    kind = type(owner)
    if issubclass(kind, dict):
        yield from dict.items(owner)  # type: ignore[arg-type]
    elif issubclass(kind, (list, tuple)):
        base: Any = list if issubclass(kind, list) else tuple
        yield from enumerate(base.__iter__(owner))
    elif is_module(owner):
        nn = sys.modules["torch"].nn
        children = _children(owner)
        if issubclass(kind, nn.ModuleDict):
            yield from children
        elif issubclass(kind, (nn.Sequential, nn.ModuleList)):  # by number, whatever the names
            yield from enumerate(child for _, child in children)


def children(module: object) -> Iterator[tuple[str, Any]]:
    """Yield the children of a module by name; a wrapper has those of what it wraps."""
    for name, child in _children(unwrapped(module)):
        if is_module(child) and type(name) in (str, int):
            yield str(name), child


def is_leaf(module: object) -> bool:
    """Return True if a module certainly has no children: in a fraction of the time to list them."""
    kind: Any = type(module)
    getter = _dict_getter(kind)
    own = None if getter is None else getter.__get__(module)
    held = own.get("_modules") if type(own) is dict else None
    return type(held) is dict and not held


@lru_cache(maxsize=1024)  # needed for every module of a model
def _dict_getter(kind: type[Any]) -> Any:
    getter = _of_class(kind, "__dict__")
    return getter if type(getter) in _NO_CODE else None


def bases(kind: type[Any]) -> list[type[Any]]:
    """Return a class of modules and its bases that are classes of modules."""
    nn = sys.modules["torch"].nn
    return [base for base in _MRO.__get__(kind) if issubclass(base, nn.Module)]


def unwrapped(module: Any) -> Any:
    """Return what a wrapper wraps; any other module itself."""
    from featmagic.recording.model_tree import wrapped_in  # imports torch

    while attribute := wrapped_in(module):
        held = dict(_children(module))
        if not is_module(held.get(attribute)):
            break
        module = held[attribute]
    return module


def is_fully_readable(value: object) -> bool:
    """Return True if running code would find no model in the value that isn't found here."""
    return is_module(value) or type(value) in (*_WITHOUT_PARTS, dict, list, tuple)


def leading_to_modules(named: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Keep the named values that are modules or lead to one.

    The more values there are, the less of each is looked at.
    """
    named = list(named)
    most = _MOST_LOOKED_AT // max(1, sum(not is_module(value) for _, value in named))
    leading = []
    for name, value in named:
        with suppress(Exception):  # a thread may change it meanwhile, which hides no other value
            if leads_to_module(value, most):
                leading.append((name, value))
    return leading


def leads_to_module(value: object, most: int = _MOST_LOOKED_AT) -> bool:
    """Return True for a module and for what holds one, at most three steps down.

    No more than `most` values are looked at, those near the top first.
    """
    level: list[object] = [value]
    for _ in range(4):
        if any(map(is_module, level)):
            return True
        if most <= 0:
            break
        level = list(islice((part for owner in level for part in _parts(owner)), most))
        most -= len(level)
    return False


def _of_class(kind: Any, name: str) -> Any:
    """Return what a class or one of its bases defines under that name, or None."""
    for base in _MRO.__get__(kind):
        if name in (held := _DICT.__get__(base)):
            return held[name]
    return None


def _own(owner: object) -> Iterable[tuple[Any, Any]]:
    """Return the items of an object's own `__dict__`, if Python itself provides it."""
    own = _dict_of(owner)
    return list(dict.items(own)) if issubclass(type(own), dict) else own.items()


def _dict_of(owner: object) -> Any:
    """Return an object's own `__dict__`, not copied; an empty one if Python doesn't provide it."""
    getter = _of_class(type(owner), "__dict__")
    if type(getter) not in _NO_CODE:  # a number, an object with slots, a property
        return {}
    own = getter.__get__(owner)
    is_known = issubclass(type(own), dict) or type(own) is MappingProxyType  # that of a class
    return own if is_known else {}


def _children(module: object) -> Iterable[tuple[Any, Any]]:
    """Return the children of a module; one that was never initialized has none."""
    own = _dict_of(module)
    held: Any = dict.get(own, "_modules") if issubclass(type(own), dict) else None
    if issubclass(type(held), dict):
        return list(dict.items(held)) if dict.__len__(held) else ()
    # That of TorchScript.
    return list(held.items()) if type(held).__module__.startswith("torch.") else ()


def _parts(value: object) -> Iterator[object]:
    """Return what a value holds, if a model may be in it."""
    if issubclass(type(value), (*_WITHOUT_PARTS, type, ModuleType)):
        return iter(())
    if issubclass(type(value), (dict, list, tuple)):
        return (held for _, held in items(value))
    return (held for name, held in attributes(value).items() if not name.startswith("_"))
