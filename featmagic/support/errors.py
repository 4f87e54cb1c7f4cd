"""The errors that featmagic raises, and errors as one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from featmagic.support.text import LONGEST_NAME, readable

_LONGEST_MESSAGE = 2000  # characters; a word of the user's may be longer


class FeatmagicError(ValueError):
    """A request that can't be met.

    The message says in one line what is wrong, what there is, and what to do. IPython shows it in
    place of a traceback, and the cell counts as failed.
    """

    def __str__(self) -> str:
        """Return the message, in which no name can send control codes to a terminal."""
        return readable(str(self.args[0]), _LONGEST_MESSAGE) if self.args else ""

    def _render_traceback_(self) -> list[str]:
        return [f"{type(self).__name__}: {self}"]


class MissingMap(FeatmagicError, KeyError):
    """A key that isn't in a `FeatureMaps`; a `KeyError`, as for any mapping."""


def did_you_mean(word: str, known: Iterable[str], limit: int = 3) -> str:
    """Return a sentence that suggests known words similar to `word`; empty if none is.

    Example:
        >>> did_you_mean("con1", ["cnn1", "act1"])
        ' Did you mean cnn1?'
    """
    if len(word) > LONGEST_NAME:  # comparing takes quadratic time
        return ""
    folded = {
        known_word.casefold(): known_word
        for known_word in reversed(list(known))
        if len(known_word) <= LONGEST_NAME
    }
    similar = difflib.get_close_matches(word.casefold(), list(folded), n=limit, cutoff=0.6)
    words = " or ".join(folded[match] for match in similar)
    return f" Did you mean {words}?" if similar else ""


def one_line(error: BaseException) -> str:
    """Return an error as one line: its class, and the first line of its message."""
    text = (text_of(error).strip().splitlines() or [""])[0]
    name = type(error).__name__
    return readable(f"{name}: {text}" if text else name, _LONGEST_MESSAGE)


def add_note(error: BaseException, text: str) -> bool:
    """Add a note of ours to the user's error; return False if it can't have one."""
    try:
        error.add_note(f"featmagic: {text}")  # type: ignore[attr-defined]
    except Exception:  # Python 3.10 has no notes, and an error may refuse one
        return False
    return True


def text_of(error: BaseException) -> str:
    """Return the message of an error; "" if its class raises an error when asked for it."""
    try:
        return str(error)
    except Exception:
        return ""
