"""Layers with one picture each, side by side: pixels and words against values computed apart."""

from __future__ import annotations

import base64
import io
from contextlib import closing
from types import SimpleNamespace

import IPython
import numpy as np
import pytest
import torch
from helpers.color_vision import contrast
from helpers.gallery_truth import gallery
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib import colormaps
from PIL import Image

from featmagic.grid.draw import Drawing, draw_all, draw_together
from featmagic.grid.show import pictures, show
from featmagic.grid.strip import StripDrawing
from featmagic.options.view import View
from featmagic.recording.inputs import PassInputs
from featmagic.recording.records import Activation, Request
from featmagic.render.palette import LEGIBLE, LEVELS
from featmagic.render.strip import columns_of, fair_side, name_lines
from featmagic.render.target import RENDERERS, Target
from featmagic.render.viewport import PAGE, SMALL_PAGE, terminal_viewport

MEAN = View(reduce="mean")


@pytest.fixture
def displayed(monkeypatch):
    """What a notebook's shell displays, as it comes: the data of each bundle."""
    bundles = []
    publisher = SimpleNamespace(publish=lambda data, metadata: bundles.append(data))
    shell = SimpleNamespace(kernel=None, display_pub=publisher, user_ns={})
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    return bundles


def layer(name, *shape, **given):
    tensor = torch.rand(1, *shape, generator=torch.Generator().manual_seed(sum(shape)))
    return Activation(name, name, given.pop("kind", "Conv2d"), 1, tensor, **given)


def drawn(layers, view=MEAN, viewport=PAGE):
    return list(draw_together(layers, view, viewport))


def strip_of(layers, view=MEAN, viewport=PAGE):
    (drawing,) = drawn(layers, view, viewport)
    assert isinstance(drawing, StripDrawing)
    return drawing


def rgba(drawing):
    """The strip as a page shows it."""
    raster = drawing.picture
    pixels = raster.pixels()
    return pixels if pixels.ndim == 3 else raster.colors[pixels]


def colors_of(values, side):
    """Values in their own range as viridis has them, each a square, `side` pixels altogether."""
    low, high = values.min(), values.max()
    levels = np.minimum(((values - low) / (high - low) * LEVELS).astype(int), LEVELS - 1)
    colors = colormaps["viridis"](np.linspace(0, 1, LEVELS), bytes=True)[levels, :3]
    return colors.repeat(side // len(values), 0).repeat(side // len(values), 1)


@pytest.mark.parametrize("viewport", [PAGE, SMALL_PAGE], ids=["ratio 2", "ratio 1"])
def test_each_picture_holds_the_mean_of_its_layers_channels(viewport):
    d = viewport.density
    layers = [layer(f"conv{n}", 6, side, side) for n, side in enumerate((8, 16, 4))]
    pixels, side = rgba(strip_of(layers, viewport=viewport)), 240 * d
    for number, each in enumerate(layers):
        expected = colors_of(each.tensor[0].numpy().astype(np.float64).mean(0), side)
        left = number * (240 + 8) * d
        found = pixels[:side, left : left + side, :3]
        # The product and torch may round to the next level.
        assert np.abs(found.astype(int) - expected).max() <= 6
        assert (pixels[:side, left : left + side, 3] == 255).all()
    assert not pixels[:side, side : side + 8 * d, 3].any()  # gaps are transparent


@given(
    count=st.integers(1, 80),
    width=st.integers(200, 1000),
    columns=st.none() | st.integers(1, 40),
)
def test_rows_of_a_strip_fit_the_page_and_are_about_equally_long(count, width, columns):
    ncols, room = columns_of(count, width, 116, 240, columns)
    assert 1 <= ncols <= count
    assert ncols * room + (ncols - 1) * 8 <= width
    assert room <= 240
    if columns is None:
        assert room >= min(116, width)
        rows = -(-count // ncols)
        assert ncols * rows - count < rows or ncols * rows - count < ncols
        assert rows == -(-count // ((width + 8) // (116 + 8) or 1))
    else:
        assert ncols <= columns


@given(longest=st.lists(st.integers(1, 232), min_size=1, max_size=12), d=st.sampled_from([1, 2]))
def test_pictures_have_a_side_that_most_layers_divide_evenly(longest, d):
    side = fair_side(longest, 118 * d, d)
    assert side % d == 0
    assert 0.87 * 118 * d <= side <= 118 * d
    evenly = sum(side % values == 0 for values in longest)
    least = 118 * d - 118 * d // 8
    for other in range(118 * d - 118 * d % d, least - 1, -d):
        assert sum(other % values == 0 for values in longest) <= evenly


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.tuples(st.integers(2, 60), st.integers(2, 60)), min_size=2, max_size=10))
def test_planes_keep_their_proportions_and_no_value_gets_lost(sizes):
    sizes = [(h, w) for h, w in sizes if max(h, w) < 8 * min(h, w)]
    if len(sizes) < 2:
        return
    strip = strip_of([layer(f"l{n}", 2, *size) for n, size in enumerate(sizes)]).strip
    longest = set()
    for picture, (height, width) in zip(strip.pictures, sizes, strict=True):
        tall, wide = picture.mosaic.tile_size
        assert abs(tall / wide - height / width) <= 1 / min(tall, wide) * max(tall, wide)
        longest.add(max(tall, wide))
        assert tall >= height
        assert wide >= width
    assert len(longest) == 1  # all are of one size


def test_names_that_are_too_long_lose_what_all_have_in_common_or_are_broken_at_a_dot():
    assert name_lines("layer1.0", 118) == ["layer1.0"]
    first, second = name_lines("backbone.stages.2.blocks", 90)
    assert first + second == "backbone.stages.2.blocks"
    assert first.endswith(".")
    (cut,) = name_lines("a" * 300, 118)
    assert cut.startswith("…a")
    assert name_lines("日" * 40, 50)[0].startswith("…日")


def test_what_stands_below_the_pictures_is_legible_on_white_and_on_dark_pages():
    pixels = rgba(strip_of([layer("a", 2, 4, 4), layer("b", 2, 4, 4)]))
    words = pixels[240 * 2 :]
    inked = words[words[..., 3] > 0]
    assert (inked[:, :3] == LEGIBLE).all()
    assert inked[:, 3].max() == 255
    for ground in ((255, 255, 255), (17, 17, 17)):
        assert contrast(np.array(LEGIBLE) / 255, np.array(ground) / 255) >= 4.3


def test_the_caption_says_in_two_lines_what_all_layers_have_in_common():
    caption = strip_of([layer("a", 4, 8, 8), layer("b", 9, 4, 4)]).caption
    assert caption == (
        "2 layers (Conv2d), mean over all channels · viridis · sample 0 · NCHW · float32 cpu"
    )


def test_what_not_all_layers_have_is_said_with_how_many_have_it():
    signed = layer("signed", 4, 8, 8)
    signed.tensor.sub_(0.5)
    caption = strip_of([layer("a", 4, 8, 8), layer("b", 4, 8, 8), signed]).caption
    assert "RdBu_r centered on 0 (1 layer)" in caption
    assert "viridis (2 layers)" in caption
    assert all(len(line) <= 127 for line in caption.splitlines())


def test_what_is_wrong_with_a_layer_stands_in_a_line_and_above_its_picture():
    broken = layer("broken", 4, 8, 8)
    broken.tensor[0, 1, 2, 3:5] = float("nan")
    dead = layer("dead", 4, 8, 8)
    dead.tensor[0, 1:3] = 0
    drawing = strip_of([broken, layer("fine", 4, 8, 8)], View(reduce="max"))
    assert drawing.caption.splitlines()[-1] == "NaN: broken 2"
    assert drawing.strip.pictures[0].mosaic.nonfinite == ("×",)
    with_dead = strip_of([dead, layer("fine", 4, 8, 8)], View(reduce="pca"))
    assert with_dead.caption.splitlines()[-1] == 'constant ("dead") channels: dead 2'
    assert '2 constant ("dead") channels: 1, 2' in with_dead.details[0]


def test_pca_says_which_layers_share_a_basis():
    same = [layer("a", 6, 8, 8), layer("b", 6, 8, 8)]
    view = View(reduce="pca")
    assert " · one basis · " in strip_of(same, view).caption
    mixed = [*same, layer("c", 5, 8, 8)]
    assert "one basis for layers of equal width" in strip_of(mixed, view).caption
    apart = [layer("a", 6, 8, 8), layer("c", 5, 8, 8)]
    assert "colors can't be compared" in strip_of(apart, view).caption


def test_a_shared_range_has_one_color_bar_and_no_figures_below_each_picture():
    layers = [layer("a", 4, 8, 8), layer("b", 4, 4, 4)]
    own, shared = strip_of(layers), strip_of(layers, View(reduce="mean", scale="all"))
    assert not own.strip.ends
    means = np.concatenate([each.tensor[0].mean(0).flatten() for each in layers])
    assert shared.strip.ends[::2] == (f"{means.min():.3g}", f"{means.max():.3g}")
    assert [len(each.facts) for each in own.strip.pictures] == [3, 3]
    assert [len(each.facts) for each in shared.strip.pictures] == [2, 2]


def test_overlays_lie_on_the_input_in_a_strip_too():
    image = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(1))
    given_inputs = PassInputs(image)
    layers = [layer(name, 4, 8, 8, inputs=given_inputs) for name in "ab"]
    pixels = rgba(strip_of(layers, View(reduce="mean", overlay=True, alpha=0.0)))
    shown = np.asarray(Image.fromarray(pixels[:480, :480, :3]).resize((16, 16), Image.BOX))
    expected = (image[0].permute(1, 2, 0).numpy() * 255).round()
    assert np.abs(shown.astype(int) - expected).mean() < 30


@pytest.mark.parametrize(
    ("view", "layers"),
    [
        (View(reduce="mean", sample="0,1"), [layer("a", 2, 4, 4), layer("b", 2, 4, 4)]),
        (View(), [layer("a", 2, 4, 4), layer("b", 2, 4, 4)]),
        (View(reduce="mean", zoom=3), [layer("a", 2, 4, 4), layer("b", 2, 4, 4)]),
        (MEAN, [layer("a", 2, 4, 4)]),
        (MEAN, [layer("a", 2, 4, 4), layer("line", 2, 1, 40)]),
    ],
    ids=["two samples", "no reduction", "a zoom", "one layer", "a line"],
)
def test_other_layers_stay_as_they_are(view, layers):
    if view.sample != "0":
        for each in layers:
            object.__setattr__(each, "tensor", each.tensor.repeat(2, 1, 1, 1))
    found, alone = drawn(layers, view), list(draw_all(layers, view))
    assert [each.caption for each in found] == [each.caption for each in alone]
    assert all(isinstance(each, Drawing) for each in found)


def test_terminals_show_layers_one_below_the_other():
    layers = [layer("a", 2, 4, 4), layer("b", 2, 4, 4)]
    assert [type(each) for each in drawn(layers, viewport=terminal_viewport(80, 24))] == [
        Drawing
    ] * 2


def test_what_cant_be_in_the_strip_follows_it_each_under_its_own_line():
    layers = [layer("a", 2, 4, 4), layer("none", 0, 4, 4), layer("b", 2, 4, 4), layer("fc", 10)]
    strip, *others = drawn(layers)
    assert [picture.name for picture in strip.strip.pictures] == ["a", "b"]
    assert [other.caption.partition("  ")[0] for other in others] == ["none", "fc"]
    assert others[0].mosaic is None


def test_sixty_layers_are_a_strip_of_eight_rows():
    drawing = strip_of([layer(f"blocks.{n}.mlp", 2, 14, 14) for n in range(60)])
    assert drawing.strip.ncols == 8
    height, width = drawing.picture.css_size
    assert width <= 1000
    assert 8 * 118 <= height <= 8 * 180


def test_hostile_names_are_drawn_and_written_as_text():
    names = ["\x1b[31mred", "a\nb", "<img onerror=x>", "‮abc", "漢" * 90]
    drawing = strip_of([layer(name, 2, 4, 4) for name in names])
    everything = "\n".join([drawing.caption, *drawing.details])
    assert "\x1b" not in everything
    assert "‮" not in everything
    assert rgba(drawing).shape[1] <= 2000


def test_an_interrupt_shows_what_was_drawn_and_goes_on(monkeypatch):
    layers = [layer(name, 2, 4, 4) for name in "abc"]
    from featmagic.grid import draw

    real, calls = draw.strip_layer, []

    def interrupted(*args):
        calls.append(args)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return real(*args)

    monkeypatch.setattr(draw, "strip_layer", interrupted)
    with closing(draw_together(layers, MEAN)) as drawings:
        first = next(drawings)
        assert [picture.name for picture in first.strip.pictures] == ["a", "b"]
        assert first.caption.startswith("2 of 3 layers")
        with pytest.raises(KeyboardInterrupt):
            next(drawings)


def test_a_layer_for_which_memory_runs_out_has_a_line_of_its_own(monkeypatch):
    from featmagic.grid import draw

    real = draw.strip_layer

    def little(layer, *args):
        if layer.activation.key == "b":
            raise MemoryError
        return real(layer, *args)

    monkeypatch.setattr(draw, "strip_layer", little)
    strip, other = drawn([layer(name, 2, 4, 4) for name in "abc"])
    assert [picture.name for picture in strip.strip.pictures] == ["a", "c"]
    assert other.caption.startswith("b  Conv2d")
    assert "not enough memory" in other.caption


def test_a_notebook_gets_one_png_with_the_facts_of_every_layer_as_its_description(
    displayed, capsys
):
    layers = [layer("a", 2, 4, 4), layer("b", 2, 8, 8)]
    view = View(reduce="mean", title="特徴マップ")
    show(Request(layers, False), view, Target(RENDERERS["png"], 127, PAGE))
    (shown,) = displayed
    image = Image.open(io.BytesIO(base64.b64decode(shown["image/png"])))
    assert image.mode == "P"
    assert image.width == 2 * PAGE.width  # as wide as all pictures of a page
    for each in layers:
        assert f"{each.key}, Conv2d, {tuple(each.tensor.shape)}" in shown["text/plain"]
    printed = capsys.readouterr().out
    assert printed.startswith("2 layers (Conv2d), mean over all channels")
    assert len(printed.splitlines()) == 1


def test_files_and_pictures_stay_one_for_each_layer():
    layers = [layer("a", 2, 4, 4), layer("b", 2, 8, 8)]
    assert len(pictures(Request(layers, False), MEAN)) == 2


@pytest.mark.parametrize("row", gallery.STRIPS, ids=lambda row: row.title)
def test_the_gallerys_strips_are_a_picture_each_under_a_caption_of_two_lines(row):
    ((caption, png),) = gallery.pictures(row)
    said, wrong = caption.splitlines()[:2], caption.splitlines()[2:]
    assert said[0].startswith(f"{len(row.layers)} layers")
    assert max(map(len, said)) <= 127
    assert not wrong or row.network == "logarithm" or "constant" in wrong[0]
    with Image.open(io.BytesIO(png)) as image:
        assert image.width <= 2 * 1000
        assert (np.asarray(image.convert("RGBA"))[..., 3] == 0).any()
