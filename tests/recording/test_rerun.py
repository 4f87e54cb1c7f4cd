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
