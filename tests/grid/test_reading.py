"""What the options do to a picture, compared with values computed apart."""

from __future__ import annotations

import re

import matplotlib.colors
import numpy as np
import pytest
import torch

from featmagic import capture
from featmagic.grid.draw import draw, draw_all
from featmagic.options.view import View
from featmagic.planes.input_image import IMAGENET_MEAN, IMAGENET_STD
from featmagic.recording.inputs import PassInputs
from featmagic.recording.layer_cache import LayerCache
from featmagic.recording.layout_hints import LayoutHint
from featmagic.recording.records import Activation
from featmagic.render.palette import CONSTANT, GAP, LEVELS, NAN
from featmagic.render.viewport import Viewport
from featmagic.support.errors import FeatmagicError


def activation(tensor, key="conv", kind="Conv2d", **others):
    return Activation(key, key, kind, 1, tensor, **others)


def tiles_of(mosaic):
    """The tiles in the order of their labels, `(P, h, w)` or `(P, h, w, 3)`."""
    grid = np.moveaxis(mosaic.indices, 2, 1)
    return grid.reshape(-1, *grid.shape[2:])[: len(mosaic.labels)]


def drawn(tensor, **options):
    """The mosaic of a picture, and its caption."""
    drawing = draw(activation(tensor), View(**options))
    return drawing.mosaic, drawing.caption


def assert_levels(tiles, exact, slack=0.01):
    """Every pixel is the level nearest to the exact one, 0 to 1."""
    assert np.abs(tiles - exact * (LEVELS - 1)).max() <= 0.5 + slack


SIGNED = torch.randn(2, 6, 9, 7, generator=torch.Generator().manual_seed(3))
POSITIVE = SIGNED.exp()


# Ranges


def test_layers_that_share_a_range_have_the_same_colors_for_the_same_values():
    conv, relu = activation(SIGNED), activation(SIGNED.relu(), "relu", "ReLU")
    first, second = draw_all([conv, relu], View(scale="all"))
    most = SIGNED[0].abs().max().item()
    for drawing, values in ((first, SIGNED[0]), (second, SIGNED[0].relu())):
        assert_levels(tiles_of(drawing.mosaic), (values.numpy() / most + 1) / 2)
        assert drawing.mosaic.ends == (f"{-most:.3g}", "0", f"{most:.3g}")
        assert "shared color range across all layers" in drawing.caption
    positive = SIGNED[0].numpy() > 0
    assert (tiles_of(first.mosaic)[positive] == tiles_of(second.mosaic)[positive]).all()


def test_a_given_range_is_one_for_all_and_what_is_beyond_is_counted():
    mosaic, caption = drawn(POSITIVE, vmin=0.5, vmax=2)
    values = POSITIVE[0].numpy()
    assert_levels(tiles_of(mosaic), ((values - 0.5) / 1.5).clip(0, 1))
    assert mosaic.ends == ("0.5", "1.25", "2")
    assert f"{((values < 0.5) | (values > 2)).sum()} values clipped" in caption


def test_one_given_end_leaves_the_other_to_the_values():
    mosaic, caption = drawn(POSITIVE, vmin=0.0)
    values = POSITIVE[0].numpy()
    assert_levels(tiles_of(mosaic), values / values.max())
    assert "clipped" not in caption


def test_each_channel_may_keep_its_own_other_end():
    mosaic, _ = drawn(POSITIVE, vmin=0.0, scale="channel")
    values = POSITIVE[0].numpy()
    assert_levels(tiles_of(mosaic), values / values.max((1, 2), keepdims=True))


def test_a_given_middle_lies_in_the_middle_of_the_colors():
    mosaic, caption = drawn(POSITIVE, center=1, scale="layer")
    values = POSITIVE[0].numpy()
    most = np.abs(values - 1).max()
    assert_levels(tiles_of(mosaic), ((values - 1) / most + 1) / 2)
    assert "RdBu_r centered on 1" in caption


@pytest.mark.parametrize("percent", [2, 10])
@pytest.mark.parametrize("scale", ["channel", "layer"])
def test_robust_leaves_so_much_outside_at_each_end(percent, scale):
    mosaic, caption = drawn(POSITIVE, robust=percent, scale=scale)
    values = POSITIVE[0].numpy().reshape(6, -1)
    rows = values if scale == "channel" else values.reshape(1, -1)
    low, high = np.percentile(rows, [percent, 100 - percent], axis=1, method="nearest")
    low, high = low[:, None], high[:, None]
    exact = ((values - low) / (high - low)).clip(0, 1)
    assert_levels(tiles_of(mosaic).reshape(6, -1), exact)
    assert f"{((values < low) | (values > high)).sum()} values clipped at the " in caption


def test_robust_alone_is_two_percent():
    assert View(robust=True) == View(robust=2)


@pytest.mark.parametrize(
    ("norm", "made"),
    [
        ("log", lambda low, high: matplotlib.colors.LogNorm(low, high)),
        ("asinh", lambda low, high: matplotlib.colors.AsinhNorm(high / 100, low, high)),
        (
            "symlog",
            lambda low, high: matplotlib.colors.SymLogNorm(
                high / 100, 1 - 1 / np.e, low, high, base=np.e
            ),
        ),
    ],
)
@pytest.mark.parametrize("signed", [False, True])
def test_norms_are_those_of_matplotlib(norm, made, signed):
    if norm == "log" and signed:
        pytest.skip("nothing below 0 has a logarithm")
    values = (SIGNED if signed else POSITIVE)[0].double().numpy()
    mosaic, caption = drawn(SIGNED if signed else POSITIVE, norm=norm, scale="layer")
    high = np.abs(values).max()
    low = -high if signed else values.min()
    assert_levels(
        tiles_of(mosaic), np.asarray(made(low, high)(values.ravel())).reshape(values.shape)
    )
    assert norm in caption
    middle = float(np.ravel(made(low, high).inverse(np.array([[0.5]])))[0])
    assert float(mosaic.ends[1]) == pytest.approx(middle, rel=5e-3, abs=1e-9)


def test_log_shows_what_is_not_above_zero_as_the_least_and_counts_it():
    mosaic, caption = drawn(SIGNED, norm="log", scale="layer")
    values = SIGNED[0].double().numpy()
    least = values[values > 0].min()
    place = np.log(values.clip(least)) - np.log(least)
    assert_levels(tiles_of(mosaic), place / place.max())
    assert f"{(values <= 0).sum()} values clipped" in caption


# Marks


def test_bars_are_the_channels_strength_against_the_strongest():
    mosaic, _ = drawn(SIGNED)
    strength = SIGNED[0].abs().amax((1, 2))
    assert mosaic.bars == pytest.approx((strength / strength.max()).tolist())


def test_channels_that_share_a_range_need_no_bars_and_have_the_colors_figures():
    mosaic, _ = drawn(SIGNED, scale="layer")
    assert mosaic.bars == ()
    assert len(mosaic.ends) == 3
    assert drawn(SIGNED)[0].ends == ()


@pytest.mark.parametrize("value", [torch.nan, torch.inf, 0.0, 0.16])
@pytest.mark.parametrize("shape", [(1, 3, 4, 4), (1, 5), (1, 1, 4, 4)])
def test_what_has_no_range_has_no_color_bar(value, shape):
    mosaic, _ = drawn(torch.full(shape, value), scale="layer")
    assert (mosaic.ends, mosaic.scale) == ((), None)
    given, _ = drawn(torch.full(shape, value), vmin=-1, vmax=2)
    assert given.ends == ("-1", "0.5", "2")


def test_one_step_is_a_step():
    def caption(*shape, layout):
        return drawn(torch.rand(shape), layout=layout)[1]

    assert "channels down, 1 step across" in caption(1, 4, 1, layout="NCL")
    assert "channels down, 2 steps across" in caption(1, 4, 2, layout="NCL")
    assert "1 token down, features across" in caption(1, 1, 6, layout="NLC")


def test_a_dead_channel_is_framed_and_hatched():
    tensor = SIGNED.clone()
    tensor[0, 2] = 0.5
    mosaic, caption = drawn(tensor)
    tile = tiles_of(mosaic)[2]
    edge = np.ones_like(tile, bool)
    edge[1:-1, 1:-1] = False
    assert (tile[edge] == CONSTANT).all()
    rows, columns = np.indices(tile.shape)
    inside = ~edge
    assert (tile[inside & ((rows + columns) % 3 == 0)] == CONSTANT).all()
    assert (tile[inside & ((rows + columns) % 3 != 0)] == GAP).all()
    assert '1 constant ("dead") channel: 2' in caption


def test_near_duplicates_are_counted():
    tensor = SIGNED.clone()
    tensor[0, 4] = -3 * tensor[0, 1] + 2
    assert "1 near-duplicate (|r| > 0.99)" in drawn(tensor)[1]
    assert "near-duplicate" not in drawn(SIGNED)[1]


def test_the_caption_has_a_histogram_the_mean_and_the_share_of_zeros():
    tensor = SIGNED.relu()
    caption = drawn(tensor)[1]
    values = tensor[0].double().numpy()
    counts = np.histogram(values, bins=8)[0]
    blocks = "".join("▁▂▃▄▅▆▇█"[round(7 * count / counts.max())] for count in counts)
    assert f"0 {blocks} {values.max():.3g}, mean {values.mean():.3g}" in caption
    assert f"zeros {100 * (values == 0).mean():.0f} %" in caption


# Which channels


KEYS = {
    "mean": lambda planes: planes.mean(1),
    "absmean": lambda planes: np.abs(planes).mean(1),
    "max": lambda planes: planes.max(1),
    "std": lambda planes: planes.std(1),
    "sparsity": lambda planes: (planes == 0).mean(1),
}


@pytest.mark.parametrize("key", KEYS)
def test_channels_are_sorted_and_keep_their_own_index(key):
    tensor = (SIGNED - torch.linspace(-1, 1, 6)[:, None, None]).relu()
    mosaic, caption = drawn(tensor, sort=key)
    planes = tensor[0].double().numpy()
    order = np.argsort(-KEYS[key](planes.reshape(6, -1)), kind="stable")
    assert mosaic.labels == tuple(map(str, order))
    plain = tiles_of(drawn(tensor)[0])
    assert (tiles_of(mosaic) == plain[order]).all()
    assert f"by {key}" in caption


def test_topk_shows_the_strongest_few():
    mosaic, caption = drawn(SIGNED, topk=2)
    order = SIGNED[0].abs().mean((1, 2)).argsort(descending=True)[:2].tolist()
    assert mosaic.labels == tuple(map(str, order))
    assert "2 of 6 channels" in caption


def test_topk_takes_from_all_channels_not_from_the_first_ones():
    tensor = torch.rand(1, 200, 3, 3)
    tensor[0, 150] += 5
    assert drawn(tensor, topk=1)[0].labels == ("150",)


def test_a_channel_of_nan_comes_last():
    tensor = SIGNED.clone()
    tensor[0, 0] = torch.nan
    assert drawn(tensor, sort="mean")[0].labels[-1] == "0"


def test_an_order_by_likeness_stays_for_later_looks_at_the_layer():
    memory = LayerCache()
    first = draw(activation(SIGNED, cache=memory), View(sort="similar")).mosaic.labels
    other = torch.randn(2, 6, 9, 7)
    again = draw(activation(other, cache=memory), View(sort="similar")).mosaic.labels
    fresh = {draw(activation(torch.randn(2, 6, 9, 7)), View(sort="similar")).mosaic.labels}
    assert sorted(first) == [str(n) for n in range(6)]
    assert again == first
    some = View(sort="similar", channels="0,3,5")
    kept = draw(activation(other, cache=memory), some).mosaic.labels
    assert kept == tuple(label for label in first if label in ("0", "3", "5"))
    assert len(fresh) == 1


# Samples


def test_samples_are_rows_and_channels_columns():
    tensor = torch.randn(4, 3, 5, 5)
    mosaic, caption = drawn(tensor, sample="2,0", cmap="gray")
    assert mosaic.indices.shape[0] == 2
    assert mosaic.indices.shape[2] == 3
    assert mosaic.labels == ("0", "1", "2") * 2
    assert [text for *_, text in mosaic.ticks] == ["s2", "s0"]
    assert "samples 2, 0" in caption
    values = tensor[[2, 0]].numpy()
    low, high = values.min((0, 2, 3)), values.max((0, 2, 3))
    exact = (values - low[:, None, None]) / (high - low)[:, None, None]
    assert_levels(tiles_of(mosaic), exact.reshape(6, 5, 5))


def test_all_samples_is_every_one():
    assert drawn(torch.randn(3, 2, 4, 4), sample="all")[0].indices.shape[0] == 3


def test_channels_that_have_no_room_in_a_row_of_samples_are_left_out_and_counted():
    mosaic, caption = drawn(torch.randn(2, 300, 20, 20), sample="all")
    shown = mosaic.indices.shape[2]
    assert shown < 64
    assert f"{shown} of 300 channels" in caption
    assert "no room for more" in caption


# One picture


@pytest.mark.parametrize(
    ("how", "apart"),
    [
        ("mean", lambda planes: planes.mean(0)),
        ("max", lambda planes: planes.max(0)),
        ("absmax", lambda planes: np.abs(planes).max(0)),
        ("norm", lambda planes: np.sqrt((planes**2).sum(0))),
    ],
)
def test_channels_are_put_together_in_one_picture(how, apart):
    tensor = torch.cat([POSITIVE] * 20, 1)  # more channels than are shown one by one
    tensor[:, 70] *= 9
    mosaic, caption = drawn(tensor, reduce=how)
    exact = apart(tensor[0].double().numpy())
    assert_levels(tiles_of(mosaic)[0], (exact - exact.min()) / (exact.max() - exact.min()))
    assert mosaic.labels == ("",)
    assert f"their {how}" in caption


def principal_components(planes):
    """Three components by numpy's SVD, each from 0 to 1; which way round is left open."""
    points = planes.reshape(len(planes), -1).T.astype(np.float64)
    points -= points.mean(0)
    axes = np.linalg.svd(points, full_matrices=False)[2][:3]
    there = points @ axes.T
    low, high = there.min(0), there.max(0)
    return ((there - low) / (high - low)).reshape(*planes.shape[1:], 3)


def test_three_principal_components_are_red_green_and_blue():
    tensor = torch.einsum("ck,khw->chw", torch.randn(20, 5), torch.randn(5, 11, 8))[None]
    mosaic, caption = drawn(tensor, reduce="pca")
    pixels = tiles_of(mosaic)[0] / 255
    exact = principal_components(tensor[0].numpy())
    for color in range(3):
        either = exact[..., color], 1 - exact[..., color]
        assert min(np.abs(pixels[..., color] - way).max() for way in either) < 0.01
    assert "3 principal components" in caption


def test_colors_of_components_mean_the_same_in_the_next_look():
    memory = LayerCache()
    tensor = torch.randn(1, 12, 8, 8)
    first = draw(activation(tensor, cache=memory), View(reduce="pca")).mosaic
    half = torch.cat([tensor[..., :4], torch.randn(1, 12, 8, 4)], 3)
    second = draw(activation(half, cache=memory), View(reduce="pca"))
    assert (tiles_of(second.mosaic)[0][:, :4] == tiles_of(first)[0][:, :4]).all()
    assert "reusing an earlier basis" in second.caption


def test_a_named_basis_holds_for_other_layers():
    one, other = torch.randn(1, 9, 6, 6), torch.randn(1, 9, 6, 6)
    view = View(reduce="pca", pca_basis="a test of ours")
    first = draw(activation(one, "a"), view).mosaic
    draw(activation(other, "b"), view)
    again = draw(activation(one, "c"), view).mosaic
    assert (tiles_of(first) == tiles_of(again)).all()
    with pytest.raises(FeatmagicError, match='"a test of ours" has 9 channels, but conv has 4'):
        draw(activation(torch.randn(1, 4, 6, 6)), view)


# What can't be


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"topk": 0}, "topk must be 1 or more, not 0"),
        ({"ncols": 0}, "ncols must be 1 or more, not 0"),
        ({"channels": "9"}, "No channel 9: there are 6"),
        ({"cmap": "virids"}, "Did you mean viridis"),
        ({"scale": "chanel"}, "Did you mean channel"),
        ({"sort": "meen"}, "Did you mean mean"),
        ({"norm": "sinh"}, "Did you mean asinh"),
        ({"vmin": 2, "vmax": 1}, "vmin .2. must be less than vmax .1."),
        ({"norm": "log", "vmin": 0}, "range above 0"),
        ({"robust": 60}, "robust must be from 0 to 49"),
        ({"alpha": 3}, "alpha must be from 0 to 1"),
        ({"std": 0}, "std must be greater than 0"),
        ({"overlay": True}, "no image-like input"),
        ({"input": True}, "no image-like input"),
        ({"attn": "cls"}, "--attn doesn't apply here"),
        ({"slice": 3}, "--slice doesn't apply here"),
        ({"grid": (3, 3)}, "--grid doesn't apply here"),
        ({"layout": "NLC"}, "conv has 4 axes"),
        ({"sample": "0,9"}, "No sample 9: 'conv' has 2"),
    ],
)
def test_what_can_not_be_is_said_in_one_line(options, says):
    with pytest.raises(FeatmagicError, match=says) as caught:
        drawn(SIGNED, **options)
    assert "\n" not in str(caught.value)


def test_no_layer_is_drawn_when_one_of_them_can_not_be(capsys):
    good, bad = activation(SIGNED), activation(SIGNED[:, :2], "small")
    with pytest.raises(FeatmagicError, match="No channel 4: there are 2"):
        list(draw_all([good, bad], View(channels="4")))


# What reviewers and unlucky values have found


@pytest.mark.parametrize("norm", ["log", "symlog", "asinh"])
@pytest.mark.parametrize("scale", ["channel", "layer"])
@pytest.mark.filterwarnings("error")
def test_dead_and_negative_channels_have_norms_without_a_warning(norm, scale):
    tensor = SIGNED.relu().clone()
    tensor[0, 1] = 0
    tensor[0, 2] = 3
    assert f", {norm}" in drawn(tensor, norm=norm, scale=scale)[1]
    tensor[0, 3] = -2 - tensor[0, 4]
    assert f", {norm}" in drawn(tensor, norm=norm, scale=scale)[1]


@pytest.mark.parametrize("poison", [torch.nan, torch.inf, 0.0, 5.0])
def test_a_first_look_that_finds_no_components_leaves_them_to_the_next(poison):
    memory = LayerCache()
    nothing = draw(activation(torch.full((1, 5, 4, 4), poison), cache=memory), View(reduce="pca"))
    assert "no principal component: all positions alike, or none finite" in nothing.caption
    good = torch.randn(1, 5, 4, 4)
    later = draw(activation(good, cache=memory), View(reduce="pca"))
    fresh = draw(activation(good), View(reduce="pca"))
    assert (tiles_of(later.mosaic) == tiles_of(fresh.mosaic)).all()
    assert "earlier" not in later.caption


@pytest.mark.parametrize(("channels", "said"), [(1, "1 principal component as red"), (2, "2 pri")])
def test_few_channels_have_few_components(channels, said):
    assert said in drawn(torch.randn(1, channels, 5, 5), reduce="pca")[1]


def test_given_ends_are_never_widened():
    mosaic, caption = drawn(SIGNED, vmin=-0.1, vmax=1)
    assert (mosaic.ends[0], mosaic.ends[2]) == ("-0.1", "1")
    assert "centered" not in caption
    mosaic, caption = drawn(SIGNED, vmax=1)
    assert mosaic.ends == ("-1", "0", "1")
    values = SIGNED[0].abs()
    assert f"{int((values > 1).sum())} values clipped" in caption


def test_a_middle_that_given_ends_leave_no_room_for_is_refused():
    for options, says in (
        ({"vmin": 0, "vmax": 1}, "halfway between vmin and vmax: omit one of the three"),
        ({"vmin": 6}, r"greater than vmin \(6\)"),
        ({"vmax": 4}, r"less than vmax \(4\)"),
    ):
        with pytest.raises(FeatmagicError, match=rf"^center \(5\) must be {says}\.$"):
            View(center=5, **options)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"alpha": 0.5}, "--alpha doesn't apply here: it needs --overlay"),
        ({"mean": 0.5}, "--mean doesn't apply here: it needs --input or --overlay"),
        ({"pca_basis": "a"}, "--pca-basis doesn't apply here: it needs --reduce pca"),
        (
            {"reduce": "pca", "cmap": "gray"},
            "--cmap doesn't apply here: --reduce pca has its own colors",
        ),
        (
            {"reduce": "mean", "topk": 3},
            "--topk doesn't apply here: --reduce combines all channels",
        ),
        ({"reduce": "pca", "sort": "max"}, "--sort doesn't apply here: --reduce"),
    ],
)
def test_an_option_that_would_change_nothing_is_refused(options, says):
    with pytest.raises(FeatmagicError, match=says):
        View(**options)


def test_layers_that_share_a_range_share_its_middle():
    net = torch.nn.ModuleDict({"lstm": torch.nn.LSTM(4, 3), "relu": torch.nn.ReLU()})
    with torch.no_grad():
        for weight in net.parameters():
            weight.fill_(0.3)  # all its outputs are above 0
    with capture(net, "lstm[0]", "relu") as maps:
        net["lstm"](net["relu"](torch.ones(5, 1, 4)))
    drawings = list(draw_all(list(maps.kept.activations.values()), View(scale="all")))
    assert len(drawings) == 2
    assert drawings[0].mosaic.ends == drawings[1].mosaic.ends
    assert drawings[0].mosaic.palette == drawings[1].mosaic.palette
    assert all("shared color range across all layers" in drawing.caption for drawing in drawings)


def test_a_channel_with_nan_beside_one_value_is_not_dead():
    tensor = SIGNED.clone()
    tensor[0, 1], tensor[0, 2] = 1.0, 1.0
    tensor[0, 1, 0, 0] = torch.nan
    assert '1 constant ("dead") channel: 2' in drawn(tensor)[1]


def test_a_channel_shown_twice_is_no_near_duplicate():
    assert "near-duplicate" not in drawn(SIGNED, channels="0,0,1")[1]


@pytest.mark.parametrize("factor", [1e308, 1e-308, 1e-320])
def test_figures_hold_out_at_the_ends_of_float64(factor):
    values = (SIGNED[0].double() / 8 * factor).numpy()
    caption = drawn(torch.from_numpy(values)[None])[1]
    parts = values / np.abs(values).max()
    counts = np.histogram(parts, bins=8)[0]
    blocks = "".join("▁▂▃▄▅▆▇█"[round(7 * count / counts.max())] for count in counts)
    assert f" {blocks} " in caption
    assert f"std {parts.std() * np.abs(values).max():.3g}" in caption


def test_prefix_tokens_beyond_all_patches_and_nan_in_them_are_said():
    tokens = torch.rand(1, 13, 5)
    tokens[0, 0], tokens[0, 0, 4] = 100.0, torch.nan
    given = PassInputs(torch.rand(1, 3, 24, 32), grids=((3, 4),))
    one = activation(tokens, "block", "LayerNorm", inputs=given, hint=LayoutHint(own=True))
    drawing = draw(one, View(layout="NLC"))
    assert "strip: 100 … 100, 1 NaN" in drawing.caption
    assert "\n1 NaN" not in drawing.caption  # no patch holds any
    assert drawing.mosaic.strip.indices[0].tolist() == [LEVELS - 1] * 4 + [NAN]


def test_the_class_token_is_not_claimed_where_there_is_none():
    weights = torch.rand(1, 2, 12, 12).softmax(-1)
    attention = LayoutHint(attention="torch", asked=True)
    given = PassInputs(torch.rand(1, 3, 24, 32), grids=((3, 4),))
    named = Activation(
        "attention[1]", "attention", "MultiheadAttention", 1, weights, attention, given
    )
    with pytest.raises(FeatmagicError, match="no CLS token: 12 tokens = 3 x 4 patches"):
        draw(named, View(attn="cls"))
    words = Activation("attention[1]", "attention", "MultiheadAttention", 1, weights, attention)
    caption = draw(words, View(attn="cls")).caption
    assert "2 of 2 heads" in caption
    assert "query 0" in caption
    assert "12 keys across" in caption


@pytest.mark.parametrize("options", [{"layout": "NLC"}, {"norm": "log"}, {"cmap": "a\x1b[2J"}])
def test_errors_send_no_control_codes_of_a_layers_name(options):
    with pytest.raises(FeatmagicError) as caught:
        draw(activation(-POSITIVE, "a\x1b[2J\x07b"), View(**options))
    assert "\x1b" not in str(caught.value)
    assert "\x1b" not in "".join(caught.value._render_traceback_())


def test_windows_of_an_image_are_not_laid_on_it():
    given = PassInputs(torch.rand(1, 3, 8, 8))
    windows = activation(torch.rand(4, 3, 4, 4), inputs=given)
    caption = draw(windows, View(input=True)).caption
    assert "not on the input: 4 samples, but 1 input" in caption
    with pytest.raises(FeatmagicError, match="no layer shown lies over the input image"):
        draw(windows, View(overlay=True))


@pytest.mark.parametrize(
    ("image", "words"),
    [
        (torch.rand(1, 1, 4, 4), "input as it is"),
        (torch.rand(1, 3, 4, 4) * 255, "input from 0 … 255"),
        (torch.rand(1, 1, 4, 4) * 2.8, "input stretched from"),
        (
            torch.linspace(-2, 2, 48).reshape(1, 3, 4, 4),
            "input shown with ImageNet normalization undone",
        ),
        (torch.linspace(-1, 1, 48).reshape(1, 3, 4, 4), "input from -1 … 1"),
        (torch.full((1, 3, 4, 4), torch.nan), "input without a finite value"),
    ],
)
def test_the_inputs_range_is_what_its_values_say(image, words):
    one = activation(torch.rand(1, 2, 4, 4), inputs=PassInputs(image))
    drawing = draw(one, View(input=True))
    assert words in drawing.caption
    assert len(drawing.mosaic.inputs) == 1


def test_one_nan_in_the_input_leaves_the_rest_of_it_visible():
    image = torch.linspace(0, 1, 16).reshape(1, 1, 4, 4)
    image[0, 0, 0, 0] = torch.nan
    (shown,) = draw(
        activation(torch.rand(1, 2, 4, 4), inputs=PassInputs(image)), View(input=True)
    ).mosaic.inputs
    assert shown.max() > 240


@pytest.mark.parametrize("size", [(30, 90), (90, 30), (400, 100)])
@pytest.mark.parametrize("options", [{}, {"sample": "all"}, {"sample": "all", "reduce": "pca"}])
def test_the_input_keeps_its_proportions(size, options):
    image = torch.rand(2, 3, *size)
    one = activation(torch.rand(2, 4, size[0] // 10, size[1] // 10), inputs=PassInputs(image))
    for shown in draw(one, View(input=True, **options)).mosaic.inputs:
        height, width, _ = shown.shape
        assert height / width == pytest.approx(size[0] / size[1], rel=0.1)
        assert width <= 1000  # half of the page


def test_a_watch_keeps_no_copy_of_the_input_but_knows_when_it_has_changed():
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 2, 3))
    x = torch.rand(1, 3, 8, 8)
    with capture(net, "0", as_is=True) as maps:
        net(x)
    image = maps.kept.activations["0"].inputs.image
    assert image.data_ptr() == x.data_ptr()
    maps.pictures(input=True)
    x.zero_()
    with pytest.raises(FeatmagicError, match="changed in place"):
        maps.pictures(input=True)
    with capture(net, "0") as maps:
        net(x)
    x.fill_(1)
    assert maps.kept.activations["0"].inputs.image.sum() == 0


def test_a_kept_order_is_said_to_be_one():
    memory = LayerCache()
    first = draw(activation(SIGNED, cache=memory), View(sort="similar"))
    second = draw(activation(SIGNED, cache=memory), View(sort="similar"))
    assert "similar ones side by side" in first.caption
    assert "reusing an earlier order" not in first.caption
    assert "similar ones side by side, reusing an earlier order" in second.caption


def test_a_subset_keeps_the_order_it_was_first_shown_in():
    memory = LayerCache()
    some = View(sort="similar", channels="0:4")
    first = draw(activation(SIGNED, cache=memory), some).mosaic.labels
    draw(activation(SIGNED, cache=memory), View(sort="similar"))
    assert draw(activation(SIGNED, cache=memory), some).mosaic.labels == first


@pytest.mark.parametrize("options", [{}, {"sort": "mean"}, {"topk": 70}, {"sort": "similar"}])
def test_rows_of_samples_fit_a_terminal_however_their_channels_are_sorted(options):
    tensor = torch.randn(2, 100, 20, 20)
    viewport = Viewport(
        width=79, gap=1, smallest=8, largest=24, columns=2, narrowest=12, strict=True
    )
    drawing = draw(activation(tensor), View(sample="all", **options), viewport)
    _, _, ncols, width = drawing.mosaic.indices.shape
    assert ncols * (width * drawing.mosaic.zoom + 1) + 3 <= 79
    assert f"{ncols} of 100 channels" in drawing.caption
    first = drawing.mosaic.labels[:ncols]
    assert drawing.mosaic.labels == first * 2


def test_sorted_samples_that_are_cut_show_the_first_in_order():
    tensor = torch.randn(2, 100, 20, 20)
    viewport = Viewport(
        width=79, gap=1, smallest=8, largest=24, columns=2, narrowest=12, strict=True
    )
    labels = draw(activation(tensor), View(sample="all", sort="mean"), viewport).mosaic.labels
    order = tensor.transpose(0, 1).flatten(1).mean(1).argsort(descending=True).tolist()
    count = len(labels) // 2
    assert labels[:count] == tuple(map(str, order[:count]))


def test_infinities_are_not_counted_as_clipped():
    values = torch.linspace(0, 1, 101).repeat(2).reshape(1, 2, 1, 101)
    values[0, 0, 0, :3] = torch.tensor([torch.inf, -torch.inf, torch.nan])
    assert "20 values clipped" in drawn(values, vmax=0.905)[1]  # in each plane the ten above it
    assert "clipped" not in drawn(values, vmin=-1, vmax=2)[1]


def test_how_the_input_was_normalized_is_judged_by_the_whole_batch():
    """The first image alone could be one from 0 to 1; the second shows that it is not."""
    mean, std = (torch.tensor(part).view(1, 3, 1, 1) for part in (IMAGENET_MEAN, IMAGENET_STD))
    pixels = torch.stack([torch.full((3, 4, 4), 0.6), torch.rand(3, 4, 4)])
    pixels[1, :, 0, 0], pixels[1, :, 0, 1] = 0, 1
    given = PassInputs((pixels - mean) / std)
    one = activation(torch.rand(2, 2, 4, 4), inputs=given)
    for sample in (0, 1):
        drawing = draw(one, View(input=True, sample=sample, zoom=1))
        assert "shown with ImageNet normalization undone" in drawing.caption
        (shown,) = drawing.mosaic.inputs
        truth = pixels[sample].permute(1, 2, 0).numpy()
        zoom = len(shown) // 4
        np.testing.assert_allclose(shown[::zoom, ::zoom] / 255, truth, atol=0.5 / 255 + 1e-6)


def test_a_range_that_ends_in_negative_zero_is_said_to_end_in_zero():
    values = torch.tensor([-1.0, -0.0]).repeat(8).reshape(1, 1, 4, 4)
    assert re.search(r" -1 [▁-█]{8} 0, mean", drawn(values)[1])
    assert " 0 … 0, mean 0" in drawn(torch.full((1, 1, 4, 4), -0.0))[1]
    values = torch.rand(1, 2, 5)
    values[:, :, 0] = -0.0  # a prefix token
    assert "strip: 0 … 0" in drawn(values, layout="NCL", grid="2x2", prefix_tokens=1)[1]
