"""What featmagic raises and says."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from featmagic.support.text import printable


class FeatmagicError(ValueError):
    """A request that can't be met: what was wrong, what there is, what to do, in one line.

    IPython shows `_render_traceback_` in place of a traceback and still counts the cell as failed.
    """

    def __str__(self) -> str:
        """The message; what it says of names can't reach a terminal as control codes."""
        return printable(str(self.args[0])) if self.args else ""

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


class MissingMap(FeatmagicError, KeyError):
    """A key that `FeatureMaps` doesn't hold; a `KeyError`, as of any mapping."""


def did_you_mean(word: str, known: Iterable[str], limit: int = 3) -> str:
    """A sentence that names the known words nearest to `word`, or nothing.

    Example:
        >>> did_you_mean("con1", ["cnn1", "act1"])
        ' Did you mean cnn1?'
    """
    folded = {one.casefold(): one for one in reversed(list(known))}
    near = difflib.get_close_matches(word.casefold(), list(folded), n=limit, cutoff=0.6)
    return f" Did you mean {' or '.join(folded[one] for one in near)}?" if near else ""
