"""Validators: from what the user gave, as text or as Python, to an option's value.

A validator (`Check`) is called with an option's name and a value. It returns the value that a
`View` holds, or raises a `FeatmagicError` that says which values are valid. Some functions here are
validators, others return one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import isfinite
from operator import index
from typing import Any

from featmagic.options.colormaps import colormap, well_known
from featmagic.options.indexing import is_boolean
from featmagic.support.errors import FeatmagicError, did_you_mean, short

Check = Callable[[str, Any], Any]

COMMON_LAYOUTS = ("NCHW", "NHWC", "NLC", "NCL", "NCW", "NCDHW")  # the common ones, for messages

_LONGEST_TEXT = 2000  # characters
_AXES = "NCHWDLTAQKS"
_SIZE = re.compile(r"(\d{1,12}(?:\.\d*)?(?:e\d)?)\s*([kmg]?)b?", re.IGNORECASE)
_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9}


@dataclass(frozen=True)
class _Optional:
    check: Check

    def __call__(self, name: str, value: Any) -> Any:
        return None if value is None else self.check(name, value)


def optional(check: Check) -> Check:
    """Return a validator that takes None, and whatever `check` takes."""
    return _Optional(check)


def whole(least: int | None = None) -> Check:
    """Return a validator for whole numbers, of `least` or more if it is given."""

    def check(name: str, value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"[+-]?\d{1,18}", value):
            value = int(value)
        try:
            whole_number = None if is_boolean(value) else index(value)
        except TypeError:
            whole_number = None
        if whole_number is None:
            raise FeatmagicError(f"{name} must be a whole number, not {short(value)}.")
        if least is not None and whole_number < least:
            raise FeatmagicError(f"{name} must be {least} or more, not {whole_number}.")
        return whole_number

    return check


def number(low: float | None = None, high: float | None = None) -> Check:
    """Return a validator for finite numbers, from `low` to `high` where they are given."""

    def check(name: str, value: Any) -> float:
        try:
            real = float("no" if is_boolean(value) else value)
        except (TypeError, ValueError, OverflowError):
            raise FeatmagicError(f"{name} must be a number, not {short(value)}.") from None
        if not isfinite(real):
            raise FeatmagicError(f"{name} must be a finite number, not {value}.")
        if (low is not None and real < low) or (high is not None and real > high):
            ends = f"from {low:g} to {high:g}" if high is not None else f"{low:g} or more"
            raise FeatmagicError(f"{name} must be {ends}, not {real:g}.")
        return real

    return check


def text(name: str, value: Any) -> str | None:
    """Return a text to be shown, without blanks around it; None for an empty one."""
    if not isinstance(value, str):
        raise FeatmagicError(f"invalid --{name} {value!r}: it must be a string.")
    return str(value).strip()[:_LONGEST_TEXT] or None


def percent(name: str, value: Any) -> float | None:
    """Return a percentage to clip; True and False stand for 2 and for none."""
    if is_boolean(value):
        return 2.0 if value else None
    share: float = number(0, 49)(name, value)
    return share


def size_in_bytes(name: str, value: Any) -> int:
    """Convert a positive number of bytes, or text such as `24MB`; kB is 1,000 bytes."""
    if isinstance(value, str):
        size_text = _SIZE.fullmatch(value.strip())
        if size_text is None:
            raise FeatmagicError(
                f"{name} must be a number of bytes, such as 24MB or 500kB, not {short(value)}."
            )
        value = int(float(size_text[1]) * _UNITS[size_text[2].lower()])
    size: int = whole(1)(name, value)
    return size


def choice(*words: str, other: Check | None = None) -> Check:
    """Return a validator for one of these words, or for whatever `other` takes."""
    return _Choice(words, other)


@dataclass(frozen=True)
class _Choice:
    words: tuple[str, ...]
    other: Check | None

    def __call__(self, name: str, value: Any) -> Any:
        if isinstance(value, str) and value in self.words:
            return value
        if self.other is not None and not (isinstance(value, str) and value[:1].isalpha()):
            return self.other(name, value)
        words = [*self.words, *(["a whole number"] if self.other else [])]
        choices = " or ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
        near = did_you_mean(value, self.words, limit=1) if isinstance(value, str) else ""
        raise FeatmagicError(f"invalid {name} {short(value)}: choose {choices}.{near}")


def _number_of_pass(name: str, value: Any) -> int:
    number: int = whole()(name, value)
    if number == 0:
        raise FeatmagicError(
            f"{name} can't be 0: passes are numbered from 1, or from the end as -1."
        )
    return number


# "last" or "all", or which of several passes: from 1, or from the end as -1.
pass_choice = choice("last", "all", other=_number_of_pass)


def words_taken(check: Check) -> tuple[str, ...]:
    """Return the words that a validator takes, for completion.

    Example:
        >>> words_taken(optional(choice("linear", "log"))), words_taken(whole())
        (('linear', 'log'), ())
    """
    if isinstance(check, _Optional):
        return words_taken(check.check)
    if isinstance(check, _Choice):
        return check.words
    if check is layout:
        return COMMON_LAYOUTS
    return well_known() if check is colormap_name else ()


def flag(name: str, value: Any) -> bool:
    """Convert True and False, Python's or NumPy's, to a `bool`."""
    if not is_boolean(value):
        raise FeatmagicError(f"{name} must be True or False, not {short(value)}.")
    return bool(value)


def colormap_name(name: str, value: Any) -> str:
    """Return the name of a colormap if matplotlib knows it."""
    if not isinstance(value, str):
        raise FeatmagicError(f"{name} must be the name of a colormap, not {short(value)}.")
    colormap(value)
    return value


def word(name: str, value: Any) -> str:
    """Return any text that isn't empty."""
    if not isinstance(value, str) or not value:
        raise FeatmagicError(f"{name} must be a name, not {short(value)}.")
    return value


def numbers(name: str, value: Any) -> tuple[float, ...]:
    """Convert one number or three: an iterable, or text with commas between them."""
    parts = value.split(",") if isinstance(value, str) else value
    parts = parts if isinstance(parts, Iterable) else [parts]
    reals = tuple(number()(name, part) for part in parts)
    if len(reals) not in (1, 3):
        raise FeatmagicError(
            f"{name} must be one number or three separated by commas, not {len(reals)}."
        )
    return reals


def size(name: str, value: Any) -> tuple[int, int]:
    """Convert a height and a width: text such as `14x14`, or two whole numbers."""
    parts = re.split("[x×,]", value) if isinstance(value, str) else value
    if not isinstance(parts, Iterable) or len(parts := tuple(parts)) != 2:
        raise FeatmagicError(f"{name} must be height x width, such as 14x14, not {short(value)}.")
    height, width = (whole(1)(name, part) for part in parts)
    return height, width


def layout(name: str, value: Any) -> str:
    """Convert a layout, one letter for each axis without repeats, to upper case."""
    letters = value.upper() if isinstance(value, str) else ""
    if not letters or set(letters) - set(_AXES) or len(set(letters)) < len(letters):
        common, last = ", ".join(COMMON_LAYOUTS[:-1]), COMMON_LAYOUTS[-1]
        raise FeatmagicError(
            f"{name} must have one letter per dimension, such as {common} or {last}, not "
            f"{short(value)}."
        )
    return letters
