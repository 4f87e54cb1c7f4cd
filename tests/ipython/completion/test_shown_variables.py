"""`%featuremaps` without a statement offers what it can show: feature maps, tensors, arrays."""

from __future__ import annotations

import numpy as np
import torch
from helpers.completing import captured, names, suggested


def known():
    maps = captured()
    return {
        **names(),
        **{"maps_a": maps, "x": torch.zeros(3), "array": np.zeros(3), "word": "x", "_x": maps},
        **{"runs": {"first": maps, "size": 3}},
    }


def test_feature_maps_come_before_tensors_and_arrays_and_those_before_models():
    found = suggested("%featuremaps |", names=known())
    assert next(iter(found)) == "maps_a"
    assert {"x", "array", "net"} <= set(found)
    assert list(found).index("x") < list(found).index("net")
    assert "word" not in found
    assert "_x" not in found


def test_items_are_offered_too():
    assert suggested('%featuremaps runs["|', names=known()) == {'first"]': "FeatureMaps"}


def test_after_feature_maps_their_layers_follow():
    assert list(suggested("%featuremaps maps_a |", names=known())) == ["conv1", "layer1"]
    assert list(suggested("%featuremaps maps_a conv1 |", names=known())) == ["layer1", "conv1"]


def test_keys_of_the_last_capture_still_come_first():
    keys = list(captured())
    assert list(suggested("%featuremaps |", names=known(), captured=keys))[:2] == [
        "conv1",
        "layer1",
    ]


def test_a_look_is_still_offered_models_alone():
    assert "x" not in suggested("%%featuremaps |", names=known())
    assert "maps_a" not in suggested("%hook |", names=known())
