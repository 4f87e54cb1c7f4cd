"""A picture in bands from top to bottom, so that it need not be in memory as a whole."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from featmagic.planes.dtypes import Pixels


class Band(NamedTuple):
    """Some lines of a picture, each of them so many times."""

    lines: Pixels  # `(h, W)` palette indices, or `(h, W, 3)` RGB or `(h, W, 4)` RGBA
    times: int = 1
    has_text: bool = False  # if so, it is compressed as what repeats: letters do


@dataclass(frozen=True, eq=False)
class Raster:
    """A picture.

    Attributes:
        height, width: in pixels.
        density: pixels to a CSS pixel, in each direction.
        bands: draws the picture.
        colors: `(256, 4)`, or `(256, 3)` if all are opaque; what the bands' indices mean.
    """

    height: int
    width: int
    density: int
    bands: Callable[[], Iterable[Band]]
    colors: Pixels

    @property
    def css_size(self) -> tuple[int, int]:
        """Return height and width in CSS pixels."""
        return -(-self.height // self.density), -(-self.width // self.density)

    def enlarged(self, factor: int) -> Raster:
        """Return the picture with every pixel as a square, and so many more to a CSS pixel."""

        def bands() -> Iterable[Band]:
            for lines, times, has_text in self.bands():
                yield Band(lines.repeat(factor, 1), times * factor, has_text)

        height, width = self.height * factor, self.width * factor
        return Raster(height, width, self.density * factor, bands, self.colors)

    def pixels(self) -> Pixels:
        """Draw the whole picture."""
        drawn: Pixels = np.concatenate([lines.repeat(times, 0) for lines, times, _ in self.bands()])
        return drawn


def raster_of(pixels: Pixels, palette: bytes = b"") -> Raster:
    """Return pixels that are there already, opaque and one to a CSS pixel.

    Args:
        pixels: `(H, W)` indices of the palette, or `(H, W, 3)` RGB.
        palette: 256 RGB colors.
    """
    height, width = pixels.shape[:2]
    colors = np.frombuffer(palette, np.uint8).reshape(-1, 3)
    return Raster(height, width, 1, lambda: [Band(pixels)], colors)
