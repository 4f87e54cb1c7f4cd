"""What may stand where the cursor is: from a line and the user's variables to suggestions."""

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
)
from featmagic.ipython.completion.fragment import Suggestions, opened, starting
from featmagic.ipython.completion.static_lookup import (
    class_of,
    is_maps,
    is_module,
    tells_all,
    value_of,
)
from featmagic.ipython.parser import options_of, standing_alone
from featmagic.ipython.tokenizer import NUMBER, join_negative_numbers, typed_words
from featmagic.options.validators import words_taken
from featmagic.options.view import View


@dataclass(frozen=True)
class Known:
    """What there is to suggest.

    Attributes:
        names: the user's variables.
        hidden: names among them that are IPython's own.
        watched: names that `%hook` refreshes, and models that it watches.
        captured: keys of what was captured last.
    """

    names: Mapping[str, Any]
    hidden: Collection[str] = ()
    watched: Sequence[str] = ()
    captured: Sequence[str] = ()


_NOTHING = Suggestions("", [])


_MAGIC = re.compile(r"\s*(%hook|%unhook|%%?featuremaps)\s(.*)", re.DOTALL)


def suggest(line: str, cursor: int, known: Known) -> Suggestions | None:
    """What may stand at the cursor.

    Returns:
        None where that is not for featmagic to say: in Python, in a path of a file.

    Example:
        >>> suggest("%hook model --in", 16, Known({})).items
        [Suggestion(text='--into', type='option')]
    """
    before, after = line[:cursor], line[cursor:]
    magic = _MAGIC.match(before)
    words, word = typed_words(magic[2]) if magic else ([], "")
    if magic is None or "--" in words:
        return keys_of_maps(before, after, known.names)
    if "{" in word or "$" in word:  # where IPython fills in variables
        return None
    if re.search(r"[*?]", word) or any(w.startswith("#") for w in (*words, word)):
        return _NOTHING  # a glob is the person's own
    try:
        return _Asked(magic[1], words, word, after, known).suggestions()
    except LookupError:  # what is typed leads nowhere
        return _NOTHING


@dataclass(frozen=True)
class _Asked:
    """A magic, the words before the cursor, the one being typed, and what stands behind it."""

    magic: str
    words: list[str]
    word: str
    after: str
    known: Known

    def suggestions(self) -> Suggestions | None:
        options = options_of(self.magic)
        if self.word.startswith("-") and not NUMBER.match(self.word):
            name, equals, value = self.word.partition("=")
            return self._value(options[name], value) if equals else self._flags(options)
        plain, option = _read(self.words, options)
        return self._value(option, self.word) if option else self._plain(plain)

    def _flags(self, options: Iterable[str]) -> Suggestions:
        there = {word.partition("=")[0] for word in (*self.words, *self.after.split())}
        return starting(self.word, ((flag, "option") for flag in options if flag not in there))

    def _value(self, option: Action, typed: str) -> Suggestions:
        if option.metavar == "PATH":
            return Suggestions("", [], files=True)
        if field := View.__dataclass_fields__.get(option.dest):
            return starting(typed, ((w, "value") for w in words_taken(field.metadata["check"])))
        names = self.known.names
        if option.dest == "inputs":
            return inputs(typed, names, self.known.hidden)
        maps = [(name, class_of(value)) for name, value in list(names.items()) if is_maps(value)]
        return starting(typed, maps)

    def _plain(self, plain: list[str]) -> Suggestions | None:
        """A model, a layer of one, or a name."""
        known = self.known
        if self.magic == "%unhook":
            left = [word for word in known.watched if word not in plain]
            return paths(self.word, left, "watched", "watched")
        if self.magic == "%featuremaps" and "--" not in self.after.split():
            keys = self._keys(plain)
            if keys.items and (not plain or plain[0] in known.captured):
                more = None if plain else self._models()
                return keys._replace(items=[*keys.items, *(more.items if more else ())])
        return self._layers(*plain) if plain else self._models()

    def _keys(self, taken: Collection[str]) -> Suggestions:
        """Keys that can be written without quotes, those on the line already at last."""
        keys = filter(can_be_written, self.known.captured)
        found = paths(self.word, keys, "Tensor", "layer")
        typed = self.word.removesuffix(found.fragment)
        found.items.sort(key=lambda item: typed + item.text in taken)
        return found

    def _models(self) -> Suggestions | None:
        names = self.known.names
        try:
            found = models(self.word, self.after, names, self.known.hidden)
        except LookupError:
            found = _NOTHING
        return found if found.items or not _ipython_may_know(self.word, names) else None

    def _layers(self, expression: str, *taken: str) -> Suggestions:
        model = value_of(expression, self.known.names)
        if not is_module(model):
            raise LookupError(expression)
        taken = (*taken, *self.after.split())
        return layers(self.word, self.after, model, expression, taken)


# Variables and attributes; behind an item IPython has files and magics.
_ATTRIBUTES = re.compile(r"(?P<root>[^\W\d]\w*)(\.\w*)*")


def _ipython_may_know(word: str, names: Mapping[str, Any]) -> bool:
    """Whether there may be more than is found here: what only running code, a property, tells."""
    match = _ATTRIBUTES.fullmatch(word)
    if match is None or not any(str.startswith(n, match["root"]) for n in names if type(n) is str):
        return False
    at = opened(word)
    if at.leaf:
        return True
    try:
        return not tells_all(value_of(at.head, names))
    except LookupError:
        return True


def _read(words: Iterable[str], options: Mapping[str, Action]) -> tuple[list[str], Action | None]:
    """The words that belong to no option, and the option that waits for its value."""
    plain: list[str] = []
    waiting: Action | None = None
    for word in standing_alone(join_negative_numbers(words)):
        option = options.get(word.partition("=")[0])
        if waiting is not None:
            waiting = None
        elif option is None:
            plain.append(word)
        elif option.nargs != 0 and "=" not in word:
            waiting = option
    return plain, waiting
