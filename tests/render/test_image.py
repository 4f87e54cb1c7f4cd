"""A page's image, drawn again apart: what stands around the tiles, to the pixel."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from featmagic.render.font import DIGIT, LETTER, LINE, glyphs
from featmagic.render.image import page_image, rows_within, token_cells
from featmagic.render.mosaic import PrefixStrip, tile
from featmagic.render.non_finite_marks import mark
from featmagic.render.page_geometry import page_geometry
from featmagic.render.palette import GAP, INK, LEVELS, NAN, POSITIVE_INF, palette
from featmagic.render.viewport import GridLayout

EDGE, LABEL, BAR = 2, 9, 3  # pixels: around everything and between tiles; above; below a tile


def mosaic_of(count=5, size=(4, 5), ncols=3, zoom=6, **around):
    tiles = torch.randint(0, LEVELS, (count, *size)).byte()
    labels = tuple(map(str, range(count)))
    return replace(tile(tiles, labels, palette("gray"), GridLayout(ncols, zoom, 1)), **around)


def paper(height, width):
    return np.full((height, width), GAP, np.uint8)


def write(canvas, text, top, left, rows=slice(None)):
    ink = glyphs(text)[rows]
    canvas[top : top + ink.shape[0], left : left + ink.shape[1]][ink] = INK


def put_tiles(canvas, mosaic, top, left, down, across):
    """Put the tiles on the canvas, the first at a place, the others so far apart."""
    zoom = mosaic.zoom
    for place in range(len(mosaic.labels)):
        row, column = divmod(place, mosaic.indices.shape[2])
        values = mosaic.indices[row, :, column].repeat(zoom, 0).repeat(zoom, 1)
        y, x = top + row * down, left + column * across
        canvas[y : y + values.shape[0], x : x + values.shape[1]] = values


def test_labels_stand_a_pixel_below_the_edge_and_bars_a_pixel_below_their_tile():
    bars = (0.0, 0.25, 0.5, 0.75, 1.0)
    mosaic = mosaic_of(bars=bars)
    tall, wide = 24, 30
    down, across = LABEL + tall + BAR + EDGE, wide + EDGE
    canvas = paper(EDGE + 2 * down, EDGE + 3 * across)
    put_tiles(canvas, mosaic, EDGE + LABEL, EDGE, down, across)
    for place, share in enumerate(bars):
        row, column = divmod(place, 3)
        top, left = EDGE + row * down, EDGE + column * across
        write(canvas, str(place), top + 1, left, DIGIT)
        below = top + LABEL + tall + 1
        canvas[below : below + 2, left : left + round(share * wide)] = INK
    np.testing.assert_array_equal(page_image(mosaic), canvas)


def test_tiles_too_narrow_for_a_label_have_none():
    mosaic = mosaic_of(zoom=1)
    canvas = paper(EDGE + 2 * (4 + EDGE), EDGE + 3 * (5 + EDGE))
    put_tiles(canvas, mosaic, EDGE, EDGE, 4 + EDGE, 5 + EDGE)
    np.testing.assert_array_equal(page_image(mosaic), canvas)


@pytest.mark.parametrize("zoom", [4, 6, 8, 20])
def test_ticks_stand_left_of_the_tiles_in_the_middle_of_their_row(zoom):
    ticks = ((0, 0, "ab"), (0, 3, "c"), (1, 1, "d"))
    mosaic = replace(mosaic_of(2, ncols=1, zoom=zoom, ticks=ticks), labels=("", ""))
    left = EDGE + 2 * LETTER + 3
    tall, wide = 4 * zoom, 5 * zoom
    canvas = paper(EDGE + 2 * (tall + EDGE), left + wide + EDGE)
    put_tiles(canvas, mosaic, EDGE, left, tall + EDGE, 0)
    drawn, geometry = page_image(mosaic), page_geometry(mosaic, _metrics())
    left_of_tiles = drawn[:, : geometry.left]
    assert geometry.left == left + _margin() - 3
    for row, line, text in ticks:
        top = EDGE + row * (tall + EDGE) + line * zoom
        ink = glyphs(text)[DIGIT]
        place = top + max(0, min(zoom, LINE) - 7) // 2
        right = geometry.left - 3
        found = left_of_tiles[place : place + ink.shape[0], right - LETTER * len(text) : right]
        np.testing.assert_array_equal(found == INK, ink[: len(found)])
    assert (left_of_tiles == INK).sum() == sum(glyphs(text)[DIGIT].sum() for *_, text in ticks)


def _metrics():
    from featmagic.render.image import PAGE_METRICS

    return PAGE_METRICS


def _margin():
    geometry = page_geometry(mosaic_of(1, ticks=((0, 0, "ab"),)), _metrics())
    return geometry.left - EDGE - 2 * LETTER


def test_marks_stand_behind_a_label_or_alone_above_the_tile():
    nonfinite = ("×", "", "×↑", "", "")
    kinds = {"×": NAN, "↑": POSITIVE_INF}
    for zoom, labels in ((6, True), (6, False)):
        mosaic = mosaic_of(nonfinite=nonfinite, zoom=zoom)
        mosaic = mosaic if labels else replace(mosaic, labels=("",) * 5)
        geometry, drawn = page_geometry(mosaic, _metrics()), page_image(mosaic)
        plain = page_image(replace(mosaic, nonfinite=("",) * 5))
        assert plain.shape == drawn.shape or not labels
        side = geometry.mark
        for place, letters in enumerate(nonfinite):
            top, left = geometry.header_corner(place)
            bottom = top + geometry.header - 1
            left += LETTER * labels + 2 * labels
            for number, letter in enumerate(letters):
                x = left + number * side
                found = drawn[bottom - side : bottom, x : x + side] == INK
                np.testing.assert_array_equal(found, mark(kinds[letter], side))


def test_the_color_bar_runs_over_all_levels_above_its_figures():
    mosaic = mosaic_of(ends=("-1", "0", "2"), zoom=16)
    drawn, plain = page_image(mosaic), page_image(replace(mosaic, ends=()))
    top, left = len(plain), EDGE
    assert len(drawn) == top + LINE + 12
    np.testing.assert_array_equal(drawn[:top], plain)
    bar = paper(LINE + 12, drawn.shape[1])
    bar[2:9, left : left + 180] = np.linspace(0, 247, 180).round()
    for text, place in (("-1", 0), ("0", (180 - LETTER) / 2), ("2", 180 - LETTER)):
        write(bar, text, 11, left + round(place))
    np.testing.assert_array_equal(drawn[top:], bar)
    narrow = mosaic_of(1, ncols=1, ends=("-1", "0", "2"), zoom=16)
    (row,) = page_image(narrow)[-LINE - 12 :][4:5]
    assert np.flatnonzero(row != GAP).max() + 1 == len(row) - EDGE


@pytest.mark.parametrize("count", [3, 40, 400])
def test_prefix_tokens_are_cells_in_lines_that_are_equally_long(count):
    indices = np.random.default_rng(0).integers(0, LEVELS, (2, count)).astype(np.uint8)
    mosaic = mosaic_of(zoom=20, strip=PrefixStrip(("CLS", "R1"), indices))
    geometry = page_geometry(mosaic, _metrics())
    cells = token_cells(mosaic.strip, geometry)
    lines = -(-count // geometry.cells_per_line)
    assert cells.shape == (2 * geometry.token_pitch, geometry.cells_per_line * geometry.cell)
    for token in range(2):
        for n, level in enumerate(indices[token].tolist()):
            line, place = divmod(n, geometry.cells_per_line)
            y = token * geometry.token_pitch + line * 9
            cell = cells[y : y + 8, place * geometry.cell : (place + 1) * geometry.cell]
            assert (cell == level).all()
            assert (cells[y + 8] == GAP).all()
    if spare := lines * geometry.cells_per_line - count:
        assert (cells[(lines - 1) * 9 : lines * 9, -spare * geometry.cell :] == GAP).all()
    drawn = page_image(mosaic)
    left = geometry.tokens_left
    np.testing.assert_array_equal(
        drawn[EDGE : EDGE + len(cells), left : left + cells.shape[1]], cells
    )
    for token, name in enumerate(("CLS", "R1")):
        top = EDGE + token * geometry.token_pitch + 1
        ink = glyphs(name)[DIGIT]
        found = drawn[top : top + ink.shape[0], geometry.left : geometry.left + ink.shape[1]]
        np.testing.assert_array_equal(found == INK, ink)


def test_input_images_stand_at_the_left_edge_beside_their_row():
    pictures = tuple(np.full((10, 12, 3), 40 * n, np.uint8) for n in (1, 2))
    mosaic = mosaic_of(4, ncols=2, inputs=pictures)
    drawn = page_image(mosaic)
    assert drawn.ndim == 3
    plain = page_image(replace(mosaic, inputs=()))
    left = EDGE + 12 + EDGE
    np.testing.assert_array_equal(drawn[:, left:], mosaic.colors[plain[:, EDGE:]])
    tall = LABEL + 24 + EDGE
    for row, picture in enumerate(pictures):
        top = EDGE + LABEL + row * tall
        np.testing.assert_array_equal(drawn[top : top + 10, EDGE : EDGE + 12], picture)
    rest = drawn[:, :left].copy()
    for row in range(2):
        rest[EDGE + LABEL + row * tall :][:10, EDGE : EDGE + 12] = mosaic.colors[GAP]
    assert (rest == mosaic.colors[GAP]).all()
    one = page_image(replace(mosaic, inputs=pictures[:1] * 1))
    assert len(one) == len(drawn)
    tall_image = np.zeros((200, 12, 3), np.uint8)
    assert len(page_image(replace(mosaic, inputs=(tall_image,)))) == EDGE + LABEL + 200 + EDGE


@pytest.mark.parametrize("ends", [(), ("0", "1", "2")])
@pytest.mark.parametrize("height", [1, 60, 73, 74, 75, 100, 108, 109, 110, 500])
def test_as_many_rows_of_tiles_fit_as_the_height_has_room_for(height, ends):
    mosaic = mosaic_of(9, ends=ends)
    rows = rows_within(mosaic, height)
    heights = [len(page_image(mosaic_of(3 * n, ends=ends))) for n in (1, 2, 3)]
    fitting = [n for n, tall in enumerate(heights, 1) if tall <= height]
    assert rows == max(fitting, default=1)
