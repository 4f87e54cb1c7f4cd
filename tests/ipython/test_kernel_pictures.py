"""Pictures and captions from a real kernel, as a notebook shows and stores them."""

from __future__ import annotations

import base64
import io
import itertools
import re

import nbformat
import numpy as np
import pytest
from helpers.expected import centered, layers_of, model_and_images, ranges_of, unwrapped
from helpers.kernels import Ran, executed
from helpers.tiles import assert_holds, picture_of, tiles_of
from helpers.tutorial import LOOK, NETWORK
from PIL import Image


@pytest.fixture(scope="module")
def layers():
    """The layers' outputs for image 500."""
    model, x = model_and_images()
    return layers_of(model, x[500])


def test_the_tutorials_session_gives_the_tutorials_outputs(layers):
    hook = "%hook model cnn1 act1 pool1"
    run = "y = model(x[500].unsqueeze(0))"
    loop = (
        "for layer_name, feature_map in feature_maps.items(): "
        'print(f"{layer_name}: {feature_map.shape}")'
    )
    shape = 'feature_maps["cnn1"].squeeze().cpu().numpy()'
    look = "%%featuremaps model cnn1 act1 pool1 --cmap gray --ncols 5\nmodel(x[500].unsqueeze(0))"
    shapes = (
        "cnn1: torch.Size([1, 5, 24, 24])\n"
        "act1: torch.Size([1, 5, 24, 24])\n"
        "pool1: torch.Size([1, 5, 12, 12])\n"
    )

    notebook, error = executed(
        NETWORK,
        "%load_ext featmagic",
        f"{hook}\n{run}\n{loop}",  # the session in one cell,
        "%unhook\ndel feature_maps",
        *(hook, run, loop, shape, "_.shape"),  # then a cell a line
        look,
    )

    assert error is None
    ran = [Ran(cell.outputs, "ok", cell.execution_count) for cell in notebook.cells]
    assert ran[2].text.endswith(shapes)
    assert ran[6].text == shapes
    assert ran[7].values[0].data["text/plain"].startswith("array([[[")
    assert ran[8].values[0].data["text/plain"] == "(5, 24, 24)"
    pictures = ran[9].pictures
    assert len(pictures) == 3
    for picture, name in zip(pictures, ("cnn1", "act1", "pool1"), strict=True):
        assert_holds(picture, layers[name], "gray", ranges_of(layers[name]))
    assert ran[9].values[0].data["text/plain"].startswith("tensor([[")
    nbformat.validate(notebook)


def test_the_kernel_shows_one_png_a_layer_each_under_its_caption(kernel):
    ran = kernel.good(LOOK.format("cnn1 act1 pool1"))

    assert [o.output_type for o in ran.outputs] == ["stream", "display_data"] * 3
    for name, stream, picture in zip(
        ("cnn1", "act1", "pool1"), ran.outputs[::2], ran.outputs[1::2], strict=True
    ):
        (caption,) = unwrapped(stream.text).splitlines()
        assert caption.split()[0] == name
        assert set(picture.data) == {"image/png", "text/plain"}
        assert picture.data["text/plain"].split(",")[0] == name


def test_pictures_are_palette_pngs_with_transparent_gaps_of_one_width_for_all_layers(kernel):
    ran = kernel.good(LOOK.format("cnn1 act1 pool1 flat act2"))

    assert len(ran.pictures) == 5
    for output in ran.pictures:
        image = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"])))
        assert (image.format, image.mode) == ("PNG", "P")
        assert min(image.info["transparency"]) == 0
        assert picture_of(output).width == 2000  # two pixels to a CSS pixel


def test_a_caption_says_what_the_layer_gave(kernel, layers):
    ran = kernel.good(LOOK.format("cnn1 pool1"))

    for line, name, kind, shape in zip(
        unwrapped(ran.text).splitlines(),
        ("cnn1", "pool1"),
        ("Conv2d", "MaxPool2d"),
        ("(1, 5, 24, 24)", "(1, 5, 12, 12)"),
        strict=True,
    ):
        assert line.startswith(
            f"{name}  {kind}  {shape} float32 cpu · NCHW, 5 of 5 channels, sample 0"
        )
        low, high, mean, std = (
            float(number)
            for number in re.search(r"· (\S+) [▁-█]{8} (\S+), mean (\S+), std (\S+)", line).groups()
        )
        values = layers[name]
        assert low == pytest.approx(values.min(), rel=5e-3)
        assert high == pytest.approx(values.max(), rel=5e-3)
        assert mean == pytest.approx(values.mean(), rel=5e-3, abs=1e-6)
        assert std == pytest.approx(values.std(), rel=5e-3)


@pytest.mark.parametrize("name", ["cnn1", "act1", "pool1"])
@pytest.mark.parametrize("ncols", ["", "--ncols 5", "--ncols 2"])
def test_every_tile_holds_its_own_channel_over_its_own_range(kernel, layers, name, ncols):
    ran = kernel.good(LOOK.format(f"{name} --cmap gray {ncols}"))

    assert_holds(ran.pictures[0], layers[name], "gray", ranges_of(layers[name]))


@pytest.mark.parametrize("name", ["cnn1", "act1", "pool1"])
def test_both_signs_are_drawn_in_red_and_blue_with_zero_in_the_middle(kernel, layers, name):
    planes = layers[name]
    assert planes.min() < 0 < planes.max()

    ran = kernel.good(LOOK.format(name))

    assert "RdBu_r centered on 0" in ran.text
    assert_holds(ran.pictures[0], planes, "RdBu_r", [centered(plane) for plane in planes])


def test_one_sign_is_drawn_in_viridis_and_a_vector_row_by_row(kernel, layers):
    values = layers["act2"]
    assert values.min() == 0

    ran = kernel.good(LOOK.format("act2"))

    assert "viridis" in ran.text
    plane = values.reshape(1, 4, 25)  # rows of a round length
    assert_holds(ran.pictures[0], plane, "viridis", ranges_of(plane))


@pytest.mark.parametrize("cmap", ["gray", "RdBu_r"])
def test_scale_layer_draws_all_channels_over_one_range(kernel, layers, cmap):
    planes = layers["cnn1"]

    ran = kernel.good(LOOK.format(f"cnn1 --cmap {cmap} --scale layer"))

    ends = centered(planes) if cmap == "RdBu_r" else (planes.min(), planes.max())
    assert_holds(ran.pictures[0], planes, cmap, [ends] * 5)


@pytest.mark.parametrize(
    ("asked", "channels"), [("3,1", [3, 1]), ("4,0:2", [4, 0, 1]), ("-1:1:-1", [4, 3, 2])]
)
def test_channels_are_drawn_in_the_order_that_was_asked_for(kernel, layers, asked, channels):
    planes = layers["cnn1"][channels]

    ran = kernel.good(LOOK.format(f"cnn1 --cmap gray --channels {asked}"))

    assert_holds(ran.pictures[0], planes, "gray", ranges_of(planes))
    assert f"{len(channels)} of 5 channels" in ran.text


def test_a_sample_of_the_batch_can_be_chosen(kernel):
    model, x = model_and_images()
    planes = layers_of(model, x[7])["cnn1"]

    ran = kernel.good("%%featuremaps model cnn1 --sample 2 --cmap gray\nmodel(x[5:9]);")

    assert_holds(ran.pictures[0], planes, "gray", ranges_of(planes))


def ink_above(ran, shape):
    """Return a mask of the ink in the label above each tile."""
    strips = [tile.strip[-26:] for tile in tiles_of(ran.pictures[0], shape)]
    return [strip[..., 3] > 0 for strip in strips]


def test_labels_are_indices_and_stand_in_the_strip_above_their_tile(kernel):
    everything = kernel.good(LOOK.format("cnn1 --zoom 3"))
    some = kernel.good(LOOK.format("cnn1 --zoom 3 --channels 3,1,3"))

    all_five = ink_above(everything, (24, 24))
    for first, second in itertools.combinations(all_five, 2):
        assert first.any()
        assert not np.array_equal(first, second)
    for found, channel in zip(ink_above(some, (24, 24)), (3, 1, 3), strict=True):
        np.testing.assert_array_equal(found, all_five[channel])


def test_labels_of_two_digits_are_two_digits(kernel):
    ran = kernel.good(
        "many = nn.Sequential(nn.Conv2d(1, 22, 5))\n"
        'from featmagic import capture\nwith capture(many, "0") as maps: many(x[:1])\n'
        "maps.show(zoom=2)"
    )

    ink = ink_above(ran, (24, 24))

    def written(first, second, wide):
        label = ink[first].copy()
        label[:, wide:] |= ink[second][:, :-wide]
        return label

    wide = [w for w in range(1, 30) if np.array_equal(ink[11], written(1, 1, w))]
    assert len(wide) == 1
    for number in range(10, 22):
        np.testing.assert_array_equal(ink[number], written(*divmod(number, 10), *wide))


def test_tiles_too_small_for_their_labels_have_none(kernel):
    ran = kernel.good(
        "small = nn.Sequential(nn.Conv2d(1, 12, 25))\n"
        'from featmagic import capture\nwith capture(small, "0") as maps: small(x[:1])\n'
        "maps.show(zoom=1)"
    )

    # Two rows of tiles, each with its bars and a gap, and nothing above: two pixels a CSS pixel.
    assert picture_of(ran.pictures[0]).height == 2 * 2 * (4 + 5 + 7)


def test_text_in_a_notebook_has_no_escape_sequences(kernel):
    ran = [
        kernel.run(cell)
        for cell in (
            "%hook model",
            "%hook model cnn1 nothing",
            "%hook model cnn1 flat",
            "%hook",
            "model(x[:1]);",
            LOOK.format(""),
            "%featuremaps model cnn1 -- model(x[:1]);",
            "%featuremaps cnn1 --cmap gray",
            "feature_maps",
            "feature_maps.show()",
            "%featuremaps model con1 -- model(x[:1]);",
            "%unhook",
        )
    ]

    assert [r.status for r in ran].count("error") == 2
    texts = [r.text for r in ran]
    texts += [o.data["text/plain"] for r in ran for o in r.pictures + r.values]
    texts += [line for r in ran for o in r.errors for line in o.traceback]
    assert len([text for text in texts if text]) > 20
    assert not [text for text in texts if "\x1b" in text]
