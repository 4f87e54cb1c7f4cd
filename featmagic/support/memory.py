"""Too little memory: recognizing what libraries raise for it, and going on without a result."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

from featmagic.support.text import format_bytes

T = TypeVar("T")

NOT_ENOUGH = "not enough memory"  # how each message begins

# The message of a RuntimeError of torch, on the CPU and on other devices.
_SAID_BY_TORCH = re.compile(r"not enough memory|can't allocate memory|out of memory", re.IGNORECASE)
# "you tried to allocate 4294967296 bytes", "Tried to allocate 20.00 GiB", "Unable to allocate ..."
_NEEDED = re.compile(r"(?:tried|unable) to allocate (\d+(?:\.\d+)?)\.? (\w+)", re.IGNORECASE)


def out_of_memory(error: BaseException) -> str | None:
    """Return a message if the error says that memory ran out; None for any other error.

    Example:
        >>> out_of_memory(RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB."))
        'not enough memory (20.00 GiB more needed)'
        >>> out_of_memory(ValueError("out of memory"))
    """
    text = str(error)
    is_torchs = isinstance(error, RuntimeError) and _SAID_BY_TORCH.search(text)
    if not isinstance(error, MemoryError) and not is_torchs:
        return None
    needed = _NEEDED.search(text)
    if needed is None:
        return NOT_ENOUGH
    number, unit = needed.groups()
    size = format_bytes(int(number)) if unit == "bytes" else f"{number} {unit}"
    return f"{NOT_ENOUGH} ({size} more needed)"


def unless_out_of_memory(action: Callable[[], T], otherwise: Callable[[str], T]) -> T:
    """Return what the action returns, or `otherwise(message)` if memory runs out in it."""
    try:
        return action()
    except Exception as error:
        words = out_of_memory(error)
        if words is None:
            raise
    # By now the error is gone, and with it the frames that hold intermediate results.
    return otherwise(words)
