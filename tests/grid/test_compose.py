"""From planes and colors to tiles: heat maps, overlays, strengths and prefix tokens."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from helpers.tiles import page_image

from featmagic.grid.arrange import arrange
from featmagic.grid.compose import color_range_of, compose, opacities
from featmagic.grid.prepare import prepare
from featmagic.options.view import View
from featmagic.planes.input_image import resize
from featmagic.recording.inputs import PassInputs
from featmagic.recording.records import Activation
from featmagic.render.color import Range
from featmagic.render.palette import GAP, INK, LEVELS, NAN
from featmagic.render.viewport import PAGE, GridLayout, terminal_viewport


def prepared(values, viewport=PAGE, image=None, **view):
    inputs = PassInputs(image)
    one = Activation("conv", "conv", "Conv2d", 1, values, inputs=inputs)
    return prepare(one, View(**view), viewport)


def composed(values, tiling=None, viewport=PAGE, image=None, **view):
    one = prepared(values, viewport, image, **view)
    return compose(one, color_range_of(one), tiling or arrange(one))


def tiles_of(mosaic):
    grid = np.moveaxis(mosaic.indices, 2, 1)
    return grid.reshape(-1, *grid.shape[2:])[: len(mosaic.labels)]


def levels(values):
    low, high = values.min(), values.max()
    return (values - low) / (high - low) * (LEVELS - 1)


@pytest.mark.parametrize("shrink", [1, 2, 3])
def test_values_are_averaged_and_then_repeated_for_a_taller_picture(shrink):
    values = torch.rand(1, 7, 30)
    mosaic = composed(values, GridLayout(1, 2, shrink, 3, density=2), layout="NCL")
    place = levels(values[0].double().numpy())
    tall, wide = -(-7 // shrink), -(-30 // shrink)
    (tile,) = tiles_of(mosaic)
    assert tile.shape == (3 * tall, wide)
    for row in range(tall):
        for column in range(wide):
            rows, columns = row * shrink, column * shrink
            mean = place[rows : rows + shrink, columns : columns + shrink].mean()
            assert np.abs(tile[3 * row : 3 * row + 3, column] - mean).max() <= 0.51
    # A row of averages is six pixels tall, and a text twelve of two pixels: four averages.
    step = {1: 5, 2: 10, 3: 20}[shrink]
    names = [(0, row // shrink * 3 + 1, str(row)) for row in range(0, 7, step)]
    assert mosaic.ticks == tuple(names)


def test_what_fills_a_fold_is_a_gap():
    (tile,) = tiles_of(composed(torch.rand(1, 98)))
    assert tile.shape == (4, 25)
    assert (tile.ravel()[98:] == GAP).all()
    assert (tile.ravel()[:98] < LEVELS).all()
    (full,) = tiles_of(composed(torch.rand(1, 100)))
    assert (full < LEVELS).all()


def test_constant_channels_are_hatched_where_they_are_a_picture():
    dead = torch.rand(1, 2, 6, 6)
    dead[0, 1] = 0.5
    first, second = tiles_of(composed(dead))
    assert (first < LEVELS).all()
    assert (second >= LEVELS).any()
    assert (tiles_of(composed(torch.ones(1, 4)))[:, 0] < LEVELS).all()
    assert (tiles_of(composed(torch.ones(1, 4, 6), layout="NCL")) < LEVELS).all()


@pytest.mark.parametrize("view", [{}, {"scale": "layer"}])
def test_strengths_are_shares_of_the_strongest_where_ranges_differ(view):
    values = torch.rand(1, 4, 6, 6) * torch.tensor([1.0, -3.0, 2.0, 0.0]).view(1, 4, 1, 1)
    values[0, 2, 0, 0] = torch.inf
    most = [np.abs(p[np.isfinite(p)]).max() for p in values[0].double().numpy()]
    bars = composed(values, **view).bars
    assert bars == (() if view else pytest.approx([m / max(most) for m in most]))
    values[0, 1] = torch.nan
    assert composed(values).bars[1] == 0
    assert composed(torch.zeros(1, 4, 6, 6)).bars == ()
    assert composed(torch.rand(1, 4, 6), layout="NCL").bars == ()


@pytest.mark.parametrize("sample", ["0", "0,1"])
def test_prefix_tokens_have_the_colors_of_their_channels_ranges(sample):
    tokens = torch.rand(2, 18, 5)
    tokens[0, 1, 3] = torch.nan
    mosaic = composed(tokens, layout="NLC", grid="4x4", sample=sample)
    rows = [int(n) for n in sample.split(",")]
    names = [(f"s{row} " if len(rows) > 1 else "") + name for row in rows for name in ("CLS", "R1")]
    names[1] += " ×"
    assert mosaic.strip.names == tuple(names)
    patches = tokens[rows, 2:].double().numpy()
    low, high = patches.min((0, 1)), patches.max((0, 1))
    expected = (tokens[rows, :2].double().numpy() - low) / (high - low) * (LEVELS - 1)
    expected = expected.clip(0, LEVELS - 1).reshape(-1, 5)
    nan = np.isnan(expected)
    assert (mosaic.strip.indices[nan] == NAN).all()
    assert np.abs(mosaic.strip.indices - expected)[~nan].max() <= 0.51
    assert composed(tokens[:, 2:], layout="NLC", grid="4x4").strip is None


def range_of(low, high, center=None, norm="linear"):
    return Range("gray", center, True, np.array(low, float), np.array(high, float), norm)


def test_values_are_as_opaque_as_they_are_large():
    place = np.linspace(0, 1, LEVELS)
    for low, high, expected in (
        (0, 4, place),
        (2, 4, 0.5 + place / 2),
        (-4, 0, 1 - place),
        (-1, 4, np.abs(-1 + 5 * place) / 4),
        (0, 0, np.zeros(LEVELS)),
    ):
        np.testing.assert_allclose(opacities(range_of([low], [high]))[0, :LEVELS], expected)
    centered = opacities(range_of([1], [5], 3.0))[0]
    np.testing.assert_allclose(centered[:LEVELS], np.abs(2 * place - 1))
    signed = opacities(replace(range_of([1], [5], 3.0), cmap="PuOr"))[0, :LEVELS]
    np.testing.assert_allclose(signed**3, np.abs(2 * place - 1) ** 2)
    bent = opacities(range_of([1], [5], norm="log"))[0]
    np.testing.assert_allclose(bent[:LEVELS], place)
    assert (np.delete(centered[LEVELS:], GAP - LEVELS) == 1).all()
    assert centered[GAP] == 0
    assert opacities(range_of([0, 2], [1, 4])).shape == (2, 256)


@pytest.mark.parametrize("sample", ["0", "0,1"])
@pytest.mark.parametrize("alpha", [0.0, 0.4, 1.0])
def test_tiles_lie_on_the_image_of_their_sample(sample, alpha):
    image, values = torch.rand(2, 3, 12, 12), torch.rand(2, 3, 6, 6)
    view = {"sample": sample, "overlay": True, "alpha": alpha}
    one = prepared(values, image=image, **view)
    layout = arrange(one)
    color_range = color_range_of(one)
    mosaic = compose(one, color_range, layout)
    assert (mosaic.zoom, mosaic.is_rgb) == (1, True)
    side = 6 * layout.zoom
    below = resize(one.images, side, side).astype(float)
    plain = composed(values, layout, sample=sample)
    for place, (tile, drawn) in enumerate(zip(tiles_of(plain), tiles_of(mosaic), strict=True)):
        colors = plain.colors[tile].repeat(layout.zoom, 0).repeat(layout.zoom, 1)
        low, high = color_range.low[place], color_range.high[place]
        value = low + tile / (LEVELS - 1) * (high - low)
        opacity = alpha * np.abs(value) / max(abs(low), abs(high))
        opacity = opacity.repeat(layout.zoom, 0).repeat(layout.zoom, 1)[..., None]
        picture = below[place // 3 if len(below) > 1 else 0]
        expected = picture * (1 - opacity) + colors * opacity
        assert np.abs(drawn - expected).max() <= 0.51


def test_a_row_that_is_not_full_ends_in_gaps_and_components_are_equally_opaque():
    image = torch.rand(1, 3, 12, 12)
    mosaic = composed(torch.rand(1, 5, 6, 6), GridLayout(3, 2, 1), image=image, overlay=True)
    drawn = page_image(mosaic)
    bottom = drawn[len(drawn) // 2 :]
    assert (bottom[..., 3] > 0).any(0).nonzero()[0].max() == 2 * 12 + 5 - 1  # two of three places
    view = {"overlay": True, "reduce": "pca", "alpha": 0.25}
    one = prepared(torch.randn(1, 5, 6, 6), image=image, **view)
    mosaic = compose(one, color_range_of(one), GridLayout(1, 2, 1))
    below = resize(one.images, 12, 12)[0].astype(float)
    components = one.rgb.rgb[0].numpy().repeat(2, 0).repeat(2, 1)
    expected = 0.75 * below + 0.25 * components
    assert np.abs(mosaic.indices[0, :, 0] - expected).max() <= 0.51


def test_shrunk_components_are_averaged_and_mark_what_holds_nan():
    values = torch.randn(1, 5, 6, 8)
    values[0, 2, 3, 5] = torch.nan
    one = prepared(values, reduce="pca")
    mosaic = compose(one, color_range_of(one), GridLayout(1, 3, 2))
    rgb = one.rgb.rgb[0].double().numpy().reshape(3, 2, 4, 2, 3).mean((1, 3))
    (tile,) = tiles_of(mosaic)
    missing = np.zeros((3, 4), bool)
    missing[1, 2] = True
    assert np.abs(tile - rgb)[~missing].max() <= 0.51
    assert (tile[1, 2] == mosaic.colors[NAN]).all()
    np.testing.assert_array_equal(mosaic.missing[0, :, 0] == NAN, missing)
    assert mosaic.nonfinite == ("×",)


@pytest.mark.parametrize("size", [(16, 16), (16, 64), (64, 16), (300, 200)])
@pytest.mark.parametrize("view", [{}, {"sample": "0,1"}])
def test_an_input_image_is_as_large_as_fits_the_place_of_a_tile_and_keeps_its_proportions(
    size, view
):
    values, image = torch.rand(2, 4, 8, 12), torch.rand(2, 3, *size)
    mosaic = composed(values, image=image, input=True, **view)
    tall, wide = 8 * mosaic.zoom, 12 * mosaic.zoom
    scale = min(tall / size[0], wide / size[1])
    expected = tuple(max(1, round(side * scale)) for side in size)
    count = 2 if view else 1
    assert [picture.shape for picture in mosaic.inputs] == [(*expected, 3)] * count
    assert mosaic.lead == (not view)  # one stands before the first tile, others beside their row


def test_an_input_image_stands_beside_a_heat_map():
    values, image = torch.rand(2, 200), torch.rand(2, 3, 16, 16)
    mosaic = composed(values, image=image, input=True)
    assert [picture.shape for picture in mosaic.inputs] == [(320, 320, 3)]  # 160 CSS pixels
    assert mosaic.lead == 0


def test_without_an_option_there_is_no_input_image_and_in_a_terminal_it_is_no_taller_than_that():
    values, image = torch.rand(2, 4, 8, 8), torch.rand(2, 3, 16, 16)
    assert composed(values, image=image).inputs == ()
    room = terminal_viewport(80, 24)
    (low,) = composed(values, viewport=room, image=image, input=True).inputs
    assert len(low) <= room.height


def test_a_heat_map_says_which_columns_of_values_stand_where_and_what_runs_across():
    values = torch.rand(1, 30, 32)
    mosaic = composed(values, layout="NLC")  # a column each, 32 of them
    assert [text for _, text in mosaic.columns] == [str(n) for n in range(32)]
    assert all(int(text) == column for column, text in mosaic.columns)
    assert mosaic.axes == ("token", "unit")
    signal = composed(torch.rand(1, 6, 5000), layout="NCL")
    shrink = -(-5000 // signal.tile_size[1])
    numbers = [int(text) for _, text in signal.columns]
    step = numbers[1]
    assert numbers == list(range(0, 5000, step))
    assert str(step).strip("0") in ("1", "2", "5")
    assert all(column == int(text) // shrink for column, text in signal.columns)
    assert signal.axes == ("channel", "step")
    assert composed(values, viewport=terminal_viewport(80), layout="NLC").columns == ()
    assert composed(torch.rand(1, 4, 8, 8)).columns == ()


def test_a_range_that_is_shared_has_figures_and_one_value_has_none():
    values = torch.linspace(-2, 6, 72).reshape(1, 2, 6, 6)
    mosaic = composed(values, scale="layer", cmap="gray")
    assert (mosaic.scale.low, mosaic.scale.middle, mosaic.scale.high) == pytest.approx((-2, 2, 6))
    assert mosaic.ends == ("-2", "2", "6")
    centered = composed(values, scale="layer")
    assert centered.ends == ("-6", "0", "6")
    assert centered.scale.center == 0
    assert composed(values).ends == ()
    assert composed(torch.ones(1, 2, 6, 6), scale="layer").ends == ()
    assert INK > LEVELS


def test_beside_a_heat_map_of_samples_each_row_has_its_own_input_image():
    image = torch.stack([torch.full((3, 8, 8), value) for value in (0.0, 0.5, 1.0)])
    mosaic = composed(torch.rand(3, 10), GridLayout(1, 8, 1, 4), image=image, input=True,
                      sample="0,2")  # fmt: skip
    (shown,) = mosaic.inputs
    first, second = np.split(shown, 2)
    assert (first.max(), second.min()) == (0, 255)
    assert len(shown) == mosaic.tile_size[0] * mosaic.zoom  # so that they stand beside their rows
    alone = composed(torch.rand(3, 10), GridLayout(1, 8, 1), image=image, input=True, sample="1")
    assert [np.unique(each).tolist() for each in alone.inputs] == [[128]]
