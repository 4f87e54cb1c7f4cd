"""Hooks that can always be found again, and what can be told while one of them runs."""

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
    """A hook that knows its owner, so that `remove` finds it on the module.

    A copy or a pickle of the model carries a standard callable in its place:
    `nullcontext().__exit__` takes any arguments and returns None, as a hook that does nothing
    does. So the copy also loads and runs where featmagic isn't installed.
    """

    def __init__(self, owner: object, call: Callable[..., Any]) -> None:
        self.owner = owner
        self._call = call

    def __call__(self, *args: Any) -> Any:
        """Run the hook, except while torch compiles or traces: nothing of ours must get in."""
        if torch.compiler.is_compiling() or torch._C._is_tracing() or _makes_a_graph(args[-1]):
            return None
        return self._call(*args)

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (contextlib.nullcontext(), "__exit__")


def _makes_a_graph(output: object) -> bool:
    """Return True while `torch.fx` writes down what runs, as `make_fx` and `symbolic_trace` do."""
    proxies = torch._C._get_dispatch_mode(torch._C._TorchDispatchModeKey.PROXY)
    return proxies is not None or isinstance(output, Proxy)


def remove(owner: object, modules: Iterable[nn.Module]) -> None:
    """Remove every hook of the owner from the modules; does no harm if there is none.

    The hooks are looked up on the modules, as an interrupt may come between the registration of a
    hook and the moment its handle is kept.
    """
    for module in set(modules):
        _remove_from(
            owner,
            module._forward_hooks,
            module._forward_hooks_with_kwargs,
            module._forward_hooks_always_called,
        )
        _remove_from(owner, module._forward_pre_hooks, module._forward_pre_hooks_with_kwargs)


def _remove_from(owner: object, hooks: dict[int, Any], *flags: dict[int, Any]) -> None:
    """Remove the owner's hooks from a table of hooks by number, and then their flags."""
    for number, hook in list(hooks.items()):
        if isinstance(hook, Hook) and hook.owner is owner:
            for table in (hooks, *flags):
                table.pop(number, None)


class Compilations:
    """Calls back when torch begins and ends to compile something, while it is switched on.

    Code that is compiled while our hooks are registered would be compiled again once they are
    removed, and again in the next cell; code compiled without them stays valid.
    """

    def __init__(self, begin: Callable[[], None], end: Callable[[], None]) -> None:
        # Older torch passes the callbacks nothing, newer torch what is compiled.
        self._begin: Callable[..., None] = lambda *_: begin()
        self._end: Callable[..., None] = lambda *_: end()

    def switch_on(self) -> None:
        """Start to listen; nothing can be compiled while dynamo isn't loaded."""
        if (handler := _handler()) and self._begin not in handler.start_callbacks:
            handler.register_start_callback(self._begin)
            handler.register_end_callback(self._end)

    def switch_off(self) -> None:
        """Stop listening; may be called again."""
        handler = _handler()
        if handler and self._begin in handler.start_callbacks:
            handler.remove_start_callback(self._begin)
        if handler and self._end in handler.end_callbacks:
            handler.remove_end_callback(self._end)


def _handler() -> Any:
    module = sys.modules.get("torch._dynamo.callback")
    return module.callback_handler if module else None


# While a hook runs


def is_replica(module: nn.Module) -> bool:
    """Return True if DataParallel made the module, to run a part of a pass in a thread."""
    return bool(getattr(module, "_is_replica", False))


def in_backward() -> bool:
    """Return True while autograd runs: what a checkpoint computes again then is not a call."""
    return bool(torch._C._current_graph_task_id() != -1)


def calls() -> Iterator[nn.Module]:
    """Yield the modules whose calls are under way in this thread, the innermost first.

    The stack is certain, where a counter would stay too high after an error.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code is nn.Module._call_impl.__code__:
            yield frame.f_locals["self"]
        frame = frame.f_back


def calls_of(module: nn.Module) -> int:
    """Return how many calls of `module` are under way in this thread."""
    return sum(called is module for called in calls())


def outermost(modules: set[int]) -> nn.Module | None:
    """Return the outermost of the modules, given by their ids, whose call is under way."""
    under_way = [called for called in calls() if id(called) in modules]
    return under_way[-1] if under_way else None
