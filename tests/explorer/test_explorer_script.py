"""What the explorer's script promises of itself, whatever runs it."""

import gzip
import json
import re
from importlib.resources import files
from pathlib import Path

import pytest

from featmagic.explorer.finds import FINDS
from featmagic.explorer.html.page import Still, page
from featmagic.explorer.settings import SETTINGS, controls
from featmagic.explorer.words import KEYS
from featmagic.support.errors import FeatmagicError

SCRIPT, STYLES, LICENSES = (
    (files("featmagic.explorer") / "static" / name).read_bytes()
    for name in ("explorer.js", "explorer.css", "LICENSES.txt")
)


def test_the_script_takes_at_most_62_kB_and_25_kB_as_it_travels():
    assert len(SCRIPT) <= 62_000
    assert len(gzip.compress(SCRIPT, 9)) <= 25_000


def test_the_license_of_what_is_bundled_with_the_script_goes_with_it_everywhere():
    assert "The MIT License (MIT)" in LICENSES.decode()
    assert "Preact Team" in LICENSES.decode()
    assert "LICENSES.txt" in SCRIPT.decode()
    assert LICENSES in page({"layers": []}, {}, Still("", b""))


@pytest.mark.parametrize(
    "word",
    ["innerHTML", "outerHTML", "insertAdjacentHTML", "eval(", "Function(", "http", "import "],
)
def test_the_script_takes_no_text_for_code_and_fetches_nothing(word):
    assert word not in SCRIPT.decode()


@pytest.mark.parametrize("number", range(239, 246))
def test_the_script_has_no_codes_of_its_own(number):
    assert not re.search(rf"\b{number}\b", SCRIPT.decode())


@pytest.mark.parametrize("name", SETTINGS)
def test_a_control_offers_what_its_setting_takes(name):
    setting = SETTINGS[name]
    (control,) = [each for each in controls(["gray"]) if each["name"] == name]
    for part in ("kind", "label", "tooltip", "placeholder", "key", "applies", "place"):
        assert control[part] == getattr(setting, part)
    if control["kind"] == "toggle":
        offered, refused = [True, False], "on"
    elif control["limits"] is None:
        offered = [choice for choice in control["choices"] if name != "cmap"]
        refused = "nothing"
    else:
        low, high, step = control["limits"]
        offered, refused = [low, high, low + step], high + step
    for value in offered:
        assert setting.check(value) == value
        assert setting.travels_as(value)
    with pytest.raises(FeatmagicError):
        setting.check(refused)


def test_the_front_ends_keys_are_tested_with_those_of_the_document():
    path = Path(__file__).parents[2] / "frontend" / "tests" / "fixtures.json"
    assert json.loads(path.read_text("utf-8"))["keys"] == json.loads(json.dumps(KEYS))


def test_the_colormaps_on_offer_are_those_of_the_document():
    (control,) = [each for each in controls(["gray", "jet"]) if each["name"] == "cmap"]
    assert control["choices"] == ["auto", "gray", "jet"]


def test_the_script_has_no_control_of_a_setting_of_its_own():
    labels = [row.label for row in (*SETTINGS.values(), *FINDS)]
    assert [label for label in labels if f'"{label}"' in SCRIPT.decode()] == []


@pytest.mark.parametrize("word", ["@import", "url(", "http", "@font-face"])
def test_the_styles_fetch_nothing(word):
    assert word not in STYLES.decode()
