"""What the explorer's script promises of itself, whatever runs it."""

import json
import re
from importlib.resources import files

import pytest

from featmagic.explorer.settings import SETTINGS

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


@pytest.mark.parametrize("number", range(247, 254))
def test_the_script_has_no_codes_of_its_own(number):
    assert not re.search(rf"\b{number}\b", SCRIPT.decode())


def controls_in_the_script():
    """The rows of settings in the script: label, name, and what stands in the control for 0."""
    rows = re.findall(r'\["(\w+)", (\[.*?\]), "(\w+)"(?:, "(\w+)")?\]', SCRIPT.decode())
    return {name: (label, offered, placeholder) for label, offered, name, placeholder in rows}


def test_the_scripts_controls_are_those_of_the_settings():
    controls = controls_in_the_script()
    assert sorted(controls) == sorted(SETTINGS)
    for name, setting in SETTINGS.items():
        label, offered, placeholder = controls[name]
        assert (label, placeholder) == (setting.label, setting.placeholder)
        if name == "cmap":  # the colormaps are the document's
            continue
        own = [list(setting.choices)] if setting.choices else list(setting.limits)
        assert json.loads(offered) == own, name


@pytest.mark.parametrize("word", ["@import", "url(", "http", "@font-face"])
def test_the_styles_fetch_nothing(word):
    assert word not in STYLES.decode()


def test_the_widgets_door_is_where_a_notebooks_script_is_put_behind_it():
    assert SCRIPT.decode().count("\nexport default {") == 1
