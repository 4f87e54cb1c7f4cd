"""The palette of a picture: levels of a color map, and colors that mean the same in each."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest

from featmagic.render.palette import LEVELS, palette


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
    gap, ink, constant, nan, positive, negative, mark, quiet = colors_of(name)[LEVELS:].tolist()
    assert (gap, ink, quiet) == ([70, 78, 90], [236, 240, 244], [190, 195, 203])
    assert constant == [150, 156, 166]
    assert nan == [255, 0, 255]
    assert (positive, negative) == ([255, 120, 0], [0, 200, 255])
    assert mark == [0, 0, 0]
