"""The layer syntax: what a person writes to name layers, parsed before a model is looked at.

`layer1[0].relu:2` may be the path of a module, a glob or a class name, followed by a call and a
part of the output. The same text can be read in several ways (`[0]` may be a child, a set of
characters in a glob, or a part of the output; a colon may belong to a name), and only a model
tells which one is meant. Parsing therefore returns every reading, in the order in which
`featmagic.recording.selectors` tries them.

Nothing here imports torch: completion parses layers before there is a model.
"""

from __future__ import annotations

import ast
import re
import warnings
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple

ROOT = "."

# The most characters that are parsed. A longer text is only looked up as a path, because some of
# these patterns take quadratic time.
LONGEST_SYNTAX = 1000

_ITEM = re.compile(
    r"""\[\s*(?:(?P<index>-?\d{1,18})|(?P<quote>['"])(?P<key>.*?)(?P=quote))\s*\]""", re.DOTALL
)
_STARS = re.compile(r"\[(\*+)\]")
_LAST_BRACKETS = re.compile(r"(?P<layer>.+)(?P<brackets>\[[^\[\]]*\])")
_SEGMENT = re.compile(r"(?:\[[^]]*\]|[^.])*")
_ANY_MODEL = re.compile(r"^\w+(?:\.|(?=\[))")

# Prefixes that wrappers add to the paths of the modules in them.
_WRAPPER_PREFIXES = ("module.", "_orig_mod.")


class Step(NamedTuple):
    """One step of `models["a"][0].encoder`: an attribute, or an item in brackets."""

    text: str  # without brackets and quotes
    is_item: bool = False
    is_index: bool = False

    @property
    def key(self) -> str | int:
        """The name, index or key as Python would look it up."""
        return int(self.text) if self.is_index else self.text


def split_steps(text: str) -> list[Step]:
    """Split a layer or an expression at its dots and brackets.

    Every text has steps: brackets that hold neither a number nor a quoted key are part of a name.
    """
    if len(text) > LONGEST_SYNTAX:
        return _names(text)
    steps, end = [], 0
    for item in _ITEM.finditer(text):
        steps += _names(text[end : item.start()])
        is_index = item["index"] is not None
        steps.append(Step(item["index"] if is_index else item["key"], True, is_index))
        end = item.end()
    return steps + _names(text[end:])


def with_dots(text: str) -> str:
    """Write `layer1[0]['a']` as `layer1.0.a`, and `layer1[*]` as `layer1.*`.

    A glob may go on right behind: `layer1[0]*`.
    """
    if len(text) > LONGEST_SYNTAX:
        return text
    dotted = _ITEM.sub(lambda item: "." + (item["index"] or item["key"] or ""), text)
    return with_star_levels(dotted).strip(".")


def with_star_levels(text: str) -> str:
    """Write `layer1[*]` as `layer1.*`: any item is any name of that level.

    Example:
        >>> with_star_levels("blocks[*].fc"), with_star_levels("blocks[**]")
        ('blocks.*.fc', 'blocks.**')
    """
    return _STARS.sub(r".\1", text)


def _names(text: str) -> list[Step]:
    """Split the text between two items at its dots."""
    return [Step(name) for name in text.removeprefix(".").split(".")] if text else []


def first_segment(path: str) -> str:
    """Return the beginning of a path or key, up to the first dot outside of brackets."""
    segment = _SEGMENT.match(path)
    return segment[0] if segment else ""


@dataclass(frozen=True)
class Reading:
    """One way to read a selector.

    Attributes:
        spellings: the layer as a path or pattern; first as written, then without the name of the
            model or of a wrapper in front of it.
        call: which call of the layer in a pass, as written; None for every call.
        part: the part of its output, as Python reaches it (`[1][0]`); "" for the whole output.
        is_path: whether only a path can be meant, and neither a glob nor a class name.
    """

    spellings: tuple[str, ...]
    call: str | None = None
    part: str = ""
    is_path: bool = False


@dataclass(frozen=True)
class Selector:
    """What a person wrote to name layers, and every way to read it, the likeliest first."""

    text: str
    readings: tuple[Reading, ...]

    @property
    def layer(self) -> str:
        """The selector as written, without a call behind it."""
        return next(reading for reading in self.readings if not reading.is_path).spellings[0]


def parse_selector(text: str, model: str | None = None) -> Selector:
    """Parse what a person wrote to name layers.

    Args:
        text: a path, its Python spelling, a glob or a class name, followed by `:2` for the second
            call and by `[1]` for a part of the output.
        model: how the model is spelled where the text may begin with it; None if any name may
            stand for it.
    """
    if len(text) > LONGEST_SYNTAX:
        return Selector(text, (Reading(_spellings(text, model)),))
    readings: list[Reading] = []
    layer, part = text, ""
    while True:
        readings += _readings(layer, part, model)
        split = _LAST_BRACKETS.fullmatch(layer)
        if split is None:
            return Selector(text, tuple(readings))
        layer, part = split["layer"], _as_python_writes(split["brackets"]) + part


def _readings(text: str, part: str, model: str | None) -> list[Reading]:
    """Read a text with its last colon as part of a name, then as the beginning of a call."""
    spellings = _spellings(text, model)
    layer, colon, call = text.rpartition(":")
    is_in_brackets = "[" in call or call.endswith(('"]', "']"))
    if not colon or is_in_brackets:
        return [Reading(spellings, part=part)]
    return [
        Reading(spellings, part=part, is_path=True),
        Reading(_spellings(layer, model), call, part),
    ]


def _spellings(text: str, model: str | None) -> tuple[str, ...]:
    """Return the text, then what is left of it without the name of the model or of a wrapper."""
    if model is None:
        return tuple(dict.fromkeys([text, _ANY_MODEL.sub("", text)]))
    below = ROOT if text == model else below_model(text, model)
    prefixes = [prefix for prefix in _WRAPPER_PREFIXES if text.startswith(prefix)]
    shorter = [below, *(text.removeprefix(prefix) for prefix in prefixes)]
    return tuple(dict.fromkeys([text, *(spelling for spelling in shorter if spelling is not None)]))


def below_model(text: str, model: str) -> str | None:
    """Return what follows the model's own spelling; None if the text doesn't begin with it."""
    rest = text.removeprefix(model)
    return rest.removeprefix(".") if text.startswith(model) and rest[:1] in ("", ".", "[") else None


def _as_python_writes(brackets: str) -> str:
    """Return `["a"]` as `['a']`, so that it compares with the keys of activations."""
    # What parsing may raise for a null byte, a lone surrogate, an unhashable key, deep brackets.
    unparsable = suppress(ValueError, SyntaxError, TypeError, MemoryError, RecursionError)
    with unparsable, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about unknown escapes
        return f"[{ast.literal_eval(brackets[1:-1])!r}]"
    return brackets
