"""Text as pixels, for labels in a picture."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featmagic.planes.dtypes import Pixels
from featmagic.render.palette import INK

LETTER = 6  # pixels from one letter to the next


LINE = 11  # pixels from the top of the tallest letter to the bottom of the lowest


DIGIT = slice(1, 8)  # the rows of a line in which digits and capitals stand


@lru_cache(maxsize=4096)
def glyphs(text: str) -> NDArray[np.bool_]:
    """Which pixels the text covers, `(LINE, LETTER * len(text))`; nothing is smoothed.

    Example:
        >>> glyphs("512").shape
        (11, 18)
    """
    mask, (left, top) = _font().getmask2(text, "1")
    ink = np.array(mask, np.uint8).reshape(mask.size[::-1]) > 0
    covered = np.zeros((LINE + 8, LETTER * len(text) + 8), bool)
    top, left = max(0, top - 2), max(0, left)
    ink = ink[: covered.shape[0] - top, : covered.shape[1] - left]
    covered[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return covered[:LINE, : LETTER * len(text)]


@cache
def _font() -> Any:
    """A font that matplotlib brings along; it has the letters of most European languages."""
    import matplotlib
    from PIL import ImageFont

    fonts = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
    return ImageFont.truetype(str(fonts / "DejaVuSansMono.ttf"), 10)


def draw_text(
    canvas: NDArray[np.uint8], text: str, top: int, left: int, rows: slice = slice(None)
) -> None:
    """Write the text in `INK`; what would lie outside of the canvas is left out.

    Example:
        >>> canvas = np.zeros((12, 12), np.uint8)
        >>> draw_text(canvas, "1", 0, 0)
        >>> bool((canvas == INK).any())
        True
    """
    if text:
        ink = glyphs(text)[rows]
        place = canvas[top : top + ink.shape[0], left : left + ink.shape[1]]
        place[ink[: place.shape[0], : place.shape[1]]] = INK


Text = tuple[str, int, int, int]  # what, top, left, color


def draw_texts(canvas: Pixels, texts: Sequence[Text]) -> None:
    """Write all texts, pixel by pixel of ink; each lies in the canvas.

    Example:
        >>> canvas = np.zeros((12, 24), np.uint8)
        >>> draw_texts(canvas, [("1", 0, 0, 7), ("2", 0, 12, 9)])
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
    inks = np.repeat(np.array([color for *_, color in texts], np.uint8), lengths)
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
