"""Own frames: taking featmagic's frames out of the traceback of a user's error."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from functools import wraps
from types import TracebackType
from typing import ParamSpec, TypeVar

from featmagic.support.errors import FeatmagicError
from featmagic.support.memory import out_of_memory

P = ParamSpec("P")
T = TypeVar("T")

_PACKAGE = __name__.partition(".")[0]


def without_own_frames(function: Callable[P, T]) -> Callable[P, T]:
    """Decorate a function that users call, so that tracebacks end in their own line.

    Example:
        >>> @without_own_frames
        ... def refuse():
        ...     raise FeatmagicError("There is nothing to show.")
        >>> refuse()
        Traceback (most recent call last):
        featmagic.support.errors.FeatmagicError: There is nothing to show.
    """

    @wraps(function)
    def called(*args: P.args, **kwargs: P.kwargs) -> T:
        __tracebackhide__ = True  # for Python 3.10
        try:
            return function(*args, **kwargs)
        except BaseException as error:
            hide_own_frames(error)
            raise

    return called


def hide_own_frames(error: BaseException) -> None:
    """Remove the frames of featmagic from the traceback of an error; the others stay as they are.

    To be called in an `except` clause that ends with a bare `raise`, or in `__exit__`: Python 3.11
    and newer then don't add the calling frame again. Python 3.10 keeps that one frame.

    An error that our own code raised keeps its frames, as nobody could explain it without them.

    Example:
        >>> try:
        ...     FeatmagicError.__str__(1)
        ... except AttributeError as error:
        ...     before = error.__traceback__.tb_next
        ...     hide_own_frames(error)
        ...     error.__traceback__.tb_next is before
        True
    """
    if _is_ours_to_explain(error):
        return
    with suppress(Exception):  # a class of the user's may have its own idea of the attribute
        link = error.__traceback__ = _first_of_others(error.__traceback__)
        while link is not None:
            following = _first_of_others(link.tb_next)
            if following is not link.tb_next:
                link.tb_next = following
            link = following


def hide_caller(error: BaseException) -> None:
    """Remove the frame of the calling function alone, unless what it called is featmagic's too.

    To be called as `hide_own_frames` is.
    """
    caller = error.__traceback__
    below = None if caller is None else caller.tb_next
    if below is not None and not _is_own(below):
        with suppress(Exception):
            error.__traceback__ = below


def _first_of_others(link: TracebackType | None) -> TracebackType | None:
    while link is not None and _is_own(link):
        link = link.tb_next
    return link


def _is_own(link: TracebackType) -> bool:
    name = link.tb_frame.f_globals.get("__name__")
    return isinstance(name, str) and name.partition(".")[0] == _PACKAGE


def _is_ours_to_explain(error: BaseException) -> bool:
    """Return True for an unexpected error that featmagic's own code raised."""
    if not isinstance(error, Exception) or isinstance(error, (FeatmagicError, RecursionError)):
        return False
    link = error.__traceback__
    while link is not None and link.tb_next is not None:
        link = link.tb_next
    return link is not None and _is_own(link) and out_of_memory(error) is None
