"""The budget of a document: how much of each layer travels if all would be too much."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

from featmagic.support.text import format_bytes

Size = tuple[int, ...]  # the number of planes, their height and their width

BYTES_OF_PLANE = 120  # of text: its channel, range and statistics
_SMALLEST = 7  # values a side; rather than make planes smaller than this, some are left out


@dataclass(frozen=True)
class Share:
    """How much of a layer travels.

    Attributes:
        shrink: The number of values a side that are averaged to one.
        most: The largest number of planes; None for all.
    """

    shrink: int = 1
    most: int | None = None


def shares(sizes: Sequence[Size], budget: int) -> list[Share]:
    """Divide the budget among the layers: small ones travel whole, large ones get the same.

    A value counts as a byte, since noise can't be compressed. Planes are reduced in size first,
    then the last ones are left out. A layer without a picture has the size (0, 0, 0).

    Example:
        >>> shares([(64, 112, 112), (10, 1, 1)], 2 * 10**5)
        [Share(shrink=3, most=None), Share(shrink=1, most=None)]
    """
    cap = _cap(sizes, budget)
    plan = [_largest_share(size, cap) for size in sizes]
    left = budget - sum(map(_cost, sizes, plan))
    for place, size in enumerate(sizes):  # the rest goes to the first layers that can use it
        cost = _cost(size, plan[place])
        plan[place] = _largest_share(size, cost + left)
        left -= _cost(size, plan[place]) - cost
    return plan


def limits(sizes: Sequence[Size], plan: Sequence[Share], budget: int, most: int) -> list[str]:
    """Return what doesn't travel whole, in words.

    Args:
        sizes: The size of each layer.
        plan: The share of each layer.
        budget: The number of bytes for the planes; a layer keeps one plane even beyond it.
        most: The largest number of bytes of the document.
    """
    smaller = sum(share.shrink > 1 for share in plan)
    cut = sum(
        share.most is not None and share.most < size[0]
        for size, share in zip(sizes, plan, strict=True)
    )
    own = "their" if cut > 1 else "its"
    counts = [(smaller, "reduced in size"), (cut, f"without {own} last channels")]
    fits = sum(map(_cost, sizes, plan)) <= budget
    why = within(most) if fits else f"but still above {format_bytes(most)}"
    return [f"{count} layer{'s' * (count > 1)} {how} {why}" for count, how in counts if count]


def within(most: int) -> str:
    """Return the reason for which something is left out."""
    return f"to stay within {format_bytes(most)}"


def _cost(size: Size, share: Share) -> int:
    """Return the number of bytes that a share of a layer takes."""
    planes, height, width = size
    values = ceil(height / share.shrink) * ceil(width / share.shrink)
    return min(planes, share.most or planes) * (values + BYTES_OF_PLANE)


def _cap(sizes: Sequence[Size], budget: int) -> int:
    """Return the most bytes that a layer may take if all together are to keep the budget."""
    low, high = 0, max((_cost(size, Share()) for size in sizes), default=0)
    while low < high:
        cap = (low + high + 1) // 2
        if sum(_cost(size, _largest_share(size, cap)) for size in sizes) <= budget:
            low = cap
        else:
            high = cap - 1
    return low


def _largest_share(size: Size, cap: int) -> Share:
    """Return the largest share of a layer that fits a number of bytes."""
    share, longest = Share(), max(size[1:])
    while _cost(size, share) > cap and longest / (share.shrink + 1) >= _SMALLEST:
        share = Share(share.shrink + 1)
    if _cost(size, share) <= cap:
        return share
    return Share(share.shrink, max(1, cap // _cost((1, *size[1:]), share)))
