"""The explorer in JupyterLab and in Notebook, as a person has it: clicked, saved, left alone."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from contextlib import contextmanager

import numpy as np
import pytest
from helpers.expected import layers_of, model_and_images, possible_colors, ranges_of, wrong_pixels
from helpers.front_ends import ground
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from playwright.sync_api import expect

SETUP, SHOWN, BUSY, LOG = range(4)
CELLS = [
    """\
import threading
from helpers.expected import model_and_images
import featmagic
model, x = model_and_images()
done = threading.Event()
with featmagic.capture(model) as feature_maps:
    model(x[499:501])""",
    "ex = feature_maps.explore(cmap='gray', model=model, inputs=x[:3])\nex",
    "",
    "",
]
PIXELS = """canvas => {
    const { data, width, height } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return [width, height, Array.from(data)];
}"""  # noqa: E501
SAVES_STATE = "@jupyter-widgets/jupyterlab-manager:saveWidgetState"  # or saves it no longer
END = "() => jupyterapp.shell.currentWidget.sessionContext.shutdown()"


@pytest.fixture(scope="module")
def values():
    model, images = model_and_images()
    return layers_of(model, images[499])


@contextmanager
def started(notebooks):
    """A notebook that has run as far as its explorer."""
    name = notebooks.write(new_notebook(cells=[new_code_cell(cell) for cell in CELLS]))
    with notebooks.open(name) as notebook:
        errors = []
        notebook.page.on("pageerror", lambda error: errors.append(error.stack or str(error)))
        notebook.command("notebook:run-all-cells")
        expect(explorer(notebook)).to_be_visible()
        yield notebook
        # Its script is at a blob's address; Notebook has errors of its own as a page loads again.
        assert not [error for error in errors if "blob:" in error]


@pytest.fixture(scope="module")
def one(notebooks):
    with started(notebooks) as notebook:
        yield notebook


@pytest.fixture
def opened(one):
    """A notebook with an explorer in it, clicked on by nobody yet."""
    again(one)
    run(one, "pass")
    return one


@pytest.fixture
def fresh(notebooks):
    """One of its own, for a test after which nothing is left of it."""
    with started(notebooks) as notebook:
        yield notebook


def explorer(notebook, cell=SHOWN):
    return notebook.cell(cell).locator("section.featmagic-explorer")


def tile(notebook, channel, cell=SHOWN):
    grid = explorer(notebook, cell).get_by_role("listbox", name="Channels")
    return grid.locator(f'[role=option][data-channel="{channel}"]')


def layer(notebook, key, cell=SHOWN):
    films = explorer(notebook, cell).get_by_role("tree", name="Layers")
    return films.locator(f'[role=treeitem][data-layer="{key}"]')


def status(notebook, cell=SHOWN):
    return explorer(notebook, cell).get_by_role("status")


def grids(notebook, cell=SHOWN):
    """The pictures that a person sees."""
    return notebook.pictures(cell).locator("visible=true")


def prompt(notebook, cell):
    return notebook.cell(cell).locator(".jp-InputPrompt")


def run(notebook, code, cell=LOG, *, waits=True):
    """Run it in a cell of its own, and wait until it has run."""
    before = prompt(notebook, cell).inner_text()
    notebook.type(cell, code, "Control+Enter")
    after = re.compile(rf"^(?!{re.escape(before)}$)\[\d+\]:$") if waits else "[*]:"
    expect(prompt(notebook, cell)).to_have_text(after)


def again(notebook):
    """Run the explorer's cell again."""
    run(notebook, CELLS[SHOWN], SHOWN)
    expect(tile(notebook, 0)).to_have_attribute("aria-selected", "true")


def python(notebook, expression, value):
    """What Python has, as it prints it, as soon as it is that."""
    for _ in range(100):
        run(notebook, f"print({expression})")
        if notebook.captions(LOG).inner_text().strip() == value:
            return
    raise AssertionError((notebook.captions(LOG).inner_text(), value))


def hover(notebook, place, y, x):
    """Point at the value (y, x) of a tile."""
    canvas = place.locator("canvas")
    canvas.scroll_into_view_if_needed()
    box = canvas.bounding_box()
    height, width = (canvas.evaluate(f"it => it.{side}") for side in ("height", "width"))
    notebook.page.mouse.move(
        box["x"] + (x + 0.5) / width * box["width"], box["y"] + (y + 0.5) / height * box["height"]
    )


def drawn(place):
    """What is drawn on a tile, a pixel a value, `(H, W, RGB)`."""
    width, height, data = place.locator("canvas").evaluate(PIXELS)
    return np.array(data, np.uint8).reshape(height, width, 4)[..., :3]


def assert_tiles_show(notebook, planes):
    for channel, (plane, ends) in enumerate(zip(planes, ranges_of(planes), strict=True)):
        pixels = drawn(tile(notebook, channel))
        assert pixels.shape[:2] == plane.shape
        assert wrong_pixels(pixels, possible_colors(plane, ends, "gray")) == 0


def test_it_stands_in_the_grids_place_and_shows_the_tensors_values(opened, values):
    expect(layer(opened, "cnn1")).to_have_attribute("aria-selected", "true")
    expect(grids(opened)).to_have_count(0)
    assert_tiles_show(opened, values["cnn1"])

    layer(opened, "pool1").click()
    expect(tile(opened, 0).locator("canvas")).to_have_js_property("width", 12)
    assert_tiles_show(opened, values["pool1"])


def test_a_click_is_seen_in_python_and_python_in_the_browser(opened):
    tile(opened, 3).click()
    expect(tile(opened, 3)).to_have_attribute("aria-selected", "true")
    python(opened, "ex.layer, ex.channel, tuple(ex.selection.shape)", "cnn1 3 (24, 24)")

    run(opened, "ex.layer, ex.channel = 'act1', 2")
    expect(layer(opened, "act1")).to_have_attribute("aria-selected", "true")
    expect(tile(opened, 2)).to_have_attribute("aria-selected", "true")
    run(opened, "ex.settings = {'cmap': 'viridis'}")
    expect(status(opened)).to_contain_text("viridis")


def test_the_status_line_says_the_exact_value_under_the_pointer(opened, values):
    hover(opened, tile(opened, 2), 7, 9)

    expect(status(opened)).to_contain_text("cnn1[0, 2, 7, 9] = ")
    expect(status(opened)).not_to_contain_text("±")
    said = float(re.search(r"= (-?[\d.e-]+)", status(opened).inner_text().replace("−", "-"))[1])
    assert said == pytest.approx(values["cnn1"][2, 7, 9], rel=1e-4)


def test_while_the_kernel_is_busy_it_is_there_and_can_be_walked_through(opened):
    code = "ex = feature_maps.explore(cmap='gray')\ndisplay(ex)\ndone.wait();"
    run(opened, code, waits=False)
    try:
        expect(explorer(opened, LOG)).to_be_visible()
        tile(opened, 1, LOG).click()
        expect(tile(opened, 1, LOG)).to_have_attribute("aria-selected", "true")
        expect(prompt(opened, LOG)).to_have_text("[*]:")
    finally:
        opened.command("notebook:interrupt-kernel")
        expect(prompt(opened, LOG)).not_to_have_text("[*]:")


def test_a_second_view_shows_the_same_and_follows(opened):
    run(opened, "ex")
    expect(explorer(opened, LOG)).to_be_visible()
    tile(opened, 4, LOG).click()
    expect(tile(opened, 4)).to_have_attribute("aria-selected", "true")


def test_a_cell_that_runs_again_has_one_explorer_which_works(opened):
    for _ in range(2):
        again(opened)
        expect(explorer(opened)).to_have_count(1)
    tile(opened, 2).click()
    python(opened, "ex.channel", "2")
    assert grids(opened).count() == 0


def test_a_closed_explorer_leaves_the_grid(opened):
    run(opened, "ex.close()")
    expect(explorer(opened)).to_have_count(0)
    expect(grids(opened)).to_have_count(1)


def test_a_page_that_is_loaded_again_has_what_was_chosen(opened, values):
    layer(opened, "act1").click()
    tile(opened, 3).click()
    python(opened, "ex.layer, ex.channel", "act1 3")
    opened.command("docmanager:save")
    opened.reload()

    expect(tile(opened, 3)).to_have_attribute("aria-selected", "true")
    expect(layer(opened, "act1")).to_have_attribute("aria-selected", "true")
    assert_tiles_show(opened, values["act1"])


def test_without_its_kernel_it_goes_on_with_what_it_has(fresh, values):
    expect(layer(fresh, "pool1")).to_be_visible()
    hover(fresh, tile(fresh, 1), 3, 3)
    expect(status(fresh)).not_to_contain_text("±")
    fresh.page.evaluate(END)

    layer(fresh, "pool1").click()
    expect(tile(fresh, 0).locator("canvas")).to_have_js_property("width", 12)
    assert_tiles_show(fresh, values["pool1"])
    hover(fresh, tile(fresh, 1), 5, 6)
    expect(status(fresh)).to_contain_text("pool1[0, 1, 5, 6] = ")
    expect(status(fresh)).to_contain_text("±")


def test_a_saved_notebook_shows_the_grid_trusted_or_not(fresh, notebooks):
    fresh.command("docmanager:save")
    fresh.page.evaluate(END)
    saved = notebooks.read(fresh.name)
    (output,) = saved.cells[SHOWN].outputs
    assert set(output.data) == {"image/png", "text/plain"}

    with notebooks.open(fresh.name) as trusted:
        assert all(trusted.trusted())
        expect(grids(trusted)).to_have_count(1)
        expect(explorer(trusted)).to_have_count(0)
    saved.cells.append(new_markdown_cell("Not what was signed."))
    with notebooks.open(notebooks.write(saved)) as untrusted:
        assert not any(untrusted.trusted())
        expect(grids(untrusted)).to_have_count(1)
        expect(explorer(untrusted)).to_have_count(0)


def test_a_notebook_saved_with_the_state_of_its_widgets_is_explored_without_a_kernel(
    fresh, notebooks, values
):
    expect(layer(fresh, "pool1")).to_be_visible()
    run(fresh, "pass")
    fresh.command(SAVES_STATE)
    try:
        fresh.command("docmanager:save")
        fresh.page.evaluate(END)
        with notebooks.open(fresh.name) as trusted:
            layer(trusted, "pool1").click()
            expect(tile(trusted, 0).locator("canvas")).to_have_js_property("width", 12)
            assert_tiles_show(trusted, values["pool1"])
    finally:
        fresh.command(SAVES_STATE)


def test_another_input_is_run_in_the_kernel_and_drawn(opened):
    picker = explorer(opened).get_by_label("Input", exact=True)
    run(opened, "ex.input = 2")
    model, images = model_and_images()
    own = layers_of(model, images[2])
    python(opened, "ex.input", "2")
    expect(picker).to_have_value("2")
    assert_tiles_show(opened, own["cnn1"])


def test_it_is_dark_on_a_dark_theme(opened):
    try:
        opened.change_theme("JupyterLab Dark")
        assert ground(status(opened)).mean() < 60
        opened.change_theme("JupyterLab Light")
        assert ground(status(opened)).mean() > 200
    finally:
        opened.change_theme("JupyterLab Light")


def test_an_exported_page_shows_the_grid_without_a_network(opened, notebooks, browser, tmp_path):
    opened.command("docmanager:save")
    source = tmp_path / "look.ipynb"
    shutil.copy(notebooks.path(opened.name), source)
    convert = [sys.executable, "-m", "nbconvert", "--to", "html", str(source)]
    subprocess.run(convert, check=True, capture_output=True, timeout=120)

    context = browser.new_context(offline=True)
    page = context.new_page()
    page.goto(source.with_suffix(".html").as_uri())
    picture = page.locator('img[src^="data:image/png"]')
    expect(picture).to_be_visible()
    assert picture.evaluate("it => it.decode().then(() => it.naturalWidth)") > 100
    context.close()
