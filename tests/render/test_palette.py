"""The palette of a picture: levels of a color map, and colors that mean the same in each."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest

from featmagic.render.palette import CONSTANT, GAP, LEVELS, SHADES, page_colors, palette


def colors_of(name):
    return np.frombuffer(palette(name), np.uint8).reshape(-1, 3)


@pytest.mark.parametrize("name", ["viridis", "RdBu_r", "gray", "tab10"])
def test_levels_run_evenly_over_the_color_map(name):
    colors = colors_of(name)
    assert len(colors) == 256
    expected = matplotlib.colormaps[name](np.linspace(0, 1, LEVELS), bytes=True)[:, :3]
    np.testing.assert_array_equal(colors[:LEVELS], expected)


@pytest.mark.parametrize("name", ["viridis", "RdBu_r", "gray"])
def test_what_is_no_level_has_the_same_color_beside_every_color_map(name):
    """Pictures of one notebook are compared with each other, and with those of last year."""
    gap, ink, constant, nan, positive, negative, mark, quiet = colors_of(name)[
        LEVELS : LEVELS + 8
    ].tolist()
    assert (gap, ink, quiet) == ([70, 78, 90], [236, 240, 244], [190, 195, 203])
    assert constant == [150, 156, 166]
    assert nan == [255, 0, 255]
    assert (positive, negative) == ([255, 120, 0], [0, 200, 255])
    assert mark == [0, 0, 0]


def luminance(color):
    """The relative luminance of WCAG 2.x, of a color of 0 to 255."""
    parts = np.asarray(color) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def contrast(first, second):
    lower, higher = sorted((luminance(first), luminance(second)))
    return (higher + 0.05) / (lower + 0.05)


@pytest.mark.parametrize("name", ["viridis", "RdBu_r", "gray"])
def test_all_that_is_written_on_a_page_is_as_legible_on_white_as_on_jupyterlabs_dark_ground(name):
    colors = page_colors(palette(name))
    (gray,) = {tuple(color) for color in colors[[*SHADES, CONSTANT], :3].tolist()}
    light, dark = contrast(gray, (255, 255, 255)), contrast(gray, (17, 17, 17))
    assert min(light, dark) > 4.3
    others = [(level, level, level) for level in range(256)]
    assert min(light, dark) == max(
        min(contrast(other, (255, 255, 255)), contrast(other, (17, 17, 17))) for other in others
    )
    assert colors[[SHADES[-1], CONSTANT], 3].tolist() == [255, 255]


@pytest.mark.parametrize("name", ["viridis", "RdBu_r", "gray"])
def test_a_page_has_the_levels_of_the_palette_and_transparent_gaps(name):
    colors = page_colors(palette(name))
    np.testing.assert_array_equal(colors[:LEVELS, :3], colors_of(name)[:LEVELS])
    assert (colors[:LEVELS, 3] == 255).all()
    assert colors[GAP].tolist() == [0, 0, 0, 0]
