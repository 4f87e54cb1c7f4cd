"""What is offered is cut and written so that the line reads it as the same."""

from __future__ import annotations

from collections import OrderedDict

import pytest
from helpers.completing import suggested
from hypothesis import example, given, settings
from hypothesis import strategies as st
from torch import nn

from featmagic.ipython.completion.suggest import Known, suggest
from featmagic.ipython.namespace import find_model
from featmagic.ipython.parser import parse_hook
from featmagic.ipython.tokenizer import typed_words
from featmagic.recording.selectors import select

KEYS = ["a", "7", "07", "007", "0", "-1", "a:2", ":2", "a b", "q'x", 'q"x', "q'x'y", "a[0]", "a]b"]
KEYS += ["[", "#a", "--max", "--", "\u0663", "{x}", "$x", "a\\b", "two\nlines", "a=b", "é"]
keys_of_dicts = st.lists(
    st.one_of(st.sampled_from(KEYS), st.text("a07:'\"[]# -=", min_size=1, max_size=4))
)


def dict_of(keys):
    return nn.ModuleDict({key: nn.ReLU() for key in keys})


def accepted(line, known):
    """The line with each text that is offered at its end, quotes closed."""
    found = suggest(line, len(line), Known(known))
    word = typed_words(line)[1]
    quote = word[:1] if word[:1] in "'\"" else ""
    there = line.removesuffix(found.fragment)
    return {there + item.text + quote: item for item in found.items}


def layer_that_is_read(line, known):
    found = parse_hook(line.partition("%hook ")[2])
    assert len(found.layers) == 1
    model = find_model(found.model, known)
    selection = select(model, found.layers, spelled=found.model)
    ((path, module),) = selection.modules.items()
    assert not selection.calls
    assert not selection.parts
    return path, module


OPENED = ["d.", "d[", "d['", 'd["', "'d.", "'d[", "'d[\"", "'d['", "\"d['", '"d["', '"d[']
OPENED += ["model.d.", "model.d["]


@pytest.mark.parametrize("typed", ["", "'", '"', *OPENED])
@settings(deadline=None, max_examples=25)
@given(keys_of_dicts)
@example(KEYS)
def test_every_layer_that_is_offered_is_read_as_that_layer(typed, keys):
    below = dict_of(dict.fromkeys(keys))
    model = nn.Sequential(OrderedDict(d=below)) if "d" in typed else below
    known = {"model": model}
    for line in accepted(f"%hook model {typed}", known):
        path, module = layer_that_is_read(line, known)
        assert isinstance(module, nn.ReLU), (line, path)
        name = path.removeprefix("d.")
        assert below._modules[name] is module
        assert name in line


@pytest.mark.parametrize("typed", ["d.", "d[", "d['", 'd["', "plain[", "plain['", 'plain["'])
@settings(deadline=None, max_examples=25)
@given(keys_of_dicts)
@example(KEYS)
def test_every_model_that_is_offered_is_read_as_that_model(typed, keys):
    known = {"d": dict_of(dict.fromkeys(keys)), "plain": {key: nn.ReLU() for key in keys}}
    known["plain"] |= {7: nn.ReLU(), -1: nn.ReLU(), True: nn.ReLU()}
    for line, item in accepted(f"%hook {typed}", known).items():
        if item.type == "ReLU":
            assert isinstance(find_model(parse_hook(line[6:]).model, known), nn.ReLU)


@pytest.mark.parametrize(
    ("line", "there"),
    [
        ("%hook model d[|", {'"007"]', '"a:2"]', "7]", '"two words"]'}),
        ('%hook model d["|', {'007"]', 'a:2"]', '7"]', 'two words"]'}),
        ("%hook model d.|", {"007", "a:2", "7"}),
        ("%hook model.d[|", {'"007"]', '"a:2"]', '"7"]', '"two words"]'}),
        ("%hook model['d|", set()),  # Sequential goes by numbers
        ("%hook model[|", {"0]"}),
        ("%hook wrapped[|", set()),
    ],
)
def test_keys_are_offered_as_they_are_read(line, there):
    below = dict_of(["007", "a:2", "q'x", "7", "two words"])
    model = nn.Sequential(OrderedDict(d=below))
    known = {"model": model, "wrapped": nn.DataParallel(model)}
    assert set(suggested(line, names=known)) == there


def test_the_models_own_key_is_a_dot_and_dots_in_brackets_part_nothing():
    from featmagic.ipython.completion.fragment import segments

    keys = [".", ".['hidden']", "enc['a.b']", "enc.conv"]
    assert [tuple(found) for found in segments(keys, "")] == [
        (".", True),
        (".['hidden']", True),
        ("enc['a.b']", True),
        ("enc", False),
    ]
