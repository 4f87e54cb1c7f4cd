"""What is no number, loud in the picture of a film, and to be seen without colour too."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from featmagic.planes.dtypes import Pixels
from featmagic.render.font import LETTER, LINE, Text
from featmagic.render.non_finite_marks import draw_shapes, letters_of
from featmagic.render.palette import INK, MARK, NAN, POSITIVE_INF

_BAR = 4  # pixels a bar is wide


def boxed(canvas: Pixels, texts: Iterable[Text]) -> list[Text]:
    """The texts, those in a loud colour as dark letters; a box of that colour is drawn for them.

    Example:
        >>> canvas = np.zeros((13, 9), np.uint8)
        >>> boxed(canvas, [("1", 1, 2, NAN)]) == [("1", 1, 2, MARK)]
        True
        >>> bool((canvas[:12] == NAN).all())
        True
    """
    made = []
    for words, top, left, colour in texts:
        loud = colour in (NAN, POSITIVE_INF)
        if loud:
            canvas[top - 1 : top + LINE, left - 2 : left + LETTER * len(words) + 1] = colour
        made.append((words, top, left, MARK if loud else colour))
    return made


def draw_bar(row: Pixels, colour: int) -> None:
    """A bar of shapes at the left of a row.

    Example:
        >>> row = np.zeros((30, 8), np.uint8)
        >>> draw_bar(row, NAN)
        >>> row[3:5, :5].tolist() == [[MARK, NAN, NAN, MARK, 0]] * 2
        True
    """
    shapes = np.full((1, (len(row) - 1) // _BAR, 1, 1), colour, np.uint8)
    bar = row[None, : shapes.size * _BAR, None, :_BAR]
    bar[:] = colour
    draw_shapes(bar, shapes, _BAR)


def shaped(tiles: Pixels, values: Pixels) -> Pixels:
    """Enlarged tiles `(n, h, w)` with a shape on what is no number, where values are squares.

    Example:
        >>> one = np.full((1, 1, 1), NAN, np.uint8)
        >>> int((shaped(one.repeat(4, 1).repeat(4, 2), one) == MARK).sum())
        8
    """
    count, height, width = values.shape
    zoom = tiles.shape[1] // height
    if tiles.shape == (count, height * zoom, width * zoom):
        draw_shapes(tiles[:, :, None], values[:, :, None], zoom)
    return tiles


def draw_frames(there: Pixels, values: Pixels, size: tuple[int, int], pitch: int) -> None:
    """A frame around each tile that holds what is no number.

    Args:
        there: from a pixel above and left of the first tile on.
        values: `(n, h, w)`, the tiles as they came.
        size: how tall and wide each is drawn.
        pitch: how far it is from one to the next.

    Example:
        >>> there = np.zeros((3, 3), np.uint8)
        >>> draw_frames(there, np.full((1, 1, 1), NAN, np.uint8), (1, 1), 2)
        >>> int((there == INK).sum())
        8
    """
    for place, letters in enumerate(letters_of(values[:, :, None])):
        if letters:
            frame = there[: size[0] + 2, place * pitch : place * pitch + size[1] + 2]
            frame[[0, -1]], frame[:, [0, -1]] = INK, INK
