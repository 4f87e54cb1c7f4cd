"""The 256 colors of a terminal: which of them stand for a color, and for a whole color map."""

from __future__ import annotations

from functools import cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from featmagic.planes.dtypes import Pixels

FIRST = 16  # the number of the first color that isn't the user's to choose

# How far a color may be from its neighbor's lightness against the trend, in L* of 0 to 100:
# rounding to bytes, and the small waves of color maps that weren't made for their lightness.
_WAVE = 3.0
# A difference in chroma or hue weighs so many times as much as one in lightness. Only lightness has
# to be in order, and a wrong hue is what is seen first: a teal end of a blue ramp.
_HUE_WEIGHT = 3.0

Colors = NDArray[np.float64]


@cache
def xterm_colors() -> Pixels:
    """Return colors 16 to 255 of xterm: a 6 x 6 x 6 cube, then 24 grays (xterm's 256colres.pl)."""
    steps = np.array([0, 95, 135, 175, 215, 255])
    cube = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    grays = np.repeat(np.arange(8, 248, 10)[:, None], 3, 1)
    return np.concatenate([cube, grays]).astype(np.uint8)


def nearest_colors(rgb: Pixels) -> list[int]:
    """Return the number of the color that looks most like each of `(n, 3)`.

    Example:
        >>> nearest_colors(np.array([[0, 0, 0], [250, 0, 0]], np.uint8))
        [16, 196]
    """
    found, wanted = _oklab(xterm_colors()), _oklab(rgb)
    at_once = 4096  # pixels, of a photograph
    parts = [wanted[first : first + at_once] for first in range(0, len(wanted), at_once)]
    return [
        FIRST + number
        for part in parts
        for number in ((part[:, None] - found) ** 2).sum(-1).argmin(1).tolist()
    ]


def ramp(rgb: Pixels) -> list[int]:
    """Return the number of a color for each of `(n, 3)`, the steps of a color map.

    Where the map gets lighter its colors do, and where it gets darker they do, so that larger is
    still told from smaller; among all such ramps it is the one that looks most like the map. That
    is an optimal path, found by dynamic programming. Lightness is that of CIELAB, in which color
    maps are designed; likeness is distance in OKLab (Ottosson 2020, "A perceptual color space for
    image processing"), in which blue that gets darker doesn't turn purple.

    Example:
        >>> ramp(np.array([[0, 0, 0], [120, 120, 120], [255, 255, 255]], np.uint8))
        [16, 243, 231]
    """
    return list(_ramp(rgb.tobytes()))


@cache
def _ramp(data: bytes) -> tuple[int, ...]:
    wanted = np.frombuffer(data, np.uint8).reshape(-1, 3)
    palette = xterm_colors()
    order = np.argsort(lightness(palette), kind="stable")
    candidates = palette[order]
    light = lightness(candidates)
    # Equally light colors are in order either way: the first and the last place of each.
    first, last = np.searchsorted(light, light - 1e-9), np.searchsorted(light, light + 1e-9) - 1
    weights = np.array([1.0, _HUE_WEIGHT, _HUE_WEIGHT])
    costs = (((_oklab(wanted)[:, None] - _oklab(candidates)) ** 2) * weights).sum(-1)
    total, steps = costs[0], []
    for trend, cost in zip(_trends(lightness(wanted)), costs[1:], strict=True):
        # The cheapest way that ends at a color no lighter, or no darker, than each candidate.
        if trend > 0:
            best = _running_argmin(total)[last]
        else:
            best = len(total) - 1 - _running_argmin(total[::-1])[len(total) - 1 - first]
        steps.append(best)
        total = total[best] + cost
    place = int(total.argmin())
    path = [place]
    for best in reversed(steps):
        place = int(best[place])
        path.append(place)
    return tuple(FIRST + int(order[place]) for place in reversed(path))


def _running_argmin(values: Colors) -> NDArray[np.intp]:
    """Return, for each place, where the least of the values up to there is."""
    is_new = np.minimum.accumulate(values) == values
    return np.maximum.accumulate(np.where(is_new, np.arange(len(values)), 0))


def _trends(light: Colors) -> list[int]:
    """Return 1 for each step in which the lightness rises, and -1 for each in which it falls.

    Between two turns that are further apart than a wave, all steps have one trend.
    """
    turns, low, high = [0], 0, 0
    trend = 0
    for place, value in enumerate(light):
        low = place if value < light[low] else low
        high = place if value > light[high] else high
        if trend >= 0 and light[high] - value > _WAVE:
            turns += [high] if trend else [0]
            trend, low = -1, place
        elif trend <= 0 and value - light[low] > _WAVE:
            turns += [low] if trend else [0]
            trend, high = 1, place
    turns.append(len(light) - 1)
    return [
        1 if light[end] >= light[start] else -1
        for start, end in pairwise(turns)
        for _ in range(end - start)
    ]


def lightness(rgb: Pixels) -> Colors:
    """Return the lightness L* of sRGB colors, 0 to 100 (CIE 1976, white D65).

    Example:
        >>> grays = np.array([[0, 0, 0], [119, 119, 119], [255, 255, 255]], np.uint8)
        >>> lightness(grays).round(1).tolist()
        [0.0, 50.0, 100.0]
    """
    luminance = _linear(rgb) @ np.array([0.2126, 0.7152, 0.0722])
    bent = np.where(luminance > (6 / 29) ** 3, np.cbrt(luminance), luminance * 841 / 108 + 4 / 29)
    lightness: Colors = 116 * bent - 16
    return lightness


def _linear(rgb: Pixels) -> Colors:
    """Return linear light of sRGB (IEC 61966-2-1)."""
    values = rgb / 255
    linear: Colors = np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)
    return linear


_TO_CONES = np.array([
    [0.4122214708, 0.5363325363, 0.0514459929],
    [0.2119034982, 0.6806995451, 0.1073969566],
    [0.0883024619, 0.2817188376, 0.6299787005],
])  # fmt: skip
_TO_OKLAB = np.array([
    [0.2104542553, 0.7936177850, -0.0040720468],
    [1.9779984951, -2.4285922050, 0.4505937099],
    [0.0259040371, 0.7827717662, -0.8086757660],
])  # fmt: skip


def _oklab(rgb: Pixels) -> Colors:
    oklab: Colors = np.cbrt(_linear(rgb) @ _TO_CONES.T) @ _TO_OKLAB.T
    return oklab
