"""The explorer's script beside a kernel, as a widget's front end hands it over.

The kernel's part is played in the page: it answers what a test lets it answer, or nothing.
"""

from __future__ import annotations

import re

import pytest
from helpers.explored import WIDGET, Explored, held_by, layers, written
from playwright.sync_api import expect

# What was asked, when a pointer that rests has had the time to ask.
LATER = "() => new Promise(done => setTimeout(() => done(asked), 200))"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    text, images = held_by(layers(), within={"inputs": 3})
    return written(tmp_path_factory.mktemp("explorer") / "page.html", text, images)


@pytest.fixture
def it(browser, path):
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.add_init_script(WIDGET)
    page.goto(path.as_uri())
    explored = Explored(page)
    expect(explored.tile(5)).to_be_visible()
    yield explored
    context.close()
    assert errors == []


def asked(it, kind):
    """Wait for the last question of that kind."""
    it.page.wait_for_function("kind => asked.some(one => one.ask === kind)", arg=kind)
    return it.page.evaluate("kind => asked.findLast(one => one.ask === kind)", kind)


def answer(it, question, **content):
    it.page.evaluate("content => message(content)", {"answer": question["id"], **content})


def told(it):
    it.settle()
    return it.page.evaluate("told.splice(0)")


def test_it_says_that_it_is_there(it):
    assert it.page.evaluate("asked[0]") == {"ask": "here"}


def test_what_is_chosen_is_told_once(it):
    it.layer("relu").click()
    expect(it.tile(19)).to_be_attached()
    it.point_at(4, 2, 3, side=7)
    canvas = it.tile(4).locator("canvas")
    step = canvas.bounding_box()["width"] / 7
    canvas.click(position={"x": 3.5 * step, "y": 2.5 * step})
    assert told(it) == [["layer", "relu"], ["channel", 4], ["position", [2, 3]]]
    it.control("Scale").select_option("layer")
    ((name, settings),) = told(it)
    assert (name, settings["scale"]) == ("settings", "layer")


def test_what_python_chooses_is_shown_and_not_told_back(it):
    it.page.evaluate("from_python('layer', 'relu')")
    expect(it.layer("relu")).to_have_attribute("aria-selected", "true")
    it.page.evaluate("from_python('channel', 17)")
    expect(it.tile(17)).to_have_attribute("aria-selected", "true")
    it.page.evaluate("from_python('position', [6, 5])")
    expect(it.status).to_contain_text("relu[0, 17, 6, 5] =")
    it.page.evaluate("from_python('settings', { ...contents.settings, cmap: 'gray', topk: 3 })")
    expect(it.status).to_contain_text("gray · color range per channel")
    expect(it.tiles).to_have_count(3)
    assert told(it) == []


def test_the_exact_value_is_asked_for_once_the_pointer_rests(it):
    it.point_at(2, 3, 4, side=8)
    expect(it.status).to_contain_text("(quantized)")
    question = asked(it, "value")
    place = {"layer": "conv1", "channel": 2, "sample": 0, "position": [3, 4]}
    assert question == {"ask": "value", "id": question["id"], **place}
    answer(it, question, value=-0.8300001)
    expect(it.status).to_contain_text(re.compile(r"^conv1\[0, 2, 3, 4\] = -0\.8300001sample"))
    questions = it.page.evaluate(LATER)
    assert len([one for one in questions if one["ask"] == "value"]) == 1
    it.point_at(2, 3, 5, side=8)
    expect(it.status).to_contain_text(re.compile(r"^conv1\[0, 2, 3, 5\] = \S+ ± "))


def test_a_kernel_that_never_answers_or_refuses_leaves_what_there_is(it):
    it.point_at(2, 3, 4, side=8)
    answer(it, asked(it, "value"), error="no such place")
    it.grid.press("Enter")
    answer(it, asked(it, "channel"), error="no such channel")
    it.settle()
    expect(it.status).to_contain_text(re.compile(r"^conv1\[0, 2, 3, 4\] = \S+ ± "))
    it.page.evaluate("from_python('_alive', false)")
    it.page.evaluate("asked.splice(0)")
    it.control("Sample").fill("1")
    expect(it.reason).to_contain_text("Sample 1 isn't available: no kernel is running to load it.")
    assert it.page.evaluate("asked") == []


def test_a_pinned_channels_figures_are_the_kernels(it):
    it.grid.press("Enter")
    question = asked(it, "channel")
    assert (question["layer"], question["channel"], question["sample"]) == ("conv1", 0, 0)
    answer(it, question, low=-2.5000001, high=3.25, mean=0.125, std=1.0, zeros=0)
    pin = it.page.locator(".featmagic-pin")
    expect(pin).to_contain_text("-2.5 to 3.25, mean 0.125, std 1")


def test_a_sample_that_is_not_here_is_asked_for(it):
    it.control("Sample").fill("1")
    question = asked(it, "plate")
    expect(it.reason).to_contain_text("Sample 1 isn't loaded yet.")
    it.page.evaluate(
        """id => { const plate = { ...contents.layers[0].plates[0], id: "conv1/1" };
            const image = { ...contents.images[0], id: "image/1" };
            const ids = ["conv1/1", "image/1"];
            const sent = ["conv1/0", "image/0"].map(one => new DataView(bytes.get(one).buffer));
            message({ answer: id, layer: "conv1", sample: 1, plate, image, ids }, sent); }""",
        question["id"],
    )
    expect(it.tile(5)).to_be_visible()
    expect(it.status).to_contain_text("sample 1 of 2")


def test_another_input_brings_only_what_changed(it):
    it.control("Input").fill("2")
    assert told(it) == [["input", 2]]
    it.page.evaluate("message({ busy: true })")
    expect(it.status).to_contain_text("running the model")
    before = it.tile_drawn(0)
    it.page.evaluate(
        """() => { const { plates, ...one } = contents.layers[1];
            const plate = { ...plates[0], id: "conv1/0" };
            const layer = { ...one, key: "conv1", path: "conv1", plates: { 0: plate } };
            message({ changed: [layer], ids: ["conv1/0"] }, [bytes.get("relu/0")]);
            message({ busy: false }); }"""
    )
    expect(it.tile(19)).to_be_attached()
    assert it.tile_drawn(0).shape != before.shape
    expect(it.status).not_to_contain_text("running the model")


def test_an_input_that_failed_is_said(it):
    it.page.evaluate("message({ busy: true })")
    it.page.evaluate("message({ busy: false, error: 'conv1 wants 3 channels.' })")
    expect(it.status).to_contain_text("conv1 wants 3 channels.")


def test_pictures_that_come_later_are_drawn_when_they_come(browser, path):
    page = browser.new_page()
    page.add_init_script(
        WIDGET.replace(
            "Object.fromEntries(bytes)",
            "Object.fromEntries([...bytes].filter(([id]) => !id.startsWith('relu')))",
        )
    )
    page.goto(path.as_uri())
    it = Explored(page)
    expect(it.tile(5)).to_be_visible()
    it.layer("relu").click()
    expect(it.reason).to_contain_text("Sample 0 isn't loaded yet.")
    page.evaluate("message({ changed: [], ids: ['relu/0'] }, [bytes.get('relu/0')])")
    expect(it.tile(19)).to_be_attached()
    thumb = it.layer("relu").locator("canvas")
    it.settle()
    assert it.drawn(thumb).any()
    page.close()


def test_views_of_one_widget_show_the_same_choice(it):
    it.page.evaluate(
        """() => { const other = document.createElement("div");
            document.body.append(other);
            window.second = script.default.render({ model: model(), el: other }); }"""
    )
    roots = it.page.locator("section.featmagic-explorer")
    roots.nth(1).locator("[data-layer=relu]").click()
    expect(roots.nth(0).locator("[data-layer=relu]")).to_have_attribute("aria-selected", "true")
    it.page.evaluate("second()")
    expect(roots).to_have_count(1)


def test_taken_down_it_listens_no_more(it):
    listening = "() => [...listeners].filter(([, all]) => all.length).map(([name]) => name)"
    assert "change:layer" in it.page.evaluate(listening)
    it.point_at(2, 3, 4, side=8)
    it.page.evaluate("unmount(); asked.splice(0)")
    assert it.page.evaluate(listening) == ["msg:custom"]  # the widget's own, until it is closed
    assert it.page.evaluate("here.childNodes.length") == 0
    assert it.page.evaluate(LATER) == []


def test_other_contents_are_shown_in_place_of_those_before(it):
    it.page.evaluate(
        """() => { const { layers } = contents;
            from_python("_contents", { ...contents, layers: layers.slice(1, 3) }); }"""
    )
    expect(it.film.get_by_role("treeitem")).to_have_count(2)
    expect(it.layer("relu")).to_have_attribute("aria-selected", "true")
    expect(it.tile(19)).to_be_attached()
