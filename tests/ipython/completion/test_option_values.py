"""Options of a magic, and the values that they take."""

from __future__ import annotations

import sys
from dataclasses import fields

import pytest
from helpers.completing import names, suggested

from featmagic.ipython.completion.suggest import Known, suggest
from featmagic.ipython.parser import options_of
from featmagic.options.colormaps import _WELL_KNOWN
from featmagic.options.option import flag
from featmagic.options.validators import words_taken
from featmagic.options.view import View

OF_VIEW = {flag(field) for field in fields(View)}


@pytest.mark.parametrize("magic", ["%hook", "%%featuremaps", "%featuremaps"])
def test_the_options_are_those_that_the_magic_takes(magic):
    found = suggested(f"{magic} net --|")
    assert set(found) == set(options_of(magic))
    assert set(found.values()) == {"option"}
    assert magic == "%hook" or set(found) > OF_VIEW


def test_hook_without_layers_takes_a_depth_too():
    assert suggested("%hook net --|") == {"--into": "option", "--depth": "option"}
    assert suggested("%hook net --depth |") == dict.fromkeys(["1", "2", "3", "all"], "value")
    assert suggested("%hook net --depth=a|") == {"all": "value"}


def test_hook_takes_a_name_alone_and_unhook_no_option():
    assert suggested("%hook net conv1 --|") == {"--into": "option"}
    assert suggested("%unhook --|") == {}


def test_inputs_are_variables_with_their_class():
    assert suggested("%%featuremaps net --explore --inputs l|") == {"listed": "list"}


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
    spelled, check = flag(option), option.metadata["check"]
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
