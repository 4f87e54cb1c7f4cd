"""The model tree: modules by path, wrappers looked through."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import torch
from torch import nn

from featmagic.recording.layer_syntax import ROOT

# True if compiled models can be made to run as plain Python for a while: torch 2.6 and newer.
CAN_RUN_EAGER = hasattr(torch.compiler, "set_stance")

# Modules that only pass a call on, and the attribute that holds the model they wrap.
_WRAPPERS = {
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "FullyShardedDataParallel": "_fsdp_wrapped_module",
    "CheckpointWrapper": "_checkpoint_wrapped_module",
    "OptimizedModule": "_orig_mod",
}


def walk(model: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Yield every `(path, module)` of a model, first the model itself as `.`.

    A module that has several names comes under each of them. A wrapper stands at its own path and
    adds nothing to the paths in it, so that a compiled or parallel model has the plain names.

    Example:
        >>> [path for path, _ in walk(nn.Sequential(nn.ReLU()))]
        ['.', '0']
    """
    yield ROOT, model
    yield from _below(model, "", ())


def _below(
    module: nn.Module, prefix: str, above: tuple[nn.Module, ...]
) -> Iterator[tuple[str, nn.Module]]:
    inner = unwrap(module)[-1]
    above = (*above, inner)
    for name, child in inner._modules.items():
        # A child that refers back to its parent would never end.
        if child is not None and unwrap(child)[-1] not in above:
            yield prefix + name, child
            yield from _below(child, f"{prefix}{name}.", above)


def unwrap(module: nn.Module) -> list[nn.Module]:
    """Return the module, what it wraps, and so on, the innermost last.

    Example:
        >>> net = nn.ReLU()
        >>> unwrap(nn.DataParallel(net))[-1] is net
        True
    """
    chain = [module]
    while (attribute := _wrapped_in(chain[-1])) is not None:
        chain.append(getattr(chain[-1], attribute))
    return chain


def _wrapped_in(module: nn.Module) -> str | None:
    kind: Any = type(module)
    return _attribute_of(kind)


@lru_cache(maxsize=1024)  # asked of every module at each look
def _attribute_of(kind: type[object]) -> str | None:
    for cls in kind.__mro__:
        if cls.__name__ in _WRAPPERS and cls.__module__.startswith("torch."):
            return _WRAPPERS[cls.__name__]
    return None


def is_torchscript(module: nn.Module) -> bool:
    """Return True if `torch.jit` made the module: hooks can't observe what is in it."""
    return isinstance(module, torch.jit.ScriptModule)


def is_compiled(module: nn.Module) -> bool:
    """Return True if a call of the module runs compiled code: `torch.compile(m)`, `m.compile()`."""
    return any(
        _wrapped_in(m) == "_orig_mod" or getattr(m, "_compiled_call_impl", None) is not None
        for m in unwrap(module)
    )


def runs_compiled(path: str, tree: Mapping[str, nn.Module]) -> bool:
    """Return True if the module runs in compiled code, where a hook is compiled and not called.

    The wrapper that `torch.compile(m)` makes is itself outside of what it compiles.
    """
    itself = getattr(tree[path], "_compiled_call_impl", None) is not None
    return itself or any(is_compiled(tree[above]) for above in ancestors(path))


def ancestors(path: str) -> list[str]:
    """Return the paths above, the nearest first and the model itself last: `a.b`, `a`, `.`."""
    parts = path.split(".") if path != ROOT else []
    return [".".join(parts[:n]) or ROOT for n in range(len(parts) - 1, -1, -1)]


def has_own_forward(module: nn.Module) -> bool:
    """Return True if the module can be called; a `ModuleList`, for instance, only holds others."""
    if is_torchscript(module):  # its class has a forward in any case
        return hasattr(module, "forward")
    return type(module).forward is not nn.Module.forward or "forward" in vars(module)
