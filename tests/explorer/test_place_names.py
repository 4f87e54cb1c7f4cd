"""What the document says of a layer's places: the item, and what runs down and across."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import featmagic
from featmagic.explorer.document import document
from featmagic.options.view import View
from featmagic.planes.heat_map import Axes, assembled_axes
from featmagic.recording.records import Activation

NAMES = ("down", "across", "fold")


def named(tensor, **view):
    """The item, what runs down, across and along a fold, and the text of the layer."""
    held = Activation("act", "act", "Other", 1, tensor)
    (layer,) = document([held], View(explore=True, **view)).text["layers"]
    return layer["item"], *(layer["axes"][name] for name in NAMES), layer


@pytest.mark.parametrize(
    ("layout", "shape", "view", "expected"),
    [
        ("NCHW", (2, 3, 5, 6), {}, ("channel", "row", "column", "")),
        ("NHWC", (2, 5, 6, 3), {}, ("channel", "row", "column", "")),
        ("HW", (5, 6), {}, ("plane", "row", "column", "")),
        ("NCDHW", (1, 3, 4, 5, 6), {}, ("channel", "row", "column", "")),
        ("NCDHW", (1, 3, 4, 5, 6), {"slice": "mean"}, ("channel", "row", "column", "")),
        ("NC", (2, 10), {}, ("unit", "", "", "")),
        ("NC", (2, 300), {}, ("unit", "", "", "unit")),
        ("NCHW", (2, 10, 1, 1), {}, ("channel", "", "", "")),
        ("NCHW", (2, 300, 1, 1), {}, ("channel", "", "", "channel")),
        ("NAQK", (1, 3, 7, 9), {}, ("head", "query", "key", "")),
        ("NQK", (1, 7, 9), {}, ("plane", "query", "key", "")),
        ("NAQK", (1, 3, 7, 9), {"attn": 2}, ("head", "head", "key", "")),
        ("NAQK", (1, 3, 7, 9), {"attn": 2, "grid": (3, 3)}, ("head", "row", "column", "")),
        ("NLC", (2, 7, 9), {}, ("unit", "token", "unit", "")),
        ("NLC", (2, 10, 4), {"grid": (3, 3)}, ("channel", "row", "column", "")),
        ("L", (7,), {}, ("token", "token", "", "")),
        ("NCL", (2, 4, 9), {}, ("channel", "channel", "step", "")),
        ("NCW", (2, 4, 9), {}, ("channel", "", "column", "")),
    ],
)  # fmt: skip
def test_each_layout_names_what_a_place_is(layout, shape, view, expected):
    assert named(torch.rand(shape), layout=layout, **view)[:4] == expected


def test_the_axes_of_an_assembled_picture_are_those_of_its_form():
    assert assembled_axes("tiles", "head", ("query", "key")) == Axes("query", "key")
    assert assembled_axes("rows", "unit", ("", "step")) == Axes("unit", "step")
    assert assembled_axes("columns", "unit", ("token", "")) == Axes("token", "unit")
    assert assembled_axes("fold", "unit", ("", "")) == Axes(fold="unit")


def test_a_recurrent_layer_has_units_and_steps_and_its_states_are_units():
    lstm = nn.LSTM(3, 5, batch_first=True)
    with featmagic.capture(lstm, as_is=True) as maps:
        lstm(torch.rand(1, 7, 3))
    shown = document(list(maps.kept.activations.values()), View(explore=True)).text["layers"]
    said = {layer["key"]: (layer["item"], *map(layer["axes"].get, NAMES)) for layer in shown}
    assert sorted(said.values()) == [
        ("unit", "", "", ""),
        ("unit", "", "", ""),
        ("unit", "unit", "step", ""),
    ]


@pytest.mark.parametrize("place", [0, 137, 299])
def test_a_fold_says_how_many_stand_in_a_row_so_that_a_place_has_its_own_number(place):
    values = torch.arange(300.0)[None]
    *_, layer = named(values, layout="NC")
    axes, (plate,) = layer["axes"], layer["plates"].values()
    y, x = divmod(place, axes["row"])
    assert (axes["count"], axes["numbers"], plate["full"][1]) == (300, None, axes["row"])
    start, _, down, across = plate["reach"]["steps"]
    assert values[0, start + y * down + x * across] == place


def test_picked_channels_of_one_picture_keep_their_numbers():
    *_, layer = named(torch.rand(1, 300), layout="NC", channels="100:300:2")
    assert layer["axes"]["numbers"] == [*range(100, 300, 2)]
    *_, layer = named(torch.rand(1, 9, 20), layout="NLC", channels="3,7")
    assert layer["axes"]["numbers"] == [3, 7]
    *_, layer = named(torch.rand(1, 9, 4, 4), layout="NCHW", channels="3,7")
    assert (layer["axes"]["numbers"], layer["axes"]["count"]) == (None, 0)


def test_a_layer_without_a_picture_has_no_names():
    *names, layer = named(torch.zeros(1, 0, 4, 4), layout="NCHW")
    assert names == ["", "", "", ""]
    assert layer["axes"]["row"] == 0
