"""Layers as Python gives them: names, modules of the model, and collections of both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from torch import Tensor, nn

from featmagic.recording.layer_syntax import ROOT
from featmagic.recording.model_tree import has_own_forward, unwrap
from featmagic.recording.torch_private import children_of
from featmagic.support.errors import FeatmagicError
from featmagic.support.text import readable, with_article

# A name, a module, or a list, tuple, generator or other iterable of them, nested or not.
Layers: TypeAlias = str | nn.Module | Iterable["Layers"]

_DEEPEST = 100  # collections in collections
_LONGEST_MESSAGE = 2000  # characters


def names_of(tree: Mapping[str, nn.Module], layers: Iterable[Layers]) -> tuple[str, ...]:
    """Return the names of layers that are given as names, modules, and collections of them.

    A module goes by its first path. A module that only holds others, such as a `ModuleList`,
    stands for its items.

    Args:
        tree: the model's modules by path.
        layers: names, modules of the model, and iterables of them, nested or not.

    Raises:
        FeatmagicError: Something is neither a name nor a module of the model, or a collection
            is empty.

    Example:
        >>> from featmagic.recording.model_tree import walk
        >>> net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU())
        >>> names_of(dict(walk(net)), ["0", [net[1]]])
        ('0', '1')
    """
    paths: dict[int, str] | None = None
    names: list[str] = []
    for layer in _each(layers, 0):
        if isinstance(layer, str):
            names.append(layer)
            continue
        if paths is None:
            paths = _paths_by_identity(tree)
        if id(layer) not in paths:
            raise FeatmagicError(_not_in(tree, layer))
        names.append(paths[id(layer)])
    return tuple(dict.fromkeys(names))


def not_a_name(value: object) -> FeatmagicError:
    """Return the error that says that a value can't name a layer."""
    if type(value) is int:
        return FeatmagicError(f"Layer names must be strings, not {value}; use '{value}'.")
    if isinstance(value, type):
        name = value.__name__
        return FeatmagicError(f"Layer names must be strings, not the class {name}; use '{name}'.")
    if isinstance(value, Tensor):
        return FeatmagicError(
            "Layer names must be strings, not a Tensor; run the model on it in the `with` block."
        )
    kind = "None" if value is None else with_article(type(value).__name__)
    return FeatmagicError(f"Layer names must be strings, not {kind}.")


def _each(layers: Iterable[Layers], depth: int) -> Iterator[str | nn.Module]:
    """Yield the names and modules in a collection, in their order."""
    if depth > _DEEPEST:
        raise FeatmagicError(f"Layers are in more than {_DEEPEST} collections deep.")
    for layer in layers:
        if isinstance(layer, str):
            yield layer
        elif isinstance(layer, nn.Module):
            yield from _called(layer)
        elif isinstance(layer, (bytes, Tensor, type)) or not isinstance(layer, Iterable):
            raise not_a_name(layer)
        else:
            is_empty = True
            for name in _each(layer, depth + 1):
                is_empty = False
                yield name
            if is_empty:
                raise FeatmagicError(
                    f"This {type(layer).__name__} of layers is empty: omit it to capture the "
                    "model's direct children."
                )


def _called(module: nn.Module) -> Iterator[nn.Module]:
    """Yield the module, or the items of one that only holds others."""
    waiting = [module]
    while waiting:
        module = waiting.pop()
        items = [child for child in children_of(module).values() if child is not None]
        if items and not has_own_forward(module):
            waiting += reversed(items)
        else:
            yield module


def _paths_by_identity(tree: Mapping[str, nn.Module]) -> dict[int, str]:
    """Return the first path of each module; of a wrapper, also that of what it wraps."""
    paths: dict[int, str] = {}
    for path, module in tree.items():
        for each in unwrap(module):
            paths.setdefault(id(each), path)
    return paths


def _not_in(tree: Mapping[str, nn.Module], module: nn.Module) -> str:
    whole, kind = (type(unwrap(each)[-1]).__name__ for each in (tree[ROOT], module))
    paths = [path for path in tree if path != ROOT]
    of_kind = [path for path in paths if type(tree[path]) is type(module)]
    examples = ", ".join(f"'{path}'" for path in (of_kind or paths)[:3])
    return readable(
        f"This {kind} isn't a module of the {whole}: pass one of its modules or their "
        f"names{f', such as {examples}' if examples else ''}.",
        _LONGEST_MESSAGE,
    )
