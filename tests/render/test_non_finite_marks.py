"""Shapes and letters that tell non-finite values from all others."""

from __future__ import annotations

import numpy as np

from featmagic.render.non_finite_marks import draw_cell_marks, draw_marks, mark_letters
from featmagic.render.palette import MARK, NAN, NEGATIVE_INF


def test_a_value_is_marked_in_the_middle_of_its_pixels():
    tile = np.full((1, 1, 1, 1), NAN, np.uint8)
    large = tile.repeat(4, 1).repeat(4, 3)
    draw_marks(large, tile, 4)
    assert (large == MARK).sum() == 8  # the two diagonals


def test_every_cell_of_a_line_has_a_mark_in_its_middle():
    line = np.full((8, 12), NAN, np.uint8)
    draw_cell_marks(line, np.full(2, NAN, np.uint8))
    assert (line[2] == MARK).nonzero()[0].tolist() == [1, 4, 7, 10]


def test_each_tile_has_the_letters_of_the_kinds_in_it():
    tiles = np.array([[[[NAN, 0], [1, 2]], [[0, NEGATIVE_INF], [3, 4]]]], np.uint8)
    assert mark_letters(tiles) == ("×↓", "")
