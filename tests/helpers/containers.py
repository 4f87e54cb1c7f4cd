"""Containers as people write them, and some that refuse to be read or copied."""

from __future__ import annotations

from collections import OrderedDict, UserDict, defaultdict, deque, namedtuple
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

Pair = namedtuple("Pair", "first second")


class Counted(NamedTuple("Counted", [("tensor", object), ("count", int)])):
    """A named tuple that is made in a way of its own."""

    def __new__(cls, tensor):
        return super().__new__(cls, tensor, len(tensor))


class Named(tuple):
    """A tuple with an attribute, made in a way of its own."""

    def __new__(cls, name, *items):
        self = super().__new__(cls, items)
        self.name = name
        return self


class Stack(list):
    """A list that is made in a way of its own."""

    def __init__(self, *items):
        super().__init__(items)
        self.name = "stack"


@dataclass(frozen=True)
class Frozen:
    hidden: object
    step: int = 3


@dataclass
class RaisingField:
    """A dataclass of which a field can't be read."""

    hidden: object
    lazy: object = 0

    def __getattribute__(self, name):
        if name == "lazy":
            raise RuntimeError("not loaded yet")
        return object.__getattribute__(self, name)


class LazyMapping(Mapping):
    """A mapping of which an item can't be read."""

    def __init__(self, items):
        self.items_ = items

    def __getitem__(self, key):
        if key == "lazy":
            raise OSError("the file is gone")
        return self.items_[key]

    def __iter__(self):
        return iter([*self.items_, "lazy"])

    def __len__(self):
        return len(self.items_) + 1


class View(Mapping):
    """A mapping that can't be made of its items, and holds them in an attribute."""

    def __init__(self, first, second):
        self.held = {"first": first, "second": second}
        self.note = "kept"

    def __getitem__(self, key):
        return self.held[key]

    def __iter__(self):
        return iter(self.held)

    def __len__(self):
        return len(self.held)


class NotCopied(dict):
    """A mapping that refuses to be copied."""

    def __copy__(self):
        raise TypeError("there is only one")


class Unequal(dict):
    """A mapping that refuses to be compared."""

    __hash__ = None

    def __eq__(self, other):
        raise ValueError("compared")


class Computed(Mapping):
    """A mapping that makes another tensor each time it is asked."""

    def __init__(self, tensor):
        self.tensor = tensor

    def __getitem__(self, key):
        return self.tensor + 1

    def __iter__(self):
        return iter(["made"])

    def __len__(self):
        return 1


class Claims:
    """An object that fails when it is asked for its class."""

    @property
    def __class__(self):
        raise RuntimeError("who asks?")


def nested(value, levels):
    """The value in so many lists, one in the other."""
    for _ in range(levels):
        value = [value]
    return value


def holding_itself(value):
    """A list of the value and of itself."""
    container = [value]
    container.append(container)
    return container


def doubled(value, levels):
    """The value in lists that hold one list twice: as many ways to it as two to the levels."""
    for _ in range(levels):
        value = [value, value]
    return value


# Containers that can be copied with other tensors in them, and how their tensor is reached.
MOVABLE = {
    "list": (lambda t: [1, t], lambda c: c[1]),
    "tuple": (lambda t: (t, "a"), lambda c: c[0]),
    "dict": (lambda t: {"a": {"b": t}}, lambda c: c["a"]["b"]),
    "ordered dict": (lambda t: OrderedDict(a=t, b=2), lambda c: c["a"]),
    "default dict": (lambda t: defaultdict(list, a=t), lambda c: c["a"]),
    "user dict": (lambda t: UserDict(a=t), lambda c: c["a"]),
    "named tuple": (lambda t: Pair(t, 2), lambda c: c.first),
    "named tuple of its own": (Counted, lambda c: c.tensor),
    "tuple of its own": (lambda t: Named("a", t), lambda c: c[0]),
    "list of its own": (lambda t: Stack(t, 1), lambda c: c[0]),
    "frozen dataclass": (Frozen, lambda c: c.hidden),
    "mapping of its own": (lambda t: View(t, 2), lambda c: c["first"]),
    "a refusal to compare": (lambda t: Unequal(a=t), lambda c: c["a"]),
    "shared lists": (lambda t: doubled(t, 30), lambda c: nested_item(c)),
    "set": (lambda t: {t, 1}, lambda c: next(item for item in c if type(item) is not int)),
    "frozen set": (lambda t: frozenset([t]), lambda c: next(iter(c))),
    "deque": (lambda t: deque([1, t], maxlen=2), lambda c: c[1]),
}

# Containers that can't, and a word of the reason.
UNMOVABLE = {
    "lazy mapping": (lambda t: LazyMapping({"a": t}), "the file is gone"),
    "lazy field": (RaisingField, "not loaded yet"),
    "no copy": (lambda t: NotCopied(a=t), "there is only one"),
    "made anew": (Computed, "can't be rebuilt"),
    "deep": (lambda t: nested(t, 2000), "nested too deeply"),
    "holds itself": (holding_itself, "contains itself"),
}


def nested_item(container):
    """The first value that is no list."""
    while isinstance(container, list):
        container = container[0]
    return container
