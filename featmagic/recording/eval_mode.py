"""Eval mode: the state under which a look runs, and restoring what was there before."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field

import torch
from torch import nn

from featmagic.recording.model_tree import CAN_RUN_EAGER


@contextmanager
def looking(model: nn.Module) -> Iterator[None]:
    """Run a block in eval mode, without gradients and with nothing compiled, then restore all.

    The `training` flag of every sub-module is restored for itself: a frozen batch norm in a model
    that trains stays frozen. The flag is set directly, as an overridden `train()` may have effects
    of its own. Where looks overlap, nested or in threads, the last one restores the flags.

    Example:
        >>> net = nn.Sequential(nn.Dropout())
        >>> with looking(net):
        ...     net[0].training
        False
        >>> net[0].training
        True
    """
    look = object()
    modules = list(model.modules())
    try:
        _hold(modules, look)
        with torch.no_grad(), _eager():
            yield
    finally:
        try:
            _release(modules, look)
        finally:
            _release(modules, look)  # an interrupt may have cut the first one short


# Looks may overlap in several threads.
_lock = threading.RLock()


@dataclass
class _Held:
    """A module that looks hold in eval mode, and the flag it had before the first of them."""

    module: nn.Module
    flag: bool
    looks: set[object] = field(default_factory=set)


_held: dict[int, _Held] = {}


def _hold(modules: list[nn.Module], look: object) -> None:
    with _lock:
        # All flags are read before any is set: a wrapper's is that of what it wraps.
        for module in modules:
            _held.setdefault(id(module), _Held(module, module.training)).looks.add(look)
        for module in modules:
            module.training = False


def _release(modules: list[nn.Module], look: object) -> None:
    """Restore the flags that no other look holds; may be called again."""
    with _lock:
        for module in modules:
            held = _held.get(id(module))
            if held is None or look not in held.looks:
                continue
            if held.looks == {look}:
                module.training = held.flag
                del _held[id(module)]
            held.looks.discard(look)


@contextmanager
def _eager() -> Iterator[None]:
    """Have compiled models run as plain Python, hooks included, where torch can do that.

    Torch's stance is one for the whole process: the first of overlapping looks sets it, and the
    last one restores it.
    """
    # Nothing can be compiled while dynamo isn't loaded, and loading it takes seconds.
    if "torch._dynamo" not in sys.modules or not CAN_RUN_EAGER:
        yield
        return
    look = object()
    try:
        _stance.hold(look)
        yield
    finally:
        try:
            _stance.release(look)
        finally:
            _stance.release(look)  # an interrupt may have cut the first one short


class _EagerStance:
    """Torch's stance "force_eager", set as long as any look needs it."""

    def __init__(self) -> None:
        self._looks: set[object] = set()
        self._stance: AbstractContextManager[object] | None = None

    def hold(self, look: object) -> None:
        with _lock:
            if not self._looks:
                self._stance = torch.compiler.set_stance("force_eager")
                self._stance.__enter__()
            self._looks.add(look)

    def release(self, look: object) -> None:
        with _lock:
            self._looks.discard(look)
            if not self._looks and self._stance is not None:
                self._stance.__exit__(None, None, None)
                self._stance = None


_stance = _EagerStance()
