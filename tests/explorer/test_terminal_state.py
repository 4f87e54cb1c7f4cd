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
    assert state.message == "zoom must be 1 or more, not 0."


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
    assert help_lines()[1] == "Tab           switch between layers and grid"
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


# The tree


class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.relu = nn.Conv2d(2, 2, 3, padding=1), nn.ReLU()

    def forward(self, x):
        return self.relu(self.conv(x)) + self.relu(x)


def nested(blocks, *layers):
    """The state of a model of some blocks in `body`, and a `head`."""
    net = nn.Module()
    net.body, net.head = nn.Sequential(*[Block() for _ in range(blocks)]), nn.Conv2d(2, 3, 1)
    net.forward = lambda x: net.head(net.body(x))
    with featmagic.capture(net, *layers) as maps:
        net(torch.rand(1, 2, 8, 8))
    activations = list(maps.kept.activations.values())
    return ExplorerState(layer_entries(activations, View()), View(), 256)


@pytest.fixture
def tree():
    return nested(2, "body.*", "body.*.*", "head")


def listed(state):
    """The names of the rows that are visible, with a > before the one that the arrows are at."""
    rows = [(n, state.table.rows[n]) for n in state.visible_rows]
    return [">" * (n == state.row) + row.level * " " + row.name for n, row in rows]


def key(state):
    return state.entry.activation.key


def press(state, *names):
    for name in names:
        (found,) = [each for each in KEYS if each.name == name]
        found.does(state)


def test_layers_are_listed_by_module(tree):
    assert listed(tree) == [
        "body",
        " 0",
        ">  conv",
        "  relu",
        "  relu:2",
        " 1",
        "  conv",
        "  relu",
        "  relu:2",
        "head",
    ]
    assert key(tree) == "body.0.conv"


def test_left_goes_to_what_folds_a_row_and_folds_it_and_right_unfolds_it(tree):
    press(tree, "left")
    assert (key(tree), listed(tree)[1]) == ("body.0", "> 0")
    press(tree, "left")
    assert listed(tree) == ["body", "> 0", " 1", "  conv", "  relu", "  relu:2", "head"]
    press(tree, "left")
    assert listed(tree)[:2] == [">body", " 0"]
    assert key(tree) == "body.0"  # a header has no picture: the last layer stays
    press(tree, "left")
    assert listed(tree) == [">body", "head"]
    press(tree, "left")
    assert listed(tree) == [">body", "head"]
    press(tree, "right")
    assert listed(tree)[:4] == [">body", " 0", " 1", "  conv"]
    press(tree, "right")
    assert listed(tree)[:2] == ["body", "> 0"]
    press(tree, "right")
    assert listed(tree)[:3] == ["body", "> 0", "  conv"]
    assert not tree.in_grid
    press(tree, "right")
    assert tree.in_grid  # an unfolded layer's grid
    press(tree, "left", "down", "right")
    assert (key(tree), tree.in_grid) == ("body.0.conv", True)


def test_enter_unfolds_a_header_and_tab_goes_to_the_layer_that_is_shown(tree):
    press(tree, "home", "enter")
    assert (listed(tree), tree.mode) == ([">body", "head"], "grid")
    press(tree, "tab")
    assert tree.in_grid
    assert listed(tree)[:3] == ["body", " 0", ">  conv"]
    press(tree, "tab", "home", "enter", "enter")
    assert listed(tree)[:3] == [">body", " 0", "  conv"]


def test_up_and_down_go_through_what_is_visible_and_brackets_through_all_layers(tree):
    press(tree, "home", "left", "down")
    assert (listed(tree), key(tree)) == (["body", ">head"], "head")
    press(tree, "down")
    assert key(tree) == "head"
    press(tree, "[")
    assert key(tree) == "body.1.relu:2"
    assert listed(tree)[-2:] == [">  relu:2", "head"]
    keys = []
    for _ in range(9):
        keys.append(key(tree))
        press(tree, "[")
    assert keys == [
        "body.1.relu:2", "body.1.relu", "body.1.conv", "body.1",
        "body.0.relu:2", "body.0.relu", "body.0.conv", "body.0", "body.0",
    ]  # fmt: skip
    press(tree, "end")
    assert key(tree) == "head"


def test_a_tree_of_many_rows_is_folded_at_first():
    assert len(listed(nested(14, "body.*", "body.*.*", "head"))) == 58
    state = nested(15, "body.*", "body.*.*", "head")
    assert len(state.table.rows) == 62
    assert listed(state) == [
        "body", " 0", ">  conv", "  relu", "  relu:2", *[f" {n}" for n in range(1, 15)], "head"
    ]  # fmt: skip


def test_a_search_unfolds_what_it_finds_and_leaves_no_other_trace(tree):
    press(tree, "home", "left")
    before = listed(tree)
    actions.find(tree)
    actions.type_in(tree, "body.1.*")
    assert key(tree) == "body.1.conv" or key(tree) == "body.1"
    assert len(actions.matches(tree)) == 3
    actions.type_in(tree, " relu")
    assert [key(tree), actions.next_match(tree), key(tree)] == [
        "body.1.relu", None, "body.1.relu:2"
    ]  # fmt: skip
    actions.next_match(tree)
    assert key(tree) == "body.1.relu"
    actions.previous_match(tree)
    assert key(tree) == "body.1.relu:2"
    actions.cancel_search(tree)
    assert listed(tree) == before
    actions.find(tree)
    actions.type_in(tree, "identity")
    actions.accept_match(tree)
    assert (tree.message, listed(tree)) == ("No layer matches 'identity'.", before)
    actions.find(tree)
    actions.type_in(tree, "conv *.relu")
    actions.accept_match(tree)
    assert tree.message == "`*.relu` matches nothing one level down; use `**.relu`."
    actions.find(tree)
    actions.type_in(tree, "block")
    assert len(actions.matches(tree)) == 2
    actions.accept_match(tree)
    assert (key(tree), listed(tree)[1]) == ("body.0", "> 0")


def test_a_find_unfolds_what_it_finds():
    state = nested(2, "body.*.*", "head")
    press(state, "home", "left", "x")
    assert ">" in "".join(listed(state))
    assert state.table.rows[state.row].layer == state.chosen


def test_a_channel_that_is_large_is_left_by_no_key_of_the_tree(tree):
    press(tree, "enter", "left", "left")
    assert (tree.mode, key(tree), tree.folded) == ("large", "body.0.conv", set())
