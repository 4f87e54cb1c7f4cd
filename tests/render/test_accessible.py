"""Nothing is told by color alone, and the colors hold for color-blind readers and in gray."""

from __future__ import annotations

import io
import re
from dataclasses import replace
from math import inf, nan

import matplotlib
import numpy as np
import pyte
import pytest
import torch
from helpers.color_vision import (
    GRAPHICS,
    JUST_NOTICED,
    TEXT,
    TWO_COLORS,
    VISIONS,
    contrast,
    distance,
    lab,
    luminance,
)
from helpers.tiles import on_ground
from PIL import Image

from featmagic.grid.draw import draw
from featmagic.options.colormaps import DIVERGING, SEQUENTIAL
from featmagic.options.view import View
from featmagic.overview.filmstrip import filmstrip
from featmagic.overview.image import PITCH, columns_of, filmstrip_png, head_height
from featmagic.overview.text import filmstrip_lines
from featmagic.recording.inputs import PassInputs
from featmagic.recording.layout_hints import LayoutHint
from featmagic.recording.records import Activation
from featmagic.render.figure import mosaic_figure
from featmagic.render.half_blocks import HalfBlockCells
from featmagic.render.image import mosaic_png
from featmagic.render.lettering import text_width
from featmagic.render.palette import (
    CONSTANT,
    GAP,
    INK,
    LEVELS,
    MARK,
    NAN,
    NEGATIVE_INF,
    POSITIVE_INF,
    SHADES,
    palette,
)
from featmagic.render.text import mosaic_lines
from featmagic.render.viewport import SMALL_PAGE, terminal_viewport

STRANGE = {"NaN": nan, "inf": inf, "-inf": -inf}
BAR, COLOR_BAR, GAP_WIDE, ROW_GAP = 5, 26, 5, 7  # pixels


def activation(tensor, **others):
    return Activation("conv", "conv", "Conv2d", 1, tensor, **others)


def spoilt(height=6, width=7):
    """Four channels: one of numbers, and one each with a NaN, inf and -inf at row 1, column 2."""
    tensor = torch.rand(1, 4, height, width)
    for channel, value in enumerate(STRANGE.values(), 1):
        tensor[0, channel, 1, 2] = value
    return tensor


def decoded(data, ground="white"):
    """A PNG on a page of that color, as RGB, 0 to 1."""
    return on_ground(Image.open(io.BytesIO(data)), ground) / 255


def picture(tensor, ground="white", **view):
    return decoded(mosaic_png(draw(activation(tensor), View(**view), SMALL_PAGE).mosaic), ground)


def tiles_of(pixels, tensor, zoom):
    """The pixels of each tile `(C, h * zoom, w * zoom, 3)` of one row, measured from its end."""
    count, height, width = tensor.shape[1:]
    bottom = len(pixels) - ROW_GAP - BAR
    rows = pixels[bottom - height * zoom : bottom]
    lefts = [n * (width * zoom + GAP_WIDE) for n in range(count)]
    return np.stack([rows[:, left : left + width * zoom] for left in lefts])


def blocks_of(tile, zoom):
    """The pixels of each value, `(h, w, zoom, zoom, ...)`."""
    height, width = tile.shape[0] // zoom, tile.shape[1] // zoom
    return tile.reshape(height, zoom, width, zoom, *tile.shape[2:]).swapaxes(1, 2)


def shape_in(block):
    """Which pixels of a block are its dark ones, in gray; the two grays stand apart."""
    grays = np.unique(luminance(block))
    assert len(grays) == 2
    assert (grays[1] + 0.05) / (grays[0] + 0.05) >= GRAPHICS
    return luminance(block) < grays.mean()


# What is no number, in pictures


@pytest.mark.parametrize("zoom", [2, 3, 4, 5, 8, 13])
def test_in_gray_what_is_no_number_has_a_shape_and_no_value_has_one(zoom):
    tensor = spoilt()
    tiles = tiles_of(picture(tensor, zoom=zoom), tensor, zoom)
    shapes = [shape_in(blocks_of(tile, zoom)[1, 2]) for tile in tiles[1:]]
    cross, up, down = shapes
    assert np.array_equal(cross, cross.T)
    assert np.array_equal(up, down[::-1])
    assert np.array_equal(up, up[:, ::-1])
    assert not np.array_equal(up, down)
    assert not any(np.array_equal(cross, other) for other in (up, down))
    if zoom > 2:  # both strokes of the cross have room; a triangle is wider below
        assert np.array_equal(cross, cross[::-1])
        wide = up.sum(1)[up.any(1)]
        assert (np.diff(wide) > 0).all()
        assert len(wide) > 1
    grounds = luminance(np.stack([blocks_of(tile, zoom) for tile in tiles]))
    uniform = (grounds == grounds[..., :1, :1]).all((-1, -2))
    assert np.array_equal(uniform, np.isfinite(tensor[0].numpy()))


@pytest.mark.parametrize(("height", "width"), [(24, 24), (9, 3), (12, 1), (40, 150)])
@pytest.mark.parametrize("scale", ["channel", "layer"])
def test_at_one_pixel_a_value_a_mark_above_the_tile_says_what_is_in_it(height, width, scale):
    tensor = torch.rand(1, 4, height, width)
    for channel, value in enumerate(STRANGE.values(), 1):
        tensor[0, channel, height // 2, width // 2] = value
    finite = tensor.nan_to_num(0.5, 0.5, 0.5)
    below = ROW_GAP + (BAR if scale == "channel" else COLOR_BAR) + height
    strange, plain = (
        above(picture(values, zoom=1, ncols=4, scale=scale), values, below)
        for values in (tensor, finite)
    )
    if len(strange[0]) > len(plain[0]):  # labels leave no room beside them
        marks = [top[: len(top) - len(plain[0])] != 1 for top in strange]
    else:
        marks = [one != other for one, other in zip(strange, plain, strict=True)]
    assert not marks[0].any()
    shapes = [filled(mark) for mark in marks[1:]]
    assert all(len(one) >= 2 for one in shapes)
    assert len({(one.shape, one.tobytes()) for one in shapes}) == 3
    cross, up, down = shapes
    if width < 9:  # shapes, where letters have no room
        assert np.array_equal(cross, cross[::-1])
        assert np.array_equal(up, down[::-1])


def above(pixels, tensor, below):
    """In gray, what stands above each tile of one row, up to the next tile's left edge."""
    wide = tensor.shape[3] + GAP_WIDE
    top = luminance(pixels[: len(pixels) - below])
    return [top[:, n * wide :][:, :wide] for n in range(tensor.shape[1])]


def filled(mask):
    """The mask without what is empty around it."""
    down, across = (np.flatnonzero(mask.any(axis)) for axis in (1, 0))
    return mask[down[0] : down[-1] + 1, across[0] : across[-1] + 1]


def test_a_tile_with_all_three_has_their_marks_side_by_side_and_others_none():
    tensor = torch.rand(1, 3, 30, 30)
    tensor[0, 1, 3, 4:7] = torch.tensor([nan, inf, -inf])
    one_each = draw(activation(tensor), View()).mosaic
    assert one_each.nonfinite == ("", "×↑↓", "")
    assert draw(activation(tensor[:, ::2]), View()).mosaic.nonfinite == ()


def test_an_average_with_what_is_no_number_in_it_has_the_shape_too():
    tensor = torch.rand(1, 4, 1600, 1600)
    tensor[0, 1, 700, 701], tensor[0, 2, 0, 0] = nan, inf
    tensor[0, 3, 5, 5:7] = torch.tensor([inf, -inf])  # neither
    drawing = draw(activation(tensor), View())
    assert "values averaged" in drawing.caption
    assert drawing.mosaic.nonfinite == ("", "×", "↑", "×")


def test_prefix_tokens_that_are_no_number_have_a_shape_and_their_line_says_so():
    tokens = torch.rand(1, 13, 5)
    tokens[0, 0, 4], tokens[0, 0, 1] = nan, -inf
    given = PassInputs(torch.rand(1, 3, 24, 32), grids=((3, 4),))
    one = activation(tokens, inputs=given, hint=LayoutHint(own=True))
    made = draw(one, View(layout="NLC"), SMALL_PAGE)
    assert made.mosaic.strip.names == ("CLS ×↓",)
    line = decoded(mosaic_png(made.mosaic))[:9]
    name = text_width("CLS ×↓", 1) + 4
    cells = line[:, name : name + 5 * 12].reshape(9, 5, 12, 3).swapaxes(0, 1)
    dark = [luminance(cell) == 0 for cell in cells]
    assert [bool(cell.any()) for cell in dark] == [False, True, False, False, True]
    assert np.array_equal(dark[4], dark[4][::-1])
    assert not np.array_equal(dark[1], dark[1][::-1])


@pytest.mark.parametrize("alpha", [0.4, 1.0])
def test_on_the_input_what_is_no_number_keeps_its_shape(alpha):
    image = torch.full((1, 3, 48, 48), 0.5)
    tensor = spoilt(6, 6)
    one = activation(tensor, inputs=PassInputs(image, grids=()))
    mosaic = draw(one, View(overlay=True, alpha=alpha)).mosaic
    zoom = mosaic.tile_size[0] // 6  # pixels to a value, of which there are 6
    shapes = [blocks_of(mosaic.indices[0, :, n] / 255, zoom)[1, 2] for n in (1, 2, 3)]
    cross, up, down = (luminance(block) < luminance(block).max() for block in shapes)
    assert all(len(np.unique(luminance(block))) == 2 for block in shapes)
    assert np.array_equal(cross, cross[::-1])
    assert np.array_equal(up, down[::-1])
    assert mosaic.nonfinite == ("", "×", "↑", "↓")


def test_principal_components_of_what_is_no_number_have_its_shape():
    tensor = torch.rand(1, 8, 6, 7)
    tensor[0, 3, 1, 2], tensor[0, 5, 4, 4] = nan, inf
    mosaic = draw(activation(tensor), View(reduce="pca", zoom=5), SMALL_PAGE).mosaic
    pixels = decoded(mosaic_png(mosaic))[-ROW_GAP - 30 : -ROW_GAP, :35]
    blocks = blocks_of(pixels, 5)
    shapes = [shape_in(blocks[place]) for place in ((1, 2), (4, 4))]
    assert all(np.array_equal(one, one[::-1]) and one.any() for one in shapes)
    uniform = (blocks == blocks[:, :, :1, :1]).all((2, 3, 4))
    assert np.array_equal(uniform, tensor[0].isfinite().all(0).numpy())
    assert mosaic.nonfinite == ("×",)
    finite = draw(activation(tensor.nan_to_num(0, 0)), View(reduce="pca", zoom=5)).mosaic
    assert finite.nonfinite == ()


# A dead channel


@pytest.mark.parametrize("scale", ["channel", "layer"])
@pytest.mark.parametrize("cmap", ["viridis", "RdBu_r", "gray"])
@pytest.mark.parametrize("ground", ["white", "#111111"])
def test_in_gray_a_dead_tile_is_framed_and_hatched_whatever_its_value(scale, cmap, ground):
    tensor = torch.rand(1, 31, 9, 9)
    for channel, value in enumerate(np.linspace(0, 1, 30), 1):
        tensor[0, channel] = value
    tensor[0, 0, 0, :2] = torch.tensor([0.0, 1.0])
    pixels = picture(tensor, ground, zoom=1, ncols=31, scale=scale, cmap=cmap)
    below = ROW_GAP + (BAR if scale == "channel" else COLOR_BAR)
    down, across = np.indices((9, 9))
    edge = (down % 8 == 0) | (across % 8 == 0)
    lines, beside = ((down + across) % 3 == 0) & ~edge, ((down + across) % 3 == 1) & ~edge
    for channel in range(1, 31):
        left = channel * (9 + GAP_WIDE)
        tile = pixels[len(pixels) - below - 9 : len(pixels) - below, left : left + 9]
        gray = luminance(tile)
        assert len(np.unique(gray[edge | lines])) == 1
        assert (contrast(tile[lines][0], tile[beside]) >= GRAPHICS).all()
        assert (contrast(tile[0, 0], pixels[-1, -1]) >= GRAPHICS).all()


# Figures, terminals, films


def test_a_figure_has_the_shapes_and_says_in_letters_which_tile_holds_what():
    tensor = spoilt()
    drawing = draw(activation(tensor), View(zoom=6))
    (axes,) = (made := mosaic_figure(drawing.mosaic, drawing.caption)).axes
    texts = [text.get_text().strip() for text in axes.texts]
    assert texts == ["0", "1 ×", "2 ↑", "3 ↓"]
    (image,) = (one.get_array() for one in axes.images if one.get_gid() == "tiles")
    file = io.BytesIO()
    made.savefig(file, format="svg")
    assert "1 ×" in file.getvalue().decode()
    for channel in (1, 2, 3):
        left = channel * 2 * (7 * 6 + 4)
        tile = np.asarray(image)[20 : 20 + 72, left : left + 84, :3] / 255
        assert shape_in(blocks_of(tile, 12)[1, 2]).any()


def test_a_figure_whose_tiles_are_too_narrow_for_both_has_a_line_for_marks():
    tensor = spoilt(8, 8)
    made = mosaic_figure(draw(activation(tensor), View(zoom=1)).mosaic, "")
    found = {text.get_text() for text in made.axes[0].texts}
    assert {"×", "↑", "↓", "0"} <= found


def test_a_dead_tile_of_a_figure_is_seen_on_white_paper():
    dead = torch.randn(1, 2, 9, 9)
    dead[0, 1] = 1
    drawing = draw(activation(dead), View(zoom=1, ncols=2))
    (axes,) = mosaic_figure(drawing.mosaic, drawing.caption).axes
    (image,) = (np.asarray(one.get_array()) for one in axes.images if one.get_gid() == "tiles")
    opaque = image[..., 3] == 255
    hatch = image[opaque][:, :3][-1] / 255
    assert contrast(hatch, np.ones(3)) >= GRAPHICS


@pytest.mark.parametrize("ground", [(255, 255, 255), (17, 17, 17)], ids=["light", "dark"])
def test_every_word_of_a_film_is_read_on_its_ground(ground):
    one = film()
    left = columns_of(one).tiles
    with Image.open(io.BytesIO(filmstrip_png(one))) as picture:
        rgba = np.asarray(picture.convert("RGBA"))[2 * head_height(one) :, 20 : 2 * (left - 2)]
    assert (rgba[..., 3] == 0).mean() > 0.5  # the page is seen between the letters
    opaque = rgba[rgba[..., 3] == 255][:, :3]
    assert len(opaque) > 100
    for color in np.unique(opaque, axis=0):
        assert contrast(color / 255, np.array(ground) / 255) >= 4.3


def screen_of(text, columns=100):
    screen = pyte.Screen(columns, text.count("\n") + 2)
    pyte.Stream(screen).feed(text.replace("\n", "\r\n"))
    return screen


def half_blocks(mosaic, colors):
    return "\n".join(mosaic_lines(mosaic, HalfBlockCells(mosaic, colors), 1000).all())


def rgb_of(color):
    return np.array([int(color[n : n + 2], 16) for n in (0, 2, 4)]) / 255


@pytest.mark.parametrize("colors", [2**24, 256])
def test_a_terminals_cell_has_a_letter_for_what_is_no_number(colors):
    tensor = spoilt(4, 4)
    tensor[0, 1, 0, 2] = nan  # both halves of a cell
    mosaic = draw(activation(tensor), View(zoom=1, scale="layer"), terminal_viewport(80)).mosaic
    screen = screen_of(half_blocks(mosaic, colors))
    assert screen.display[0].rstrip() == "0    1 ×  2 ↑  3 ↓"
    cells = [[screen.buffer[line][n * 5 + 2] for line in (1, 2)] for n in range(4)]
    assert [upper.data for upper, _ in cells] == ["▀", "×", "↑", "↓"]
    assert {lower.data for _, lower in cells} == {"▀"}
    for upper, _ in cells[1:]:
        assert contrast(rgb_of(upper.fg), rgb_of(upper.bg)) >= TEXT
    ground = rgb_of(cells[1][0].bg) * 255
    assert np.abs(ground - (255, 0, 255)).max() == 0  # NaN's own color under NaN twice
    table = np.frombuffer(mosaic.palette, np.uint8).reshape(256, 3)
    value = table[mosaic.indices[0, 0, 2, 2]]  # the number above inf
    assert np.abs(rgb_of(cells[2][0].bg) * 255 - value).max() <= (0 if colors > 256 else 60)


def test_in_the_last_row_of_an_odd_tile_a_letter_stands_alone():
    tensor = torch.rand(1, 1, 3, 4)
    tensor[0, 0, 2, 1] = nan
    mosaic = draw(activation(tensor), View(zoom=1), terminal_viewport(80)).mosaic
    lines = re.sub(r"\x1b\[[\d;]*m", "", half_blocks(mosaic, 2**24)).split("\n")
    assert lines[-3:-1] == ["▀▀▀▀", "▀×▀▀"]  # and the colors below


def film(viewport=None):
    wanted = [activation(tensor) for tensor in (spoilt(7, 7), spoilt(20, 20).nan_to_num(0, 0, 0))]
    wanted = [replace(one, key=f"layer{n}") for n, one in enumerate(wanted)]
    return filmstrip(wanted, View(), viewport) if viewport else filmstrip(wanted, View())


def test_in_gray_a_film_frames_the_tiles_with_nan_and_its_alarms_are_read():
    one = film()
    left = columns_of(one).tiles
    with Image.open(io.BytesIO(filmstrip_png(one))) as picture:
        pixels = np.asarray(picture)
    above = 2 * head_height(one)
    rows = pixels[above:].reshape(2, 2 * PITCH, -1)
    for number, row in enumerate(rows):
        for place in range(4):
            start = 2 * (left - 1 + 30 * place)
            box = row[:, start : start + 60]
            edge = np.concatenate([box[0], box[-1], box[:, 0], box[:, -1]])
            framed = number == 0 and place > 0
            assert (edge == (SHADES[-1] if framed else GAP)).all()
            if framed:
                assert (blocks_of(box[2:-2, 2:-2], 8)[1, 2] == MARK).any()
    assert set(np.unique(rows[0, :56, :8])) == {NAN, MARK}
    assert set(np.unique(rows[1, :56, :8])) == {GAP}
    for place in (rows[0][:, 2 * (left + 240) :], pixels[:above]):  # what is wrong, in words
        box, shape = place == NAN, place == MARK
        assert 0.1 < shape.sum() / box.sum() < 1
        assert (place == SHADES[-1]).sum() > box.sum()  # and letters behind the mark
    mark, loud = (palette_color(index) for index in (MARK, NAN))
    for vision in VISIONS:
        assert contrast(mark, loud, vision) >= TEXT


def test_without_its_colors_a_film_in_a_terminal_says_the_same():
    text = re.sub(
        r"\x1b\[[\d;]*m",
        "",
        filmstrip_lines(film(terminal_viewport(80)), HalfBlockCells, 2**24, 99),
    )
    first, second = text.split("layer1  ")
    for sign in ("first NaN: layer0 (1 of 2", "first inf: layer0", "1 NaN, 2 inf", "×", "↑", "↓"):
        assert sign in first
    second, repeated = second.split("first NaN")
    assert not re.search("[×↑↓]|NaN|inf", second)
    assert repeated.count("layer0 (1 of 2 layers have it)") == 2  # and of the infinities


# The colors themselves


def palette_color(index):
    return np.frombuffer(palette("viridis"), np.uint8).reshape(256, 3)[index] / 255


def map_of(name):
    return matplotlib.colormaps[name](np.arange(256))[:, :3]


def test_the_conversion_to_lab_gives_the_known_coordinates_of_red_and_white():
    assert np.allclose(lab([[1, 0, 0], [1, 1, 1]]), [[53.24, 80.09, 67.20], [100, 0, 0]], atol=0.03)


@pytest.mark.parametrize("vision", VISIONS)
def test_viridis_becomes_lighter_at_every_step_and_evenly(vision):
    light = lab(map_of(SEQUENTIAL), vision)[:, 0]
    assert (np.diff(light) > 0).all()
    assert light[-1] - light[0] > 70
    # PyVista's definition of an even map: lightness is linear, R² > 0.99.
    assert np.corrcoef(light, np.arange(256))[0, 1] ** 2 > 0.99
    if vision == "normal":
        straight = np.linspace(light[0], light[-1], 256)
        assert np.abs(light - straight).max() < JUST_NOTICED


def test_the_levels_of_a_picture_are_as_even_but_for_the_rounding_to_bytes():
    light = lab(np.frombuffer(palette(SEQUENTIAL), np.uint8).reshape(256, 3)[:LEVELS] / 255)[:, 0]
    assert (light[2:] > light[:-2]).all()
    assert np.abs(light - np.linspace(light[0], light[-1], LEVELS)).max() < JUST_NOTICED


@pytest.mark.parametrize("vision", VISIONS)
def test_rdbu_is_lightest_in_the_middle_and_its_arms_are_told_apart(vision):
    colors = map_of(DIVERGING)
    light = lab(colors, vision)[:, 0]
    assert (np.diff(light[:128]) > 0).all()
    assert (np.diff(light[128:]) < 0).all()
    if vision == "normal":
        assert np.abs(light - light[::-1]).max() < TWO_COLORS
    beyond = np.abs(np.linspace(-1, 1, 256)) > 0.1
    assert (distance(colors, colors[::-1], vision)[beyond] > TWO_COLORS).all()


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("index", [NAN, POSITIVE_INF, NEGATIVE_INF])
def test_what_is_no_number_has_a_color_that_no_value_has_and_a_shape_that_stands_out(index, vision):
    ground = palette_color(index)
    for name in (SEQUENTIAL, DIVERGING):
        assert (distance(map_of(name), ground, vision) > TWO_COLORS).all()
    assert contrast(palette_color(MARK), ground, vision) >= GRAPHICS
    assert contrast(palette_color(INK), palette_color(GAP), vision) >= TEXT
    assert contrast(palette_color(CONSTANT), palette_color(GAP), vision) >= GRAPHICS
