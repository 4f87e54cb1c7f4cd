"""Which layers a query means. The front end has the same rules, and a test with the same rows."""

import json
from fnmatch import fnmatchcase
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featmagic.explorer.finding import finds_layer

CONV = ("layer1.0.conv1", "layer1.0.conv1", "Conv2d")
RELU = ("relu:2", "relu", "ReLU")
LSTM = ("encoder.lstm[1][0]", "encoder.lstm", "LSTM")

# A query, a layer as key, path and class name, and whether the query means it.
TABLE = [
    ("", CONV, True),
    ("   ", CONV, True),
    # Text in the key, the path or the class name, whatever its case
    ("conv", CONV, True),
    ("LAYER1.0", CONV, True),
    ("conv2d", CONV, True),
    ("layer2", CONV, False),
    ("1.0.c", CONV, True),
    ("relu:2", RELU, True),
    (".", RELU, False),
    ("$", CONV, False),
    ("(", CONV, False),
    ("\\", CONV, False),
    # Several words must all match, in any order
    ("layer1 conv2d", CONV, True),
    ("conv2d   layer1", CONV, True),
    ("layer1 relu", CONV, False),
    ("layer1 *conv2", CONV, False),
    # A glob is of the whole key, path or class name; a star is one level, two are any number
    ("layer1.*", CONV, False),
    ("layer1.*.*", CONV, True),
    ("layer1.**", CONV, True),
    ("layer1.0.**", CONV, True),
    ("layer1.0.conv1.**", CONV, False),
    ("*.conv1", CONV, False),
    ("*.*.conv1", CONV, True),
    ("**.conv1", CONV, True),
    ("**.0.conv1", CONV, True),
    ("layer1.**.conv1", CONV, True),
    ("layer1.**.0.**.conv1", CONV, True),
    ("**1", CONV, True),
    ("layer**", CONV, True),
    ("layer1**v1", CONV, True),
    ("layer1*1", CONV, False),
    ("layer1.0.*1", CONV, True),
    ("layer1.0.conv1*", CONV, True),
    ("*conv*", CONV, True),  # the class
    ("*", CONV, True),
    ("**", CONV, True),
    ("***", CONV, True),
    ("layer**.conv", CONV, False),
    ("ayer1.**", CONV, False),
    ("Conv?d", CONV, True),
    ("conv?", CONV, False),
    ("layer?.?.conv?", CONV, True),
    ("layer1?0.conv1", CONV, False),
    ("layer[12].**", CONV, True),
    ("layer[23].**", CONV, False),
    ("layer[0-3].**", CONV, True),
    ("layer[!0].**", CONV, True),
    ("layer[!1].**", CONV, False),
    ("layer[^1].**", CONV, True),  # `!` alone negates
    ("layer1[.]0.conv1", CONV, False),
    ("layer1[!a]0.conv1", CONV, False),
    ("LAYER1.*.CONV[0-9]", CONV, True),
    ("layer1.(0|1).*", CONV, False),
    ("layer1+**", CONV, False),
    ("rel?", RELU, True),
    ("relu:?", RELU, True),
    ("**.relu", RELU, True),
    ("*.relu", RELU, False),
    ("*.lstm", LSTM, True),
    ("**.lstm", LSTM, True),
    # As Python spells it
    ("layer1[0].*", CONV, True),
    ("layer1[0].conv1", CONV, True),
    ("layer1[*].conv1", CONV, True),
    ("layer1[**]", CONV, True),
    ("layer1['0'].*", CONV, True),
    ("layer1[1].*", CONV, False),
    ("[layer1].*", CONV, False),
    # A word with brackets is text, too
    ("lstm[1][0]", LSTM, True),
    ("lstm[1]", LSTM, True),
    ("lstm[", LSTM, True),
    ("[1]", LSTM, True),
    ("lstm[0][0]", LSTM, False),
    ("encoder.lstm[*", LSTM, True),
    ("[z-a]", LSTM, False),
    ("[", CONV, False),
]


@pytest.mark.parametrize(("query", "layer", "means"), TABLE)
def test_a_query_means_layers_by_name_class_or_glob(query, layer, means):
    assert finds_layer(query)(*layer) is means


def test_the_front_ends_rules_are_tested_with_the_same_rows():
    path = Path(__file__).parents[2] / "frontend" / "tests" / "queries.json"
    names = ("key", "path", "kind")
    rows = [
        {"query": query, **dict(zip(names, layer, strict=True)), "matches": means}
        for query, layer, means in TABLE
    ]
    assert json.loads(path.read_text("utf-8")) == rows


names = st.text("abAB.0[]*?!-: ", max_size=12)


@given(names, names, names)
def test_a_part_of_a_name_always_finds_it(before, part, after):
    assert finds_layer(part)(before + part + after, "", "")


@given(st.text("ab[]*?!-", min_size=1, max_size=8), *[st.text("abAB[]*?!-: ", max_size=12)] * 3)
def test_without_dots_words_with_wildcards_are_those_of_fnmatch(word, key, path, kind):
    texts = [text.lower() for text in (key, path, kind)]
    expected = any(fnmatchcase(text, word) or word in text for text in texts)
    if set(word) & set("*?[") and word.strip("*") and "[*" not in word:
        assert finds_layer(word)(key, path, kind) == expected


def test_what_is_pasted_may_be_long():
    assert not finds_layer("[" * 10**6 + "]")(*CONV)
    assert not finds_layer("*a" * 400 + "*b")("a" * 400, "", "")
