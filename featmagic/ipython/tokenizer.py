"""A magic's line as words: quotes, comments, brackets, and the statement after `--`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from featmagic.support.errors import FeatmagicError

NEGATIVE_NUMBER = re.compile(r"-(?:[\d.:]|(?:inf|nan)$)", re.IGNORECASE)

# A word ends at the next space outside quotes: models["my net"] is one word.
_WORD = re.compile(r"""(?:[^\s'"]|'[^']*'|"[^"]*")+""")
# The same, but the last quote may still be open.
_UNFINISHED_WORD = re.compile(r"""(?:[^\s'"]|'[^']*(?:'|$)|"[^"]*(?:"|$))+""")


def split_statement(line: str) -> tuple[str, str | None]:
    """Split a line at a `--` that stands alone; the statement after it is left as written."""
    for word in _WORD.finditer(line):
        if word[0] == "--":
            return line[: word.start()].rstrip(), line[word.end() :].strip()
        if word[0].startswith("#"):
            break
    return line, None


def words_of(line: str) -> list[str]:
    """Return the words of a line, without comments and without quotes around whole words.

    Example:
        >>> words_of('models["my net"] "cnn 1" --cmap="gray" # note')
        ['models["my net"]', 'cnn 1', '--cmap=gray']
    """
    words: list[str] = []
    end = 0
    for word in _WORD.finditer(line):
        if line[end : word.start()].strip():
            break
        if word[0].startswith("#"):
            return words
        words.append(re.sub(r"""^(--[\w-]+=)?(['"])(.*)\2$""", _unquoted, word[0]))
        end = word.end()
    if rest := line[end:].strip():
        raise FeatmagicError(f"A quote is not closed in: {rest}")
    return words


def typed_words(line: str) -> tuple[list[str], str]:
    """Return the finished words of an unfinished line, and the word being typed at its end.

    Words are as the user wrote them, with quotes and comments; after a space the last one is empty.

    Example:
        >>> typed_words('model layer1.co'), typed_words('models["my n')
        ((['model'], 'layer1.co'), ([], 'models["my n'))
    """
    words = _UNFINISHED_WORD.findall(line)
    if not words or not line.endswith(words[-1]):
        return words, ""
    return words[:-1], words[-1]


def join_negative_numbers(words: Iterable[str]) -> list[str]:
    """Join an option and a negative value, which argparse would take for another option."""
    joined: list[str] = []
    for word in words:
        follows_option = joined and re.fullmatch(r"--[\w-]+", joined[-1])
        if follows_option and NEGATIVE_NUMBER.match(word):
            joined[-1] += f"={word}"
        else:
            joined.append(word)
    return joined


def _unquoted(match: re.Match[str]) -> str:
    inner = match[3]
    return match[0] if match[2] in inner else (match[1] or "") + inner
