"""What the user's variables hold, read without running any of the user's code.

Nothing is called here, and no property is read: what only code could tell is not found. A class
may make anything a property, its `__dict__` too, and a metaclass the name of the class.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from types import GetSetDescriptorType, MappingProxyType, MemberDescriptorType, ModuleType
from typing import Any

from featmagic.ipython.completion.fragment import steps_of

# Python's own way to these, which no metaclass stands in.
_MRO, _DICT, _NAME = (type.__dict__[name] for name in ("__mro__", "__dict__", "__name__"))


_NO_CODE = (GetSetDescriptorType, MemberDescriptorType)


def value_of(expression: str, names: Mapping[str, Any]) -> Any:
    """What a variable, an attribute or an item holds.

    Raises:
        LookupError: there is none, or only running code would tell.

    Example:
        >>> value_of("models['a']", {"models": {"a": 1}})
        1
    """
    first, *steps = steps_of(expression)
    if first.is_item:
        raise LookupError(expression)
    value = names[first.text]
    for step in steps:
        value = item(value, step.key) if step.is_item else attribute(value, str(step.key))
    return value


def class_of(value: object) -> str:
    """The name of its class.

    Example:
        >>> class_of(3)
        'int'
    """
    return str(_NAME.__get__(type(value)))


def is_module(value: object) -> bool:
    """Whether it is a torch module; by its type alone, for a proxy would run code to answer.

    Example:
        >>> is_module("model")
        False
    """
    torch = sys.modules.get("torch")  # whoever has a module has it loaded
    return torch is not None and issubclass(type(value), torch.nn.Module)


def is_tensor(value: object) -> bool:
    """Whether it is a tensor, by its type alone.

    Example:
        >>> is_tensor([1.0])
        False
    """
    torch = sys.modules.get("torch")
    return torch is not None and issubclass(type(value), torch.Tensor)


def is_maps(value: object) -> bool:
    """Whether it is feature maps, which are nowhere before their module is imported.

    Example:
        >>> is_maps({})
        False
    """
    maps = sys.modules.get("featmagic.feature_maps")
    # An abstract class would ask the other class.
    return maps is not None and type.__subclasscheck__(maps.FeatureMaps, type(value))


def attribute(owner: object, name: str) -> Any:
    """An attribute that an object or its class holds: no property, and nothing made on request.

    Raises:
        LookupError: there is none.

    Example:
        >>> class Trainer:
        ...     model = "net"
        >>> attribute(Trainer(), "model")
        'net'
    """
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


def _of_class(kind: Any, name: str) -> Any:
    """What a class or one that it derives from has under that name."""
    for base in _MRO.__get__(kind):
        if name in (held := _DICT.__get__(base)):
            return held[name]
    return None


def attributes(owner: object) -> dict[str, Any]:
    """The attributes that an object holds itself, children of a module among them.

    Example:
        >>> attributes(3)
        {}
    """
    own = {name: value for name, value in _own(owner) if type(name) is str}
    return {**own, **dict(_children(own))} if is_module(owner) else own


def _own(owner: object) -> Iterable[tuple[Any, Any]]:
    """What stands in an object's own `__dict__`, if it has one that is Python's."""
    getter = _of_class(type(owner), "__dict__")
    if type(getter) not in _NO_CODE:  # a number, an object with slots, a property
        return ()
    own = getter.__get__(owner)
    if issubclass(type(own), dict):
        return list(dict.items(own))
    return own.items() if type(own) is MappingProxyType else ()  # a class has that


def _children(own: Mapping[str, Any]) -> Iterable[tuple[Any, Any]]:
    """The children of a module; one that was never initialized has none."""
    held = own.get("_modules")
    return list(dict.items(held)) if issubclass(type(held), dict) else ()  # type: ignore[arg-type]


def item(owner: object, key: str | int) -> Any:
    """The item of a dict, a list or a tuple, or of torch's own modules that have items.

    Raises:
        LookupError: there is none.

    Example:
        >>> item(["a", "b"], -1)
        'b'
    """
    kind = type(owner)
    if issubclass(kind, (list, tuple)) and isinstance(key, int):
        base: Any = list if issubclass(kind, list) else tuple
        return base.__getitem__(owner, key)
    # One by one: a look-up would ask keys of the user's classes whether they are this one.
    held = [(other, value) for other, value in items(owner) if type(other) is type(key)]
    if is_module(owner) and isinstance(key, int):
        return [value for _, value in held][key]
    for other, value in held:
        if other == key:
            return value
    raise KeyError(key)


def items(owner: object) -> Iterator[tuple[Any, Any]]:
    """The items of what `item` takes, each with its key or index.

    Example:
        >>> list(items(["a", "b"]))
        [(0, 'a'), (1, 'b')]
    """
    kind = type(owner)
    if issubclass(kind, dict):
        yield from dict.items(owner)  # type: ignore[arg-type]
    elif issubclass(kind, (list, tuple)):
        base: Any = list if issubclass(kind, list) else tuple
        yield from enumerate(base.__iter__(owner))
    elif is_module(owner):
        nn = sys.modules["torch"].nn
        children = _children(dict(_own(owner)))
        if issubclass(kind, nn.ModuleDict):
            yield from children
        elif issubclass(kind, (nn.Sequential, nn.ModuleList)):  # by number, whatever the names
            yield from enumerate(child for _, child in children)


WITHOUT_PARTS = (str, bytes, int, float, complex, type(None))


def tells_all(value: object) -> bool:
    """Whether running code would find no model behind it that isn't found here.

    Example:
        >>> tells_all({"a": 1}), tells_all(3), tells_all(object())
        (True, True, False)
    """
    return is_module(value) or type(value) in (*WITHOUT_PARTS, dict, list, tuple)


ENOUGH = 6000  # things to look at in all: a few milliseconds


def leading_to_models(found: Iterable[tuple[str, Any]]) -> list[tuple[str, Any]]:
    """Those that lead to a module; the more there are, the less of each is looked at.

    Args:
        found: things by name.

    Example:
        >>> leading_to_models([("models", {"a": 1})])
        []
    """
    there = list(found)
    most = ENOUGH // max(1, sum(not is_module(value) for _, value in there))
    leading = []
    for text, value in there:
        with suppress(Exception):  # a thread may change it meanwhile; the others are still there
            if leads_to_module(value, most):
                leading.append((text, value))
    return leading


def leads_to_module(value: object, most: int = ENOUGH) -> bool:
    """Whether it is a module or holds one: at most three steps down.

    Args:
        value: anything.
        most: how many things to look at, those near the top first.

    Example:
        >>> leads_to_module({"a": [1, 2]})
        False
    """
    level: list[object] = [value]
    for _ in range(4):
        if any(map(is_module, level)):
            return True
        if most <= 0:
            break
        level = list(islice((part for held in level for part in _parts(held)), most))
        most -= len(level)
    return False


def _parts(value: object) -> Iterator[object]:
    if issubclass(type(value), (*WITHOUT_PARTS, type, ModuleType)):
        return iter(())
    if issubclass(type(value), (dict, list, tuple)):
        return (held for _, held in items(value))
    return (held for name, held in attributes(value).items() if not name.startswith("_"))
