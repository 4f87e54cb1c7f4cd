"""Interrupts: sections that Ctrl-C can't cut short, and blocks that are always closed."""

from __future__ import annotations

import signal
import sys
import threading
import weakref
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from types import FrameType
from typing import Any, Generic, TypeVar

from featmagic.support.own_frames import hide_own_frames
from featmagic.support.thread_frames import current_frames

T = TypeVar("T")
Handler = Callable[[int, "FrameType | None"], Any]


def uninterrupted(work: Callable[[], T]) -> T:
    """Run a short piece of work; an interrupt that arrives meanwhile is delivered after it.

    Python delivers interrupts only in the main thread, so in others there is nothing to hold back.

    Args:
        work: Called once, without arguments.

    Returns:
        What `work` returns.

    Raises:
        KeyboardInterrupt: An interrupt arrived while `work` ran. If the user has installed another
            SIGINT handler, that is called instead, and may raise anything.
        BaseException: Whatever `work` raises.

    Example:
        >>> uninterrupted(lambda: 1 + 1)
        2
    """
    if threading.current_thread() is not threading.main_thread():
        return work()
    restore_handler(sys._getframe(1))
    before = signal.getsignal(signal.SIGINT)
    if not callable(before):  # interrupts are ignored, or aren't handled by Python
        return work()
    hold = _Hold(before)
    try:
        signal.signal(signal.SIGINT, hold)
        return work()
    finally:
        signal.signal(signal.SIGINT, before)
        hold.deliver()


class _Hold:
    """A SIGINT handler that holds an interrupt back until it is asked to deliver it."""

    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self._came = False

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if _is_held_back(frame):
            self._came = True
        else:  # an error prevented `uninterrupted` from restoring the user's handler
            signal.signal(signal.SIGINT, self.handler)
            self.handler(number, frame)

    def deliver(self) -> None:
        """Pass the interrupt that was held back, if any, to the handler that was there before."""
        came, self._came = self._came, False
        if came:
            self.handler(signal.SIGINT, sys._getframe())


def _is_held_back(frame: FrameType | None) -> bool:
    """Return True if `uninterrupted` is on the stack."""
    while frame is not None and frame.f_code is not uninterrupted.__code__:
        frame = frame.f_back
    return frame is not None


def restore_handler(frame: FrameType | None) -> None:
    """Restore the user's SIGINT handler, if an error prevented `uninterrupted` from doing so.

    Args:
        frame: the caller's frame.
    """
    if threading.current_thread() is threading.main_thread():
        handler = signal.getsignal(signal.SIGINT)
        if isinstance(handler, _Hold) and not _is_held_back(frame):
            signal.signal(signal.SIGINT, handler.handler)


class Lock:
    """A lock that is never held forever, even if an interrupt prevents its release.

    An interrupt between the work and the release would leave a plain lock held for good. Here,
    waiting threads check the stacks for a thread that is still at work.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()

    def alone(self, work: Callable[[], T]) -> T:
        """Run work while no other thread runs any with this lock; such work may be nested.

        Example:
            >>> Lock().alone(lambda: 1 + 1)
            2
        """
        if self._is_at_work(sys._getframe()):
            return work()
        idle_checks = 0
        while not self._lock.acquire(timeout=_CHECK_INTERVAL):
            # One check isn't enough: a thread that has just taken the lock isn't at work yet.
            is_used = any(map(self._is_at_work, current_frames().values()))
            idle_checks = 0 if is_used else idle_checks + 1
            if idle_checks == _IDLE_CHECKS:
                idle_checks = 0
                with suppress(RuntimeError):  # another thread was quicker
                    self._lock.release()
        return self._work(work)

    def _work(self, work: Callable[[], T]) -> T:
        try:
            return work()
        finally:
            with suppress(RuntimeError):  # a waiting thread took it for abandoned
                self._lock.release()

    def _is_at_work(self, frame: FrameType | None) -> bool:
        while frame is not None:
            if frame.f_code is Lock._work.__code__ and frame.f_locals["self"] is self:
                return True
            frame = frame.f_back
        return False


# After so many checks in a row that find no thread at work, the lock counts as abandoned.
_IDLE_CHECKS = 25
_CHECK_INTERVAL = 0.02  # seconds


class Block(Generic[T]):
    """A `with` block that is closed however it ends, even by an interrupt at any instruction.

    An interrupt may arrive after `with` has entered a block and before the first instruction of its
    `__exit__`, or inside `__exit__`. But a `with` statement holds a reference to the `__exit__`
    that it will call for as long as its block lasts. So each block gets an `__exit__` to which
    nothing else refers: once that object is gone, the block has ended, and is closed if it wasn't.

    Example:
        >>> class Door(Block[str]):
        ...     def open(self):
        ...         return "open"
        ...
        ...     def close(self):
        ...         print("closed")
        >>> door = Door()
        >>> held = door.__exit__  # as `with` does
        >>> door.__enter__()
        'open'
        >>> del held  # as an interrupt does, if it comes before the call
        closed
    """

    # A weak reference to an object that lives as long as the block lasts. Code that needs to know
    # whether the block has ended holds this reference, never the block itself.
    end: Callable[[], object] = staticmethod(lambda: None)
    _is_entered = False

    def open(self) -> T:
        """Begin, and return what `with` binds."""
        raise NotImplementedError

    def close(self) -> None:
        """End; may be called before `open`, more than once, and from another thread."""
        raise NotImplementedError

    def report(self, error: BaseException | None) -> None:
        """Do what follows once the block is closed; not called if `__exit__` never ran."""

    def __enter__(self) -> T:
        if self.end() is None:  # entered by an ExitStack or by hand, without `with`
            self.end = weakref.ref(self)
        self._is_entered = True
        try:
            return self.open()
        except BaseException as error:
            hide_own_frames(error)
            raise

    class _Exit:
        def __get__(self, block: Block[Any] | None, owner: object = None) -> Callable[..., None]:
            if block is None:  # an ExitStack looks it up on the class
                return _leave
            leave = partial(_leave, block)
            if not block._is_entered:
                block.end = weakref.ref(leave, block._abandoned)
            return leave

    __exit__ = _Exit()

    def _abandoned(self, _: object) -> None:
        self._is_entered = False
        self.close()


def _leave(
    block: Block[Any], kind: object = None, error: BaseException | None = None, trace: object = None
) -> None:
    block._is_entered = False
    uninterrupted(block.close)
    block.end = Block.end  # nothing is left to close
    if error is not None:
        hide_own_frames(error)  # a hook may have been interrupted, or out of memory
    block.report(error)
