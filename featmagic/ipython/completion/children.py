"""The children of a module: layers are completed one segment of a path at a time.

This module imports torch, so it is imported only where there is a model already.
"""

from __future__ import annotations

from typing import Any

from torch import nn

from featmagic.ipython.completion.fragment import steps_of
from featmagic.ipython.completion.static_lookup import bases, children, is_leaf, unwrapped
from featmagic.ipython.value_types import class_of, name_of_class
from featmagic.recording.layer_syntax import Step, below_model


def layer_at(head: str, model: nn.Module, expression: str) -> nn.Module:
    """Return the module that `layer1.0` or `model.layer1[0]` names, whose children come next.

    The expression is how the model itself is spelled.
    """
    try:
        return _descend(model, steps_of(head))
    except LookupError:
        if (below := below_model(head, expression)) is None:
            raise
        return _descend(model, steps_of(below))


def _descend(module: nn.Module, steps: list[Step]) -> nn.Module:
    for step in steps:
        below = dict(children(module))
        if isinstance(step.key, int) and step.key < 0:
            module = list(below.values())[step.key]
        else:
            module = below[str(step.key)]
    return module


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
