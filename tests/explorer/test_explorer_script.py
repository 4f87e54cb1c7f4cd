"""What the explorer's script promises of itself, whatever runs it."""

from importlib.resources import files

import pytest

SCRIPT, STYLES = (
    (files("featmagic.explorer") / "static" / name).read_bytes()
    for name in ("explorer.js", "explorer.css")
)


def test_the_script_takes_at_most_40_kB():
    assert len(SCRIPT) <= 40_000


@pytest.mark.parametrize(
    "word",
    ["innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "Function(", "http", "import "],
)
def test_the_script_takes_no_text_for_code_and_fetches_nothing(word):
    assert word not in SCRIPT.decode()


@pytest.mark.parametrize("word", ["@import", "url(", "http", "@font-face"])
def test_the_styles_fetch_nothing(word):
    assert word not in STYLES.decode()


def test_the_widgets_door_is_where_a_notebooks_script_is_put_behind_it():
    assert SCRIPT.decode().count("\nexport default {") == 1
