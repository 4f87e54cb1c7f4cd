"""Parsing a magic's line, without any model."""

from __future__ import annotations

import signal
import sys
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from featmagic.ipython.manual import option_help, option_usage, options_of_view
from featmagic.ipython.parser import parse_again, parse_hook, parse_look
from featmagic.ipython.tokenizer import split_statement, words_of
from featmagic.options.view import View, view_of
from featmagic.support.errors import FeatmagicError


@pytest.mark.parametrize(
    ("line", "model", "layers"),
    [
        ("", None, ()),
        ("model", "model", ()),
        ("  model   cnn1\tact1 ", "model", ("cnn1", "act1")),
        ('models["a"] cnn1', 'models["a"]', ("cnn1",)),
        ("models['my net'] layer1[0].conv1", "models['my net']", ("layer1[0].conv1",)),
        ("model cnn1 # act1 pool1", "model", ("cnn1",)),
        ("# all of it", None, ()),
        ("model 'cnn 1' \"act1\"", "model", ("cnn 1", "act1")),
        ("model layer1.* relu:2 .", "model", ("layer1.*", "relu:2", ".")),
    ],
)
def test_the_first_word_is_the_model_and_the_others_are_layers(line, model, layers):
    asked = parse_hook(line)
    assert (asked.model, asked.layers, asked.into) == (model, layers, "feature_maps")
    look = parse_look(line)
    assert (look.model, look.layers, look.into, look.as_is) == (model, layers, None, False)


def test_options_may_stand_between_layers():
    asked = parse_look("model cnn1 --cmap gray act1 --ncols 5 pool1 --as-is --into maps")
    assert asked.layers == ("cnn1", "act1", "pool1")
    assert asked.view == View(cmap="gray", ncols=5)
    assert (asked.as_is, asked.into) == (True, "maps")


@pytest.mark.parametrize(
    ("line", "view"),
    [
        ("--sample -1", View(sample=-1)),
        ("--channels -3:", View(channels="-3:")),
        ("--channels=-3:", View(channels="-3:")),
        ("--channels 0:16,40", View(channels="0:16,40")),
        ("--channels '0:16, 40'", View(channels="0:16,40")),
        ("--cmap 'gray'", View(cmap="gray")),
        ('--cmap="gray"', View(cmap="gray")),
        ("--max 0 --scale layer --zoom 3", View(max=0, scale="layer", zoom=3)),
    ],
)
def test_values_may_be_negative_or_quoted(line, view):
    assert parse_again(line).view == view


def test_what_is_shown_again_has_layers_alone():
    assert parse_again("enc['hidden'] --sample -1 cnn1").layers == ("enc['hidden']", "cnn1")


@pytest.mark.parametrize("option", ["--into maps", "--as-is", "--inputs x"])
def test_an_option_for_running_a_model_is_refused_where_none_runs(option):
    with pytest.raises(FeatmagicError, match="%featuremaps has no option"):
        parse_again(f"cnn1 {option}")


@pytest.mark.parametrize(
    ("line", "nearest"),
    [("--colmap gray", "--cmap"), ("--nclos 5", "--ncols"), ("--chanels 1", "--channels")],
)
def test_an_unknown_option_is_answered_with_the_nearest_one(line, nearest):
    with pytest.raises(FeatmagicError) as caught:
        parse_look(f"model cnn1 {line}")
    wrong = line.split()[0]
    assert f"%%featuremaps has no option '{wrong}'. Did you mean {nearest}?" in str(caught.value)


def test_an_option_is_never_guessed_from_its_beginning():
    with pytest.raises(FeatmagicError, match="no option '--sam'"):
        parse_look("model --sam 1")


@pytest.mark.parametrize(
    "line",
    [
        "model --ncols 0",
        "model --zoom 0",
        "model --max -1",
        "model --ncols",
        "model --ncols five",
        "model --scale row",
        "model --cmap grey_",
        "model --channels a:b",
        "model --channels 1:2:0",
        "model --channels 1,,2",
        "model --into 2nd",
        "model --into class",
        "model --into feature_maps.x",
        "model 'cnn1",
        'model "cnn1 act1',
    ],
)
def test_a_value_that_cannot_be_meant_is_one_clear_line(line):
    with pytest.raises(FeatmagicError) as caught:
        parse_look(line)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "head", "statement"),
    [
        ("model cnn1 -- model(x)", "model cnn1", "model(x)"),
        ("model -- y = model(x)  # a note", "model", "y = model(x)  # a note"),
        ("model -- f('--', x) -- y", "model", "f('--', x) -- y"),
        ("-- model(x)", "", "model(x)"),
        ("model '--' cnn1", "model '--' cnn1", None),
        ("model cnn1 # -- model(x)", "model cnn1 # -- model(x)", None),
        ("cnn1 --cmap gray", "cnn1 --cmap gray", None),
    ],
)
def test_the_statement_stands_behind_two_dashes_as_it_was_written(line, head, statement):
    assert split_statement(line) == (head, statement)


plain = st.text(st.characters(categories=["L", "N"], include_characters="._*?[]:-"), min_size=1)


@given(st.lists(plain.filter(lambda word: not word.startswith("-"))))
def test_words_come_back_whatever_they_are_made_of(words):
    assert words_of(" ".join(words)) == words
    assert words_of("  ".join(f"'{word}'" for word in words)) == words


@given(st.lists(plain), st.text())
def test_no_line_ends_in_anything_but_values_or_our_error(words, rest):
    line = " ".join([*words, rest])
    try:
        asked = parse_look(line)
    except FeatmagicError:
        return
    assert all(word in line for word in asked.layers)


ends = st.none() | st.integers(-70, 70)
slices = st.builds(slice, ends, ends, ends.filter(lambda step: step != 0))


@given(st.lists(slices | st.integers(-60, 59), min_size=1), st.just(60))
def test_channels_are_what_python_would_index(parts, count):
    expected = []
    for part in parts:
        found = list(range(count))[part]
        expected += found if isinstance(part, slice) else [found]
    if expected:
        assert View(channels=parts).pick(count) == expected
    else:
        with pytest.raises(FeatmagicError, match="selects none of the 60 channels"):
            View(channels=parts).pick(count)


def test_max_cuts_only_where_no_channel_is_named():
    assert View().pick(100) == list(range(64))
    assert View(max=0).pick(100) == list(range(100))
    assert View(max=2, channels="5:9").pick(100) == [5, 6, 7, 8]


def test_a_channel_that_is_not_there_says_which_are():
    with pytest.raises(FeatmagicError, match="No channel 40: there are 5, 0 to 4"):
        View(channels="40").pick(5)


def test_an_unknown_keyword_is_answered_with_the_nearest_one():
    with pytest.raises(FeatmagicError, match=r"There is no option 'colmap'\. Did you mean cmap\?"):
        view_of(colmap="gray")


def test_every_field_of_view_is_an_option_with_the_same_default_and_a_help_line():
    asked = parse_look("model")
    for field in fields(View):
        assert getattr(asked.view, field.name) == field.default
        assert option_usage(field) in options_of_view()
        assert option_help(field) in " ".join(options_of_view().split())


@pytest.mark.parametrize("channels", [[], "", "0, ,1", [1.5], object()])
def test_channels_that_name_none_are_one_clear_line(channels):
    with pytest.raises(FeatmagicError, match="channels"):
        View(channels=channels)


def test_channels_may_come_from_numpy_and_torch():
    import numpy as np
    import torch

    assert View(channels=torch.tensor([2, 0])).channels == "2,0"
    assert View(channels=np.array([2, 0])).channels == "2,0"


def test_a_colormap_is_given_by_its_name():
    import matplotlib

    with pytest.raises(FeatmagicError, match="cmap must be the name of a colormap"):
        View(cmap=matplotlib.colormaps["gray"])


@pytest.mark.parametrize("explore", ["", " --explore"])
@pytest.mark.parametrize("size", ["", " --max-bytes 1MB"])
def test_a_page_holds_as_much_as_the_line_says_whatever_is_shown(explore, size):
    look = parse_look(f"model cnn1 --save explorer.html{explore}{size}")
    assert look.saving.view.kind == "explorer"
    assert look.saving.view.max_bytes == (1_000_000 if size else View().max_bytes)
    assert look.view.kind == ("explorer" if explore else "grid")
    assert look.view.max_bytes == (1_000_000 if explore and size else View().max_bytes)


def interrupted_in_argparse(line, at):
    """Read a line; an interrupt arrives at that line of argparse's. Return how many there were."""
    count = 0

    def trace(frame, event, _):
        nonlocal count
        if not frame.f_code.co_filename.endswith("argparse.py"):
            return None
        if event == "line":
            count += 1
            if count == at:
                signal.raise_signal(signal.SIGINT)
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        parse_look(line, "%%featuremaps", {})
    finally:
        sys.settrace(before)
    return count


def test_an_interrupt_while_a_line_is_read_is_still_one():
    line = "model cnn1 --cmap gray act1"
    lines = interrupted_in_argparse(line, None)
    assert lines > 200
    for at in range(1, lines, 5):
        with pytest.raises(KeyboardInterrupt):
            interrupted_in_argparse(line, at)
