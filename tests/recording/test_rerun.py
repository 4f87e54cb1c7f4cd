"""The inputs that an explorer chooses from, of any kind."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from featmagic import FeatmagicError
from featmagic.recording.rerun import rerun_of


@pytest.fixture
def net():
    return nn.Sequential(nn.ReLU())


def test_a_list_that_grows_shorter_meanwhile_keeps_its_inputs(net):
    items = [torch.tensor([1.0]), torch.tensor([2.0])]
    inputs = rerun_of(net, items, ["0"])
    items.clear()
    assert len(inputs) == 2
    assert inputs.run(1).activations["0"].tensor.item() == 2.0


@pytest.mark.parametrize(
    "items",
    [
        torch.eye(3).to_sparse(),
        torch.eye(3).to_sparse_csr(),
        torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]),
    ],
    ids=["sparse", "rows", "nested"],
)
def test_a_tensor_that_cannot_be_cut_into_items_is_refused_in_a_line(net, items):
    with pytest.raises(FeatmagicError, match="a nested or sparse tensor: give a list"):
        rerun_of(net, items, ["0"])
    parts = [part.to_dense() for part in items.to_sparse().unbind()] if not items.is_nested else [
        *items.unbind()
    ]  # fmt: skip
    inputs = rerun_of(net, parts, ["0"])
    assert torch.equal(inputs.run(1).activations["0"].tensor, parts[1])


@pytest.mark.parametrize("items", ["abc", {"a": 1}, range(3), iter([1]), torch.tensor(1.0), 3])
def test_what_holds_no_items_is_refused_in_a_line(net, items):
    with pytest.raises(FeatmagicError, match="inputs must be a tensor of items or a list"):
        rerun_of(net, items, ["0"])


class Adds(nn.Module):
    """Adds its arguments, each with a weight of its own."""

    def __init__(self):
        super().__init__()
        self.sum = nn.Identity()

    def forward(self, x, y=0.0, *, z=0.0):
        return self.sum(x + 10 * y + 100 * z)


def test_each_kind_of_item_is_given_as_the_arguments_that_it_holds():
    one = torch.ones(1)
    items = [one, (one, 2 * one), {"x": one, "z": 3 * one}, [one][0] * 5]
    inputs = rerun_of(Adds(), items, ["sum"])
    sums = [inputs.run(n).activations["sum"].tensor.item() for n in range(len(inputs))]
    assert sums == [1, 21, 301, 5]
    table = torch.arange(6.0).reshape(3, 2)
    of_tensor = rerun_of(Adds(), table, ["sum"])
    assert len(of_tensor) == 3
    assert torch.equal(of_tensor.run(2).activations["sum"].tensor, table[2:])
    assert torch.equal(of_tensor.run(0).activations["sum"].tensor, table[:1])


def test_model_and_inputs_go_together_and_there_is_one_input_at_least(net):
    assert rerun_of(None, None, []) is None
    for model, items, message in [
        (net, None, "model needs inputs to choose from"),
        (None, [1], "inputs needs a model to run"),
        (net, [], "inputs has no items"),
        (net, torch.zeros(0, 3), "inputs has no items"),
    ]:
        with pytest.raises(FeatmagicError, match=message):
            rerun_of(model, items, ["0"])
    with pytest.raises(FeatmagicError, match="no layer 'nope'"):
        rerun_of(net, [torch.ones(1)], ["nope"])
    assert rerun_of(net, [torch.ones(1)], ["0", ".", "0"]).paths == ("0", ".")


def test_a_run_leaves_mode_and_gradients_as_they_were_and_traces_fields_if_asked():
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Dropout()).train()
    image = torch.ones(1, 1, 6, 6)
    for fields in (False, True):
        run = rerun_of(model, [image], ["0", "1"], fields=fields).run(0)
        assert torch.equal(run.activations["1"].tensor, run.activations["0"].tensor)
        assert (run.activations["0"].field is not None) is fields
        assert all(module.training for module in model.modules())
        assert torch.is_grad_enabled()


def test_a_model_of_which_no_call_is_seen_is_said():
    class Silent(nn.Module):
        def __call__(self, x):
            return x

    with pytest.raises(FeatmagicError, match="no forward pass of it was observed"):
        rerun_of(Silent(), [torch.ones(1)], ["."]).run(0)
