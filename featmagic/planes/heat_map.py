"""Heat maps and folds: planes assembled in one picture; and block averages."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, log2, sqrt

import torch
from torch import Tensor
from torch.nn import functional

_MOST_APART = 64  # single values that are tiles, each with its index


_PAGE_SHAPE = 8  # the width of a fold on a page, in heights
_ROUND = (16, 20, 25, 32, 50, 64, 100, 128, 200, 256, 500, 512, 1000)  # values in its rows


@dataclass(frozen=True)
class Axes:
    """What runs down and across an assembled picture, in the singular; "" where nothing does.

    Attributes:
        down: what another row is.
        across: what another column is.
        fold: what follows row by row, in a picture of single values.
    """

    down: str = ""
    across: str = ""
    fold: str = ""


def form_of(form: str, count: int) -> str:
    """Return the form that `count` planes take: a few single values are a tile each."""
    return "tiles" if form == "fold" and count <= _MOST_APART else form


def assemble(
    planes: Tensor, form: str, tiles: int = 1, width: int | None = None
) -> tuple[Tensor, int]:
    """Assemble planes `(P, H, W)` in tiles, and return how many values at the end are padding.

    Args:
        planes: shared evenly by the tiles.
        form: `rows` lie under each other, `columns` beside each other; `fold` is one plane that
            holds the values row by row; `tiles` stay as they are.
        tiles: how many there are, of rows or columns.
        width: how many values stand in a row of a fold; as near to a square as they allow, if None.
    """
    if form == "tiles":
        return planes, 0
    if form in ("rows", "columns"):
        lines = planes.reshape(tiles, len(planes) // tiles, -1)
        return (lines if form == "rows" else lines.transpose(1, 2)), 0
    row = planes.reshape(-1)
    width = width or folded_width(len(row))
    padding = -len(row) % width
    return functional.pad(row, (0, padding)).reshape(1, -1, width), padding


def assembled_axes(form: str, item: str, axes: tuple[str, str]) -> Axes:
    """Return the axes of the picture that `assemble` makes.

    Args:
        form: how the planes are put together.
        item: what each plane is.
        axes: what runs down and what runs across a plane.

    Example:
        >>> assembled_axes("columns", "unit", ("token", ""))
        Axes(down='token', across='unit', fold='')
    """
    down, across = axes
    return {
        "tiles": Axes(down, across),
        "rows": Axes(item, across),
        "columns": Axes(down, item),
        "fold": Axes(fold=item),
    }[form]


def folded_width(count: int) -> int:
    """Return how many of `count` values stand in a row when they are folded."""
    return ceil(sqrt(count))


def page_fold(count: int) -> int:
    """Return how many of `count` values stand in a row of a page: a round number of them.

    A row is about eight times as long as all rows are high, and the last one is full if possible.

    Example:
        >>> [page_fold(count) for count in (100, 512, 768, 1000, 2048)]
        [25, 64, 64, 100, 128]
    """

    def distance(width: int) -> float:
        return abs(log2(width**2 / count / _PAGE_SHAPE)) + (count % width > 0)

    return min(_ROUND, key=distance)


def block_average(values: Tensor, factor: int, padding: int = 0) -> tuple[Tensor, int]:
    """Average every `factor` x `factor` values of planes, and return what is left of the padding.

    A dimension shorter than the factor is averaged whole. Padding counts in no average.
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
    # A block of nothing but padding can only stand in a last row of blocks that is one value tall;
    # a fold of a single row has no padding.
    alone = values.shape[1] % kernel[0] == 1
    with_values = ceil((values.shape[2] - padding) / kernel[1])
    left = small.shape[2] - with_values if alone else 0
    return small / share.where(share > 0, 1), left
