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
    class_of,
    is_maps,
    is_module,
    is_tensor,
    items,
    leading_to_modules,
    value_of,
)
from featmagic.ipython.tokenizer import words_of
from featmagic.support.errors import FeatmagicError

if TYPE_CHECKING:
    from torch import nn


def models(
    word: str, after: str, names: Mapping[str, Any], hidden: Collection[str] = ()
) -> Suggestions:
    """Suggest variables, attributes and items that are models, then those that lead to models.

    Args:
        word: the expression as far as it is typed.
        after: the text after the cursor, where a closing quote may already be.
        names: the user's variables.
        hidden: names among them that are not the user's own.

    Raises:
        LookupError: if the word isn't such an expression, or refers to nothing.
    """
    at = opened(word)
    held = _held(at, after, names, hidden)
    fitting = leading_to_modules((text, value) for text, value in held if text.startswith(at.leaf))
    fitting.sort(key=lambda named: not is_module(named[1]))
    kinds = {text: class_of(value) for text, value in fitting}
    typed = at.leaf.removesuffix(behind_dot(at.leaf))  # a key may have dots
    parts = segments(kinds, at.leaf)
    typed_parts = ((p.text, kinds[typed + p.text] if p.ends else "key") for p in parts)
    return starting(behind_dot(at.leaf), typed_parts)


_MOST_ITEMS = 5000


def _held(
    at: Opened, after: str, names: Mapping[str, Any], hidden: Collection[str]
) -> Iterator[tuple[str, Any]]:
    """Yield everything that may follow the opener, as it would be written, with its value."""
    if at.opener.startswith("["):
        for key, value in islice(items(value_of(at.head, names)), _MOST_ITEMS):
            if text := item_text(key, at.opener, after):
                yield text, value
        return
    held = attributes(value_of(at.head, names)) if at.opener else names
    for name, value in list(held.items()):
        own = type(name) is str and name.isidentifier() and not name.startswith("_")
        if own and (at.opener or name not in hidden):
            yield name, value


def inputs(word: str, names: Mapping[str, Any], hidden: Collection[str] = ()) -> Suggestions:
    """Suggest the user's own variables that may hold inputs: tensors, then lists and tuples.

    Example:
        >>> inputs("x", {"x1": [1, 2], "x2": "text"}).items
        [Suggestion(text='x1', type='list')]
    """
    own = [
        (name, value)
        for name, value in list(names.items())
        if type(name) is str and not name.startswith("_") and name not in hidden
    ]
    fitting = [(name, value) for name, value in own if is_tensor(value) or _is_list(value)]
    fitting.sort(key=lambda named: not is_tensor(named[1]))
    return starting(word, ((name, class_of(value)) for name, value in fitting))


def _is_list(value: object) -> bool:
    return issubclass(type(value), (list, tuple))


def layers(
    word: str, after: str, model: nn.Module, expression: str, taken: Collection[str]
) -> Suggestions:
    """Layers of a model, and behind a capital letter classes of them.

    Args:
        word: the layer as far as it is typed.
        after: what stands behind the cursor.
        model: where the layers are; torch is loaded, then.
        expression: how the model is spelled, for `model.layer1`.
        taken: layers that are on the line already; they come last.

    Raises:
        LookupError: there is no such layer.
    """
    from featmagic.ipython.completion.children import children, classes, kind, layer_at

    quote = word[:1] if word[:1] in ("'", '"') else ""
    at = opened(word[len(quote) :])
    parent = layer_at(at.head, model, expression) if at.opener else model
    before = word[: len(word) - len(at.leaf)]
    named = (
        (text, kind(child))
        for text, whole, child in _written(children(parent), at, after)
        if can_be_written(before[len(quote) :] + whole, quote)
    )
    found = starting(at.leaf, named)
    if at.leaf[:1].isupper() and not at.opener:
        found.items.extend(starting(at.leaf, ((n, "class") for n in classes(model))).items)
    found.items.sort(key=lambda item: before + item.text in taken)
    return found


def _written(
    children: Iterable[tuple[str, nn.Module]], at: Opened, after: str
) -> Iterator[tuple[str, str, nn.Module]]:
    """Children by what is offered behind the opener, and by all that stands there then."""
    for name, child in children:
        if at.opener.startswith("["):
            key = int(name) if at.opener == "[" and _is_index(name) else name
            text = item_text(key, at.opener, after)
            if text and text.startswith(at.leaf):
                yield text, item_text(key, at.opener, "") or text, child
        elif name.startswith(at.leaf):
            yield name, name, child


def _is_index(name: str) -> bool:
    """Whether the name is a number as `[7]` is read, which `007` is not."""
    return name.isdecimal() and name.isascii() and (name[0] != "0" or name == "0")


def can_be_written(layer: str, quote: str = "") -> bool:
    """Whether a line that has the layer as a word, in those quotes, has just that layer.

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
    """Suggest the next part of dotted texts.

    Example:
        >>> paths("layer1.", ["layer1.0.conv1", "layer1.1"], "Tensor", "layer").items
        [Suggestion(text='0', type='layer'), Suggestion(text='1', type='Tensor')]
    """
    ends: dict[str, bool] = {}
    for text, whole in segments(texts, word):
        ends[text] = whole or ends.get(text, False)
    types = ((text, kind if whole else part) for text, whole in ends.items())
    return starting(behind_dot(word), types)


_KEY = re.compile(
    r"""(?<![\w.])(?P<name>[^\W\d]\w*)\s*\[\s*
    (?:"(?P<double>(?:[^"\\]|\\.)*)|'(?P<single>(?:[^'\\]|\\.)*))$""",
    re.VERBOSE,
)


def keys_of_maps(before: str, after: str, names: Mapping[str, Any]) -> Suggestions | None:
    """Suggest keys after `feature_maps["`; a whole key comes with its closing quote.

    Returns:
        None if nothing like that is before the cursor.
    """
    match = _KEY.search(before)
    maps: Any = names.get(match["name"]) if match else None
    if match is None or not is_maps(maps):
        return None
    quote, typed = ('"', match["double"]) if match["single"] is None else ("'", match["single"])
    escaped = (re.sub(rf"([\\{quote}])", r"\\\1", key) for key in maps)
    closing = "" if after.startswith(quote) else quote
    parts = segments(escaped, typed)
    return starting(
        behind_dot(typed),
        ((f"{p.text}{closing}", "Tensor") if p.ends else (p.text, "layer") for p in parts),
    )
