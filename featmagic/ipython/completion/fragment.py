"""The word being typed, split into what stays and the fragment that a suggestion replaces."""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import islice
from typing import NamedTuple

from featmagic.recording.layer_syntax import ROOT, Step, first_segment, split_steps
from featmagic.support.text import LONGEST_NAME, printable

_IN_QUOTES = re.compile(r"""(?P<head>.+)(?P<opener>\[['"])(?P<leaf>[^'"]*)""")
_PLAIN = re.compile(r"""(?:(?P<head>.+)(?P<opener>[.\[]))?(?P<leaf>[^.\[\]'"]*)""")
_NAME = re.compile(r"""[^\s.\[\]'"]+""")
_MOST = 500  # IPython passes on no more


class Opened(NamedTuple):
    """An unfinished expression or layer: `models`, `["` and `a` of `models["a`."""

    head: str
    opener: str
    leaf: str


def opened(word: str) -> Opened:
    """Split a word after the last `.`, `[` or `["` that is open.

    Raises:
        LookupError: if nothing can follow, as after a `]`.
    """
    match = _IN_QUOTES.fullmatch(word) or _PLAIN.fullmatch(word)
    if match is None:
        raise LookupError(word)
    return Opened(match["head"] or "", match["opener"] or "", match["leaf"])


def steps_of(expression: str) -> list[Step]:
    """Split an expression, or a layer however it is spelled, into its steps.

    Raises:
        LookupError: if it has other parts, such as spaces, or brackets without an index or key.
    """
    steps = split_steps(expression)
    if any(not step.is_item and not _NAME.fullmatch(step.text) for step in steps):
        raise LookupError(expression)
    return steps


def item_text(key: object, opener: str, after: str) -> str | None:
    """Return how an item is written after `[` or `["`, with its end unless that already follows.

    It is None for a key that can't be written there.

    Example:
        >>> item_text("a", '["', ""), item_text("a", '["', '"]'), item_text(0, "[", "")
        ('a"]', 'a', '0]')
    """
    quote = opener[1:]
    if type(key) is int and not quote:
        text, end = f"{key}", "]"
    elif type(key) is str and is_plain(key) and not re.search(r"""['"\\]""", key):
        text, end = (key, f"{quote}]") if quote else (f'"{key}"', "]")
    else:  # the text of any other key would be made by code of the user's
        return None
    return text if after.startswith(end[0]) else text + end


def is_plain(text: str) -> bool:
    """Return True for text that a line keeps: IPython fills in variables at `{` and `$`."""
    return printable(text) == text and "{" not in text and "$" not in text


class Segment(NamedTuple):
    """A part of a dotted path; `ends` is True if the path ends with it."""

    text: str
    ends: bool


def segments(paths: Iterable[str], typed: str) -> list[Segment]:
    """Return what may follow the last dot of the text typed so far.

    Example:
        >>> [segment.text for segment in segments(["layer1.0.conv1", "layer1.1", "fc"], "layer1.")]
        ['0', '1']
    """
    following: dict[Segment, None] = {}
    for path in paths:
        if path.startswith(typed):
            left = path[len(typed) :]
            # The model itself is a dot; a dot in brackets separates nothing.
            text = left if path.startswith(ROOT) else first_segment(left)
            following[Segment(behind_dot(typed) + text, text == left)] = None
    return list(following)


def behind_dot(text: str) -> str:
    """Return the text after the last dot."""
    return text.rpartition(".")[2]


class Suggestion(NamedTuple):
    """A text that may be inserted, and its type: `option`, or the class of a layer."""

    text: str
    type: str


class Suggestions(NamedTuple):
    """All that may replace the fragment before the cursor; `files` too if names of files may."""

    fragment: str
    items: list[Suggestion]
    files: bool = False


def starting(fragment: str, typed_texts: Iterable[tuple[str, str]]) -> Suggestions:
    """Suggest those of the texts, each with its type, that begin with the fragment."""
    fitting = (
        Suggestion(text, kind)
        for text, kind in typed_texts
        if text.startswith(fragment) and len(text) <= LONGEST_NAME  # a menu has no room for longer
    )
    return Suggestions(fragment, list(islice(fitting, _MOST)))
