"""What a pass gives: names of activations, and what a pass holds of its layers."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from featmagic.recording.pass_number import PassCounts, PassNumber
from featmagic.recording.receptive_field.field import NO_FIELD, ReceptiveField
from featmagic.recording.receptive_field.graph import TracedTensor
from featmagic.recording.records import Activation, Pass, call_of, is_in, names_apart, shape_of


def activation(key, path=None, call=1, number=None, **more):
    of_pass = PassNumber() if number is None else PassNumber(number, counts=PassCounts(whole=3))
    path = key if path is None else path
    return Activation(key, path, "Some", call, torch.zeros(2), of_pass=of_pass, **more)


@pytest.mark.parametrize(
    ("suffix", "part", "is_there"),
    [
        ("[1]", "[1]", True),
        ("[1][0]", "[1]", True),
        ("[1].mean", "[1]", True),
        ("[10]", "[1]", False),
        ("[1]", "[1][0]", False),
        ("['a']", "['a']", True),
        ("", "[0]", False),
    ],
)
def test_a_tensor_lies_in_a_part_if_it_is_reached_through_it(suffix, part, is_there):
    assert is_in(suffix, part) is is_there


def test_keys_that_repeat_over_passes_are_told_apart_by_their_pass():
    once = [activation("a", number=1), activation("b", number=2)]
    assert names_apart(once) == ["a", "b"]
    several = [activation("a", number=1), activation("a", number=2), activation("b", number=2)]
    assert names_apart(several) == ["a@pass1", "a@pass2", "b@pass2"]
    layer = activation("a@pass1", number=3)  # a layer of that name
    assert names_apart([*several, layer]) == ["a@pass1", "a@pass2", "b@pass2", "a@pass1@pass3"]
    alone = PassNumber(is_whole=False, counts=PassCounts(whole=3, of_parts=1))
    own = replace(activation("a@pass1"), of_pass=alone)  # called on its own, so without a number
    same = activation("a", number=1)
    assert names_apart([own, same, same]) == ["a@pass1", "a@pass1_", "a@pass1__"]


def test_a_call_is_named_where_there_were_several():
    assert call_of(activation("a")) == ""
    assert call_of(activation("a", counts={"a": 1})) == ""
    assert call_of(activation("a", counts={"a": 3, "b": 9})) == "call 1 of 3"
    assert call_of(activation("a:2", "a", call=2)) == "call 2 of 2"
    assert call_of(activation("a:2", "a", call=2, counts={"a": 5})) == "call 2 of 5"


def test_a_shape_is_written_as_python_writes_it():
    assert shape_of(torch.zeros(2, 3)) == "(2, 3)"
    assert shape_of(torch.zeros(4)) == "(4,)"
    rows = [torch.zeros(2), torch.zeros(3)]
    assert shape_of(torch.nested.nested_tensor(rows, layout=torch.jagged)) == "(nested)"


def test_a_receptive_field_is_that_of_a_place_in_a_feature_map():
    field = ReceptiveField((3, 3), (1, 1), (-1, -1))
    for shape, traced, expected in [
        ((1, 2, 4, 4), field, field),
        ((1, 2, 4, 4), NO_FIELD, None),
        ((1, 2, 4, 4), None, None),
        ((2, 4), field, None),
    ]:
        tensor = torch.zeros(shape)
        of = None if traced is None else TracedTensor(shape, traced)
        made = Activation("a", "a", "Conv2d", 1, tensor, traced=of)
        assert made.field == expected


def test_a_pass_lets_go_all_that_a_layer_gave_and_no_more():
    run = Pass()
    assert not run.holds_any
    for one in (activation("a"), activation("a:2", "a", call=2), activation("b")):
        run.keep(one)
    run.lack("a", "a[1]", "first")
    run.lack("a", "a[1]", "second")
    run.lack("c", "c", "asleep")
    assert run.empty == {"a[1]": "first", "c": "asleep"}
    run.release("a")
    assert list(run.activations) == ["b"]
    assert run.empty == {"c": "asleep"}
    assert run.order == ["a", "a:2", "b"]
    run.release("a")  # nothing is left to let go
    run.release("b")
    assert run.holds_any
    run.release("c")
    assert not run.holds_any
    assert (run.activations, run.empty) == ({}, {})
