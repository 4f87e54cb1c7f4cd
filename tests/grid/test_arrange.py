"""How tiles are laid out: they fill the page, or a terminal's screen, as large as it allows."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from featmagic.grid.arrange import arrange, lay_out_tiles
from featmagic.grid.prepare import prepare
from featmagic.options.view import View
from featmagic.recording.inputs import PassInputs
from featmagic.recording.records import Activation
from featmagic.render.viewport import PAGE, SMALL_PAGE, GridLayout, terminal_viewport
from featmagic.support.errors import FeatmagicError


def laid_out(count, *size, viewport=PAGE, columns=None, **view):
    return lay_out_tiles(count, size, View(**view), viewport, columns)


def wide(layout, width):
    """How wide a tile is, in CSS pixels."""
    return ceil(width / layout.shrink) * layout.zoom / layout.density


def across(layout, width, viewport=PAGE):
    """How wide a row of tiles is with the least gaps between them, in CSS pixels."""
    return layout.ncols * (wide(layout, width) + viewport.gap) - viewport.gap


@pytest.mark.parametrize("count", [1, 2, 5, 8, 9, 40, 64, 65, 256, 1000])
@pytest.mark.parametrize("side", [1, 3, 7, 14, 28, 56, 112, 187, 224, 500])
@pytest.mark.parametrize("viewport", [terminal_viewport(80, 24), terminal_viewport(200)])
def test_on_a_screen_a_step_larger_or_one_tile_more_would_not_fit(count, side, viewport):
    layout = laid_out(count, side, side, viewport=viewport)
    small = ceil(side / layout.shrink)
    tallest = viewport.height or viewport.largest

    def taken(zoom, tiles=layout.ncols):
        return tiles * (small * zoom + viewport.gap) + viewport.gap

    assert taken(layout.zoom) <= viewport.width
    larger = layout.zoom + 1
    is_largest = (
        taken(larger) > viewport.width
        or small * larger > min(viewport.largest, tallest)
        or larger > 32
    )
    assert is_largest
    if layout.shrink > 1:  # less shrunk, the least number of tiles would not stand in a row
        less = ceil(side / (layout.shrink - 1))
        least = min(count, viewport.columns)
        too_wide = least * (less + viewport.gap) + viewport.gap > viewport.width
        assert too_wide or less > (viewport.height or viewport.width)
    assert small * layout.zoom >= min(viewport.smallest, small * 32) or layout.ncols < count or (
        is_largest
    )  # fmt: skip
    assert (layout.tall, layout.page, layout.density) == (1, 0, 1)


@pytest.mark.parametrize("side", range(7, 513))
def test_64_square_channels_are_8_by_8_on_one_screen_and_fill_the_page(side):
    layout = laid_out(64, side, side)
    assert (layout.ncols, layout.density, layout.page) == (8, 2, 2000)
    assert across(layout, side) <= 1000
    assert wide(layout, side) >= 0.7 * 120  # of the room that each has
    rows = 8 * (13 + wide(layout, side) + 5 + 7)  # with labels, bars and gaps
    assert rows <= 1170


@pytest.mark.parametrize(
    ("side", "shrink", "zoom"),
    [(7, 1, 34), (14, 1, 16), (28, 1, 8), (56, 1, 4), (112, 1, 2), (224, 1, 1), (128, 2, 3)],
)
def test_no_more_values_are_averaged_than_it_takes_to_fill_most_of_the_room(side, shrink, zoom):
    assert laid_out(64, side, side) == GridLayout(8, zoom, shrink, page=2000, density=2)


@given(
    count=st.integers(1, 300),
    size=st.tuples(st.integers(1, 600), st.integers(1, 600)),
    ncols=st.none() | st.integers(1, 64),
    density=st.sampled_from([1, 2]),
)
def test_a_grid_is_never_wider_than_the_page_and_its_gaps_are_never_narrower_than_the_least(
    count, size, ncols, density
):
    viewport = replace(PAGE, density=density)
    layout = laid_out(count, *size, viewport=viewport, ncols=ncols)
    assert across(layout, size[1]) <= 1000
    assert layout.ncols == min(ncols or layout.ncols, count)
    d = layout.density
    assert layout.page in (0, 1000 * d)
    if layout.page:
        assert layout.ncols > 1
        free = 1000 * d - layout.ncols * wide(layout, size[1]) * d
        gap = free / (layout.ncols - 1)
        assert 5 * d <= gap <= 0.75 * wide(layout, size[1]) * d


@pytest.mark.parametrize("side", [2, 3, 5, 12, 24, 60, 150, 300])
@pytest.mark.parametrize("count", [3, 4, 5, 7, 8])
def test_a_few_square_channels_fill_one_row(count, side):
    layout = laid_out(count, side, side)
    assert (layout.ncols, layout.page) == (count, 2000)


@pytest.mark.parametrize("side", [2, 12, 28, 200, 500])
def test_one_or_two_channels_are_a_third_of_the_page_wide(side):
    for count in (1, 2):
        layout = laid_out(count, side, side)
        assert 0.7 * 330 <= wide(layout, side) <= 330
        assert layout.page == 0


@pytest.mark.parametrize(
    ("count", "ncols"), [(3, 3), (8, 8), (9, 9), (10, 8), (64, 8), (65, 16), (256, 16), (257, 32)]
)
def test_there_are_about_as_many_rows_as_columns_and_eight_in_a_row_at_least(count, ncols):
    assert laid_out(count, 10, 10).ncols == ncols


def test_thousands_of_channels_keep_room_for_their_labels():
    layout = laid_out(2048, 7, 7)
    assert layout.ncols == 32
    assert layout.page == 2000  # a column is 31 CSS pixels wide, and four digits are 26
    assert laid_out(4096, 7, 7, ncols=16).density == 1  # or a browser would hold 400 MB


def test_whole_css_pixels_to_a_value_are_preferred_where_they_cost_little():
    assert laid_out(5, 24, 24).zoom == 16
    assert laid_out(64, 9, 9).zoom == 26  # of 240 pixels 234
    assert laid_out(64, 80, 80).zoom == 3  # two would leave a third empty
    for side in range(7, 120):
        layout = laid_out(64, side, side, viewport=SMALL_PAGE)
        assert layout.density == 1
        assert across(layout, side) <= 1000


def test_wide_planes_stand_in_fewer_columns_and_tall_ones_in_more():
    assert laid_out(16, 20, 64).ncols == 4
    assert laid_out(3, 20, 200).ncols == 1
    tall = laid_out(20, 200, 20)
    assert tall.ncols == 20
    assert 200 * tall.zoom / 2 <= 330
    for count in (1, 2, 9, 64, 100):
        for size in ((10, 300), (300, 10), (50, 100), (100, 50), (1, 300), (300, 1)):
            layout = laid_out(count, *size)
            assert across(layout, size[1]) <= 1000
            assert ceil(size[0] / layout.shrink) * layout.zoom <= 660


@pytest.mark.parametrize("count", [1, 9, 64])
def test_on_a_page_narrower_than_the_least_tile_tiles_stand_one_below_the_other(count):
    narrow = replace(PAGE, width=PAGE.smallest - 1)
    assert lay_out_tiles(count, (7, 7), View(), narrow).ncols == 1


def test_what_was_asked_for_is_kept():
    assert laid_out(10, 8, 8, ncols=3).ncols == 3
    assert laid_out(10, 8, 8, ncols=30).ncols == 10
    assert laid_out(10, 8, 8, zoom=3) == GridLayout(8, 6, 1, density=2)
    assert laid_out(4, 800, 800, zoom=1) == GridLayout(1, 2, 1, density=2)
    assert laid_out(10, 800, 800, zoom=1) == GridLayout(1, 1, 1)  # large: a pixel to a CSS pixel
    assert laid_out(2, 8, 8, zoom=50).zoom == 100
    assert laid_out(2, 800, 800, zoom=1, ncols=2) == GridLayout(2, 2, 1, density=2)  # wider
    many = laid_out(100, 24, 24, ncols=100)
    assert many.ncols == 100
    assert across(many, 24) <= 1000


def test_in_a_terminal_what_was_asked_for_gives_way_to_the_width():
    narrow = terminal_viewport(40)  # 39 cells
    assert laid_out(20, 8, 8, viewport=narrow, ncols=20).ncols == 4
    assert laid_out(20, 8, 8, viewport=narrow, ncols=3, zoom=9).zoom == 1
    assert laid_out(2, 8, 8, viewport=narrow, ncols=2, zoom=2).zoom == 2
    wide = laid_out(1, 100, 100, viewport=narrow, zoom=1)
    assert wide.shrink == 3
    assert ceil(100 / 3) * wide.zoom + 2 <= 39


def test_rows_that_mean_something_have_as_many_tiles_as_they_need():
    assert laid_out(12, 8, 8, columns=4, ncols=2).ncols == 4
    assert laid_out(12, 8, 8, columns=12).ncols == 12
    assert laid_out(40, 160, 160, columns=20) == GridLayout(20, 1, 2, page=2000, density=2)
    # A row may be wider than the page before its tiles become smaller than 80 values.
    assert laid_out(40, 160, 160, columns=60) == GridLayout(40, 2, 2, density=2)
    assert laid_out(60, 160, 160, columns=60) == GridLayout(60, 2, 2, density=2)
    assert laid_out(40, 79, 79, columns=20).shrink == 1


@pytest.mark.parametrize("height", [1, 2, 4, 8])
def test_flat_pictures_are_drawn_taller_for_a_line_of_text_beside_each_row(height):
    layout = laid_out(1, height, 400)
    row = layout.tall * layout.zoom / 2  # CSS pixels
    assert row >= 12 or layout.tall * height >= 10 * 12
    assert row <= 24
    assert laid_out(1, height, 400, zoom=1).tall == 1  # as was asked for
    assert laid_out(1, 60, 400).tall == 1


def test_a_line_of_values_has_a_row_of_its_own():
    assert laid_out(6, 1, 50).ncols == 1
    assert laid_out(6, 1, 7).ncols == 6  # not so much wider than tall
    assert laid_out(6, 1, 8).ncols == 1
    assert laid_out(6, 1, 50, ncols=2).ncols == 2


def test_a_picture_of_more_than_100_million_pixels_is_refused():
    assert laid_out(1, 1000, 1000, zoom=10) == GridLayout(1, 10, 1)
    with pytest.raises(FeatmagicError, match=r"10010 × 10010 pixels is too large \(at most 100 m"):
        laid_out(1, 1001, 1001, zoom=10)
    with pytest.raises(FeatmagicError, match="too large"):
        laid_out(101, 1000, 1000, zoom=1, ncols=1)


@pytest.mark.parametrize(
    ("zoom", "side"),
    [(10**11 - 1, "999999999990"), (10**11, 10**12), (10**11 + 1, "1000000000000…")],
)
def test_the_size_of_a_refused_picture_is_abbreviated_from_a_million_million_pixels(zoom, side):
    for huge, shown in ((zoom, side), (10**500, "1000000000000…")):
        with pytest.raises(FeatmagicError, match=f"^A picture of {shown} × {shown} pixels is too"):
            laid_out(1, 10, 10, zoom=huge)


def arranged(*shape, viewport=PAGE, image=None, **view):
    inputs = PassInputs(image)
    one = Activation("conv", "conv", "Conv2d", 1, torch.rand(*shape), inputs=inputs)
    return arrange(prepare(one, View(**view), viewport))


def test_a_single_heat_map_may_be_half_as_wide_as_the_page_or_if_it_is_wide_as_wide():
    assert arranged(1, 20, 100, layout="NCL").zoom == 2 * (1000 - 3 * 7) // 100 - 1  # sharp
    assert arranged(1, 100, 20, layout="NCL").zoom == 2 * (1000 - 3 * 7) // 2 // 100
    assert arranged(1, 100, 20, layout="NLC").zoom == 2 * (1000 - 3 * 7) // 2 // 100


def test_names_and_an_input_image_take_their_room_from_the_tiles():
    image = torch.rand(3, 3, 16, 16)
    beside = arranged(3, 8, 64, 64, image=image, input=True, sample="0,1,2")
    assert across(beside, 64) + wide(beside, 64) + 5 <= 1000 - 3 * 7
    lead = arranged(3, 8, 64, 64, image=image, input=True)
    assert (lead.lead, lead.ncols, lead.page) == (1, 9, 2000)
    assert (arranged(3, 64, 64, 64, image=image, input=True).ncols) == 9  # eight rows, as without
    named = arranged(3, 8, 16, 16, sample="0,1,2")
    assert (named.ncols, named.page) == (8, 2000)
    assert across(named, 16) <= 1000 - 3 * 7 < across(replace(named, zoom=named.zoom + 1), 16)


def test_tiles_on_the_input_are_larger_where_there_is_room():
    image = torch.rand(1, 3, 16, 16)
    plain, over = (
        arranged(1, 256, 16, 16, image=image, max=0, **view) for view in ({}, {"overlay": True})
    )
    assert wide(plain, 16) < 96 <= wide(over, 16)
    assert over.ncols < plain.ncols
