"""Suggestions for the cursor's place, from a line and the user's variables."""

from __future__ import annotations

import re
from argparse import Action
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from featmagic.ipython.completion.candidates import (
    can_be_written,
    inputs,
    keys_of_maps,
    layers,
    models,
    paths,
    shown,
)
from featmagic.ipython.completion.fragment import Suggestion, Suggestions, opened, starting
from featmagic.ipython.completion.static_lookup import is_fully_readable, value_of
from featmagic.ipython.parser import options_of, with_implied_values
from featmagic.ipython.tokenizer import NEGATIVE_NUMBER, join_negative_numbers, typed_words
from featmagic.ipython.value_types import class_of, is_maps, is_module
from featmagic.options.validators import words_taken
from featmagic.options.view import View


@dataclass(frozen=True)
class Known:
    """What suggestions are made of.

    Attributes:
        names: the user's variables.
        hidden: names among them that are IPython's own.
        watched: names that `%hook` refreshes, and models that it watches.
        captured: keys of the feature maps that were captured last.
    """

    names: Mapping[str, Any]
    hidden: Collection[str] = ()
    watched: Sequence[str] = ()
    captured: Sequence[str] = ()


NOTHING = Suggestions("", [])
_MAGIC = re.compile(r"\s*(%hook|%unhook|%%?featuremaps)\s(.*)", re.DOTALL)
_GLOB_AT_END = re.compile(r"[*?][^.\[]*$")
# Variables and attributes; after an item IPython would suggest files and magics.
_ATTRIBUTES = re.compile(r"(?P<root>[^\W\d]\w*)(\.\w*)*")


def is_magic_line(line: str) -> bool:
    """Return True for a line that begins with one of our magics."""
    return _MAGIC.match(line) is not None


def suggest(line: str, cursor: int, known: Known) -> Suggestions | None:
    """Return what may stand at the cursor; None where completion is left to IPython.

    Example:
        >>> suggest("%hook model --in", 16, Known({})).items
        [Suggestion(text='--into', type='option')]
    """
    before, after = line[:cursor], line[cursor:]
    magic = _MAGIC.match(before)
    words, word = typed_words(magic[2]) if magic else ([], "")
    if magic is None or "--" in words:
        return keys_of_maps(before, after, known.names)
    if "{" in word or "$" in word:  # IPython fills in variables here
        return None
    if _GLOB_AT_END.search(word) or any(w.startswith("#") for w in (*words, word)):
        return NOTHING  # a glob is left as it is, and a comment
    try:
        return _MagicLine(magic[1], words, word, after, known).suggestions()
    except LookupError:  # what is typed refers to nothing
        return NOTHING


@dataclass(frozen=True)
class _MagicLine:
    """A magic, the words before the cursor, the word being typed, and the text after the cursor."""

    magic: str
    words: list[str]
    word: str
    after: str
    known: Known

    def suggestions(self) -> Suggestions | None:
        """Return what may follow as an option, a value, a model, a layer or a name."""
        options = options_of(self.magic)
        if self.word.startswith("-") and not NEGATIVE_NUMBER.match(self.word):
            name, equals, value = self.word.partition("=")
            return self._value(options[name], value) if equals else self._flags(options)
        plain, option = _without_options(self.words, options)
        return self._value(option, self.word) if option else self._plain(plain)

    def _flags(self, options: Mapping[str, Action]) -> Suggestions:
        given = {word.partition("=")[0] for word in (*self.words, *self.after.split())}
        if self.magic == "%hook" and len(_without_options(self.words, options)[0]) > 1:
            given.add("--depth")  # layers are watched, not listed
        return starting(self.word, ((flag, "option") for flag in options if flag not in given))

    def _value(self, option: Action, typed: str) -> Suggestions:
        if option.metavar == "PATH":
            return Suggestions("", [], files=True)
        if field := View.__dataclass_fields__.get(option.dest):
            return starting(typed, ((w, "value") for w in words_taken(field.metadata["check"])))
        if option.dest == "depth":
            return starting(typed, ((levels, "value") for levels in ("1", "2", "3", "all")))
        names = self.known.names
        if option.dest == "inputs":
            return inputs(typed, names, self.known.hidden)
        maps = [(name, class_of(value)) for name, value in list(names.items()) if is_maps(value)]
        return starting(typed, maps)

    def _plain(self, plain: list[str]) -> Suggestions | None:
        """Return a model, a layer of one, or a name."""
        known = self.known
        if re.search(r"[*?]", self.word) and (not plain or self.magic == "%unhook"):
            return NOTHING  # only layers are named by globs
        if self.magic == "%unhook":
            left = [word for word in known.watched if word not in plain]
            return paths(self.word, left, "watched", "watched")
        if self.magic == "%featuremaps" and "--" not in self.after.split():
            if plain and (maps := self._maps(plain[0])) is not None:
                return self._keys(maps, plain)
            keys = self._keys(known.captured, plain)
            if plain and plain[0] in known.captured and keys.items:
                return keys
            if not plain and (found := self._first(keys)):
                return found
        return self._layers(*plain) if plain else self._models()

    def _first(self, keys: Suggestions) -> Suggestions | None:
        """Return keys, then feature maps and tensors, then models; None if only those are there."""
        try:
            held = shown(self.word, self.after, self.known.names, self.known.hidden)
        except LookupError:
            held = NOTHING
        if not keys.items and not held.items:
            return None
        models = self._models()
        texts: dict[str, Suggestion] = {}
        for item in (*keys.items, *held.items, *(models.items if models else ())):
            texts.setdefault(item.text, item)
        return (keys if keys.items else held)._replace(items=list(texts.values()))

    def _maps(self, word: str) -> Iterable[str] | None:
        """Return the keys of the feature maps that a word names, if it does."""
        try:
            value = value_of(word, self.known.names)
        except LookupError:
            return None
        return list(value) if is_maps(value) else None

    def _keys(self, all_keys: Iterable[str], taken: Collection[str]) -> Suggestions:
        """Return keys that can be written without quotes; those already on the line come last."""
        keys = filter(can_be_written, all_keys)
        suggestions = paths(self.word, keys, "Tensor", "layer")
        typed = self.word.removesuffix(suggestions.fragment)
        suggestions.items.sort(key=lambda item: typed + item.text in taken)
        return suggestions

    def _models(self) -> Suggestions | None:
        names = self.known.names
        try:
            suggestions = models(self.word, self.after, names, self.known.hidden)
        except LookupError:
            suggestions = NOTHING
        return suggestions if suggestions.items or not _ipython_may_know(self.word, names) else None

    def _layers(self, expression: str, *taken: str) -> Suggestions:
        model = value_of(expression, self.known.names)
        if not is_module(model):
            raise LookupError(expression)
        taken = (*taken, *self.after.split())
        return layers(self.word, self.after, model, expression, taken)


def _ipython_may_know(word: str, names: Mapping[str, Any]) -> bool:
    """Return True if only running code, such as a property, could tell what may follow."""
    match = _ATTRIBUTES.fullmatch(word)
    if match is None or not any(str.startswith(n, match["root"]) for n in names if type(n) is str):
        return False
    at = opened(word)
    if at.leaf:
        return True
    try:
        return not is_fully_readable(value_of(at.head, names))
    except LookupError:
        return True


def _without_options(
    words: Iterable[str], options: Mapping[str, Action]
) -> tuple[list[str], Action | None]:
    """Return the words that belong to no option, and the option that still needs its value."""
    plain: list[str] = []
    waiting: Action | None = None
    for word in with_implied_values(join_negative_numbers(words)):
        option = options.get(word.partition("=")[0])
        if waiting is not None:
            waiting = None
        elif option is None:
            plain.append(word)
        elif option.nargs != 0 and "=" not in word:
            waiting = option
    return plain, waiting
