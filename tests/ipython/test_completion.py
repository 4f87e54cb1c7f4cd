"""What Tab offers: as pure logic, in a shell, through a kernel, and in a terminal."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
import traceback
from collections import OrderedDict
from dataclasses import fields

import pytest
import torch
from helpers import TESTS
from helpers.networks import DNN, Block, hooks_on
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from IPython.core.completer import provisionalcompleter
from jupyter_client.manager import start_new_kernel
from torch import nn

import featmagic
from featmagic.ipython.completion.matcher import HAS_MATCHERS
from featmagic.ipython.completion.static_lookup import leads_to_module
from featmagic.ipython.completion.suggest import Known, suggest
from featmagic.ipython.namespace import find_model
from featmagic.ipython.parser import options_of, parse_hook
from featmagic.ipython.tokenizer import typed_words
from featmagic.options.colormaps import _WELL_KNOWN
from featmagic.options.validators import words_taken
from featmagic.options.view import View
from featmagic.recording.selectors import select

SECONDS = 120  # a kernel or terminal that is silent for so long is stuck
OF_VIEW = {"--" + field.name.replace("_", "-") for field in fields(View)}
needs_matchers = pytest.mark.skipif(
    not HAS_MATCHERS, reason="IPython before 8.6 has no matchers: no types, nobody kept silent"
)


def residual():
    """`layer1` with two blocks, as in torchvision's networks."""
    layer1 = nn.Sequential(Block(), Block())
    return nn.Sequential(OrderedDict(conv1=nn.Conv2d(4, 4, 3, padding=1), layer1=layer1))


class Trainer:
    ran = 0

    def __init__(self):
        self.model = residual()
        self.rate = 0.1
        self.stages = {"first": DNN(), "second.best": DNN(), 3: DNN(), "rate": 0.1}
        self.inner = Holder()
        self._private = DNN()

    @property
    def computed(self):
        type(self).ran += 1
        return self.model


class Holder:
    __slots__ = ("net",)
    of_class = nn.ReLU()

    def __init__(self):
        self.net = DNN()


def names():
    net = residual()
    return {
        "net": net,
        "parallel": nn.DataParallel(net),
        "trainer": Trainer(),
        "models": {"a": net, "my net": DNN(), "x": 1},
        "listed": [DNN(), net],
        "number": 3,
        "text": "model",
        "_hidden": DNN(),
    }


def at_cursor(line):
    """A line without the bar that stands for the cursor, and where that was."""
    cursor = line.index("|")
    return line[:cursor] + line[cursor + 1 :], cursor


def suggested(line, **known):
    """What is suggested at the bar, as it comes to stand: with what is before it in the word."""
    line, cursor = at_cursor(line)
    found = suggest(line, cursor, Known(**{"names": names(), **known}))
    if found is None:
        return None
    assert line[:cursor].endswith(found.fragment)
    return {item.text: item.type for item in found.items}


# A model


def test_models_come_with_their_class_and_before_what_holds_some():
    found = suggested("%hook |")
    assert list(found) == ["net", "parallel", "trainer", "models", "listed"]
    assert list(found.values()) == ["Sequential", "DataParallel", "Trainer", "dict", "list"]


@pytest.mark.parametrize(
    ("line", "there"),
    [
        ("%hook ne|", {"net": "Sequential"}),
        ("  %hook\tne|", {"net": "Sequential"}),
        ("%%featuremaps ne|", {"net": "Sequential"}),
        ("%featuremaps ne| -- net(x)", {"net": "Sequential"}),
        ("%hook trainer.mo|", {"model": "Sequential"}),
        ("%hook trainer.|", {"model": "Sequential", "stages": "dict"}),
        ("%hook trainer.inner.of|", None),  # of the class: IPython may tell
        ('%hook trainer.stages["|', {'first"]': "DNN", "second": "key"}),
        ('%hook trainer.stages["second.|', {'best"]': "DNN"}),
        ('%hook models["|', {'a"]': "Sequential", 'my net"]': "DNN"}),
        ('%hook models["|"]', {"a": "Sequential", "my net": "DNN"}),
        ("%hook models['m|", {"my net']": "DNN"}),
        ("%hook models[|]", {'"a"': "Sequential", '"my net"': "DNN"}),
        ("%hook listed[|", {"0]": "DNN", "1]": "Sequential"}),
        ("%hook listed[-1].|", {"conv1": "Conv2d", "layer1": "Sequential"}),
        ('%hook models["a"].layer1[0].c|', {"conv1": "Conv2d", "conv2": "Conv2d"}),
    ],
)
def test_a_model_may_be_an_attribute_or_an_item(line, there):
    assert suggested(line) == there


@pytest.mark.parametrize("line", ["%hook trainer.comp|", "%hook trainer.ra|", "%hook num|"])
def test_what_only_running_code_could_tell_is_left_to_ipython(line):
    assert suggested(line) is None


@pytest.mark.parametrize("line", ["%hook zzz|", "%hook zzz.|", "%hook trainer() a|", "%hook [|"])
def test_where_nothing_can_follow_nothing_is_offered(line):
    assert suggested(line) == {}


def test_layers_of_a_model_in_a_slot_or_of_a_class_are_found():
    assert "fc1" in suggested("%hook trainer.inner.net fc|")
    assert suggested("%hook trainer.inner.of_class R|") == {"ReLU": "class"}


def test_nothing_of_the_users_is_run():
    ran = []

    class Noting:
        def __getattr__(self, name):
            ran.append(name)
            return DNN()

        @property
        def computed(self):
            ran.append("computed")
            return DNN()

        @property
        def __class__(self):
            ran.append("__class__")
            return DNN

    class Missing(dict):
        def __missing__(self, key):
            ran.append(key)
            return DNN()

        def __getitem__(self, key):
            ran.append(key)
            return DNN()

        def items(self):
            ran.append("items")
            return []

        values = keys = __iter__ = items

    class Listed(list):
        def __getitem__(self, key):
            ran.append(key)
            return DNN()

        def __iter__(self):
            ran.append("iter")
            return iter(())

    noting = Noting()
    noting.model = DNN()
    known = {"noting": noting, "missing": Missing(a=DNN()), "listed": Listed([DNN()])}
    for line in (
        "%hook |",
        "%hook noting.|",
        "%hook noting.computed.|",
        "%hook noting.other |",
        "%hook noting.model |",
        'missing["|',
        '%hook missing["|',
        '%hook missing["b"] |',
        '%hook missing["a"] |',
        "%hook listed[0] |",
        "%hook listed[|",
    ):
        suggested(line, names=known)
    assert ran == []
    assert list(suggested("%hook |", names=known)) == ["noting", "missing", "listed"]
    assert "cnn1" in suggested('%hook missing["a"] |', names=known)
    assert "cnn1" in suggested("%hook listed[0] |", names=known)
    assert "cnn1" in suggested("%hook noting.model |", names=known)


def test_one_odd_object_hides_no_other_and_has_none_of_its_code_run():
    ran = []

    def noting(name, value=None):
        return property(lambda self: ran.append(name) or value)

    class Proxy:
        __dict__ = noting("__dict__", {"model": DNN()})
        __class__ = noting("__class__", DNN)

    class Meta(type):
        __mro__ = noting("__mro__", ())
        __name__ = noting("__name__", "no text")

        def __getattribute__(cls, name):
            ran.append(name)
            raise RuntimeError(name)

    class OfMeta(metaclass=Meta):
        pass

    class Held(dict):
        def items(self):
            ran.append("items")
            raise RuntimeError

        keys = values = __iter__ = __getitem__ = __contains__ = items

    class Key(str):
        def startswith(self, *_):
            ran.append("startswith")
            raise RuntimeError

        def __format__(self, how):
            ran.append("format")
            raise RuntimeError

    numbered, keyed, with_class = Holder(), Trainer(), Trainer()
    keyed.__dict__ = Held({"net": DNN(), 1: 2, Key("k"): DNN()})
    with_class.held = Proxy()
    known = {
        "proxy": Proxy(),
        "of_meta": OfMeta(),
        "meta": OfMeta,
        "keyed": keyed,
        "items": {Key("k"): DNN(), (1, 2): DNN(), "net": DNN(), True: DNN()},
        "slots": numbered,
        "holder": with_class,
        "net": DNN(),
        7: "a name that is none",
    }
    ran.clear()
    assert list(suggested("%hook |", names=known)) == ["net", "keyed", "items", "holder"]
    assert suggested("%hook keyed.|", names=known) == {"net": "DNN"}
    assert suggested("%hook items[|", names=known) == {'"net"]': "DNN"}
    assert "cnn1" in suggested("%hook keyed.net |", names=known)
    assert "cnn1" in suggested("%hook items['net'] |", names=known)
    for line in ("proxy.|", "proxy.model |", "of_meta.x |", "meta.x |", "holder.held.x |"):
        suggested(f"%hook {line}", names=known)
    suggested("%hook net --into |", names=known)
    assert ran == []


def test_a_module_that_was_never_initialized_hides_no_other():
    known = {"broken": nn.Sequential.__new__(nn.Sequential), "net": DNN()}
    assert list(suggested("%hook |", names=known)) == ["broken", "net"]
    assert suggested("%hook broken[|", names=known) == {}


def test_in_a_thicket_of_dicts_the_search_has_an_end_and_models_near_the_top_are_found():
    def thicket(depth):
        return {n: thicket(depth - 1) for n in range(8)} if depth else ["leaf"]

    looked_at = []
    known = {f"thicket{n:03}": thicket(3) for n in range(300)}
    known["zz_models"], known["zz_net"] = {"a": DNN()}, DNN()
    try:
        sys.setprofile(lambda frame, event, _: looked_at.append(event))
        found = suggested("%hook |", names=known)
    finally:
        sys.setprofile(None)
    assert found == {"zz_net": "DNN", "zz_models": "dict"}
    assert len(looked_at) < 150_000, len(looked_at)


def test_a_holder_that_holds_itself_is_no_trouble():
    loop = [1]
    loop.append(loop)
    assert not leads_to_module(loop)
    loop.append({"net": DNN()})
    assert leads_to_module(loop)


# Where nothing can follow


@pytest.mark.parametrize(
    "line",
    [
        '%hook models["a"]|',
        '%hook models["a"|',
        "%hook listed[0]|",
        "%hook net.conv1.|",
        "%hook net.layer1[0].conv1.|",
        "%hook listed[0].zzz|",
        '%hook mixed["a"].|',
        "%hook models.|",
        "%hook number.|",
        '%hook models["zzz|',
        "%featuremaps net.conv1.|",
    ],
)
def test_behind_a_closed_item_or_a_leaf_is_silence(line):
    known = {**names(), "mixed": {"a": nn.Sequential(nn.ReLU())}}
    assert suggested(line, names=known) == {}


# What is offered can be read


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


# Layers


@pytest.mark.parametrize(
    ("line", "there"),
    [
        ("%hook net |", {"conv1": "Conv2d", "layer1": "Sequential"}),
        ("%%featuremaps net l|", {"layer1": "Sequential"}),
        ("%featuremaps net l|", {"layer1": "Sequential"}),
        ("%hook net layer1.|", {"0": "Block", "1": "Block"}),
        ("%hook net layer1.0.c|", {"conv1": "Conv2d", "conv2": "Conv2d"}),
        ("%hook net layer1[|", {"0]": "Block", "1]": "Block"}),
        ("%hook net layer1[|]", {"0": "Block", "1": "Block"}),
        ("%hook net layer1[-1].r|", {"relu": "ReLU"}),
        ("%hook net net.lay|", {"layer1": "Sequential"}),
        ("%hook net net.layer1[0].r|", {"relu": "ReLU"}),
        ("%hook parallel layer1.0.r|", {"relu": "ReLU"}),
        ('%hook models["my net"] fc|', {"fc1": "Linear", "fc2": "Linear"}),
        ("%hook trainer.model layer1.0.r|", {"relu": "ReLU"}),
        ("%hook net Co|", {"Conv2d": "class"}),
        ("%hook net co|", {"conv1": "Conv2d"}),
        ("%hook net B|", {"BatchNorm2d": "class", "Block": "class"}),
        ("%hook parallel D|", {}),  # the wrapper is no layer
        ("%hook net nosuch.|", {}),
        ("%hook net conv1.|", {}),
        ("%hook nosuch |", {}),
    ],
)
def test_layers_come_one_segment_at_a_time_with_their_class(line, there):
    assert suggested(line) == there


@pytest.mark.parametrize("word", ["*", "lay*", "layer1.*", "layer1.*.co", "?", "layer1.?.c"])
def test_a_glob_is_left_as_it_is(word):
    assert suggested(f"%hook net {word}|") == {}
    assert suggested(f"%featuremaps n{word}|", captured=["net"]) == {}


@pytest.mark.parametrize("line", ["%hook net # la|", "%hook net conv1 #|"])
def test_a_comment_is_left_as_it_is(line):
    assert suggested(line) == {}


def test_layers_that_are_on_the_line_come_last():
    assert list(suggested("%hook net conv1 |")) == ["layer1", "conv1"]
    assert list(suggested("%hook net | conv1")) == ["layer1", "conv1"]
    assert list(suggested("%hook net layer1.0 layer1.|")) == ["1", "0"]


def test_a_name_with_a_space_is_offered_inside_quotes_alone():
    net = nn.Sequential(OrderedDict([("cnn 1", nn.ReLU()), ("cnn2", nn.ReLU())]))
    assert suggested("%hook net |", names={"net": net}) == {"cnn2": "ReLU"}
    assert suggested("%hook net 'cnn |", names={"net": net}) == {"cnn 1": "ReLU"}


def test_no_suggestion_has_a_dot():
    known = names()
    paths = [path for path, _ in known["net"].named_modules()]
    lines = [f"%hook net {path[:end]}" for path in paths for end in range(len(path) + 1)]
    lines += ["%hook trainer.stages['", "%hook trainer.", "%unhook ", "%featuremaps layer1."]
    for line in lines:
        found = suggested(line + "|", names=known, watched=["trainer.model"], captured=paths)
        assert not [text for text in found if "." in text]


def test_a_chain_deeper_than_pythons_stack_completes():
    net = deepest = nn.Sequential()
    for _ in range(5000):
        deepest.add_module("b", nn.Sequential())
        deepest = deepest.b
    deepest.add_module("end", nn.ReLU())
    assert suggested("%hook net " + "b." * 5000 + "|", names={"net": net}) == {"end": "ReLU"}
    assert suggested("%hook net R|", names={"net": net}) == {"ReLU": "class"}


def test_among_thousands_of_layers_the_last_one_is_found():
    net = nn.ModuleList(nn.ReLU() for _ in range(5000))
    assert suggested("%hook net 4999|", names={"net": net}) == {"4999": "ReLU"}
    assert len(suggested("%hook net 4|", names={"net": net})) == 500  # as many as IPython shows


# Options and their values


@pytest.mark.parametrize("magic", ["%hook", "%%featuremaps", "%featuremaps"])
def test_the_options_are_those_that_the_magic_takes(magic):
    found = suggested(f"{magic} net conv1 --|")
    assert set(found) == set(options_of(magic))
    assert set(found.values()) == {"option"}
    assert magic == "%hook" or set(found) > OF_VIEW


def test_an_option_that_is_given_is_left_out():
    every = set(suggested("%%featuremaps net --|"))
    there = suggested("%%featuremaps --max 4 --as-is net --| --cmap=gray")
    assert set(there) == every - {"--max", "--as-is", "--cmap"}


@pytest.mark.parametrize("line", ["--cmap vi|", "--cmap=vi|", "conv1 --cmap vi|"])
def test_colormaps_are_matplotlibs(line):
    import matplotlib

    there = [name for name in matplotlib.colormaps if name.startswith("vi")]
    assert list(suggested(f"%%featuremaps net {line}")) == there


def test_where_matplotlib_is_not_loaded_the_well_known_names_are_some_of_its(monkeypatch):
    import matplotlib

    assert set(_WELL_KNOWN) <= set(matplotlib.colormaps)
    monkeypatch.delitem(sys.modules, "matplotlib")
    assert list(suggested("%%featuremaps net --cmap |")) == list(_WELL_KNOWN)


@pytest.mark.parametrize("option", fields(View), ids=lambda option: option.name)
def test_values_are_those_that_the_help_names_and_the_check_takes(option):
    spelled, check = "--" + option.name.replace("_", "-"), option.metadata["check"]
    choices = option.metadata["metavar"].split("|")
    words = [word for word in choices if word.islower()] if len(choices) > 1 else []
    found = words_taken(check)
    assert not words or sorted(found) == sorted(words)
    assert all(check(option.name, word) == word for word in found)
    if found:
        assert set(suggested(f"%%featuremaps net {spelled} |")) == set(found)
        assert set(suggested(f"%%featuremaps net {spelled}=|")) == set(found)


def test_behind_an_option_that_may_stand_alone_a_layer_may_follow():
    assert "layer1" in suggested("%%featuremaps net --robust |")
    assert "layer1" in suggested("%%featuremaps net --robust 5 |")
    assert "layer1" in suggested("%%featuremaps --vmin -3 net --as-is |")
    assert suggested("%%featuremaps net --vmin |") == {}
    assert suggested("%%featuremaps net --vmin -|") != {}


def test_behind_save_only_files_make_sense():
    for line in ("%%featuremaps net --save fig", "%%featuremaps net --save=fig"):
        found = suggest(line, len(line), Known(names()))
        assert (found.items, found.files) == ([], True)


# Names of what is watched and captured


def captured():
    net = residual()
    wanted = ("conv1", "layer1.0.relu", "layer1")
    with featmagic.capture(net, *wanted) as maps:
        net(torch.zeros(1, 4, 8, 8))
    return maps


def test_into_offers_names_that_hold_feature_maps():
    known = {**names(), "maps": captured()}
    assert suggested("%hook net --into |", names=known) == {"maps": "FeatureMaps"}


def test_unhook_offers_what_is_watched():
    watched = ["feature_maps", "net", "trainer.model"]
    assert list(suggested("%unhook |", watched=watched)) == ["feature_maps", "net", "trainer"]
    assert list(suggested("%unhook trainer.|", watched=watched)) == ["model"]
    assert list(suggested("%unhook net |", watched=watched)) == ["feature_maps", "trainer"]


def test_without_a_statement_keys_come_first_and_then_models():
    keys = list(captured())
    assert keys == ["conv1", "layer1.0.relu", "layer1.0.relu:2", "layer1"]
    found = suggested("%featuremaps |", captured=keys)
    assert list(found)[:3] == ["conv1", "layer1", "net"]
    assert suggested("%featuremaps layer1.0.|", captured=keys) == {
        "relu": "Tensor",
        "relu:2": "Tensor",
    }
    assert list(suggested("%featuremaps conv1 |", captured=keys)) == ["layer1", "conv1"]
    assert list(suggested("%featuremaps layer1.0.|  -- net(x)", captured=keys)) == []


@pytest.mark.parametrize(
    "line", ["%featuremaps net conv1 -- ne|", "%featuremaps net -- |", "%hook {na|", "%hook $n|"]
)
def test_python_is_left_to_ipython(line):
    assert suggested(line) is None


@pytest.mark.parametrize(
    ("line", "there"),
    [
        ('maps["|', {'conv1"': "Tensor", "layer1": "layer", 'layer1"': "Tensor"}),
        ('maps["c|"]', {"conv1": "Tensor"}),
        ("y = maps['layer1.|", {"0": "layer"}),
        ("maps['layer1.0.r|", {"relu'": "Tensor", "relu:2'": "Tensor"}),
        ("%featuremaps net -- maps['c|", {"conv1'": "Tensor"}),
        ("net['c|", None),
        ("other.maps['c|", None),
        ("maps['conv1'] + 'c|", None),
    ],
)
def test_keys_come_one_segment_at_a_time_and_close_where_they_end(line, there):
    assert suggested(line, names={**names(), "maps": captured()}) == there


def test_a_key_with_quotes_in_it_is_written_so_that_python_reads_it():
    class Encoder(nn.Module):
        def forward(self, x):
            return {"it's": x}

    net = nn.Sequential(OrderedDict(enc=Encoder()))
    with featmagic.capture(net, "enc") as maps:
        net(torch.zeros(1))
    (key,) = maps
    for quote in "'\"":
        (text,) = suggested(f"maps[{quote}e|", names={"maps": maps})
        assert eval(f"maps[{quote}{text}]", {"maps": maps}) is maps[key]


# Any line


words = "%hook %unhook %%featuremaps net trainer models listed maps layer1 conv1 0 -1 -- --cmap"
words += ' %featuremaps --save --into --robust = * ? : # $ { \\ ( é . [ ] " \' [" ("'
parts = st.sampled_from([*words.split(), " ", "\t", "\n"])
lines = st.one_of(
    st.text(),
    st.lists(st.one_of(parts, st.text(max_size=2)), max_size=12).map("".join),
    st.lists(parts, max_size=8).map(lambda more: "%hook " + "".join(more)),
    st.lists(parts, max_size=8).map(lambda more: "%featuremaps net " + "".join(more)),
)
KNOWN = {**names(), "maps": captured()}


@settings(deadline=None)
@given(lines, st.data())
def test_no_line_and_no_cursor_is_an_error(line, data):
    cursor = data.draw(st.integers(0, len(line)))
    found = suggest(line, cursor, Known(KNOWN, {"net"}, ["a", "net"], ["conv1", "layer1.0"]))
    if found is not None:
        assert line[:cursor].endswith(found.fragment)
        assert all(item.text.startswith(found.fragment) and item.type for item in found.items)


# In a shell


@pytest.fixture(params=[True, False], ids=["Jedi", "no Jedi"])
def tab(shell, request):
    """What the cell would be for each thing that Tab offers, and its type."""
    shell.ip.Completer.use_jedi = request.param
    shell.names.update(net=residual(), trainer=Trainer(), models={"a": DNN()})

    def pressed(cell):
        cell, cursor = at_cursor(cell)
        with provisionalcompleter():
            found = list(shell.ip.Completer.completions(cell, cursor))
        return {cell[: c.start] + c.text + cell[c.end :]: c.type for c in found}

    return pressed


@pytest.mark.parametrize(
    ("cell", "there"),
    [
        ("%hook mode|", {"%hook model": "DNN", "%hook models": "dict"}),
        ("%hook trainer.mo|", {"%hook trainer.model": "Sequential"}),
        ('%hook models["|', {'%hook models["a"]': "DNN"}),
        ("%hook net layer1.|", {"%hook net layer1.0": "Block", "%hook net layer1.1": "Block"}),
        ("%hook net layer1.0.r|", {"%hook net layer1.0.relu": "ReLU"}),
        ("x = 1\n%hook net lay|\ny = 2", {"x = 1\n%hook net layer1\ny = 2": "Sequential"}),
        ("%%featuremaps net lay|\nnet(x)", {"%%featuremaps net layer1\nnet(x)": "Sequential"}),
        ("%%featuremaps net --cmap=civi|", {f"%%featuremaps net --cmap=cividis{r}": "value"
                                           for r in ("", "_r")}),
        ("%%featuremaps net --over| conv1", {"%%featuremaps net --overlay conv1": "option",
                                             "%%featuremaps net --overview conv1": "option",
                                             "%%featuremaps net --overwrite conv1": "option"}),
        ("%featuremaps model cnn1 --as|", {"%featuremaps model cnn1 --as-is": "option"}),
    ],
)  # fmt: skip
def test_accepting_writes_the_right_text(tab, cell, there):
    found = tab(cell)
    assert set(found) == set(there)
    assert found == there or not HAS_MATCHERS


def test_a_variable_that_is_called_as_a_layer_changes_nothing(tab, shell):
    shell.names.update(layer1=3, lay=4)
    assert set(tab("%hook net layer1.|")) == {"%hook net layer1.0", "%hook net layer1.1"}
    assert set(tab("%hook net lay|")) == {"%hook net layer1"}


def test_variables_of_ipythons_own_are_not_offered(tab, shell):
    shell.value("model")  # is in Out now
    found = [cell.removeprefix("%hook ") for cell in tab("%hook |")]
    assert found == ["model", "net", "trainer", "models"]


@needs_matchers
@pytest.mark.parametrize(
    "cell",
    ["%hook net lay*|", "%hook net *|", "%hook net nosuch|", "%%featuremaps net --max |",
     "%hook net # mo|", "%unhook |", '%hook models["a"]|', "%hook models['a'].cnn1.|",
     "%hook net.conv1.|"],
)  # fmt: skip
def test_where_nothing_fits_nobody_else_answers(tab, cell):
    assert tab(cell) == {}


@needs_matchers
def test_behind_save_are_files_and_nothing_else(tab, tmp_path, monkeypatch):
    (tmp_path / "figures").mkdir()
    (tmp_path / "model.png").touch()
    monkeypatch.chdir(tmp_path)
    cell = "%featuremaps model --save "
    assert tab(cell + "|") == dict.fromkeys((cell + "figures", cell + "model.png"), "path")
    assert list(tab(cell + "fig|")) == [cell + "figures/"]
    assert list(tab(cell + "mod|")) == [cell + "model.png"]


def test_in_the_body_of_a_look_and_behind_its_statement_python_completes_as_ever(tab):
    assert "%%featuremaps model\nmodel.cnn1" in tab("%%featuremaps model\nmodel.cn|")
    assert "%featuremaps model -- model" in tab("%featuremaps model -- mod|")
    assert "trainer.computed" in tab("trainer.comp|")


def test_what_was_captured_and_watched_is_offered(tab, shell):
    shell.run("%hook net layer1.0.relu conv1 --into watched\nnet(torch.zeros(1, 4, 8, 8));")
    assert list(tab("%unhook |")) == ["%unhook watched", "%unhook net"]
    assert list(tab("%featuremaps c|")) == ["%featuremaps conv1"]
    assert set(tab("%featuremaps layer1.0.|")) == {
        "%featuremaps layer1.0.relu",
        "%featuremaps layer1.0.relu:2",
    }
    assert set(tab('watched["layer1.0.|')) == {
        'watched["layer1.0.relu"',
        'watched["layer1.0.relu:2"',
    }
    assert set(tab('%%featuremaps net\nwatched["c|"]')) == {'%%featuremaps net\nwatched["conv1"]'}
    assert shell.names["watched"]._ipython_key_completions_() == [
        "conv1", "layer1.0.relu", "layer1.0.relu:2",
    ]  # fmt: skip


def test_looking_for_completions_leaves_the_model_alone(tab, shell, model):
    before = {name: id(value) for name, value in shell.names.items()}
    for cell in ("%hook |", "%hook model |", "%hook model C|", "%%featuremaps model --|"):
        tab(cell)
    assert hooks_on(model) == []
    assert {name: id(value) for name, value in shell.names.items()} == before


def test_whatever_goes_wrong_is_no_trouble_of_the_users(tab, shell, capfd):
    broken = nn.Sequential.__new__(nn.Sequential)  # never initialized
    half = DNN()
    half._modules["cnn1"] = "no module"
    shell.names.update(broken=broken, half=half)
    for cell in ("%hook bro|", "%hook broken |", "%hook broken.|", "%hook half |", "%hook half C|"):
        tab(cell)
    assert "Traceback" not in "".join(capfd.readouterr())
    assert set(tab("%hook model cn|")) == {"%hook model cnn1"}  # and the next one works


def test_an_unloaded_extension_completes_nothing_and_a_reloaded_one_once(tab, shell):
    once = tab("%hook model cn|")
    shell.run("%reload_ext featmagic\n%reload_ext featmagic")
    completer = shell.ip.Completer
    asked = completer.custom_matchers if HAS_MATCHERS else completer.magic_arg_matchers
    ours = [one for one in asked if "featmagic" in one.__module__]
    assert len(ours) == 1
    assert tab("%hook model cn|") == once
    assert list(once) == ["%hook model cnn1"]
    shell.run("%unload_ext featmagic")
    assert ours[0] not in asked
    assert "%hook model cnn1" not in tab("%hook model cn|")
    shell.run("%load_ext featmagic")


def test_the_models_own_key_is_a_dot_and_dots_in_brackets_part_nothing():
    from featmagic.ipython.completion.fragment import segments

    keys = [".", ".['hidden']", "enc['a.b']", "enc.conv"]
    assert [tuple(found) for found in segments(keys, "")] == [
        (".", True),
        (".['hidden']", True),
        ("enc['a.b']", True),
        ("enc", False),
    ]


@settings(deadline=None)
@given(lines, st.data())
def test_ipython_gets_an_answer_for_every_line(line, data):
    # On some of these IPython 7 fails by itself, on ends of lines that are no \n a newer one too.
    assume("\\" not in line and all(c.isprintable() or c in "\n\t" for c in line))
    one = _a_shell()
    cursor = data.draw(st.integers(0, len(line)))
    failed = []
    with pytest.MonkeyPatch.context() as patch, provisionalcompleter():
        patch.setattr(sys, "excepthook", lambda *failure: failed.append(failure))
        list(one.Completer.completions(line, cursor))
    assert not [one for one in failed if "featmagic" in "".join(traceback.format_exception(*one))]


_shells = []


def _a_shell():
    """One shell for all examples: making one takes longer than a hundred completions."""
    from IPython.core.interactiveshell import InteractiveShell

    if not _shells:
        shell = InteractiveShell()
        shell.Completer.use_jedi = False
        shell.run_line_magic("load_ext", "featmagic")
        shell.user_ns.update(KNOWN)
        _shells.append(shell)
    return _shells[0]


def test_completing_imports_neither_torch_nor_matplotlib():
    program = (
        "import sys\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "from IPython.core.completer import provisionalcompleter\n"
        "ip = InteractiveShell()\n"
        "ip.run_line_magic('load_ext', 'featmagic')\n"
        "ip.user_ns.update(model={'a': object()}, feature_maps={'conv1': 1})\n"
        "for line in ('%hook ', '%hook mo', '%hook model la', '%hook model[\"', '%unhook ',\n"
        "    '%%featuremaps model C', '%%featuremaps model --cmap vi', '%featuremaps ',\n"
        "    '%%featuremaps model --into ', '%%featuremaps model --sort ', '%hook model --',\n"
        "    'feature_maps[\"'):\n"
        "    with provisionalcompleter():\n"
        "        found = list(ip.Completer.completions(line, len(line)))\n"
        "    if 'cmap' in line:\n"
        "        print(*[one.text for one in found])\n"
        "print(*[name for name in ('torch', 'matplotlib', 'numpy', 'PIL') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["viridis", ""]
    assert "Traceback" not in done.stderr


# Through a kernel


KERNEL = """\
import torch
from test_completion import DNN, Trainer, residual
model, trainer, x = residual(), Trainer(), torch.zeros(1, 4, 8, 8)
%load_ext featmagic
%hook model layer1.0.conv1 conv1
model(x);
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("IPYTHONDIR", str(tmp_path_factory.mktemp("ipython")))
        manager, client = start_new_kernel(cwd=str(TESTS))
        reply = client.execute_interactive(KERNEL, timeout=SECONDS)["content"]
        assert reply["status"] == "ok", reply
        yield client
        client.stop_channels()
        manager.shutdown_kernel(now=True)


def completions(kernel, cell):
    cell, cursor = at_cursor(cell)
    content = kernel.complete(cell, cursor, reply=True, timeout=SECONDS)["content"]
    assert content["status"] == "ok"
    return content


@needs_matchers
@pytest.mark.parametrize(
    ("cell", "start", "there"),
    [
        ("%hook mod|", 6, {"model": "Sequential"}),
        ("%hook trainer.mo|", 14, {"model": "Sequential"}),
        ("%hook model layer1.|", 19, {"0": "Block", "1": "Block"}),
        ("%hook model layer1.0.r|", 21, {"relu": "ReLU"}),
        ("x\n%%featuremaps model con|\nx", 22, {"conv1": "Conv2d"}),
        ("%%featuremaps model --scale |\nmodel(x)", 28,
         dict.fromkeys(("channel", "layer", "all"), "value")),
        ("%hook model --in|", 12, {"--into": "option"}),
        ("%unhook fe|", 8, {"feature_maps": "watched"}),
        ("%featuremaps layer1.|", 20, {"0": "layer"}),
        ('feature_maps["layer1.0.|"]', 23, {"conv1": "Tensor"}),
        ('feature_maps["layer1.0.|', 23, {'conv1"': "Tensor"}),
        ("%hook model lay*|", 16, {}),
    ],
)  # fmt: skip
def test_a_kernel_answers_with_texts_types_and_where_they_go(kernel, cell, start, there):
    content = completions(kernel, cell)
    assert content["matches"] == list(there)
    assert (content["cursor_start"], content["cursor_end"]) == (start, cell.index("|"))
    typed = content["metadata"]["_jupyter_types_experimental"]
    assert {one["text"]: one["type"] for one in typed} == there
    assert all((one["start"], one["end"]) == (start, cell.index("|")) for one in typed)


@pytest.mark.parametrize(
    ("cell", "there"),
    [
        ("%hook trainer.mo|", {"%hook trainer.model"}),
        ("%hook model layer1[0].r|", {"%hook model layer1[0].relu"}),
        ("%hook model layer1.0.r| .", {"%hook model layer1.0.relu ."}),
        ("%%featuremaps model --sort=abs|\nx", {"%%featuremaps model --sort=absmean\nx"}),
        ('x\nfeature_maps["layer1.0.|"]', {'x\nfeature_maps["layer1.0.conv1"]'}),
    ],
)  # fmt: skip
def test_a_kernel_of_any_ipython_says_where_its_texts_go(kernel, cell, there):
    content = completions(kernel, cell)
    cell, start, end = at_cursor(cell)[0], content["cursor_start"], content["cursor_end"]
    assert {cell[:start] + text + cell[end:] for text in content["matches"]} == there


# What VS Code's editor takes for a word, by default and in Python.
WORD = re.compile(r"-?\d*\.\d\w*|[^`~!@#$%^&*()\-=+[{\]}\\|;:'\",.<>/?\s]+")


def shown_by_vs_code(cell, content):
    """What is left of a reply in VS Code, as its provider of kernel completions filters it.

    What is typed is stripped from an item, at its first occurrence there; then whatever has a dot
    or ends with a slash is dropped.
    """
    line, cursor = at_cursor(cell)
    behind_dot = line[cursor - 1] == "."
    at = cursor - 1 if behind_dot else cursor
    word = next((w for w in WORD.finditer(line) if w.start() <= at <= w.end()), None)
    text = line[min(word.start(), cursor - 1) : max(word.end(), cursor)] if word else line
    shown = {}
    for item in content["metadata"]["_jupyter_types_experimental"]:
        kept, index = item["text"], item["text"].find(text)
        if index > 0 or (index == 0 and behind_dot):
            kept = kept[index + len(text) :] or kept
        if "." not in kept and not kept.endswith("/"):
            shown[item["text"]] = kept
    return shown


@needs_matchers
def test_vs_code_shows_the_way_on_at_every_step(kernel):
    line = "%hook model layer1.0.relu"
    for end in range(len("%hook "), len(line) + 1):
        typed = line[:end]
        content = completions(kernel, typed + "|")
        segment = re.search(r"[^\s.]*$", typed)
        wanted = re.match(r"[^\s.]*", line[segment.start() :])[0]
        shown = shown_by_vs_code(typed + "|", content)
        assert wanted in shown, (typed, content["matches"])
        assert content["cursor_start"] == segment.start()


def test_the_filter_of_vs_code_drops_whole_paths():
    """Or else the test before would say nothing."""

    def content(*texts):
        return {"metadata": {"_jupyter_types_experimental": [{"text": text} for text in texts]}}

    def shown(cell, *texts):
        return list(shown_by_vs_code(cell, content(*texts)).values())

    assert shown("%hook model |", "layer1.0.conv1", "layer1", "folder/") == ["layer1"]
    assert shown("%hook model layer1.|", "layer1.0.conv1", "layer1.0", "0") == ["0", "0"]
    # The letter that is typed is looked for from the left, and found in `layer1`.
    assert shown("%hook model layer1.0.r|", "layer1.0.relu", "relu") == ["relu"]


# In a terminal


class Tmux:
    """An IPython in a terminal that tmux is."""

    def __init__(self, folder):
        self._socket = str(folder / "tmux")
        program = f"{sys.executable} -m IPython --no-banner --no-confirm-exit"
        self._tmux("-f", "/dev/null", "new-session", "-d", "-x", "100", "-y", "40",
                   "-e", f"IPYTHONDIR={folder}", "-e", f"PYTHONPATH={TESTS.parent}",
                   "-c", str(TESTS), program)  # fmt: skip
        self.until("In [1]:")

    def _tmux(self, *words):
        done = subprocess.run(
            ["tmux", "-S", self._socket, *words], capture_output=True, text=True, check=True
        )
        return done.stdout

    def press(self, *keys):
        self._tmux("send-keys", *keys)

    def type(self, text):
        self._tmux("send-keys", "-l", text)

    def until(self, *texts):
        """The screen, as soon as all the texts are on it."""
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            screen = self._tmux("capture-pane", "-p")
            if all(text in screen for text in texts):
                return screen
            time.sleep(0.05)
        raise AssertionError(f"No {texts} in:\n{screen}")

    def close(self):
        self._tmux("kill-server")


@pytest.fixture(scope="module")
def tmux(tmp_path_factory):
    if shutil.which("tmux") is None:
        pytest.skip("needs tmux")
    terminal = Tmux(tmp_path_factory.mktemp("tmux"))
    terminal.type("from test_completion import *; net = residual(); trainer = Trainer()")
    terminal.press("Enter")
    terminal.until("In [2]:")
    terminal.type("%load_ext featmagic")
    terminal.press("Enter")
    terminal.until("In [3]:")
    yield terminal
    terminal.close()


@pytest.fixture
def prompt(tmux):
    """The terminal at an empty prompt of a clear screen."""
    tmux.press("C-c")
    tmux.press("C-l")
    yield tmux
    tmux.press("Escape")


def test_a_terminal_pops_up_the_layers_and_runs_what_was_accepted(prompt):
    prompt.type("%hook net layer1.0.")
    prompt.press("Tab")
    screen = prompt.until("conv1", "bn1", "relu", "conv2", "bn2")
    assert "%hook net layer1.0." in screen
    prompt.type("co")
    prompt.press("Tab")
    prompt.until("%hook net layer1.0.conv", "conv1", "conv2")
    prompt.press("Tab")
    prompt.until("%hook net layer1.0.conv1")
    prompt.press("Enter")  # takes it
    prompt.press("Enter")
    prompt.until("Watching layer1.0.conv1 of net → feature_maps")


def test_a_terminal_completes_models_and_options(prompt):
    prompt.type("%hook trainer.mo")
    prompt.press("Tab")
    prompt.until("%hook trainer.model")
    prompt.type(" --in")
    prompt.press("Tab")
    prompt.until("%hook trainer.model --into")
    prompt.type(" maps layer1[0].re")
    prompt.press("Tab")
    prompt.until("%hook trainer.model --into maps layer1[0].relu")
    prompt.press("Enter")
    prompt.until("Watching layer1[0].relu of trainer.model → maps")


def test_in_a_terminal_python_completes_in_the_body_of_a_look(prompt):
    prompt.type("%%featuremaps net layer1.1.co")
    prompt.press("Tab")
    prompt.until("%%featuremaps net layer1.1.conv", "conv1", "conv2")
    prompt.type("1")
    prompt.press("Enter")
    prompt.until("...:")
    prompt.type("net.conv1.in_ch")
    prompt.press("Tab")
    prompt.until("net.conv1.in_channels")
