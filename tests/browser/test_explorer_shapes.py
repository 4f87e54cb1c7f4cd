"""Planes of any shape and any room: what the explorer makes of them on a page."""

from __future__ import annotations

from contextlib import contextmanager

import pytest
import torch
from helpers.explored import Explored, activation, held_by, written
from playwright.sync_api import expect


@contextmanager
def shown(browser, path, *tensors):
    """A page that explores those tensors, `NCHW`."""
    held = [activation(f"layer{n}", tensor) for n, tensor in enumerate(tensors)]
    written(path / "page.html", *held_by(held))
    context = browser.new_context(viewport={"width": 1200, "height": 900})
    page = context.new_page()
    page.goto((path / "page.html").as_uri())
    it = Explored(page)
    expect(it.tiles.first).to_be_visible()
    it.settle()
    yield it
    context.close()


def box_of(it, place):
    it.settle()
    return place.bounding_box()


def test_few_channels_fill_the_room_there_is_and_many_stay_small(browser, tmp_path):
    with shown(browser, tmp_path, torch.rand(1, 1, 28, 28), torch.rand(1, 512, 7, 7)) as it:
        box = box_of(it, it.tile(0).locator("canvas"))
        assert box["width"] == box["height"] == 28 * 9  # the most whole pixels up to 256
        it.layer("layer1").click()
        expect(it.tile(30)).to_be_visible()
        assert box_of(it, it.tile(0).locator("canvas"))["width"] == 49


def test_tiles_are_enlarged_only_while_all_of_them_are_in_sight(browser, tmp_path):
    with shown(browser, tmp_path, torch.rand(1, 12, 8, 8)) as it:
        viewport = it.grid.bounding_box()
        boxes = [box_of(it, it.tile(n)) for n in range(12)]
        assert max(box["y"] + box["height"] for box in boxes) <= viewport["y"] + viewport["height"]
        assert boxes[0]["width"] > 100


@pytest.mark.parametrize("shape", [(3, 400), (512, 4)])
def test_planes_that_are_long_and_thin_can_be_seen_and_pointed_at(browser, tmp_path, shape):
    values = torch.arange(shape[0] * shape[1], dtype=torch.float32).reshape(1, 1, *shape)
    with shown(browser, tmp_path, values.repeat(1, 2, 1, 1)) as it:
        for canvas in (it.tile(0).locator("canvas"), it.chosen):
            box = box_of(it, canvas)
            assert min(box["width"], box["height"]) >= 24
            assert max(box["width"], box["height"]) <= 700
        it.grid.press("Enter")
        pin = box_of(it, it.page.locator(".featmagic-pin canvas"))
        assert 24 <= pin["height"] <= 700
        box = box_of(it, it.chosen)
        y, x = (int(side * 0.9) for side in shape)
        middle = [(place + 0.5) / side for place, side in zip((x, y), reversed(shape), strict=True)]
        it.chosen.hover(position={"x": box["width"] * middle[0], "y": box["height"] * middle[1]})
        it.settle()
        at = f"{y}, {x}"
        expect(it.status).to_contain_text(f"layer0[0, 0, {at}] = ")


def test_a_layer_of_no_finite_value_has_no_strongest_channel_and_no_mean(browser, tmp_path):
    lost = torch.full((1, 3, 4, 4), torch.nan)
    lost[0, 1] = torch.inf
    with shown(browser, tmp_path, lost) as it:
        expect(it.page.get_by_role("button", name="strongest")).to_have_count(0)
        figures = it.page.locator(".fm-measured dl")
        expect(figures).to_contain_text("no finite value, 16 NaN")
        expect(figures).to_contain_text("meannonestdnonemean |x|none")


def test_what_was_asked_for_out_of_sight_is_drawn_when_it_is_seen(browser, tmp_path):
    with shown(browser, tmp_path, torch.rand(1, 40, 28, 28)) as it:
        tiles, large = it.tiles.count(), it.chosen.bounding_box()["width"]
        # Hidden for one frame, as a notebook is while its theme changes: no observer sees that.
        it.page.evaluate(
            """() => new Promise(done => {
                here.firstChild.querySelector("select").dispatchEvent(new Event("change"));
                requestAnimationFrame(() => {
                    here.hidden = false;
                    done();
                });
                here.hidden = true;
                [...document.querySelectorAll("label")].find(one => one.textContent === "Colors")
                    .control.dispatchEvent(new Event("change"));
            })"""
        )
        it.settle()
        it.settle()
        assert it.tiles.count() == tiles
        assert it.chosen.bounding_box()["width"] == large


def test_escape_leads_from_the_finder_to_the_layers(browser, tmp_path):
    with shown(browser, tmp_path, torch.rand(1, 2, 8, 8), torch.rand(1, 2, 8, 8)) as it:
        it.grid.press("/")
        it.page.keyboard.type("er1")
        expect(it.film.get_by_role("treeitem")).to_have_count(1)
        it.page.keyboard.press("Escape")
        expect(it.film.get_by_role("treeitem")).to_have_count(2)
        expect(it.film).to_be_focused()


def test_all_that_is_said_of_a_layer_can_be_read(browser, tmp_path):
    with shown(browser, tmp_path, torch.rand(1, 2, 8, 8)) as it:
        title = it.page.locator(".fm-title")
        title.evaluate("element => element.textContent = 'a long path '.repeat(12)")
        assert title.evaluate("element => element.scrollWidth <= element.clientWidth")
