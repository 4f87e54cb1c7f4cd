"""Eval mode: the state in which looks run, and restoring the state before them."""

from __future__ import annotations

import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import nn

from featmagic.recording import torch_private
from featmagic.recording.model_tree import CAN_RUN_EAGER
from featmagic.support.interrupts import Lock

# Each state is held by looks, which may overlap in any way in threads, tasks and generators. The
# first look saves what was there before it changes anything; the last one restores it. Every step
# may be repeated, in case an interrupt cut it short.


@dataclass(eq=False)
class _Held:
    """A state that looks hold: its value before the first of them, and the looks."""

    before: Any
    looks: set[object] = field(default_factory=set)


@dataclass(eq=False)
class _HeldFlag(_Held):
    module: nn.Module = field(kw_only=True)


class _Thread:
    """A thread; unlike its number, no later thread is the same."""


class _Here(threading.local):
    def __init__(self) -> None:
        self.thread = _Thread()


_flags: dict[int, _HeldFlag] = {}  # by the id of the module: modules may be equal to each other
# By the thread; what an ended thread has left unrestored goes with it. A look that begins where the
# user has switched gradients on inside another look is the first of a further item.
_grads: WeakKeyDictionary[_Thread, list[_Held]] = WeakKeyDictionary()
_here = _Here()
_stance: list[_Held] = []  # one, if it is held
_lock = Lock()
_EAGER = "force_eager"


def hold_eval_mode(modules: Iterable[nn.Module], look: object) -> None:
    """Switch modules to eval mode, gradients off in this thread, and compiled code to plain Python.

    Args:
        modules: All modules whose `training` flag is held. The flag is set directly, because an
            overridden `train()` may have other effects.
        look: The holder, until `release_eval_mode(look)`.
    """
    held = list(modules)

    def hold() -> None:
        _hold_flags(held, look)
        _hold_stance(look)
        _hold_grad(look)

    _lock.alone(hold)


def release_eval_mode(look: object) -> None:
    """Restore what no other look holds; may be called more than once, and in another thread.

    The grad mode can only be restored in the thread that called `hold_eval_mode`. If this is
    another one, that happens when the next look begins or ends there.
    """

    def release() -> None:
        _release_grad(look)
        _release_stance(look)
        _release_flags(look)

    _lock.alone(release)


# Training flags, module by module: a frozen batch norm in a training model stays frozen


def _hold_flags(modules: list[nn.Module], look: object) -> None:
    # All flags are read before any is set: a wrapper's flag may be that of the module it wraps.
    for module in modules:
        held = _flags.get(id(module))
        if held is None:
            _flags[id(module)] = _HeldFlag(module.training, {look}, module=module)
        else:
            held.looks.add(look)
    for module in modules:
        _set_training(module, False)


def _release_flags(look: object) -> None:
    for number, held in list(_flags.items()):
        if held.looks == {look}:
            _set_training(held.module, held.before)
            del _flags[number]
        else:
            held.looks.discard(look)


def _set_training(module: nn.Module, value: bool) -> None:
    attributes = vars(module)
    if "training" in attributes:  # a `__setattr__` of the user's may refuse it
        attributes["training"] = value
    else:  # a wrapper forwards it, and TorchScript stores it elsewhere
        module.training = value


# The grad mode, thread by thread


def _hold_grad(look: object) -> None:
    _release_grad(look)  # restores what another thread couldn't restore here
    held, enabled = _grads.setdefault(_here.thread, []), torch.is_grad_enabled()
    if enabled or not held:
        held.append(_Held(enabled))
    held[-1].looks.add(look)
    torch.set_grad_enabled(False)


def _release_grad(look: object) -> None:
    for thread, held in list(_grads.items()):
        for each in held:
            each.looks.discard(look)
        while thread is _here.thread and held and not held[-1].looks:
            if not torch.is_grad_enabled():  # otherwise the user has switched them on since
                torch.set_grad_enabled(held[-1].before)
            held.pop()
        if not held:
            _grads.pop(thread, None)


# The stance: compiled code runs as plain Python, with hooks, if torch supports that


def _hold_stance(look: object) -> None:
    # The stance is global. If dynamo isn't loaded, nothing can be compiled, and loading it would
    # take seconds.
    if not torch_private.is_compiler_loaded() or not CAN_RUN_EAGER:
        return
    if _stance:
        _stance[0].looks.add(look)
    else:
        _stance.append(_Held(torch_private.stance(), {look}))
    torch.compiler.set_stance(_EAGER)


def _release_stance(look: object) -> None:
    for held in list(_stance):
        held.looks.discard(look)
        if not held.looks:
            now = torch_private.stance()
            if now is None or now.stance == _EAGER:  # otherwise the user has changed it since
                torch_private.put_stance_back(held.before)
            _stance.clear()
