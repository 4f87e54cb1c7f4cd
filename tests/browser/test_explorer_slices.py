"""The slices of volumes: chosen on a page and beside a kernel, with the tensor's own values."""

from __future__ import annotations

import re
from base64 import b64encode
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from helpers.explored import (
    WIDGET,
    Explored,
    activation,
    expected_levels,
    held_by,
    levels_of,
    said,
    written,
)
from playwright.sync_api import expect

from featmagic.explorer.document import document
from featmagic.explorer.html.page import Still, page
from featmagic.explorer.html.save import _add_slices
from featmagic.explorer.protocol import answer
from featmagic.explorer.session import open_session
from featmagic.options.view import View

SIDE = 8


def volumes():
    """A volume of 5 slices, one of 2, and a layer that is none; all positive: no color is 0's."""
    torch.manual_seed(0)
    return [
        activation("deep", torch.rand(2, 3, 5, SIDE, SIDE) + 0.1, "Conv3d"),
        activation("shallow", torch.rand(2, 3, 2, 4, 4) + 0.1, "MaxPool3d"),
        activation("flat", torch.rand(2, 3, 6, 6) + 0.1, "Conv2d"),
    ]


VIEW = View(explore=True)


@contextmanager
def shown(browser, path, before=""):
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    tab, errors = context.new_page(), []
    tab.on("pageerror", lambda error: errors.append(str(error)))
    if before:
        tab.add_init_script(before)
    tab.goto(path.as_uri())
    it = Explored(tab)
    expect(it.tiles.first).to_be_visible()
    yield it
    context.close()
    assert errors == []


@pytest.fixture
def saved(browser, tmp_path):
    """A saved page with all slices of the first sample."""
    session = open_session(volumes(), VIEW)
    _add_slices(session)
    (tmp_path / "look.html").write_bytes(
        page(session.shown.text, session.shown.files, Still("", b""))
    )
    with shown(browser, tmp_path / "look.html") as it:
        yield it


def assert_draws(it, plane, channel=0):
    """The tile has the colors of the plane's own range; neighboring levels may share one."""
    values = plane.numpy()
    levels = levels_of(it.tile_drawn(channel), "viridis")
    assert levels.shape == values.shape
    assert np.abs(levels - expected_levels(values, values.min(), values.max())).max() <= 1.501


def test_each_slice_is_drawn_and_its_values_and_code_are_its_own(saved):
    tensor = volumes()[0].tensor
    control = saved.control("Slice")
    expect(control).to_have_value("2")
    assert control.locator("option").all_text_contents() == [
        *("0", "1", "2", "3", "4", "mean", "maximum projection"),
    ]
    for number in (4, 0, 3):
        control.select_option(str(number))
        expect(saved.status).to_contain_text(f"slice {number} of 5 along depth")
        saved.settle()
        for channel in (0, 2):
            assert_draws(saved, tensor[0, channel, number], channel)
        saved.point_at(2, 3, 6, side=SIDE)
        key, index, value, half = said(saved.status)
        assert (key, index) == ("deep", (0, 2, number, 3, 6))
        assert abs(value - tensor[0, 2, number, 3, 6].item()) <= half * 1.01
        saved.tile(1).click()
        saved.grid.press("c")
        expect(saved.status).to_contain_text(f'copied feature_maps["deep"][0, 1, {number}]')


@pytest.mark.parametrize(
    ("choice", "words", "made"),
    [("mean", "mean of 5 slices", "mean"), ("mip", "largest of 5 slices", "amax")],
)
def test_what_is_made_of_all_slices_is_drawn_and_its_code_makes_it(saved, choice, words, made):
    feature_maps = {"deep": volumes()[0].tensor}
    saved.control("Slice").select_option(choice)
    expect(saved.status).to_contain_text(words)
    expected = getattr(feature_maps["deep"][0, 1], made)(0)
    assert_draws(saved, expected, 1)
    saved.tile(1).click()
    saved.grid.press("c")
    expect(saved.status).to_contain_text("copied")
    (code,) = re.findall(r"copied (.*?\))", saved.status.text_content())
    assert torch.equal(eval(code, {"feature_maps": feature_maps}), expected)


def test_the_control_is_absent_where_there_are_no_slices_and_a_shallower_volume_has_its_own(saved):
    saved.control("Slice").select_option("4")
    saved.layer("shallow").click()
    expect(saved.tile(2)).to_be_visible()
    expect(saved.control("Slice")).to_have_value("1")
    expect(saved.control("Slice").locator("option")).to_have_count(4)
    expect(saved.status).to_contain_text("slice 1 of 2")
    assert_draws(saved, volumes()[1].tensor[0, 0, 1])
    saved.layer("flat").click()
    expect(saved.control("Slice")).to_be_hidden()
    expect(saved.status).not_to_contain_text("slice")
    saved.layer("deep").click()
    expect(saved.control("Slice")).to_have_value("4")


def test_a_slice_that_is_not_on_the_page_is_said(browser, tmp_path):
    path = written(tmp_path / "page.html", *held_by(volumes(), layout="NCDHW"))
    with shown(browser, path) as it:
        it.control("Slice").select_option("4")
        expect(it.reason).to_contain_text(
            "Slice 4 of sample 0 isn't available: no kernel is running to load it."
        )
        it.control("Slice").select_option("2")
        expect(it.tile(0)).to_be_visible()


def test_slices_are_stepped_through_with_the_keys_of_the_control(saved):
    saved.control("Slice").focus()
    saved.page.keyboard.press("ArrowDown")
    expect(saved.status).to_contain_text("slice 3 of 5")
    saved.page.keyboard.press("ArrowUp")
    saved.page.keyboard.press("ArrowUp")
    expect(saved.status).to_contain_text("slice 1 of 5")
    assert_draws(saved, volumes()[0].tensor[0, 0, 1])


# Beside a kernel: a session answers what the page asks


@pytest.fixture
def kernel(browser, tmp_path):
    session = open_session(volumes(), VIEW)
    path = written(tmp_path / "page.html", *held_by(volumes(), layout="NCDHW"))
    with shown(browser, path, WIDGET) as it:
        it.session = session
        yield it


ANSWER = """([content, sent]) => {
    const decoded = text => new DataView(Uint8Array.from(atob(text), c => c.charCodeAt(0)).buffer);
    message(content, sent.map(decoded));
}"""


def answered(it, kind):
    """Answer the last question of a kind as the kernel does; the question, without its number."""
    it.page.wait_for_function("kind => asked.some(one => one.ask === kind)", arg=kind)
    (question,) = it.page.evaluate("kind => asked.splice(0).filter(one => one.ask === kind)", kind)
    text, files = answer(it.session, question)
    content = {"answer": question.pop("id"), **text, "ids": [*files]}
    sent = [b64encode(png).decode() for png in files.values()]
    it.page.evaluate(ANSWER, [content, sent])
    return question


def test_a_slice_is_asked_of_the_kernel_once_and_remembered(kernel):
    tensor = volumes()[0].tensor
    kernel.page.evaluate("told.splice(0)")
    kernel.control("Slice").select_option("0")
    expect(kernel.reason).to_contain_text("Slice 0 of sample 0 isn't loaded yet.")
    question = answered(kernel, "plate")
    assert question == {"ask": "plate", "layer": "deep", "sample": 0, "slice": 0}
    expect(kernel.status).to_contain_text("slice 0 of 5")
    assert_draws(kernel, tensor[0, 0, 0])
    kernel.control("Slice").select_option("mip")
    assert answered(kernel, "plate")["slice"] == "mip"
    expect(kernel.status).to_contain_text("largest of 5 slices")
    assert_draws(kernel, tensor[0, 0].amax(0))
    kernel.control("Slice").select_option("0")
    expect(kernel.status).to_contain_text("slice 0 of 5")
    assert_draws(kernel, tensor[0, 0, 0])
    assert kernel.page.evaluate("asked.filter(one => one.ask === 'plate')") == []
    assert kernel.page.evaluate("told") == [["slice", 0], ["slice", "mip"], ["slice", 0]]


def test_the_exact_value_and_the_pinned_figures_are_those_of_the_slice(kernel):
    own = volumes()[0].tensor[1, 1, 4]
    kernel.control("Slice").select_option("4")
    answered(kernel, "plate")
    kernel.control("Sample").fill("1")
    assert answered(kernel, "plate") == {"ask": "plate", "layer": "deep", "sample": 1, "slice": 4}
    expect(kernel.tile(1)).to_be_visible()
    assert_draws(kernel, own, 1)
    kernel.point_at(1, 6, 2, side=SIDE)
    question = answered(kernel, "value")
    assert (question["slice"], question["sample"], question["position"]) == (4, 1, [6, 2])
    value = float(f"{own[6, 2].item():.7g}")
    expect(kernel.status).to_contain_text(f"deep[1, 1, 4, 6, 2] = {value}sample")
    kernel.tile(1).click()
    kernel.page.evaluate("asked.splice(0)")
    kernel.grid.press("Enter")
    assert answered(kernel, "channel")["slice"] == 4
    pin = kernel.page.locator(".featmagic-pin")
    low, high = (float(f"{end.item():.7g}") for end in (own.min(), own.max()))
    expect(pin).to_contain_text(f"{low} to {high}")
    expect(pin).to_contain_text("deep · 1 · sample 1 · slice 4")
    kernel.control("Slice").select_option("2")
    answered(kernel, "plate")
    expect(kernel.root.get_by_role("button", name="pin", exact=True)).to_be_visible()


def test_python_chooses_the_slice(kernel):
    kernel.page.evaluate("from_python('slice', 'mean')")
    assert answered(kernel, "plate")["slice"] == "mean"
    expect(kernel.control("Slice")).to_have_value("mean")
    assert_draws(kernel, volumes()[0].tensor[0, 0].mean(0))


def test_another_question_for_what_is_no_volume_names_no_slice(kernel):
    kernel.layer("flat").click()
    expect(kernel.tile(0)).to_be_visible()
    kernel.page.evaluate("asked.splice(0)")
    kernel.control("Sample").fill("1")
    assert answered(kernel, "plate") == {"ask": "plate", "layer": "flat", "sample": 1}


def test_the_document_is_as_the_session_has_it():
    assert [*document(volumes(), VIEW).files] == [*open_session(volumes(), VIEW).shown.files]
