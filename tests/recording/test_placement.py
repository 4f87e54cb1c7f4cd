"""The arguments of a call go to the model's device, or are left exactly as they are."""

from __future__ import annotations

import copy
import sys

import pytest
import torch
from helpers.containers import (
    MOVABLE,
    UNMOVABLE,
    Claims,
    LazyMapping,
    Stack,
    holding_itself,
    nested,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence

import featmagic
from featmagic.recording.placement import MovedInputs, move_to_device
from featmagic.recording.pytree import MOST_CONTAINERS, attributes_of

# The device on which tensors hold no values stands for one that they have to be moved to.
ELSEWHERE = torch.device("meta")


class Takes(nn.Module):
    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.ModuleList(layers)

    def forward(self, x, lengths=None, *more, seq=None):
        return x


def moved(model, *args, **kwargs):
    """The arguments as they are given to the model, and what is told of them."""
    told = MovedInputs()
    args, kwargs = move_to_device(ELSEWHERE, model, args, kwargs, told)
    return args, kwargs, told


@pytest.mark.parametrize("kind", MOVABLE)
def test_a_container_keeps_its_type_and_all_else_that_it_holds(kind):
    make, tensor_of = MOVABLE[kind]
    tensor = torch.arange(3.0)
    container = make(tensor)
    (result,), _, told = moved(Takes(), container)
    assert type(result) is type(container)
    assert tensor_of(result).device == ELSEWHERE
    assert tensor_of(container) is tensor
    assert told.tensors == {"cpu": 1}
    assert not told.left
    plain = {name: v for name, v in attributes_of(container).items() if type(v) in (str, int)}
    assert {name: getattr(result, name) for name in plain} == plain
    if isinstance(container, (tuple, list)) and kind != "shared lists":
        rest = [item for item in container if item is not tensor]
        assert [item for item in result if not isinstance(item, torch.Tensor)] == rest
    if kind == "default dict":
        assert result.default_factory is list


@pytest.mark.parametrize("kind", UNMOVABLE)
def test_what_cannot_be_copied_is_given_as_it_is_and_said(kind):
    make, reason = UNMOVABLE[kind]
    container = make(torch.ones(2))
    (result, other), _, told = moved(Takes(), container, torch.ones(1))
    assert result is container
    assert other.device == ELSEWHERE  # the others aren't held up by it
    assert reason in " ".join(told.left)


@pytest.mark.parametrize("kind", UNMOVABLE)
def test_what_cannot_be_copied_is_said_where_it_is_all_that_is_given(kind):
    make, reason = UNMOVABLE[kind]
    container = make(torch.ones(2))
    (result,), _, told = moved(Takes(), container)
    assert result is container
    assert not told.tensors
    assert reason in " ".join(told.left)


def test_what_cannot_be_read_is_not_mentioned_where_the_model_is_on_the_cpu():
    told = MovedInputs()
    move_to_device(torch.device("cpu"), Takes(), (LazyMapping({"a": torch.ones(2)}),), {}, told)
    assert not told


def test_a_tensor_that_is_an_item_and_an_attribute_is_moved_once():
    items = Stack(torch.ones(2))
    items.first, items.other = items[0], torch.zeros(3)
    (result,), _, told = moved(Takes(), items)
    assert result.first is result[0]
    assert result[0].device == ELSEWHERE
    assert result.other is items.other  # it is no item, and so not what the model is given
    assert told.tensors == {"cpu": 1}


def test_lists_in_lists_without_an_end_are_left_alone():
    deep = nested(torch.ones(2), 2000)
    (result, other), _, _ = moved(Takes(), deep, torch.ones(1))
    assert result is deep
    assert other.device == ELSEWHERE


def test_of_very_many_containers_only_the_first_are_searched():
    boxes = [[torch.ones(1)] for _ in range(MOST_CONTAINERS + 5)]
    (result,), _, told = moved(Takes(), boxes)
    there = [box[0].device == ELSEWHERE for box in result]
    assert there == [True] * (MOST_CONTAINERS - 1) + [False] * 6  # one is the list of all
    assert told.tensors == {"cpu": MOST_CONTAINERS - 1}


def test_a_million_numbers_are_passed_over_at_once():
    calls = 0

    def count(frame, event, arg):
        nonlocal calls
        calls += event == "call"

    numbers = list(range(1_000_000))
    sys.setprofile(count)
    try:
        (result, _), _, _ = moved(Takes(), numbers, torch.ones(1))
    finally:
        sys.setprofile(None)
    assert result is numbers
    assert calls < 1000


def test_a_tensor_that_is_given_twice_is_still_one():
    tensor = torch.ones(2)
    (first, (second, box)), named, told = moved(Takes(), tensor, (tensor, [tensor]), seq=tensor)
    assert first is second is box[0] is named["seq"]
    assert told.tensors == {"cpu": 1}


def test_arguments_that_the_caller_has_placed_stay_where_they_are():
    """With one tensor on the device, those on the CPU are there on purpose, or by a mistake."""
    there, here = torch.ones(2, 3, device=ELSEWHERE), torch.tensor([3, 1])
    args, _, told = moved(Takes(nn.GRU(3, 4)), there, here)
    assert args[0] is there
    assert args[1] is here
    assert not told


class Batch:
    """A plain object, as libraries for detection pass them."""

    def __init__(self, tensors):
        self.tensors = tensors


@pytest.mark.parametrize(
    "make", [Batch, lambda t: Batch({"image": t}), lambda t: Batch([Batch(t)])]
)
def test_a_plain_object_is_given_as_it_is_and_said(make):
    batch = make(torch.ones(2))
    (result,), _, told = moved(Takes(), batch)
    assert result is batch
    assert [*told.left] == ["a Batch isn't moved: move its tensors to the model's device yourself"]


def test_a_tensor_that_cannot_be_moved_stays_and_is_said():
    told = MovedInputs()
    without_values = torch.ones(2, device="meta")
    args, _ = move_to_device(torch.device("cpu"), Takes(), (without_values,), {}, told)
    assert args[0] is without_values
    assert "'x' stays on meta" in " ".join(told.left)


SEQUENCES = torch.zeros(2, 5, 3)


@pytest.mark.parametrize(
    ("name", "lengths", "stays"),
    [
        ("lengths", torch.tensor([5, 2]), True),
        ("src_len", torch.tensor([5, 2, 1]), True),
        ("seq", torch.tensor([5, 2]), True),  # as long as the two sequences may be
        ("seq", torch.tensor([5, 0]), False),  # no length is 0
        ("seq", torch.tensor([6, 2]), False),  # longer than the sequences
        ("seq", torch.tensor([5, 2, 2]), False),  # of three
        ("labels", torch.tensor([5, 2]), False),
        ("y", torch.tensor([5, 2]), False),
        ("lengths", torch.tensor([[5, 2]]), False),
        ("lengths", torch.tensor([5.0, 2.0]), False),
    ],
)
def test_lengths_stay_on_the_cpu_and_labels_go_along(name, lengths, stays):
    _, named, told = moved(Takes(nn.LSTM(3, 4)), SEQUENCES, **{name: lengths})
    assert (named[name] is lengths) is stays
    assert told.tensors["cpu"] == 2 - stays
    assert bool(told.left) is stays


def test_lengths_are_known_by_the_parameter_or_key_that_takes_them():
    recurrent = Takes(nn.GRU(3, 4))
    lengths = torch.tensor([9, 9, 9])
    (_, second), _, _ = moved(recurrent, SEQUENCES, lengths)
    assert second is lengths
    (batch,), _, _ = moved(recurrent, {"x": SEQUENCES, "lengths": lengths})
    assert batch["lengths"] is lengths
    assert batch["x"].device == ELSEWHERE


@pytest.mark.parametrize(
    "parameters", ["*args, lengths=None", "x, *more, lengths=None", "*args, **lengths"]
)
def test_a_parameter_that_takes_no_positional_argument_names_none(parameters):
    model = Takes(nn.GRU(2, 2))
    exec(f"def forward({parameters}): ...", names := {})
    model.forward = names["forward"]
    (_, targets), _, told = moved(model, torch.ones(2, 3), torch.tensor([7, 9]))
    assert targets.device == ELSEWHERE
    assert not told.left


def test_what_torch_returns_with_names_is_moved():
    (result,), _, told = moved(Takes(), torch.ones(2, 3).max(0))
    assert type(result) is torch.return_types.max
    assert {result.values.device, result.indices.device} == {ELSEWHERE}
    assert told.tensors == {"cpu": 2}
    assert not told.left


def test_what_stays_is_not_counted_as_moved():
    class Closed(dict):
        def __copy__(self):
            raise RuntimeError("not copied")

    closed = Closed(x=torch.ones(1))
    (result,), _, told = moved(Takes(), closed)
    assert result is closed
    assert not told.tensors
    assert list(told.left) == ["a Closed isn't moved: RuntimeError: not copied"]


def test_a_model_without_recurrent_layers_gets_all_of_its_whole_numbers():
    (_, ids), _, told = moved(Takes(nn.Embedding(9, 2)), SEQUENCES, torch.tensor([5, 2]))
    assert ids.device == ELSEWHERE
    assert told.tensors == {"cpu": 2}


@pytest.mark.parametrize("kind", [*MOVABLE, *UNMOVABLE, "claims"])
def test_a_look_gives_the_forward_the_very_arguments_that_it_was_given(kind):
    makes = {"claims": lambda t: Claims()}
    makes |= {name: make for name, (make, _) in {**MOVABLE, **UNMOVABLE}.items()}
    given_ = []

    class Keeps(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(2, 2)

        def forward(self, x, other, named=None):
            given_.extend([x, other, named])
            return self.layer(x)

    model, x, other = Keeps(), torch.ones(1, 2), makes[kind](torch.ones(2))
    with featmagic.capture(model, "layer") as maps:
        model(x, other, named=other)
    assert all(got is want for got, want in zip(given_, (x, other, other), strict=True))
    assert torch.equal(maps["layer"], model.layer(x).detach())


leaves = st.one_of(st.none(), st.integers(), st.text(max_size=3), st.builds(torch.ones, st.just(2)))
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(st.text(max_size=3), inner, max_size=3),
    ),
    max_leaves=12,
)


@given(trees)
@settings(deadline=None, max_examples=150)
def test_any_tree_comes_out_with_the_same_shape_and_all_its_tensors_moved(tree):
    before = copy.copy(tree)

    def same(one, other):
        if isinstance(one, torch.Tensor):
            return other.device == ELSEWHERE and other.shape == one.shape
        if isinstance(one, dict):
            return list(one) == list(other) and all(same(one[k], other[k]) for k in one)
        if isinstance(one, (list, tuple)):
            pairs = zip(one, other, strict=True)
            return type(one) is type(other) and all(same(*pair) for pair in pairs)
        return one is other

    (result,), _, told = moved(Takes(), tree)
    assert same(tree, result)
    assert not told.left
    if isinstance(tree, (list, dict, tuple)):
        assert all(a is b for a, b in zip(before, tree, strict=True))


def test_the_line_that_says_what_was_moved_says_what_stays():
    class Packs(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.GRU(3, 4, batch_first=True)

        def forward(self, x, lengths):
            return self.rnn(pack_padded_sequence(x, lengths, batch_first=True))[1]

    from featmagic.recording.diagnostics import remarks
    from featmagic.recording.recorder import Recorder
    from featmagic.recording.selectors import select

    recorder = Recorder(select(Packs(), ["rnn"]))
    recorder.device = ELSEWHERE
    args = SEQUENCES, torch.tensor([5, 2])
    move_to_device(ELSEWHERE, recorder.selection.model, args, {}, recorder.moved)
    assert remarks(recorder) == [
        "Inputs moved to meta: 1 from cpu; "
        "'lengths' stays on cpu, as pack_padded_sequence requires."
    ]


def test_a_container_that_holds_itself_is_one_object_for_the_forward():
    container = holding_itself(torch.ones(2))
    (result,), _, _ = moved(Takes(), container)
    assert result[1] is result


def test_containers_that_hold_each_other_are_left_as_one():
    tensor = torch.ones(2)
    outer, inner = [tensor], [tensor]
    outer.append(inner)
    inner.append(outer)
    (result, other), _, told = moved(Takes(), outer, tensor)
    assert result is outer
    assert outer[1] is inner
    assert inner[1] is outer
    assert other.device == ELSEWHERE
    assert list(told.left) == ["a list that contains itself isn't moved"]


def test_a_forward_without_a_signature_names_no_argument():
    model = Takes()
    model.forward = max  # a builtin: which parameters it has can't be asked
    (result,), _, told = moved(model, torch.ones(2))
    assert result.device == ELSEWHERE
    assert not told.left


class Untold(torch.Tensor):
    """A tensor of a class that fails when it is asked where it is."""

    @property
    def device(self):
        raise RuntimeError("not here")


def test_a_tensor_that_does_not_tell_where_it_is_is_left_and_not_counted():
    untold = torch.ones(2).as_subclass(Untold)
    (result, other), _, told = moved(Takes(), untold, torch.ones(2))
    assert result is untold
    assert other.device == ELSEWHERE
    assert told.tensors == {"cpu": 1}
    (alone,), _, told = moved(Takes(), untold)
    assert alone is untold
    assert not told
