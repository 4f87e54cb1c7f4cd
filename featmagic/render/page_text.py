"""Lines of text on a page, in any script, in the gray that is legible on any ground."""

from __future__ import annotations

from functools import lru_cache
from math import ceil

import numpy as np

from featmagic.planes.dtypes import Pixels
from featmagic.render.lettering import in_shades
from featmagic.render.title import DENSITY, line_alpha, line_width


def write_line(
    canvas: Pixels,
    text: str,
    corner: tuple[int, int],
    width: int,
    density: int,
    *,
    size: int = 10,
    bold: bool = False,
) -> None:
    """Write a line into palette indices, in place; "…" ends one that is too long.

    Args:
        canvas: the picture, so many pixels to a CSS pixel.
        text: with nothing in it that can't be printed.
        corner: the top and the left, in CSS pixels.
        width: the most that the line has, in CSS pixels.
        density: pixels to a CSS pixel, in each direction.
        size: of the letters, in CSS pixels.
        bold: whether the letters are bold.
    """
    if not text:
        return
    # The rows of an overview repeat many words; a font for other letters may yet be installed.
    ink = (_kept_ink if text.isascii() else _ink)(text, width, density, size, bold)
    top, left = (place * density for place in corner)
    place = canvas[top : top + ink.shape[0], left : left + ink.shape[1]]
    # Shades are above all other indices: what is there already stays beside the letters.
    np.maximum(place, ink[: place.shape[0], : place.shape[1]], out=place)


def _ink(text: str, width: int, density: int, size: int, bold: bool) -> Pixels:
    """Return a line as palette indices."""
    room = min(width, ceil(line_width(text, size, bold=bold)) + 1)
    return in_shades(_smooth(line_alpha(text, size, room, bold=bold), density))


_kept_ink = lru_cache(maxsize=4096)(_ink)


def _smooth(alpha: Pixels, density: int) -> Pixels:
    """Return letters of `DENSITY` pixels to a CSS pixel with so many."""
    if density == DENSITY:
        return alpha
    alpha = np.pad(alpha, ((0, len(alpha) % DENSITY), (0, 0)))
    means = alpha.reshape(len(alpha) // DENSITY, DENSITY, -1, DENSITY).mean((1, 3))
    smoothed: Pixels = means.round().astype(np.uint8)
    return smoothed
