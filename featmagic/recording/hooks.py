"""Hooks of ours: what they do, what a copy of them does, and taking them off."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Iterable, Iterator
from types import FrameType
from typing import Any

import torch
from torch import nn
from torch.fx import Proxy


class Hook:
    """A hook of ours. A copy or a pickle of the model carries a standard callable instead.

    `nullcontext().__exit__` takes anything and returns None, which is what a hook that does nothing
    does; so the copy loads and runs where featmagic isn't installed.

    Args:
        owner: whose hook it is, for `remove`.
        call: what it does.
    """

    def __init__(self, owner: object, call: Callable[..., Any]) -> None:
        self.owner = owner
        self._call = call

    def __call__(self, *args: Any) -> Any:
        """What torch calls."""
        # Compilers and tracers must find nothing to compile in here.
        if torch.compiler.is_compiling() or torch._C._is_tracing() or _makes_a_graph(args[-1]):
            return None  # a graph is being written down, and nothing of ours belongs into it
        return self._call(*args)

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (contextlib.nullcontext(), "__exit__")


def _makes_a_graph(output: object) -> bool:
    """Whether `torch.fx` is writing down what runs: `make_fx` or `symbolic_trace`."""
    proxies = torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.PROXY)
    return proxies is not None or isinstance(output, Proxy)


def remove(owner: object, modules: Iterable[nn.Module]) -> None:
    """Take every hook of the owner off the modules; again does no harm.

    The hooks are looked up on the modules: a handle could be lost to an interrupt between the
    moment a hook is registered and the moment its handle is kept.
    """
    for module in set(modules):
        for hooks, notes in _tables(module):
            for key in [k for k, hook in list(hooks.items()) if _is_of(owner, hook)]:
                hooks.pop(key, None)
                for note in notes:
                    note.pop(key, None)


def _is_of(owner: object, hook: object) -> bool:
    return isinstance(hook, Hook) and hook.owner is owner


def _tables(module: nn.Module) -> list[tuple[dict[int, Any], list[dict[int, Any]]]]:
    """A module's hooks, each with the notes torch keeps beside them under the same number."""
    return [
        (
            module._forward_hooks,
            [module._forward_hooks_with_kwargs, module._forward_hooks_always_called],
        ),
        (module._forward_pre_hooks, [module._forward_pre_hooks_with_kwargs]),
    ]


class Compilations:
    """Tells when torch begins and ends to compile something, while it is switched on.

    Code compiled with our hooks on would be compiled anew when they are off, and again at the next
    cell; compiled without them it stays.
    """

    def __init__(self, begin: Callable[[], None], end: Callable[[], None]) -> None:
        # Older torch passes the callbacks nothing, newer torch what is compiled.
        self._begin: Callable[..., None] = lambda *_: begin()
        self._end: Callable[..., None] = lambda *_: end()

    def switch_on(self) -> None:
        """Listen; nothing can be compiled while dynamo isn't loaded."""
        if (handler := _handler()) and self._begin not in handler.start_callbacks:
            handler.register_start_callback(self._begin)
            handler.register_end_callback(self._end)

    def switch_off(self) -> None:
        """Stop listening; again does no harm."""
        handler = _handler()
        if handler and self._begin in handler.start_callbacks:
            handler.remove_start_callback(self._begin)
        if handler and self._end in handler.end_callbacks:
            handler.remove_end_callback(self._end)


def _handler() -> Any:
    module = sys.modules.get("torch._dynamo.callback")
    return module.callback_handler if module else None


def is_replica(module: nn.Module) -> bool:
    """Whether DataParallel made the module, to run it in a thread as a part of a pass."""
    return bool(getattr(module, "_is_replica", False))


def in_backward() -> bool:
    """Whether autograd is running: what a checkpoint computes again there is not a call."""
    return bool(torch._C._current_graph_task_id() != -1)


def calls() -> Iterator[nn.Module]:
    """The modules whose calls are under way in this thread, the innermost first."""
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code is nn.Module._call_impl.__code__:
            yield frame.f_locals["self"]
        frame = frame.f_back


def calls_of(module: nn.Module) -> int:
    """How many calls of `module` are under way: an error leaves a count of ours too high."""
    return sum(called is module for called in calls())


def outermost(modules: set[int]) -> nn.Module | None:
    """The outermost of the modules, given by their ids, whose call is under way."""
    parts = [called for called in calls() if id(called) in modules]
    return parts[-1] if parts else None
