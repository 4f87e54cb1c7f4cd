"""`%featuremaps NAME` without a statement: which of all that a word may mean is shown."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

CONV = "cnn1  Conv2d  (1, 5, 24, 24)"


@pytest.fixture
def full(shell):
    """A shell in which words may mean several things."""
    shell.run("import numpy as np\nfrom torch import nn")
    shell.run("%%featuremaps model cnn1 act1 --into maps_a\nmodel(x);")
    shell.names |= {
        "runs": {"a": shell.names["maps_a"]},
        "t": torch.rand(2, 3, 8, 8),
        "batch": [torch.rand(3, 8, 8), torch.rand(4)],
        "d": {"left": torch.rand(3, 5, 5), "right": np.ones((2, 4)), "size": 3},
        "array": np.arange(12.0).reshape(3, 4),
        "image": np.zeros((9, 8, 3), np.uint8),
        "images": torch.zeros(2, 9, 8, 3),
        "word": "cnn1",
        "numbers": [1, 2, 3],
        "Conv2d": nn.Conv2d,
    }
    return shell


def captions(printed):
    """Return the captions, a line each: what follows in further lines is indented."""
    return printed.replace("\n  ", " · ").splitlines()


def first(printed):
    return printed.splitlines()[0]


@pytest.mark.parametrize(
    ("typed", "shown"),
    [
        ("", [CONV, "act1  LeakyReLU"]),
        ("cnn1", [CONV]),
        ("maps_a", [CONV, "act1  LeakyReLU"]),
        ("maps_a act1", ["act1  LeakyReLU"]),
        ("maps_a act1 cnn1", ["act1  LeakyReLU", CONV]),
        ("maps_a LeakyReLU", ["act1  LeakyReLU"]),
        ("runs['a']", [CONV, "act1  LeakyReLU"]),
        ('runs["a"] cnn1', [CONV]),
        ("Conv2d", [CONV]),
        ("model.cnn1", [CONV]),
        ("act*", ["act1  LeakyReLU"]),
        ("t", ["t  Tensor  (2, 3, 8, 8) float32 cpu · NCHW, 3 of 3 channels, sample 0"]),
        ("t[1]", ["t[1]  Tensor  (3, 8, 8) float32 cpu · CHW, 3 of 3 channels, CHW assumed"]),
        ("t[:,1]", ["t[:,1]  Tensor  (2, 8, 8) float32 cpu · CHW, 2 of 2 channels"]),
        ("t t[0,0]", ["t  Tensor", "t[0,0]  Tensor  (8, 8) float32 cpu · HW, 1 of 1 planes"]),
        ("batch", ["batch[0]  Tensor  (3, 8, 8)", "batch[1]  Tensor  (4,)"]),
        ("batch[1]", ["batch[1]  Tensor  (4,) float32 cpu · C, 4 of 4 values"]),
        ("d", ["d['left']  Tensor  (3, 5, 5)", "d['right']  ndarray  (2, 4) float64 cpu · HW"]),
        ("d right", ["d['right']  ndarray"]),
        ("array", ["array  ndarray  (3, 4) float64 cpu · HW, 1 of 1 planes"]),
        ("image", ["image  ndarray  (9, 8, 3) uint8 cpu · HWC, 3 of 3 channels, HWC assumed"]),
        ("images", ["images  Tensor  (2, 9, 8, 3) float32 cpu · NHWC, 3 of 3 channels"]),
        (
            "model.cnn1.weight",
            ["model.cnn1.weight  Parameter  (5, 1, 5, 5) float32 cpu · CNHW, 5 of 5 channels"],
        ),
        ("model.cnn1.bias", ["model.cnn1.bias  Parameter  (5,)"]),
        ("model.fc1.weight", ["model.fc1.weight  Parameter"]),
    ],
)
def test_what_a_line_shows(full, typed, shown):
    lines = captions(full.run(f"%featuremaps {typed}"))
    assert len(lines) == len(shown)
    for line, beginning in zip(lines, shown, strict=True):
        assert line.startswith(beginning)


@pytest.mark.parametrize(
    ("typed", "message"),
    [
        ("model", "%featuremaps model needs code to run: add `-- model(x)`, or use %%featuremaps"),
        ("model.fc1", "%featuremaps model.fc1 needs code to run: add `-- model.fc1(x)`"),
        ("maps_a nope", "No 'nope' was captured. Captured: cnn1, act1."),
        ("nope", "No 'nope' was captured. Captured: cnn1, act1."),
        (
            "maps_b",
            "maps_b is neither a captured layer nor a variable. Did you mean maps_a?",
        ),
        ("word", "word is a str: %featuremaps shows feature maps, tensors and NumPy arrays"),
        ("numbers", "numbers is a list: %featuremaps shows feature maps, tensors"),
        ("t[9]", "t[9] can't be read: IndexError"),
        ("batch[0].nope", "batch[0].nope can't be read: AttributeError"),
        (
            "d wrong",
            ("wrong is neither a tensor nor a part of d, which contains: d['left'], d['right']."),
        ),
        ("t --pass 3", "There is no pass 3: 1 pass ran."),
        ("t --sample 5", "No sample 5"),
    ],
)
def test_what_a_line_answers(full, typed, message):
    assert message in str(full.error(f"%featuremaps {typed}"))


def test_a_layer_that_was_captured_comes_before_a_variable_of_its_name_and_that_is_said(full):
    full.names["cnn1"] = torch.rand(4, 4)
    said, shown = captions(full.run("%featuremaps cnn1"))
    assert said == "cnn1 is shown as the captured layer; write (cnn1) for the variable."
    assert shown.startswith(CONV)
    assert first(full.run("%featuremaps (cnn1)")).startswith("cnn1  Tensor  (4, 4)")
    full.names["cnn1"] = 5
    assert first(full.run("%featuremaps cnn1")).startswith(CONV)


def test_before_anything_was_captured_variables_are_shown_all_the_same(shell):
    assert first(shell.run("%featuremaps x")).startswith("x  Tensor  (1, 1, 28, 28)")
    assert "Nothing has been captured yet. Run %featuremaps MODEL" in str(
        shell.error("%featuremaps cnn1")
    )


@pytest.mark.parametrize("line", ["%%featuremaps {}\nmodel(x)", "%featuremaps {} -- model(x)"])
@pytest.mark.parametrize(("name", "kind"), [("maps_a", "a FeatureMaps"), ("t", "a Tensor")])
def test_where_a_model_is_needed_another_variable_is_answered_in_one_line(full, line, name, kind):
    error = str(full.error(line.format(name)))
    assert error == (
        f"expected an nn.Module, but {name} is {kind}. Available models: model (DNN). To show "
        f"{name} "
        f"itself: %featuremaps {name}, with one % and no statement."
    )


def test_the_options_of_a_layer_apply(full):
    assert "magma" in full.run("%featuremaps t --cmap magma")
    assert "HWNC: 8 of 8" not in full.run("%featuremaps t --sample 1 --channels 2")
    assert "samples 0, 1" in full.run("%featuremaps t --sample all")
    assert "float64 cpu · WH" not in full.run("%featuremaps array --layout CL")
    printed = full.run("%featuremaps model.cnn1.weight --title 'Filters of cnn1'")
    assert first(printed) == "Filters of cnn1"
    assert "2 layers" in full.run("%featuremaps maps_a --overview")
    assert "one filter per tile" in printed


def test_what_is_shown_can_be_saved(full, tmp_path):
    full.run(f"%featuremaps d --save {tmp_path}/d.npz")
    with np.load(tmp_path / "d.npz") as arrays:
        assert set(arrays) == {"d['left']", "d['right']"}
        assert (arrays["d['left']"] == full.names["d"]["left"].numpy()).all()
    full.run(f"%featuremaps t --save {tmp_path}/t.png")
    full.run(f"%featuremaps maps_a --save {tmp_path}/m.html")
    full.run(f"%featuremaps t --save {tmp_path}/t.svg --overwrite --title 特徴")
    assert {path.name for path in tmp_path.iterdir()} == {"d.npz", "t.png", "m.html", "t.svg"}


def test_values_are_those_of_the_variable_now_and_the_variable_stays_as_it_is(full):
    tensor = full.names["t"]
    tensor.requires_grad_()
    version = tensor._version
    low = f"{tensor.detach()[0].min():.3g}"
    assert f" {low} " in full.run("%featuremaps t")
    assert tensor._version == version
    assert tensor.grad is None
    with torch.no_grad():
        tensor.fill_(7)
    assert " 7 … 7, " in full.run("%featuremaps t")


def test_what_was_captured_last_stays_the_same_when_other_things_are_shown(full):
    full.run("%featuremaps t")
    assert first(full.run("%featuremaps")).startswith(CONV)
