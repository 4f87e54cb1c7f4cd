"""Globs of layer names: `*` is one level, `**` any number of them, in linear time."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase

import pytest
import torchvision
from hypothesis import given
from hypothesis import strategies as st

from featmagic.recording.globs import glob, wider_glob

PATHS = [name for name, _ in torchvision.models.resnet18().named_modules() if name]
BLOCKS = ["blocks", *(f"blocks.{n}{rest}" for n in range(12) for rest in ("", ".fc", ".fc.act"))]


def matched(pattern, paths):
    return [path for path in paths if glob(pattern)(path)]


def test_one_star_is_one_level():
    assert matched("blocks.*", BLOCKS) == [f"blocks.{n}" for n in range(12)]
    assert matched("*", PATHS) == [path for path in PATHS if "." not in path]
    assert matched("layer1.*", PATHS) == ["layer1.0", "layer1.1"]
    assert matched("*.conv1", PATHS) == []


def test_two_stars_are_any_number_of_levels():
    assert matched("blocks.**", BLOCKS) == BLOCKS[1:]
    assert matched("**", PATHS) == PATHS
    expected = [path for path in PATHS if path.rpartition(".")[2] == "conv1"]
    assert "conv1" in expected
    assert matched("**.conv1", PATHS) == expected
    assert matched("layer1.**.conv1", PATHS) == ["layer1.0.conv1", "layer1.1.conv1"]
    assert matched("blocks.**.fc", ["blocks.fc", "blocks.0.fc", "blocks.0.x.fc", "fc"]) == [
        "blocks.fc",
        "blocks.0.fc",
        "blocks.0.x.fc",
    ]


@pytest.mark.parametrize(
    ("pattern", "paths"),
    [
        ("layer?.0.conv2", [f"layer{n}.0.conv2" for n in (1, 2, 3, 4)]),
        ("layer?.*.conv2", [f"layer{n}.{m}.conv2" for n in (1, 2, 3, 4) for m in (0, 1)]),
        ("layer[12].0.conv1", ["layer1.0.conv1", "layer2.0.conv1"]),
        ("layer[!12].0.conv1", ["layer3.0.conv1", "layer4.0.conv1"]),
        ("layer[2-3].1.bn?", [f"layer{n}.1.bn{m}" for n in (2, 3) for m in (1, 2)]),
        ("*1", ["conv1", "bn1", "layer1"]),
        ("l*4", ["layer4"]),
        ("layer1?0", []),  # a dot is no character of a level
        ("layer1[.]0", []),
        ("layer1[!a]0", []),
        ("layer1**1", [f"layer1.{p}" for p in ["0.conv1", "0.bn1", "1", "1.conv1", "1.bn1"]]),
        ("**conv2", [p for p in PATHS if p.endswith("conv2")]),
        ("layer1.**.**.bn2", ["layer1.0.bn2", "layer1.1.bn2"]),
        ("*.*.conv1", [p for p in PATHS if re.fullmatch(r"[^.]+\.[^.]+\.conv1", p)]),
        ("***", PATHS),
        ("layer1.", []),
        ("", []),
    ],
)  # fmt: skip
def test_the_other_wildcards_stay_in_their_level(pattern, paths):
    assert matched(pattern, PATHS) == paths


def test_a_level_is_never_empty():
    assert not glob("*.a")(".a")
    assert not glob("a.*")("a.")
    assert not glob("a.**")("a.")
    assert glob("a*.b")("a.b")  # beside other characters a star may stand for none


@pytest.mark.parametrize("pattern", ["[", "a[", "[!", "[]", "[!]", "a[b"])
def test_a_bracket_that_is_not_closed_is_a_character(pattern):
    assert glob(pattern)(pattern)


levels = st.text("abAB0[]!-: ", max_size=10)


@given(st.text("ab0[]*?!-^", max_size=10), levels)
def test_in_a_level_wildcards_are_those_of_fnmatch(pattern, level):
    is_one_star = pattern == "*"
    expected = fnmatchcase(level, pattern) and not (is_one_star and not level)
    if "**" not in pattern:
        assert glob(pattern)(level) == expected


def slowly(pattern: tuple[str, ...], levels: tuple[str, ...]) -> bool:
    """Match level by level, by trying every number of levels for `**`."""
    if not pattern:
        return not levels
    if pattern[0] == "**":
        fewest = 1 if len(pattern) == 1 else 0
        return any(slowly(pattern[1:], levels[n:]) for n in range(fewest, len(levels) + 1))
    return bool(levels) and fnmatchcase(levels[0], pattern[0]) and slowly(pattern[1:], levels[1:])


@given(
    st.lists(st.sampled_from(["**", "*", "a", "b", "a*", "*b*", "?", "[ab]"]), min_size=1),
    st.lists(st.text("abc", min_size=1, max_size=3), min_size=1, max_size=6),
)
def test_levels_match_as_if_every_number_of_them_was_tried(pattern, path):
    assert glob(".".join(pattern))(".".join(path)) == slowly(tuple(pattern), tuple(path))


@pytest.mark.parametrize("star", ["*", "**"])
def test_a_pattern_of_many_stars_takes_no_longer_than_others(star):
    matches = glob(f"{star}a" * 300 + f"{star}b")
    assert not matches("a" * 5000)
    assert matches("a" * 5000 + "b")
    assert not glob("**." * 300 + "x")(".".join("a" * 2000))


@pytest.mark.parametrize(
    ("pattern", "wider"),
    [
        ("*.conv1", "**.conv1"),
        ("*conv2", "**.*conv2"),
        ("layer1.*.weight", None),
        ("layer1.*1", "layer1.**.*1"),
        ("l*conv1", "l**conv1"),
        ("layer1.*.*.conv1", "layer1.**.*.conv1"),
        ("**.nothing", None),
        ("conv?", None),
        ("*.*.*.downsample", "**.*.*.downsample"),
    ],
)
def test_a_glob_that_crossed_levels_is_answered_with_one_that_still_does(pattern, wider):
    assert wider_glob(pattern, PATHS) == wider
