"""A model, or inputs for one, among the user's variables; and the name that is bound for maps."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
import torch
from helpers.networks import DNN
from torch import nn

from featmagic import FeatmagicError, FeatureMaps
from featmagic.ipython.namespace import (
    Binding,
    check_free,
    find_inputs,
    find_model,
    may_bind,
    modules_in,
)


@pytest.fixture
def names(model):
    """Variables as a session has them."""
    holder = SimpleNamespace(model=model, key="a", batches=[torch.ones(1), torch.zeros(2)])
    return {
        "model": model,
        "trainer": holder,
        "models": {"a": model, 1: model, ("b", 2): model},
        "which": "a",
        "x": torch.ones(3),
        "_hidden": DNN(),
        7: DNN(),
    }


@pytest.mark.parametrize(
    "spelled",
    [
        "model", "trainer.model", "models['a']", "models[1]", "models['b', 2]", "models[which]",
        "models[trainer.key]", " model", "(model)",
    ],
)  # fmt: skip
def test_a_model_is_found_where_its_expression_leads(names, model, spelled):
    if spelled.startswith(" "):
        with pytest.raises(FeatmagicError, match="can't use ' model' as a model"):
            find_model(spelled, names)
    else:
        assert find_model(spelled, names) is model


def test_a_very_long_chain_is_followed_without_an_end_of_the_stack():
    link = SimpleNamespace()
    link.next = link
    chain = "link" + ".next" * 2000
    assert find_inputs(chain, {"link": link}) is link


@pytest.mark.parametrize(
    ("spelled", "message"),
    [
        ("xs", "There is no variable 'xs'. Did you mean x?"),
        ("batches", "There is no variable 'batches'."),
        ("_hiden", "There is no variable '_hiden'."),
        ("f(x)", r"can't use 'f\(x\)' as inputs: assign it to a variable first\."),
        ("trainer.batch", "trainer.batch can't be read: AttributeError: .* Did you mean batches"),
        ("trainer.batches[2]", r"trainer.batches\[2\] can't be read: IndexError"),
    ],
)
def test_inputs_that_are_not_there_are_answered_with_a_variable_of_that_spelling(
    names, spelled, message
):
    with pytest.raises(FeatmagicError, match=f"^{message}") as caught:
        find_inputs(spelled, names)
    assert "hidden" not in str(caught.value)
    assert find_inputs("trainer.batches[1]", names) is names["trainer"].batches[1]


@pytest.mark.parametrize(
    ("spelled", "message"),
    [
        ("x", "expected an nn.Module, but x is a Tensor. Available models: model (DNN)."),
        ("which", "expected an nn.Module, but which is a str. Available models: model (DNN)."),
        ("models[which", "can't use 'models[which' as a model: write model, trainer.model or"),
        ("mode", "There is no variable 'mode'. Did you mean model"),
        ("cnn1", "There is no variable 'cnn1'. It is a layer of model; name the model first"),
        ("Conv2d", "There is no variable 'Conv2d'. It is a layer of model; name the model"),
    ],
)
def test_what_is_no_model_is_said_with_the_models_that_there_are(names, spelled, message):
    with pytest.raises(FeatmagicError) as caught:
        find_model(spelled, names)
    assert str(caught.value).startswith(message)
    assert "_hidden" not in str(caught.value)


def test_the_name_of_a_model_in_a_variable_is_recognized(names):
    names["name"] = "model"
    with pytest.raises(FeatmagicError, match="It holds the name of a model: use model itself"):
        find_model("name", names)
    assert list(modules_in(names)) == ["model"]


def test_a_module_that_was_never_initialized_is_no_model(names):
    class Hasty(nn.Module):
        def __init__(self):
            """Forget the base class."""

    names["hasty"] = Hasty()
    with pytest.raises(FeatmagicError) as caught:
        find_model("hasty", names)
    assert str(caught.value).startswith("hasty is a Hasty that isn't initialized: its __init__")


def test_a_name_is_free_if_it_is_unbound_or_holds_feature_maps(names):
    names["maps"] = FeatureMaps()
    assert [may_bind(name, names) for name in ("new", "maps", "x", "model")] == [
        True, True, False, False,
    ]  # fmt: skip
    check_free("new", names)
    check_free("maps", names)
    names["one"] = 1
    for name, what in (("x", "a Tensor"), ("one", "an int")):
        with pytest.raises(FeatmagicError, match=f"^{name} already holds {what}. Add --into NAME"):
            check_free(name, names)
        with pytest.raises(FeatmagicError, match="already holds"):
            Binding(name, FeatureMaps(), names)


def test_a_binding_gives_a_name_back_unless_the_user_has_taken_it():
    maps, older, names = FeatureMaps(), FeatureMaps(), {}
    binding = Binding("maps", maps, names)
    binding.bind()
    assert names["maps"] is maps
    binding.undo()
    assert names == {}
    names["maps"] = older
    binding = Binding("maps", maps, names)
    binding.bind()
    binding.undo()
    assert names["maps"] is older
    binding.bind()
    names["maps"] = "mine"
    binding.undo()
    assert names == {"maps": "mine"}
