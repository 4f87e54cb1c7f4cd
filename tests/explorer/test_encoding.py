"""What an explorer holds: bytes that say the values, within half a step of their range."""

from __future__ import annotations

import base64
import io
import json

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

import featmagic
from featmagic.explorer.budget import BYTES_OF_PLANE, shares
from featmagic.explorer.document import document
from featmagic.options.view import View
from featmagic.support.errors import FeatmagicError

LEVELS, GAP, NAN, PLUS, MINUS = 240, 240, 243, 244, 245


def explored(maps, **view):
    return document(list(maps.kept.activations.values()), View(explore=True, **view))


def looked_at(model, *inputs, layers=()):
    torch.manual_seed(0)
    with featmagic.capture(model, *layers) as maps:
        model(*inputs)
    return maps


def codes_of(found, plate):
    """The bytes of each plane, `(P, h, w)`."""
    picture = Image.open(io.BytesIO(found.files[plate["id"]]))
    assert picture.mode == "L"
    assert picture.size == (plate["width"], plate["height"] * len(plate["channels"]))
    return np.asarray(picture).reshape(-1, plate["height"], plate["width"])


def values_of(found, plate):
    """What the bytes stand for, and half a step of each plane."""
    low, high = (np.array(plate[end], float)[:, None, None] for end in ("low", "high"))
    codes = codes_of(found, plate).astype(float)
    return low + codes / (LEVELS - 1) * (high - low), (high - low) / (LEVELS - 1) / 2


def reached(plate, tensor):
    """The tensor's own values at every place of every plane, by the plate's own reach."""
    start, channel, down, across = plate["reach"]["steps"]
    height, width = plate["full"]
    c, y, x = np.ix_(plate["channels"], range(height), range(width))
    flat = start + c * channel + y * down + x * across
    inside = flat < tensor.numel()
    values = tensor.reshape(-1).double().numpy()[np.where(inside, flat, 0)]
    return np.where(inside, values, np.nan)


class Transposed(nn.Module):
    def __init__(self, *axes):
        super().__init__()
        self.axes = axes

    def forward(self, x):
        return x.permute(*self.axes)


CONV = nn.Sequential(nn.Conv2d(3, 5, 3), nn.ReLU())
MAPS = {
    "a convolution": (CONV, torch.randn(2, 3, 9, 12), {}),
    "its second sample": (CONV, torch.randn(2, 3, 9, 12), {"sample": 1}),
    "channels last": (nn.Sequential(nn.Conv2d(3, 6, 1), Transposed(0, 2, 3, 1)),
                      torch.randn(1, 3, 4, 7), {"layout": "NHWC"}),
    "some channels": (CONV, torch.randn(1, 3, 9, 9), {"channels": "4,0,2"}),
    "pooled": (nn.Sequential(nn.AdaptiveAvgPool2d(1)), torch.randn(2, 70, 5, 5), {}),
    "a few features": (nn.Sequential(nn.Linear(4, 10)), torch.randn(3, 4), {"sample": 2}),
    "many features": (nn.Sequential(nn.Linear(4, 100)), torch.randn(3, 4), {"sample": -1}),
    "a signal": (nn.Sequential(nn.Conv1d(2, 6, 3)), torch.randn(2, 2, 20), {"sample": 1}),
    "tokens": (nn.Sequential(nn.Linear(4, 8)), torch.randn(2, 10, 4),
               {"layout": "NLC", "grid": "3x3", "prefix_tokens": 1}),
    "text": (nn.Sequential(nn.Embedding(9, 5)), torch.randint(9, (2, 7)), {"sample": 1}),
    "a volume": (nn.Sequential(nn.Conv3d(1, 4, 3)), torch.randn(2, 1, 7, 6, 5), {"slice": "1"}),
    "states": (nn.LSTM(3, 5, batch_first=True), torch.randn(2, 6, 3), {"sample": 1}),
    "whole numbers": (nn.Sequential(nn.Identity()), torch.arange(48).reshape(1, 3, 4, 4), {}),
    "half precision": (nn.Sequential(nn.Identity()), torch.randn(1, 3, 4, 4).half(), {}),
}  # fmt: skip


@pytest.mark.parametrize("which", MAPS)
def test_every_byte_is_a_value_of_the_tensor_within_half_a_step(which):
    model, given_, view = MAPS[which]
    maps = looked_at(model, given_, layers=(".",) if which == "states" else ())
    found = explored(maps, **view)
    for layer in found.text["layers"]:
        (plate,) = layer["plates"].values()
        told, half = values_of(found, plate)
        true = reached(plate, maps[layer["key"]])
        there = codes_of(found, plate) != GAP
        assert (~there).sum() < plate["width"]
        assert not there.size or there.reshape(-1)[: there.sum()].all()  # padding comes last
        # Ranges are told in nine digits.
        assert (np.abs(told - true) <= half * 1.001 + 1e-8 * np.abs(true))[there].all()


IDENTITY = nn.Sequential(nn.Identity())
STEPS = torch.arange(84).reshape(1, 2, 6, 7)
FINE = {
    "times in milliseconds": 1_700_000_000_123 + STEPS,
    "steps of a billionth": 1e9 + STEPS.double(),
    "steps of 1e-12": 1 + 1e-12 * STEPS.double(),
    "the smallest there are": 1e-310 * STEPS.double(),
    "the largest there are": 1e306 * STEPS.double(),
    "the smallest of float32": 1e-44 * STEPS,
    "the largest of float32": 4e36 * STEPS,
    "1e-20 of float32": 1e-20 * STEPS,
}


@pytest.mark.parametrize("which", FINE)
def test_ranges_and_figures_are_true_however_near_large_or_small_the_values_are(which):
    values = FINE[which]
    found = explored(looked_at(IDENTITY, values))
    (plate,) = found.text["layers"][0]["plates"].values()
    told, half = values_of(found, plate)
    true = values[0].double().numpy()
    assert (half > 0).all()
    assert (np.abs(told - true) <= half * 1.01).all()

    most = np.abs(true).max()
    rows = (true / most).reshape(2, -1)  # squares of the values themselves may be out of reach
    for name, each in (("std", rows.std(1)), ("mean", rows.mean(1)), ("absmean", rows.mean(1))):
        assert plate[name] == pytest.approx((each * most).tolist(), rel=1e-4), name
    json.dumps(found.text, allow_nan=False)


def test_a_plane_of_one_value_deviates_by_nothing():
    found = explored(looked_at(IDENTITY, torch.full((1, 2, 7, 7), 0.1)))
    (plate,) = found.text["layers"][0]["plates"].values()
    assert plate["std"] == [0, 0]


def test_what_is_no_number_is_counted_in_planes_that_are_left_out_too():
    values = torch.rand(1, 50, 7, 7)
    values[0, 48:, 0, :2] = torch.tensor([torch.nan, torch.inf])
    found = explored(looked_at(IDENTITY, values), max_bytes=1000)
    (layer,) = found.text["layers"]
    assert len(layer["plates"]["0"]["channels"]) < 48
    assert (layer["nan"], layer["inf"]) == (2, 2)


def test_values_in_a_fold_that_is_made_smaller_are_all_in_it():
    values = torch.arange(1.0, 5000).reshape(1, -1)
    found = explored(looked_at(IDENTITY, values), max_bytes=19_000)
    (plate,) = found.text["layers"][0]["plates"].values()
    assert (plate["full"], plate["shrink"]) == ([71, 71], 2)
    rows = np.full(71 * 71, np.nan)
    rows[:4999] = values[0].double().numpy()
    blocks = np.full((72, 72), np.nan)
    blocks[:71, :71] = rows.reshape(71, 71)
    blocks = blocks.reshape(36, 2, 36, 2).transpose(0, 2, 1, 3).reshape(36, 36, 4)
    there = codes_of(found, plate)[0] != GAP
    assert (there == ~np.isnan(blocks).all(2)).all()
    told, half = values_of(found, plate)
    assert (np.abs(told[0][there] - np.nanmean(blocks[there], 1)) <= half[0] * 1.01).all()


def test_what_is_no_number_has_bytes_of_its_own():
    values = torch.tensor([[[[1.0, torch.nan], [torch.inf, -torch.inf]], [[torch.nan] * 2] * 2]])
    found = explored(looked_at(nn.Sequential(nn.Identity()), values))
    (layer,) = found.text["layers"]
    (plate,) = layer["plates"].values()
    assert codes_of(found, plate).tolist() == [[[0, NAN], [PLUS, MINUS]], [[NAN] * 2] * 2]
    assert plate["low"] == [1.0, None]
    assert (plate["nan"], plate["inf"]) == ([1, 4], [2, 0])
    assert (layer["nan"], layer["inf"], layer["dead"]) == (5, 2, 0)
    json.dumps(found.text, allow_nan=False)


def test_figures_are_those_of_each_plane():
    values = torch.randn(1, 4, 5, 6).relu()
    values[0, 2] = 0
    found = explored(looked_at(nn.Sequential(nn.Identity()), values))
    (plate,) = found.text["layers"][0]["plates"].values()
    rows = values[0].flatten(1).double().numpy()
    expected = {
        "low": rows.min(1), "high": rows.max(1), "mean": rows.mean(1), "std": rows.std(1),
        "absmean": np.abs(rows).mean(1), "zeros": (rows == 0).mean(1),
    }  # fmt: skip
    for name, each in expected.items():
        assert plate[name] == pytest.approx(each.tolist(), rel=1e-4, abs=1e-7), name
    assert (found.text["layers"][0]["dead"], found.text["layers"][0]["dead_of"]) == (1, 4)


def test_dead_units_of_a_heat_map_are_counted_though_it_is_one_plane():
    values = torch.randn(1, 4, 9)
    values[0, 1:3] = 0.25
    found = explored(looked_at(nn.Sequential(nn.Identity()), values), layout="NCL")
    (layer,) = found.text["layers"]
    assert (layer["of"], layer["dead"], layer["dead_of"]) == (1, 2, 4)


def test_a_document_says_what_each_byte_stands_for():
    text = explored(looked_at(CONV, torch.randn(1, 3, 9, 9)), cmap="hot").text
    assert text["levels"] == LEVELS
    assert text["codes"] == {"nan": NAN, "+inf": PLUS, "-inf": MINUS, "constant": 242, "gap": GAP}
    assert text["special"].keys() == text["codes"].keys()
    assert "hot" in text["cmaps"]
    assert {len(base64.b64decode(table)) for table in text["cmaps"].values()} == {3 * LEVELS}


def test_the_input_travels_as_a_picture():
    image = torch.rand(2, 3, 30, 20)
    found = explored(looked_at(CONV, image), sample=1)
    (sample, text), = found.text["images"].items()  # fmt: skip
    assert (sample, text["full"]) == ("1", [30, 20])
    pixels = np.asarray(Image.open(io.BytesIO(found.files[text["id"]])))
    expected = (image[1].permute(1, 2, 0).double().numpy() * 255).round()
    assert np.abs(pixels - expected).max() <= 1


def test_layers_without_a_picture_say_why():
    maps = looked_at(nn.Sequential(nn.Identity()), torch.zeros(1, 0, 4, 4))
    (layer,) = explored(maps).text["layers"]
    assert (layer["reason"], layer["plates"]) == ("empty, no picture", {})


def test_nothing_captured_is_an_error():
    with pytest.raises(FeatmagicError, match="Nothing to explore"):
        document([], View(explore=True))


def test_a_sample_that_is_not_there_is_an_error():
    maps = looked_at(CONV, torch.randn(2, 3, 9, 9))
    with pytest.raises(FeatmagicError, match="2"):
        explored(maps, sample=5)


def test_what_is_too_much_is_made_smaller_and_told():
    maps = looked_at(nn.Sequential(nn.Conv2d(3, 64, 1), nn.ReLU()), torch.randn(1, 3, 64, 64))
    found = explored(maps, max_bytes=200_000)
    assert sum(map(len, found.files.values())) + len(json.dumps(found.text)) <= 200_000
    assert found.text["words"] == ["2 layers reduced in size to stay within 200 kB"]
    for layer in found.text["layers"]:
        (plate,) = layer["plates"].values()
        k = plate["shrink"]
        assert k > 1
        true = nn.functional.avg_pool2d(maps[layer["key"]].double(), k, ceil_mode=True)[0].numpy()
        told, half = values_of(found, plate)
        assert (np.abs(told - true) <= half + 1e-5).all()


def test_picked_channels_that_are_left_out_are_told():
    maps = looked_at(IDENTITY, torch.rand(1, 500, 7, 7))
    found = explored(maps, channels="0:300", max_bytes=40_000)
    assert 0 < len(found.text["layers"][0]["plates"]["0"]["channels"]) < 300
    assert found.text["words"] == ["1 layer without its last channels to stay within 40 kB"]
    assert explored(maps, channels="0:300").text["words"] == []


def test_an_option_that_no_layer_has_a_use_for_is_refused_and_one_for_some_is_not():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.Unflatten(0, (1, 1)), nn.Conv3d(1, 2, 1))
    maps = looked_at(net, torch.rand(1, 1, 9, 9), layers=("0", "2"))
    first, second = explored(maps, slice=0).text["layers"]
    assert (first["of"], second["of"]) == (4, 2)
    with pytest.raises(FeatmagicError, match="--attn doesn't apply here"):
        explored(maps, attn="mean")


def test_what_is_said_of_many_layers_counts_too():
    net = nn.Sequential(*[nn.Identity() for _ in range(100)])
    found = explored(looked_at(net, torch.rand(1, 64, 14, 14)), max_bytes=200_000)
    assert sum(map(len, found.files.values())) + len(json.dumps(found.text)) <= 200_000


SIZES = st.lists(
    st.tuples(st.integers(1, 300), st.integers(1, 120), st.integers(1, 120)), min_size=1, max_size=9
)


@settings(deadline=None)
@given(SIZES, st.integers(10_000, 10**6))
def test_shares_stay_within_the_budget_and_use_it(sizes, budget):
    def cost(size, share):
        sides = [-(-side // share.shrink) for side in size[1:]]
        return min(size[0], share.most or size[0]) * (sides[0] * sides[1] + BYTES_OF_PLANE)

    found = shares(sizes, budget)
    assert sum(map(cost, sizes, found)) <= budget
    if sum(planes * (h * w + BYTES_OF_PLANE) for planes, h, w in sizes) <= budget:
        assert all(share.shrink == 1 and share.most is None for share in found)


def test_a_limit_that_cannot_be_kept_is_told():
    maps = looked_at(nn.Sequential(nn.Conv2d(3, 64, 1)), torch.randn(1, 3, 64, 64))
    found = explored(maps, max_bytes=1)
    (said,) = [word for word in found.text["words"] if "channels" in word]
    assert said == "1 layer without its last channels but still above 1 B"
