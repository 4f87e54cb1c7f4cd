"""Which calls of modules are under way, as the stack tells."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from types import FrameType

import torch
from torch import nn


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
