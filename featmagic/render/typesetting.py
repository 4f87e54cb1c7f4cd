"""Thousands of letters at once, for pictures of many lines."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from featmagic.glyphs import LETTER, glyphs
from featmagic.planes.dtypes import Pixels

Text = tuple[str, int, int, int]  # what, top, left, colour


def write_all(canvas: Pixels, texts: Sequence[Text]) -> None:
    """Write all texts, pixel by pixel of ink; each lies in the canvas.

    Example:
        >>> canvas = np.zeros((12, 24), np.uint8)
        >>> write_all(canvas, [("1", 0, 0, 7), ("2", 0, 12, 9)])
        >>> np.unique(canvas).tolist()
        [0, 7, 9]
    """
    across = canvas.shape[1]
    every = "".join(text for text, *_ in texts)
    codes, which = np.unique(np.array([every]).view(np.uint32), return_inverse=True)
    pixels = [_ink(chr(code), across) for code in codes.tolist()]
    counts = np.array([len(some) for some in pixels])
    lengths = np.array([len(text) for text, *_ in texts])
    lefts = np.array([top * across + left for _, top, left, _ in texts])
    starts = lefts - LETTER * _starts(lengths)  # of the first letter of all, if it were so far left
    letters = np.repeat(starts, lengths) + LETTER * np.arange(len(every))
    inks = np.repeat(np.array([colour for *_, colour in texts], np.uint8), lengths)
    many = counts[which]
    steps = np.arange(many.sum()) + np.repeat(_starts(counts)[which] - _starts(many), many)
    places = np.repeat(letters, many) + np.concatenate(pixels)[steps]
    canvas.reshape(-1)[places] = np.repeat(inks, many)


def _starts(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Where each of several parts begins that follow on each other."""
    return np.cumsum(lengths) - lengths


@lru_cache(maxsize=4096)
def _ink(letter: str, across: int) -> NDArray[np.int64]:
    """Which pixels a letter covers, in a picture so wide, from its upper left corner on."""
    down, right = np.nonzero(glyphs(letter))
    return down * across + right
