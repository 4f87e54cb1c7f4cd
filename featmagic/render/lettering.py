"""Text with smooth edges, in shades of one gray that are legible on any page."""

from __future__ import annotations

from functools import cache, lru_cache
from typing import Any

import numpy as np

from featmagic.planes.dtypes import Pixels
from featmagic.render.font import load_font
from featmagic.render.palette import GAP, SHADES

SIZE = 10  # of the face, in CSS pixels
LINE = 12  # from the top of the tallest letter to the bottom of the lowest, in CSS pixels


def _face(density: int) -> Any:
    """Return the face, of a size for so many pixels to a CSS pixel."""
    return load_font("DejaVuSans", SIZE * density)


@lru_cache(maxsize=4096)
def text_width(text: str, density: int) -> int:
    """Return the width of the text in pixels."""
    if text.isascii() and text.isdigit():  # all digits of the face are equally wide
        return len(text) * int(_digits(density).shape[2])
    length: float = _face(density).getlength(text)
    return round(length)


@lru_cache(maxsize=4096)
def shaded(text: str, density: int) -> Pixels:
    """Return the text as palette indices: `SHADES` where it covers a pixel, else `GAP`."""
    if text.isascii() and text.isdigit():  # thousands of labels are put together of ten digits
        digits = _digits(density)
        return np.concatenate([digits[int(digit)] for digit in text], 1)
    return _shaded(text, density)


@cache
def _digits(density: int) -> Pixels:
    return np.stack([_shaded(digit, density) for digit in "0123456789"])


def _shaded(text: str, density: int) -> Pixels:
    mask, (left, top) = _face(density).getmask2(text, "L")
    covered = np.array(mask, np.uint8).reshape(mask.size[::-1])
    width = round(_face(density).getlength(text))
    canvas = np.zeros((LINE * density, max(width, left + covered.shape[1])), np.uint8)
    left = max(0, left)
    place = canvas[top : top + covered.shape[0], left : left + covered.shape[1]]
    place[:] = covered[: place.shape[0], : place.shape[1]]
    return in_shades(canvas)


def in_shades(covered: Pixels) -> Pixels:
    """Return how much of each pixel is covered, 0 to 255, as palette indices.

    Example:
        >>> in_shades(np.array([0, 128, 255], np.uint8)).tolist() == [GAP, SHADES[3], SHADES[-1]]
        True
    """
    steps = np.rint(covered * (len(SHADES) / 255)).astype(np.uint8)
    indices: Pixels = np.where(steps > 0, steps + np.uint8(SHADES.start - 1), np.uint8(GAP))
    return indices


def write(canvas: Pixels, text: str, top: int, left: int, density: int) -> None:
    """Write the text into palette indices, in place; what would lie outside is left out."""
    if not text:
        return
    ink = shaded(text, density)
    if top < 0 or left < 0:
        ink = ink[max(0, -top) :, max(0, -left) :]
        top, left = max(0, top), max(0, left)
    place = canvas[top : top + ink.shape[0], left : left + ink.shape[1]]
    # Shades are above all other indices: what is there already stays beside the letters.
    if place.shape != ink.shape:
        ink = ink[: place.shape[0], : place.shape[1]]
    np.maximum(place, ink, out=place)
