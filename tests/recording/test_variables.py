"""Tensors and arrays that are variables: which are found, and how their dimensions are read."""

from __future__ import annotations

from collections import OrderedDict, namedtuple

import numpy as np
import pytest
import torch
from helpers.rare_tensors import KINDS, made, numbers_of
from torch import nn

from featmagic.feature_maps import maps_of_variables
from featmagic.recording.variables import MOST_TENSORS, holds_tensors
from featmagic.support.errors import FeatmagicError

Pair = namedtuple("Pair", "one two")


def maps_of(value, name="v"):
    return maps_of_variables({name: value})


def caption_of(value, name="v", **view):
    ((caption, _),) = maps_of(value, name).pictures(**view)
    return caption.replace("\n", " · ")  # in one line


@pytest.mark.parametrize(
    ("value", "keys"),
    [
        (torch.zeros(3), ["v"]),
        (np.zeros(3), ["v"]),
        ([torch.zeros(3), 5, torch.zeros(3)], ["v[0]", "v[2]"]),
        ({"a": torch.zeros(3), 7: (torch.zeros(3),)}, ["v['a']", "v[7][0]"]),
        ({"a": {"b": [np.zeros(3)]}, "c": "text"}, ["v['a']['b'][0]"]),
        (Pair(torch.zeros(3), None), ["v[0]"]),
        (OrderedDict(a=torch.zeros(3)), ["v['a']"]),
    ],
)
def test_each_tensor_goes_by_the_expression_that_reaches_it(value, keys):
    assert holds_tensors(value)
    assert list(maps_of(value)) == keys


@pytest.mark.parametrize(
    "value", [None, 5, "x", [], {}, [1, "a"], nn.ReLU(), torch.Tensor, object()]
)
def test_what_holds_no_tensor_is_refused(value):
    assert not holds_tensors(value)
    with pytest.raises(FeatmagicError, match=r"^v can't be shown: "):
        maps_of(value)


@pytest.mark.parametrize(
    ("shape", "dims"),
    [
        ((7,), "C"),
        ((4, 6), "HW"),
        ((3, 8, 9), "CHW"),
        ((8, 9, 3), "HWC"),
        ((8, 9, 4), "HWC"),
        ((3, 9, 3), "CHW"),
        ((20, 8, 9), "CHW"),
        ((2, 3, 8, 9), "NCHW"),
        ((2, 8, 9, 3), "NHWC"),
        ((2, 1, 8, 9), "NCHW"),
        ((1, 5, 6, 7), "NCHW"),
        ((2, 3, 4, 8, 9), "NCDHW"),
    ],
)
@pytest.mark.parametrize("make", [torch.rand, np.random.rand], ids=["torch", "numpy"])
def test_dimensions_are_read_by_their_number_and_the_place_of_colors(make, shape, dims):
    assert f" · {dims}, " in caption_of(make(*shape))


def test_an_image_with_colors_last_is_drawn_a_color_a_tile():
    image = torch.rand(8, 9, 3)
    maps = maps_of(image)
    first, last = (maps.pictures(channels=channel)[0][0] for channel in (0, 2))
    assert f" {image[..., 0].max():.3g}, mean" in first
    assert f" {image[..., 2].max():.3g}, mean" in last


def test_weights_of_a_convolution_show_a_filter_in_each_tile_and_samples_are_input_channels():
    weight = nn.Conv2d(3, 6, 5).weight
    for sample in range(3):
        caption = caption_of(weight, sample=sample)
        assert "CNHW, 6 of 6 channels" in caption
        assert "one filter per tile, samples are input channels" in caption
        assert f" {weight[:, sample].max():.3g}, mean" in caption
    assert " · NCHW" in caption_of(nn.Parameter(torch.rand(1, 3, 8, 8)))
    assert " · CNHW" in caption_of(weight.detach(), "net.conv.weight.data")
    assert " · HW" in caption_of(nn.Linear(3, 4).weight)


@pytest.mark.parametrize("kind", KINDS)
def test_a_rare_tensor_is_treated_as_a_layer_of_its_kind_is(kind):
    _, reason = KINDS[kind]
    if (tensor := made(kind)) is None:
        pytest.skip("this torch has none")
    if kind in ("refusing", "quint4x2"):
        with pytest.raises(FeatmagicError, match=r"^v can't be copied: "):
            maps_of(tensor)
        return
    maps = maps_of(tensor)
    ((caption, png),) = maps.pictures()
    if reason is not None:
        assert not png
        assert reason in caption
    else:
        assert png
        finite = numbers_of(tensor)[0]
        assert maps["v"].shape == tensor.shape
        assert finite.isfinite().any()


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12.0).reshape(3, 4)[::-1],
        np.arange(12, dtype=">f4").reshape(3, 4),
        np.arange(12).reshape(3, 4).T,
        np.broadcast_to(np.float32(3), (3, 4)),
        np.ones((3, 4), bool),
        np.ones((3, 4), np.complex64) * 2j,
        np.ones((3, 4), np.float16),
        np.ma.masked_array(np.ones((3, 4))),
    ],
    ids=["reversed", "big-endian", "transposed", "read-only", "bool", "complex", "half", "masked"],
)
@pytest.mark.filterwarnings("error")
def test_any_array_of_numbers_keeps_its_values(array):
    tensor = maps_of(array)["v"]
    assert (tensor.numpy() == np.asarray(array)).all()


@pytest.mark.parametrize("array", [np.array(["a"]), np.array([object()]), np.zeros(2, "M8[s]")])
def test_an_array_of_anything_else_is_refused(array):
    with pytest.raises(FeatmagicError, match=r"it is an array of .*, not of numbers"):
        maps_of(array)


@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (2, 0, 4)])
def test_single_values_and_empty_tensors_are_told(shape):
    ((caption, png),) = maps_of(torch.ones(shape)).pictures()
    assert not png
    assert ("the single value 1" if shape == () else "empty, no picture") in caption


def test_too_many_tensors_are_refused_with_a_hint():
    many = [torch.zeros(2)] * (MOST_TENSORS + 1)
    with pytest.raises(FeatmagicError, match=r"v holds 257 tensors.*such as v\[0\]"):
        maps_of(many)


def test_a_list_that_holds_itself_is_read_once():
    endless = [torch.zeros(3)]
    endless.append(endless)
    assert list(maps_of(endless)) == ["v[0]"]
