"""However much room an explorer has, nothing is cut off, nothing overlaps, all can be reached."""

from __future__ import annotations

import pytest
import torch
from helpers import explorer_parts as parts
from helpers.clipping import WIDTHS, in_a_sandbox, problems
from helpers.explored import SETTLED, activation, held_by, layers, written
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import expect

HEIGHT = 800
LONG = "encoder.layers.11.self_attention.output_projection"


def crowded():
    """Long names, long shapes, large values, many samples, and a layer of which nothing is seen."""
    torch.manual_seed(1)
    image = torch.rand(2, 3, 64, 48)
    return [
        activation(LONG, -1234.5 * torch.rand(64, 12, 16, 12), image=image),
        *layers(),
        activation("empty", torch.zeros(1, 0, 4, 4)),
        *(activation(f"blocks.{n}.mlp.fc1", torch.rand(2, 4, 8, 8)) for n in range(12)),
    ]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    return written(tmp_path_factory.mktemp("explorer") / "page.html", *held_by(crowded()))


@pytest.fixture(params=["page", "sandbox"])
def room(request, browser, path, tmp_path):
    """Opens the explorer in a room of some width: a page of its own, or a frame of a viewer's."""
    contexts = []

    def open_in(width):
        size = {"width": width, "height": HEIGHT}
        if request.param == "sandbox":
            framed = in_a_sandbox(path.read_text("utf-8"), width, HEIGHT)
            (tmp_path / "viewer.html").write_text(framed, encoding="utf-8")
            size = {"width": width + 40, "height": HEIGHT + 40}
        contexts.append(browser.new_context(viewport=size))
        page = contexts[-1].new_page()
        page.goto((path if request.param == "page" else tmp_path / "viewer.html").as_uri())
        frame = page.frames[-1]
        expect(frame.locator(parts.TILES).first).to_be_visible()
        return frame

    yield open_in
    for context in contexts:
        context.close()


def all_problems(frame, of=problems):
    """What is wrong in each state that a person brings an explorer into."""
    found = []

    def look(state):
        frame.evaluate(SETTLED)
        found.extend(f"{state}: {problem}" for problem in of(frame))

    grid, layer = frame.locator(parts.CHANNELS), lambda key: frame.locator(parts.layer(key))
    look("opened")
    grid.press(parts.PIN_IT)
    expect(frame.locator(parts.PIN)).to_have_count(1)
    grid.press("Shift+ArrowDown")
    look("a place is chosen")
    layer("strange").click()
    expect(frame.locator(parts.tile(3))).to_be_visible()
    look("values that are no numbers")
    for channel in range(1, 4):
        grid.press("ArrowRight")
        expect(frame.locator(parts.tile(channel))).to_have_attribute("aria-selected", "true")
        grid.press(parts.PIN_IT)
    expect(frame.locator(parts.PIN)).to_have_count(4)
    look("four pins")
    layer("relu").click()
    expect(frame.locator(parts.tile(5))).to_be_visible()
    look("channels of one value")
    frame.evaluate(parts.SET, [parts.ZOOM, "4"])
    look("small tiles")
    frame.evaluate(parts.SET, [parts.ZOOM, "0"])
    layer("wide").click()
    expect(frame.locator(parts.tile(0))).to_be_visible()
    look("2,048 channels")
    layer("empty").click()
    expect(frame.locator(parts.TILES).first).to_be_hidden()
    look("no picture")
    layer(LONG).click()
    expect(frame.locator(parts.tile(11))).to_be_attached()
    grid.press(parts.HELP)
    expect(frame.locator(parts.DIALOG)).to_be_visible()
    look("keys are shown")
    return found


@pytest.mark.parametrize("width", WIDTHS)
def test_nothing_is_cut_off_or_out_of_reach(room, width):
    assert all_problems(room(width)) == []


@pytest.mark.parametrize("width", [700, 1000, 1600])
def test_nor_in_a_notebook(notebooks, width):
    code = (
        "from helpers.networks import DNN, images\nimport featmagic\nmodel = DNN()\n"
        "with featmagic.capture(model) as maps:\n    model(images(2))\nmaps.explore()"
    )
    name = notebooks.write(new_notebook(cells=[new_code_cell(code)]))
    with notebooks.open(name, width=width) as notebook:
        notebook.command("notebook:run-all-cells")
        expect(notebook.page.locator(parts.TILES).first).to_be_visible()
        notebook.page.evaluate(SETTLED)
        assert problems(notebook.page) == []


BROKEN = {
    "cut off": ("width: 30px; overflow: hidden; white-space: nowrap", "is cut off by"),
    "sticking out": ("margin-left: calc(100% + 9px); position: absolute", "sticks out"),
    "overlapping": ("position: absolute; top: 8px; left: 8px; z-index: 3", "overlap by"),
    "out of sight": ("position: fixed; left: -900px", "can't be scrolled into sight"),
}


@pytest.mark.parametrize("what", BROKEN)
def test_what_is_broken_is_found(browser, path, what):
    style, sentence = BROKEN[what]
    page = browser.new_page()
    page.goto(path.as_uri())
    expect(page.locator(parts.TILES).first).to_be_visible()
    page.evaluate(
        """([root, style]) => {
            const broken = document.createElement("div");
            broken.style = style;
            const button = document.createElement("button");
            button.textContent = "a button of no use";
            broken.append(button);
            document.querySelector(root).append(broken);
        }""",
        [parts.ROOT, style],
    )
    found = [one for one in problems(page) if "no use" in one]
    assert any(sentence in one for one in found), found
    page.close()
