"""What a person writes for a layer is parsed without a model, into every way to read it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from featmagic.recording.globs import glob
from featmagic.recording.layer_syntax import (
    Reading,
    Step,
    below_model,
    first_segment,
    parse_selector,
    split_steps,
    with_dots,
)


@pytest.mark.parametrize(
    ("text", "keys"),
    [
        ("conv1", ["conv1"]),
        ("layer1.0.conv1", ["layer1", "0", "conv1"]),
        ("layer1[0].conv1", ["layer1", 0, "conv1"]),
        ("layer1[-2]", ["layer1", -2]),
        ("[0][1]", [0, 1]),
        ("d['a.b'].conv", ["d", "a.b", "conv"]),
        ('d["it\'s"]', ["d", "it's"]),
        ("d[ 'a' ]", ["d", "a"]),
        ("layer[12]x", ["layer", 12, "x"]),
        ("layer[ab].0", ["layer[ab]", "0"]),
        ("a[", ["a["]),
        (".conv", ["conv"]),
        ("a.", ["a", ""]),
        ("", []),
    ],
)
def test_every_text_has_steps(text, keys):
    assert [step.key for step in split_steps(text)] == keys


def test_a_step_tells_an_attribute_from_an_item_and_an_index_as_it_was_written():
    assert split_steps("d.007[007]['007']") == [
        Step("d"),
        Step("007"),
        Step("007", is_item=True, is_index=True),
        Step("007", is_item=True),
    ]


@pytest.mark.parametrize(
    ("text", "readings"),
    [
        # a path, a glob and a class name look the same
        ("layer1.*", [Reading(("layer1.*",))]),
        # the colon may belong to a name; then nothing but a path is meant
        ("relu:2", [Reading(("relu:2",), is_path=True), Reading(("relu",), "2")]),
        ("relu:x", [Reading(("relu:x",), is_path=True), Reading(("relu",), "x")]),
        ("a:2:3", [Reading(("a:2:3",), is_path=True), Reading(("a:2",), "3")]),
        # a colon in the brackets of a key is part of the key
        ("['a:2']", [Reading(("['a:2']",))]),
        # brackets may hold a child, the characters of a glob, or a part of the output
        (
            "lstm[1][0]",
            [
                Reading(("lstm[1][0]",)),
                Reading(("lstm[1]",), part="[0]"),
                Reading(("lstm",), part="[1][0]"),
            ],
        ),
        ('enc["h"]', [Reading(('enc["h"]',)), Reading(("enc",), part="['h']")]),
        (
            "lstm:2[1]",
            [
                Reading(("lstm:2[1]",)),
                Reading(("lstm:2",), part="[1]", is_path=True),
                Reading(("lstm",), "2", "[1]"),
            ],
        ),
        # the model's own name, and those that wrappers add, may stand in front
        ("net.conv1", [Reading(("net.conv1", "conv1"))]),
        ("net", [Reading(("net", "."))]),
        ("network.conv1", [Reading(("network.conv1",))]),
        ("module.conv1", [Reading(("module.conv1", "conv1"))]),
        ("_orig_mod.conv1", [Reading(("_orig_mod.conv1", "conv1"))]),
        (".", [Reading((".",))]),
    ],
)
def test_a_selector_holds_every_reading_the_likeliest_first(text, readings):
    selector = parse_selector(text, "net")
    assert selector.text == text
    assert list(selector.readings) == readings


def test_an_index_of_the_model_may_be_one_of_its_children():
    assert parse_selector("net[0]", "net").readings[0] == Reading(("net[0]", "[0]"))


def test_any_name_may_stand_for_a_model_that_is_not_known_any_more():
    for text in ("net.conv1", "whatever.conv1"):
        assert parse_selector(text).readings == (Reading((text, "conv1")),)
    assert parse_selector("conv1").readings == (Reading(("conv1",)),)


def test_messages_name_the_layer_without_its_call():
    assert parse_selector("relu:2").layer == "relu"
    assert parse_selector("lstm[0]").layer == "lstm[0]"


def test_what_follows_the_model_may_be_nothing():
    assert below_model('models["a"]', 'models["a"]') == ""
    assert below_model('models["a"].conv', 'models["a"]') == "conv"
    assert below_model("model2.conv", "model") is None


@pytest.mark.parametrize(
    ("path", "segment"),
    [("enc.conv", "enc"), ("enc['a.b'].x", "enc['a.b']"), ("conv", "conv"), (".x", ""), ("", "")],
)
def test_dots_in_brackets_do_not_part_a_path(path, segment):
    assert first_segment(path) == segment


def test_a_text_of_up_to_a_thousand_characters_is_parsed_and_a_longer_one_is_a_name():
    for length, is_parsed in ((1000, True), (1001, False)):
        item, stars = "a" * (length - 3) + "[0]", "a" * (length - 1) + "*"
        assert [len(item), len(stars)] == [length, length]
        assert (len(split_steps(item)) == 2) is is_parsed
        assert with_dots(item) == (item[:-3] + ".0" if is_parsed else item)
        assert (len(parse_selector(item).readings) == 2) is is_parsed
        assert glob(stars)("a" * length) is is_parsed
        assert glob(stars)(stars)
        assert not glob(stars)("b" * length)


def test_parsing_layers_and_completing_a_line_import_no_torch():
    program = (
        "import sys\n"
        "from featmagic.ipython.completion.suggest import Known, suggest\n"
        "from featmagic.recording.layer_syntax import parse_selector\n"
        "parse_selector('net.layer1[0]:2', 'net')\n"
        "suggest('%hook mod', 9, Known({'model': object()}))\n"
        "assert 'torch' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)
