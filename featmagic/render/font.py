"""Text as pixels, in a bitmap font."""

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
BELOW_TOP = slice(1, None)  # the same, and those below, where a "p" ends

Text = tuple[str, int, int, int]  # text, top, left, palette index


@lru_cache(maxsize=4096)
def glyphs(text: str) -> NDArray[np.bool_]:
    """Return which pixels the text covers, `(LINE, LETTER * len(text))`; nothing is smoothed."""
    mask, (left, top) = load_font("DejaVuSansMono", 10).getmask2(text, "1")
    ink = np.array(mask, np.uint8).reshape(mask.size[::-1]) > 0
    covered = np.zeros((LINE + 8, LETTER * len(text) + 8), bool)
    top, left = max(0, top - 2), max(0, left)
    ink = ink[: covered.shape[0] - top, : covered.shape[1] - left]
    covered[top : top + ink.shape[0], left : left + ink.shape[1]] = ink
    return covered[:LINE, : LETTER * len(text)]


@cache
def load_font(name: str, size: int) -> Any:
    """Load a font that matplotlib brings along, with the letters of most European languages.

    What a system has doesn't matter. Of Pillow's two layout engines the basic one is always there.
    """
    import matplotlib
    from PIL import ImageFont

    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"
    return ImageFont.truetype(str(file), size, layout_engine=ImageFont.Layout.BASIC)


def draw_text(
    canvas: NDArray[np.uint8], text: str, top: int, left: int, rows: slice = slice(None)
) -> None:
    """Write the text in `INK`; what would lie outside the canvas is left out."""
    if text:
        ink = glyphs(text)[rows]
        place = canvas[top : top + ink.shape[0], left : left + ink.shape[1]]
        place[ink[: place.shape[0], : place.shape[1]]] = INK


def draw_texts(canvas: Pixels, texts: Sequence[Text]) -> None:
    """Write many texts at once; each must lie in the canvas."""
    width = canvas.shape[1]
    joined = "".join(text for text, *_ in texts)
    codes, which = np.unique(np.array([joined]).view(np.uint32), return_inverse=True)
    glyph_pixels = [_flat_pixels(chr(code), width) for code in codes.tolist()]
    sizes = np.array([len(pixels) for pixels in glyph_pixels])
    lengths = np.array([len(text) for text, *_ in texts])
    corners = np.array([top * width + left for _, top, left, _ in texts])
    # Where the first letter of `joined` would stand, if each text began there.
    origins = corners - LETTER * _offsets(lengths)
    letters = np.repeat(origins, lengths) + LETTER * np.arange(len(joined))
    colors = np.repeat(np.array([color for *_, color in texts], np.uint8), lengths)
    counts = sizes[which]  # pixels of each letter
    steps = np.arange(counts.sum()) + np.repeat(_offsets(sizes)[which] - _offsets(counts), counts)
    places = np.repeat(letters, counts) + np.concatenate(glyph_pixels)[steps]
    canvas.reshape(-1)[places] = np.repeat(colors, counts)


def _offsets(lengths: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return where each of several consecutive parts begins."""
    return np.cumsum(lengths) - lengths


@lru_cache(maxsize=4096)
def _flat_pixels(letter: str, width: int) -> NDArray[np.int64]:
    """Return the flat indices of a letter's pixels in a picture of that width."""
    rows, columns = np.nonzero(glyphs(letter))
    return rows * width + columns
