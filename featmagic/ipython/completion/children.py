"""The children of a module: layers are completed one segment of a path at a time.

This module imports torch, so it is imported only where there is a model already.
"""

from __future__ import annotations

from itertools import islice
from typing import Any

from torch import nn

from featmagic.ipython.completion.fragment import steps_of
from featmagic.ipython.completion.static_lookup import bases, children, is_leaf, unwrapped
from featmagic.ipython.value_types import class_of, name_of_class
from featmagic.recording.globs import glob, is_glob
from featmagic.recording.layer_syntax import Step, below_model

_MOST_LAYERS = 2000  # of those that a glob names


def children_at(head: str, model: nn.Module, expression: str) -> list[tuple[str, nn.Module]]:
    """Return the children of the module that `layer1.0` or `model.layer1[0]` names, by name.

    Of the modules that a glob names, such as `layer1.*`, the children of all, each name once. The
    expression is how the model itself is spelled.
    """
    try:
        modules = _descend(model, steps_of(head))
    except LookupError:
        if (below := below_model(head, expression)) is None:
            raise
        modules = _descend(model, steps_of(below))
    if len(modules) == 1:
        return list(children(modules[0]))
    named: dict[str, nn.Module] = {}
    for module in modules:
        for name, child in children(module):
            named.setdefault(name, child)
    return list(named.items())


def _descend(module: nn.Module, steps: list[Step]) -> list[nn.Module]:
    """Return the module that the steps lead to, or all of them if a step is a glob."""
    modules = [module]
    for step in steps:
        if step.text == "**" and not step.is_item:
            modules = _with_all_below(modules)
        elif is_glob(step.text) and not step.is_item:
            fits = glob(step.text)
            found = (child for each in modules for name, child in children(each) if fits(name))
            modules = list(islice(found, _MOST_LAYERS))
        else:
            modules = [child for each in modules for child in _child(each, step)]
        if not modules:
            raise LookupError(step.text)
    return modules


def _child(module: nn.Module, step: Step) -> list[nn.Module]:
    below = dict(children(module))
    if isinstance(step.key, int) and step.key < 0:
        return list(below.values())[step.key :][:1] if -step.key <= len(below) else []
    return [below[str(step.key)]] if str(step.key) in below else []


def _with_all_below(modules: list[nn.Module]) -> list[nn.Module]:
    """Return the modules and all that are in them, each once."""
    found: dict[int, nn.Module] = {}
    waiting = modules[::-1]
    while waiting and len(found) < _MOST_LAYERS:
        module = waiting.pop()
        if id(module) not in found:
            found[id(module)] = module
            if not is_leaf(module):
                waiting += [child for _, child in children(module)][::-1]
    return list(found.values())


def kind(module: nn.Module) -> str:
    """Return the class name of a module; of what is wrapped, for a wrapper."""
    return class_of(unwrapped(module))


def classes(model: nn.Module) -> list[str]:
    """Return the names of the classes that layers of the model have or derive from."""
    first: dict[type[Any], nn.Module] = {}
    seen: set[int] = set()
    todo: list[nn.Module] = [model]
    while todo:  # recursion is slower, and modules may be nested deeper than Python's stack
        module = todo.pop()
        if id(module) not in seen:
            seen.add(id(module))
            first.setdefault(type(module), module)
            if not is_leaf(module):
                todo += [child for _, child in children(module)]
    found = {base for module in first.values() for base in bases(type(unwrapped(module)))}
    return sorted(name_of_class(base) for base in found if base is not nn.Module)
