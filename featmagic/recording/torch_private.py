"""The private names of torch that featmagic uses, and what it does if one is missing.

Torch has no public API for most of this. A missing name is replaced when this module is imported;
each function documents its fallback.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Mapping
from types import CodeType
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle


def _found(path: str, otherwise: Any) -> Any:
    """Return the attribute of `torch` at a dotted path, or the fallback if it is missing."""
    value: Any = torch
    for name in path.split("."):
        if not hasattr(value, name):
            return otherwise
        value = getattr(value, name)
    return value


# The attribute of what `torch.compile(model)` returns that holds the model.
COMPILED = "_orig_mod"

# What a module holds

# Classes of modules that only forward a call, and the attribute that holds the model they wrap.
# A class without this attribute is treated as any other module.
WRAPPERS = {
    "DataParallel": "module",
    "DistributedDataParallel": "module",
    "FullyShardedDataParallel": "_fsdp_wrapped_module",
    "CheckpointWrapper": "_checkpoint_wrapped_module",
    "OptimizedModule": COMPILED,
}

# The base classes of convolutions and of batch and instance norms. If one is missing, torch's own
# derived classes; other classes derived from it aren't recognized then.
CONVOLUTION: Any = _found(
    "nn.modules.conv._ConvNd",
    (nn.Conv1d, nn.Conv2d, nn.Conv3d, nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d),
)
NORM: Any = _found(
    "nn.modules.batchnorm._NormBase",
    (
        nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d, nn.SyncBatchNorm,
        nn.InstanceNorm1d, nn.InstanceNorm2d, nn.InstanceNorm3d,
    ),
)  # fmt: skip


def children_of(module: nn.Module) -> Mapping[str, nn.Module | None]:
    """Return the child modules of a module by name.

    The fallback is `named_children`, which leaves out further names of the same module, and modules
    that are equal to an earlier one.
    """
    children: Mapping[str, nn.Module | None] | None = getattr(module, "_modules", None)
    return dict(module.named_children()) if children is None else children


def parameter_of(module: nn.Module, name: str) -> Tensor | None:
    """Return a parameter of the module itself; the fallback is `named_parameters`."""
    parameters = getattr(module, "_parameters", None)
    found: Tensor | None = dict(
        module.named_parameters(recurse=False) if parameters is None else parameters
    ).get(name)
    return found


def parameters_of(module: nn.Module) -> list[Tensor]:
    """Return the parameters of the module itself; where torch keeps them elsewhere, by its list."""
    parameters = getattr(module, "_parameters", None)
    listed = module.parameters(recurse=False) if parameters is None else parameters.values()
    return [parameter for parameter in listed if parameter is not None]


def buffers_of(module: nn.Module) -> list[Tensor]:
    """Return the buffers of the module itself; the fallback is `buffers`."""
    buffers = getattr(module, "_buffers", None)
    listed = module.buffers(recurse=False) if buffers is None else buffers.values()
    return [buffer for buffer in listed if buffer is not None]


def is_replica(module: nn.Module) -> bool:
    """Return True if DataParallel created the module to run part of a pass in a thread.

    False if replicas aren't marked: each of them then counts as a pass of its own. The mark is
    looked up without a `__getattr__` of the user's, which may answer to any name.
    """
    return vars(module).get("_is_replica") is True


def is_compiled_in_place(module: nn.Module) -> bool:
    """Return True after `module.compile()`; False if that is unknown."""
    return getattr(module, "_compiled_call_impl", None) is not None


def has_one_projection(attention: nn.MultiheadAttention) -> bool:
    """Return True if queries, keys and values have the same size, or if that is unknown."""
    return bool(getattr(attention, "_qkv_same_embed_dim", True))


# Hooks of a module

# The attributes in which a module keeps its hooks by number, and the flags of these hooks.
_FORWARD = ("_forward_hooks", "_forward_hooks_with_kwargs", "_forward_hooks_always_called")
_BEFORE = ("_forward_pre_hooks", "_forward_pre_hooks_with_kwargs")


def forward_hooks(module: nn.Module) -> dict[int, Any]:
    """Return the forward hooks of a module by number, in the order in which they run.

    Empty if torch keeps them elsewhere; their order isn't changed then.
    """
    hooks: dict[int, Any] = vars(module).get(_FORWARD[0]) or {}
    return hooks


def hook_tables(module: nn.Module) -> list[list[dict[int, Any]]]:
    """Return the forward hooks and the forward pre-hooks of a module by number, with their flags.

    Each item is a list: first the table of hooks, then a table for each flag; empty tables are left
    out. Empty if torch keeps them elsewhere; hooks are removed only by their handles then.
    """
    attributes = vars(module)
    return [
        # The first one is there even if a look in another thread empties it at this moment.
        [attributes[hooks], *[attributes[name] for name in flags if attributes.get(name)]]
        for hooks, *flags in (_FORWARD, _BEFORE)
        if attributes.get(hooks)
    ]


# What registers a hook, even where a class of the user's has methods of these names.
register_before, register_after = (
    nn.Module.register_forward_pre_hook,
    nn.Module.register_forward_hook,
)


def add_hook(module: nn.Module, hook: Any, *, before: bool = False) -> RemovableHandle | None:
    """Register a forward hook, or a forward pre-hook, that has no flag.

    None is returned if it can be found in the module's tables, where it is put without a handle:
    what torch makes for each, with weak references, takes several times as long. A handle where
    torch keeps the hooks in another way.
    """
    table = vars(module).get((_BEFORE if before else _FORWARD)[0])
    if table is None:
        return register_before(module, hook) if before else register_after(module, hook)
    table[next(_numbers)] = hook
    return None


# Torch numbers its handles from 0. Taking numbers from its counter would need a lock that torch
# doesn't have: of two threads that got the same one, one would replace the hook of the other.
_numbers = itertools.count(-1, -1)


def can_find_hooks(module: nn.Module) -> bool:
    """Return True if `hook_tables` has the hooks of a module."""
    return _FORWARD[0] in vars(module)


# What is running now

_is_compiling: Callable[[], bool] = torch.compiler.is_compiling
_is_tracing: Callable[[], object] = _found(
    "_C._is_tracing", _found("jit.is_tracing", lambda: False)
)
_dispatch_mode: Callable[[Any], object] = _found("_C._get_dispatch_mode", lambda _: None)
_PROXY = _found("_C._TorchDispatchModeKey.PROXY", None)


def is_written_down() -> bool:
    """Return True while torch compiles, traces or exports the running code.

    The fallback doesn't notice `make_fx` and `torch.export`.
    """
    if _is_compiling() or _is_tracing():
        return True
    return _PROXY is not None and _dispatch_mode(_PROXY) is not None


_graph_task: Callable[[], int] = _found("_C._current_graph_task_id", lambda: -1)


def in_backward() -> bool:
    """Return True while autograd runs in this thread; False if that is unknown."""
    return bool(_graph_task() != -1)


# The code of the frame that every call of a module has on the stack, with the module as its local
# variable `self`. The fallback is `nn.Module.__call__`.
CALL: CodeType = getattr(nn.Module, "_call_impl", nn.Module.__call__).__code__


# TorchScript


def script_compiler() -> Any:
    """Return the module of torch with the function that `torch.jit.script` calls for each module.

    None if it is missing: scripting a model then fails while hooks are on.
    """
    compiler = _found("jit._recursive", None)
    return compiler if hasattr(compiler, "create_script_module") else None


# Compilation

_COMPILER = "torch._dynamo"
_CALLBACKS = ("torch._dynamo.callback", "callback_handler")
_STANCE = ("torch._dynamo.eval_frame", "_stance")


def is_compiler_loaded() -> bool:
    """Return True if torch's compiler is loaded; False also if it isn't where it is expected."""
    return _COMPILER in sys.modules


def compilation_callbacks() -> Any:
    """Return the registry of callbacks on compilations; None while nothing can be compiled.

    None also if torch has no such registry: code is then compiled with the hooks in it.
    """
    module, name = _CALLBACKS
    return getattr(sys.modules.get(module), name, None)


def stance() -> Any:
    """Return the current stance, to be restored later; None if it is unknown."""
    module, name = _STANCE
    return getattr(sys.modules.get(module), name, None)


def put_stance_back(before: Any) -> None:
    """Restore a stance; torch's default if it is unknown."""
    kind: Any = getattr(before, "stance", "default")
    options = {"skip_guard_eval_unsafe": "skip_guard_eval_unsafe", "force_backend": "backend"}
    more: dict[str, Any] = {name: getattr(before, field, None) for name, field in options.items()}
    torch.compiler.set_stance(kind, **{name: value for name, value in more.items() if value})


# Modes that see every torch function

_mode_stack: Callable[[], list[Any]] | None = _found(
    "overrides._get_current_function_mode_stack", None
)
# A context manager that hides what runs inside it from all function modes.
unseen: Any = _found("_C.DisableTorchFunction", None)

# Whether tensors count their changes.
HAS_VERSIONS = hasattr(Tensor, "_version")

# Whether a pass can be traced; if not, receptive fields are unknown.
CAN_TRACE = _mode_stack is not None and unseen is not None and HAS_VERSIONS

# The namespace of some functions of `torch.nn.functional`, which otherwise have no rule.
FUNCTIONS: Any = _found("_C._nn", None)


def mode_stack() -> list[Any]:
    """Return the function modes that are on in this thread, the innermost last."""
    return [] if _mode_stack is None else _mode_stack()


# Tensors


def version_of(tensor: Tensor) -> int:
    """Return how often a tensor was modified in place; 0 if that isn't counted.

    Raises:
        RuntimeError: It is an inference tensor, which has no count.
    """
    return int(tensor._version) if HAS_VERSIONS else 0


def is_view_of(tensor: Tensor, other: Tensor) -> bool:
    """Return True if a tensor is a view of another; False if that is unknown."""
    return getattr(tensor, "_base", None) is other


# Inside of torch.func's transformations

is_wrapped: Callable[[Any], bool] = _found(
    "_C._functorch.is_functorch_wrapped_tensor", lambda _: False
)
"""Whether a tensor belongs to `torch.func.grad`, `vmap` or the like; the fallback is False."""

_is_batched: Callable[[Any], bool] = _found("_C._functorch.is_batchedtensor", lambda _: True)
_unwrapped: Callable[[Any], Any] | None = _found("_C._functorch.get_unwrapped", None)


def unwrapped(tensor: Any) -> Tensor:
    """Return the plain tensor in one of `torch.func.grad` and the like.

    Raises:
        TypeError: Inside `torch.vmap`, where no whole tensor exists, or if the name is missing.
    """
    while is_wrapped(tensor):
        if _is_batched(tensor) or _unwrapped is None:
            raise TypeError("inside torch.vmap there is no whole tensor")
        tensor = _unwrapped(tensor)
    plain: Tensor = tensor
    return plain
