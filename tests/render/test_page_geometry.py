"""Where everything on a page stands: the same rules for every medium, with its own sizes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from featmagic.render.image import page_metrics
from featmagic.render.mosaic import PrefixStrip, tile
from featmagic.render.page_geometry import page_geometry
from featmagic.render.viewport import GridLayout

PAGE_METRICS = page_metrics(2)
# A medium whose texts are fractions of a pixel wide, as a figure's are.
PAPER = replace(
    PAGE_METRICS,
    edge=6,
    label=10,
    pixels=2,
    least_width=360,
    even_lines=False,
    fills=False,
    between_ends=None,
    text_width=lambda text: 4.5 * len(text),
    marked_width=lambda label, marks: 4.5 * (len(label) + 1 + len(marks)),
)
media = pytest.mark.parametrize("metrics", [PAGE_METRICS, PAPER], ids=["page", "paper"])


def mosaic_of(count=6, size=(8, 8), ncols=3, zoom=3, **around):
    tiles = torch.zeros(count, *size).byte()
    labels = tuple(map(str, range(count)))
    return replace(tile(tiles, labels, bytes(768), GridLayout(ncols, zoom, 1)), **around)


@media
@given(
    size=st.tuples(st.integers(1, 30), st.integers(1, 30)),
    count=st.integers(1, 20),
    ncols=st.integers(1, 5),
    zoom=st.integers(1, 5),
    has_bars=st.booleans(),
    letters=st.sampled_from(["", "×", "×↑↓"]),
)
def test_tiles_with_their_headers_and_bars_never_overlap(
    metrics, size, count, ncols, zoom, has_bars, letters
):
    mosaic = mosaic_of(count, size, min(ncols, count), zoom)
    mosaic = replace(
        mosaic,
        bars=(1.0,) * count if has_bars else (),
        nonfinite=(letters,) * count if letters else (),
    )

    geometry = page_geometry(mosaic, metrics)

    height, width = (side * zoom / metrics.pixels for side in size)
    corners = [geometry.header_corner(place) for place in range(count)]
    assert geometry.column_pitch >= width + metrics.gap
    below = metrics.bar * has_bars + metrics.row_gap
    assert geometry.row_pitch >= geometry.header + height + below
    assert len(set(corners)) == count
    for top, left in corners:
        assert left + width + metrics.edge <= geometry.width
        assert top + geometry.header + height <= geometry.tiles_bottom
    if geometry.has_labels:
        columns = max(1, min(ncols, count))
        room = geometry.columns[1] if columns > 1 and metrics.fills else width
        assert all(metrics.text_width(label) <= room for label in mosaic.labels)


@media
def test_labels_have_room_for_the_longest_or_there_are_none(metrics):
    fits = mosaic_of(11, (6, 6), 4, 6)  # two digits
    assert page_geometry(fits, metrics).has_labels
    assert not page_geometry(replace(fits, zoom=1), metrics).has_labels
    assert page_geometry(replace(fits, zoom=1), metrics).header == 0


@media
def test_marks_stand_behind_labels_or_in_a_line_of_their_own(metrics):
    wide = mosaic_of(2, (10, 60), 2, 2, nonfinite=("×", "×↑"))
    without = page_geometry(replace(wide, nonfinite=()), metrics)
    behind = page_geometry(wide, metrics)
    assert (behind.marks, behind.header) == (0, without.header)

    narrow = mosaic_of(2, (10, 13), 2, 2, nonfinite=("×", "×↑"))
    apart = page_geometry(narrow, metrics)
    assert apart.marks >= apart.mark + 1
    assert apart.header == without.header + apart.marks


@media
def test_input_images_stand_left_of_ticks_and_both_left_of_the_tiles(metrics):
    plain = page_geometry(mosaic_of(), metrics)
    ticks = ((0, 0, "s0"), (1, 0, "s10"))
    image = np.zeros((90, 40, 3), np.uint8)
    beside = page_geometry(mosaic_of(ticks=ticks, inputs=(image,)), metrics)
    assert beside.left >= plain.left + 40 / metrics.pixels + metrics.text_width("s10")
    assert beside.tiles_bottom >= beside.tile_top(0) + 90 / metrics.pixels
    assert beside.row_pitch == plain.row_pitch


@media
@pytest.mark.parametrize("count", [1, 5, 40, 300, 999])
def test_every_prefix_token_has_room_for_all_its_cells_above_the_tiles(metrics, count):
    strip = PrefixStrip(("CLS", "register 1"), np.zeros((2, count), np.uint8))
    plain = page_geometry(mosaic_of(), metrics)

    geometry = page_geometry(mosaic_of(strip=strip), metrics)

    lines = -(-count // geometry.cells_per_line)
    assert geometry.token_pitch >= lines * metrics.token_line
    assert geometry.top == plain.top + 2 * geometry.token_pitch + metrics.gap
    assert geometry.tokens_left >= geometry.left + metrics.text_width("register 1")
    right = geometry.tokens_left + geometry.cells_per_line * geometry.cell
    assert right <= geometry.width


@media
def test_a_color_bar_takes_room_only_where_a_range_is_shared(metrics):
    without = page_geometry(mosaic_of(), metrics)
    shared = page_geometry(mosaic_of(ends=("-1", "0", "1")), metrics)
    assert shared.height - without.height == metrics.color_bar
    assert shared.tiles_bottom == without.tiles_bottom


def test_a_page_is_as_wide_as_the_figures_of_its_color_bar():
    narrow = mosaic_of(1, (2, 2), 1, 1, ends=("-1.23e+10", "0", "1.23e+10"))
    geometry = page_geometry(narrow, PAGE_METRICS)
    figures = sum(map(PAGE_METRICS.text_width, narrow.ends))
    assert geometry.width > geometry.left + figures
    assert page_geometry(narrow, PAPER).width == PAPER.least_width


@given(
    count=st.integers(2, 40),
    ncols=st.integers(2, 12),
    wide=st.integers(1, 12),
    zoom=st.integers(1, 4),
    page=st.integers(50, 1000).map(lambda width: 2 * width),
    ticks=st.booleans(),
)
def test_a_row_fills_the_page_from_edge_to_edge_with_gaps_that_are_equal_to_a_pixel(
    count, ncols, wide, zoom, page, ticks
):
    ncols = min(ncols, count)
    mosaic = replace(mosaic_of(count, (3, wide), ncols, zoom), page=page)
    if ticks:
        mosaic = replace(mosaic, ticks=((0, 0, "s0"),))
    tile = wide * zoom

    geometry = page_geometry(mosaic, PAGE_METRICS)

    lefts = [geometry.left + column for column in geometry.columns]
    gaps = np.diff(lefts) - tile
    room = page - geometry.left
    if room >= ncols * tile + (ncols - 1) * PAGE_METRICS.gap:
        assert lefts[-1] + tile == page == geometry.width
        assert gaps.max() - gaps.min() <= (2 if tile % 2 == 0 else 1)  # a CSS pixel
        assert tile % 2 or not any(left % 2 for left in lefts)  # sharp on every screen
        assert gaps.min() >= PAGE_METRICS.gap
    else:
        assert set(gaps.tolist()) == {PAGE_METRICS.gap}
    named = PAGE_METRICS.text_width("s0") + 8
    assert geometry.left == (0 if not ticks else named + named % 2)


def test_the_input_image_may_stand_before_the_first_tile():
    plain = page_geometry(mosaic_of(7), PAGE_METRICS)
    image = np.zeros((24, 24, 3), np.uint8)
    layout = GridLayout(3, 3, 1, lead=1)
    mosaic = tile(torch.zeros(7, 8, 8).byte(), tuple("0123456"), bytes(768), layout)
    led = page_geometry(replace(mosaic, inputs=(image,)), PAGE_METRICS)
    assert led.header_corner(-1) == plain.header_corner(0)
    assert [led.header_corner(place) for place in range(7)] == [
        plain.header_corner(place) for place in range(1, 8)
    ]
    assert (led.left, led.width) == (plain.left, plain.width)


def test_room_for_a_title_is_left_above_everything():
    strip = PrefixStrip(("CLS",), np.zeros((1, 40), np.uint8))
    for mosaic in (mosaic_of(), mosaic_of(strip=strip)):
        plain = page_geometry(mosaic, PAGE_METRICS)
        headed = page_geometry(mosaic, replace(PAGE_METRICS, head=30))
        assert (headed.top, headed.height) == (plain.top + 30, plain.height + 30)
