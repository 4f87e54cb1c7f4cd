"""What a front end needs to name the places in a layer's pictures."""

from __future__ import annotations

from typing import TypedDict

from featmagic.explorer.planes import SamplePlanes


class AxesText(TypedDict):
    """What runs down and across the pictures of a layer, in the singular; "" where nothing does.

    In a picture of single values `fold` is what each of them is; they follow row by row, `row` of
    them in each, `count` in all. If a picture is made of several items, one of the names is the
    layer's `item`, and `numbers` has their numbers, unless they are 0, 1, 2 and so on.
    """

    down: str
    across: str
    fold: str
    row: int
    count: int
    numbers: list[int] | None


class AttentionText(TypedDict):
    """What the queries and keys of attention weights stand for, where each head is a picture.

    The keys lie on the `grid` (height, width) of patches, after tokens with the names in `prefix`;
    or on none. The grid covers the input image if it is `on_input`. There are as many `queries` as
    `keys` in self-attention.
    """

    grid: list[int] | None
    prefix: list[str]
    on_input: bool
    queries: int
    keys: int


NO_AXES: AxesText = {"down": "", "across": "", "fold": "", "row": 0, "count": 0, "numbers": None}


def axes_text(planes: SamplePlanes) -> AxesText:
    """Return what runs down and across the planes."""
    axes, items = planes.axes, planes.items
    picked = items != tuple(range(len(items)))
    return {
        "down": axes.down,
        "across": axes.across,
        "fold": axes.fold,
        "row": int(planes.values.shape[2]) if axes.fold else 0,
        "count": len(items) if axes.fold else 0,
        "numbers": [*items] if picked else None,
    }


def attention_text(planes: SamplePlanes) -> AttentionText | None:
    """Return what queries and keys stand for; None if the planes aren't attention weights."""
    tokens = planes.tokens
    if tokens is None:
        return None
    queries, keys = planes.values.shape[1:]
    return {
        "grid": None if tokens.grid is None else [*tokens.grid],
        "prefix": [*tokens.prefix],
        "on_input": tokens.on_input,
        "queries": int(queries),
        "keys": int(keys),
    }
