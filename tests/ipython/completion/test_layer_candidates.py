"""Layers of a model, one segment of their path at a time."""

from __future__ import annotations

from collections import OrderedDict

import pytest
from helpers.completing import names, suggested
from torch import nn


@pytest.mark.parametrize(
    ("line", "there"),
    [
        ("%hook net |", {"conv1": "Conv2d", "layer1": "Sequential"}),
        ("%%featuremaps net l|", {"layer1": "Sequential"}),
        ("%featuremaps net l|", {"layer1": "Sequential"}),
        ("%hook net layer1.|", {"0": "Block", "1": "Block"}),
        ("%hook net layer1.0.c|", {"conv1": "Conv2d", "conv2": "Conv2d"}),
        ("%hook net layer1[|", {"0]": "Block", "1]": "Block"}),
        ("%hook net layer1[|]", {"0": "Block", "1": "Block"}),
        ("%hook net layer1[-1].r|", {"relu": "ReLU"}),
        ("%hook net net.lay|", {"layer1": "Sequential"}),
        ("%hook net net.layer1[0].r|", {"relu": "ReLU"}),
        ("%hook parallel layer1.0.r|", {"relu": "ReLU"}),
        ('%hook models["my net"] fc|', {"fc1": "Linear", "fc2": "Linear"}),
        ("%hook trainer.model layer1.0.r|", {"relu": "ReLU"}),
        ("%hook net Co|", {"Conv2d": "class"}),
        ("%hook net co|", {"conv1": "Conv2d"}),
        ("%hook net B|", {"BatchNorm2d": "class", "Block": "class"}),
        ("%hook parallel D|", {}),  # the wrapper is no layer
        ("%hook net nosuch.|", {}),
        ("%hook net conv1.|", {}),
        ("%hook nosuch |", {}),
    ],
)
def test_layers_come_one_segment_at_a_time_with_their_class(line, there):
    assert suggested(line) == there


@pytest.mark.parametrize("word", ["*", "lay*", "layer1.*", "layer1.*.co*", "?", "**", "**.c?"])
def test_a_glob_is_left_as_it_is(word):
    assert suggested(f"%hook net {word}|") == {}
    assert suggested(f"%featuremaps n{word}|", captured=["net"]) == {}


@pytest.mark.parametrize(
    ("word", "there"),
    [
        ("layer1.*.co", {"conv1": "Conv2d", "conv2": "Conv2d"}),
        ("layer1.?.r", {"relu": "ReLU"}),
        ("net.l*.0.r", {"relu": "ReLU"}),
        ("**.r", {"relu": "ReLU"}),
        ("layer1.**.b", {"bn1": "BatchNorm2d", "bn2": "BatchNorm2d"}),
        ("*.", {"0": "Block", "1": "Block"}),
        ("layer1[0].**.r", {"relu": "ReLU"}),
        ("layer1.*.nosuch.", {}),
        ("nosuch.*.", {}),
        ("*.*.*.*.", {}),
    ],
)
def test_behind_a_glob_come_the_children_of_all_that_it_names(word, there):
    assert suggested(f"%hook net {word}|") == there
    assert suggested(f"%%featuremaps net conv1 {word}|") == there


def test_a_glob_is_no_model_and_no_watch():
    assert suggested("%hook n*.|") == {}
    assert suggested("%unhook n*.|", watched=["net.a"]) == {}


@pytest.mark.parametrize("line", ["%hook net # la|", "%hook net conv1 #|"])
def test_a_comment_is_left_as_it_is(line):
    assert suggested(line) == {}


def test_layers_that_are_on_the_line_come_last():
    assert list(suggested("%hook net conv1 |")) == ["layer1", "conv1"]
    assert list(suggested("%hook net | conv1")) == ["layer1", "conv1"]
    assert list(suggested("%hook net layer1.0 layer1.|")) == ["1", "0"]


def test_a_name_with_a_space_is_offered_inside_quotes_alone():
    net = nn.Sequential(OrderedDict([("cnn 1", nn.ReLU()), ("cnn2", nn.ReLU())]))
    assert suggested("%hook net |", names={"net": net}) == {"cnn2": "ReLU"}
    assert suggested("%hook net 'cnn |", names={"net": net}) == {"cnn 1": "ReLU"}


def test_no_suggestion_has_a_dot():
    known = names()
    paths = [path for path, _ in known["net"].named_modules()]
    lines = [f"%hook net {path[:end]}" for path in paths for end in range(len(path) + 1)]
    lines += ["%hook trainer.stages['", "%hook trainer.", "%unhook ", "%featuremaps layer1."]
    for line in lines:
        found = suggested(line + "|", names=known, watched=["trainer.model"], captured=paths)
        assert not [text for text in found if "." in text]


def test_a_chain_deeper_than_pythons_stack_completes():
    net = deepest = nn.Sequential()
    for _ in range(5000):
        deepest.add_module("b", nn.Sequential())
        deepest = deepest.b
    deepest.add_module("end", nn.ReLU())
    assert suggested("%hook net " + "b." * 5000 + "|", names={"net": net}) == {"end": "ReLU"}
    assert suggested("%hook net R|", names={"net": net}) == {"ReLU": "class"}


def test_among_thousands_of_layers_the_last_one_is_found():
    net = nn.ModuleList(nn.ReLU() for _ in range(5000))
    assert suggested("%hook net 4999|", names={"net": net}) == {"4999": "ReLU"}
    assert len(suggested("%hook net 4|", names={"net": net})) == 500  # as many as IPython shows
