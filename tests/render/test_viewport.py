"""The room for a picture, and what fits in it."""

from __future__ import annotations

import pytest

from featmagic.options.view import View
from featmagic.render.viewport import PAGE, most_columns, step_of_labels, terminal_viewport


@pytest.mark.parametrize(("zoom", "step"), [(1, 20), (2, 10), (3, 5), (12, 1), (40, 1)])
def test_ticks_of_rows_stand_a_round_number_apart_and_never_overlap(zoom, step):
    assert step_of_labels(zoom, PAGE) == step
    assert step * zoom >= PAGE.line


def test_as_many_planes_fit_in_a_row_as_their_least_size_allows():
    assert most_columns((24, 24), View(), PAGE) == 29
    assert most_columns((24, 24), View(zoom=10), PAGE) == 3
    assert most_columns((24, 4000), View(zoom=10), PAGE) == 1


def test_a_tile_is_as_tall_as_a_terminals_screen_without_the_lines_around_it():
    assert terminal_viewport(80, 24).height == 36
    assert terminal_viewport(80, 2).height == 8
    assert terminal_viewport(80).height is None
