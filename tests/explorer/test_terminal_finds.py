"""The finds of the terminal explorer without its screen: where its keys go."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from featmagic.explorer.finds import FINDS
from featmagic.explorer.terminal.finds import FINDERS
from featmagic.explorer.terminal.keymap import KEYS, help_lines
from featmagic.explorer.terminal.layer_table import layer_entries
from featmagic.explorer.terminal.state import ExplorerState
from featmagic.options.view import View
from featmagic.recording.records import Activation


def state_of(*tensors, **view):
    """A state of the layers a, b, c ... with these tensors."""
    names = "abcdefgh"[: len(tensors)]
    layers = [
        Activation(name, name, "Conv2d", 1, tensor)
        for name, tensor in zip(names, tensors, strict=True)
    ]
    return ExplorerState(layer_entries(layers, View(**view)), View(max=0, **view), 256)


def press(state, key):
    (found,) = [each for each in KEYS if each.name == key]
    found.does(state)


def chosen(state):
    """The key of the chosen layer and its chosen channel."""
    return state.entry.activation.key, state.preview.ready.planes.indices[state.tile]


def values(*shape):
    return torch.rand(*shape, generator=torch.Generator().manual_seed(0)) + 0.1


def test_each_find_has_a_finder_and_a_line_of_the_help():
    assert set(FINDERS) == {find.name for find in FINDS}
    lines = dict(line.split(maxsplit=1) for line in help_lines())
    assert lines["d"] == "layer with most dead channels"
    assert lines["x"] == "strongest channel"
    assert lines["N"] == "first NaN"
    assert lines["I"] == "first infinity"


def test_the_layer_with_the_largest_share_of_dead_channels_is_found():
    few, most, many = values(1, 4, 3, 3), values(1, 4, 3, 3), values(1, 9, 3, 3)
    few[0, 0], most[0, [1, 3]], many[0, [0, 1, 2]] = 5, 2, 0
    state = state_of(few, most, many)

    press(state, "d")

    assert chosen(state) == ("b", 1)


def test_a_channel_is_dead_only_if_it_is_in_all_samples():
    tensor = values(2, 3, 4, 4)
    tensor[0, 0] = 7  # in the shown sample alone
    tensor[:, 2] = 7
    state = state_of(tensor)
    press(state, "d")
    assert chosen(state) == ("a", 2)


def test_a_find_goes_to_the_place_of_a_channel_in_another_order():
    tensor = values(1, 5, 3, 3)
    tensor[0, 1], tensor[0, 3] = 0.5, 100
    state = state_of(tensor, sort="mean")
    press(state, "d")
    assert (chosen(state)[1], state.tile) == (1, state.preview.ready.planes.indices.index(1))
    press(state, "x")
    assert (chosen(state)[1], state.tile) == (3, 0)


planes = st.lists(
    st.lists(st.sampled_from([0.0, -0.0, 1.0, -2.0, 3e38, -9.0, float("nan"), float("inf")]),
             min_size=4, max_size=4),
    min_size=1, max_size=4,
)  # fmt: skip


@given(st.lists(planes, min_size=1, max_size=4))
def test_the_strongest_channel_has_the_largest_finite_magnitude(layers):
    state = state_of(*[torch.tensor(rows).reshape(1, -1, 2, 2) for rows in layers])

    press(state, "x")

    best, expected = 0.0, None
    for name, rows in zip("abcd", layers, strict=False):
        for channel, row in enumerate(rows if len(rows) > 1 else []):
            magnitude = max([abs(v) for v in row if abs(v) < float("inf")], default=0)
            if magnitude > best:
                best, expected = magnitude, (name, channel)
    if expected is None:
        assert state.message == "No layer has finite values."
        assert chosen(state) == ("a", 0)
    else:
        assert (chosen(state), state.message) == (expected, "")


def test_the_strongest_channel_is_that_of_the_shown_sample():
    tensor = values(2, 3, 4, 4)
    tensor[0, 1, 0, 0], tensor[1, 2, 0, 0] = 5, 50
    state = state_of(tensor)
    press(state, "x")
    assert chosen(state) == ("a", 1)
    press(state, "n")
    press(state, "x")
    assert chosen(state) == ("a", 2)


def test_layers_without_the_sample_or_a_picture_have_no_strongest_channel():
    few, deep = values(1, 3, 4, 4) * 100, torch.ones(1, 2, 2, 2, 2, 2) * 900
    state = state_of(few, values(2, 3, 4, 4), deep, torch.tensor(5.0))
    state.change(sample="1")
    press(state, "x")
    assert state.entry.activation.key == "b"


@pytest.mark.parametrize(("key", "value"), [("N", float("nan")), ("I", -float("inf"))])
def test_the_first_layer_and_channel_with_such_a_value_are_found(key, value):
    fine, first, second = values(1, 4, 3, 3), values(1, 4, 3, 3), values(1, 4, 3, 3)
    first[0, 2, 1, 1], second[0, 0, 0, 0] = value, value
    state = state_of(fine, first, second)
    press(state, key)
    assert chosen(state) == ("b", 2)


def test_a_nan_of_another_sample_is_shown_in_that_sample():
    tensor = values(3, 4, 3, 3)
    tensor[2, 3, 0, 0] = float("nan")
    state = state_of(values(3, 4, 3, 3), tensor)
    press(state, "N")
    assert (chosen(state), state.view.sample) == (("b", 3), "2")


def test_a_nan_in_a_prefix_token_is_found_in_its_channel():
    tokens = values(1, 5, 6)
    tokens[0, 0, 4] = float("nan")
    state = state_of(tokens, layout="NLC", grid=(2, 2))
    press(state, "N")
    assert chosen(state) == ("a", 4)


@pytest.mark.parametrize(
    ("key", "says"),
    [
        ("d", "No layer has dead channels."),
        ("x", "No layer has finite values."),
        ("N", "No layer has a NaN."),
        ("I", "No layer has an infinite value."),
    ],
)
def test_what_there_is_not_is_said_and_changes_nothing(key, says):
    state = state_of(values(1, 4, 3, 3) * (key != "x"), values(1, 1, 3, 3))
    if key == "x":
        state = state_of(values(1, 1, 3, 3), values(1, 1, 3, 3))
    state.choose_layer(1)
    before = (state.view, state.chosen, state.row, state.folded, state.in_grid, state.mode)
    press(state, key)
    assert state.message == says
    assert before == (
        state.view, state.chosen, state.row, state.folded, state.in_grid, state.mode
    )  # fmt: skip


def test_a_layer_whose_channels_are_one_picture_is_gone_to():
    vector = values(2, 100)
    vector[:, 40] = 3
    state = state_of(values(2, 3, 3, 3), vector)
    press(state, "d")
    assert (state.entry.activation.key, state.message) == ("b", "")


def test_what_is_found_in_a_channel_that_is_not_shown_is_said():
    tensor = values(1, 5, 3, 3)
    tensor[0, 3], tensor[0, 1] = -50, -9
    state = state_of(tensor, sort="max", topk=2)
    for key in "dx":
        press(state, key)
        assert state.message == "The result isn't in the part of this layer that is shown."
        state.message = ""


def test_only_layers_that_may_hold_the_strongest_channel_are_read(monkeypatch):
    from featmagic.explorer.terminal import finds

    read = []
    original = finds.sample_planes
    monkeypatch.setattr(
        finds, "sample_planes", lambda each, *more: read.append(each.key) or original(each, *more)
    )
    tensors = [values(2, 4, 3, 3) * scale for scale in (1, 9, 3, 7)]
    tensors[2][1, 0, 0, 0] = 90  # in the other sample
    state = state_of(*tensors)
    press(state, "x")
    assert state.entry.activation.key == "b"
    assert read == ["c", "b", "d"]


def test_the_first_of_equally_strong_channels_is_found():
    state = state_of(*[torch.full((1, 3, 2, 2), value) for value in (1.0, -5.0, 5.0, -5.0)])
    press(state, "x")
    assert chosen(state) == ("b", 0)
