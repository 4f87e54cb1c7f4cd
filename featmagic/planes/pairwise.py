"""The limit of what is compared each with each: the memory that it takes grows with the square.

Every step of that kind asks here how many things it may take at once. Beyond that it does
something else, or the user is told.
"""

from __future__ import annotations

from math import isqrt

MOST_BYTES = 2**30  # that all pairs together may take


def most_compared(bytes_of_pair: int) -> int:
    """Return how many things may be compared each with each, by what each pair takes at the peak.

    Example:
        >>> most_compared(16)
        8192
    """
    return isqrt(MOST_BYTES // bytes_of_pair)
