"""Threads of control: whether the running code was started by the thread or task that records.

A recorder enters the context of the thread or task that attaches it. An asyncio task, or
`asyncio.to_thread`, gets a copy of the context in which it was created, and so belongs to it; a
`threading.Thread` starts with an empty context.
"""

from __future__ import annotations

import os
import threading
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from types import FrameType

from featmagic.support.thread_frames import current_frames

_members: ContextVar[frozenset[Member]] = ContextVar("featmagic", default=frozenset())
_STANDARD_LIBRARY = str(Path(threading.__file__).parent)


class Member:
    """Something that belongs to the thread of control that enters it."""

    def __init__(self) -> None:
        self._is_entered = False

    def enter(self) -> None:
        """Belong to this thread of control and all tasks that it starts, until `leave`."""
        self._is_entered = True
        _members.set(_still_entered() | {self})

    def leave(self) -> None:
        """Stop belonging to any; may be called more than once, in any thread of control."""
        self._is_entered = False
        if self in _members.get():
            _members.set(_still_entered())

    def is_here(self) -> bool:
        """Return True if it belongs to the running thread of control."""
        return self in _members.get()


def _still_entered() -> frozenset[Member]:
    """Return the members of this context, without those that left in another context."""
    return frozenset(member for member in _members.get() if member._is_entered)


_BOTTOM = threading.Thread._bootstrap.__code__  # type: ignore[attr-defined]
_LOOKS = 20


def busy_threads() -> frozenset[int]:
    """Return the other threads that are at work, without idle workers of a thread pool.

    An idle worker has only frames of the standard library on its stack.
    """
    return frozenset(
        thread for thread, frame in frames_of_others().items() if not _idles(thread, frame)
    )


def _idles(thread: int, frame: FrameType | None) -> bool:
    """Return True if a thread waits for work, or has ended.

    The thread may run meanwhile: the stack of a frame that has returned ends at that frame, so that
    another look has to be taken. A thread that is never seen to wait is at work.
    """
    for _ in range(_LOOKS):
        if frame is None:
            return True
        waits = _waits(frame)
        if waits is not None:
            return waits
        frame = frames_of_others().get(thread)
    return False


def frames_of_others() -> dict[int, FrameType]:
    """Return the innermost frame of each other thread, by the thread.

    This thread's own is left out: a variable that refers to the frame it is in makes a cycle, which
    keeps all variables of that frame alive until the garbage collector runs.
    """
    frames = current_frames()
    del frames[threading.get_ident()]
    return frames


def _waits(frame: FrameType) -> bool | None:
    """Return True if a stack has only frames of the standard library, or None if it was left."""
    while _is_standard(frame.f_code.co_filename):
        if frame.f_back is None:
            return True if frame.f_code is _BOTTOM else None
        frame = frame.f_back
    return False


@lru_cache(maxsize=1024)
def _is_standard(file: str) -> bool:
    inside = file.startswith((_STANDARD_LIBRARY + os.sep, "<frozen "))
    return inside and "site-packages" not in file
