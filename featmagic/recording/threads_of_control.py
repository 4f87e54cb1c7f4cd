"""Threads of control: whether what runs now was started by the thread or task that is recording.

A recorder is entered in the context of the thread or task that attaches it. An asyncio task, or
`asyncio.to_thread`, takes a copy of the context in which it was created, and belongs to it; a
`threading.Thread` begins with an empty one.
"""

from __future__ import annotations

import os
import sys
import threading
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from types import FrameType

_members: ContextVar[frozenset[Member]] = ContextVar("featmagic", default=frozenset())
_STANDARD_LIBRARY = str(Path(threading.__file__).parent)


class Member:
    """Something that belongs to the thread of control in which it is entered."""

    def __init__(self) -> None:
        self._is_entered = False

    def enter(self) -> None:
        """Belong to this thread of control, and to all that it starts as tasks, until `leave`."""
        self._is_entered = True
        _members.set(_still_entered() | {self})

    def leave(self) -> None:
        """Belong to none any more; may be called again, and in any thread of control."""
        self._is_entered = False
        if self in _members.get():
            _members.set(_still_entered())

    def is_here(self) -> bool:
        """Return True in a thread of control that it belongs to."""
        return self in _members.get()


def _still_entered() -> frozenset[Member]:
    """Return the members of this context, without those that left in another one."""
    return frozenset(member for member in _members.get() if member._is_entered)


def busy_threads() -> frozenset[int]:
    """Return the other threads that are at work: not those of a pool that wait for some.

    A pool's worker that waits has frames of the standard library alone on its stack.
    """
    frames = sys._current_frames()
    del frames[threading.get_ident()]  # a frame that holds itself isn't released
    return frozenset(thread for thread, frame in frames.items() if not _waits(frame))


def _waits(frame: FrameType | None) -> bool:
    while frame is not None and _is_standard(frame.f_code.co_filename):
        frame = frame.f_back
    return frame is None


@lru_cache(maxsize=1024)
def _is_standard(file: str) -> bool:
    inside = file.startswith((_STANDARD_LIBRARY + os.sep, "<frozen "))
    return inside and "site-packages" not in file
