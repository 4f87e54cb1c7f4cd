"""A magic's line as words: quotes, comments, brackets, and the statement behind `--`."""

from __future__ import annotations

import re
from collections.abc import Iterable

from featmagic.support.errors import FeatmagicError


def split_statement(line: str) -> tuple[str, str | None]:
    """The line up to a `--` that stands alone, and the statement behind it as it was written.

    Example:
        >>> split_statement("model cnn1 -- model(x)  # now")
        ('model cnn1', 'model(x)  # now')
    """
    for word in _WORD.finditer(line):
        if word[0] == "--":
            return line[: word.start()].rstrip(), line[word.end() :].strip()
        if word[0].startswith("#"):
            break
    return line, None


# A word runs to the next space that isn't inside quotes: models["my net"] is one.
_WORD = re.compile(r"""(?:[^\s'"]|'[^']*'|"[^"]*")+""")


def words_of(line: str) -> list[str]:
    """The words of a line, without comments, and without the quotes around a whole word.

    Raises:
        FeatmagicError: a quote that isn't closed.

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


def _unquoted(match: re.Match[str]) -> str:
    inner = match[3]
    return match[0] if match[2] in inner else (match[1] or "") + inner


# The same, where the last quote may be open still.
_TYPED = re.compile(r"""(?:[^\s'"]|'[^']*(?:'|$)|"[^"]*(?:"|$))+""")


def typed_words(line: str) -> tuple[list[str], str]:
    """The words before the one that is being typed at the end of a line, and that one so far.

    They are as they were written, with quotes and comments; after a space the last one is empty.

    Example:
        >>> typed_words('model layer1.co'), typed_words('models["my n')
        ((['model'], 'layer1.co'), ([], 'models["my n'))
    """
    words = _TYPED.findall(line)
    if not words or not line.endswith(words[-1]):
        return words, ""
    return words[:-1], words[-1]


NUMBER = re.compile(r"-[\d.:]")


def join_negative_numbers(words: Iterable[str]) -> list[str]:
    """`--channels -3:` as `--channels=-3:`, which argparse would take for an option.

    Example:
        >>> join_negative_numbers(["--channels", "-3:"])
        ['--channels=-3:']
    """
    result: list[str] = []
    for word in words:
        behind_option = result and re.fullmatch(r"--[\w-]+", result[-1])
        if behind_option and NUMBER.match(word):
            result[-1] += f"={word}"
        else:
            result.append(word)
    return result
