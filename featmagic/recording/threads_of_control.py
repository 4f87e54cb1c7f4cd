"""Threads of control: whether what runs now was started by the thread or task that is recording.

A recorder is entered in the context of the thread or task that attaches it. An asyncio task, or
`asyncio.to_thread`, takes a copy of the context in which it was created, and belongs to it; a
`threading.Thread` begins with an empty one.
"""

from __future__ import annotations

import threading
from contextvars import ContextVar
from weakref import WeakSet

_members: ContextVar[frozenset[Member]] = ContextVar("featmagic", default=frozenset())


class Member:
    """Something that belongs to the thread of control in which it is entered."""

    def __init__(self) -> None:
        self._is_entered = False
        self._strangers: WeakSet[threading.Thread] = WeakSet()

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

    def exclude_thread(self) -> None:
        """Note that this thread isn't one that works for the thread of control."""
        self._strangers.add(threading.current_thread())

    def excludes_thread(self) -> bool:
        """Return True if `exclude_thread` was called in this thread."""
        return threading.current_thread() in self._strangers


def _still_entered() -> frozenset[Member]:
    """Return the members of this context, without those that left in another one."""
    return frozenset(member for member in _members.get() if member._is_entered)
