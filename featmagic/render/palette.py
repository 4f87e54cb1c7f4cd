"""The 256 colors of a picture: those of a color map, and those with a meaning of their own."""

from __future__ import annotations

from functools import cache

import numpy as np

from featmagic.options.colormaps import DIVERGING, SEQUENTIAL, colormap

# Indices 0 to LEVELS - 1 are the color map. An even number: a film strip has two color maps with
# half as many levels each.
LEVELS = 248

GAP, INK, CONSTANT, NAN, POSITIVE_INF, NEGATIVE_INF, MARK, QUIET = range(LEVELS, 256)

_OTHER_COLORS = {
    GAP: (70, 78, 90),  # slate: neither a gray nor in a common color map
    INK: (236, 240, 244),
    CONSTANT: (150, 156, 166),
    NAN: (255, 0, 255),
    POSITIVE_INF: (255, 120, 0),
    NEGATIVE_INF: (0, 200, 255),
    MARK: (0, 0, 0),  # the shapes on the three above: far darker than each of them
    QUIET: (190, 195, 203),  # words that matter less: 4.7 : 1 on a gap (WCAG 1.4.3 asks 4.5)
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
