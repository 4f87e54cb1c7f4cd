"""The 256 colors of a picture: those of a color map, and those with a meaning of their own."""

from __future__ import annotations

from functools import cache

import numpy as np

from featmagic.options.colormaps import DIVERGING, SEQUENTIAL, colormap
from featmagic.planes.dtypes import Pixels

# Indices 0 to LEVELS - 1 are the color map. An even number: a film strip has two color maps with
# half as many levels each.
LEVELS = 240

GAP, INK, CONSTANT, NAN, POSITIVE_INF, NEGATIVE_INF, MARK, QUIET = range(LEVELS, LEVELS + 8)

# One gray with rising opacity, for letters with smooth edges on any ground; the last is opaque.
SHADES = range(LEVELS + 8, 256)
TRACK = SHADES[1]  # what a bar runs on
# As legible on white as on #111111, the ground of JupyterLab's dark theme: 4.3 : 1 on both. With
# the relative luminance L of WCAG 2.x and its contrast (L1 + 0.05) / (L2 + 0.05), L + 0.05 is the
# geometric mean of 1.05 and 0.0556.
LEGIBLE = (121, 121, 121)

_OTHER_COLORS = {
    GAP: (70, 78, 90),  # slate: neither a gray nor in a common color map
    INK: (236, 240, 244),
    CONSTANT: (150, 156, 166),
    NAN: (255, 0, 255),
    POSITIVE_INF: (255, 120, 0),
    NEGATIVE_INF: (0, 200, 255),
    MARK: (0, 0, 0),  # the shapes on the three above: far darker than each of them
    QUIET: (190, 195, 203),  # words that matter less: 4.7 : 1 on a gap (WCAG 1.4.3 asks 4.5)
    **dict.fromkeys(SHADES, LEGIBLE),
}


def palette(cmap: str) -> bytes:
    """Return 256 colors as RGB bytes: `LEVELS` of the color map, then `_OTHER_COLORS`."""
    # A map of the user's may be registered anew under its name; matplotlib's own can't be.
    return _kept_palette(cmap) if cmap in (SEQUENTIAL, DIVERGING) else _palette(cmap)


def _palette(cmap: str) -> bytes:
    levels = colormap(cmap)(np.linspace(0, 1, LEVELS), bytes=True)[:, :3]
    others = [_OTHER_COLORS[index] for index in range(LEVELS, 256)]
    return levels.tobytes() + np.array(others, np.uint8).tobytes()


_kept_palette = cache(_palette)


def page_colors(palette: bytes) -> Pixels:
    """Return the colors of a palette on a page, `(256, 4)` RGBA, without a ground of their own.

    Gaps are transparent, and what marks a constant channel is legible on light and on dark pages.

    Example:
        >>> page_colors(bytes(768))[[GAP, CONSTANT, SHADES[0], SHADES[-1]]].tolist()
        [[0, 0, 0, 0], [121, 121, 121, 255], [0, 0, 0, 32], [0, 0, 0, 255]]
    """
    colors = np.full((256, 4), 255, np.uint8)
    colors[:, :3] = np.frombuffer(palette, np.uint8).reshape(256, 3)
    colors[CONSTANT, :3] = LEGIBLE
    colors[GAP] = 0
    colors[SHADES.start :, 3] = np.linspace(0, 255, len(SHADES) + 1).round()[1:]
    return colors
