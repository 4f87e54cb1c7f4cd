"""What the document says of attention weights: the patches that queries and keys stand for."""

from __future__ import annotations

import pytest
import torch
from helpers.pages import Saved
from torch import nn
from torchvision.models import VisionTransformer

import featmagic
from featmagic.explorer.document import document
from featmagic.options.view import View
from featmagic.recording.inputs import PassInputs
from featmagic.recording.records import Activation

LAYER = "encoder.layers.encoder_layer_0.self_attention[1]"


@pytest.fixture(scope="module")
def vit():
    torch.manual_seed(0)
    model = VisionTransformer(
        image_size=28, patch_size=2, num_layers=1, num_heads=3, hidden_dim=12, mlp_dim=8
    ).eval()
    with featmagic.capture(model, "encoder", LAYER.removesuffix("[1]")) as maps:
        model(torch.rand(2, 3, 28, 28))
    return maps


def layer_of(activations, key=None, **view):
    layers = document(activations, View(explore=True, **view)).text["layers"]
    (found,) = [layer for layer in layers if key in (None, layer["key"])]
    return found


def test_of_a_vision_transformer_the_keys_lie_on_the_patches_behind_the_class_token(vit):
    layer = layer_of([*vit.kept.activations.values()], LAYER)
    assert layer["shape"] == "(2, 3, 197, 197)"
    assert layer["attention"] == {
        "grid": [14, 14],
        "prefix": ["CLS"],
        "on_input": True,
        "queries": 197,
        "keys": 197,
    }
    assert (layer["item"], layer["axes"]["down"], layer["axes"]["across"]) == (
        *("head", "query", "key"),
    )


def test_no_other_layer_has_attention(vit):
    layers = document([*vit.kept.activations.values()], View(explore=True)).text["layers"]
    assert [layer["key"] for layer in layers if layer["attention"]] == [LAYER]


def test_what_one_query_attends_to_is_on_the_patches_already(vit):
    assert layer_of([vit.kept.activations[LAYER]], attn="cls")["attention"] is None


def test_of_text_the_tokens_lie_on_no_grid():
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    with featmagic.capture(attention, "") as maps:
        tokens = torch.rand(1, 5, 8)
        attention(tokens, tokens, tokens, average_attn_weights=False)
    (weights,) = [each for each in maps.kept.activations.values() if each.key.endswith("[1]")]
    assert layer_of([weights])["attention"] == {
        "grid": None,
        "prefix": [],
        "on_input": False,
        "queries": 5,
        "keys": 5,
    }


def weights(*shape, images=1, grids=()):
    inputs = PassInputs(torch.rand(images, 3, 32, 32), grids)
    return Activation("attn", "attn", "Attention", 1, torch.rand(shape), inputs=inputs)


def test_in_cross_attention_the_keys_have_the_patches():
    held = weights(1, 2, 7, 16, grids=((4, 4), (2, 2)))
    said = layer_of([held], layout="NAQK")["attention"]
    assert (said["grid"], said["prefix"], said["on_input"]) == ([4, 4], [], True)
    assert (said["queries"], said["keys"]) == (7, 16)


def test_registers_have_their_names():
    held = weights(1, 2, 21, 21, grids=((4, 4),))
    said = layer_of([held], layout="NAQK")["attention"]
    assert (said["grid"], said["prefix"]) == ([4, 4], ["CLS", "R1", "R2", "R3", "R4"])


def test_the_patches_of_a_window_are_not_those_of_the_input():
    held = weights(16, 2, 49, 49, grids=((28, 28), (14, 14)))
    said = layer_of([held], layout="NAQK")["attention"]
    assert (said["grid"], said["on_input"]) == ([7, 7], False)


def test_a_grid_that_is_asked_for_without_an_image_is_a_grid_alone():
    held = Activation("attn", "attn", "Attention", 1, torch.rand(1, 2, 12, 12))
    said = layer_of([held], layout="NAQK", grid=(3, 4))["attention"]
    assert (said["grid"], said["on_input"]) == ([3, 4], False)


def test_the_grid_that_is_asked_for_is_no_hindrance_to_the_picture_of_a_page(tmp_path):
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    with featmagic.capture(attention, "") as maps:
        tokens = torch.rand(1, 13, 8)
        attention(tokens, tokens, tokens)
    (path,) = maps.save(tmp_path / "look.html", ".[1]", grid="3x4", prefix_tokens=1)
    (layer,) = Saved(path.read_bytes()).contents["layers"]
    assert layer["attention"]["grid"] == [3, 4]
    assert layer["attention"]["prefix"] == ["CLS"]
