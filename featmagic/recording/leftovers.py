"""Leftovers: recorders that an interrupt has kept from being detached."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Protocol

from featmagic.support.interrupts import restore_handler


class Detachable(Protocol):
    """What is attached to a model."""

    def detach(self) -> None:
        """Remove everything from the model."""


# What is attached now, with a weak reference to what lives as long as it may stay attached.
under_way: dict[Detachable, Callable[[], object]] = {}


def end_leftovers() -> None:
    """Detach whatever is attached to a model though the block, look or cell it served is over."""
    restore_handler(sys._getframe())
    for recorder, end in list(under_way.items()):
        if end() is None:
            recorder.detach()
