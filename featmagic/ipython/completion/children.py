"""The children of a module: layers are completed one segment of a path at a time.

This module imports torch, so it is imported only where there is a model already.
"""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from featmagic.ipython.completion.fragment import steps_of
from featmagic.recording.layer_syntax import Step, below_model
from featmagic.recording.model_tree import unwrap


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


def children(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield the children of a module by name; a wrapper has those of what it wraps."""
    for name, child in unwrap(module)[-1]._modules.items():
        if child is not None:
            yield name, child


def kind(module: nn.Module) -> str:
    """Return the class name of a module; of what is wrapped, for a wrapper."""
    return type(unwrap(module)[-1]).__name__


def classes(model: nn.Module) -> list[str]:
    """Return the names of the classes that layers of the model have or derive from."""
    first: dict[type[nn.Module], nn.Module] = {}
    seen: set[int] = set()
    todo: list[nn.Module | None] = [model]
    while todo:  # recursion is slower, and modules may be nested deeper than Python's stack
        module = todo.pop()
        if module is not None and id(module) not in seen:
            seen.add(id(module))
            first.setdefault(type(module), module)
            todo += module._modules.values()
    plain = [kind for kind, module in first.items() if unwrap(module)[-1] is module]
    bases = {base for kind in plain for base in kind.__mro__ if issubclass(base, nn.Module)}
    return sorted(base.__name__ for base in bases - {nn.Module})
