"""What layers take and the likely fix: torch itself says whether they are true."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from torch import nn

from featmagic.recording.requirements import Given, fix, takes

SIZES = {"N": 2, "C": 3, "L": 7, "S": 7, "D": 6, "H": 6, "W": 6, "…": 5}
TAKEN = {
    "(…, 4) float32 cpu": nn.Linear(4, 2),
    "(N, 3, L) float32 cpu": nn.Conv1d(3, 2, 3),
    "(N, 4, H, W) float32 cpu": nn.Conv2d(4, 2, 3, groups=2),
    "(N, 5, D, H, W) float32 cpu": nn.Conv3d(5, 2, 3),
    "(N, 6, H, W) float32 cpu": nn.ConvTranspose2d(6, 2, 3),
    "(N, 3) or (N, 3, L) float32 cpu": nn.BatchNorm1d(3),
    "(N, 3, H, W) float32 cpu": nn.BatchNorm2d(3),
    "(N, 3, D, H, W) float32 cpu": nn.BatchNorm3d(3, affine=False),
    "(N, 7, H, W)": nn.InstanceNorm2d(7),
    "(N, 4, …) float32 cpu": nn.GroupNorm(2, 4),
    "(…, 5, 6) float32 cpu": nn.LayerNorm((5, 6)),
    "integers from 0 to 9 on cpu": nn.Embedding(10, 3),
    "(N, L, 8) and states (4, N, 6) float32 cpu": nn.GRU(
        8, 6, num_layers=2, bidirectional=True, batch_first=True
    ),
    "(L, N, 9) and states (1, N, 6) float32 cpu": nn.LSTM(9, 6),
    "(N, 8) float32 cpu": nn.GRUCell(8, 4),
    "(…, 2) and (…, 3) float32 cpu": nn.Bilinear(2, 3, 4),
    "(N, 4, …) float32 cpu ": nn.PReLU(4),
    "(N, C, H, W)": nn.MaxPool2d(2),
    "(N, C, L)": nn.AdaptiveAvgPool1d(2),
    "query (L, N, 8), key (S, N, 6), value (S, N, 4) float32 cpu": nn.MultiheadAttention(
        8, 2, kdim=6, vdim=4
    ),
    "query (N, L, 8), key (N, S, 8), value (N, S, 8) float32 cpu": nn.MultiheadAttention(
        8, 2, batch_first=True
    ),
    "(…, 4) float64 cpu": nn.Linear(4, 2).double(),
    "(…, 4) float32 meta": nn.Linear(4, 2, device="meta"),
}


def tensors_of(text):
    """Make the tensors that such a text describes."""
    if match := re.match(r"integers from (\d+) to (\d+)", text):
        return [torch.arange(int(match[1]), int(match[2]) + 1)]
    kind = re.search(r"\) (\w+) (\w+) ?$", text)
    dtype, device = (getattr(torch, kind[1]), kind[2]) if kind else (torch.float32, "cpu")
    shapes = [
        [SIZES.get(size) or int(size) for size in shape.split(", ")]
        for shape in re.findall(r"\(([^)]+)\)", text)
    ]
    tensors = [torch.zeros(shape, dtype=dtype, device=device) for shape in shapes]
    return tensors[:1] if " or " in text else tensors


@pytest.mark.parametrize(("text", "layer"), TAKEN.items(), ids=[*TAKEN])
def test_a_layer_runs_on_what_it_is_said_to_take(text, layer):
    assert takes(layer) == text.strip()
    tensors = tensors_of(text)
    if "states" in text and isinstance(layer, nn.LSTM):
        tensors = [tensors[0], (tensors[1], tensors[1])]
    with torch.no_grad():
        layer.eval()(*tensors)


def test_nothing_is_said_of_shapes_that_a_forward_of_the_users_takes():
    class Flattening(nn.Linear):
        def forward(self, x):
            return super().forward(x.flatten(1))

    assert takes(Flattening(4, 2)) == "float32 cpu"
    assert takes(nn.ReLU()) == ""
    assert takes(nn.LazyLinear(3)) == ""
    assert fix(Flattening(4, 2), Given({"x": torch.zeros(1, 2, 2)})) == ""


def test_a_weight_that_is_computed_changes_nothing():
    layer = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 2, 3))
    assert takes(layer) == "(N, 3, H, W) float32 cpu"


PLAIN = torch.rand(4, 3, 9, 9)
FIXED = {
    "flatten": (nn.Linear(243, 2), PLAIN),
    "video": (nn.Conv2d(3, 2, 3), torch.rand(2, 5, 3, 9, 9)),
    "channels last": (nn.Conv2d(3, 2, 3), torch.rand(1, 8, 9, 3)),
    "channels last, 1-D": (nn.Conv1d(3, 2, 3), torch.rand(1, 8, 3)),
    "channels last, 3-D": (nn.Conv3d(3, 2, 3), torch.rand(1, 8, 8, 8, 3)),
    "channels last, transposed": (nn.ConvTranspose2d(3, 2, 3), torch.rand(1, 8, 9, 3)),
    "one image with channels last": (nn.Conv2d(3, 2, 3), torch.rand(8, 9, 3)),
    "one gray image": (nn.Conv2d(1, 2, 3), torch.rand(8, 9)),
    "gray images": (nn.Conv2d(1, 2, 3), torch.rand(5, 8, 9)),
    "a gray image for colors": (nn.Conv2d(3, 2, 3), torch.rand(1, 1, 8, 9)),
    "alpha": (nn.Conv2d(3, 2, 3), torch.rand(1, 4, 8, 9)),
    "bytes": (nn.Conv2d(3, 2, 3), torch.zeros(1, 3, 8, 9, dtype=torch.uint8)),
    "half": (nn.Linear(3, 2), torch.rand(1, 3).half()),
    "double": (nn.Linear(3, 2), torch.rand(1, 3).double()),
    "integers": (nn.Linear(3, 2), torch.ones(1, 3, dtype=torch.int64)),
    "floats for half": (nn.Linear(3, 2).bfloat16(), torch.rand(1, 3)),
    "floats as indices": (nn.Embedding(9, 2), torch.ones(1, 3)),
    "batch norm without batch": (nn.BatchNorm2d(3), torch.rand(3, 8, 8)),
    "layer norm of channels": (nn.LayerNorm(3), torch.rand(1, 3, 8, 9)),
    "NumPy": (nn.Linear(3, 2), np.zeros((1, 3), np.float32)),
    "device": (nn.Linear(3, 2, device="meta"), torch.rand(1, 3)),
}


@pytest.mark.parametrize(("layer", "x"), FIXED.values(), ids=[*FIXED])
def test_a_layer_that_fails_runs_after_the_fix(layer, x):
    layer = layer.train()
    with pytest.raises((RuntimeError, TypeError, ValueError)):
        layer(x)
    device = next(iter(layer.parameters())).device
    sentence = fix(layer, Given({"input": x}, is_input=True, device=device))
    expression = re.search(r"((?:x[.\[]|torch\.).*)\.$", sentence)[1]
    layer(eval(expression, {"x": x, "torch": torch}))


def test_a_flattened_batch_is_recognized():
    sentence = fix(nn.Linear(12, 2), Given({"input": torch.zeros(24)}))
    assert sentence == "Keep the batch dimension when you flatten: torch.flatten(x, 1)."


@pytest.mark.parametrize(
    ("layer", "x", "words"),
    [
        (
            nn.Conv2d(3, 2, 5, padding=1),
            torch.rand(1, 3, 2, 9),
            "4 x 11 with padding, but the kernel is 5 x 5",
        ),
        (nn.Conv1d(3, 2, 3, dilation=2), torch.rand(1, 3, 4), "4, but the kernel is 5"),
        (nn.MaxPool2d(3), torch.rand(1, 1, 2, 2), "2 x 2, but the kernel is 3 x 3"),
        (nn.AvgPool1d(4), torch.rand(1, 1, 2), "2, but the kernel is 4"),
    ],
)
def test_an_input_smaller_than_the_kernel_is_recognized(layer, x, words):
    with pytest.raises(RuntimeError):
        layer(x)
    assert fix(layer, Given({"input": x})) == f"Use a larger input: it is {words}."


def test_one_value_per_channel_is_recognized_in_training_mode():
    layer, x = nn.BatchNorm2d(3), torch.rand(1, 3, 1, 1)
    with pytest.raises(ValueError, match="more than 1 value"):
        layer(x)
    assert fix(layer, Given({"input": x})).endswith(
        "more than one value per channel: call model.eval()."
    )
    assert fix(layer.eval(), Given({"input": x})) == ""


def test_only_an_input_of_the_model_can_be_an_image_of_the_wrong_kind():
    assert fix(nn.Conv2d(3, 2, 3), Given({"input": torch.rand(1, 1, 8, 9)})) == ""
    assert fix(nn.Conv2d(3, 2, 3), Given({"input": torch.rand(1, 4, 8, 9)})) == ""


def test_a_model_on_several_devices_is_not_told_to_move_its_input_alone():
    given = Given({"input": torch.rand(1, 3)}, device=None)
    assert fix(nn.Linear(3, 2, device="meta"), given) == (
        "Layer and input must be on the same device: x.to('meta') moves the input."
    )


def test_what_fits_needs_no_fix():
    for text, layer in TAKEN.items():
        values = dict(enumerate(tensors_of(text)))
        assert fix(layer.eval(), Given(values, is_input=True, device=torch.device("cpu"))) == ""


def test_half_precision_is_no_mistake_under_autocast():
    x = torch.rand(1, 3).bfloat16()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        nn.Linear(3, 2)(x)
        assert fix(nn.Linear(3, 2), Given({"input": x})) == ""
