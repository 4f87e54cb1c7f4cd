"""What a caption says of values, colors and what there was no room for."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
import torch
from helpers.gallery_truth import gallery

from featmagic.grid.caption import caption
from featmagic.grid.compose import color_range_of
from featmagic.grid.draw import draw
from featmagic.grid.prepare import prepare
from featmagic.options.view import View
from featmagic.recording.inputs import PassInputs
from featmagic.recording.layout_hints import LayoutHint
from featmagic.recording.records import Activation
from featmagic.render.viewport import PAGE, GridLayout, terminal_viewport


def activation(values, **about):
    about = {"call": 1, **about}
    return Activation("conv", "conv", "Conv2d", tensor=values, **about)


def told(values, viewport=PAGE, about=None, **view):
    return draw(activation(values, **(about or {})), View(**view), viewport).caption


def of_layout(values, layout, **view):
    """What the caption says if the tiles have that layout."""
    prepared = prepare(activation(values), View(**view), PAGE)
    return caption(prepared, color_range_of(prepared), layout)


def test_the_parts_of_a_caption_stand_in_their_order():
    values = torch.rand(1, 2, 4, 4)
    about = {"call": 2, "counts": {"conv": 3}}
    first, second = told(values, about=about).splitlines()
    planes, figures, colors = second.split(" · ")
    assert first == "conv  Conv2d  (1, 2, 4, 4) float32 cpu · call 2 of 3"
    assert planes == "NCHW, 2 of 2 channels, sample 0"
    assert figures.startswith(f"{values.min():.3g} ")
    assert colors == "viridis, color range per channel"


def test_dead_channels_are_counted_and_eight_are_named():
    values = torch.rand(1, 12, 4, 4)
    for words in (
        '1 constant ("dead") channel: 0',
        '8 constant ("dead") channels: 0, 1, 2, 3, 4, 5, 6, 7',
        '9 constant ("dead") channels: 0, 1, 2, 3, 4, 5, 6, 7, …',
    ):
        some = values.clone()
        some[0, : int(words[0])] = 0.5
        assert told(some).splitlines()[2] == words
    assert "dead" not in told(values)
    assert '2 constant ("dead") channels: 5, 3' in told(
        values.index_fill(1, torch.tensor([5, 3]), 1), channels="5,3,0"
    )


def test_a_channel_is_dead_that_is_constant_in_every_sample_shown():
    values = torch.rand(3, 4, 4, 4)
    values[:, 1], values[0, 2] = 0.25, 0.5
    assert 'constant ("dead") channel: 1' in told(values, sample="all")
    assert 'constant ("dead") channels: 1, 2' in told(values, sample="0")
    assert "dead" not in told(torch.ones(1, 4))  # a single value is no plane
    assert "dead" not in told(torch.ones(1, 100))
    assert "dead" not in told(torch.ones(1, 4, 4, 4), reduce="mean")


def test_near_duplicates_are_counted_unless_there_are_too_many_values():
    values = torch.rand(1, 4, 5, 5)
    values[0, 1] = values[0, 0]
    assert told(values).endswith("\n1 near-duplicate (|r| > 0.99)")
    values[0, 2] = -values[0, 0]
    assert told(values).endswith("\n2 near-duplicates (|r| > 0.99)")
    assert "near-duplicate" not in told(torch.rand(2, 4, 5, 5), sample="all")
    many = prepare(activation(torch.rand(1, 2100, 32, 32)), View(max=0), None)
    words = caption(many, color_range_of(many), None)
    assert words.endswith("\nnear-duplicates not counted: too many values")


def test_the_histogram_stands_between_the_ends_and_one_value_has_none():
    assert re.search(r"· 0 [▁-█]{8} 1, mean 0\.5, std 0\.\d+, zeros \d", told(
        torch.linspace(0, 1, 50).reshape(1, 2, 5, 5)))  # fmt: skip
    assert "· 3 … 3, mean 3, std 0 ·" in told(torch.full((1, 2, 4, 4), 3.0))
    assert "zeros" not in told(torch.rand(1, 2, 4, 4) + 1)
    odd = torch.full((1, 2, 4, 4), torch.nan)
    odd[0, 0, 0, :2] = torch.inf
    *_, second, third = told(odd).splitlines()
    assert "· no finite value · viridis" in second
    assert "zeros" not in second
    assert third == "30 NaN, 2 inf"


@pytest.mark.parametrize(
    ("view", "words"),
    [
        ({"scale": "layer"}, "shared color range"),
        ({"scale": "all"}, "shared color range across all layers"),
        ({"norm": "asinh"}, "asinh norm, color range per channel"),
        ({"robust": 5}, " values clipped at the 5th and 95th percentile"),
        ({"robust": True}, " values clipped at the 2nd and 98th percentile"),
        ({"robust": 0.5}, "color range per channel, clipped at the 0.5th and 99.5th percentile"),
        ({"robust": 0}, "color range per channel, no clipping"),
        ({"vmin": 0.25}, "viridis, shared color range\n"),
        ({"center": 0.5}, "RdBu_r centered on 0.5, color range per channel"),
    ],
)
def test_the_colors_say_who_shares_them(view, words):
    assert words in told(torch.rand(1, 3, 8, 8), **view)


def test_a_single_plane_shares_its_range_with_nobody():
    for values in torch.rand(1, 1, 8, 8), torch.rand(1, 5, 8, 8):
        single = len(values[0]) == 1
        assert ("range" in told(values)) != single
        assert "range" not in told(values, channels="0")
    assert "color range per value" not in told(torch.rand(1, 5))
    assert "shared color range" in told(torch.rand(1, 5))
    assert "color range per channel" in told(torch.rand(1, 2, 4, 5, 6), slice="montage")
    heads = torch.rand(1, 2, 5, 6)
    assert "color range per head" in told(heads, layout="NAQK")


def test_what_had_no_room_is_said_where_it_was_asked_for():
    values = torch.rand(1, 4, 8, 8)
    assert "shrunk" not in of_layout(values, GridLayout(4, 1, 1))
    assert ", shrunk: 2 × 2 values averaged" in of_layout(values, GridLayout(4, 1, 2))
    assert ", 2 in a row: no room for more" in of_layout(values, GridLayout(2, 1, 1), ncols=3)
    assert "in a row" not in of_layout(values, GridLayout(3, 1, 1), ncols=3)
    assert "in a row" not in of_layout(values, GridLayout(4, 1, 1), ncols=9)  # there are but four
    assert "in a row" not in of_layout(values, GridLayout(2, 1, 1))
    assert ", zoom 2: no room for more" in of_layout(values, GridLayout(4, 2, 1), zoom=3)
    assert "zoom" not in of_layout(values, GridLayout(4, 3, 1), zoom=3)
    narrow = told(torch.rand(1, 4, 30, 30), terminal_viewport(40), zoom=2, ncols=4)
    assert "in a row: no room for more" in narrow
    assert "zoom 1: no room for more" in narrow


def test_components_are_counted_with_their_colors():
    values = torch.randn(1, 5, 6, 6)
    for count, colors in ((3, "red, green, blue"), (2, "red and green"), (1, "red")):
        s = "s" * (count > 1)
        words = f"{count} principal component{s} as {colors}"
        assert words in told(values[:, :count], reduce="pca")
    alike = told(torch.ones(1, 5, 6, 6), reduce="pca")
    assert "no principal component: all positions alike, or none finite" in alike


def test_a_kept_basis_is_said_with_the_values_that_lie_outside_of_it():
    first = activation(torch.randn(1, 5, 6, 6))
    assert "earlier" not in draw(first, View(reduce="pca")).caption
    again = draw(first, View(reduce="pca")).caption
    assert "as red, green, blue, reusing an earlier basis" in again
    assert "clipped" not in again
    larger = draw(replace(first, tensor=first.tensor * 2), View(reduce="pca")).caption
    assert re.search(r"reusing an earlier basis\n\d+ positions clipped", larger)


def test_the_opacity_on_the_input_and_what_was_done_to_it_come_last():
    about = {"inputs": PassInputs(torch.rand(1, 3, 8, 8))}
    values = torch.rand(1, 3, 8, 8)
    over = told(values, about=about, overlay=True, alpha=0.25)
    assert over.splitlines()[0].endswith(" cpu · over the input, alpha 0.25, input as it is")
    beside = told(values, about=about, input=True)
    assert beside.endswith("color range per channel · input as it is")
    assert "alpha" not in beside
    signed = told(values - 0.5, about=about, overlay=True)
    assert "over the input in gray, alpha 0.7, input as it is" in signed


def test_prefix_tokens_have_a_range_of_their_own():
    tokens = torch.rand(1, 17, 3)
    tokens[0, 0] = torch.tensor([5.0, torch.nan, -7.0])
    view = {"layout": "NLC", "grid": "4x4"}
    assert ", strip: -7 … 5, 1 NaN ·" in told(tokens, **view)
    assert len(told(tokens, **view).splitlines()) == 2
    tokens[0, 0] = torch.inf
    assert ", strip: 3 inf ·" in told(tokens, **view)
    assert "strip:" not in told(tokens[:, 1:], **view)


@pytest.mark.parametrize("name", ["conv1", "layer4.2.downsample.0", "features.denseblock3.norm2"])
@pytest.mark.parametrize(
    "view",
    [
        {},
        {"input": True},
        {"overlay": True},
        {"robust": 2},
        {"reduce": "pca"},
        {"scale": "layer", "norm": "symlog"},
    ],
)
def test_a_caption_has_two_lines_that_fit_1000_pixels(name, view):
    """A letter of JupyterLab's text, 13 px high, is 7.83 px wide: 127 of them are 994."""
    images = PassInputs(torch.linspace(-2, 2, 2 * 3 * 56 * 56).reshape(2, 3, 56, 56))
    values = torch.randn(2, 64, 56, 56) * 1.2345
    made = draw(Activation(name, name, "BatchNorm2d", 1, values, inputs=images), View(**view))
    first, second, *findings = made.caption.splitlines()
    assert first.startswith(f"{name}  BatchNorm2d  (2, 64, 56, 56) float32 cpu")
    assert re.search(r"NCHW, \d+ of 64 channels, sample", made.caption)
    assert max(len(first), len(second)) <= 127 or ("overlay" in view and name != "conv1")
    assert len(findings) == ("robust" in view)  # how many values are clipped


def test_tokens_on_their_patches_have_a_caption_of_two_lines():
    given = PassInputs(torch.rand(1, 3, 224, 224), grids=((14, 14),))
    tokens = torch.randn(1, 197, 768) * 1.2345
    hint = LayoutHint(own=True)
    block = Activation("blocks.11", "blocks.11", "Block", 1, tokens, hint, given)
    made = draw(block, View(layout="NLC"))
    first, second = made.caption.splitlines()
    assert first == (
        "blocks.11  Block  (1, 197, 768) float32 cpu · "
        "NLC, 64 of 768 channels, sample 0, 14 × 14 patches, CLS in a strip"
    )
    assert second.endswith(" · RdBu_r centered on 0, color range per channel")
    assert len(second) <= 127


def test_the_model_itself_goes_by_what_it_is_called_or_by_its_class():
    values = torch.rand(1, 3, 4, 4)
    named = Activation(".", ".", "Conv2d", 1, values, called="model.cnn1")
    assert draw(named, View()).caption.startswith("model.cnn1  Conv2d  (1, 3, 4, 4) float32 cpu\n")
    second = Activation(".:2", ".", "Conv2d", 2, values, called="net")
    assert draw(second, View()).caption.startswith("net:2  Conv2d  (1, 3, 4, 4) float32 cpu")
    unnamed = Activation(".", ".", "Conv2d", 1, values)
    assert draw(unnamed, View()).caption.startswith("Conv2d  (1, 3, 4, 4) float32 cpu\n")


@pytest.mark.parametrize(
    "view", [{"input": True}, {"overlay": True}, {"reduce": "pca", "input": True}], ids=str
)
def test_tokens_beside_or_under_an_image_have_captions_of_two_lines_that_fit(view):
    ((caption_of_tokens, _),) = gallery.maps_of("registers").pictures("block", **view)
    lines = caption_of_tokens.splitlines()
    assert len(lines) == 2
    assert max(map(len, lines)) <= 127
    assert "CLS, R1–R4" in lines[0] + lines[1] or "CLS, R1, R2, R3, R4" in lines[0] + lines[1]
