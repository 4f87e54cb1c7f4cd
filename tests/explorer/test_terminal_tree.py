"""The layers of the terminal explorer as a tree, and its finds, in a real terminal."""

from __future__ import annotations

import re

import pytest
from helpers.terminal_sessions import sessions_of
from helpers.terminals import NO_COLOR, TRUECOLOR

MODEL = """\
import torch
from torch import nn

class Block(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.relu = nn.Conv2d(4, 4, 3, padding=1), nn.ReLU()
    def forward(self, x):
        return self.relu(self.conv(x)) + self.relu(x)

class Net(nn.Module):
    def __init__(self, count):
        super().__init__()
        self.body = nn.Sequential(*[Block() for _ in range(count)])
        self.lstm, self.fc = nn.LSTM(4, 6, batch_first=True), nn.Linear(6, 3)
    def forward(self, x):
        states, _ = self.lstm(self.body(x).mean(3).transpose(1, 2))
        return self.fc(states[:, -1])

def net_of(count):
    torch.manual_seed(0)
    net = Net(count)
    with torch.no_grad():
        net.body[1].conv.weight[2] = 0
        net.body[1].conv.bias[2] = 3  # dead
        net.body[0].conv.bias[1] = 40  # the strongest
        net.body[1].conv.bias[3] = float("inf")
    return net

x = torch.rand(2, 4, 8, 8, generator=torch.Generator().manual_seed(1))
"""
SETUP = f"""\
{MODEL}
import featmagic
from featmagic.explorer.terminal.open import browse
from featmagic.render.target import current_target
from featmagic.options.view import View

def look(net, *layers, **view):
    with featmagic.capture(net, *layers) as maps:
        net(x)
    browse(list(maps.kept.activations.values()), View(**view), current_target("auto"))

few, many = net_of(2), net_of(16)
"""
LOOK = "look(few, 'body.*.*', 'body.0', 'lstm', 'fc')"


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    yield from sessions_of(tmp_path_factory, SETUP)


@pytest.fixture(scope="module")
def outputs():
    """What the convolutions of the blocks return, by number, as torch computes them."""
    parts = {}
    exec(MODEL, parts)
    found = []
    net = parts["net_of"](2)
    for block in net.body:
        block.conv.register_forward_hook(lambda _, args, output: found.append(output.detach()))
    net(parts["x"])
    return found


def left(session):
    """The lines at the left, up to the last row, without the marker of the chosen one."""
    lines = [re.split("[│|]", line)[0].rstrip() for line in session.lines()[1:-2]]
    return [line[2:] for line in lines if line.strip()]


def names(session):
    """The names at the left with their marks and indents, without class, shape and share."""
    return [re.match(r" *([▸▾+-] )?\S+", line)[0] for line in left(session)]


UNFOLDED = [
    "▾ body", "  ▾ 0", "      conv", "      relu", "      relu:2",
    "  ▾ 1", "      conv", "      relu", "      relu:2",
    "  lstm[0]", "  lstm[1][0]", "  lstm[1][1]", "  fc",
]  # fmt: skip


def test_layers_are_listed_by_module_with_the_number_and_the_dead_share_of_a_header(sessions):
    session = sessions(**TRUECOLOR)

    session.explore(LOOK)

    assert names(session) == UNFOLDED
    rows = [line.split() for line in left(session)]
    assert rows[0] == ["▾", "body", "7", "layers", "inf"]
    assert rows[1] == ["▾", "0", "Block", "2×4×8×8", "0", "%"]
    assert rows[5] == ["▾", "1", "3", "layers", "inf"]
    assert session.chosen()[0] == "conv"
    assert "body.0.conv  Conv2d" in session.lines()[0]
    session.leave()


def test_modules_fold_and_unfold_with_left_and_right(sessions):
    session = sessions(**TRUECOLOR)
    session.explore(LOOK)

    session.press("left", "left")
    folded = [*UNFOLDED[:1], "  ▸ 0", *UNFOLDED[5:]]
    session.until(lambda: names(session) == folded)
    assert session.chosen()[:2] == ["▸", "0"]
    assert "body.0  Block" in session.lines()[0]
    session.press("left", "left")
    session.until(lambda: names(session) == ["▸ body", *UNFOLDED[9:]])
    assert session.chosen()[:2] == ["▸", "body"]
    session.press("right")
    session.until(lambda: names(session) == folded)
    session.press("]")
    session.until(lambda: names(session) == UNFOLDED)
    session.until(lambda: "body.0.conv  Conv2d" in session.lines()[0])
    session.press("right", "right")
    session.shows("channel 1 of 4")
    session.leave()


def test_without_colors_marks_are_plus_and_minus(sessions):
    session = sessions(**NO_COLOR)
    session.explore(LOOK)

    session.press("left", "left")

    plain = [line.translate(str.maketrans("▸▾", "+-")) for line in UNFOLDED]
    session.until(lambda: names(session) == [*plain[:1], "  + 0", *plain[5:]])
    session.leave()


def test_a_long_list_is_folded_but_for_the_chosen_layer_which_stays_in_view(sessions):
    session = sessions(**TRUECOLOR)
    session.explore("look(many, 'body.*.*', 'fc')")

    assert names(session) == [
        "▾ body", "  ▾ 0", *UNFOLDED[2:5], *[f"  ▸ {n}" for n in range(1, 16)], "  fc"
    ]  # fmt: skip
    session.press("\x1b[F")
    session.until(lambda: session.chosen()[0] == "fc")
    session.press("[")
    session.until(lambda: session.chosen()[0] == "relu:2")
    session.shows("body.15.relu:2  ReLU")
    session.resize(100, 9)
    session.until(lambda: len(session.lines()) == 9 and session.chosen()[0] == "relu:2")
    session.press(*["["] * 20)
    session.shows("body.9.conv  Conv2d")
    session.until(lambda: session.chosen()[0] == "conv")
    session.leave()


def test_layers_are_found_by_class_and_glob_and_their_number_is_said(sessions):
    session = sessions(**TRUECOLOR)
    session.explore(LOOK)
    session.press("\x1b[H", "left")
    session.until(lambda: names(session) == ["▸ body", *UNFOLDED[9:]])

    session.press("/", "relu")
    session.shows("4 of 11 layers match", "body.0.relu  ReLU")
    session.until(lambda: names(session) == UNFOLDED)
    session.press("down", "down")
    session.shows("body.1.relu  ReLU")
    session.press("escape")
    session.until(lambda: names(session) == ["▸ body", *UNFOLDED[9:]])
    session.press("/", "body.*.*:? ReLU")
    session.shows("2 of 11 layers match", "body.0.relu:2  ReLU")
    session.press("escape", "/", "linear", "enter")
    session.until(lambda: session.chosen()[0] == "fc" and "q quit" in session.status())
    session.leave()


def test_finds_go_to_the_layer_and_the_channel(sessions, outputs):
    session = sessions(**TRUECOLOR)
    session.explore("look(few, 'body.*.conv')")
    assert names(session) == ["▾ body", "    0.conv", "    1.conv"]
    session.press("\x1b[H", "left")
    session.until(lambda: names(session) == ["▸ body"])
    low, high = outputs[1].amin((0, 2, 3)), outputs[1].amax((0, 2, 3))
    dead = ((low == high) & low.isfinite()).tolist()
    magnitudes = [tensor[0].abs().amax((1, 2)) for tensor in outputs]
    assert dead == [False, False, True, False]
    assert magnitudes[0].argmax() == 1
    assert magnitudes[0].max() > magnitudes[1][:3].max()
    assert outputs[1][:, 3].isinf().all()

    session.press("d")
    session.shows("body.1.conv  Conv2d", "channel 2 of 4: 3 … 3", "dead")
    session.press("x")
    session.shows("body.0.conv  Conv2d", f"channel 1 of 4: {outputs[0][0, 1].min():.3g} ")
    session.press("I")
    session.shows("body.1.conv  Conv2d", "channel 3 of 4: no finite value, 64 inf")
    session.press("N")
    session.shows("No layer has a NaN.")
    assert names(session) == ["▾ body", "    0.conv", "    1.conv"]
    session.leave()
    session.explore("look(few, 'body.0.conv')")
    session.press("d")
    session.shows("No layer has dead channels.")
    session.press("I")
    session.shows("No layer has an infinite value.")
    session.press("x")
    session.shows("channel 1 of 4")
    session.leave()


def test_the_values_of_a_vector_are_units(sessions):
    session = sessions(**TRUECOLOR)
    session.explore("look(few, 'fc')")
    session.shows("unit 0 of 3")
    session.leave()


def test_the_help_has_the_finds_and_settings_and_scrolls_to_its_end(sessions):
    session = sessions(**TRUECOLOR)
    session.resize(60, 10)
    session.open(LOOK)
    session.until(lambda: "RdBu_r" in session.status())

    session.press("?")
    session.shows("Right Left    expand, collapse", "previous, next layer")
    session.press(*["down"] * 5)
    session.shows("layer with most dead channels", "strongest channel", "first infinity")
    session.press(*["down"] * 20)
    session.shows("quit to the prompt")
    session.leave()
