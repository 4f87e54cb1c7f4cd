"""The model tree: modules by path, wrappers looked through."""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from featmagic.recording.layer_syntax import ROOT
from featmagic.recording.torch_private import COMPILED, WRAPPERS, children_of, is_compiled_in_place

# True if compiled models can be made to run as plain Python for a while: torch 2.6 and newer.
CAN_RUN_EAGER = hasattr(torch.compiler, "set_stance")


def walk(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield every `(path, module)` of a model, first the model itself as `.`.

    A module that has several names comes under each of them. A wrapper stands at its own path and
    adds nothing to the paths in it, so that a compiled or parallel model has the plain names.

    Example:
        >>> [path for path, _ in walk(nn.Sequential(nn.ReLU()))]
        ['.', '0']
    """
    yield ROOT, model
    inner = unwrap(model)[-1]
    above = {id(inner)}
    # The modules whose children are being visited; a loop, because Python limits recursion.
    open_modules = [("", inner, iter(children_of(inner).items()))]
    while open_modules:
        prefix, module, children = open_modules[-1]
        for name, child in children:
            if child is None:
                continue
            inner = unwrap(child)[-1]
            if id(inner) in above:  # a child that contains its parent would never end
                continue
            if (path := f"{prefix}{name}") != ROOT:  # a child may have this name, too
                yield path, child
            if children_of(inner):
                above.add(id(inner))
                open_modules.append((f"{prefix}{name}.", inner, iter(children_of(inner).items())))
                break
        else:
            open_modules.pop()
            above.discard(id(module))


def unwrap(module: nn.Module) -> list[nn.Module]:
    """Return the module, what it wraps, and so on, the innermost last.

    Example:
        >>> net = nn.ReLU()
        >>> unwrap(nn.DataParallel(net))[-1] is net
        True
    """
    chain = [module]
    while (attribute := wrapped_in(chain[-1])) is not None and hasattr(chain[-1], attribute):
        chain.append(getattr(chain[-1], attribute))
    return chain


def wrapped_in(module: nn.Module) -> str | None:
    """Return the attribute of a wrapper that holds the wrapped model; None for other modules."""
    kind: Any = type(module)
    return _attribute_of(kind)


@lru_cache(maxsize=1024)  # asked of every module at each look
def _attribute_of(kind: type[object]) -> str | None:
    for cls in kind.__mro__:
        if cls.__name__ in WRAPPERS and cls.__module__.startswith("torch."):
            return WRAPPERS[cls.__name__]
    return None


def is_torchscript(module: nn.Module) -> bool:
    """Return True if `torch.jit` made the module: hooks can't observe what is in it."""
    return isinstance(module, torch.jit.ScriptModule)


def is_compiled(module: nn.Module) -> bool:
    """Return True if a call of the module runs compiled code: `torch.compile(m)`, `m.compile()`."""
    return any(wrapped_in(m) == COMPILED or is_compiled_in_place(m) for m in unwrap(module))


def runs_compiled(path: str, tree: Mapping[str, nn.Module]) -> bool:
    """Return True if the module runs in compiled code, where a hook is compiled and not called.

    The wrapper that `torch.compile(m)` makes is itself outside of what it compiles.
    """
    itself = is_compiled_in_place(tree[path])
    return itself or any(is_compiled(tree[above]) for above in ancestors(path, tree))


def ancestors(path: str, tree: Container[str]) -> list[str]:
    """Return the paths above, the nearest first and the model itself last: `a.b`, `a`, `.`.

    A module's name may contain dots, although torch forbids it; the part before one isn't a module.
    """
    parts = path.split(".") if path != ROOT else []
    paths = [".".join(parts[:n]) or ROOT for n in range(len(parts) - 1, -1, -1)]
    return [above for above in paths if above in tree]


def parents_of(tree: Mapping[str, nn.Module]) -> dict[str, str]:
    """Return the path of each module's parent in a model's tree, except for the model itself.

    Example:
        >>> parents_of(dict(walk(nn.Sequential(nn.Sequential(nn.ReLU())))))
        {'0': '.', '0.0': '0'}
    """
    parents: dict[str, str] = {}
    for path in tree:
        above = path.rpartition(".")[0]
        while above and above not in tree:  # a module's name may contain dots
            above = above.rpartition(".")[0]
        if path != ROOT:
            parents[path] = above or ROOT
    return parents


def has_own_forward(module: nn.Module) -> bool:
    """Return True if the module can be called; a `ModuleList`, for instance, only holds others."""
    if is_torchscript(module):  # its class has a forward in any case
        return hasattr(module, "forward")
    return type(module).forward is not nn.Module.forward or "forward" in vars(module)


def modules_of(model: nn.Module) -> list[nn.Module]:
    """Return the model and all modules in it, wrappers too, each once.

    `model.modules()` leaves out modules that are equal to an earlier one.
    """
    modules: dict[int, nn.Module] = {}
    waiting: list[nn.Module] = [model]
    while waiting:
        module = waiting.pop()
        if id(module) not in modules:
            modules[id(module)] = module
            children = [child for child in children_of(module).values() if child is not None]
            waiting += reversed(children)
    return list(modules.values())
