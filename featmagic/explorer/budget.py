"""The budget of a document: how much of each layer travels if all would be too much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from featmagic.support.text import format_bytes

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


def shares(sizes: Sequence[tuple[int, int, int]], budget: int) -> list[Share]:
    """Divide the budget among the layers: small ones travel whole, large ones get the same.

    A value counts as a byte, since noise can't be compressed. Planes are made smaller first, then
    the last ones are left out.

    Args:
        sizes: The planes `(P, H, W)` of each layer; a layer without a picture has none.
        budget: The number of bytes for all of them.

    Example:
        >>> shares([(64, 112, 112), (10, 1, 1)], 10**6)
        [Share(shrink=1, most=None), Share(shrink=1, most=None)]
        >>> shares([(64, 112, 112), (10, 1, 1)], 2 * 10**5)
        [Share(shrink=3, most=None), Share(shrink=1, most=None)]
    """
    cap = _cap(sizes, budget)
    plan = [_largest_share(size, cap) for size in sizes]
    left = budget - sum(map(_cost_of_share, sizes, plan))
    for place, size in enumerate(sizes):  # the rest goes to the first layers that can use it
        cost = _cost_of_share(size, plan[place])
        plan[place] = _largest_share(size, cost + left)
        left -= _cost_of_share(size, plan[place]) - cost
    return plan


def fits(sizes: Sequence[tuple[int, int, int]], plan: Sequence[Share], budget: int) -> bool:
    """Return True if the shares keep the budget: they may not, as a layer keeps one plane.

    Example:
        >>> fits([(64, 9, 9)], shares([(64, 9, 9)], 10), 10)
        False
    """
    return sum(map(_cost_of_share, sizes, plan)) <= budget


def limits(
    layers: Sequence[Mapping[str, Any]], planes: Mapping[str, int], most: int, *, held: bool = True
) -> list[str]:
    """Return what doesn't travel whole, in words.

    Args:
        layers: The layers as the front end reads them.
        planes: The number of planes of each layer, by key.
        most: The largest number of bytes.
        held: Whether the document keeps to that number.

    Example:
        >>> plate = {"shrink": 2, "channels": [0, 1]}
        >>> limits([{"key": "act", "plates": {"0": plate}}], {"act": 2}, 4 * 10**6)
        ['1 layer made smaller to stay within 4 MB']
    """
    encoded = [(layer["key"], one) for layer in layers for one in layer["plates"].values()]
    smaller = sum(one["shrink"] > 1 for _, one in encoded)
    cut = sum(len(one["channels"]) < planes[key] for key, one in encoded)
    own = "their" if cut > 1 else "its"
    counts = [(smaller, "made smaller"), (cut, f"without {own} last channels")]
    why = within(most) if held else f"and more than {format_bytes(most)} all the same"
    return [f"{count} layer{'s' * (count > 1)} {how} {why}" for count, how in counts if count]


def within(most: int) -> str:
    """Return the reason for which something is left out."""
    return f"to stay within {format_bytes(most)}"


def _cost(size: tuple[int, int, int], shrink: int = 1) -> int:
    """Return the bytes of planes of which so many values a side are averaged to one."""
    planes, height, width = size
    return planes * (ceil(height / shrink) * ceil(width / shrink) + BYTES_OF_PLANE)


def _cost_of_share(size: tuple[int, int, int], share: Share) -> int:
    return _cost((min(size[0], share.most or size[0]), *size[1:]), share.shrink)


def _cap(sizes: Sequence[tuple[int, int, int]], budget: int) -> int:
    """Return the most bytes that a layer may take if all together are to keep the budget."""
    low, high = 0, max(map(_cost, sizes), default=0)
    while low < high:
        cap = (low + high + 1) // 2
        if sum(_cost_of_share(size, _largest_share(size, cap)) for size in sizes) <= budget:
            low = cap
        else:
            high = cap - 1
    return low


def _largest_share(size: tuple[int, int, int], cap: int) -> Share:
    """Return the largest share of a layer that takes so many bytes."""
    shrink, longest = 1, max(size[1:])
    while _cost(size, shrink) > cap and longest / (shrink + 1) >= _SMALLEST:
        shrink += 1
    if _cost(size, shrink) <= cap:
        return Share(shrink)
    return Share(shrink, max(1, cap // _cost((1, *size[1:]), shrink)))
