"""Eval mode: the state under which a look runs, and restoring what was there before."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import torch
from torch import nn

from featmagic.recording.model_tree import CAN_RUN_EAGER


@contextmanager
def looking(model: nn.Module) -> Iterator[None]:
    """Run a block in eval mode, without gradients and with nothing compiled, then restore all.

    The `training` flag of every sub-module is restored for itself: a frozen batch norm in a model
    that trains stays frozen. The flag is set directly, as an overridden `train()` may have effects
    of its own. Where looks overlap, nested or in threads, the last one restores what they share.

    Example:
        >>> net = nn.Sequential(nn.Dropout())
        >>> with looking(net):
        ...     net[0].training
        False
        >>> net[0].training
        True
    """
    look = object()
    try:
        _hold_flags(model, look)
        _hold_stance(look)
        with torch.no_grad():
            yield
    finally:
        try:
            _release(look)
        finally:
            _release(look)  # an interrupt may have cut the first one short


@dataclass
class _Held:
    """A state that looks hold, and how to restore what was there before the first of them."""

    restore: Callable[[], object]
    looks: set[object]


# What is held, by the id of a module or the name of the stance; looks may overlap in threads.
_held: dict[int | str, _Held] = {}
_lock = threading.RLock()


def _hold_flags(model: nn.Module, look: object) -> None:
    modules = list(model.modules())
    with _lock:
        # All flags are read before any is set: a wrapper's is that of what it wraps.
        for module in modules:
            restore = partial(setattr, module, "training", module.training)
            _held.setdefault(id(module), _Held(restore, {look})).looks.add(look)
        for module in modules:
            module.training = False


def _hold_stance(look: object) -> None:
    """Have compiled models run as plain Python, hooks included, where torch can do that.

    Torch's stance is one for the whole process.
    """
    # Nothing can be compiled while dynamo isn't loaded, and loading it takes seconds.
    if "torch._dynamo" not in sys.modules or not CAN_RUN_EAGER:
        return
    with _lock:
        if "stance" in _held:
            _held["stance"].looks.add(look)
        else:
            stance = torch.compiler.set_stance("force_eager")
            _held["stance"] = _Held(partial(stance.__exit__, None, None, None), {look})
            stance.__enter__()


def _release(look: object) -> None:
    """Restore what no other look holds; may be called again."""
    with _lock:
        for name, held in list(_held.items()):
            if held.looks == {look}:
                held.restore()
                del _held[name]
            held.looks.discard(look)
