"""The private names of torch that featmagic uses, and what it does where one is missing.

Torch has no public way to most of what is asked here. A name that is missing is replaced when this
module is imported; each function says by what.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from types import CodeType
from typing import Any

import torch
from torch import nn


def _found(path: str, otherwise: Any) -> Any:
    """Return what stands at a dotted path below `torch`, or else what replaces it."""
    value: Any = torch
    for name in path.split("."):
        if not hasattr(value, name):
            return otherwise
        value = getattr(value, name)
    return value


# Hooks of a module

# Where a module keeps its hooks by number, and the flags of these hooks.
_FORWARD = ("_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called")
_BEFORE = ("_forward_pre_hooks", "_forward_pre_hooks_with_kwargs")


def forward_hooks(module: nn.Module) -> dict[int, Any]:
    """Return the forward hooks of a module by number, in the order in which they run.

    Empty where torch keeps them elsewhere: then their order isn't changed.
    """
    hooks: dict[int, Any] = vars(module).get(_FORWARD[0], {})
    return hooks


def hook_tables(module: nn.Module) -> Iterator[list[dict[int, Any]]]:
    """Yield the forward hooks and the forward pre-hooks of a module by number, with their flags.

    Each time a list: first the hooks, then the tables in which hooks of one flag are. Nothing is
    yielded where torch keeps them elsewhere: then hooks are removed by their handles alone.
    """
    attributes = vars(module)
    for names in (_FORWARD, _BEFORE):
        tables = [attributes[name] for name in names if name in attributes]
        if names[0] in attributes:
            yield tables


# What runs at the moment

_is_tracing: Callable[[], object] = _found(
    "_C._is_tracing", _found("jit.is_tracing", lambda: False)
)


def is_tracing() -> bool:
    """Return True while `torch.jit.trace` runs a model; asks `torch.jit` where it is missing."""
    return bool(_is_tracing())


_dispatch_mode: Callable[[Any], object] = _found("_C._get_dispatch_mode", lambda _: None)
_PROXY = _found("_C._TorchDispatchModeKey.PROXY", None)


def has_proxy_mode() -> bool:
    """Return True while `make_fx` or `torch.export` writes down what runs; False if missing."""
    return _PROXY is not None and _dispatch_mode(_PROXY) is not None


_graph_task: Callable[[], int] = _found("_C._current_graph_task_id", lambda: -1)


def in_backward() -> bool:
    """Return True while autograd runs in this thread; False where that can't be asked."""
    return bool(_graph_task() != -1)


# The code of the frame that a call of any module has on the stack, where it's a local variable
# `self`; `nn.Module.__call__` itself where torch has no such function.
CALL: CodeType = getattr(nn.Module, "_call_impl", nn.Module.__call__).__code__


# TorchScript


def script_compiler() -> Any:
    """Return the module of torch in which `torch.jit.script` begins with each module.

    None where torch has none, or has it elsewhere: scripting a model fails then while hooks are on.
    """
    compiler = _found("jit._recursive", None)
    return compiler if hasattr(compiler, "create_script_module") else None


# Compilation

_CALLBACKS = ("torch._dynamo.callback", "callback_handler")
_STANCE = ("torch._dynamo.eval_frame", "_stance")


def compilation_callbacks() -> Any:
    """Return what calls back when torch compiles something; None while nothing can be compiled.

    None also where torch has no such thing: code that is compiled then has the hooks in it.
    """
    module, name = _CALLBACKS
    return getattr(sys.modules.get(module), name, None)


def stance() -> Any:
    """Return how compiled code runs now, to be put back; None where it can't be told."""
    module, name = _STANCE
    return getattr(sys.modules.get(module), name, None)


def put_stance_back(before: Any) -> None:
    """Have compiled code run as before; as torch does by default, where that isn't known."""
    kind: Any = getattr(before, "stance", "default")
    options = {"skip_guard_eval_unsafe": "skip_guard_eval_unsafe", "force_backend": "backend"}
    more: dict[str, Any] = {name: getattr(before, field, None) for name, field in options.items()}
    torch.compiler.set_stance(kind, **{name: value for name, value in more.items() if value})


# Modes that see every torch function

_mode_stack: Callable[[], list[Any]] | None = _found(
    "overrides._get_current_function_mode_stack", None
)
# Keeps modes of the user's, and of looks around, from seeing what is done while it is on.
unseen: Any = _found("_C.DisableTorchFunction", None)

# Whether a pass can be traced; where it can't, receptive fields are unknown.
CAN_TRACE = _mode_stack is not None and unseen is not None


def mode_stack() -> list[Any]:
    """Return the function modes that are on in this thread, the innermost last."""
    return [] if _mode_stack is None else _mode_stack()


# Tensors inside of torch.func's transformations

is_wrapped: Callable[[Any], bool] = _found(
    "_C._functorch.is_functorch_wrapped_tensor", lambda _: False
)
"""Whether a tensor is one of `torch.func.grad`, `vmap` and the like; False where it is missing."""
