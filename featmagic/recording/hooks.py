"""Hooks that can always be found again, and questions about the calls under way."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from types import FrameType
from typing import Any, Protocol

import torch
from torch import nn
from torch.fx import Proxy

from featmagic.recording import torch_private
from featmagic.recording.threads_of_control import frames_of_others
from featmagic.recording.torch_private import CALL, forward_hooks, hook_tables
from featmagic.support.own_frames import hide_own_frames


class Owner(Protocol):
    """What hooks belong to."""

    is_attached: bool
    was_copied: bool


class Hook:
    """A hook that knows its owner, so that `remove` finds it on the module.

    A copy or a pickle of the model carries a standard callable in its place:
    `nullcontext().__exit__` takes any arguments and returns None, as a hook that does nothing
    does. So the copy also loads and runs where featmagic isn't installed.
    """

    __slots__ = ("_call", "owner")

    def __init__(self, owner: Owner, call: Callable[..., Any]) -> None:
        self.owner = owner
        self._call = call

    def __call__(self, *args: Any) -> Any:
        """Run the hook, except while torch compiles or traces, which would record it."""
        try:
            # A `Proxy` is of symbolic_trace; `isinstance` would ask the user's output for its
            # class.
            if torch_private.is_written_down() or issubclass(type(args[-1]), Proxy):
                return None
            # Another thread may still call it after it was removed.
            return self._call(*args) if self.owner.is_attached else None
        except BaseException as error:  # an interrupt, say
            __tracebackhide__ = True  # for Python 3.10
            hide_own_frames(error)
            raise

    def __reduce__(self) -> tuple[Any, ...]:
        self.owner.was_copied = True
        return getattr, (contextlib.nullcontext(), "__exit__")


class KeepsLast(Hook):
    """A forward pre-hook that makes our forward hooks run after the user's.

    So ours see the value that the next layer receives, even if the user registers a hook later
    that replaces the output.
    """

    __slots__ = ()

    def __init__(self, owner: Owner) -> None:
        super().__init__(owner, keep_last)

    def __call__(self, module: nn.Module, args: object) -> None:
        """Check the order of the hooks of a module that is about to run."""
        try:
            if not torch.compiler.is_compiling() and len(forward_hooks(module)) > 1:
                self._call(module)
        except BaseException as error:
            __tracebackhide__ = True
            hide_own_frames(error)
            raise


def keep_last(module: nn.Module) -> None:
    """Move our forward hooks behind the user's, keeping their order."""
    hooks: Any = forward_hooks(module)
    are_ours = [isinstance(hook, Hook) for hook in list(hooks.values())]
    if are_ours == sorted(are_ours):
        return
    for number, hook in list(hooks.items()):
        if isinstance(hook, Hook):
            with contextlib.suppress(KeyError):  # a look in another thread has just ended
                hooks.move_to_end(number)


def has_hook(module: nn.Module, owner: Owner) -> bool:
    """Return True if a forward hook of the owner is on the module, or if that is unknown."""
    if not torch_private.can_find_hooks(module):
        return True
    hooks = list(forward_hooks(module).values())
    return any(isinstance(hook, Hook) and hook.owner is owner for hook in hooks)


def remove(owner: Owner, modules: Iterable[nn.Module]) -> None:
    """Remove every hook of the owner from the modules, if there are any.

    The hooks are searched on the modules, because an interrupt may arrive after a hook is
    registered and before its handle is stored. Modules are distinguished by identity, since several
    may be equal.
    """
    for module in {id(module): module for module in modules}.values():
        for hooks, *flags in hook_tables(module):
            for number, hook in list(hooks.items()):
                if isinstance(hook, Hook) and hook.owner is owner:
                    for table in (hooks, *flags):
                        table.pop(number, None)


class Compilations:
    """Runs callbacks when torch begins and ends a compilation, while it is switched on.

    Code that torch compiles while our hooks are registered would be recompiled after they are
    removed, and again in the next cell. Code compiled without them stays valid.
    """

    def __init__(self, begin: Callable[[], None], end: Callable[[], None]) -> None:
        # Older torch calls these without arguments, newer torch with what is compiled.
        self._begin: Callable[..., None] = lambda *_: begin()
        self._end: Callable[..., None] = lambda *_: end()

    def switch_on(self) -> None:
        """Start listening, if dynamo is loaded; otherwise nothing can be compiled."""
        handler = torch_private.compilation_callbacks()
        if handler and self._begin not in handler.start_callbacks:
            handler.register_start_callback(self._begin)
            handler.register_end_callback(self._end)

    def switch_off(self) -> None:
        """Stop listening; may be called again."""
        handler = torch_private.compilation_callbacks()
        if handler and self._begin in handler.start_callbacks:
            handler.remove_start_callback(self._begin)
        if handler and self._end in handler.end_callbacks:
            handler.remove_end_callback(self._end)


# While a hook runs

# The number of frames, at least, from `Hook.__call__` down to `is_under_way`.
_FRAMES_OF_HOOK = 5


def calls(frame: FrameType | None = None) -> Iterator[nn.Module]:
    """Yield the modules whose calls are under way, the innermost first.

    They are read from the stack, because a counter would stay too high after an error.

    Args:
        frame: the innermost frame of the thread in question; this thread's by default.
    """
    frame = frame or sys._getframe()
    while frame is not None:
        if frame.f_code is CALL:
            yield frame.f_locals["self"]
        frame = frame.f_back


def number_of_call(module: nn.Module) -> int:
    """Return the number of the innermost call of `module` under way in this thread, or 0.

    The number is the id of the call's frame; a later call may have the same one.
    """
    frame: FrameType | None = sys._getframe()
    while frame is not None:
        if frame.f_code is CALL and frame.f_locals["self"] is module:
            return id(frame)
        frame = frame.f_back
    return 0


def is_under_way(module: nn.Module, number: int) -> bool:
    """Return True if a call of `module` that has this number is under way in this thread.

    This runs each time a layer returns. The number finds the call without reading the local
    variables of every call in between, and without a reference to its frame, which would keep the
    user's tensors alive.
    """
    # The innermost frames belong to the hook; they are skipped to save time.
    frame: FrameType | None = sys._getframe(_FRAMES_OF_HOOK)
    while frame is not None:
        if id(frame) == number and frame.f_code is CALL:
            return frame.f_locals["self"] is module
        frame = frame.f_back
    return False


def calls_of(module: nn.Module) -> int:
    """Return how many calls of `module` are under way in this thread."""
    return sum(called is module for called in calls())


def outermost(modules: Collection[int]) -> nn.Module | None:
    """Return the outermost of the modules, given by their ids, whose call is under way."""
    under_way = [called for called in calls() if id(called) in modules]
    return under_way[-1] if under_way else None


def runs_elsewhere(modules: Collection[int]) -> bool:
    """Return True if another thread is running one of the modules, given by their ids."""
    frames = frames_of_others().values()
    return any(id(called) in modules for frame in frames for called in calls(frame))
