"""What may be typed next: models, layers of a model, keys of feature maps.

Only the last part is suggested, such as `conv1` after `layer1.0.`: VS Code drops suggestions with a
dot.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import suppress
from itertools import islice
from typing import TYPE_CHECKING, Any

from featmagic.ipython.completion.fragment import (
    Opened,
    Suggestions,
    behind_dot,
    is_plain,
    item_text,
    opened,
    segments,
    starting,
)
from featmagic.ipython.completion.static_lookup import (
    attributes,
    children,
    items,
    leading_to_modules,
    value_of,
)
from featmagic.ipython.tokenizer import words_of
from featmagic.ipython.value_types import class_of, is_maps, is_module, is_shown, is_tensor
from featmagic.support.errors import FeatmagicError
from featmagic.support.text import printable

if TYPE_CHECKING:
    from torch import nn

_MOST_ITEMS = 5000
_KEY = re.compile(
    r"""(?<![\w.])(?P<name>[^\W\d]\w*)\s*\[\s*
    (?P<quote>['"])(?P<typed>(?:(?!(?P=quote))[^\\]|\\.)*)$""",
    re.VERBOSE,
)


def models(
    word: str, after: str, names: Mapping[str, Any], hidden: Collection[str] = ()
) -> Suggestions:
    """Suggest variables, attributes and items that are models, then those that lead to models.

    The names that are `hidden` aren't the user's own; `after` is the text after the cursor, where a
    closing quote may already be.
    """
    at = opened(word)
    held = _held(at, after, names, hidden)
    fitting = leading_to_modules((text, value) for text, value in held if text.startswith(at.leaf))
    fitting.sort(key=lambda named: not is_module(named[1]))
    return _in_segments(at, fitting)


def shown(
    word: str, after: str, names: Mapping[str, Any], hidden: Collection[str] = ()
) -> Suggestions:
    """Suggest variables, attributes and items that are feature maps, tensors or arrays."""
    at = opened(word)
    held = _held(at, after, names, hidden)
    fitting = [
        (text, value) for text, value in held if text.startswith(at.leaf) and is_shown(value)
    ]
    fitting.sort(key=lambda named: not is_maps(named[1]))
    return _in_segments(at, fitting)


def _in_segments(at: Opened, fitting: list[tuple[str, Any]]) -> Suggestions:
    """Suggest the next part of what may follow the opener."""
    kinds = {text: class_of(value) for text, value in fitting}
    typed = at.leaf.removesuffix(behind_dot(at.leaf))  # a key may have dots
    parts = segments(kinds, at.leaf)
    typed_parts = ((p.text, kinds[typed + p.text] if p.ends else "key") for p in parts)
    return starting(behind_dot(at.leaf), typed_parts)


def _held(
    at: Opened, after: str, names: Mapping[str, Any], hidden: Collection[str]
) -> Iterator[tuple[str, Any]]:
    """Yield everything that may follow the opener, as it would be written, with its value."""
    if at.opener.startswith("["):
        for key, value in islice(items(value_of(at.head, names)), _MOST_ITEMS):
            if text := item_text(key, at.opener, after):
                yield text, value
    elif at.opener:
        yield from _named(attributes(value_of(at.head, names)))
    else:
        yield from _named(names, hidden)


def _named(names: Mapping[str, Any], hidden: Collection[str] = ()) -> Iterator[tuple[str, Any]]:
    """Yield the names that a user would write, with their values."""
    for name, value in list(names.items()):
        if type(name) is str and name.isidentifier() and name[0] != "_" and name not in hidden:
            yield name, value


def inputs(word: str, names: Mapping[str, Any], hidden: Collection[str] = ()) -> Suggestions:
    """Suggest the user's own variables that may hold inputs: tensors, then lists and tuples."""
    fitting = [
        (name, value)
        for name, value in _named(names, hidden)
        if is_tensor(value) or issubclass(type(value), (list, tuple))
    ]
    fitting.sort(key=lambda named: not is_tensor(named[1]))
    return starting(word, ((name, class_of(value)) for name, value in fitting))


def layers(
    word: str, after: str, model: nn.Module, expression: str, taken: Collection[str]
) -> Suggestions:
    """Suggest layers of the model that `expression` names, and classes after a capital letter.

    Layers that are already on the line (`taken`) come last.
    """
    from featmagic.ipython.completion.children import children_at, classes, kind

    quote = word[:1] if word[:1] in ("'", '"') else ""
    at = opened(word[len(quote) :])
    below = children_at(at.head, model, expression) if at.opener else children(model)
    before = word.removesuffix(at.leaf)
    named = (
        (text, kind(child))
        for text, whole, child in _written(below, at, after)
        if can_be_written(before[len(quote) :] + whole, quote)
    )
    suggestions = starting(at.leaf, named)
    if at.leaf[:1].isupper() and not at.opener:
        suggestions.items.extend(starting(at.leaf, ((n, "class") for n in classes(model))).items)
    suggestions.items.sort(key=lambda item: before + item.text in taken)
    return suggestions


def _written(
    children: Iterable[tuple[str, nn.Module]], at: Opened, after: str
) -> Iterator[tuple[str, str, nn.Module]]:
    """Yield each child with what is suggested after the opener, and with all that is there then."""
    for name, child in children:
        if at.opener.startswith("["):
            key = int(name) if at.opener == "[" and _is_index(name) else name
            text = item_text(key, at.opener, after)
            if text and text.startswith(at.leaf):
                yield text, item_text(key, at.opener, "") or text, child
        elif name.startswith(at.leaf):
            yield name, name, child


def _is_index(name: str) -> bool:
    """Return True if the name is a number as `[7]` is read, which `007` is not."""
    return name.isdecimal() and name.isascii() and (name[0] != "0" or name == "0")


def can_be_written(layer: str, quote: str = "") -> bool:
    """Return True if a line that has the layer as a word, in these quotes, has just that layer.

    Example:
        >>> can_be_written("conv1"), can_be_written("conv 1"), can_be_written("conv 1", "'")
        (True, False, True)
    """
    if re.fullmatch(r"[\w.]+", layer):  # nearly all are
        return True
    with suppress(FeatmagicError):
        return is_plain(layer) and layer[:1] != "-" and words_of(quote + layer + quote) == [layer]
    return False


def paths(word: str, texts: Iterable[str], kind: str, part: str) -> Suggestions:
    """Suggest the next part of dotted texts: of type `kind` if a text ends with it, or `part`."""
    ends: dict[str, bool] = {}
    for text, whole in segments(texts, word):
        ends[text] = whole or ends.get(text, False)
    types = ((text, kind if whole else part) for text, whole in ends.items())
    return starting(behind_dot(word), types)


def keys_of_maps(before: str, after: str, names: Mapping[str, Any]) -> Suggestions | None:
    """Suggest keys after `feature_maps["`, if that is before the cursor; a whole key is closed."""
    match = _KEY.search(before)
    maps: Any = names.get(match["name"]) if match else None
    if match is None or not is_maps(maps):
        return None
    quote, typed = match["quote"], match["typed"]
    # Other keys would have to be typed with escapes.
    plain = [key for key in maps if printable(key) == key]
    escaped = (re.sub(rf"([\\{quote}])", r"\\\1", key) for key in plain)
    closing = "" if after.startswith(quote) else quote
    parts = segments(escaped, typed)
    texts = ((p.text + closing, "Tensor") if p.ends else (p.text, "layer") for p in parts)
    return starting(behind_dot(typed), texts)
