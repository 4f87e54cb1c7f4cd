"""A page's image, drawn again apart: what stands around the tiles, to the pixel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.tiles import page_image

from featmagic.render.image import page_metrics, page_raster, rows_within, token_cells
from featmagic.render.lettering import shaded, text_width
from featmagic.render.mosaic import PrefixStrip, tile
from featmagic.render.page_geometry import page_geometry
from featmagic.render.palette import (
    GAP,
    LEVELS,
    NAN,
    POSITIVE_INF,
    SHADES,
    TRACK,
    page_colors,
    palette,
)
from featmagic.render.viewport import GridLayout

D = 2  # pixels to a CSS pixel
COLUMN_GAP, ROW_GAP = 5 * D, 7 * D
LABEL, BAR_TOP, BAR = 13 * D, 2 * D, 3 * D
INK = SHADES[-1]


def mosaic_of(count=5, size=(4, 5), ncols=3, zoom=12, lead=0, **around):
    tiles = torch.randint(0, LEVELS, (count, *size)).byte()
    labels = tuple(map(str, range(count)))
    layout = GridLayout(ncols, zoom, 1, density=D, lead=lead)
    return replace(tile(tiles, labels, palette("gray"), layout), **around)


def geometry_of(mosaic):
    return page_geometry(mosaic, page_metrics(D))


def paper(height, width):
    return np.full((height, width), GAP, np.uint8)


def write(canvas, text, top, left):
    ink = shaded(text, D)
    place = canvas[top : top + ink.shape[0], left : left + ink.shape[1]]
    place[:] = np.maximum(place, ink[: place.shape[0], : place.shape[1]])


def put_tiles(canvas, mosaic, top, left, down, across):
    """Put the tiles on the canvas, the first at a place, the others so far apart."""
    zoom = mosaic.zoom
    for place in range(len(mosaic.labels)):
        row, column = divmod(place, mosaic.indices.shape[2])
        values = mosaic.indices[row, :, column].repeat(zoom, 0).repeat(zoom, 1)
        y, x = top + row * down, left + column * across
        canvas[y : y + values.shape[0], x : x + values.shape[1]] = values


def test_labels_stand_above_and_bars_on_a_faint_track_below_their_tile():
    bars = (0.0, 0.25, 0.5, 0.75, 1.0)
    mosaic = mosaic_of(bars=bars)
    tall, wide = 48, 60
    down, across = LABEL + tall + BAR_TOP + BAR + ROW_GAP, wide + COLUMN_GAP
    canvas = paper(2 * down, 3 * across - COLUMN_GAP)
    put_tiles(canvas, mosaic, LABEL, 0, down, across)
    for place, share in enumerate(bars):
        row, column = divmod(place, 3)
        top, left = row * down, column * across
        write(canvas, str(place), top, left)
        below = top + LABEL + tall + BAR_TOP
        canvas[below : below + BAR, left : left + wide] = TRACK
        canvas[below : below + BAR, left : left + round(share * wide)] = INK
    np.testing.assert_array_equal(page_image(mosaic), canvas)


def test_gaps_and_unused_places_are_transparent_and_tiles_are_not():
    mosaic = mosaic_of(4, bars=(0.5,) * 4)
    raster = page_raster(mosaic)
    alpha = raster.colors[raster.pixels()][..., 3]
    geometry = geometry_of(mosaic)
    for place in range(6):
        top, left = geometry.header_corner(place)
        box = alpha[top + LABEL : top + LABEL + 48, left : left + 60]
        assert (box == (255 if place < 4 else 0)).all()
    assert (alpha[:, 60 : 60 + COLUMN_GAP] == 0).all()
    assert (alpha[geometry.row_pitch :, geometry.columns[1] :] == 0).all()


def test_tiles_whose_columns_are_too_narrow_for_a_label_have_none():
    mosaic = mosaic_of(1, ncols=1, zoom=1)
    np.testing.assert_array_equal(page_image(mosaic)[:4, :5], mosaic.indices[0, :, 0])
    assert (page_image(mosaic)[4:] == GAP).all()
    assert page_image(mosaic).shape == (4 + ROW_GAP, 6)  # whole CSS pixels
    labeled = geometry_of(mosaic_of(zoom=4))  # 20 pixels, and the gap beside them
    assert labeled.has_labels
    assert labeled.columns[1] >= text_width("4", D)


@pytest.mark.parametrize("page", [0, 400])
def test_labels_wider_than_their_tiles_are_there_in_full_at_the_right_edge_too(page):
    mosaic = replace(mosaic_of(12, (3, 3), 6, 8), labels=("123",) * 12, page=page)
    geometry, drawn = geometry_of(mosaic), page_image(mosaic)
    if not page:
        mosaic = replace(mosaic, labels=("12",) * 12)
        geometry, drawn = geometry_of(mosaic), page_image(mosaic)
    label, wide = mosaic.labels[0], text_width(mosaic.labels[0], D)
    assert geometry.has_labels
    assert wide > 24
    for place in range(12):
        top, left = geometry.header_corner(place)
        found = drawn[top : top + 12 * D, min(left, geometry.width - wide) :][:, :wide]
        np.testing.assert_array_equal(found, shaded(label, D))


@pytest.mark.parametrize("zoom", [4, 12, 24, 50])
def test_ticks_stand_left_of_the_tiles_at_the_middle_of_their_row(zoom):
    ticks = ((0, 0, "ab"), (0, 3, "c"))
    mosaic = replace(mosaic_of(1, ncols=1, zoom=zoom, ticks=ticks), labels=("",))
    geometry, drawn = geometry_of(mosaic), page_image(mosaic)
    assert geometry.left == -(-(text_width("ab", D) + 4 * D) // D) * D  # a whole CSS pixel
    expected = paper(len(drawn), geometry.left)
    for _, line, text in ticks:
        top = max(0, line * zoom + zoom // 2 - 6 * D)
        write(expected, text, top, geometry.left - 4 * D - text_width(text, D))
    np.testing.assert_array_equal(drawn[:, : geometry.left], expected)


def test_names_of_rows_stand_at_the_top_of_their_tiles():
    ticks = ((0, 0, "s0"), (1, 0, "s1"))
    mosaic = mosaic_of(4, ncols=2, ticks=ticks)
    geometry, drawn = geometry_of(mosaic), page_image(mosaic)
    expected = paper(len(drawn), geometry.left)
    for row, _, text in ticks:
        left = geometry.left - 4 * D - text_width(text, D)
        write(expected, text, row * geometry.row_pitch + LABEL, left)
    np.testing.assert_array_equal(drawn[:, : geometry.left], expected)


def test_names_of_columns_stand_below_the_tile_and_what_runs_across_at_its_end():
    columns = ((0, "0"), (5, "5"), (10, "10"))
    mosaic = mosaic_of(1, (2, 12), 1, 20, columns=columns, axes=("unit", "step"))
    mosaic = replace(mosaic, labels=("",), ticks=((0, 0, "0"),))
    geometry, drawn = geometry_of(mosaic), page_image(mosaic)
    top = geometry.header + 40 + 2 * D
    line = paper(12 * D, drawn.shape[1])
    end = geometry.left + 240
    write(line, "step", 0, end - text_width("step", D))
    for column, text in columns[:2]:  # the last one would overlap
        left = geometry.left + column * 20 + (20 - text_width(text, D)) // 2
        write(line, text, 0, left)
    np.testing.assert_array_equal(drawn[top : top + 12 * D], line)
    head = paper(12 * D, drawn.shape[1])
    write(head, "unit", 0, 0)
    np.testing.assert_array_equal(drawn[: 12 * D], head)


def test_marks_stand_behind_a_label_or_alone_above_the_tile():
    nonfinite = ("×", "", "×↑", "", "")
    for labels in (True, False):
        mosaic = mosaic_of(nonfinite=nonfinite)
        mosaic = mosaic if labels else replace(mosaic, labels=("",) * 5)
        geometry, drawn = geometry_of(mosaic), page_image(mosaic)
        for place, letters in enumerate(nonfinite):
            top, left = geometry.header_corner(place)
            expected = paper(12 * D, 60)
            if labels:
                write(expected, str(place), 0, 0)
            for number, letter in enumerate(letters):
                behind = text_width("0", D) + 3 * D if labels else 0
                write(expected, letter, 0, behind + number * 9 * D)
            found = drawn[top : top + 12 * D, left : left + 60]
            np.testing.assert_array_equal(found, expected)


def test_non_finite_values_are_marked_where_they_have_room():
    mosaic = mosaic_of(2, ncols=2, zoom=12, nonfinite=("×", "↑"))
    mosaic.indices[0, 1, 0, 2], mosaic.indices[0, 0, 1, 0] = NAN, POSITIVE_INF
    geometry, drawn = geometry_of(mosaic), page_image(mosaic)
    top = geometry.tile_top(0)
    for line, column, value, kind in ((1, 0, 2, NAN), (0, 1, 0, POSITIVE_INF)):
        left = geometry.columns[column] + value * 12
        square = drawn[top + line * 12 :, left:][:12, :12]
        assert len(set(square.ravel().tolist())) == 2
        assert (square == kind).sum() > 12 * 12 / 2
    small = mosaic_of(1, ncols=1, zoom=D, nonfinite=("×",))  # a CSS pixel
    small.indices[0, 1, 0, 2] = NAN
    top = geometry_of(small).tile_top(0)
    assert (page_image(small)[top + D : top + 2 * D, 2 * D : 3 * D] == NAN).all()


@pytest.mark.parametrize("ends", [("-1", "0", "2"), ("-1.23e+10", "-0.000123", "1.23e+10")])
def test_the_color_bar_runs_over_all_levels_above_figures_that_never_overlap(ends):
    mosaic = mosaic_of(ends=ends, zoom=40)
    drawn, plain = page_image(mosaic), page_image(replace(mosaic, ends=()))
    top = len(plain)
    assert len(drawn) == top + 26 * D
    np.testing.assert_array_equal(drawn[:top], plain)
    widths = [text_width(text, D) for text in ends]
    width = max(180 * D, 2 * max(widths[0], widths[2]) + widths[1] + 16 * D)
    bar = paper(26 * D, drawn.shape[1])
    bar[2 * D : 8 * D, :width] = np.linspace(0, LEVELS - 1, width).round()
    lefts = [0, round((width - widths[1]) / 2), width - widths[2]]
    for text, left in zip(ends, lefts, strict=True):
        write(bar, text, 10 * D, left)
    np.testing.assert_array_equal(drawn[top:], bar)
    assert lefts[0] + widths[0] + 6 * D <= lefts[1]
    assert lefts[1] + widths[1] + 6 * D <= lefts[2]


@pytest.mark.parametrize("count", [3, 40, 400])
def test_prefix_tokens_are_cells_in_lines_that_are_equally_long(count):
    indices = np.random.default_rng(0).integers(0, LEVELS, (2, count)).astype(np.uint8)
    mosaic = mosaic_of(zoom=40, strip=PrefixStrip(("CLS", "R1"), indices))
    geometry = geometry_of(mosaic)
    cells = token_cells(mosaic.strip, geometry)
    lines, line = -(-count // geometry.cells_per_line), 10 * D
    assert cells.shape == (2 * geometry.token_pitch, geometry.cells_per_line * geometry.cell)
    for token in range(2):
        for n, level in enumerate(indices[token].tolist()):
            number, place = divmod(n, geometry.cells_per_line)
            y = token * geometry.token_pitch + number * line
            cell = cells[y : y + line - 1, place * geometry.cell : (place + 1) * geometry.cell]
            assert (cell == level).all()
            assert (cells[y + line - 1] == GAP).all()
    if spare := lines * geometry.cells_per_line - count:
        assert (cells[(lines - 1) * line : lines * line, -spare * geometry.cell :] == GAP).all()
    drawn, left = page_image(mosaic), geometry.tokens_left
    np.testing.assert_array_equal(drawn[: len(cells), left : left + cells.shape[1]], cells)
    for token, name in enumerate(("CLS", "R1")):
        top = max(0, token * geometry.token_pitch - D)
        ink = shaded(name, D)[D if token == 0 else 0 :]
        found = drawn[top : top + ink.shape[0], geometry.left : geometry.left + ink.shape[1]]
        np.testing.assert_array_equal(found, ink)


def test_input_images_stand_at_the_left_edge_beside_their_row_under_their_name():
    pictures = tuple(np.full((20, 24, 3), 40 * n, np.uint8) for n in (1, 2))
    mosaic = mosaic_of(4, ncols=2, inputs=pictures)
    drawn, geometry = page_image(mosaic), geometry_of(mosaic)
    assert drawn.shape[2] == 4
    colors = page_colors(mosaic.palette)
    left = -(-(max(24, text_width("input", D)) + 10 * D) // D) * D
    plain = colors[page_image(replace(mosaic, inputs=()))]
    np.testing.assert_array_equal(drawn[:, left : left + plain.shape[1]], plain)
    expected = np.zeros((*drawn.shape[:1], left, 4), np.uint8)
    for row, picture in enumerate(pictures):
        top = row * geometry.row_pitch
        words = paper(12 * D, left)
        write(words, "input", 0, 0)
        expected[top : top + 12 * D] = colors[words]
        expected[top + LABEL :][:20, :24, :3] = picture
        expected[top + LABEL :][:20, :24, 3] = 255
    np.testing.assert_array_equal(drawn[:, :left], expected)


def test_an_input_image_that_is_taller_than_all_tiles_stands_there_as_a_whole():
    picture = np.random.default_rng(0).integers(0, 256, (400, 24, 3)).astype(np.uint8)
    drawn = page_image(mosaic_of(4, ncols=2, inputs=(picture,)))
    assert len(drawn) == LABEL + 400 + 7 * D
    np.testing.assert_array_equal(drawn[LABEL : LABEL + 400, :24, :3], picture)
    assert (drawn[LABEL : LABEL + 400, :24, 3] == 255).all()


def test_an_input_image_may_stand_before_the_first_tile():
    picture = np.full((40, 50, 3), 90, np.uint8)
    mosaic = mosaic_of(5, ncols=3, lead=1, inputs=(picture,), bars=(1.0,) * 5)
    drawn, geometry = page_image(mosaic), geometry_of(mosaic)
    colors = page_colors(mosaic.palette)
    assert (drawn[LABEL : LABEL + 40, :50] == (90, 90, 90, 255)).all()
    assert (drawn[LABEL + 40 : geometry.row_pitch, :60] == 0).all()  # no bar: it is no channel
    for place in range(5):
        top, left = geometry.header_corner(place)
        row, column = divmod(place + 1, 3)
        values = mosaic.indices[row, :, column].repeat(12, 0).repeat(12, 1)
        np.testing.assert_array_equal(drawn[top + LABEL :, left:][:48, :60], colors[values])
        label = paper(12 * D, 60)
        write(label, str(place), 0, 0)
        np.testing.assert_array_equal(drawn[top:, left:][: 12 * D, :60], colors[label])
        assert (drawn[top + LABEL + 48 + BAR_TOP :, left:][:BAR, :60] == colors[INK]).all()


@pytest.mark.parametrize("colored", [False, True])
def test_a_picture_may_be_as_wide_as_a_page(colored):
    mosaic = mosaic_of()
    if colored:
        mosaic = replace(mosaic, inputs=(np.zeros((9, 9, 3), np.uint8),))
    wide, narrow = page_raster(mosaic, 300), page_raster(mosaic)
    assert wide.css_size == (narrow.css_size[0], 300)
    pixels = wide.pixels()
    np.testing.assert_array_equal(pixels[:, : narrow.width], narrow.pixels())
    assert (pixels[:, narrow.width :] == (0 if colored else GAP)).all()


@pytest.mark.parametrize("ends", [(), ("0", "1", "2")])
@pytest.mark.parametrize("height", [1, 60, 87, 88, 89, 176, 228, 229, 264, 500])
def test_as_many_rows_of_tiles_fit_as_the_height_has_room_for(height, ends):
    mosaic = mosaic_of(9, ends=ends)
    rows = rows_within(mosaic, height)
    heights = [len(page_image(mosaic_of(3 * n, ends=ends))) for n in (1, 2, 3)]
    fitting = [n for n, tall in enumerate(heights, 1) if tall <= height]
    assert rows == max(fitting, default=1)
