"""What to type instead of an option that doesn't exist: by its meaning first, then its spelling.

The words that people use for an option stand beside it (`also` in `featmagic.options.view` and
`featmagic.options.line_options`); words for what is no option are in `featmagic.options.notes`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import Field, dataclass
from typing import Any, NamedTuple

from featmagic.options.notes import NOTE_OF
from featmagic.options.option import flag, spelled, summary
from featmagic.options.validators import words_taken
from featmagic.support.errors import FeatmagicError, similar_words

LONGEST_WORD = 60  # characters of a word in a message

_MOST_NAMED = 3
_GLUED = re.compile(r"([a-z][a-z-]*?)-?([+-]?[\d.].*)")
_AMERICAN = (("colour", "color"), ("centre", "center"), ("grey", "gray"))


class _Meaning(NamedTuple):
    """An option that a word stands for, and the value that the word implies, if any."""

    option: Field[Any]
    value: str | None = None


@dataclass(frozen=True)
class Writer:
    """How options are written: on a magic's line, or as keyword arguments."""

    name: Callable[[Field[Any]], str]
    switch: Callable[[Field[Any]], str]
    with_value: Callable[[Field[Any], str], str]
    is_python: bool = False


LINE = Writer(flag, flag, lambda option, value: f"{flag(option)} {_quoted(value)}")
PYTHON = Writer(
    lambda option: option.name,
    lambda option: f"{option.name}=True",
    lambda option, value: f"{option.name}={_literal(option, value)}",
    is_python=True,
)


def normalized(word: str) -> str:
    """Return a word without dashes in front, in lower case and with American spelling.

    Example:
        >>> normalized("--Colour_Map")
        'color-map'
    """
    word = word.strip("-–—/").casefold().replace("_", "-")
    for british, american in _AMERICAN:
        word = word.replace(british, american)
    return word


def hint_for(
    word: str,
    value: str | None,
    options: Sequence[Field[Any]],
    writer: Writer,
    magic: str = "",
    names: str = "model",
) -> str:
    """Return a sentence that says what to use instead of an unknown option, or "".

    Args:
        word: The unknown option, as it was written.
        value: The text behind it, which may be its value; None if there is none.
        options: The options that there are.
        writer: How options are written.
        magic: The magic, for notes that speak of it.
        names: What stands before the layers on the magic's line.
    """
    name = normalized(word)
    if not name or len(name) > LONGEST_WORD:
        return ""
    known = _meanings(options)
    if (own := known.get(name)) and any(spelled(m.option.name) == name for m in own):
        return _use(own[:1], value, writer, described=False)
    if note := NOTE_OF.get(name):
        text = note.python if writer.is_python and note.python else note.line
        given = value if value and re.fullmatch(r"[\w.*]{1,40}", value) else ""
        text = text.replace("{line}", f"{magic} {names}".strip()).replace("{magic}", magic)
        return text.replace("{layer}", given or "cnn1").replace("{model}", given or "model")
    if name in known:
        return _use(known[name], value, writer)
    joined = {word.replace("-", ""): word for word in reversed(list(known))}
    if name.replace("-", "") in joined:  # `asis`, `color-map`
        return _use(known[joined[name.replace("-", "")]], value, writer)
    return _by_form(name, value, known, writer) or _by_spelling(name, value, known, writer)


def _meanings(options: Iterable[Field[Any]]) -> Mapping[str, list[_Meaning]]:
    """Return what each word may stand for: an option's name, another word for it, or a value."""
    known: dict[str, list[_Meaning]] = {}
    values: dict[str, list[_Meaning]] = {}
    for option in options:
        known.setdefault(spelled(option.name), []).insert(0, _Meaning(option))
        for text in option.metadata["also"].split():
            word, equals, value = text.partition("=")
            known.setdefault(word, []).append(_Meaning(option, value if equals else None))
        for value in words_taken(option.metadata["check"]):
            values.setdefault(normalized(value), []).append(_Meaning(option, value))
    return {**values, **known}


def _by_form(
    name: str, value: str | None, known: Mapping[str, list[_Meaning]], writer: Writer
) -> str:
    """Return a hint for `no-input`, `ncols8`, `cmapgray` and the beginning of a name."""
    if name.startswith("no-") and (meanings := known.get(name[3:])):
        return f"Leave {writer.name(meanings[0].option)} out."
    glued = _GLUED.fullmatch(name)
    if glued and glued[1] in known:
        text = glued[2] if _fitting(known[glued[1]], glued[2]) else glued[2].lstrip("-")
        return _use(known[glued[1]], text, writer, described=False)
    for option in {m.option.name: m.option for ms in known.values() for m in ms}.values():
        own = spelled(option.name)
        rest = name.removeprefix(own).lstrip(":-")
        if (
            name.startswith(own)
            and len(rest) > 2
            and option.metadata["metavar"]
            and _takes(option, rest)
        ):
            return _use([_Meaning(option)], rest, writer, described=False)
    begun = [
        meanings[0]
        for text, meanings in known.items()
        if len(name) > 1 and text.startswith(name) and text == spelled(meanings[0].option.name)
    ]
    return _use(begun, value, writer) if begun else ""


def _by_spelling(
    name: str, value: str | None, known: Mapping[str, list[_Meaning]], writer: Writer
) -> str:
    """Return a hint for a word that is spelled like a known one."""
    words = [word for word in known if len(word) > 3]
    for similar in similar_words(name, words, limit=1, cutoff=0.72):
        meaning = _shown(known[similar], writer)[0]
        if writer.is_python and (text := meaning.option.metadata.get("python")):
            return str(text)
        implied = meaning.value is not None
        named = writer.name(meaning.option)
        return f"Did you mean {_written(meaning, value, writer) if implied else named}?"
    return ""


def _shown(meanings: Sequence[_Meaning], writer: Writer) -> Sequence[_Meaning]:
    """Return the meanings that can be written, if there are any."""
    keywords = [m for m in meanings if "python" not in m.option.metadata]
    return keywords if writer.is_python and keywords else meanings


def _use(
    meanings: Sequence[_Meaning], value: str | None, writer: Writer, described: bool = True
) -> str:
    """Return a sentence that says which option to use, or which of several."""
    meanings = _shown(meanings, writer)
    fitting = (_fitting(meanings, value) or _alone(meanings) or meanings)[:_MOST_NAMED]
    if writer.is_python and (text := fitting[0].option.metadata.get("python")):
        return str(text)
    texts = [_written(meaning, value, writer) for meaning in fitting]
    if len(texts) > 1:
        together = {meaning.option.name for meaning in fitting} == {"vmin", "vmax"}
        return f"Use {', '.join(texts[:-1])} {'and' if together else 'or'} {texts[-1]}."
    return f"Use {texts[0]}: {summary(fitting[0].option)}." if described else f"Use {texts[0]}."


def _fitting(meanings: Sequence[_Meaning], value: str | None) -> Sequence[_Meaning]:
    """Return the meanings that take the value."""
    if value is None:
        return []
    taking = [m for m in meanings if m.option.metadata["metavar"] and m.value is None]
    return [m for m in taking if _takes(m.option, value)]


def _alone(meanings: Sequence[_Meaning]) -> Sequence[_Meaning]:
    """Return the meanings that need no value."""
    return [m for m in meanings if m.value is not None or "const" in m.option.metadata]


def _takes(option: Field[Any], value: str) -> bool:
    """Return True if the value would be valid for the option, and is meant for it."""
    if option.metadata["metavar"] == "PATH":
        return bool(re.search(r"\.\w+$", value))
    try:
        option.metadata["check"](option.name, value)
    except FeatmagicError:
        return False
    return True


def _written(meaning: _Meaning, value: str | None, writer: Writer) -> str:
    """Return the option as it should be typed, with the value if it takes it."""
    option = meaning.option
    if not option.metadata["metavar"]:
        return writer.switch(option)
    if meaning.value is not None:
        return writer.with_value(option, meaning.value)
    if value is not None and _takes(option, value):
        return writer.with_value(option, value)
    if "const" in option.metadata:
        return writer.switch(option)
    return writer.with_value(option, option.metadata["metavar"])


def _quoted(value: str) -> str:
    return f'"{value}"' if re.search(r"\s", value) else value


def _literal(option: Field[Any], value: str) -> str:
    """Return the value as Python has it; a placeholder such as `N` is left as it is."""
    if re.fullmatch(r"[+-]?\d+(\.\d+)?|[A-Z]", value):
        return value
    return f"({value})" if re.fullmatch(r"[\d.]+(,[\d.]+)+", value) else repr(value)
