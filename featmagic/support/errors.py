"""The errors that featmagic raises, and errors as one line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from featmagic.support.text import LONGEST_NAME, readable, with_article

_LONGEST_MESSAGE = 2000  # characters; a word of the user's may be longer
_LONGEST_VALUE = 80


class FeatmagicError(ValueError):
    """Raised if featmagic can't do what was requested, such as showing an unknown layer.

    A `ValueError` whose one-line message says what is wrong and what to do. IPython shows only the
    message, without a traceback, and the cell counts as failed.
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
    words = " or ".join(similar_words(word, known, limit))
    return f" Did you mean {words}?" if words else ""


def similar_words(
    word: str, known: Iterable[str], limit: int = 3, cutoff: float = 0.6
) -> list[str]:
    """Return at most `limit` known words that are spelled similarly, the most similar first.

    Args:
        word: What is compared; upper and lower case are the same.
        known: The words to compare with.
        limit: The largest number of words to return.
        cutoff: How similar they have to be, from 0 to 1.
    """
    if len(word) > LONGEST_NAME:  # comparing takes quadratic time
        return []
    folded = {
        known_word.casefold(): known_word
        for known_word in reversed(list(known))
        if len(known_word) <= LONGEST_NAME
    }
    similar = difflib.get_close_matches(word.casefold(), list(folded), n=limit, cutoff=cutoff)
    return [folded[match] for match in similar]


def short(value: object) -> str:
    """Return a value of the user's as messages show it: its repr, or its type if that is long.

    Example:
        >>> short("five"), short([0] * 1000)
        ("'five'", 'a list')
    """
    try:
        text = repr(value)
    except Exception:  # a class of the user's may raise anything
        text = ""
    if text and "\n" not in text and len(text) <= _LONGEST_VALUE:
        return readable(text)
    if isinstance(value, str):
        return repr(readable(value, _LONGEST_VALUE - 2))
    return with_article(type(value).__name__)


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
