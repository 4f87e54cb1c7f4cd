"""The settings of the explorer: each is a row of one table, for the page and the terminal alike."""

import pytest
import torch
from torch import nn

import featmagic
from featmagic.explorer.finds import FINDS
from featmagic.explorer.protocol import change_settings
from featmagic.explorer.session import open_session
from featmagic.explorer.settings import SETTINGS, settings_of
from featmagic.explorer.terminal.keymap import KEYS
from featmagic.explorer.terminal.layer_table import layer_entries
from featmagic.explorer.terminal.state import ExplorerState
from featmagic.options.view import View
from featmagic.support.errors import FeatmagicError

CMAPS = ("viridis", "gray")
WRONG = {
    "cmap": "magna",
    "scale": "global",
    "robust": 50,
    "gamma": 0.05,
    "sort": "mena",
    "topk": -1,
    "alpha": 1.5,
    "zoom": 0.5,
    "shared": 1,
}
CYCLED = [name for name, setting in SETTINGS.items() if setting.cycle]


def activations():
    net = nn.Sequential(nn.Identity())
    torch.manual_seed(0)
    with featmagic.capture(net, as_is=True) as maps:
        net(torch.randn(1, 12, 6, 6))
    return list(maps.kept.activations.values())


def test_a_document_holds_every_setting_as_the_view_asks_for_it():
    view = View(explore=True, cmap="gray", robust=2, topk=3, alpha=0.5, zoom=4)
    settings = open_session(activations(), view).shown.text["settings"]
    assert settings == {
        **{"cmap": "gray", "scale": "channel", "robust": 2, "gamma": 1},
        **{"sort": "absmean", "topk": 3, "alpha": 0.5, "zoom": 4},
        "shared": False,
    }
    assert list(settings) == list(SETTINGS)


@pytest.mark.parametrize("name", SETTINGS)
def test_each_setting_takes_what_a_view_starts_with_and_refuses_what_cannot_be(name):
    now = settings_of(View(explore=True, cmap="gray"))
    assert change_settings({name: now[name]}, now, now, CMAPS) == now
    with pytest.raises(FeatmagicError, match=name):
        change_settings({name: WRONG[name]}, now, now, CMAPS)


@pytest.mark.parametrize("name", CYCLED)
def test_a_settings_key_goes_through_its_values_in_a_terminal(name):
    setting = SETTINGS[name]
    (key,) = [key for key in KEYS if key.name == setting.key]
    assert (key.shown, key.words) == (setting.key, setting.help)
    view = View(**{name: setting.cycle[0]})
    state = ExplorerState(layer_entries(activations(), view), view, 256)
    seen = []
    for _ in setting.cycle:
        key.does(state)
        seen.append(getattr(state.view, name))
    assert seen == [*setting.cycle[1:], setting.cycle[0]]
    assert not state.message


def test_every_setting_and_find_has_words_and_no_key_is_for_two_things():
    for row in (*SETTINGS.values(), *FINDS):
        assert row.label
        assert row.tooltip.endswith(".")
    keys = [row.key for row in (*SETTINGS.values(), *FINDS) if row.key]
    assert len(keys) == len(set(keys))
    in_terminal = [key.name for key in KEYS]
    assert len(in_terminal) == len(set(in_terminal))
