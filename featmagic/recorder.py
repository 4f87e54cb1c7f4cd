"""Forward hooks for as long as a `with` block, and what they bring: activations."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections import Counter
from collections.abc import Callable
from typing import Any

import torch
from torch import nn

from featmagic.activations import Pass
from featmagic.inputs import device_of, moved_to
from featmagic.layers import Selection
from featmagic.tree import (
    CAN_RUN_EAGER,
    ROOT,
    is_compiled,
    is_torchscript,
    runs_compiled,
    unwrap,
    walk,
)


class _Hook:
    """A hook of ours. A copy or a pickle of the model carries a standard callable instead.

    `nullcontext().__exit__` takes anything and returns None, which is what a hook that does nothing
    does; so the copy loads and runs where featmagic isn't installed.
    """

    def __init__(self, recorder: Recorder, call: Callable[..., Any]) -> None:
        self.recorder = recorder
        self._call = call

    def __call__(self, *args: Any) -> Any:
        # Compilers and tracers must find nothing to compile in here.
        if torch.compiler.is_compiling() or torch._C._is_tracing():
            return None
        return self._call(*args)

    def __reduce__(self) -> tuple[Any, ...]:
        return getattr, (contextlib.nullcontext(), "__exit__")


class Recorder:
    """Records the selected modules' outputs between `attach` and `detach`.

    A pass begins when the model is called; each begins afresh, so only the last one counts. The
    model's parts may also be called on their own (`model.forward(x)`, `model.features(x)`): then a
    pass begins when the part that came first comes again.

    Args:
        selection: the modules to record.
        on_pass: is given every `Pass` as it begins, to read while it fills.
        as_is: leave the model's inputs where they are, and compiled code alone: a hook inside it
            would never fire and have it compiled anew.
    """

    def __init__(
        self,
        selection: Selection,
        on_pass: Callable[[Pass], None] = lambda _: None,
        *,
        as_is: bool = False,
    ) -> None:
        self.selection = selection
        self.moved: Counter[str] = Counter()
        self.device = None if as_is else device_of(selection.model)
        self.last: Pass | None = None
        self._on_pass = on_pass
        self._here = _Here()
        self._whole = unwrap(selection.model)
        self._layers = {
            path: module
            for path, module in selection.modules.items()
            if not is_torchscript(module)  # it takes no hooks, or never calls them
        }
        self.leaves_compiled = as_is or not CAN_RUN_EAGER
        if self.leaves_compiled:
            self._leave_compiled()

    def __enter__(self) -> Recorder:
        self.attach()
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()

    def _leave_compiled(self) -> None:
        """Keep off what runs compiled; a wrapper is outside of what it compiles."""
        tree = dict(walk(self.selection.model))
        for path in [path for path in self._layers if runs_compiled(path, tree)]:
            del self._layers[path]
        if runs_compiled(ROOT, tree):
            self._whole = []
        elif is_compiled(tree[ROOT]):
            self._whole = self._whole[:1]

    def attach(self) -> None:
        """Put the hooks on; none stays if that fails half-way."""
        try:
            for path, module in self._layers.items():
                module.register_forward_hook(_Hook(self, self._returned(path)))
            for module in self._whole:
                module.register_forward_pre_hook(
                    _Hook(self, self._begin), prepend=True, with_kwargs=True
                )
                module.register_forward_hook(_Hook(self, self._end), always_call=True)
        except BaseException:
            self.detach()
            raise

    def detach(self) -> None:
        """Take every hook of this recorder off; again does no harm.

        The hooks are looked up on the modules: a handle could be lost to an interrupt between the
        moment a hook is registered and the moment its handle is kept.
        """
        for module in {*self._layers.values(), *self._whole}:
            for hooks, notes in _tables(module):
                for key in [k for k, hook in hooks.items() if _is_of(self, hook)]:
                    hooks.pop(key, None)
                    for note in notes:
                        note.pop(key, None)

    def _returned(self, path: str) -> Callable[..., None]:
        wanted = self.selection.calls.get(path, frozenset())

        def record(module: nn.Module, args: object, output: object) -> None:
            if _in_backward():
                return
            self._pass_of(module, path).add(path, module, output, wanted)

        return record

    def _pass_of(self, module: nn.Module, path: str) -> Pass:
        here = self._here
        if here.whole is not None:
            return here.whole
        if getattr(module, "_is_replica", False) and self.last is not None:
            return self.last  # DataParallel runs its replicas in threads of its own
        if here.part is None or here.part_began_with == path:
            here.part, here.part_began_with = self._start(), path
        return here.part

    def _start(self) -> Pass:
        self.last = Pass()
        self._on_pass(self.last)
        return self.last

    def _begin(self, module: nn.Module, args: Any, kwargs: Any) -> Any:
        here = self._here
        if getattr(module, "_is_replica", False) or _in_backward():
            return None
        if here.opened_by is not None and _is_running(here.opened_by, besides=module):
            here.depth += 1
            return None
        here.depth, here.opened_by, here.part = 1, module, None
        here.whole = self._start()
        if self.device is None:
            return None
        return moved_to(self.device, (args, kwargs), self.moved)

    def _end(self, module: nn.Module, args: object, output: object) -> None:
        here = self._here
        if getattr(module, "_is_replica", False) or _in_backward():
            return
        here.depth -= 1
        if here.depth == 0:
            here.whole = here.opened_by = None


class _Here(threading.local):
    """Where the recorder is in this thread."""

    depth: int = 0
    whole: Pass | None = None
    opened_by: nn.Module | None = None
    part: Pass | None = None
    part_began_with: str | None = None


def _in_backward() -> bool:
    """Whether autograd is running: what a checkpoint computes again there is not a call."""
    return bool(torch._C._current_graph_task_id() != -1)


def _is_running(module: nn.Module, besides: nn.Module) -> bool:
    """Whether a call of `module` is under way, apart from the call of `besides` that is beginning.

    An interrupt leaves the depth of calls too high; the stack knows better.
    """
    frame, calls = sys._getframe(), 0
    while (above := frame.f_back) is not None:
        frame = above
        if frame.f_code is nn.Module._call_impl.__code__ and frame.f_locals["self"] is module:
            calls += 1
    return calls > (1 if module is besides else 0)


def _is_of(recorder: Recorder, hook: object) -> bool:
    return isinstance(hook, _Hook) and hook.recorder is recorder


def _tables(module: nn.Module) -> list[tuple[dict[int, Any], list[dict[int, Any]]]]:
    """A module's hooks, each with the notes torch keeps beside them under the same number."""
    return [
        (
            module._forward_hooks,
            [module._forward_hooks_with_kwargs, module._forward_hooks_always_called],
        ),
        (module._forward_pre_hooks, [module._forward_pre_hooks_with_kwargs]),
    ]
