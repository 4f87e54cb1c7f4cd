"""Modules that are equal to each other: they are distinguished by identity, never by equality."""

from __future__ import annotations

import copy

import pytest
import torch
from helpers.explored import activation
from helpers.leftovers import Before, every_module
from torch import nn

import featmagic
from featmagic.options.view import View


class Same(nn.Module):
    """A layer that is equal to every other of its class, as if compared by configuration."""

    def __init__(self, *children):
        super().__init__()
        self.factor = nn.Parameter(torch.rand(()) + 0.5)
        self.inner = nn.Sequential(*children) if children else None

    def forward(self, x):
        return (x if self.inner is None else self.inner(x)) * self.factor

    def __eq__(self, other):
        return isinstance(other, Same)

    def __hash__(self):
        return 7


class SameConv(nn.Conv2d):
    def __eq__(self, other):
        return isinstance(other, nn.Conv2d)

    def __hash__(self):
        return 7


MODELS = {
    "side by side": lambda: nn.Sequential(Same(), Same(), Same()),
    "one inside the other": lambda: Same(Same(Same()), Same()),
    "below a model": lambda: nn.Sequential(Same(nn.ReLU()), Same(nn.ReLU())),
    "the model itself": lambda: Same(Same()),
    "drawn": lambda: nn.Sequential(SameConv(1, 2, 3), SameConv(2, 2, 3)),
}


def by_path(module, prefix=""):
    """Yield every module with its path, computed without the package."""
    for name, child in module._modules.items():
        if child is not None:
            yield prefix + name, child
            yield from by_path(child, f"{prefix}{name}.")


def set_flags(model):
    """Set each module's flag by itself, since `train()` would skip modules equal to others."""
    for place, module in enumerate(every_module(model)):
        module.training = place % 2 == 0


def observed(model, x):
    """Return the output of each module, by the test's own hooks on a copy of the model."""
    twin, values = copy.deepcopy(model), {}
    for path, module in by_path(twin):
        module.register_forward_hook(
            lambda module, args, output, path=path: values.update({path: output.detach().clone()})
        )
    with torch.no_grad():
        twin(x)
    return values


@pytest.fixture(params=list(MODELS))
def model(request):
    model = MODELS[request.param]()
    set_flags(model)
    return model


@pytest.fixture
def x():
    return torch.rand(1, 1, 8, 8) + 0.5


def test_each_is_captured_and_nothing_is_left_on_any(model, x):
    expected, before = observed(model, x), Before(model)
    for _ in range(2):
        with featmagic.capture(model, *expected) as maps:
            model(x)
        assert before.left() == {}
        assert {key: value.tolist() for key, value in maps.items()} == {
            key: value.tolist() for key, value in expected.items()
        }
        assert not maps.missing


def test_all_of_them_are_in_eval_mode_while_a_look_runs(model, x):
    with featmagic.capture(model, "."):
        assert [module.training for module in every_module(model)] == [
            False for _ in every_module(model)
        ]


def test_looks_at_two_equal_models_keep_them_apart(x):
    models = [MODELS["below a model"](), MODELS["below a model"]()]
    set_flags(models[0])
    before, values = Before(*models), [observed(model, x) for model in models]
    with featmagic.capture(models[0], "1") as first, featmagic.capture(models[1], "1") as second:
        models[0](x)
        models[1](x)
    assert before.left() == {}
    assert torch.equal(first["1"], values[0]["1"])
    assert torch.equal(second["1"], values[1]["1"])


def test_a_watch_and_a_look_keep_them_apart(shell, model, x):
    shell.names.update(net=model, x=x)
    paths = [path for path, _ in by_path(model)]
    expected, before = observed(model, x), Before(model)
    shell.run(f"%hook net {' '.join(paths)}")
    shell.run("y = net(x)")
    assert before.left() == {}
    watched = shell.names["feature_maps"]
    assert {key: value.tolist() for key, value in watched.items()} == {
        key: value.tolist() for key, value in expected.items()
    }
    shell.run("%%featuremaps net --explore --into looked\nnet(x);")
    assert before.left() == {}
    for key, value in shell.names["looked"].items():
        assert torch.equal(value, expected[key])


def test_an_explorers_next_input_keeps_them_apart(x):
    from featmagic.explorer.open import open_explorer

    model = MODELS["drawn"]()
    set_flags(model)
    before, inputs = Before(model), [x, x * 2]
    shown = [activation(path, torch.rand(1, 2, 6, 6)) for path, _ in by_path(model)]
    explorer = open_explorer(shown, View(explore=True), "maps", model, inputs)
    explorer.input = 1
    assert before.left() == {}
    expected = observed(model, inputs[1])
    for path in expected:
        explorer.layer = path
        assert torch.equal(explorer.selection.flatten(), expected[path][0, 0].flatten())
    explorer.close()


@pytest.mark.parametrize("model", ["drawn"], indirect=True)
def test_what_is_kept_beside_one_is_not_found_beside_its_twin(shell, x):
    """A PCA basis is reused in the next look at the same layer, not at an equal one."""
    shell.names.update(
        one=nn.Sequential(SameConv(1, 5, 3)), other=nn.Sequential(SameConv(1, 5, 3)), x=x
    )
    again = "%%featuremaps one 0 --reduce pca\none(x);"
    first, second = shell.run(again), shell.run(again)
    assert first != second  # the second says that it reuses an earlier basis
    other = shell.run("%%featuremaps other 0 --reduce pca\nother(x);")
    words = set(second.replace(",", " ").split()) - set(first.replace(",", " ").split())
    assert words  # "reusing an earlier basis"
    assert not words <= set(other.replace(",", " ").split())
