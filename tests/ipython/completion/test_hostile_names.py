"""Tab on long lines, and on values that do something when they are looked at."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from helpers.completing import suggested
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from featmagic.ipython.completion.suggest import NOTHING, Known, suggest
from featmagic.recording.layer_syntax import LONGEST_SYNTAX, split_steps

DIGITS = "9" * 5000


class Noting(nn.Module):
    """A module that notes every attribute that is read of it."""

    read: ClassVar[list[str]] = []

    def __getattribute__(self, name):
        Noting.read.append(name)
        return super().__getattribute__(name)

    @property
    def __class__(self):
        Noting.read.append("__class__")
        return Noting

    def __eq__(self, other):
        Noting.read.append("__eq__")
        return self is other

    __hash__ = nn.Module.__hash__


class Uninitialized(nn.Module):
    def __init__(self):
        pass


def noting():
    model = Noting()
    model.conv1 = nn.Conv2d(1, 2, 3)
    model.inner = Noting()
    model.inner.relu = nn.ReLU()
    Noting.read.clear()
    return model


@pytest.mark.parametrize(
    ("line", "there"),
    [
        ("%hook model |", {"conv1": "Conv2d", "inner": "Noting"}),
        ("%hook model inner.|", {"relu": "ReLU"}),
        ("%hook wrapped inner.|", {"relu": "ReLU"}),
        ("%hook model C|", {"Conv2d": "class"}),
        ("%hook m|", {"model": "Noting", "models": "dict"}),
        ("%hook models[|", {'"a"]': "Noting"}),
        ("%hook model.|", {"conv1": "Conv2d", "inner": "Noting"}),
        ("%featuremaps model --into m|", {}),
    ],
)
def test_no_code_of_a_module_runs(line, there):
    model = noting()
    names = {"model": model, "models": {"a": model}, "wrapped": nn.DataParallel(model)}
    Noting.read.clear()
    assert suggested(line, names=names) == there
    assert Noting.read == []


def test_modules_without_children_or_with_odd_names_are_no_error():
    odd = nn.Sequential(nn.ReLU(), Uninitialized())
    odd._modules |= {7: nn.Tanh(), "a.b": nn.Tanh(), "a\x1bb": nn.Tanh(), "none": None}
    names = {"odd": odd, "uninitialized": Uninitialized(), 3: odd, "\ud800": odd}
    assert suggested("%hook odd |", names=names) == {
        "0": "ReLU", "1": "Uninitialized", "7": "Tanh", "a.b": "Tanh"
    }  # fmt: skip
    assert suggested("%hook odd 1.|", names=names) == {}
    assert suggested("%hook uninitialized |", names=names) == {}
    assert suggested("%hook u|", names=names) == {"uninitialized": "Uninitialized"}


LONG = [
    f"layer1[{DIGITS}].",
    f"net[{DIGITS}].",
    DIGITS,
    "['" * 2500,
    "[0]" * 2000 + ".",
    "1.'" * 1700,
    f"--channels {DIGITS}x ",
]


@pytest.mark.parametrize("word", LONG, ids=lambda word: word[:12])
@pytest.mark.parametrize("before", ["%hook net ", "%hook ", "%featuremaps net "])
def test_a_long_word_is_answered_here_and_never_left_to_ipython(before, word):
    net = nn.Sequential(nn.ReLU())
    line = before + word
    found = suggest(line, len(line), Known({"net": net}))
    assert found is not None
    assert word.startswith("--") or found.items == NOTHING.items


def test_of_a_long_text_no_more_than_its_dots_is_read():
    text = "['a']" * LONGEST_SYNTAX
    assert [step.text for step in split_steps(f"{text}.b")] == [text, "b"]
    assert [step.text for step in split_steps("a['b'].c")] == ["a", "b", "c"]


def test_a_name_too_long_for_a_menu_is_left_out():
    net = nn.Sequential()
    net._modules |= {"w" * 10_000: nn.ReLU(), "conv": nn.ReLU()}
    assert suggested("%hook net |", names={"net": net}) == {"conv": "ReLU"}


pieces = """
%hook %featuremaps %unhook odd net mock [ ] [" [' . 0 -1 : 7 --into --cmap = a.b conv1 ' " -- #
""".split()  # noqa: SIM905
HIDDEN = [" ", "\0", "\ud800", "\x1b", "\u202e", "\n"]
lines = st.lists(st.one_of(st.sampled_from([*pieces, *HIDDEN]), st.text(max_size=3)), max_size=9)


@settings(deadline=None)
@given(st.sampled_from(["", "%hook ", "%hook odd ", "%featuremaps odd "]), lines.map("".join))
def test_no_line_is_an_error_whatever_the_names_hold(before, line):
    from unittest.mock import Mock

    odd = nn.Sequential(nn.ReLU(), Uninitialized())
    odd._modules |= {7: nn.Tanh(), "a.b": nn.Tanh(), "a\x1bb": nn.Tanh()}
    names = {"odd": odd, "mock": Mock(spec=nn.Module), 7: odd, "net": noting(), "\ud800": odd,
             "x": torch.ones(1), "raising": Noting.__new__(Noting)}  # fmt: skip
    Noting.read.clear()
    line = before + line
    suggest(line, len(line), Known(names, captured=["a\x1bb", "conv1"]))
    assert Noting.read == []
