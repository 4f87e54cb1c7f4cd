"""A mosaic as text: half blocks in 24-bit or 256 colors."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featmagic.planes.dtypes import Pixels
from featmagic.render.mosaic import Mosaic, enlarge
from featmagic.render.non_finite_marks import LETTERS
from featmagic.render.palette import GAP
from featmagic.render.text import mosaic_lines
from featmagic.support.text import BLOCKS

_RESET = "\x1b[0m"


def half_blocks(mosaic: Mosaic, colors: int, columns: int = 1000) -> str:
    r"""The mosaic as lines of half blocks, labels above the tiles; gaps stay the terminal's own.

    Args:
        mosaic: as it comes.
        colors: 2**24 or 256.
        columns: of the terminal; what stands around the tiles is cut to them.

    Example:
        >>> import torch
        >>> from featmagic.render.mosaic import tile
        >>> from featmagic.render.viewport import GridLayout
        >>> one = tile(torch.zeros(1, 2, 1).byte(), ("",), bytes(768), GridLayout(1, 1, 1))
        >>> half_blocks(one, 256)
        '\x1b[38;5;16;48;5;16m▀\x1b[0m'
    """
    return "\n".join(mosaic_lines(mosaic, HalfBlockCells(mosaic, colors), columns).all())


class HalfBlockCells:
    """What draws the cells of a mosaic in color: a half block for two values."""

    def __init__(self, mosaic: Mosaic, colors: int) -> None:
        black_and_white = _codes(np.array([[0] * 3, [255] * 3]), colors)
        self._codes = _codes(mosaic.colors, colors) + inks(mosaic.colors, black_and_white)
        self.pixels: NDArray[Any] = enlarge(mosaic)
        self._colors = colors
        if mosaic.is_rgb:
            self.pixels, self._codes = _indexed(self.pixels, self._codes, colors)

    def line(self, upper: list[list[int]], lower: list[list[int]]) -> str:
        """A line of a row of tiles, a blank between them."""
        return _line(upper, lower, self._codes)

    def run(self, indices: list[int]) -> str:
        """Single values from left to right."""
        return "".join(full_cell(i, self._codes) for i in indices) + _RESET

    def strength(self, share: float) -> str:
        """One letter for a channel's strength, 0 to 1."""
        return BLOCKS[round(7 * share)]

    def mark(self, letters: str) -> str:
        """What says behind a label that a tile holds NaN or infinities."""
        return letters

    def picture(self, pixels: Pixels) -> NDArray[Any]:
        """An image `(h, w, 3)` as indices."""
        places, self._codes = _indexed(pixels, self._codes, self._colors)
        return places


def _indexed(pixels: Pixels, codes: list[str], colors: int) -> tuple[NDArray[Any], list[str]]:
    """RGB pixels as numbers of colors, and the colors' codes, behind those of a palette."""
    flat = pixels.reshape(-1, 3).astype(np.int64) @ np.array([2**16, 2**8, 1])
    unique, place = np.unique(flat, return_inverse=True)
    rgb = np.stack([unique >> 16, unique >> 8 & 255, unique & 255], 1)
    return place.reshape(pixels.shape[:-1]) + len(codes), codes + _codes(rgb, colors)


def _line(upper: list[list[int]], lower: list[list[int]], codes: list[str]) -> str:
    text, before = [], ""
    for tile_upper, tile_lower in zip(upper, lower, strict=True):
        for above, below in zip(tile_upper, tile_lower, strict=True):
            code, block = _cell(above, below, codes)
            text.append(block if code == before else f"{code}{block}")
            before = code
        text.append(f"{_RESET} ")
        before = ""
    return "".join(text).rstrip(" ")


def _cell(above: int, below: int, codes: list[str]) -> tuple[str, str]:
    """The color code and the character of a cell: its lower half may lie in a gap."""
    if above in LETTERS or below in LETTERS:
        return marked_cell(above, below, codes)
    if above == GAP and below == GAP:
        return _RESET, " "
    if below == GAP:
        return f"\x1b[0;38;{codes[above]}m", "▀"
    if above == GAP:
        return f"\x1b[0;38;{codes[below]}m", "▄"
    return f"\x1b[38;{codes[above]};48;{codes[below]}m", "▀"


def _codes(rgb: NDArray[Any], colors: int) -> list[str]:
    """Each color of `(n, 3)` as the arguments of an SGR sequence."""
    rgb = rgb.astype(int)
    if colors > 256:
        return [f"2;{r};{g};{b}" for r, g, b in rgb.tolist()]
    nearest = [((color - _xterm_colors()) ** 2).sum(1).argmin() for color in rgb]
    return [f"5;{16 + int(index)}" for index in nearest]


@cache
def _xterm_colors() -> NDArray[np.int64]:
    """Colors 16 to 255 of xterm: a 6 x 6 x 6 cube, then 24 grays (xterm's 256colres.pl)."""
    steps = np.array([0, 95, 135, 175, 215, 255])
    cube = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    grays = np.repeat(np.arange(8, 248, 10)[:, None], 3, 1)
    return np.concatenate([cube, grays])


_INK_ON = 256  # behind the codes of the palette are those of what is read on each of its colors


def marked_cell(above: int, below: int, codes: list[str]) -> tuple[str, str]:
    r"""The color code and the letter of a cell of two values, one of which is no number.

    The other value's color is the letter's ground. Which of both is above is not told.

    Args:
        above: a palette index.
        below: another.
        codes: of the palette's 256 colors, then those of `inks`.

    Example:
        >>> from featmagic.render.palette import NAN
        >>> marked_cell(NAN, 7, [f"5;{index % 256}" for index in range(512)])
        ('\x1b[38;5;7;48;5;7m', '×')
    """
    kind, ground = (above, below) if above in LETTERS else (below, above)
    if ground == GAP:
        return f"\x1b[0;38;{codes[kind]}m", LETTERS[kind]
    return f"\x1b[38;{codes[_INK_ON + ground]};48;{codes[ground]}m", LETTERS[kind]


def full_cell(index: int, codes: list[str]) -> str:
    """A cell of one value."""
    if index not in LETTERS:
        return f"\x1b[38;{codes[index]}m█"
    code, letter = marked_cell(index, index, codes)
    return f"{code}{letter}{_RESET}"


def inks(rgb: NDArray[np.uint8], black_and_white: list[str]) -> list[str]:
    """For each color of `(n, 3)` the code of what stands out more on it (WCAG's formula).

    Example:
        >>> inks(np.array([[255, 255, 0], [90, 0, 90]], np.uint8), ["black", "white"])
        ['black', 'white']
    """
    dark = (rgb / 255) ** 2.2 @ np.array([0.2126, 0.7152, 0.0722]) < 0.179
    return [black_and_white[which] for which in dark.astype(int).tolist()]
