"""Models: variables, attributes and items that Tab offers."""

from __future__ import annotations

import pytest
from helpers.completing import names, suggested
from torch import nn


def test_models_come_with_their_class_and_before_what_holds_some():
    found = suggested("%hook |")
    assert list(found) == ["net", "parallel", "trainer", "models", "listed"]
    assert list(found.values()) == ["Sequential", "DataParallel", "Trainer", "dict", "list"]


@pytest.mark.parametrize(
    ("line", "there"),
    [
        ("%hook ne|", {"net": "Sequential"}),
        ("  %hook\tne|", {"net": "Sequential"}),
        ("%%featuremaps ne|", {"net": "Sequential"}),
        ("%featuremaps ne| -- net(x)", {"net": "Sequential"}),
        ("%hook trainer.mo|", {"model": "Sequential"}),
        ("%hook trainer.|", {"model": "Sequential", "stages": "dict"}),
        ("%hook trainer.inner.of|", None),  # of the class: IPython may tell
        ('%hook trainer.stages["|', {'first"]': "DNN", "second": "key"}),
        ('%hook trainer.stages["second.|', {'best"]': "DNN"}),
        ('%hook models["|', {'a"]': "Sequential", 'my net"]': "DNN"}),
        ('%hook models["|"]', {"a": "Sequential", "my net": "DNN"}),
        ("%hook models['m|", {"my net']": "DNN"}),
        ("%hook models[|]", {'"a"': "Sequential", '"my net"': "DNN"}),
        ("%hook listed[|", {"0]": "DNN", "1]": "Sequential"}),
        ("%hook listed[-1].|", {"conv1": "Conv2d", "layer1": "Sequential"}),
        ('%hook models["a"].layer1[0].c|', {"conv1": "Conv2d", "conv2": "Conv2d"}),
    ],
)
def test_a_model_may_be_an_attribute_or_an_item(line, there):
    assert suggested(line) == there


@pytest.mark.parametrize("line", ["%hook trainer.comp|", "%hook trainer.ra|", "%hook num|"])
def test_what_only_running_code_could_tell_is_left_to_ipython(line):
    assert suggested(line) is None


@pytest.mark.parametrize("line", ["%hook zzz|", "%hook zzz.|", "%hook trainer() a|", "%hook [|"])
def test_where_nothing_can_follow_nothing_is_offered(line):
    assert suggested(line) == {}


def test_layers_of_a_model_in_a_slot_or_of_a_class_are_found():
    assert "fc1" in suggested("%hook trainer.inner.net fc|")
    assert suggested("%hook trainer.inner.of_class R|") == {"ReLU": "class"}


@pytest.mark.parametrize(
    "line",
    [
        '%hook models["a"]|',
        '%hook models["a"|',
        "%hook listed[0]|",
        "%hook net.conv1.|",
        "%hook net.layer1[0].conv1.|",
        "%hook listed[0].zzz|",
        '%hook mixed["a"].|',
        "%hook models.|",
        "%hook number.|",
        '%hook models["zzz|',
        "%featuremaps net.conv1.|",
    ],
)
def test_behind_a_closed_item_or_a_leaf_is_silence(line):
    known = {**names(), "mixed": {"a": nn.Sequential(nn.ReLU())}}
    assert suggested(line, names=known) == {}
