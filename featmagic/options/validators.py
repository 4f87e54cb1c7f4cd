"""Option values: from what a person wrote, as text or as Python, to what is meant.

Each function here makes a check: called with an option's name and its value, it returns the value
that a `View` holds, or raises a `FeatmagicError` that says what there is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from math import isfinite
from operator import index
from typing import Any

from featmagic.options.colormaps import colormap, well_known
from featmagic.options.indexing import is_truth
from featmagic.support.errors import FeatmagicError, did_you_mean

Check = Callable[[str, Any], Any]


def optional(check: Check) -> Check:
    """The check, with None let through.

    Example:
        >>> optional(whole(1))("ncols", None)
    """
    return _Optional(check)


@dataclass(frozen=True)
class _Optional:
    check: Check

    def __call__(self, name: str, value: Any) -> Any:
        return None if value is None else self.check(name, value)


def whole(least: int | None = None) -> Check:
    """A whole number, `least` or more.

    Example:
        >>> whole(1)("ncols", "4")
        4
    """

    def check(name: str, value: Any) -> int:
        if isinstance(value, str) and re.fullmatch(r"[+-]?\d{1,18}", value):
            value = int(value)
        try:
            found = None if is_truth(value) else index(value)
        except TypeError:
            found = None
        if found is None:
            raise FeatmagicError(f"{name} is a whole number, not {value!r}.")
        if least is not None and found < least:
            raise FeatmagicError(f"{name} is {least} or more, not {found}.")
        return found

    return check


def number(low: float | None = None, high: float | None = None) -> Check:
    """A finite number, from `low` to `high` where they are given.

    Example:
        >>> number()("vmin", "-1e-3")
        -0.001
    """

    def check(name: str, value: Any) -> float:
        try:
            found = float("no" if is_truth(value) else value)
        except (TypeError, ValueError, OverflowError):
            raise FeatmagicError(f"{name} is a number, not {value!r}.") from None
        if not isfinite(found):
            raise FeatmagicError(f"{name} is a finite number, not {value}.")
        if (low is not None and found < low) or (high is not None and found > high):
            ends = f"from {low:g} to {high:g}" if high is not None else f"{low:g} or more"
            raise FeatmagicError(f"{name} is {ends}, not {found:g}.")
        return found

    return check


def size_in_bytes(name: str, value: Any) -> int:
    """How many bytes: a whole number above 0, or text such as `24MB`; kB is 1,000 bytes.

    Example:
        >>> size_in_bytes("max-bytes", "1.5 MB")
        1500000
    """
    found = _SIZE.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        if isinstance(value, str):
            raise FeatmagicError(f"{name} is a number of bytes, as 24MB or 500kB, not {value!r}.")
        count: int = whole(1)(name, value)
        return count
    return whole(1)(name, int(float(found[1]) * _UNITS[found[2].lower()]))  # type: ignore[no-any-return]


_SIZE = re.compile(r"(\d{1,12}(?:\.\d*)?(?:e\d)?)\s*([kmg]?b?)", re.IGNORECASE)


_UNITS = {
    "": 1,
    "b": 1,
    **{u + b: n for u, n in (("k", 10**3), ("m", 10**6), ("g", 10**9)) for b in ("", "b")},
}


def choice(*words: str, other: Check | None = None) -> Check:
    """One of the words, or what the other check takes.

    Example:
        >>> choice("mid", "mean", other=whole())("slice", "3")
        3
    """
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
        rest = " or a whole number" if self.other else ""
        near = did_you_mean(value, self.words, limit=1) if isinstance(value, str) else ""
        raise FeatmagicError(f"{name} is {' or '.join(self.words)}{rest}, not {value!r}.{near}")


def words_taken(check: Check) -> tuple[str, ...]:
    """Words that the check takes, for a person to choose from; none, if it takes no words.

    Example:
        >>> words_taken(optional(choice("linear", "log"))), words_taken(whole())
        (('linear', 'log'), ())
    """
    if isinstance(check, _Optional):
        return words_taken(check.check)
    if isinstance(check, _Choice):
        return check.words
    if check is layout:
        return LAYOUTS
    return well_known() if check is colormap_name else ()


def flag(name: str, value: Any) -> bool:
    """True or False.

    Example:
        >>> flag("overlay", True)
        True
    """
    if not is_truth(value):
        raise FeatmagicError(f"{name} is True or False, not {value!r}.")
    return bool(value)


def colormap_name(name: str, value: Any) -> str:
    """The name of a color map that matplotlib knows.

    Example:
        >>> colormap_name("cmap", "gray")
        'gray'
    """
    if not isinstance(value, str):
        raise FeatmagicError(f"{name} is the name of a colormap, not {value!r}.")
    colormap(value)
    return value


def word(name: str, value: Any) -> str:
    """Any text that isn't empty.

    Example:
        >>> word("pca_basis", "run1")
        'run1'
    """
    if not isinstance(value, str) or not value:
        raise FeatmagicError(f"{name} is a name, not {value!r}.")
    return value


def numbers(name: str, value: Any) -> tuple[float, ...]:
    """Numbers with commas between them, or in a tuple or list.

    Example:
        >>> numbers("mean", "0.485,0.456,0.406")
        (0.485, 0.456, 0.406)
    """
    parts = value.split(",") if isinstance(value, str) else value
    parts = parts if isinstance(parts, Iterable) else [parts]
    found = tuple(number()(name, part) for part in parts)
    if len(found) not in (1, 3):
        raise FeatmagicError(f"{name} is one number or three, not {len(found)}.")
    return found


def size(name: str, value: Any) -> tuple[int, int]:
    """Height and width: `14x14`, or two whole numbers.

    Example:
        >>> size("grid", "12x16")
        (12, 16)
    """
    parts = re.split("[x×,]", value) if isinstance(value, str) else value
    if not isinstance(parts, Iterable) or len(parts := tuple(parts)) != 2:
        raise FeatmagicError(f"{name} is a height and a width, as in 14x14, not {value!r}.")
    height, width = (whole(1)(name, part) for part in parts)
    return height, width


_AXES = "NCHWDLTAQKS"


LAYOUTS = ("NCHW", "NHWC", "NLC", "NCL", "NCW", "NCDHW")  # those most asked for


def layout(name: str, value: Any) -> str:
    """A letter for each axis, each once.

    Example:
        >>> layout("layout", "nhwc")
        'NHWC'
    """
    letters = value.upper() if isinstance(value, str) else ""
    if not letters or set(letters) - set(_AXES) or len(set(letters)) < len(letters):
        raise FeatmagicError(
            f"{name} is a letter for each axis, as in {', '.join(LAYOUTS[:-1])} or {LAYOUTS[-1]}, "
            f"not {value!r}."
        )
    return letters
