"""Perceived colors: lightness, contrast, and how color-blind readers see them.

From the definitions: IEC 61966-2-1 (sRGB), CIE 15 (L*a*b*, here for the white of sRGB), WCAG 2.1
(contrast), and the matrices of Machado, Oliveira & Fernandes, "A Physiologically-based Model for
Simulation of Color Vision Deficiency", IEEE TVCG 15 (2009), at severity 1.0, in linear RGB.
"""

from __future__ import annotations

import numpy as np

VISIONS = {
    "normal": np.eye(3),
    "protan": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deutan": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritan": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])

# A difference that is just noticed (Mahy, Van Eycken & Oosterlinck 1994), and from which on one
# sees "two different colors" (Mokrzycki & Tatol 2011), both as distances in L*a*b*.
JUST_NOTICED, TWO_COLORS = 2.3, 5.0
# WCAG 2.1: contrast of what isn't text (1.4.11), and of text (1.4.3).
GRAPHICS, TEXT = 3.0, 4.5


def seen(rgb, vision="normal"):
    """Return linear RGB of colors from 0 to 1, `(..., 3)`, as seen with that kind of vision."""
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    return (linear @ VISIONS[vision].T).clip(0, 1)


def luminance(rgb, vision="normal"):
    """Return the relative luminance of colors, 0 to 1."""
    return seen(np.asarray(rgb, float), vision) @ _TO_XYZ[1]


def lab(rgb, vision="normal"):
    """Return L*, a* and b* of colors."""
    there = seen(np.asarray(rgb, float), vision) @ _TO_XYZ.T / _TO_XYZ.sum(1)
    low = (6 / 29) ** 3
    x, y, z = np.moveaxis(
        np.where(there > low, np.cbrt(there), there / 3 * (29 / 6) ** 2 + 4 / 29), -1, 0
    )
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], -1)


def distance(one, other, vision="normal"):
    """Return the distance between colors in L*a*b*."""
    return np.linalg.norm(lab(one, vision) - lab(other, vision), axis=-1)


def contrast(one, other, vision="normal"):
    """Return WCAG's contrast ratio of two colors, 1 to 21."""
    lights = [luminance(one, vision), luminance(other, vision)]
    return (np.maximum(*lights) + 0.05) / (np.minimum(*lights) + 0.05)
