"""Marks of non-finite values: shapes that tell them from other values without color."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from featmagic.planes.dtypes import Pixels
from featmagic.render.lettering import in_shades
from featmagic.render.palette import MARK, NAN, NEGATIVE_INF, POSITIVE_INF

LETTERS = {NAN: "×", POSITIVE_INF: "↑", NEGATIVE_INF: "↓"}
_FINER = 8  # places in a pixel, in each direction, that tell how much of it is covered
_SMALL = 6  # pixels of a mark whose few rows are as they are told apart best
KINDS = {letter: kind for kind, letter in LETTERS.items()}


@cache
def mark(kind: int, side: int) -> NDArray[np.bool_]:
    """Return which pixels of a square a mark covers: a cross, or a triangle up or down.

    In two pixels only one stroke of the cross has room, and of a triangle only its position.

    Example:
        >>> mark(NAN, 3).astype(int)
        array([[1, 0, 1],
               [0, 1, 0],
               [1, 0, 1]])
    """
    edge = side // 5  # so that the value's color is seen around the mark
    inner = side - 2 * edge
    row, column = np.indices((inner, inner))
    if kind == NAN:
        stroke = inner // 8
        covered = abs(row - column) <= stroke
        if inner > 2:
            covered |= abs(row + column - inner + 1) <= stroke
    else:
        height = (inner + 1) // 2
        row = row - (inner - height) // 2
        covered = (abs(2 * column - inner + 1) <= 2 * row + 1 - inner % 2) & (row < height)
        covered = covered if kind == POSITIVE_INF else covered[::-1]
    return np.pad(covered, edge)


@cache
def smooth_mark(kind: int, side: int) -> Pixels:
    """Return a mark as palette indices, `SHADES` on `GAP`; a small one has no smooth edges."""
    fine = _FINER if side > _SMALL else 1
    finer = mark(kind, fine * side).reshape(side, fine, side, fine)
    return in_shades((finer.mean((1, 3)) * 255).round().astype(np.uint8))


def draw_marks(pixels: NDArray[np.uint8], indices: NDArray[np.uint8], zoom: int) -> None:
    """Mark the non-finite values of `indices` in the same tiles, enlarged by `zoom`, in place.

    The `pixels` are `(rows, h * zoom, ncols, w * zoom)` palette indices, or as many RGB colors. A
    value of one pixel has no room for a mark.
    """
    is_rgb = pixels.ndim == 5
    black = np.uint8(0 if is_rgb else MARK)
    for kind in LETTERS if zoom > 1 else ():
        where = indices == kind
        if where.any():
            where = where[..., None] if is_rgb else where
            for row, column in np.argwhere(mark(kind, zoom)):
                np.copyto(pixels[:, row::zoom, :, column::zoom], black, where=where)


def draw_cell_marks(pixels: NDArray[np.uint8], cells: NDArray[np.uint8]) -> None:
    """Mark the non-finite values in a line of cells, in place."""
    height, width = pixels.shape[0], pixels.shape[1] // len(cells)
    side = min(height, width)
    top, margin = (height - side) // 2, (width - side) // 2
    for place in np.flatnonzero(cells >= min(LETTERS)).tolist():
        left = place * width + margin
        square = pixels[top : top + side, left : left + side]
        square[mark(int(cells[place]), side)] = MARK


def mark_letters(indices: NDArray[np.uint8]) -> tuple[str, ...]:
    """Return letters for the kinds of non-finite values in each tile of `(rows, h, ncols, w)`."""
    by_kind = [(indices == kind).any((1, 3)).ravel().tolist() for kind in LETTERS]
    return tuple(
        "".join(letter for letter, holds in zip(LETTERS.values(), tile, strict=True) if holds)
        for tile in zip(*by_kind, strict=True)
    )
