"""Mosaics in lines of letters: where labels, strengths, marks, ticks and colors stand."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from featmagic.render.ascii import RAMP, AsciiCells
from featmagic.render.mosaic import PrefixStrip, tile
from featmagic.render.palette import CONSTANT, GAP, LEVELS, NAN, NEGATIVE_INF, POSITIVE_INF, palette
from featmagic.render.text import mosaic_lines
from featmagic.render.viewport import GridLayout


def mosaic_of(tiles, labels=None, ncols=2, zoom=1, **annotations):
    tiles = torch.as_tensor(np.asarray(tiles)).byte()
    labels = labels or tuple(map(str, range(len(tiles))))
    made = tile(tiles, labels, palette("viridis"), GridLayout(ncols, zoom, 1))
    return made.__class__(**{**vars(made), **annotations})


def lines_of(mosaic, columns=80):
    return mosaic_lines(mosaic, AsciiCells(mosaic), columns).all()


def letter(level):
    """The letter of a level: the ramp in equal parts."""
    return RAMP[level * len(RAMP) // LEVELS]


def test_a_letter_is_the_mean_of_the_two_values_it_stands_for():
    upper, lower = [0, 10, 100, 239, 239], [0, 30, 200, 239, 0]
    (line,) = lines_of(mosaic_of([[upper, lower]], ("",)))
    means = [(above + below) // 2 for above, below in zip(upper, lower, strict=True)]
    assert line == "".join(map(letter, means))
    assert {letter(level) for level in range(LEVELS)} == set(RAMP)


@pytest.mark.parametrize(
    ("special", "shape"),
    [(NAN, "?"), (POSITIVE_INF, "^"), (NEGATIVE_INF, "v"), (CONSTANT, "/")],
)
def test_what_is_no_level_has_a_shape_of_its_own_whatever_stands_beside_it(special, shape):
    (line,) = lines_of(mosaic_of([[[special, 5, special], [5, special, GAP]]], ("",)))
    assert line == shape * 3


def test_below_the_last_of_an_odd_number_of_rows_is_a_gap():
    lines = lines_of(mosaic_of([[[0, 239], [0, 239], [239, 0]]], ("",)))
    assert lines == [letter(0) + letter(239), letter(239) + letter(0)]
    (above_gap,) = lines_of(mosaic_of([[[GAP, 239, GAP], [239, GAP, GAP]]], ("",)))
    assert above_gap == letter(239) * 2


def test_labels_stand_above_their_tiles_with_a_blank_between():
    tiles = np.zeros((3, 2, 4), int)
    lines = lines_of(mosaic_of(tiles, ("a", "bb", "cccc")))
    assert lines == ["a    bb", ".... ....", "cccc", "...."]
    assert lines_of(mosaic_of(tiles, ("a", "bb", "ccccc"))) == [".... ....", "...."]


def test_the_strength_of_a_channel_stands_behind_its_label_where_there_is_room():
    bars = (0.0, 1.0)
    wide, narrow = (np.zeros((2, 2, width), int) for width in (3, 2))
    assert lines_of(mosaic_of(wide, bars=bars))[0] == f"0 {RAMP[0]} 1 {RAMP[-1]}"
    assert lines_of(mosaic_of(narrow, bars=bars))[0] == "0  1"
    half = mosaic_of(wide, bars=(0.5, 0.51))
    assert lines_of(half)[0].split()[1] == RAMP[4]


def test_marks_stand_behind_a_label_where_every_tile_has_room_for_the_most_of_them():
    nonfinite = ("×↑↓", "", "↓")
    wide, narrow = (np.zeros((3, 2, width), int) for width in (5, 4))
    lines = lines_of(mosaic_of(wide, nonfinite=nonfinite, ncols=3))
    assert lines[0] == "0 ?^v 1     2 v"
    assert lines_of(mosaic_of(narrow, nonfinite=nonfinite, ncols=3))[0] == "0    1    2"
    both = mosaic_of(np.zeros((3, 2, 7), int), nonfinite=nonfinite, bars=(1, 1, 1), ncols=3)
    assert lines_of(both)[0] == "0 @ ?^v 1 @     2 @ v"


@pytest.mark.parametrize("zoom", [1, 2, 4])
def test_ticks_stand_right_before_the_line_of_their_row(zoom):
    tiles = np.zeros((2, 8, 3), int)
    ticks = ((0, 0, "first"), (0, 4, "5th"), (1, 2, "x"))
    lines = lines_of(mosaic_of(tiles, ("", ""), ncols=1, zoom=zoom, ticks=ticks))
    height = 4 * zoom
    assert len(lines) == 2 * height
    where = {0: "first", 4 * zoom // 2: "5th", height + zoom: "x"}
    for number, line in enumerate(lines):
        assert line == f"{where.get(number, ''):>5} " + "." * 3 * zoom


def test_prefix_tokens_stand_above_all_in_as_many_lines_as_they_need():
    indices = np.zeros((2, 30), np.uint8)
    indices[0, ::2], indices[1, 1::2] = 239, 239
    mosaic = mosaic_of(np.zeros((1, 2, 9), int), ("",), strip=PrefixStrip(("CLS", "R1"), indices))
    texts = ["".join(letter(level) for level in row) for row in indices.tolist()]
    for columns, width in ((80, 24), (20, 16), (28, 24), (27, 23)):
        lines = lines_of(mosaic, columns)
        expected = []
        for name, text in zip(("CLS", "R1"), texts, strict=True):
            parts = [text[start : start + width] for start in range(0, 30, width)]
            expected += [f"{name if not n else '':<3} {part}" for n, part in enumerate(parts)]
        assert lines == [*expected, "." * 9]
    wide = mosaic_of(np.zeros((2, 2, 20), int), ("", ""), strip=PrefixStrip(("CLS", "R1"), indices))
    assert len(lines_of(wide)[0]) == len("CLS ") + 30  # as wide as the tiles below


@pytest.mark.parametrize(("columns", "half"), [(80, 8), (22, 7), (20, 6), (10, 1)])
def test_the_colors_of_a_shared_range_stand_below_with_their_figures(columns, half):
    mosaic = mosaic_of(np.zeros((1, 2, 3), int), ("",), ends=("0", "1", "22"))
    *_, line = lines_of(mosaic, columns)
    low, left, middle, right, high = line.split(" ")
    assert (low, middle, high) == ("0", "1", "22")
    steps = [round(LEVELS * n / (2 * half - 1) - n / (2 * half - 1)) for n in range(2 * half)]
    assert left + right == "".join(map(letter, steps))
    assert len(left) == len(right) == half
    assert len(line) <= columns


def test_figures_stand_alone_where_there_is_no_room_for_colors():
    ends, tiles = ("-1234", "0", "1234"), np.zeros((1, 2, 3), int)
    assert lines_of(mosaic_of(tiles, ("",), ends=ends), 16)[-1] == "-1234 . 0 @ 1234"
    assert lines_of(mosaic_of(tiles, ("",), ends=ends), 15)[-1] == "-1234 … 0 … 12…"
    named = mosaic_of(tiles, ("",), ends=ends, ticks=((0, 0, "a row"),))
    assert lines_of(named, 22)[-1] == "      -1234 . 0 @ 1234"
    for columns in (21, 16):  # the names leave no room
        assert lines_of(named, columns)[-1] == "-1234 … 0 … 1234"


def test_an_input_image_stands_above_its_row_or_above_all():
    tiles = np.zeros((2, 2, 3), int)
    white, black = (np.full((4, 5, 3), value, np.uint8) for value in (255, 0))
    each = lines_of(mosaic_of(tiles, ("", ""), ncols=1, inputs=(white, black)))
    assert each == ["input", "@@@@@", "@@@@@", "...", "input", ".....", ".....", "..."]
    one = lines_of(mosaic_of(tiles, ("", ""), ncols=1, inputs=(white,)))
    assert one == ["input", "@@@@@", "@@@@@", "...", "..."]


@pytest.mark.parametrize(
    ("rgb", "share"), [((255, 0, 0), 0.299), ((0, 255, 0), 0.587), ((0, 0, 255), 0.114)]
)
def test_colors_become_as_light_as_they_look(rgb, share):
    mosaic = mosaic_of(np.zeros((1, 2, 2), int), ("",))
    gray = AsciiCells(mosaic).picture(np.array([[rgb]], np.uint8))
    assert gray.tolist() == [[round(share * (LEVELS - 1))]]
    tiles = torch.tensor([[[rgb], [rgb]]]).byte()
    colored = tile(tiles, ("",), palette("viridis"), GridLayout(1, 1, 1))
    assert lines_of(colored) == [letter(int(gray[0, 0]))]


@pytest.mark.parametrize("height", range(1, 15))
def test_as_many_rows_fit_as_have_all_of_their_lines(height):
    tiles = np.zeros((3, 4, 3), int)
    mosaic = mosaic_of(tiles, ncols=1, ends=("0", "1", "2"))
    lines = mosaic_lines(mosaic, AsciiCells(mosaic), 80)
    fitting = lines.fitting(height)
    assert 1 <= fitting <= 3
    assert fitting == 1 or len(lines.first(fitting)) <= height
    assert fitting == 3 or len(lines.first(fitting + 1)) > height
    assert lines.first(3) == lines.all()
