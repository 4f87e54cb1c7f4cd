"""What a front end sends to an explorer: all of it is valid and taken, or nothing changes."""

from __future__ import annotations

import itertools
import math
import random
from collections import Counter

import pytest
import torch
import traitlets
from helpers.comms import deliver, keep_messages
from torch import nn

import featmagic
from featmagic.explorer.open import open_explorer
from featmagic.explorer.protocol import CHOICES
from featmagic.explorer.settings import SETTINGS
from featmagic.options.view import View
from featmagic.support.errors import FeatmagicError

CHOSEN = ["layer", "channel", "sample", "slice", "position", "input", "settings"]


class Counting(nn.Module):
    """A network that counts its passes: 3 channels of 8 × 8, then 2 of 6 × 6."""

    def __init__(self):
        super().__init__()
        self.first, self.second, self.passes = nn.Conv2d(1, 3, 1), nn.Conv2d(3, 2, 3), 0

    def forward(self, x):
        self.passes += 1
        return self.second(self.first(x))


class Opened:
    """An explorer with inputs, and what its comm sent."""

    def __init__(self, sent, **view):
        self.model, self.sent = Counting(), sent
        inputs = torch.randn(4, 1, 8, 8)
        with featmagic.capture(self.model) as maps:
            self.model(inputs[:2])
        self.explorer = open_explorer(
            list(maps.kept.activations.values()),
            View(explore=True, **view),
            "feature_maps",
            self.model,
            inputs,
        )
        self.explorer.layer, self.explorer.channel = "second", 1
        self.explorer.position = (2, 3)

    def state(self):
        """Everything of the explorer that a message could change, and what the kernel shows."""
        explorer = self.explorer
        held = {name: getattr(explorer, name) for name in explorer.keys if name != "layout"}
        files = explorer._session.shown.files
        return {
            **held,
            "layout": explorer.layout.get_state(),
            "passes": self.model.passes,
            "selection": explorer.selection.tolist(),
            "session": explorer._session,
            "files": [*files],
            "layers": [*explorer._session.layers],
            "modes": [module.training for module in self.model.modules()],
        }

    def tell(self, data, buffers=()):
        """Deliver a message; what the kernel sent in return."""
        self.sent.clear()
        deliver(self.explorer, data, buffers)
        return [data for _, _, data in self.sent]

    def close(self):
        self.explorer.close()


@pytest.fixture
def opened(monkeypatch):
    one = Opened(keep_messages(monkeypatch))
    yield one
    one.close()


def update(**state):
    return {"method": "update", "state": state, "buffer_paths": []}


# The grammar of what is valid, apart from the package; and what a broken front end makes of it

LAYERS = ["first", "second"]  # of 3 channels of 8 × 8, and of 2 of 6 × 6; `second` is chosen
ORDERS = ["index", "mean", "absmean", "max", "std", "sparsity", "similar"]
OFFERED = {
    "cmap": ["auto", "viridis", "magma", "cividis", "gray", "RdBu_r", "coolwarm", "PuOr_r"],
    "scale": ["channel", "layer", "all"],
    "sort": ORDERS,
    "shared": [True, False],
}
LIMITS = {
    "robust": (0, 49),
    "gamma": (0.1, 5),
    "alpha": (0, 1),
    "topk": (0, 10**6),
    "zoom": (0, 64),
}
VALID = {
    "channel": [0, 1],
    "sample": [0, 1],
    "slice": ["mid", "mip", "mean"],
    "position": [None, [0, 0], [5, 5]],
    "input": [None, 0, 3],
    "settings": [{}, {"gamma": 2}, {"cmap": "gray", "scale": "all", "robust": 0.5, "zoom": 64}],
    "layer": LAYERS,
}
ASKED = {
    "plate": {"layer": "second", "sample": 0},
    "value": {"layer": "second", "sample": 0, "channel": 1, "position": [0, 0]},
    "channel": {"layer": "second", "sample": 0, "channel": 1},
}
SYNCED = [
    *("_esm", "_css", "_contents", "_bytes", "_alive", "_picture", "_anywidget_id"),
    *("_model_module", "_model_name", "_view_name", "_view_module", "_view_count"),
    *("_dom_classes", "layout", "tabbable", "tooltip", "comm", "keys", "__class__", "log"),
]
DEEP = []
for _ in range(20_000):
    DEEP = [DEEP]
ANYTHING = [
    *(None, True, False, 0, 1, -1, 2, 4, 6, 65, 10**6 + 1, 2**63, 10**400, -(10**400)),
    *(0.0, 1.0, -0.5, 0.05, 1.5, 5.5, 1e308, math.nan, math.inf, -math.inf),
    *("", "1", "third", "First", "channel", "jet", "\x1b[2J", "\ud800", "\n" * 9, "x" * 10**7),
    *([], [0], [6, 0], [0, -1], [0, 0, 0], [True, 0], [0.0, 1.0], ["0", "0"], [[0], 0]),
    *({}, {"a": 1}, {1: 2}, {"0": 0, "1": 0}, {"cmap": {"cmap": "gray"}}, DEEP, {"a": DEEP}),
    *(b"abc", memoryview(b"\0\1"), bytearray(2)),
]


def is_whole(value):
    return type(value) is int


def is_offered(name, value):
    """Whether the control of a setting offers this value, as JSON has it."""
    if name in OFFERED:
        return any(type(value) is type(each) and value == each for each in OFFERED[name])
    low, high = LIMITS.get(name, (1, 0))
    is_number = is_whole(value) or (type(value) is float and name not in ("topk", "zoom"))
    return is_number and low <= value <= high


def is_choice(name, value):
    """Whether a front end may choose this, as JSON has it, while `second` is the layer."""
    match name:
        case "layer":
            return isinstance(value, str) and value in LAYERS
        case "channel" | "sample":
            return is_whole(value) and value in (0, 1)
        case "slice":  # no layer is a volume
            return isinstance(value, str) and value in ("mid", "mip", "mean")
        case "input":
            return value is None or (is_whole(value) and 0 <= value < 4)
        case "position":
            is_pair = isinstance(value, list) and len(value) == 2
            return value is None or (is_pair and all(is_whole(n) and 0 <= n < 6 for n in value))
        case "settings":
            is_mapping = isinstance(value, dict)
            return is_mapping and all(is_offered(one, value[one]) for one in value)
    return False


def bad_choice(draw):
    """A name and a value, of which one can't be."""
    while True:
        name = draw.choice([*VALID, *VALID, *SYNCED, "other", 7, None])
        value = draw.choice(ANYTHING)
        if name == "settings" and draw.random() < 0.8:
            known = {one: draw.choice(OFFERED[one]) for one in draw.sample([*OFFERED], 2)}
            value = known | {draw.choice([*SETTINGS, "other", 7, ""]): value}
        if not is_choice(name, value):
            return name, value


def bad_update(draw):
    """A valid state in which one thing can't be, at any place."""
    name, value = bad_choice(draw)
    others = draw.sample(["channel", "sample", "position", "input", "settings"], draw.randrange(4))
    items = [(other, draw.choice(VALID[other])) for other in others if other != name]
    items.insert(draw.randrange(len(items) + 1), (name, value))
    return update() | {"state": dict(items)}


def bad_envelope(draw):
    """A valid state in a message that is none."""
    good, value = update(channel=0), draw.choice(ANYTHING)
    name = draw.choice(["state", "method", "buffer_paths", "other", "no method", "alone"])
    if name == "alone":
        return value
    if name == "no method":
        return {"state": {"channel": 0}}
    if (name, value) in (("state", {}), ("buffer_paths", [])):
        value = 3
    paths = [[["channel"]], [[]], [["settings", "cmap"]], [[0, {}]], [["state"] * 999], [None]]
    return good | {
        name: draw.choice(paths) if name == "buffer_paths" and draw.random() < 0.5 else value
    }


def bad_question(draw):
    kind = draw.choice([*ASKED])
    question = {"ask": kind, "id": 7, **ASKED[kind]}
    name = draw.choice([*question, "other", "all"])
    if name == "all":
        return {"method": "custom", "content": draw.choice(ANYTHING)}
    if draw.random() < 0.3 and name in ASKED[kind]:
        del question[name]
        return {"method": "custom", "content": question}
    value = draw.choice(ANYTHING)
    fits = is_choice(name, value) and not (name == "position" and value is None)
    fits |= name == "ask" and value == kind
    if name == "id" and (value is None or is_whole(value)):
        fits = abs(value or 0) <= 2**53
    return {"method": "custom", "content": question | {name: [value] if fits else value}}


def malformed(draw):
    """A message that the protocol doesn't allow, and its binary parts."""
    if draw.random() < 0.05:
        return update(channel=0) | {"buffer_paths": draw.choice([[], [["channel"]]])}, [b"\0"]
    make = draw.choice([bad_update, bad_update, bad_envelope, bad_question])
    return make(draw), []


def test_a_malformed_message_changes_nothing_and_is_answered_sanely(opened):
    before, kinds, draw = opened.state(), Counter(), random.Random(0)
    choices = {name: before[name] for name in CHOSEN}
    for _ in range(2000):
        data, buffers = malformed(draw)
        replies = opened.tell(data, buffers)
        after = opened.state()
        changed = [name for name in after if after[name] is not before[name] != after[name]]
        assert (changed, [*after]) == ([], [*before])
        assert len(replies) <= 1
        for reply in replies:
            kinds[reply["method"]] += 1
            if reply["method"] == "update":  # what is chosen, once more
                assert reply["state"] == choices
            else:
                assert reply["content"].keys() == {"answer", "error", "ids"}
                assert len(reply["content"]["error"]) <= 500
                assert "\n" not in reply["content"]["error"]
    assert kinds["update"] > 500
    assert kinds["custom"] > 100
    opened.tell(update(layer="first", channel=2, position=[7, 7]))
    assert (opened.explorer.layer, opened.explorer.channel) == ("first", 2)
    assert opened.explorer.position == (7, 7)


# Which traits there are


def test_a_front_end_may_set_the_choices_and_no_other_trait(opened):
    explorer = opened.explorer
    assert sorted(CHOICES) == sorted(CHOSEN)
    assert set(CHOICES) < set(explorer.keys)
    for name in set(explorer.keys) - set(CHOICES):
        before = opened.state()
        opened.tell(update(channel=0, **{name: before[name]}))
        assert opened.state() == before, name
    opened.tell(update(channel=0))
    assert explorer.channel == 0


def test_a_new_trait_cannot_be_set_before_it_has_a_row(opened):
    opened.explorer.add_traits(extra=traitlets.Int(0).tag(sync=True))
    opened.tell(update(channel=0, extra=1))
    assert (opened.explorer.extra, opened.explorer.channel) == (0, 1)


@pytest.mark.parametrize("name", SETTINGS)
def test_what_the_control_of_a_setting_offers_can_be_set_and_nothing_beyond(opened, name):
    good = OFFERED.get(name) or [*LIMITS[name], *{1: [0.3], 0: [3]}[name not in ("topk", "zoom")]]
    step = 1 if name in ("topk", "zoom") else 0.001
    bad = [LIMITS[name][0] - step, LIMITS[name][1] + step] if name in LIMITS else ["jet", "", 1]
    for value in good:
        opened.tell(update(settings={name: value}))
        assert opened.explorer.settings[name] == value
        opened.explorer.settings = {name: value}
    for value in bad:
        opened.tell(update(settings={name: value}))
        assert opened.explorer.settings[name] == good[-1]
        with pytest.raises(FeatmagicError, match=name if name != "cmap" else "colormap"):
            opened.explorer.settings = {name: value}


def test_what_the_view_asked_for_can_be_set_again_although_no_control_offers_it(monkeypatch):
    opened = Opened(keep_messages(monkeypatch), zoom=100)
    opened.tell(update(settings={"zoom": 3}))
    opened.tell(update(settings={**opened.explorer.settings, "zoom": 100, "gamma": 2}))
    assert (opened.explorer.settings["zoom"], opened.explorer.settings["gamma"]) == (100, 2)
    opened.tell(update(settings={"zoom": 99}))
    assert opened.explorer.settings["zoom"] == 100
    opened.close()


# Several at once


@pytest.mark.parametrize("order", [*itertools.permutations(["layer", "channel", "position"])])
def test_what_is_chosen_together_is_taken_together_in_any_order(opened, order):
    state = {"layer": "first", "channel": 2, "position": [7, 7]}  # `second` has neither
    opened.tell(update(**{name: state[name] for name in order}))
    explorer = opened.explorer
    assert (explorer.layer, explorer.channel, explorer.position) == ("first", 2, (7, 7))
    back = {"layer": "second", "channel": 2, "position": None}  # `second` has no channel 2
    opened.tell(update(**{name: back[name] for name in order}))
    assert (explorer.layer, explorer.channel, explorer.position) == ("first", 2, (7, 7))


def choose_together(explorer, choices):
    with explorer.hold_trait_notifications():
        for name, value in choices.items():
            setattr(explorer, name, value)


class Unreadable:
    def __len__(self):
        raise OSError("gone")


@pytest.mark.parametrize(
    "wrong", [{"settings": 1}, {"position": Unreadable()}, {"channel": 10**5000}, {"layer": []}]
)
def test_what_python_chooses_together_is_all_chosen_or_nothing(opened, wrong):
    explorer, before = opened.explorer, opened.state()
    for choices in ({"sample": 1, **wrong, "layer": "nope"}, {"layer": "first", **wrong}):
        with pytest.raises(FeatmagicError):
            choose_together(explorer, choices)
        assert opened.state() == before


def test_settings_that_are_not_named_stay_when_several_choices_are_made_at_once(opened):
    explorer = opened.explorer
    explorer.settings = {"zoom": 3}
    with explorer.hold_trait_notifications():
        explorer.settings = {"gamma": 2}
        explorer.layer = "first"
    assert (explorer.settings["zoom"], explorer.settings["gamma"]) == (3, 2)
    opened.tell(update(settings={"cmap": "gray"}, channel=2))
    assert [explorer.settings[name] for name in ("zoom", "gamma", "cmap")] == [3, 2, "gray"]


# Many


def test_of_a_flood_of_choices_the_last_one_wins_and_the_model_does_not_run(opened):
    sent = 0
    for number in range(1000):
        name = ("first", "second")[number % 2]
        state = {"layer": name, "channel": number % 2, "settings": {"zoom": number % 65}}
        sent += len(opened.tell(update(**state)))
    explorer = opened.explorer
    assert (explorer.layer, explorer.channel, explorer.settings["zoom"]) == ("second", 1, 999 % 65)
    assert opened.model.passes == 1
    assert sent <= 4 * 1000  # an echo, and what follows from another layer


def test_an_input_that_is_picked_again_and_again_is_run_once(opened):
    for _ in range(100):
        opened.tell(update(input=2))
    assert (opened.explorer.input, opened.model.passes) == (2, 2)


@pytest.mark.parametrize("size", [10**2, 10**7])
def test_an_error_quotes_at_most_the_beginning_and_the_end_of_a_name(opened, size):
    with pytest.raises(FeatmagicError) as caught:
        opened.explorer.layer = "x" * size
    assert "It has: first, second." in str(caught.value)
    assert len(str(caught.value)) < 300
