"""What a look shows in JupyterLab and in Notebook, as the screen has it."""

from __future__ import annotations

import base64
import io
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
from helpers.tiles import as_shown, tiles_in
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from PIL import Image
from playwright.sync_api import expect

READABLE = 4.5  # the contrast the WCAG asks of letters

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
    with notebooks.open(name) as notebook:
        notebook.command("notebook:run-all-cells")
        notebook.command("docmanager:save")
        yield notebook


@pytest.fixture(scope="module")
def values():
    model, images = model_and_images()
    return layers_of(model, images[500])


def png_of(notebooks, notebook, cell, place):
    """A picture as it was saved, `(H, W, RGB)`, a CSS pixel each."""
    outputs = notebooks.read(notebook.name).cells[cell].outputs
    output = [output for output in outputs if output.output_type == "display_data"][place]
    with Image.open(io.BytesIO(base64.b64decode(output.data["image/png"]))) as picture:
        return np.asarray(as_shown(picture.convert("RGB"), output.metadata["image/png"]))


def assert_drawn(notebooks, notebook, density=1):
    """Each picture is on the screen, pixel by pixel: the same color all over a CSS pixel."""
    for cell, place in PICTURES:
        saved = png_of(notebooks, notebook, cell, place)
        drawn = notebook.drawn(notebook.pictures(cell).nth(place))
        assert drawn.shape == (saved.shape[0] * density, saved.shape[1] * density, 3)
        assert (drawn == saved.repeat(density, 0).repeat(density, 1)).all(), (cell, place)


def test_a_look_shows_a_caption_and_a_grid_of_the_true_values_for_each_layer(ran, values):
    captions, pictures = ran.captions(LOOK), ran.pictures(LOOK)
    expect(pictures).to_have_count(2)
    expect(captions).to_have_count(2)
    for place, (name, shape) in enumerate(LAYERS.items()):
        (caption,) = unwrapped(captions.nth(place).inner_text().rstrip()).splitlines()
        assert caption.split()[0] == name
        assert f"NCHW: {shape[0]} of {shape[0]} channels, sample 0" in caption
        tiles = tiles_in(ran.drawn(pictures.nth(place)), shape[1:])
        assert len(tiles) == shape[0]
        ranges = ranges_of(values[name])
        for tile, plane, ends in zip(tiles, values[name], ranges, strict=True):
            assert wrong_pixels(tile.colors, possible_colors(plane, ends, "gray")) == 0


def test_a_grid_is_crisp_on_a_screen_of_one_pixel_to_a_css_pixel(notebooks, ran):
    assert_drawn(notebooks, ran)


def test_a_grid_is_crisp_on_a_screen_of_two_pixels_to_a_css_pixel(notebooks, ran):
    with notebooks.open(ran.name, density=2) as dense:
        assert_drawn(notebooks, dense, density=2)


def test_captions_and_grids_are_readable_on_a_light_and_on_a_dark_theme(notebooks, ran):
    grounds = []
    try:
        for theme in ("JupyterLab Dark", "JupyterLab Light"):
            ran.change_theme(theme)
            for cell in (LOOK, MANY, WIDE):
                for caption in ran.captions(cell).all():
                    assert contrast(caption) >= READABLE
            assert contrast(ran.error(WRONG)) >= READABLE
            grounds.append(ground(ran.captions(LOOK).first).mean())
            assert_drawn(notebooks, ran)  # opaque, on a ground of its own
    finally:
        ran.change_theme("JupyterLab Light")
    assert grounds[0] < 40 < 220 < grounds[1]


def test_a_grid_has_the_size_it_was_drawn_in_where_there_is_room(notebooks, ran):
    for cell, place in PICTURES:
        height, width, _ = png_of(notebooks, ran, cell, place).shape
        box = ran.pictures(cell).nth(place).bounding_box()
        assert (box["width"], box["height"]) == (width, height)


def test_no_grid_is_wider_than_its_cell_nor_out_of_shape(notebooks, ran):
    with notebooks.open(ran.name, width=800) as narrow:
        for notebook, (cell, place) in product((ran, narrow), PICTURES):
            height, width, _ = png_of(notebooks, ran, cell, place).shape
            area, picture = notebook.outputs(cell), notebook.pictures(cell).nth(place)
            outer, inner = area.bounding_box(), picture.bounding_box()
            assert outer["x"] <= inner["x"]
            assert inner["x"] + inner["width"] <= outer["x"] + outer["width"]
            assert abs(inner["height"] - inner["width"] * height / width) < 1
            assert area.evaluate("area => area.scrollWidth <= area.clientWidth")


def test_a_grid_is_there_after_saving_and_reloading(notebooks, ran):
    ran.reload()

    assert all(ran.trusted())
    assert_drawn(notebooks, ran)


def test_a_grid_is_there_where_the_notebook_is_not_trusted(notebooks, ran):
    copy = notebooks.read(ran.name)
    copy.cells.append(new_markdown_cell("Not what was signed."))

    with notebooks.open(notebooks.write(copy)) as untrusted:
        assert not any(untrusted.trusted())
        assert_drawn(notebooks, untrusted)


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
