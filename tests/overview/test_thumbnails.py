"""Thumbnails of many layers at once."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from featmagic.options.view import View
from featmagic.overview.thumbnails import (
    HALF,
    Band,
    group_thumbnails,
    halve_levels,
    lay_out_thumbnails,
    maps_of,
    thumbnail_planes,
)

BAND = Band(28, 2)


def test_large_planes_are_averaged_to_the_side_of_a_tile():
    assert thumbnail_planes(torch.zeros(8, 56, 56), "tiles", BAND).kernel == (2, 2)
    assert thumbnail_planes(torch.zeros(8, 7, 7), "tiles", BAND).kernel == (1, 1)


def test_planes_of_one_size_are_painted_together():
    layer, other = (thumbnail_planes(torch.zeros(8, n, n), "tiles", BAND) for n in (4, 5))
    groups = group_thumbnails([layer, None, other, layer])
    assert [group.places for group in groups] == [(0, 3), (2,)]


@pytest.mark.parametrize(
    ("shape", "form", "laid_out"),
    [
        ((8, 7, 7), "tiles", (8, 28, 28)),
        ((1, 1, 1000), "fold", (1, 18, 238)),  # lines, as many as single values need
    ],
)
def test_tiles_are_enlarged_by_whole_numbers(shape, form, laid_out):
    assert lay_out_thumbnails(np.zeros(shape, np.uint8), form, BAND).shape == laid_out


def test_every_two_levels_become_one_of_either_color_map():
    tiles = np.array([0, 239, 240], np.uint8)
    assert halve_levels(tiles, np.array([True])).tolist() == [HALF, 239, 240]
    assert halve_levels(tiles, np.array([False])).tolist() == [0, HALF - 1, 240]


def test_a_color_map_that_is_asked_for_is_that_of_all_layers():
    assert maps_of(View()) == ("viridis", "RdBu_r")
    assert maps_of(View(cmap="gray")) == ("gray", "gray")
