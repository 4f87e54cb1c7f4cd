"""Indices and slices, as a person writes them: `0:16,40`."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from featmagic.support.errors import FeatmagicError

_INDEX = r"-?\d{1,18}"


_PART = re.compile(rf"{_INDEX}|({_INDEX})?:({_INDEX})?(:(-?0*[1-9]\d{{0,17}})?)?")


def indices(name: str, value: Any) -> str:
    """Indices and slices, as text or as an int, a slice or several of them; as text again.

    Example:
        >>> indices("channels", [slice(0, 16), 40])
        '0:16,40'
    """
    if isinstance(value, str):
        parts = [part.strip() for part in value.split(",")]
    else:
        # A tensor of one number has an index, and claims to be a row.
        several = isinstance(value, Iterable) and getattr(value, "ndim", True)
        parts = [_part_text(part) for part in (value if several else [value])]
    if not parts:
        raise FeatmagicError(f"{name} names none: an index or a slice is needed, as in 0:16,40.")
    for part in parts:
        if not _PART.fullmatch(part):
            raise FeatmagicError(
                f"{name} {part!r} is neither an index nor a slice: 0:16,40, without spaces."
            )
    return ",".join(parts)


def all_or_indices(name: str, value: Any) -> str:
    """The word `all`, or indices and slices.

    Example:
        >>> all_or_indices("sample", -1)
        '-1'
    """
    if is_truth(value) or value is None:
        raise FeatmagicError(f"{name} is an index, several of them, or all, not {value!r}.")
    return "all" if value == "all" else indices(name, value)


def _part_text(part: Any) -> str:
    if is_truth(part):
        return str(part)
    if isinstance(part, slice):
        ends = (part.start, part.stop, part.step)[: 2 + (part.step is not None)]
        return ":".join("" if end is None else str(end) for end in ends)
    return str(part.__index__() if hasattr(part, "__index__") else part)


def picked(text: str, count: int, noun: str) -> list[int]:
    """The indices that the text names, of `count`; slices are cut as Python's are.

    Raises:
        FeatmagicError: an index that isn't there, or none at all.

    Example:
        >>> picked("0:3,-1", 10, "channel")
        [0, 1, 2, 9]
    """
    found = [index for part in text.split(",") for index in _indices(part, count, noun)]
    if not found:
        raise FeatmagicError(f"{noun}s {text} takes none of the {count} there are.")
    return found


def _indices(part: str, count: int, noun: str) -> Iterable[int]:
    if ":" in part:
        return range(count)[slice(*(int(end) if end else None for end in part.split(":")))]
    index = int(part)
    if not -count <= index < count:
        raise FeatmagicError(f"No {noun} {index}: there are {count}, 0 to {count - 1}.")
    return [index % count]


def is_truth(value: Any) -> bool:
    """Whether the value is True or False, Python's or NumPy's: as a number it isn't meant.

    Example:
        >>> is_truth(True), is_truth(1)
        (True, False)
    """
    return type(value).__name__ in ("bool", "bool_")
