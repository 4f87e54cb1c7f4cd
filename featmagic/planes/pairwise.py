"""The limit on comparing all pairs, whose memory grows with the square of the number of things.

Every step that compares all pairs asks here how many things it may compare. Beyond that, it uses
another method or refuses with a message.
"""

from __future__ import annotations

from math import isqrt

MOST_BYTES = 2**30  # for all pairs together


def most_compared(bytes_of_pair: int) -> int:
    """Return how many things may be compared, given the peak number of bytes per pair.

    Example:
        >>> most_compared(16)
        8192
    """
    return isqrt(MOST_BYTES // bytes_of_pair)
