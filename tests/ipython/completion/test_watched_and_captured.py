"""Names of what is watched and captured, and keys of feature maps."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from helpers.completing import captured, names, suggested
from torch import nn

import featmagic


def test_into_offers_names_that_hold_feature_maps():
    known = {**names(), "maps": captured()}
    assert suggested("%hook net --into |", names=known) == {"maps": "FeatureMaps"}


def test_unhook_offers_what_is_watched():
    watched = ["feature_maps", "net", "trainer.model"]
    assert list(suggested("%unhook |", watched=watched)) == ["feature_maps", "net", "trainer"]
    assert list(suggested("%unhook trainer.|", watched=watched)) == ["model"]
    assert list(suggested("%unhook net |", watched=watched)) == ["feature_maps", "trainer"]


def test_without_a_statement_keys_come_first_and_then_models():
    keys = list(captured())
    assert keys == ["conv1", "layer1.0.relu", "layer1.0.relu:2", "layer1"]
    found = suggested("%featuremaps |", captured=keys)
    assert list(found)[:3] == ["conv1", "layer1", "net"]
    assert suggested("%featuremaps layer1.0.|", captured=keys) == {
        "relu": "Tensor",
        "relu:2": "Tensor",
    }
    assert list(suggested("%featuremaps conv1 |", captured=keys)) == ["layer1", "conv1"]
    assert list(suggested("%featuremaps layer1.0.|  -- net(x)", captured=keys)) == []


@pytest.mark.parametrize(
    "line", ["%featuremaps net conv1 -- ne|", "%featuremaps net -- |", "%hook {na|", "%hook $n|"]
)
def test_python_is_left_to_ipython(line):
    assert suggested(line) is None


@pytest.mark.parametrize(
    ("line", "there"),
    [
        ('maps["|', {'conv1"': "Tensor", "layer1": "layer", 'layer1"': "Tensor"}),
        ('maps["c|"]', {"conv1": "Tensor"}),
        ("y = maps['layer1.|", {"0": "layer"}),
        ("maps['layer1.0.r|", {"relu'": "Tensor", "relu:2'": "Tensor"}),
        ("%featuremaps net -- maps['c|", {"conv1'": "Tensor"}),
        ("net['c|", None),
        ("other.maps['c|", None),
        ("maps['conv1'] + 'c|", None),
    ],
)
def test_keys_come_one_segment_at_a_time_and_close_where_they_end(line, there):
    assert suggested(line, names={**names(), "maps": captured()}) == there


def test_a_key_with_quotes_in_it_is_written_so_that_python_reads_it():
    class Encoder(nn.Module):
        def forward(self, x):
            return {"it's": x}

    net = nn.Sequential(OrderedDict(enc=Encoder()))
    with featmagic.capture(net, "enc") as maps:
        net(torch.zeros(1))
    (key,) = maps
    for quote in "'\"":
        (text,) = suggested(f"maps[{quote}e|", names={"maps": maps})
        assert eval(f"maps[{quote}{text}]", {"maps": maps}) is maps[key]
