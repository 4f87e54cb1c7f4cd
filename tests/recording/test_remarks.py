"""What a look says of passes that ran otherwise, of gradients, and of parts that don't exist."""

from __future__ import annotations

import sys

import pytest
import torch
from helpers.networks import DNN
from torch import nn

import featmagic
from featmagic import FeatmagicError


@pytest.mark.parametrize("name", ["''", '""'])
def test_the_model_goes_by_the_name_that_named_modules_gives_it(shell, name):
    shell.run(f"%%featuremaps model {name} cnn1\ny = model(x)")
    maps, y = shell.names["feature_maps"], shell.names["y"]
    assert list(maps) == ["cnn1", "."]
    assert torch.equal(maps[""], y)
    shown = shell.run("%featuremaps ''")
    assert shown.startswith("model  DNN")
    shell.run("%hook model ''")
    shell.run("y = model(x)")
    assert torch.equal(shell.names["feature_maps"][""], shell.names["y"].detach())


def test_every_name_of_named_modules_is_a_layer(model, x):
    names = [name for name, _ in model.named_modules()]
    with featmagic.capture(model, *names) as maps:
        model(x)
    assert all(isinstance(maps[name], torch.Tensor) for name in names)
    (picture,) = maps.pictures("")
    assert picture[0].startswith("model  DNN")
    with pytest.raises(FeatmagicError, match="no layer 'nope'"), featmagic.capture(model, "nope"):
        pass


LOSS = "loss = model(x).sum()\nloss.backward()"


def notes_of(error):
    return " ".join(getattr(error, "__notes__", []))


@pytest.mark.parametrize(
    "body", [LOSS, "torch.autograd.grad(model(x).sum(), list(model.parameters()))"]
)
def test_a_look_that_lacks_gradients_names_the_option_that_leaves_them(shell, body):
    result, printed = shell.attempt(f"%%featuremaps model cnn1\n{body}")
    error = result.error_in_exec
    assert type(error) is RuntimeError
    assert "does not require grad" in str(error)
    assert "--as-is leaves gradients" in notes_of(error) + printed
    shell.run(f"%%featuremaps --as-is model cnn1\n{LOSS}")


@pytest.mark.parametrize(
    "cell",
    [
        "%%featuremaps model cnn1\nmodel(x)\nraise RuntimeError('mine')",
        "%%featuremaps model cnn1\nmodel(x)\nraise ValueError('does not require grad')",
        "%%featuremaps --as-is model cnn1\nmodel(x)\ntorch.zeros(1).backward()",
    ],
)
def test_other_errors_have_no_such_hint(shell, cell):
    result, printed = shell.attempt(cell)
    assert "Gradients are off" not in notes_of(result.error_in_exec) + printed


def encoder(**more):
    layer = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True, **more)
    return nn.TransformerEncoder(layer, 2).eval()


def is_fused(run):
    """Whether torch ran a whole layer as one kernel."""
    with torch.profiler.profile() as profile:
        run()
    return any("_transformer_encoder_layer_fwd" in event.key for event in profile.key_averages())


@pytest.mark.parametrize(
    ("layers", "apart"),
    [
        (("layers.0",), "layers.0"),
        (("layers.1.linear1", "layers.0.norm1"), "layers.0, layers.1"),
        (("layers.0.self_attn",), "layers.0"),
        ((".",), None),
    ],
    ids=str,
)
def test_a_layer_that_torch_would_have_fused_is_said_to_run_step_by_step(layers, apart, capsys):
    model, tokens = encoder(), torch.randn(2, 7, 16)
    with torch.no_grad():
        alone = model(tokens)
        assert is_fused(lambda: model(tokens))
    with featmagic.capture(model, *layers) as maps:
        y = model(tokens)
    torch.testing.assert_close(y, alone)
    printed = capsys.readouterr().out
    assert ("fused kernel" in printed) is (apart is not None)
    if apart:
        assert printed.startswith(f"{apart} ran without torch's fused kernel")
        assert printed.count("\n") == 1
        hooked = apart.split(", ")
        handles = [
            model.get_submodule(path).register_forward_hook(lambda *_: None) for path in hooked
        ]
        with torch.no_grad():  # what runs step by step without us is what we have
            assert torch.equal(model(tokens), y)
        for handle in handles:
            handle.remove()
    assert maps


@pytest.mark.parametrize(("depth", "named"), [(3, ""), (4, " and 1 more"), (6, " and 3 more")])
def test_of_many_layers_that_run_step_by_step_three_are_named(depth, named, capsys):
    layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
    model = nn.TransformerEncoder(layer, depth).eval()
    with featmagic.capture(model, "layers.*"):
        model(torch.randn(1, 3, 8))
    printed = capsys.readouterr().out
    assert printed.startswith(f"layers.0, layers.1, layers.2{named} ran without torch's fused")


@pytest.mark.parametrize("why", ["activation", "a hook of the user's", "as it is", "heads"])
def test_a_layer_that_runs_step_by_step_anyway_is_not_mentioned(why, capsys):
    more = {"activation": nn.SiLU()} if why == "activation" else {}
    model = encoder(**more)
    if why == "heads":
        layer = nn.TransformerEncoderLayer(15, 3, 32, batch_first=True)
        model = nn.TransformerEncoder(layer, 1, enable_nested_tensor=False).eval()
    if why == "a hook of the user's":
        for layer in model.layers:
            layer.linear1.register_forward_hook(lambda *_: None)
    tokens = torch.randn(2, 7, 15 if why == "heads" else 16)
    with torch.no_grad():
        assert is_fused(lambda: model(tokens)) is (why == "as it is")
    with featmagic.capture(model, "layers.0", as_is=why == "as it is"):
        model(tokens)
    assert "fused kernel" not in capsys.readouterr().out


def test_a_part_of_a_layer_that_returns_one_tensor_is_said_at_once(shell):
    said = shell.run("%hook model cnn1[0] act1 fc2[1][0]")
    assert (
        "Nothing captured from cnn1[0] of model: Conv2d returns a single tensor; use 'cnn1'."
    ) in said
    assert (
        "Nothing captured from fc2[1][0] of model: Linear returns a single tensor; use 'fc2'."
    ) in said
    assert "act1 of" not in said
    assert "cnn1[0]" not in shell.run("model(x);")  # nor again when it has run


def test_a_part_of_a_single_tensor_is_missing_with_the_key_to_use():
    class Adds(nn.Module):
        def forward(self, x):
            return x + 1

    model = nn.Sequential(Adds())
    with featmagic.capture(model, "0[1]") as maps:
        model(torch.zeros(1))
    assert maps.missing == {"0[1]": "Adds returns a single tensor; use '0'"}


class Own(nn.Conv2d):
    """May return anything."""


@pytest.mark.parametrize(
    ("layer", "returns"),
    [
        (nn.LSTM(28, 3), True),
        (nn.MaxPool2d(2, return_indices=True), True),
        (Own(1, 2, 3), False),
        (nn.Identity(), False),
    ],
    ids=["LSTM", "MaxPool2d", "Own", "Identity"],
)
def test_a_layer_that_may_return_several_is_said_after_the_first_pass(shell, layer, returns):
    shell.names.update(net=nn.Sequential(layer))
    shell.names["x"] = torch.randn(1, 28, 28) if isinstance(layer, nn.LSTM) else shell.names["x"]
    assert "Nothing captured from" not in shell.run("%hook net 0[0]")
    printed = shell.run("y = net(x)")
    assert ("Nothing captured from 0[0] of net" in printed) is not returns


def test_a_hook_of_the_users_may_return_several():
    model = DNN()
    model.cnn1.register_forward_hook(lambda module, args, output: (output, output))
    model.cnn1.register_forward_hook(lambda module, args, output: output)
    with featmagic.capture(model, "cnn1[0]") as maps:
        model.cnn1(torch.randn(1, 1, 28, 28))
    assert list(maps) == ["cnn1[0]"]
    assert not maps.missing


def test_a_backward_in_a_capture_is_told_of_as_is(capsys):
    model, x = nn.Sequential(nn.Linear(2, 1)), torch.ones(1, 2)
    missing = pytest.raises(RuntimeError, match="does not require grad")
    with missing as caught, featmagic.capture(model, "0"):
        model(x).sum().backward()
    has_notes = sys.version_info >= (3, 11)
    (note,) = caught.value.__notes__ if has_notes else [capsys.readouterr().out]
    assert "as_is=True" in note
    missing = pytest.raises(RuntimeError, match="does not require grad")
    with missing as caught, featmagic.capture(model, "0", as_is=True), torch.no_grad():
        model(x).sum().backward()
    assert not hasattr(caught.value, "__notes__")
    assert not capsys.readouterr().out


def test_an_error_that_refuses_notes_stays_as_it_is_and_the_hint_is_printed(capsys):
    class Refusing(RuntimeError):
        def add_note(self, note):
            raise TypeError(note)

    error = Refusing("element 0 of tensors does not require grad")
    with pytest.raises(Refusing) as caught, featmagic.capture(nn.ReLU()):
        raise error
    assert caught.value is error
    assert "as_is=True" in capsys.readouterr().out
