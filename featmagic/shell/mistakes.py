"""A magic with a `%` too many, or not where it belongs: a line that helps.

IPython itself would say that there is no such magic, and runners would count the cell as passed.
"""

from __future__ import annotations

import re
from tokenize import TokenInfo
from typing import Any

from IPython.core.inputtransformer2 import TokenTransformBase

from featmagic.support.environment import EXTENSION
from featmagic.support.errors import FeatmagicError

_HELP = {
    "featuremaps": (
        "%%featuremaps goes on the first line of its cell: what stands below it is run. "
        "For one statement there is %featuremaps MODEL LAYER ... -- STATEMENT."
    ),
    "hook": (
        "%hook has one %, and a line of its own. %%featuremaps, on the first line, runs a cell "
        "and shows the grids."
    ),
    "unhook": "%unhook has one %, and a line of its own.",
}
_ON_THE_FIRST_LINE = re.compile(r"%%(hook|unhook)(?![\w?!])")


def mistaken(name: str) -> None:
    """What the cell runs in place of the magic.

    Raises:
        FeatmagicError: always; it says where the magic belongs.
    """
    raise FeatmagicError(_HELP[name])


def one_percent(lines: list[str]) -> list[str]:
    r"""An input transformer: a first line with `%%hook` becomes a call that says what is wrong.

    Example:
        >>> one_percent(["%%hook model\n", "model(x)\n"])
        ["get_ipython()._featmagic.mistaken('hook')\n", 'model(x)\n']
    """
    match = _ON_THE_FIRST_LINE.match(lines[0]) if lines else None
    return [_call(match[1]), *lines[1:]] if match else lines


class Misplaced(TokenTransformBase):  # type: ignore[misc]
    """A token transformer: `%%featuremaps` below the first line becomes such a call, too."""

    priority = 5  # before IPython's own, which takes it for a line magic named %featuremaps

    @classmethod
    def find(cls, tokens_by_line: list[list[TokenInfo]]) -> Misplaced | None:
        """The first such line that is no part of a string, if there is one."""
        for line in tokens_by_line:
            words = [token for token in line if token.string.strip()][:3]
            first, second, name = [*(word.string for word in words), "", "", ""][:3]
            if (first, second) == ("%", "%") and name in _HELP:
                return cls(words[0].start)
        return None

    def transform(self, lines: list[str]) -> list[str]:
        """The lines, with the call in that one's place."""
        line: Any = lines[self.start_line]
        name = re.match(r"%%(\w+)", line[self.start_col :])
        call = line[: self.start_col] + _call(name[1] if name else "featuremaps")
        return [*lines[: self.start_line], call, *lines[self.start_line + 1 :]]


def _call(name: str) -> str:
    return f"get_ipython().{EXTENSION}.mistaken({name!r})\n"
