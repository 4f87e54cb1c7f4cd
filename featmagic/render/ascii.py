"""A mosaic in plain letters: for terminals without color, logs and mails."""

from __future__ import annotations

import numpy as np

from featmagic.planes.dtypes import Pixels
from featmagic.render.mosaic import Mosaic, enlarge
from featmagic.render.non_finite_marks import LETTERS
from featmagic.render.palette import CONSTANT, GAP, LEVELS, NAN, NEGATIVE_INF, POSITIVE_INF

RAMP = ".:-=+*#%@"  # from the low end to the high end; blanks are gaps
# A dead channel is framed and hatched in slashes.
_SPECIAL = {GAP: " ", CONSTANT: "/", NAN: "?", POSITIVE_INF: "^", NEGATIVE_INF: "v"}
_MARKS = {ord(letter): _SPECIAL[kind] for kind, letter in LETTERS.items()}


class AsciiCells:
    """Draws the cells of a mosaic as a letter for two values, one above the other.

    Each color map in the mosaic's palette has the whole ramp.
    """

    def __init__(self, mosaic: Mosaic) -> None:
        self.pixels = enlarge(mosaic)
        steps = LEVELS // mosaic.color_maps
        self._letters = [RAMP[level % steps * len(RAMP) // steps] for level in range(LEVELS)]
        self._letters += [_SPECIAL.get(index, " ") for index in range(LEVELS, 256)]
        if mosaic.is_rgb:
            self.pixels = _gray(self.pixels)

    def line(self, upper: list[list[int]], lower: list[list[int]]) -> str:
        """Return a line of a row of tiles, with a blank between two tiles."""
        return " ".join(
            "".join(map(self._letter, above, below))
            for above, below in zip(upper, lower, strict=True)
        ).rstrip()

    def run(self, indices: list[int]) -> str:
        """Return single values from left to right."""
        return "".join(self._letters[index] for index in indices)

    def strength(self, share: float) -> str:
        """Return a letter for a channel's strength, 0 to 1."""
        return RAMP[round((len(RAMP) - 1) * share)]

    def mark(self, letters: str) -> str:
        """Return what stands behind the label of a tile with NaN or infinities."""
        return letters.translate(_MARKS)

    def picture(self, pixels: Pixels) -> Pixels:
        """Return an image `(h, w, 3)` as indices, as in `pixels`."""
        return _gray(pixels)

    def _letter(self, above: int, below: int) -> str:
        """Return the letter of two values: of their mean, or of the one that isn't a level."""
        if above < LEVELS and below < LEVELS:
            return self._letters[(above + below) // 2]
        if GAP in (above, below):
            return self._letters[below if above == GAP else above]
        return self._letters[max(above, below)]


def _gray(rgb: Pixels) -> Pixels:
    """Return RGB as levels by luma (the weights of ITU-R BT.601)."""
    luma = rgb.astype(np.float64) @ np.array([0.299, 0.587, 0.114])
    levels: Pixels = (luma * (LEVELS - 1) / 255).round().astype(np.uint8)
    return levels
