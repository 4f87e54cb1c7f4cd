"""Nothing that axe-core checks is wrong with the explorer, however it is shown."""

from __future__ import annotations

import pytest
import torch
from helpers import explorer_parts as parts
from helpers.axe import violations
from helpers.explored import Explored, activation, held_by, layers, written
from helpers.networks import DNN, images
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import expect

import featmagic

SCHEMES = [
    pytest.param({"color_scheme": "light"}, id="light"),
    pytest.param({"color_scheme": "dark"}, id="dark"),
    pytest.param({"forced_colors": "active"}, id="forced colors"),
]
WIDTHS = [420, 1200]


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    """A bare page, and one that a person saved, by name."""
    folder = tmp_path_factory.mktemp("explorer")
    empty = activation("empty", torch.zeros(1, 0, 4, 4))
    model = DNN()
    with featmagic.capture(model) as maps:
        model(images(2))
    (saved,) = maps.save(folder / "saved.html")
    return {"bare": written(folder / "bare.html", *held_by([*layers(), empty])), "saved": saved}


@pytest.fixture
def opened(browser, paths):
    contexts = []

    def open_page(name, width=1200, height=900, **options):
        viewport = {"width": width, "height": height}
        contexts.append(browser.new_context(viewport=viewport, **options))
        page = contexts[-1].new_page()
        page.goto(paths[name].as_uri())
        it = Explored(page)
        expect(page.locator(parts.TILES).first).to_be_visible()
        it.settle()
        return it

    yield open_page
    for context in contexts:
        context.close()


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_explorer_on_any_page(opened, width, scheme):
    assert violations(opened("bare", width, **scheme).page) == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_the_whole_of_a_saved_page(opened, width, scheme):
    assert violations(opened("saved", width, **scheme).page, within=None) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_the_keys_that_are_shown(opened, scheme):
    it = opened("bare", **scheme)
    it.page.locator(parts.CHANNELS).press(parts.HELP)
    expect(it.page.get_by_role("dialog")).to_be_visible()
    assert violations(it.page) == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_channels_that_are_pinned(opened, width, scheme):
    it = opened("bare", width, **scheme)
    grid = it.page.locator(parts.CHANNELS)
    for channel in range(1, 4):
        grid.press("ArrowRight")
        expect(it.page.locator(parts.tile(channel))).to_have_attribute("aria-selected", "true")
        grid.press(parts.PIN_IT)
    expect(it.page.locator(parts.PIN)).to_have_count(3)
    it.settle()
    assert violations(it.page) == []


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("width", WIDTHS)
def test_a_layer_without_a_picture(opened, width, scheme):
    it = opened("bare", width, **scheme)
    it.page.locator(parts.layer("empty")).click()
    expect(it.root).to_contain_text("no picture")
    expect(it.page.locator(parts.TILES).first).to_be_hidden()
    assert violations(it.page) == []


@pytest.mark.parametrize("scheme", SCHEMES)
def test_no_layer_that_is_found_and_values_that_are_no_numbers(opened, scheme):
    it = opened("bare", **scheme)
    it.page.locator(parts.layer("strange")).click()
    expect(it.page.locator(parts.tile(3))).to_be_visible()
    it.page.locator(parts.CHANNELS).press(parts.FIND)
    it.page.keyboard.type("no such layer")
    it.settle()
    assert violations(it.page) == []


@pytest.mark.parametrize("theme", ["JupyterLab Light", "JupyterLab Dark"])
def test_in_a_notebook(notebooks, theme):
    code = (
        "from helpers.networks import DNN, images\nimport featmagic\nmodel = DNN()\n"
        "with featmagic.capture(model) as maps:\n    model(images(2))\nmaps.explore()"
    )
    name = notebooks.write(new_notebook(cells=[new_code_cell(code)]))
    with notebooks.open(name) as notebook:
        notebook.command("notebook:run-all-cells")
        expect(notebook.page.locator(parts.TILES).first).to_be_visible()
        try:
            notebook.change_theme(theme)
            assert violations(notebook.page) == []
        finally:
            notebook.change_theme("JupyterLab Light")


def test_a_field_without_a_name_and_words_that_are_pale_are_found(opened):
    it = opened("saved")
    it.page.evaluate(
        """root => {
            root = document.querySelector(root);
            const words = document.createElement("p");
            words.textContent = "pale";
            words.style = "color: #999; background: #aaa";
            root.append(document.createElement("input"), words);
        }""",
        parts.ROOT,
    )
    found = "\n".join(violations(it.page))
    assert "label (critical)" in found
    assert "color-contrast (serious)" in found
