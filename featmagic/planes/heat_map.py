"""Heat maps and folds: planes assembled in one picture; and block averages."""

from __future__ import annotations

from math import ceil, sqrt

import torch
from torch import Tensor
from torch.nn import functional

_MOST_APART = 64  # single values up to here are tiles, each with its index


def form_of(form: str, count: int) -> str:
    """Return the form that `count` planes take: a few single values are tiles, each with its index.

    Example:
        >>> form_of("fold", 10), form_of("fold", 100)
        ('tiles', 'fold')
    """
    return "tiles" if form == "fold" and count <= _MOST_APART else form


def assemble(planes: Tensor, form: str, tiles: int = 1) -> tuple[Tensor, int]:
    """Assemble planes in the tiles of a form.

    Args:
        planes: `(P, H, W)`.
        form: `rows` lie under each other, `columns` beside each other; `fold` is one plane that
            holds the values row by row, as near to a square as they allow; `tiles` stay as they
            are.
        tiles: how many tiles share the planes evenly.

    Returns:
        The tiles, and how many values at the end are padding.

    Example:
        >>> assemble(torch.zeros(10, 1, 1), "fold")[0].shape
        torch.Size([1, 3, 4])
        >>> assemble(torch.zeros(3, 1, 9), "rows")[0].shape
        torch.Size([1, 3, 9])
    """
    if form == "tiles":
        return planes, 0
    if form in ("rows", "columns"):
        lines = planes.reshape(tiles, len(planes) // tiles, -1)
        return (lines if form == "rows" else lines.transpose(1, 2)), 0
    row = planes.reshape(-1)
    width = folded_width(len(row))
    padding = -len(row) % width
    return functional.pad(row, (0, padding)).reshape(1, -1, width), padding


def folded_width(count: int) -> int:
    """Return how many of `count` values stand in a row when they are folded."""
    return ceil(sqrt(count))


def assembled_size(count: int, size: tuple[int, int], form: str) -> tuple[int, int, int]:
    """Return how many tiles `assemble` makes of `count` planes, and their height and width.

    Example:
        >>> assembled_size(10, (1, 1), "fold"), assembled_size(5, (24, 24), "tiles")
        ((1, 3, 4), (5, 24, 24))
    """
    height, width = size
    if form == "tiles":
        return count, height, width
    if form == "fold":
        across = folded_width(count)
        return 1, ceil(count / across), across
    return (1, count, width) if form == "rows" else (1, height, count)


def block_average(values: Tensor, factor: int, padding: int = 0) -> tuple[Tensor, int]:
    """Average every `factor` x `factor` values of planes, and return what is left of the padding.

    A dimension shorter than the factor is averaged whole. Padding counts in no average.

    Example:
        >>> block_average(torch.ones(3, 5, 4), 2)[0].shape
        torch.Size([3, 3, 2])
    """
    if factor == 1:
        return values, padding
    kernel = tuple(min(factor, side) for side in values.shape[1:])
    small = functional.avg_pool2d(values[None], kernel, ceil_mode=True)[0]
    if not padding:
        return small, 0
    real = torch.ones_like(values)
    real.flatten(1)[:, -padding:] = 0
    share = functional.avg_pool2d(real[None], kernel, ceil_mode=True)[0]
    # A block of nothing but padding can only stand in a last row of blocks that is one value tall.
    alone = values.shape[1] % kernel[0] == 1 or kernel[0] == 1
    with_values = ceil((values.shape[2] - padding) / kernel[1])
    left = small.shape[2] - with_values if alone else 0
    return small / share.where(share > 0, 1), left
