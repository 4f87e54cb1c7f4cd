"""What is being typed, cut into what stands and the part that a suggestion would replace."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

from featmagic.recording.layer_syntax import ROOT, Step, first_segment, split_steps


class Opened(NamedTuple):
    """An expression or a layer as far as it is typed: `models`, `["`, `a`."""

    head: str
    opener: str
    leaf: str


_IN_QUOTES = re.compile(r"""(?P<head>.+)(?P<opener>\[['"])(?P<leaf>[^'"]*)""")


_PLAIN = re.compile(r"""(?:(?P<head>.+)(?P<opener>[.\[]))?(?P<leaf>[^.\[\]'"]*)""")


def opened(word: str) -> Opened:
    """The word, cut behind the last `.`, `[` or `["` that is open.

    Raises:
        LookupError: nothing can follow there, as behind a `]`.

    Example:
        >>> opened('models["a"].enc')
        Opened(head='models["a"]', opener='.', leaf='enc')
    """
    match = _IN_QUOTES.fullmatch(word) or _PLAIN.fullmatch(word)
    if match is None:
        raise LookupError(word)
    return Opened(match["head"] or "", match["opener"] or "", match["leaf"])


def steps_of(expression: str) -> list[Step]:
    """Split an expression, or a layer however it is spelled, into its steps.

    Raises:
        LookupError: it has other parts, such as spaces, or brackets that hold no index or key.

    Example:
        >>> [step.key for step in steps_of("models['a'][-1].encoder.0")]
        ['models', 'a', -1, 'encoder', '0']
    """
    steps = split_steps(expression)
    if any(not step.is_item and not _NAME.fullmatch(step.text) for step in steps):
        raise LookupError(expression)
    return steps


_NAME = re.compile(r"""[^\s.\[\]'"]+""")


def item_text(key: object, opener: str, after: str) -> str | None:
    """How an item is written behind `[` or `["`, up to its end unless that stands there already.

    Returns:
        None for a key that can't be written there.

    Example:
        >>> item_text("a", '["', ""), item_text("a", '["', '"]'), item_text(0, "[", "")
        ('a"]', 'a', '0]')
    """
    quote = opener[1:]
    if type(key) is int and not quote:
        text, end = f"{key}", "]"
    elif type(key) is str and is_plain(key) and not re.search(r"""['"\\]""", key):
        text, end = (key, f"{quote}]") if quote else (f'"{key}"', "]")
    else:  # the class of another key might have an opinion of its own on what it is as text
        return None
    return text if after.startswith(end[0]) else text + end


def is_plain(text: str) -> bool:
    """Whether it comes through a line as it is: IPython fills in variables at `{` and `$`.

    Example:
        >>> is_plain("layer1"), is_plain("{x}"), is_plain(chr(10))
        (True, False, False)
    """
    return text.isprintable() and "{" not in text and "$" not in text


class Segment(NamedTuple):
    """One part of a dotted path, and whether the path ends with it."""

    text: str
    ends: bool


def segments(paths: Iterable[str], typed: str) -> list[Segment]:
    """What may stand behind the last dot of what is typed.

    Example:
        >>> [segment.text for segment in segments(["layer1.0.conv1", "layer1.1", "fc"], "layer1.")]
        ['0', '1']
    """
    return list(dict.fromkeys(_segments(paths, typed)))


def _segments(paths: Iterable[str], typed: str) -> Iterator[Segment]:
    start = len(typed) - len(behind_dot(typed))
    for path in paths:
        if path.startswith(typed):
            left = path[len(typed) :]
            text = left if path.startswith(ROOT) else first_segment(left)
            yield Segment(typed[start:] + text, text == left)


def behind_dot(text: str) -> str:
    """The part behind the last dot.

    Example:
        >>> behind_dot("layer1.0.conv1")
        'conv1'
    """
    return text.rpartition(".")[2]


class Suggestion(NamedTuple):
    """A text that may stand there, and what it is: `option`, or the class of a layer."""

    text: str
    type: str


class Suggestions(NamedTuple):
    """What may stand in place of the fragment before the cursor, and nothing else may.

    Only the names of files may, where `files` says so.
    """

    fragment: str
    items: list[Suggestion]
    files: bool = False


MOST = 500  # IPython passes no more on


def starting(fragment: str, found: Iterable[tuple[str, str]]) -> Suggestions:
    """Those of the texts, each with its type, that begin with the fragment.

    Example:
        >>> starting("vi", [("gray", "value"), ("viridis", "value")]).items
        [Suggestion(text='viridis', type='value')]
    """
    fitting = (Suggestion(*one) for one in found if one[0].startswith(fragment))
    return Suggestions(fragment, list(islice(fitting, MOST)))
