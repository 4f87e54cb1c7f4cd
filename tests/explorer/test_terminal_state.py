"""The terminal explorer without its screen: what keys do to its state."""

import pytest
import torch
from torch import nn

import featmagic
from featmagic.explorer.terminal import actions
from featmagic.explorer.terminal.keymap import KEYS, help_lines
from featmagic.explorer.terminal.layer_table import layer_entries
from featmagic.explorer.terminal.state import ExplorerState
from featmagic.options.view import View


@pytest.fixture
def state():
    net = nn.Sequential(nn.Conv2d(1, 9, 3), nn.ReLU(), nn.Conv2d(9, 4, 3))
    with featmagic.capture(net) as maps:
        net(torch.rand(2, 1, 12, 12))
    activations = list(maps.kept.activations.values())
    return ExplorerState(layer_entries(activations, View()), View(), 256)


def test_a_place_behind_the_last_channel_or_layer_is_the_last(state):
    state.choose_tile(100)
    assert state.tile == 8
    state.choose_layer(100)
    assert (state.chosen, state.tile) == (2, 0)


def test_each_layer_remembers_its_channel(state):
    state.choose_tile(5)
    state.choose_layer(2)
    state.choose_layer(0)
    assert state.tile == 5


def test_an_option_that_cannot_be_changes_nothing_and_is_said(state):
    before = state.view
    assert not state.change(zoom=0)
    assert state.view == before
    assert state.message == "zoom is 1 or more, not 0."


def test_another_order_begins_at_its_first_channel(state):
    state.choose_tile(5)
    (key,) = [key for key in KEYS if key.name == "s"]
    key.does(state)
    assert (state.view.sort, state.tile) == ("mean", 0)


def test_a_colormap_of_the_users_own_is_left_for_the_automatic_one(state):
    state.change(cmap="PuOr_r")
    (key,) = [key for key in KEYS if key.name == "c"]
    key.does(state)
    assert state.view.cmap is None


def test_a_search_that_is_given_up_leads_back(state):
    actions.find(state)
    actions.type_in(state, "[2]")  # "2" is in Conv2d, too
    assert state.chosen == 2
    actions.type_in(state, "x")
    assert (state.chosen, actions.matches(state)) == (0, [])
    actions.delete_last(state)
    assert state.chosen == 2
    actions.cancel_search(state)
    assert (state.chosen, state.mode) == (0, "grid")


def test_the_help_has_a_line_for_all_keys_that_belong_together():
    assert help_lines()[1] == "Tab           from the layers to the grid, and back"
    assert len(help_lines()) == sum(bool(key.shown) for key in KEYS)


def test_any_single_value_can_be_seen_large():
    net = nn.Sequential(nn.Flatten(), nn.Linear(16, 20))
    with featmagic.capture(net, "1") as maps:
        net(torch.rand(1, 1, 4, 4))
    state = ExplorerState(layer_entries(list(maps.kept.activations.values()), View()), View(), 256)
    state.choose_tile(7)
    (key,) = [key for key in KEYS if key.name == "enter"]
    key.does(state)
    assert state.mode == "large"
    assert state.shown.grid.tiles == 1
