"""The frames of all threads."""

from __future__ import annotations

import gc
import sys
from types import FrameType


def current_frames() -> dict[int, FrameType]:
    """Return the innermost frame of each thread, by the thread.

    Some versions of CPython wait for themselves forever if garbage is collected meanwhile, as
    issue 106883 of CPython tells.
    """
    collects = gc.isenabled()
    try:
        gc.disable()
        return sys._current_frames()
    finally:
        if collects:
            gc.enable()
