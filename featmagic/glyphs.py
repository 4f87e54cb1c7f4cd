"""Text as pixels, for labels in a picture."""

from __future__ import annotations

from functools import cache, lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featmagic.palette import INK

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


def write(
    canvas: NDArray[np.uint8], text: str, top: int, left: int, rows: slice = slice(None)
) -> None:
    """Write the text in `INK`; what would lie outside of the canvas is left out.

    Example:
        >>> canvas = np.zeros((12, 12), np.uint8)
        >>> write(canvas, "1", 0, 0)
        >>> bool((canvas == INK).any())
        True
    """
    if text:
        ink = glyphs(text)[rows]
        place = canvas[top : top + ink.shape[0], left : left + ink.shape[1]]
        place[ink[: place.shape[0], : place.shape[1]]] = INK
