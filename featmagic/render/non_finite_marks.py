"""What is no number, as a shape: to be told from values without color."""

from __future__ import annotations

from functools import cache

import numpy as np
from numpy.typing import NDArray

from featmagic.render.palette import MARK, NAN, NEGATIVE_INF, POSITIVE_INF

LETTERS = {NAN: "×", POSITIVE_INF: "↑", NEGATIVE_INF: "↓"}


KINDS = {letter: kind for kind, letter in LETTERS.items()}


@cache
def mark(kind: int, side: int) -> NDArray[np.bool_]:
    """Which pixels of a square a mark covers: a cross, or a triangle up or down.

    Two pixels have room for one stroke of the cross, and for the triangle's place.

    Example:
        >>> mark(NAN, 3).astype(int)
        array([[1, 0, 1],
               [0, 1, 0],
               [1, 0, 1]])
    """
    edge = side // 5  # the mark's own ground is seen around it
    inner = side - 2 * edge
    down, across = np.indices((inner, inner))
    if kind == NAN:
        wide = inner // 8
        covered = abs(down - across) <= wide
        if inner > 2:
            covered |= abs(down + across - inner + 1) <= wide
    else:
        tall = (inner + 1) // 2
        row = down - (inner - tall) // 2
        covered = (abs(2 * across - inner + 1) <= 2 * row + 1 - inner % 2) & (row < tall)
        covered = covered if kind == POSITIVE_INF else covered[::-1]
    return np.pad(covered, edge)


def draw_marks(pixels: NDArray[np.uint8], indices: NDArray[np.uint8], zoom: int) -> None:
    """Mark what is no number in enlarged tiles, in place.

    Args:
        pixels: `(rows, h * zoom, ncols, w * zoom)` palette indices, or as many RGB colors.
        indices: `(rows, h, ncols, w)` palette indices before they were enlarged.
        zoom: how many pixels a value has, in each direction; one pixel has no room for a shape.

    Example:
        >>> tile = np.full((1, 1, 1, 1), NAN, np.uint8)
        >>> large = tile.repeat(4, 1).repeat(4, 3)
        >>> draw_marks(large, tile, 4)
        >>> int((large == MARK).sum())
        8
    """
    is_rgb = pixels.ndim == 5
    black = np.uint8(0 if is_rgb else MARK)
    for kind in LETTERS if zoom > 1 else ():
        where = indices == kind
        if where.any():
            there = where[..., None] if is_rgb else where
            for down, across in np.argwhere(mark(kind, zoom)):
                np.copyto(pixels[:, down::zoom, :, across::zoom], black, where=there)


def draw_cell_marks(pixels: NDArray[np.uint8], cells: NDArray[np.uint8]) -> None:
    """Mark what is no number in a line of cells, in place: `(h, n * w)` pixels of `(n,)` indices.

    Example:
        >>> line = np.full((8, 12), NAN, np.uint8)
        >>> draw_cell_marks(line, np.full(2, NAN, np.uint8))
        >>> (line[2] == MARK).nonzero()[0].tolist()
        [1, 4, 7, 10]
    """
    height, wide = pixels.shape[0], pixels.shape[1] // len(cells)
    side = min(height, wide)
    top, before = (height - side) // 2, (wide - side) // 2
    for place in np.flatnonzero(cells >= min(LETTERS)).tolist():
        left = place * wide + before
        square = pixels[top : top + side, left : left + side]
        square[mark(int(cells[place]), side)] = MARK


def mark_letters(indices: NDArray[np.uint8]) -> tuple[str, ...]:
    """Which of `LETTERS` stand for what each tile `(rows, h, ncols, w)` holds, row by row.

    Example:
        >>> mark_letters(np.array([[[[NAN, 0]], [[0, NEGATIVE_INF]]]], np.uint8))
        ('×↓',)
    """
    found = [(indices == kind).any((1, 3)).ravel().tolist() for kind in LETTERS]
    return tuple(
        "".join(letter for letter, there in zip(LETTERS.values(), tile, strict=True) if there)
        for tile in zip(*found, strict=True)
    )
