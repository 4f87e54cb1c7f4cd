"""What a look shows in JupyterLab and in Notebook, as the screen has it."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from helpers.expected import (
    layers_of,
    model_and_images,
    possible_colors,
    ranges_of,
    unwrapped,
    wrong_pixels,
)
from helpers.front_ends import contrast, ground
from helpers.tiles import on_ground, picture_of, tiles_in
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from playwright.sync_api import expect

READABLE = 4.5  # the contrast the WCAG asks of letters
ROOMY = 1700  # CSS pixels of a window in which a cell is wider than a grid

SETUP, LOOK, MANY, WIDE, WRONG, NEVER = range(6)
CELLS = [
    """\
from helpers.expected import model_and_images
import torch
from torch import nn

torch.manual_seed(1)
model, x = model_and_images()
many, wide = nn.Conv2d(1, 64, 5), nn.Conv1d(1, 32, 3)
%load_ext featmagic""",
    "%%featuremaps model cnn1 pool1 --cmap gray\nmodel(x[500].unsqueeze(0));",
    "%%featuremaps many .\nmany(torch.randn(1, 1, 116, 116));",
    "%%featuremaps wide .\nwide(torch.randn(1, 1, 5000));",
    "%%featuremaps model con1\nmodel(x[:1]);",
    "print('never')",
]
LAYERS = {"cnn1": (5, 24, 24), "pool1": (5, 12, 12)}
PICTURES = [(LOOK, 0), (LOOK, 1), (MANY, 0), (WIDE, 0)]  # a cell's, and which of its


@pytest.fixture(scope="module")
def ran(notebooks):
    """A notebook that was run as far as it goes, was saved, and is still open."""
    name = notebooks.write(new_notebook(cells=[new_code_cell(cell) for cell in CELLS]))
    with notebooks.open(name, width=ROOMY) as notebook:
        notebook.command("notebook:run-all-cells")
        notebook.command("docmanager:save")
        yield notebook


@pytest.fixture(scope="module")
def dense(notebooks, ran):
    """The notebook on a screen of two pixels to a CSS pixel."""
    with notebooks.open(ran.name, density=2, width=ROOMY) as notebook:
        yield notebook


@pytest.fixture(scope="module")
def values():
    model, images = model_and_images()
    return layers_of(model, images[500])


def png_of(notebooks, notebook, cell, place):
    """A picture as it was saved, of two pixels to a CSS pixel."""
    outputs = notebooks.read(notebook.name).cells[cell].outputs
    output = [output for output in outputs if output.output_type == "display_data"][place]
    return picture_of(output)


def expected(notebooks, notebook, cell, place):
    """A picture as it was saved, `(H, W, RGB)`, on the ground that it has in the page."""
    below = tuple(ground(notebook.outputs(cell)).round().astype(int).tolist())
    return on_ground(png_of(notebooks, notebook, cell, place), below)


def assert_drawn(notebooks, notebook):
    """Each picture is on a dense screen, pixel by pixel."""
    for cell, place in PICTURES:
        exact = expected(notebooks, notebook, cell, place)
        drawn = notebook.drawn(notebook.pictures(cell).nth(place), exact)
        # What is partly transparent may be rounded either way.
        assert np.abs(drawn.astype(int) - exact).max() <= 1, (cell, place)


def assert_halved(notebooks, notebook):
    """Each picture is on a screen of one pixel to a CSS pixel, where each is the mean of four."""
    for cell, place in PICTURES:
        fours = expected(notebooks, notebook, cell, place).astype(int)
        height, width = (side // 2 for side in fours.shape[:2])
        fours = (
            fours.reshape(height, 2, width, 2, 3)
            .transpose(0, 2, 4, 1, 3)
            .reshape(height, width, 3, 4)
        )
        mean = fours.mean(-1)
        drawn = notebook.drawn(notebook.pictures(cell).nth(place), mean.round().astype(np.uint8))
        away = np.abs(drawn - mean)
        assert away.mean() < 0.5, (cell, place)
        # A tile whose values are whole CSS pixels has their very colors.
        uniform = (fours == fours[..., :1]).all((2, 3))
        assert (away[inner(uniform)] <= 1).all(), (cell, place)


def inner(mask):
    """What is True with all that is around it, of which filters take a part."""
    padded = np.pad(mask, 1)
    shifted = [
        np.roll(padded, (down, across), (0, 1)) for down, across in product((-1, 0, 1), repeat=2)
    ]
    return np.all(shifted, 0)[1:-1, 1:-1]


def test_a_look_shows_a_caption_and_a_grid_of_the_true_values_for_each_layer(
    notebooks, ran, values
):
    captions, pictures = ran.captions(LOOK), ran.pictures(LOOK)
    expect(pictures).to_have_count(2)
    expect(captions).to_have_count(2)
    for place, (name, shape) in enumerate(LAYERS.items()):
        (caption,) = unwrapped(captions.nth(place).inner_text().rstrip()).splitlines()
        assert caption.split()[0] == name
        assert f"NCHW, {shape[0]} of {shape[0]} channels, sample 0" in caption
        tiles = tiles_in(np.asarray(png_of(notebooks, ran, LOOK, place)), shape[1:])
        assert len(tiles) == shape[0]
        ranges = ranges_of(values[name])
        for tile, plane, ends in zip(tiles, values[name], ranges, strict=True):
            assert wrong_pixels(tile.colors, possible_colors(plane, ends, "gray")) == 0


def test_a_grid_is_as_saved_on_a_screen_of_two_pixels_to_a_css_pixel(dense, notebooks):
    assert_drawn(notebooks, dense)


def test_a_grid_is_smooth_on_a_screen_of_one_pixel_to_a_css_pixel(notebooks, ran):
    assert_halved(notebooks, ran)


def test_captions_and_grids_are_readable_on_a_light_and_on_a_dark_theme(notebooks, ran, dense):
    grounds = []
    try:
        for theme in ("JupyterLab Dark", "JupyterLab Light"):
            ran.change_theme(theme)
            dense.change_theme(theme)
            for cell in (LOOK, MANY, WIDE):
                for caption in ran.captions(cell).all():
                    assert contrast(caption) >= READABLE
            assert contrast(ran.error(WRONG)) >= READABLE
            grounds.append(ground(ran.captions(LOOK).first).mean())
            assert_drawn(notebooks, dense)  # the ground is seen between its tiles
            assert_legible(notebooks, dense)
    finally:
        ran.change_theme("JupyterLab Light")
        dense.change_theme("JupyterLab Light")
    assert grounds[0] < 40 < 220 < grounds[1]


def assert_legible(notebooks, notebook):
    """Every letter, bar and figure of each picture stands out from the ground of its page."""
    for cell, place in PICTURES:
        picture = png_of(notebooks, notebook, cell, place)
        indices = np.asarray(picture.convert("RGBA"))
        below = ground(notebook.outputs(cell))
        gray = (indices[..., :3] == 121).all(-1) & (indices[..., 3] == 255)
        assert gray.any()
        lights = sorted(luminance(color) for color in (np.array([121.0] * 3), below))
        assert (lights[1] + 0.05) / (lights[0] + 0.05) >= 4.3


def luminance(color):
    """The relative luminance of WCAG 2.x."""
    parts = color / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])


def test_a_grid_has_the_size_it_was_drawn_in_where_there_is_room(notebooks, ran):
    for cell, place in PICTURES:
        width, height = (side // 2 for side in png_of(notebooks, ran, cell, place).size)
        assert width == 1000  # so that the layers of a look line up
        box = ran.pictures(cell).nth(place).bounding_box()
        assert (box["width"], box["height"]) == (width, height)


def test_no_grid_is_wider_than_its_cell_nor_out_of_shape(notebooks, ran):
    with notebooks.open(ran.name, width=800) as narrow:
        for notebook, (cell, place) in product((ran, narrow), PICTURES):
            width, height = png_of(notebooks, ran, cell, place).size
            area, picture = notebook.outputs(cell), notebook.pictures(cell).nth(place)
            outer, inner = area.bounding_box(), picture.bounding_box()
            assert outer["x"] <= inner["x"]
            assert inner["x"] + inner["width"] <= outer["x"] + outer["width"]
            assert abs(inner["height"] - inner["width"] * height / width) < 1
            assert area.evaluate("area => area.scrollWidth <= area.clientWidth")


def test_a_grid_is_there_after_saving_and_reloading(notebooks, ran):
    ran.reload()

    assert all(ran.trusted())
    assert_halved(notebooks, ran)


def test_a_grid_is_there_where_the_notebook_is_not_trusted(notebooks, ran):
    copy = notebooks.read(ran.name)
    copy.cells.append(new_markdown_cell("Not what was signed."))

    with notebooks.open(notebooks.write(copy), width=ROOMY) as untrusted:
        assert not any(untrusted.trusted())
        assert_halved(notebooks, untrusted)


def test_a_look_that_fails_says_why_in_one_line_in_red_and_stops_the_run(notebooks, ran):
    message = "DNN has no layer 'con1'. Did you mean cnn1? %hook model lists all 7."
    error = ran.error(WRONG)
    red, green, blue = ground(error)

    assert error.inner_text().strip() == f"FeatmagicError: {message}"
    assert red > max(green, blue) + 20
    saved = notebooks.read(ran.name)
    assert [output.output_type for output in saved.cells[WRONG].outputs] == ["error"]
    assert saved.cells[WRONG].outputs[0].evalue == message
    assert (saved.cells[NEVER].execution_count, saved.cells[NEVER].outputs) == (None, [])
