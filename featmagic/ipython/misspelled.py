"""Magics that don't exist and are spelled like ours: IPython would only say that they don't exist.

They are rewritten into a call that says which magic may be meant.
"""

from __future__ import annotations

import re
from tokenize import TokenInfo
from typing import Any

from featmagic.support.environment import EXTENSION
from featmagic.support.errors import FeatmagicError, similar_words

_OURS = ("featuremaps", "hook", "unhook")
_ALSO = {"featmagic": "featuremaps", "maps": "featuremaps", "watch": "hook", "unwatch": "unhook"}
_FIRST_LINE = re.compile(r"(%%?)\s*(\w+)(?![\w?!])")


class MisspelledMagic:
    """Find such magics in a cell, as IPython's input transformers do."""

    def __init__(self, manager: Any) -> None:
        self._manager = manager

    def redirect(self, lines: list[str]) -> list[str]:
        """Input transformer: turn `%%featuremap` on the first line into the explaining call."""
        match = _FIRST_LINE.match(lines[0]) if lines else None
        if match is None or match[1] != "%%" or not self._is_meant(match[2], "cell"):
            return lines
        return [_explaining_call("%%", match[2]), *lines[1:]]

    def find(self, tokens_by_line: list[list[TokenInfo]]) -> _Misspelling | None:
        """Token transformer: return the first line that begins with such a magic, or None."""
        for line in tokens_by_line:
            tokens = [token for token in line if token.string.strip()][:2]
            match [token.string for token in tokens]:
                case ["%", name] if self._is_meant(name, "line"):
                    return _Misspelling(tokens[0].start, name)
        return None

    def _is_meant(self, name: str, kind: str) -> bool:
        """Return True if the magic doesn't exist and is spelled like one of ours."""
        is_known = name in self._manager.magics[kind] or name in self._manager.lazy_magics
        return not is_known and bool(_meant(name))


class _Misspelling:
    """Such a magic at its place in a cell."""

    priority = 5  # before IPython's own

    def __init__(self, start: tuple[int, int], name: str) -> None:
        self.start_line, self.start_col = start[0] - 1, start[1]
        self._name = name

    def transform(self, lines: list[str]) -> list[str]:
        """Return the lines with the explaining call in place of the magic."""
        call = lines[self.start_line][: self.start_col] + _explaining_call("%", self._name)
        return [*lines[: self.start_line], call, *lines[self.start_line + 1 :]]


def explain_misspelling(percent: str, name: str) -> None:
    """Raise an error that says which magic may be meant, when the cell runs."""
    meant = _meant(name)
    percent = percent if meant == "featuremaps" else "%"
    raise FeatmagicError(f"There is no magic {percent}{name}. Did you mean {percent}{meant}?")


def _meant(name: str) -> str:
    if name in _OURS:
        return ""
    similar = similar_words(name, _OURS, limit=1, cutoff=0.8)
    return _ALSO.get(name.casefold()) or "".join(similar)


def _explaining_call(percent: str, name: str) -> str:
    return f"get_ipython().{EXTENSION}.explain_misspelling({percent!r}, {name!r})\n"
