"""What `%featuremaps` shows without running anything: the last capture, or what variables hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from featmagic.ipython.namespace import NoVariable, find_value
from featmagic.ipython.value_types import class_of, is_maps, is_module, is_shown
from featmagic.ipython.watch import Watches
from featmagic.support.errors import FeatmagicError, did_you_mean
from featmagic.support.text import say, with_article

if TYPE_CHECKING:
    from featmagic.feature_maps import FeatureMaps

_ABSENT = object()


class Subject(NamedTuple):
    """Feature maps, and which layers of them are meant; none for all."""

    maps: FeatureMaps
    layers: tuple[str, ...]


def subject_of(words: tuple[str, ...], namespace: Mapping[str, Any], watches: Watches) -> Subject:
    """Return what the words of a line without a statement mean.

    The first word decides, by the first of these that applies:

    1. It is the key of a layer that was captured last: the words are layers.
    2. It is a variable, an attribute or an item that holds feature maps: the others are layers of
       them.
    3. It holds a tensor, a NumPy array, or a list or dict of such: so may the others.
    4. It means layers that were captured last in another way: as a class name or a glob.

    Raises:
        FeatmagicError: Nothing of this applies; a model needs code to run.
    """
    if not words:
        return Subject(watches.last(), ())
    first, others = words[0], words[1:]
    if first in watches.captured():
        if _shows(_held(first, namespace)):
            say(f"{first} is shown as the captured layer; write ({first}) for the variable.")
        return Subject(watches.last(), words)
    problem: FeatmagicError | None = None
    try:
        value = _value_of(first, namespace)
    except FeatmagicError as error:
        value, problem = _ABSENT, error
    if is_maps(value):
        return Subject(value, others)
    if _shows(value):
        return _variables({first: value}, others, namespace)
    if _means_layers(first, watches):
        return Subject(watches.last(), words)
    if problem is not None:
        raise problem
    if is_module(value):
        raise FeatmagicError(
            f"%featuremaps {first} needs code to run: add `-- {first}(x)`, or use %%featuremaps, "
            "with two %, on the first line of a cell."
        )
    if value is not _ABSENT:
        raise FeatmagicError(
            f"{first} is {with_article(class_of(value))}: %featuremaps shows feature maps, tensors "
            "and NumPy arrays, and lists or dicts of them."
        )
    shown = [name for name, held in list(namespace.items()) if type(name) is str and is_shown(held)]
    if near := did_you_mean(first, [name for name in shown if name[:1] != "_"]):
        raise FeatmagicError(f"{first} is neither a captured layer nor a variable.{near}")
    return Subject(watches.last(), words)


def _variables(
    values: dict[str, Any], others: tuple[str, ...], namespace: Mapping[str, Any]
) -> Subject:
    """Return variables as feature maps; what isn't one of them is a part of the first."""
    from featmagic.feature_maps import maps_of_variables

    first, parts = next(iter(values)), []
    for word in others:
        value = _held(word, namespace)
        if _shows(value) and not is_maps(value):
            values[word] = value
        else:
            parts.append(word)
    named = {_as_typed(name): value for name, value in values.items()}
    maps = maps_of_variables(named)
    keys = []
    for word in parts:
        spelled = [word, f"{first}[{word!r}]", f"{first}[{word}]", f"{first}.{word}"]
        found = [key for key in spelled if key in maps]
        if not found:
            listed = ", ".join(list(maps)[:8]) + ", …" * (len(maps) > 8)
            raise FeatmagicError(
                f"{word} is neither a tensor nor a part of {first}, which contains: {listed}."
            )
        keys += found[:1]
    if not keys:
        return Subject(maps, ())
    return Subject(maps, (*[key for key in maps if _is_of(key, named, first)], *keys))


def _is_of(key: str, named: Mapping[str, Any], first: str) -> bool:
    """Return True if a key is of a variable that was named for itself, other than the first."""
    return any(key.startswith(name) for name in named if name != _as_typed(first))


def _as_typed(name: str) -> str:
    """Return an expression without the parentheses that tell it from a layer."""
    return name[1:-1] if name[:1] == "(" and name[-1:] == ")" else name


def _means_layers(word: str, watches: Watches) -> bool:
    if not watches.captured():
        return False
    from featmagic.recording.selectors import matching_keys

    try:
        return bool(matching_keys(word, watches.last().kept.activations.values()))
    except FeatmagicError:
        return False


def _shows(value: object) -> bool:
    if value is _ABSENT or value is None or is_module(value):
        return False
    if is_shown(value):
        return True
    from featmagic.recording.variables import holds_tensors

    try:
        return holds_tensors(value)
    except Exception:  # a class of the user's may raise anything when it is read
        return False


def _value_of(expression: str, namespace: Mapping[str, Any]) -> Any:
    """Return what an expression refers to; `_ABSENT` if it doesn't begin with a variable."""
    try:
        return find_value(expression, namespace)
    except NoVariable:
        return _ABSENT


def _held(expression: str, namespace: Mapping[str, Any]) -> Any:
    """Do the same, and return `_ABSENT` as well for what can't be read."""
    try:
        return _value_of(expression, namespace)
    except FeatmagicError:
        return _ABSENT
