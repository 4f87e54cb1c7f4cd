"""Leftovers: recorders that weren't detached because of an interrupt."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Protocol

from featmagic.support.interrupts import restore_handler


class Detachable(Protocol):
    """Something that is attached to a model."""

    def detach(self) -> None:
        """Remove everything from the model."""


# What is attached now, each with a weak reference to an object that lives as long as it may stay
# attached.
under_way: dict[Detachable, Callable[[], object]] = {}


def end_leftovers() -> None:
    """Detach whatever is still attached although its block, look or cell has ended."""
    restore_handler(sys._getframe())
    for recorder, end in list(under_way.items()):
        if end() is None:
            recorder.detach()
