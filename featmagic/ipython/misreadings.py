"""What was probably meant by words that turn out to be no model, no layer and no name.

Almost any word may be the name of a layer. So nothing is refused here: each suspicious word gets a
hint, which replaces the message of the error that the word leads to.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import Field, fields
from typing import Any

from featmagic.ipython.tokenizer import NEGATIVE_NUMBER
from featmagic.options.hints import LINE, hint_for, normalized
from featmagic.options.line_options import LineOptions
from featmagic.options.option import flag
from featmagic.options.view import View
from featmagic.support.errors import FeatmagicError
from featmagic.support.text import readable

_LONGEST_LINE = 160  # characters of a line that is suggested
_NUMBER = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(e[+-]?\d+)?")
_CALL = re.compile(r"(?P<callee>[^\W\d][\w.]*)\(.*", re.DOTALL)
_KNOWN = frozenset(flag(each) for kind in (LineOptions, View) for each in fields(kind))
_LONG_DASHES = ("–", "—")  # some editors turn two hyphens into one of them
_YES_OR_NO = frozenset(("true", "false", "on", "off", "yes", "no"))
_HELP = frozenset(("help", "?", "-h", "man", "usage"))
_STOP = frozenset(("off", "stop", "none", "remove", "clear", "delete", "unhook", "disable"))
_LIST = frozenset(("list", "ls", "show", "status", "watched", "info"))


def misreadings(
    words: Sequence[str], options: Mapping[str, Field[Any]], magic: str
) -> dict[str, str]:
    """Return hints by the words that they are about.

    Args:
        words: The words of the line, with its options.
        options: The options of the magic, as a line has them.
        magic: The magic.
    """
    hints: dict[str, str] = {}
    alone: list[str] = []
    at = 0
    while at < len(words):
        word, equals, value = words[at].partition("=")
        option = options.get(word)
        at += 1
        if option is None:
            alone.append(words[at - 1])
            continue
        takes = bool(option.metadata["metavar"])
        optional = "const" in option.metadata
        follows = takes and not equals and at < len(words)
        if follows and (not optional or _NUMBER.fullmatch(words[at])):
            value = words[at]
            at += 1
        rest = _until_option(words[at:])
        more = _further_values(word, option, value, rest) if takes else _needless(word, rest)
        for text, hint in more.items():
            hints.setdefault(text, hint)
    for position, word in enumerate(alone):
        if hint := _of_word(word, alone, position, words, options, magic):
            hints.setdefault(word, hint)
    return hints


@contextmanager
def explained(misread: Mapping[str, str]) -> Iterator[None]:
    """Replace an error about a word by the hint for that word."""
    try:
        yield
    except FeatmagicError as error:
        text = str(error)
        for word, hint in misread.items():
            if f"'{readable(word)}'" in text:
                raise FeatmagicError(hint) from None
        raise


def call_hint(magic: str, before: Sequence[str], rest: Sequence[str]) -> str:
    """Return where code such as `model(x)` belongs, given the words before it and its own."""
    code = readable(" ".join(rest), _LONGEST_LINE)
    callee = _CALL.match(rest[0])
    names = " ".join(plain(before)) or (callee["callee"] if callee else "MODEL")
    if magic == "%featuremaps":
        return f"Code goes after `--`: %featuremaps {names} -- {code}"
    if magic == "%%featuremaps":
        return f"Code goes on the next line: %%featuremaps {names}, then {code} below it."
    return f"{magic} doesn't run code: write {magic} {names}, and run {code} in another cell."


def option_after_dashes(statement: str) -> str:
    """Return a hint if the code after `--` is an option, as in `-- cmap gray`; else ""."""
    first, _, rest = statement.partition(" ")
    if not rest or f"--{first}" not in _KNOWN or not re.fullmatch(r"[^\s=(]+", rest.strip()):
        return ""
    return f"Remove the space after the dashes: --{first} {readable(rest.strip())}"


def plain(words: Sequence[str]) -> list[str]:
    """Return the names in words that have commas, brackets and quotes around them.

    Example:
        >>> plain(["model", "[layer1[0],", "'act1']"])
        ['model', 'layer1[0]', 'act1']
    """
    text = " ".join(words)
    if len(text) > _LONGEST_LINE:
        return ["..."]
    return [readable(name) for part in re.split(r"[\s,]+", text) if (name := _bare(part))]


def _bare(part: str) -> str:
    """Return a word without brackets and quotes that are opened before it or closed behind it."""
    name = part.strip("–—").lstrip("[({'\"")
    while name and _is_unopened(name):
        name = name[:-1]
    return name


def _is_unopened(name: str) -> bool:
    """Return True if the last character closes what isn't opened."""
    last = name[-1]
    if last in "'\"":
        return name.count(last) % 2 == 1
    opener = {"]": "[", ")": "(", "}": "{"}.get(last)
    return opener is not None and name.count(last) > name.count(opener)


def _until_option(words: Sequence[str]) -> list[str]:
    """Return the words up to the next option."""
    count = next(
        (i for i, w in enumerate(words) if w[:1] == "-" and not NEGATIVE_NUMBER.match(w)),
        len(words),
    )
    return list(words[:count])


def _further_values(
    name: str, option: Field[Any], value: str, rest: Sequence[str]
) -> dict[str, str]:
    """Return hints for words behind a value that may belong to it: `--channels 0 1 2`."""
    joint: str | None = option.metadata.get("joined")
    if option.metadata["metavar"] == "TEXT":
        text = readable(" ".join([value, *rest]), _LONGEST_LINE)
        return dict.fromkeys(rest, f'Put a text of several words in quotes: {name} "{text}"')
    for count in range(min(len(rest), 8), 0, -1):
        if joint is None:
            break
        parts = [part.strip(",") for part in (value, *rest[:count]) if part.strip(",x×")]
        joined = joint.join(parts)
        try:
            option.metadata["check"](name, joined)
        except FeatmagicError:
            continue
        return dict.fromkeys(
            rest[:count], f"{name} takes one value, without spaces: {name} {joined}"
        )
    numbers = [word for word in rest if _NUMBER.fullmatch(word)]
    if name in ("--vmin", "--vmax") and numbers[:1] == list(rest[:1]) != []:
        limits = f"--vmin {value} --vmax {numbers[0]}"
        return {numbers[0]: f"{name} takes one number; for both limits: {limits}"}
    return {word: f"{name} takes one value: {name} {value}" for word in numbers if word == rest[0]}


def _needless(name: str, rest: Sequence[str]) -> dict[str, str]:
    """Return a hint for a value behind an option that takes none: `--input true`."""
    word = rest[0] if rest else ""
    if word.casefold() in _YES_OR_NO or _NUMBER.fullmatch(word):
        also = f"; --alpha {word} sets the opacity" if name == "--overlay" else ""
        return {word: f"{name} takes no value: write {name} alone{also}."}
    return {}


def _of_word(
    word: str,
    alone: Sequence[str],
    position: int,
    words: Sequence[str],
    options: Mapping[str, Field[Any]],
    magic: str,
) -> str:
    """Return what was probably meant by a word that stands where models and layers do."""
    folded = word.casefold()
    if folded in _HELP:
        return f"{magic}? shows the help."
    if magic == "%hook" and position == 0 and folded in _STOP:
        return "%unhook stops watching."
    if magic == "%hook" and position == 0 and folded in _LIST:
        return "%hook alone lists what is watched; %hook model lists the layers of model."
    if folded == "all" or (magic == "%unhook" and word == "*"):
        return _of_all(magic, alone)
    if _CALL.match(word):
        runs = "--into" in options
        return "" if runs and not position else call_hint(magic, alone[:position], alone[position:])
    root = alone[0].partition(".")[0]
    if position and "." in alone[0] and all(name.startswith(f"{root}.") for name in alone):
        layers = " ".join(readable(name.removeprefix(f"{root}.")) for name in alone)
        return f"Name the model first, then its layers: {magic} {root} {layers}"
    if word in _LONG_DASHES:
        return "Code goes after `--`: %featuremaps MODEL ... -- model(x)"
    if "=" in word or word.startswith(_LONG_DASHES):
        option, equals, value = word.partition("=")
        given = value if equals else "".join(_after(word, words)) or None
        return hint_for(option, given, list(options.values()), LINE, magic)
    if (name := f"--{normalized(word)}") in options:
        return _of_bare_option(name, options[name], word, words)
    is_list = word[:1] in "[({" and word[-1:] in "])}"
    if "," in re.sub(r"""\[[^\]]*\]|'[^']*'|"[^"]*\"""", "", word) or is_list:
        model = "MODEL " if not position and magic in ("%hook", "%%featuremaps") and is_list else ""
        return f"Separate layers with spaces: {magic} {model}{' '.join(plain(alone))}"
    if " " in word:
        return f"Don't put several layers in one pair of quotes: {magic} {' '.join(plain(alone))}"
    return ""


def _of_all(magic: str, alone: Sequence[str]) -> str:
    if magic == "%unhook":
        return "%unhook alone stops watching everything."
    if magic == "%hook":
        return "Name layers by class or glob, such as %hook model Conv2d; %hook model lists them."
    model = readable(alone[0]) if len(alone) > 1 else "model"
    return f"For all layers, leave out names and add --overview: {magic} {model} --overview"


def _of_bare_option(name: str, option: Field[Any], word: str, words: Sequence[str]) -> str:
    """Return how to write an option that stands there without its dashes."""
    after = _after(word, words)
    value = f" {readable(after[0])}" if after and option.metadata["metavar"] else ""
    return f"Options begin with two dashes: {name}{value}"


def _after(word: str, words: Sequence[str]) -> list[str]:
    """Return the word after another one, if there is any; an equals sign between them is none."""
    behind = words[list(words).index(word) + 1 :][:2]
    return [text for text in behind if text != "="][:1]
