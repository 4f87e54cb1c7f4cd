"""What a look could leave behind: on models, in torch, in the process and in the user's names."""

from __future__ import annotations

import signal
import sys

import torch
from torch.overrides import _get_current_function_mode_stack
from torch.utils._python_dispatch import _get_current_dispatch_mode_stack

TABLES = (
    "_forward_hooks",
    "_forward_pre_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks_with_kwargs",
    "_backward_hooks",
    "_backward_pre_hooks",
)


class Before:
    """The state of some models, of torch and of the process, to be compared with a later one."""

    def __init__(self, *models, names=None):
        # Not `modules()`: it drops a module that is equal to another.
        self._modules = list({id(m): m for model in models for m in every_module(model)}.values())
        self._names = names
        self._state = self._now()

    def left(self):
        """Return what is different now, by kind."""
        now = self._now()
        return {kind: now[kind] for kind in now if now[kind] != self._state[kind]}

    def _now(self):
        # Torch 2.5 and older have no stance.
        stance = getattr(sys.modules.get("torch._dynamo.eval_frame"), "_stance", None)
        callbacks = sys.modules.get("torch._dynamo.callback")
        handler = callbacks.callback_handler if callbacks else None
        return {
            "hooks": [
                (place, table, key, id(value))
                for place, module in enumerate(self._modules)
                for table in TABLES
                for key, value in vars(module)[table].items()
            ],
            "flags": [module.training for module in self._modules],
            "requires_grad": [
                own.requires_grad for m in self._modules for own in m.parameters(recurse=False)
            ],
            "grad mode": torch.is_grad_enabled(),
            "inference mode": torch.is_inference_mode_enabled(),
            "modes": [type(mode).__name__ for mode in _get_current_function_mode_stack()]
            + [type(mode).__name__ for mode in _get_current_dispatch_mode_stack()],
            "stance": stance.stance if stance else "default",
            "callbacks": len(handler.start_callbacks) + len(handler.end_callbacks)
            if handler
            else 0,
            "handler": signal.getsignal(signal.SIGINT),
            "names": sorted(
                name
                for name in self._names or ()
                if not name.isidentifier() or "feat" in name
                if name != "feature_maps"
            ),
        }


def every_module(model):
    """Yield a module and all below it, told apart by identity; one that is shared comes again."""
    yield model
    for child in model._modules.values():
        if child is not None:
            yield from every_module(child)
