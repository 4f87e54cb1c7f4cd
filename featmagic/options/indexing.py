"""Indices and slices as text: `0:16,40`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from featmagic.support.errors import FeatmagicError, short

_INDEX = r"-?\d{1,18}"
_PART = re.compile(rf"{_INDEX}|({_INDEX})?:({_INDEX})?(:(-?0*[1-9]\d{{0,17}})?)?")


def indices(name: str, value: Any) -> str:
    """Convert an int, a slice, several of them or text to the text of indices and slices.

    Args:
        name: The option's name, for messages.
        value: What the user gave.

    Raises:
        FeatmagicError: The value names no index, or a part is neither an index nor a slice.

    Example:
        >>> indices("channels", [slice(0, 16), 40])
        '0:16,40'
    """
    if isinstance(value, str):
        parts = [part.strip() for part in value.split(",")]
    else:
        # A 0-d tensor is an instance of Iterable, but can't be iterated over.
        is_sequence = isinstance(value, Iterable) and getattr(value, "ndim", True)
        parts = [_part_text(part) for part in (value if is_sequence else [value])]
    if not parts:
        raise FeatmagicError(f"{name} must name at least one index or slice, such as 0:16,40.")
    for part in parts:
        if not _PART.fullmatch(part):
            raise FeatmagicError(
                f"{name} must be indices and slices separated by commas, such as 0:16,40; "
                f"{short(part)} is neither."
            )
    return ",".join(parts)


def all_or_indices(name: str, value: Any) -> str:
    """Return the word `all` as it is, and convert anything else as `indices` does."""
    if is_boolean(value) or value is None:
        raise FeatmagicError(
            f"{name} must be an index, several separated by commas, or all, not {value!r}."
        )
    return "all" if value == "all" else indices(name, value)


def _part_text(part: Any) -> str:
    if is_boolean(part):
        return str(part)
    if isinstance(part, slice):
        ends = (part.start, part.stop, part.step)[: 2 + (part.step is not None)]
        return ":".join("" if end is None else str(end) for end in ends)
    return str(part.__index__() if hasattr(part, "__index__") else part)


def picked(text: str, count: int, noun: str) -> list[int]:
    """Return the indices that the text names, of `count` items; slices are clipped as in Python.

    Args:
        text: Indices and slices, as `indices` returns them.
        count: The number of items.
        noun: What an item is called in messages.

    Raises:
        FeatmagicError: An index is out of range, or the text selects no item.

    Example:
        >>> picked("0:3,-1", 10, "channel")
        [0, 1, 2, 9]
    """
    chosen = [index for part in text.split(",") for index in _indices(part, count, noun)]
    if not chosen:
        raise FeatmagicError(f"{noun}s {text} selects none of the {count} {noun}s.")
    return chosen


def _indices(part: str, count: int, noun: str) -> Iterable[int]:
    if ":" in part:
        return range(count)[slice(*(int(end) if end else None for end in part.split(":")))]
    index = int(part)
    if not -count <= index < count:
        raise FeatmagicError(f"No {noun} {index}: there are {count}, 0 to {count - 1}.")
    return [index % count]


def is_boolean(value: Any) -> bool:
    """Return True for True and False, Python's or NumPy's, which are never meant as numbers."""
    return type(value).__name__ in ("bool", "bool_")
