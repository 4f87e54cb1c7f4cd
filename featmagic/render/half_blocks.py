"""A mosaic as half blocks in 24-bit or 256 colors."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from featmagic.planes.dtypes import Pixels
from featmagic.render.mosaic import Mosaic, enlarge
from featmagic.render.non_finite_marks import LETTERS
from featmagic.render.palette import GAP, LEVELS
from featmagic.render.xterm_colors import nearest_colors, ramp
from featmagic.support.text import BLOCKS

_RESET = "\x1b[0m"

# In a list of codes, the palette's 256 come first, then those of the text on each of its colors.
_TEXT_ON = 256


class HalfBlockCells:
    """Draws the cells of a mosaic in color: the upper half of a block, on the lower one's color."""

    def __init__(self, mosaic: Mosaic, colors: int) -> None:
        black_and_white = _codes(np.array([[0] * 3, [255] * 3]), colors)
        self._codes = _palette_codes(mosaic, colors) + _text_codes(mosaic.colors, black_and_white)
        self.pixels: NDArray[Any] = enlarge(mosaic)
        self._colors = colors
        if mosaic.is_rgb:
            self.pixels, self._codes = _indexed(self.pixels, self._codes, colors)

    def line(self, upper: list[list[int]], lower: list[list[int]]) -> str:
        """Return a line of a row of tiles, with a blank between two tiles."""
        text, before = [], ""
        for tile_upper, tile_lower in zip(upper, lower, strict=True):
            for above, below in zip(tile_upper, tile_lower, strict=True):
                code, block = _cell(above, below, self._codes)
                text.append(block if code == before else f"{code}{block}")
                before = code
            text.append(f"{_RESET} ")
            before = ""
        return "".join(text).rstrip(" ")

    def run(self, indices: list[int]) -> str:
        """Return single values from left to right."""
        return "".join(_full_cell(i, self._codes) for i in indices) + _RESET

    def strength(self, share: float) -> str:
        """Return a letter for a channel's strength, 0 to 1."""
        return BLOCKS[round(7 * share)]

    def mark(self, letters: str) -> str:
        """Return what stands behind the label of a tile with NaN or infinities."""
        return letters

    def picture(self, pixels: Pixels) -> NDArray[Any]:
        """Return an image `(h, w, 3)` as indices, as in `pixels`."""
        indices, self._codes = _indexed(pixels, self._codes, self._colors)
        return indices


def _indexed(pixels: Pixels, codes: list[str], colors: int) -> tuple[NDArray[Any], list[str]]:
    """Return RGB pixels as indices of codes, and the codes with those of the pixels appended."""
    flat = pixels.reshape(-1, 3).astype(np.int64) @ np.array([2**16, 2**8, 1])
    unique, place = np.unique(flat, return_inverse=True)
    rgb = np.stack([unique >> 16, unique >> 8 & 255, unique & 255], 1)
    return place.reshape(pixels.shape[:-1]) + len(codes), codes + _codes(rgb, colors)


def _cell(above: int, below: int, codes: list[str]) -> tuple[str, str]:
    """Return the color code and the letter of a cell, either half of which may be a gap."""
    if above in LETTERS or below in LETTERS:
        return _marked_cell(above, below, codes)
    if above == GAP and below == GAP:
        return _RESET, " "
    if below == GAP:
        return f"\x1b[0;38;{codes[above]}m", "▀"
    if above == GAP:
        return f"\x1b[0;38;{codes[below]}m", "▄"
    return f"\x1b[38;{codes[above]};48;{codes[below]}m", "▀"


def _marked_cell(above: int, below: int, codes: list[str]) -> tuple[str, str]:
    """Return the color code and the letter of a cell with a non-finite value.

    The letter stands on the color of the other value; which of both is above isn't shown.
    """
    kind, ground = (above, below) if above in LETTERS else (below, above)
    if ground == GAP:
        return f"\x1b[0;38;{codes[kind]}m", LETTERS[kind]
    return f"\x1b[38;{codes[_TEXT_ON + ground]};48;{codes[ground]}m", LETTERS[kind]


def _full_cell(index: int, codes: list[str]) -> str:
    """Return a cell of one value."""
    if index not in LETTERS:
        return f"\x1b[38;{codes[index]}m█"
    code, letter = _marked_cell(index, index, codes)
    return f"{code}{letter}{_RESET}"


def _text_codes(rgb: NDArray[np.uint8], black_and_white: list[str]) -> list[str]:
    """Return, for each color of `(n, 3)`, the code that stands out more on it (WCAG's formula)."""
    dark = (rgb / 255) ** 2.2 @ np.array([0.2126, 0.7152, 0.0722]) < 0.179
    return [black_and_white[which] for which in dark.astype(int).tolist()]


def _palette_codes(mosaic: Mosaic, colors: int) -> list[str]:
    """Return the code of each color of the palette; of 256, each color map gets a ramp."""
    if colors > 256:
        return _codes(mosaic.colors, colors)
    maps = np.split(mosaic.colors[:LEVELS], mosaic.color_maps)
    numbers = [number for steps in maps for number in ramp(steps)]
    return [f"5;{number}" for number in [*numbers, *nearest_colors(mosaic.colors[LEVELS:])]]


def _codes(rgb: NDArray[Any], colors: int) -> list[str]:
    """Return each color of `(n, 3)` as the arguments of an SGR sequence."""
    if colors > 256:
        return [f"2;{r};{g};{b}" for r, g, b in rgb.tolist()]
    return [f"5;{number}" for number in nearest_colors(rgb.astype(np.uint8))]
