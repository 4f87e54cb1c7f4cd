"""Models of thousands of layers: what is done before a pass grows as the model does, no faster."""

from __future__ import annotations

import random
import sys
from collections import Counter

import pytest
import torch
from helpers.looks import look_at_all
from torch import nn

import featmagic
from featmagic.recording.layer_cache import layer_cache_of
from featmagic.recording.layout_hints import FeatureAxis, layout_hints_of
from featmagic.recording.model_tree import parents_of, walk
from featmagic.recording.recorder import Recorder
from featmagic.recording.records import layers_of
from featmagic.recording.selectors import select, select_all


def chain(count):
    return nn.Sequential(*[nn.Linear(2, 2) for _ in range(count)])


def groups(count, of=10):
    return nn.Sequential(*[chain(of) for _ in range(count // of)])


def nest(levels, of=1):
    """Return containers in containers: `of` layers at each of the levels, the innermost last."""
    model = chain(of)
    for _ in range(levels - 1):
        model = nn.Sequential(*chain(of), model)
    return model


def lists(count):
    """Return lists that only hold layers, which stand in their place where none is named."""
    return nn.ModuleList([nn.ModuleList([nn.Linear(2, 2)]) for _ in range(count)])


def work(action):
    """Count the calls of Python and C functions, steps of generators included."""
    counts = Counter()

    def count(frame, event, argument):
        counts[event] += 1

    sys.setprofile(count)
    try:
        action()
    finally:
        sys.setprofile(None)
    return counts["call"] + counts["c_call"]


def prepared(model, *patterns):
    """Do what a look does before the model runs, for all layers if none is named."""
    selection = select(model, patterns) if patterns else select_all(model)
    Recorder(selection).detach()


@pytest.mark.parametrize("make", [chain, groups])
def test_twice_as_many_layers_take_twice_the_work(make):
    small, large = make(200), make(400)
    prepared(small)
    assert work(lambda: prepared(large)) < 2.1 * work(lambda: prepared(small))


@pytest.mark.parametrize("patterns", [("**",), ("Linear",), ()], ids=["glob", "class", "children"])
@pytest.mark.parametrize("make", [chain, groups, lists])
def test_however_the_layers_are_named(make, patterns):
    small, large = make(200), make(400)
    select(small, patterns)
    assert work(lambda: select(large, patterns)) < 2.1 * work(lambda: select(small, patterns))


def test_levels_in_levels_take_no_more():
    def layers(model):
        tree = dict(walk(model))
        selection = select_all(model)
        layers_of(tree, selection.modules, {}, selection.blocks)

    small, large = nest(150), nest(300)
    layers(small)
    assert work(lambda: layers(large)) < 2.1 * work(lambda: layers(small))


def test_five_thousand_layers_in_a_row_are_captured():
    model = chain(5000)
    with featmagic.capture(model, *select_all(model).modules) as maps:
        output = model(torch.ones(1, 2))
    assert list(maps) == [str(number) for number in range(5000)]
    torch.testing.assert_close(maps["4999"], output.detach(), rtol=0, atol=0)


def test_five_thousand_layers_in_levels_are_captured():
    model = nest(20, of=250)
    maps = look_at_all(model, torch.ones(1, 2))
    with torch.no_grad():
        output = model(torch.ones(1, 2))
    assert len(maps) == 5000
    assert list(maps)[-1] == "250." * 19 + "249"
    assert torch.equal(maps[list(maps)[-1]], output)


def test_a_tree_may_be_deeper_than_python_nests_calls():
    levels = sys.getrecursionlimit() + 200
    model = nest(levels)
    paths = [path for path, _ in walk(model)]
    assert len(paths) == 2 * levels
    selection = select_all(model)
    assert [*selection.asked] == ["1." * level + "0" for level in range(levels)]
    assert selection.blocks == {"1" + ".1" * level for level in range(levels - 1)}
    hints = layout_hints_of(dict(walk(model)), paths)
    assert hints[paths[-1]].says == (FeatureAxis("last", 2),)
    del hints
    while len(model) > 1:  # taken apart, since torch would free it by calls in calls
        model = model[1]


def test_a_module_comes_under_each_of_its_names_and_a_cycle_ends():
    shared, cyclic = nn.ReLU(), nn.Sequential(nn.ReLU())
    cyclic.again = nn.Sequential(cyclic)
    cyclic.nothing = None
    model = nn.Sequential(shared, nn.Sequential(shared), cyclic)
    assert [path for path, _ in walk(model)] == [".", "0", "1", "1.0", "2", "2.0", "2.again"]
    assert dict(walk(model))["1.0"] is shared


class EqualByValue(nn.Module):
    """A module that equals every other of its class, as one that compares configurations does."""

    def __init__(self, *children):
        super().__init__()
        self.children_of_mine = nn.ModuleList(children)

    def __eq__(self, other):
        return type(self) is type(other)

    def __hash__(self):
        return 1


def test_a_child_that_equals_its_parent_by_value_is_a_layer_of_its_own():
    inner = EqualByValue()
    tree = dict(walk(EqualByValue(inner)))
    assert tree["children_of_mine.0"] is inner


def test_what_is_kept_of_a_module_isnt_kept_of_its_equal():
    first, second = EqualByValue(), EqualByValue()
    assert layer_cache_of(first) is layer_cache_of(first)
    assert layer_cache_of(first) is not layer_cache_of(second)


def test_the_cache_of_a_module_lives_as_long_as_the_module():
    from featmagic.recording.layer_cache import _CACHES

    module = nn.ReLU()
    layer_cache_of(module)
    number = id(module)
    assert number in _CACHES
    del module
    assert number not in _CACHES


def test_a_name_with_a_dot_in_it_has_the_parent_that_holds_it():
    model = nn.Sequential(nn.Sequential(nn.ReLU()))
    model[0]._modules["a.b"] = nn.Sequential(nn.ReLU())
    tree = dict(walk(model))
    assert parents_of(tree) == {"0": ".", "0.0": "0", "0.a.b": "0", "0.a.b.0": "0.a.b"}
    selection = select_all(model)
    assert [*selection.modules] == ["0", "0.0", "0.a.b", "0.a.b.0"]
    assert [*selection.asked] == ["0.0", "0.a.b.0"]


# Hints by their definition: each module looks around for itself, however long that takes.


def around(path):
    """Return the paths above, the nearest first."""
    parts = path.split(".") if path != "." else []
    return [".".join(parts[:count]) or "." for count in reversed(range(len(parts)))]


def below(tree, path):
    return [p for p in tree if p != "." and around(p)[0] == path]


def axes_in(tree, path):
    module = tree[path]
    if isinstance(module, nn.Linear):
        return [FeatureAxis("last", module.out_features)]
    if isinstance(module, nn.Conv2d):
        return [FeatureAxis("first", module.out_channels, 2)]
    if isinstance(module, (nn.LSTM, nn.Embedding)):
        return [FeatureAxis("last", 4)]
    found = [axis for child in below(tree, path) for axis in axes_in(tree, child)]
    return [axis for n, axis in enumerate(found) if axis not in found[n + 1 :]]


def axes_near(tree, path):
    if path == "." or isinstance(tree[path], nn.Flatten):
        return []
    parent = around(path)[0]
    siblings = below(tree, parent)
    for sibling in reversed(siblings[: siblings.index(path)]):
        if axes := axes_in(tree, sibling):
            return axes
    return axes_in(tree, parent) or axes_near(tree, parent)


def order(tree, path):
    for up in [path, *around(path)]:
        if isinstance(tree[up], nn.LSTM):
            return "NLC" if tree[up].batch_first else "LNC", True
    near = [[p for p in tree if path in around(p)]]
    near += [below(tree, up) for up in around(path)]
    for paths in near:
        if found := [tree[p].batch_first for p in paths if isinstance(tree[p], nn.LSTM)]:
            return "NLC" if all(found) else "LNC", False
    return "", False


def is_text(tree, path):
    pixels = {
        up
        for p, m in tree.items()
        if isinstance(m, nn.Conv2d) and m.in_channels == 3
        for up in around(p)
    }
    words = {up for p, m in tree.items() if isinstance(m, nn.Embedding) for up in around(p)}
    for up in [path, *around(path)]:
        if up in pixels or up in words:
            return up not in pixels
    return False


def random_model(dice, levels):
    leaf = [
        lambda: nn.Linear(4, dice.choice([4, 8, 16])),
        lambda: nn.Conv2d(dice.choice([3, 8]), dice.choice([4, 8]), 1),
        lambda: nn.LSTM(4, 4, batch_first=dice.random() < 0.5),
        lambda: nn.Embedding(5, 4),
        nn.Flatten,
        nn.ReLU,
    ]
    kids = [
        random_model(dice, levels - 1) if levels and dice.random() < 0.4 else dice.choice(leaf)()
        for _ in range(dice.randint(0, 4))
    ]
    return nn.Sequential(*kids)


def test_hints_are_those_of_modules_that_look_around_for_themselves():
    dice, read = random.Random(0), 0
    for _ in range(150):
        tree = dict(walk(random_model(dice, 3)))
        for path, hint in layout_hints_of(tree, tree).items():
            assert list(hint.says) == (axes_in(tree, path) or axes_near(tree, path)), path
            assert (hint.order, hint.sure) == order(tree, path), path
            assert hint.text == is_text(tree, path), path
            read += 1
    assert read > 1000
