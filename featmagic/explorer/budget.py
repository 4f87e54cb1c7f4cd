"""How much of each layer travels, where all would be too much."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil
from typing import Any

from featmagic.support.text import format_bytes

OF_A_PLANE = 120  # bytes of text: its channel, range and statistics


_LEAST = 7  # values a side, below which channels are left out instead


@dataclass(frozen=True)
class Share:
    """What a layer may hold.

    Attributes:
        shrink: how many values a side are averaged to one.
        most: how many planes at most.
    """

    shrink: int = 1
    most: int | None = None


def shares(sizes: Sequence[tuple[int, int, int]], budget: int) -> list[Share]:
    """A share for each layer's planes `(P, H, W)`: small ones whole, large ones alike.

    A byte a value is counted, as noise can't be packed. Planes are made smaller first, then the
    last ones are left out.

    Args:
        sizes: of each layer; a product of 0 where there is no picture.
        budget: bytes for all of them.

    Example:
        >>> shares([(64, 112, 112), (10, 1, 1)], 10**6)
        [Share(shrink=1, most=None), Share(shrink=1, most=None)]
        >>> shares([(64, 112, 112), (10, 1, 1)], 2 * 10**5)
        [Share(shrink=3, most=None), Share(shrink=1, most=None)]
    """
    cap = _cap(sizes, budget)
    found = [_within(size, cap) for size in sizes]
    left = budget - sum(map(_taken, sizes, found))
    for place, size in enumerate(sizes):  # what is left goes to the first ones it is enough for
        more = _within(size, _taken(size, found[place]) + left)
        left -= _taken(size, more) - _taken(size, found[place])
        found[place] = more
    return found


def fits(sizes: Sequence[tuple[int, int, int]], found: Sequence[Share], budget: int) -> bool:
    """Whether the shares stay within the budget: a layer keeps a plane, however little there is.

    Example:
        >>> fits([(64, 9, 9)], shares([(64, 9, 9)], 10), 10)
        False
    """
    return sum(map(_taken, sizes, found)) <= budget


def limits(
    layers: Sequence[Mapping[str, Any]], planes: Mapping[str, int], most: int, *, held: bool = True
) -> list[str]:
    """What doesn't travel whole, in words.

    Args:
        layers: as the script reads them.
        planes: how many each was to have, by key.
        most: bytes there may be.
        held: whether that is enough for what is left.

    Example:
        >>> plate = {"shrink": 2, "channels": [0, 1]}
        >>> limits([{"key": "act", "plates": {"0": plate}}], {"act": 2}, 4 * 10**6)
        ['1 layer made smaller to stay within 4 MB']
    """
    made = [(text["key"], plate) for text in layers for plate in text["plates"].values()]
    smaller = sum(plate["shrink"] > 1 for _, plate in made)
    cut = sum(len(plate["channels"]) < planes[key] for key, plate in made)
    own = "their" if cut > 1 else "its"
    said = [(smaller, "made smaller"), (cut, f"without {own} last channels")]
    why = within(most) if held else f"and more than {format_bytes(most)} all the same"
    return [f"{n} layer{'s' * (n > 1)} {how} {why}" for n, how in said if n]


def within(most: int) -> str:
    """Why something is left out.

    Example:
        >>> within(24 * 10**6)
        'to stay within 24 MB'
    """
    return f"to stay within {format_bytes(most)}"


def _cost(size: tuple[int, int, int], shrink: int = 1) -> int:
    planes, height, width = size
    return planes * (ceil(height / shrink) * ceil(width / shrink) + OF_A_PLANE)


def _taken(size: tuple[int, int, int], share: Share) -> int:
    return _cost((min(size[0], share.most or size[0]), *size[1:]), share.shrink)


def _cap(sizes: Sequence[tuple[int, int, int]], budget: int) -> int:
    """The most that one layer may take, so that all together stay within the budget."""
    low, high = 0, max(map(_cost, sizes), default=0)
    while low < high:
        cap = (low + high + 1) // 2
        if sum(_taken(size, _within(size, cap)) for size in sizes) <= budget:
            low = cap
        else:
            high = cap - 1
    return low


def _within(size: tuple[int, int, int], cap: int) -> Share:
    shrink, sides = 1, max(size[1:])
    while _cost(size, shrink) > cap and sides / (shrink + 1) >= _LEAST:
        shrink += 1
    if _cost(size, shrink) <= cap:
        return Share(shrink)
    return Share(shrink, max(1, cap // _cost((1, *size[1:]), shrink)))
