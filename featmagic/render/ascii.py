"""A mosaic in plain letters: for terminals without color, logs and mails."""

from __future__ import annotations

import numpy as np

from featmagic.planes.dtypes import Pixels
from featmagic.render.mosaic import Mosaic, enlarge
from featmagic.render.non_finite_marks import LETTERS
from featmagic.render.palette import CONSTANT, GAP, LEVELS, NAN, NEGATIVE_INF, POSITIVE_INF

RAMP = ".:-=+*#%@"  # from the low end to the high end; blanks are gaps
# A dead channel is framed and hatched in slashes.
_MARKS = {GAP: " ", CONSTANT: "/", NAN: "?", POSITIVE_INF: "^", NEGATIVE_INF: "v"}
_IN_ASCII = {ord(letter): _MARKS[kind] for kind, letter in LETTERS.items()}


class AsciiCells:
    """What draws the cells of a mosaic: a letter for two values, one above the other.

    Args:
        mosaic: to draw.
        maps: how many color maps share its palette's levels; each has the whole ramp.
    """

    def __init__(self, mosaic: Mosaic, maps: int = 1) -> None:
        self.pixels = enlarge(mosaic)
        steps = LEVELS // maps
        self._letters = [RAMP[level % steps * len(RAMP) // steps] for level in range(LEVELS)]
        self._letters += [_MARKS.get(index, " ") for index in range(LEVELS, 256)]
        if mosaic.is_rgb:
            self.pixels = _gray(self.pixels)

    def line(self, upper: list[list[int]], lower: list[list[int]]) -> str:
        """A line of a row of tiles, a blank between them."""
        return " ".join(
            "".join(map(self._letter, above, below))
            for above, below in zip(upper, lower, strict=True)
        ).rstrip()

    def run(self, indices: list[int]) -> str:
        """Single values from left to right."""
        return "".join(self._letters[index] for index in indices)

    def strength(self, share: float) -> str:
        """One letter for a channel's strength, 0 to 1."""
        return RAMP[round((len(RAMP) - 1) * share)]

    def mark(self, letters: str) -> str:
        """What says behind a label that a tile holds NaN or infinities."""
        return letters.translate(_IN_ASCII)

    def picture(self, pixels: Pixels) -> Pixels:
        """An image `(h, w, 3)` as indices."""
        return _gray(pixels)

    def _letter(self, above: int, below: int) -> str:
        """The letter of two values: of their mean, or of the one that is no color of the map."""
        if above < LEVELS and below < LEVELS:
            return self._letters[(above + below) // 2]
        if GAP in (above, below):
            return self._letters[below if above == GAP else above]
        return self._letters[max(above, below)]


def _gray(rgb: Pixels) -> Pixels:
    """RGB as levels by luma (the weights of ITU-R BT.601)."""
    luma = rgb.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    levels: Pixels = (luma * (LEVELS - 1) / 255).round().astype(np.uint8)
    return levels
