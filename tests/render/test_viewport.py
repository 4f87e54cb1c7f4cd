"""The room for a picture, and what fits in it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from featmagic.options.view import View
from featmagic.render.viewport import (
    PAGE,
    SMALL_PAGE,
    Viewport,
    most_columns,
    step_of_labels,
    terminal_viewport,
    tiles_that_fit,
)


@pytest.mark.parametrize(("zoom", "step"), [(1, 20), (2, 10), (3, 5), (12, 1), (40, 1)])
def test_ticks_of_rows_stand_a_round_number_apart_and_never_overlap(zoom, step):
    assert step_of_labels(zoom, PAGE.line) == step
    assert step * zoom >= PAGE.line


def test_as_many_planes_fit_in_a_row_as_their_least_size_allows():
    assert most_columns((24, 24), View(), PAGE) == 18
    assert most_columns((24, 24), View(zoom=10), PAGE) == 4
    assert most_columns((24, 4000), View(zoom=10), PAGE) == 1


def test_a_tile_is_as_tall_as_a_terminals_screen_without_the_lines_around_it():
    assert terminal_viewport(80, 24).height == 36
    assert terminal_viewport(80, 2).height == 8
    assert terminal_viewport(80).height is None


def test_a_terminals_letters_are_its_cells_and_a_line_of_text_is_two_half_cells():
    room = terminal_viewport(80, 24)
    assert (room.width, room.gap, room.letter, room.strict) == (79, 1, 1, True)
    assert step_of_labels(1, room.line) == 5
    assert step_of_labels(2, room.line) == 2
    assert terminal_viewport(3).width == 8


@pytest.mark.parametrize("columns", [20, 80, 200])
@pytest.mark.parametrize("width", [1, 7, 12, 13, 24, 100])
@pytest.mark.parametrize("zoom", [1, 3])
def test_no_tile_more_would_fit(columns, width, zoom):
    for viewport in (terminal_viewport(columns), PAGE):
        fitting = tiles_that_fit(width, zoom, viewport)

        def taken(count, viewport=viewport):
            return count * width * zoom + (count + 1) * viewport.gap

        assert taken(fitting) <= viewport.width < taken(fitting + 1)


@pytest.mark.parametrize("size", [(5, 5), (20, 10), (10, 20), (79, 80), (81, 40), (300, 200)])
def test_in_a_row_that_cannot_be_broken_tiles_are_as_small_as_they_may_be(size):
    width, longest = size[1], max(size)
    fitting = most_columns(size, View(), PAGE)
    if longest > PAGE.narrowest:
        tile = -(-width // -(-longest // PAGE.narrowest))
    else:
        tile = width * -(-PAGE.smallest // longest)
    assert fitting * tile + (fitting + 1) * PAGE.gap <= PAGE.width
    assert (fitting + 1) * tile + (fitting + 2) * PAGE.gap > PAGE.width


def test_an_input_image_takes_room_beside_the_tiles_of_a_page_or_above_those_of_a_terminal():
    assert PAGE.with_input() == replace(PAGE, width=1000 - 160 - 5)
    assert PAGE.of_input(50) is None
    for lines in (10, 24, 60):
        room = terminal_viewport(80, lines)
        both = room.height - 8  # less a line and a caption that speaks of it
        tiles = room.with_input()
        assert tiles == replace(room, height=max(8, both - both // 3))
        for height in (8, tiles.height):
            image = room.of_input(height)
            assert image % 2 == 0
            assert image >= 4
            if both >= 24:
                assert height + image <= both
                assert image in (max(both // 3, both - height), max(both // 3, both - height) - 1)
    assert terminal_viewport(80).with_input().height is None
    assert terminal_viewport(80).of_input(8) is None


def test_the_room_in_a_terminal_is_counted_in_its_cells_and_in_half_cells_of_height():
    tile, image = {"smallest": 8, "largest": 24, "narrowest": 12}, {"beside": 32, "on_image": 24}
    room = Viewport(79, 1, columns=2, line=4, letter=1, strict=True, height=36, **tile, **image)
    assert terminal_viewport(80, 24) == room
    assert terminal_viewport(80) == replace(room, height=None)
    assert terminal_viewport(200, 24) == replace(room, width=199)


def test_the_room_on_a_page_is_that_of_a_notebooks_cell():
    tile, image = {"smallest": 26, "largest": 330, "narrowest": 80}, {"beside": 160, "on_image": 96}
    assert Viewport(1000, 5, columns=8, line=12, letter=7, density=2, **tile, **image) == PAGE
    assert replace(PAGE, density=1) == SMALL_PAGE
