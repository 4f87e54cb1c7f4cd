"""A look changes nothing: the modes it runs under, and putting them back."""

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
    """Eval mode, no gradients, nothing compiled; then everything as it was before.

    The `training` flag of every sub-module is kept and put back for itself: a frozen batch norm in
    a training model stays frozen. The flag is set directly, since `train()` may be overridden with
    effects of its own. Where looks overlap, nested or in threads, the last one puts it back.

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
        with torch.no_grad(), eager():
            yield
    finally:
        try:
            _let_go(modules, look)
        finally:
            _let_go(modules, look)  # an interrupt may have cut the first one short


@dataclass
class _Held:
    """A module that looks hold in eval mode, and the flag it had before the first of them."""

    module: nn.Module
    flag: bool
    looks: set[object] = field(default_factory=set)


_held: dict[int, _Held] = {}


_lock = threading.RLock()


def _hold(modules: list[nn.Module], look: object) -> None:
    with _lock:
        # All flags are read before any is set: a wrapper's is that of what it wraps.
        for module in modules:
            _held.setdefault(id(module), _Held(module, module.training)).looks.add(look)
        for module in modules:
            module.training = False


def _let_go(modules: list[nn.Module], look: object) -> None:
    """Put the flags back that no other look holds; again does no harm."""
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
def eager() -> Iterator[None]:
    """Compiled models run as plain Python, hooks and all, where torch can do that.

    The stance is the whole process's: the first of looks that overlap takes it, the last one gives
    it back.

    Example:
        >>> with eager():
        ...     pass
    """
    # Nothing can be compiled while dynamo isn't loaded, and loading it takes seconds.
    if "torch._dynamo" not in sys.modules or not CAN_RUN_EAGER:
        yield
        return
    look = object()
    try:
        _eager.hold(look)
        yield
    finally:
        try:
            _eager.let_go(look)
        finally:
            _eager.let_go(look)


class _Eager:
    """Torch's stance "force_eager", for as long as any look needs it."""

    def __init__(self) -> None:
        self._looks: set[object] = set()
        self._stance: AbstractContextManager[object] | None = None

    def hold(self, look: object) -> None:
        with _lock:
            if not self._looks:
                self._stance = torch.compiler.set_stance("force_eager")
                self._stance.__enter__()
            self._looks.add(look)

    def let_go(self, look: object) -> None:
        with _lock:
            self._looks.discard(look)
            if not self._looks and self._stance is not None:
                self._stance.__exit__(None, None, None)
                self._stance = None


_eager = _Eager()
