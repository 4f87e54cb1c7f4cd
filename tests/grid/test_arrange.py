"""How tiles are laid out: as many in a row, as large and as little shrunk as the room allows."""

from __future__ import annotations

from dataclasses import replace
from math import ceil

import pytest
import torch

from featmagic.grid.arrange import arrange, lay_out_tiles
from featmagic.grid.prepare import prepare
from featmagic.options.view import View
from featmagic.recording.inputs import PassInputs
from featmagic.recording.records import Activation
from featmagic.render.viewport import PAGE, GridLayout, terminal_viewport
from featmagic.support.errors import FeatmagicError


def laid_out(count, *size, viewport=PAGE, columns=None, **view):
    return lay_out_tiles(count, size, View(**view), viewport, columns)


def across(layout, width, viewport=PAGE):
    """How wide a row of tiles is, with the gaps around it."""
    tile = ceil(width / layout.shrink) * layout.zoom
    return layout.ncols * (tile + viewport.gap) + viewport.gap


@pytest.mark.parametrize("count", [1, 2, 5, 8, 9, 40, 64, 65, 256, 1000])
@pytest.mark.parametrize("side", [1, 3, 7, 14, 28, 56, 112, 187, 224, 500])
@pytest.mark.parametrize("viewport", [PAGE, terminal_viewport(80, 24), terminal_viewport(200)])
def test_a_step_larger_or_one_tile_more_would_not_fit(count, side, viewport):
    layout = laid_out(count, side, side, viewport=viewport)
    small = ceil(side / layout.shrink)
    assert across(layout, side, viewport) <= viewport.width
    larger = replace(layout, zoom=layout.zoom + 1)
    tallest = viewport.height or viewport.largest
    assert (
        across(larger, side, viewport) > viewport.width
        or small * larger.zoom > min(viewport.largest, tallest)
        or larger.zoom > 32
    )
    if layout.shrink > 1:  # less shrunk, the least number of tiles would not stand in a row
        least = min(count, viewport.columns)
        less = replace(layout, shrink=layout.shrink - 1, ncols=least, zoom=1)
        too_wide = across(less, side, viewport) > viewport.width
        assert too_wide or ceil(side / less.shrink) > (viewport.height or viewport.width)
    assert small * layout.zoom >= min(viewport.smallest, small * 32) or layout.ncols < count or (
        across(larger, side, viewport) > viewport.width
        or small * larger.zoom > min(viewport.largest, tallest)
    )  # fmt: skip
    assert layout.tall == 1


@pytest.mark.parametrize(
    ("count", "ncols"), [(3, 3), (8, 8), (9, 8), (64, 8), (65, 16), (256, 16), (257, 32)]
)
def test_there_are_about_as_many_rows_as_columns_and_eight_in_a_row_at_least(count, ncols):
    assert laid_out(count, 10, 10).ncols == ncols


def test_what_was_asked_for_is_kept_where_nothing_has_to_fit():
    assert laid_out(10, 8, 8, ncols=3) == GridLayout(3, 24, 1)
    assert laid_out(10, 8, 8, ncols=30).ncols == 10
    assert laid_out(100, 8, 8, ncols=100) == GridLayout(100, 1, 1)
    assert laid_out(10, 8, 8, zoom=3).zoom == 3
    assert laid_out(10, 800, 800, zoom=1) == GridLayout(1, 1, 1)
    assert laid_out(2, 8, 8, zoom=50).zoom == 50


def test_in_a_terminal_what_was_asked_for_gives_way_to_the_width():
    narrow = terminal_viewport(40)  # 39 cells
    assert laid_out(20, 8, 8, viewport=narrow, ncols=20).ncols == 4
    assert laid_out(20, 8, 8, viewport=narrow, ncols=3, zoom=9).zoom == 1
    assert laid_out(2, 8, 8, viewport=narrow, ncols=2, zoom=2).zoom == 2
    wide = laid_out(1, 100, 100, viewport=narrow, zoom=1)
    assert wide.shrink == 3
    assert across(wide, 100, narrow) <= 39


def test_rows_that_mean_something_have_as_many_tiles_as_they_need():
    assert laid_out(12, 8, 8, columns=4, ncols=2).ncols == 4
    assert laid_out(12, 8, 8, columns=12).ncols == 12
    # A row may be wider than the page before its tiles become smaller than 80 pixels.
    long = laid_out(40, 160, 160, columns=20)
    assert long == GridLayout(20, 1, 2)
    assert laid_out(40, 79, 79, columns=20).shrink == 1


@pytest.mark.parametrize(("height", "tall"), [(1, 12), (2, 12), (4, 12), (8, 8)])
def test_flat_pictures_are_drawn_taller_for_a_line_of_text_beside_each_row(height, tall):
    layout = laid_out(1, height, 400, viewport=replace(PAGE, largest=756))
    assert layout.zoom == 1
    expected = 24 if height < 48 else 12
    assert layout.tall == min(expected, 120 // height)
    assert layout.tall >= tall
    assert laid_out(1, height, 400, zoom=1).tall == 1  # as was asked for
    assert laid_out(1, 60, 400, viewport=replace(PAGE, largest=756)).tall == 1


def test_a_line_of_values_has_a_row_of_its_own():
    assert laid_out(6, 1, 50).ncols == 1
    assert laid_out(6, 1, 7).ncols == 6  # not so much wider than tall
    assert laid_out(6, 1, 8).ncols == 1
    assert laid_out(6, 2, 50).ncols > 1
    assert laid_out(6, 1, 50, ncols=2).ncols == 2


def test_a_picture_of_more_than_100_million_pixels_is_refused():
    assert laid_out(1, 1000, 1000, zoom=10).zoom == 10
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


def test_a_single_tile_may_be_half_as_wide_as_the_page_and_a_wide_heat_map_as_wide():
    assert arranged(1, 1, 10, 10).zoom == 32
    assert arranged(1, 1, 100, 100).zoom == 380 // 100
    assert arranged(1, 2, 100, 100).zoom == 192 // 100
    assert arranged(1, 20, 100, layout="NCL").zoom == (760 - 4 - 3 * 7) // 100
    assert arranged(1, 100, 20, layout="NCL").zoom == 380 // 100
    assert arranged(1, 100, 20, layout="NLC").zoom == 380 // 100


def test_names_and_an_input_image_take_their_room_from_the_tiles():
    image = torch.rand(3, 3, 16, 16)
    plain = arranged(3, 8, 64, 64, zoom=None)
    beside = arranged(3, 8, 64, 64, image=image, input=True)
    assert across(plain, 64) <= 760
    assert across(beside, 64) <= 760 - 160 - 2
    named = arranged(3, 8, 16, 16, sample="0,1,2")
    assert named.ncols == 8
    assert across(named, 16) <= 760 - 3 * 7 < across(replace(named, zoom=named.zoom + 1), 16)


def test_tiles_on_the_input_are_larger_where_there_is_room():
    image = torch.rand(1, 3, 16, 16)
    plain, over = (arranged(1, 64, 16, 16, image=image, **view) for view in ({}, {"overlay": True}))
    assert 16 * plain.zoom < 96 <= 16 * over.zoom
    assert over.ncols < plain.ncols
