"""Globs: patterns of layer names, in which `*` stands for one level and `**` for any number.

Nothing here imports torch. The explorer's front end has the same rules in frontend/src/glob.js.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

# The longest pattern that is read. A longer one means the name that is spelled like it.
LONGEST_GLOB = 1000


_WILDCARD = re.compile(r"[*?[]")

# Takes one character of a name: this one, any one of a level, one of a set, or any at all.
_Token = Callable[[str], bool]


class _Machine(NamedTuple):
    """A pattern as sets of states, a bit each; state n has matched the first n tokens.

    Attributes:
        tokens: what takes one character each.
        in_level: the states that `*` lets take any further characters of the level.
        anywhere: the states that `**` beside other characters lets take any further characters.
        levels: the states at the beginning of a level that `**.` lets skip whole levels.
    """

    tokens: tuple[_Token, ...]
    in_level: int
    anywhere: int
    levels: int


def is_glob(text: str) -> bool:
    """Return True if the text has a wildcard: `*`, `?` or an opening bracket."""
    return _WILDCARD.search(text) is not None


def glob(pattern: str) -> Callable[[str], bool]:
    """Return a function that returns True if a path matches the glob.

    `*` stands for any characters of one level, `?` for one, and `[abc]`, `[a-c]` and `[!abc]` for
    one of a set; none of them matches a dot. `**` stands for any number of levels: `**.conv` also
    matches `conv`, and `blocks.**` all that is below `blocks`. The time is proportional to the
    length of the path, whatever the pattern.

    Example:
        >>> paths = ("blocks", "blocks.0", "blocks.0.fc", "fc")
        >>> [path for path in paths if glob("blocks.*")(path)]
        ['blocks.0']
        >>> [path for path in paths if glob("**.fc")(path)]
        ['blocks.0.fc', 'fc']
    """
    if len(pattern) > LONGEST_GLOB:
        return lambda path: path == pattern
    machine = _compiled(pattern)
    known: dict[str, int] = {}

    def takes(letter: str) -> int:
        if letter not in known:
            bits = (1 << n for n, token in enumerate(machine.tokens) if token(letter))
            known[letter] = sum(bits)
        return known[letter]

    return partial(_matches, machine, takes)


def _matches(machine: _Machine, takes: Callable[[str], int], path: str) -> bool:
    """Follow all states at once, so that no search ever goes back."""
    states, skipping = 1, 0
    for letter in path:
        skipping |= states & machine.levels
        stay = machine.anywhere if letter == "." else machine.anywhere | machine.in_level
        states = (states & takes(letter)) << 1 | states & stay
        if letter == ".":
            states |= skipping
        if not states | skipping:
            return False
    return bool(states >> len(machine.tokens) & 1)


def _compiled(pattern: str) -> _Machine:
    tokens: list[_Token] = []
    in_level = anywhere = levels = at = 0
    while at < len(pattern):
        state, letter = 1 << len(tokens), pattern[at]
        if letter == "*":
            end = at + len(pattern[at:]) - len(pattern[at:].lstrip("*"))
            is_whole = pattern[:at][-1:] in ("", ".") and pattern[end : end + 1] in ("", ".")
            if end == at + 1 and is_whole:  # no level is empty
                tokens.append(_is_in_level)
                in_level |= state << 1
            elif end == at + 1:
                in_level |= state
            elif not is_whole:
                anywhere |= state
            elif end < len(pattern):  # `**.`, which may stand for no level
                levels |= state
                end += 1
            else:  # `**` at the end stands for a level at least
                tokens.append(_is_any)
                anywhere |= state << 1
            at = end
            continue
        close = _end_of_set(pattern, at) if letter == "[" else 0
        if close:
            tokens.append(_set(pattern[at + 1 : close]))
            at = close + 1
            continue
        tokens.append(_is_in_level if letter == "?" else partial(str.__eq__, letter))
        at += 1
    return _Machine(tuple(tokens), in_level, anywhere, levels)


def _is_any(letter: str) -> bool:
    return True


def _is_in_level(letter: str) -> bool:
    return letter != "."


def _end_of_set(pattern: str, at: int) -> int:
    """Return where the set that opens there is closed, or 0; the first letter closes none."""
    first = at + 2 if pattern[at + 1 : at + 2] == "!" else at + 1
    return max(0, pattern.find("]", first + 1))


def _set(inside: str) -> _Token:
    """Return the token of `[abc]`, `[a-c]` or `[!abc]`, without its brackets."""
    is_negated = inside.startswith("!")
    letters = inside.removeprefix("!")
    ranges: list[tuple[str, str]] = []
    at = 0
    while at < len(letters):
        is_range = letters[at + 1 : at + 2] == "-" and at + 2 < len(letters)
        ranges.append((letters[at], letters[at + 2] if is_range else letters[at]))
        at += 3 if is_range else 1

    def matches(letter: str) -> bool:
        is_in = any(first <= letter <= last for first, last in ranges)
        return letter != "." and is_in is not is_negated

    return matches


def wider_glob(pattern: str, paths: Iterable[str]) -> str | None:
    """Return the glob with `**` for one of its stars, or all, that matches a path; None without.

    Example:
        >>> wider_glob("*.conv1", ["layer1.0.conv1"]), wider_glob("*conv1", ["layer1.0.conv1"])
        ('**.conv1', '**.*conv1')
    """
    known = list(paths)
    stars = [star.span() for star in _SINGLE_STAR.finditer(pattern[:LONGEST_GLOB])]
    for chosen in [*([star] for star in stars[:_MOST_TRIED]), stars] if stars else []:
        wider = pattern
        for start, end in reversed(chosen):
            is_beginning = pattern[:start][-1:] in ("", ".")
            is_whole = is_beginning and pattern[end : end + 1] in ("", ".")
            many = "**.*" if is_beginning and not is_whole else "**"
            wider = wider[:start] + many + wider[end:]
        if any(map(glob(wider), known)):
            return wider
    return None


_SINGLE_STAR = re.compile(r"(?<!\*)\*(?!\*)")
_MOST_TRIED = 5  # stars, one at a time; then all at once
