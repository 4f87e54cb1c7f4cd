"""A look changes nothing: the modes it runs under, and putting them back."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext

import torch
from torch import nn

from featmagic.tree import CAN_RUN_EAGER


@contextmanager
def looking(model: nn.Module) -> Iterator[None]:
    """Eval mode, no gradients, nothing compiled; then everything as it was before.

    The `training` flag of every sub-module is kept and put back for itself: a frozen batch norm in
    a training model stays frozen. The flag is set directly, since `train()` may be overridden with
    effects of its own.

    Example:
        >>> net = nn.Sequential(nn.Dropout())
        >>> with looking(net):
        ...     net[0].training
        False
        >>> net[0].training
        True
    """
    flags = [(module, module.training) for module in model.modules()]
    try:
        for module, _ in flags:
            module.training = False
        with torch.no_grad(), eager():
            yield
    finally:
        try:
            _put_back(flags)
        finally:
            _put_back(flags)  # an interrupt may have cut the first one short


def _put_back(flags: list[tuple[nn.Module, bool]]) -> None:
    for module, flag in flags:
        module.training = flag


def eager() -> AbstractContextManager[object]:
    """Compiled models run as plain Python, hooks and all, where torch can do that.

    Example:
        >>> with eager():
        ...     pass
    """
    # Nothing can be compiled while dynamo isn't loaded, and loading it takes seconds.
    if "torch._dynamo" not in sys.modules or not CAN_RUN_EAGER:
        return nullcontext()
    stance: AbstractContextManager[object] = torch.compiler.set_stance("force_eager")
    return stance
