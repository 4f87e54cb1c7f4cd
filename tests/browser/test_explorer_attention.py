"""What a query attends to, on the patches of the input or on a strip of tokens."""

from __future__ import annotations

import re

import numpy as np
import pytest
import torch
from helpers.explored import Explored, colors, held_by, said, written
from playwright.sync_api import expect

from featmagic.recording.inputs import PassInputs
from featmagic.recording.records import Activation

HEADS, LAST = 3, 239


def weights(key, queries, keys, *, image=True, grids=((4, 4),)):
    values = (2 * torch.randn(2, HEADS, queries, keys)).softmax(-1)
    inputs = PassInputs(torch.rand(2, 3, 32, 32), grids) if image else PassInputs()
    return Activation(key, key, "MultiheadAttention", 1, values, inputs=inputs)


def layers():
    """Attention over a class token and 4 × 4 patches, to the patches alone, and over text."""
    torch.manual_seed(0)
    broken = weights("broken", 17, 17)
    broken.tensor[0, 0, 5, 3] = torch.nan
    return [
        weights("own", 17, 17),
        weights("cross", 6, 16),
        weights("text", 9, 9, image=False),
        broken,
        Activation("conv", "conv", "Conv3d", 1, torch.rand(2, 3, 4, 8, 8)),
    ]


@pytest.fixture(scope="module")
def tensors():
    return {one.key: one.tensor.numpy() for one in layers()}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    text, images = held_by(layers(), layout="NAQK")
    return written(tmp_path_factory.mktemp("attention") / "page.html", text, images)


class Attended(Explored):
    def __init__(self, page):
        super().__init__(page)
        self.panel = self.root.get_by_role("group", name="Attention of one query")
        self.maps = self.panel.locator(".fm-map")
        self.heads = self.panel.get_by_role("img")
        self.all = self.panel.get_by_role("button", name="all heads")
        self.range = self.panel.locator(".fm-scale + div")
        self.own = self.panel.locator(".fm-own")

    def ends(self):
        return [float(end) for end in self.range.text_content().split(" to ")]

    def at_patch(self, row, column, n=0, side=4):
        """Where a patch is in the picture of a head."""
        box = self.maps.nth(n).bounding_box()
        return {
            "x": (column + 0.5) * box["width"] / side,
            "y": (row + 0.5) * box["height"] / side,
        }


@pytest.fixture
def it(browser, path):
    context = browser.new_context(viewport={"width": 1300, "height": 1000})
    page, errors = context.new_page(), []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto(path.as_uri())
    attended = Attended(page)
    expect(attended.tiles.first).to_be_visible()
    yield attended
    context.close()
    assert errors == []


def as_sent(head):
    """The values of a head as a byte each says them."""
    low, high = float(head.min()), float(head.max())
    return low + np.round((head.astype(float) - low) / (high - low) * LAST) / LAST * (high - low)


def level(values, low, high):
    return np.round((values - low) / (high - low) * LAST).astype(int)


def assert_drawn(it, n, values, low, high, cmap="viridis"):
    """The map has the colors of the values, or those of a level beside."""
    drawn = it.drawn(it.maps.nth(n)).astype(int)
    assert drawn.shape[:2] == values.shape
    table, levels = colors(cmap), level(values, low, high)
    near = [table[np.clip(levels + by, 0, LAST)] for by in (-1, 0, 1)]
    assert np.any([(drawn == one).all(-1) for one in near], axis=0).all()
    return drawn


def choose(it, channel, query, key, side=17):
    it.point_at(channel, query, key, side)
    canvas = it.tile(channel).locator("canvas")
    step = canvas.bounding_box()["width"] / side
    canvas.click(position={"x": (key + 0.5) * step, "y": (query + 0.5) * step})
    it.page.mouse.move(1, 1)
    it.settle()


@pytest.mark.parametrize(("channel", "query"), [(0, 5), (2, 16), (1, 0)])
def test_the_row_of_the_chosen_query_is_drawn_on_the_patches(it, tensors, channel, query):
    choose(it, channel, query, 9)
    expect(it.panel).to_contain_text(f"attention of query {query} (")
    patches = as_sent(tensors["own"][0, channel])[query, 1:].reshape(4, 4)
    low, high = patches.min(), patches.max()
    assert_drawn(it, 0, patches, low, high)
    assert it.ends() == pytest.approx([low, high], rel=0.01)
    cls = as_sent(tensors["own"][0, channel])[query, 0]
    (told,) = re.findall(r"CLS ([\d.e-]+)", it.panel.text_content())
    assert float(told) == pytest.approx(cls, rel=0.01)
    half = np.ptp(tensors["own"][0, channel]) / LAST / 2
    (told,) = re.findall(r"values ± ([\d.e-]+)", it.panel.text_content())
    assert float(told) == pytest.approx(half, rel=0.05)
    most = patches.argmax()
    expect(it.heads).to_have_attribute(
        "aria-label",
        re.compile(
            rf"^head {channel}: what query {query} \(.*\) attends to, 4 × 4 patches, "
            rf"largest weight \S+ at key {most + 1} \(patch {most // 4}, {most % 4}\)$"
        ),
    )


def test_before_a_query_is_chosen_it_is_that_of_the_first_token(it, tensors):
    expect(it.panel).to_contain_text("attention of query 0 (CLS)")
    patches = as_sent(tensors["own"][0, 0])[0, 1:].reshape(4, 4)
    assert_drawn(it, 0, patches, patches.min(), patches.max())
    expect(it.own).to_be_hidden()


def test_the_row_under_the_pointer_is_drawn_while_it_is_there(it, tensors):
    choose(it, 0, 5, 9)
    it.point_at(2, 11, 3, 17)
    expect(it.panel).to_contain_text("attention of query 11 (patch 2, 2)")
    patches = as_sent(tensors["own"][0, 2])[11, 1:].reshape(4, 4)
    assert_drawn(it, 0, patches, patches.min(), patches.max())
    expect(it.panel).to_contain_text("head 2")
    it.page.mouse.move(1, 1)
    expect(it.panel).to_contain_text("attention of query 5 (patch 1, 0)")


def test_the_heads_stand_side_by_side_in_their_own_ranges_or_in_one(it, tensors):
    choose(it, 1, 7, 9)
    expect(it.maps).to_have_count(1)
    it.all.click()
    expect(it.all).to_have_attribute("aria-pressed", "true")
    expect(it.maps).to_have_count(HEADS)
    rows = [as_sent(tensors["own"][0, head])[7, 1:].reshape(4, 4) for head in range(HEADS)]
    labels = it.panel.locator(".fm-heads span")
    for head, row in enumerate(rows):
        assert_drawn(it, head, row, row.min(), row.max())
        name, ends = labels.nth(head).text_content().split(": ")
        assert name == f"head {head}"
        told = [float(end) for end in ends.split(" to ")]
        assert told == pytest.approx([row.min(), row.max()], rel=0.01)
    expect(it.range).to_have_text("color range per head")
    it.control("Scale").select_option("layer")
    expect(labels).to_have_text(["head 0", "head 1", "head 2"])
    low, high = np.min(rows), np.max(rows)
    for head in range(HEADS):
        assert_drawn(it, head, rows[head], low, high)
    assert it.ends() == pytest.approx([low, high], rel=0.01)
    boxes = [it.heads.nth(n).bounding_box() for n in range(HEADS)]
    assert boxes[0]["y"] == boxes[1]["y"] == boxes[2]["y"]
    assert boxes[0]["x"] < boxes[1]["x"] < boxes[2]["x"]
    it.all.press("Enter")
    expect(it.maps).to_have_count(1)


def test_a_patch_that_is_pointed_at_is_the_query_and_a_click_chooses_it(it, tensors):
    choose(it, 0, 5, 9)
    it.all.click()
    it.maps.nth(2).hover(position=it.at_patch(3, 1, 2))
    expect(it.panel).to_contain_text("attention of query 14 (patch 3, 1)")
    key, index, value, half = said(it.status)
    assert (key, index) == ("own", (0, 2, 14, 9))
    assert abs(value - tensors["own"][0, 2, 14, 9]) <= half * 1.01
    it.page.mouse.move(1, 1)
    expect(it.panel).to_contain_text("attention of query 5 ")
    it.maps.nth(2).click(position=it.at_patch(0, 2, 2))
    it.page.mouse.move(1, 1)
    expect(it.panel).to_contain_text("attention of query 3 (patch 0, 2)")
    expect(it.tile(2)).to_have_attribute("aria-selected", "true")
    assert said(it.status)[1] == (0, 2, 3, 9)


@pytest.mark.parametrize(("query", "patch"), [(1, (0, 0)), (11, (2, 2)), (16, (3, 3))])
def test_the_querys_own_patch_is_marked(it, query, patch):
    choose(it, 0, query, 9)
    box, mark = it.maps.first.bounding_box(), it.own.bounding_box()
    side = box["width"] / 4
    assert mark["width"] == pytest.approx(side, abs=0.6)
    assert mark["x"] - box["x"] == pytest.approx(patch[1] * side, abs=0.6)
    assert mark["y"] - box["y"] == pytest.approx(patch[0] * side, abs=0.6)


def test_keys_move_the_query(it):
    choose(it, 0, 5, 9)
    it.grid.focus()
    it.page.keyboard.press("Shift+ArrowDown")
    expect(it.panel).to_contain_text("attention of query 6 (patch 1, 1)")
    it.all.focus()
    it.page.keyboard.press("Shift+ArrowUp")
    it.page.keyboard.press("Shift+ArrowUp")
    expect(it.panel).to_contain_text("attention of query 4 (patch 0, 3)")


def test_the_patches_lie_over_the_input(it):
    choose(it, 0, 5, 9)
    photo = it.panel.locator(".fm-photo")
    expect(photo).to_be_visible()
    assert photo.bounding_box() == it.maps.first.bounding_box()
    pixels = (layers()[0].inputs.image[0].permute(1, 2, 0).numpy() * 255).round()
    drawn = it.drawn(photo).astype(float)
    factor = drawn.shape[0] // 32
    assert np.abs(drawn[factor // 2 :: factor, factor // 2 :: factor] - pixels).max() <= 1
    it.control("Opacity").fill("0.25")
    it.settle()
    assert it.maps.first.evaluate("canvas => getComputedStyle(canvas).opacity") == "0.25"


def test_colors_are_a_sequential_map_whatever_was_chosen(it, tensors):
    patches = as_sent(tensors["own"][0, 0])[0, 1:].reshape(4, 4)
    it.control("Colors").select_option("RdBu_r")
    assert_drawn(it, 0, patches, patches.min(), patches.max())
    it.control("Colors").select_option("gray")
    assert_drawn(it, 0, patches, patches.min(), patches.max(), "gray")


def test_queries_of_cross_attention_are_no_patches(it, tensors):
    it.layer("cross").click()
    expect(it.tile(0)).to_be_visible()
    canvas = it.tile(1).locator("canvas")
    box = canvas.bounding_box()
    canvas.click(position={"x": 7.5 * box["width"] / 16, "y": 2.5 * box["height"] / 6})
    it.page.mouse.move(1, 1)
    expect(it.panel).to_contain_text(re.compile(r"attention of query 2all heads.*head 1 · values"))
    patches = as_sent(tensors["cross"][0, 1])[2].reshape(4, 4)
    it.all.click()
    rows = [as_sent(tensors["cross"][0, head])[2].reshape(4, 4) for head in range(HEADS)]
    it.control("Scale").select_option("layer")
    assert_drawn(it, 1, patches, np.min(rows), np.max(rows))
    expect(it.own.first).to_be_hidden()
    # So a patch is a key: pointing at it reads what the query gives it.
    it.maps.nth(1).hover(position=it.at_patch(3, 2, 1))
    expect(it.status).to_contain_text("cross[0, 1, 2, 14] = ")
    assert abs(said(it.status)[2] - tensors["cross"][0, 1, 2, 14]) <= said(it.status)[3] * 1.01
    expect(it.panel).to_contain_text("attention of query 2")


def test_without_an_image_the_keys_are_a_strip(it, tensors):
    it.layer("text").click()
    expect(it.tile(0)).to_be_visible()
    choose(it, 1, 4, 2, side=9)
    expect(it.panel).to_contain_text(re.compile(r"attention of query 4all heads.*head 1 · values"))
    row = as_sent(tensors["text"][0, 1])[4][None]
    assert_drawn(it, 0, row, row.min(), row.max())
    expect(it.panel.locator(".fm-photo")).to_be_hidden()
    box, mark = it.maps.first.bounding_box(), it.own.bounding_box()
    assert mark["x"] - box["x"] == pytest.approx(4 * box["width"] / 9, abs=0.6)
    it.maps.first.hover(position={"x": 7.5 * box["width"] / 9, "y": box["height"] / 2})
    expect(it.panel).to_contain_text("attention of query 7")


def test_what_is_no_number_has_its_own_color_and_no_part_in_the_range(it, tensors):
    it.layer("broken").click()
    expect(it.tile(0)).to_be_visible()
    choose(it, 0, 5, 9)
    head = tensors["broken"][0, 0]
    low, high = np.nanmin(head), np.nanmax(head)
    sent = low + np.round((head.astype(float) - low) / (high - low) * LAST) / LAST * (high - low)
    patches = sent[5, 1:].reshape(4, 4)
    assert np.isnan(patches[0, 2])
    assert it.ends() == pytest.approx([np.nanmin(patches), np.nanmax(patches)], rel=0.01)
    drawn = it.drawn(it.maps.first)
    contents = it.page.evaluate("contents.special.nan")
    assert drawn[0, 2].tolist() == contents


def test_another_sample_has_its_own_rows_and_other_layers_no_panel(browser, tmp_path, tensors, it):
    expect(it.panel).to_be_visible()
    it.layer("conv").click()
    expect(it.panel).to_be_hidden()
    path = written(tmp_path / "page.html", *held_by(layers()[:1], layout="NAQK", sample="1"))
    page = browser.new_page()
    page.goto(path.as_uri())
    other = Attended(page)
    expect(other.tiles.first).to_be_visible()
    patches = as_sent(tensors["own"][1, 0])[0, 1:].reshape(4, 4)
    assert_drawn(other, 0, patches, patches.min(), patches.max())
    page.close()
