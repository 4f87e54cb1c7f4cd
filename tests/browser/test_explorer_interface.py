"""What the explorer offers and where: the tree, finds, tooltips, panes, pins and refusals."""

from __future__ import annotations

from contextlib import contextmanager

import numpy as np
import pytest
import torch
from helpers.explored import (
    Explored,
    activation,
    expected_levels,
    held_by,
    layers,
    levels_of,
    written,
)
from playwright.sync_api import expect


@contextmanager
def shown(browser, path, held, *, width=1200, height=900, within=None, **view):
    """A page that explores what is held."""
    written(path / "page.html", *held_by(held, within=within, **view))
    context = browser.new_context(viewport={"width": width, "height": height})
    page = context.new_page()
    errors = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    page.goto((path / "page.html").as_uri())
    it = Explored(page)
    expect(it.root).to_be_visible()
    it.settle()
    yield it
    context.close()
    assert errors == []


@pytest.fixture
def it(browser, tmp_path):
    with shown(browser, tmp_path, layers()) as it:
        yield it


@pytest.fixture
def deep():
    """Layers of modules in modules, and two blocks with outputs of their own."""
    paths = [
        f"stage{n}.block{m}.{name}" for n in range(3) for m in range(2) for name in ("conv", "relu")
    ]
    keys = ["stem", *paths[:4], "stage0", *paths[4:], "head"]
    torch.manual_seed(1)
    return [
        activation(key, torch.rand(1, 4, 6, 6), "ReLU" if "relu" in key else "Conv2d")
        for key in keys
    ]


def names(it):
    it.settle()
    rows = it.film.get_by_role("treeitem")
    read = "all => all.map(one => `${one.ariaLevel} ${one.querySelector('b').textContent}`)"
    return rows.evaluate_all(read)


# The tree of layers


def test_layers_stand_in_a_tree_of_modules_with_block_outputs(browser, tmp_path, deep):
    with shown(browser, tmp_path, deep) as it:
        assert names(it)[:8] == [
            "1 stem",
            "1 stage0",
            *("2 block0", "3 conv", "3 relu"),
            *("2 block1", "3 conv", "3 relu"),
        ]
        block = it.layer("stage0")
        expect(block).to_have_attribute("aria-expanded", "true")
        block.click()
        expect(block).to_have_attribute("aria-selected", "true")
        expect(it.status).to_contain_text("stage0, channel 0:")


def test_modules_fold_at_a_click_and_by_keys(browser, tmp_path, deep):
    with shown(browser, tmp_path, deep) as it:
        all_rows = names(it)
        it.layer("stage0").locator(".fm-fold").click()
        expect(it.layer("stage0")).to_have_attribute("aria-expanded", "false")
        assert len(names(it)) == len(all_rows) - 6
        expect(it.layer("stem")).to_have_attribute("aria-selected", "true")
        it.layer("stage0").locator(".fm-fold").click()
        assert names(it) == all_rows
        it.film.focus()
        keyboard = it.page.keyboard
        keyboard.press("ArrowDown")  # from stage0, which was clicked on, to its first block
        keyboard.press("ArrowLeft")
        assert len(names(it)) == len(all_rows) - 2
        keyboard.press("ArrowRight")
        assert names(it) == all_rows
        keyboard.press("ArrowDown")
        expect(it.layer("stage0.block0.conv")).to_have_attribute("aria-selected", "true")
        keyboard.press("ArrowLeft")
        keyboard.press("Enter")
        assert len(names(it)) == len(all_rows) - 2


def test_a_chosen_layer_is_unfolded_and_in_view(browser, tmp_path):
    held = [
        activation(f"stage{n}.block{m}.conv{k}", torch.rand(1, 2, 4, 4))
        for n in range(5)
        for m in range(5)
        for k in range(5)
    ]
    for width in (420, 1200):
        with shown(browser, tmp_path, held, width=width) as it:
            assert len(names(it)) < 60  # folded at first, as there are 155 rows
            expect(it.layer("stage0.block0.conv0")).to_be_in_viewport()
            it.grid.press("[")
            for _ in range(7):
                it.grid.press("]")
            for key in ("stage0.block1.conv2",):
                row = it.layer(key)
                expect(row).to_have_attribute("aria-selected", "true")
                inside = row.evaluate(
                    """row => {
                        const boxes = [row, row.parentNode];
                        const [a, b] = boxes.map(one => one.getBoundingClientRect());
                        return a.top >= b.top - 1 && a.bottom <= b.bottom + 1; }"""
                )
                assert inside


def test_find_takes_paths_classes_and_globs_and_counts_what_matches(browser, tmp_path, deep):
    with shown(browser, tmp_path, deep) as it:
        find = it.root.get_by_label("Find")
        for query, count in (
            ("block1", 6),
            ("relu", 6),
            ("Conv2d stage1", 2),
            ("stage?.*.relu", 6),
            ("zz", 0),
        ):
            find.fill(query)
            told = f"{count} of 15 layers" if count else "No layer matches."
            expect(it.root).to_contain_text(told)
            expect(it.film.get_by_role("treeitem")).to_have_count(count)
        find.fill("stage2.block1.conv")
        expect(it.layer("stage2.block1.conv").locator("b")).to_have_text("stage2.block1.conv")
        find.press("Enter")
        expect(it.status).to_contain_text("stage2.block1.conv, channel 0:")


# What it finds


def test_what_it_finds_is_a_button_or_a_key_away(it):
    button = it.page.get_by_role("button", name="First NaN")
    expect(button).to_contain_text("strange")
    button.click()
    expect(it.layer("strange")).to_have_attribute("aria-selected", "true")
    expect(it.tile(1)).to_have_attribute("aria-selected", "true")
    it.grid.press("I")
    expect(it.tile(2)).to_have_attribute("aria-selected", "true")
    it.grid.press("d")
    expect(it.layer("relu")).to_have_attribute("aria-selected", "true")
    expect(it.tile(3)).to_have_attribute("aria-selected", "true")


def test_what_there_is_none_of_has_no_button_and_a_key_says_so(browser, tmp_path, deep):
    with shown(browser, tmp_path, deep) as it:
        buttons = it.root.locator(".fm-finds").get_by_role("button")
        expect(buttons).to_have_count(1)
        expect(buttons).to_contain_text("Strongest channel")
        expect(it.root).to_contain_text("No dead channels, NaN or infinities.")
        it.grid.press("N")
        expect(it.status).to_contain_text("First NaN: none found.")


# Tooltips


def test_every_control_and_bar_has_a_tooltip_for_pointer_and_keyboard(it):
    tip = it.page.get_by_role("tooltip")
    it.control("Robust").hover()
    expect(tip).to_contain_text("Clips this percentage of the values")
    it.status.hover()
    expect(tip).to_be_hidden()
    it.page.keyboard.press("Tab")
    expect(tip).to_contain_text("sample of the batch")
    expect(it.control("Sample")).to_have_attribute("aria-describedby", tip.get_attribute("id"))
    it.page.keyboard.press("Escape")
    expect(tip).to_be_hidden()
    it.film.focus()
    it.page.keyboard.press("ArrowDown")
    it.page.keyboard.press("i")
    expect(tip).to_contain_text("relu: ReLU (2, 20, 7, 7), 2 of 20 dead, 10 %. The bar is")
    it.grid.focus()
    expect(tip).to_contain_text("channel 0: ")
    it.page.keyboard.press("ArrowRight")
    expect(tip).to_be_hidden()  # it would cover the neighbors
    it.page.keyboard.press("i")
    expect(tip).to_contain_text("channel 1: ")
    expect(tip).to_contain_text("as a share of that of the strongest channel")


def test_nothing_that_can_be_used_is_without_a_tooltip(it):
    it.grid.press("Enter")
    without = it.root.evaluate(
        """root => [...root.querySelectorAll(
                "button, input, select, [role=separator], .featmagic-histogram")]
            .filter(one => one.checkVisibility() && !one.closest("[data-tip], dialog"))
            .map(one => one.ariaLabel || one.textContent || one.id)"""
    )
    assert [name for name in without if not name.startswith("unpin")] == []


# Controls


def test_controls_that_do_not_apply_are_absent(browser, tmp_path):
    one = activation("conv", torch.rand(1, 1, 6, 6))
    with shown(browser, tmp_path, [one]) as it:
        for label in ("Sample", "Call", "Input", "Sort", "Top", "Opacity", "Shared range"):
            expect(it.control(label)).to_be_hidden()
        for label in ("Colors", "Scale", "Robust", "Gamma", "Zoom"):
            expect(it.control(label)).to_be_visible()
            expect(it.control(label)).to_be_enabled()


def test_a_call_can_be_chosen_where_there_are_several(browser, tmp_path):
    held = [
        activation("relu", torch.rand(1, 2, 6, 6)),
        activation("relu:2", torch.rand(1, 2, 6, 6), path="relu", call=2),
    ]
    with shown(browser, tmp_path, held) as it:
        it.control("Call").select_option("2")
        expect(it.layer("relu:2")).to_have_attribute("aria-selected", "true")


def test_a_number_that_is_not_there_is_refused_with_a_word(it):
    sample = it.control("Sample")
    sample.fill("7")
    expect(it.status).to_contain_text("Sample 7 is out of range: choose 0 to 1.")
    expect(sample).to_have_attribute("aria-invalid", "true")
    expect(it.status).to_contain_text("sample 0 of 2")
    sample.blur()
    expect(sample).to_have_value("0")
    expect(sample).to_have_attribute("aria-invalid", "false")
    gamma = it.control("Gamma")
    gamma.fill("0")  # may become 0.5
    expect(gamma).to_have_attribute("aria-invalid", "false")
    gamma.press("Tab")
    expect(it.status).to_contain_text("Gamma 0 is out of range: choose 0.1 to 5.")
    expect(gamma).to_have_value("1")


def test_a_key_goes_on_to_the_next_colormap(it):
    it.grid.press("m")
    expect(it.control("Colors")).to_have_value("viridis")
    expect(it.status).to_contain_text("viridis")
    it.grid.press("?")
    expect(it.page.get_by_role("dialog", name="Keys")).to_contain_text("next value of Colors")


# The room of the panes


def large_box(it):
    it.settle()
    return it.chosen.bounding_box()


def test_the_divider_gives_the_large_view_room_by_pointer_and_keys(it):
    before = large_box(it)["width"]
    divider = it.page.get_by_role("separator")
    box = divider.bounding_box()
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    it.page.mouse.move(x, y)
    it.page.mouse.down()
    it.page.mouse.move(x - 160, y, steps=4)
    it.page.mouse.up()
    assert abs(divider.bounding_box()["x"] - (box["x"] - 160)) < 12
    assert large_box(it)["width"] > before
    now = int(divider.get_attribute("aria-valuenow"))
    divider.focus()
    it.page.keyboard.press("ArrowRight")
    assert int(divider.get_attribute("aria-valuenow")) < now


@pytest.mark.parametrize("way", ["Enter", "f", "double-click", "button"])
def test_the_large_view_takes_the_full_width_and_gives_it_back(it, way):
    before = large_box(it)["width"]

    def turn():
        if way == "Enter":
            it.page.get_by_role("separator").press("Enter")
        elif way == "f":
            it.page.get_by_role("separator").press("f")
        elif way == "double-click":
            it.chosen.dblclick()
        else:
            it.root.get_by_role("button", name="enlarge").or_(
                it.root.get_by_role("button", name="restore")
            ).click()

    turn()
    expect(it.grid).to_be_hidden()
    assert large_box(it)["width"] > before + 100
    turn()
    expect(it.grid).to_be_visible()
    assert large_box(it)["width"] == pytest.approx(before, abs=1)


def test_in_full_width_keys_still_go_from_channel_to_channel(it):
    it.grid.press("f")
    it.root.focus()
    it.page.keyboard.press("ArrowRight")
    expect(it.root.locator(".fm-chosen strong")).to_have_text("conv1 · channel 1")
    it.page.keyboard.press("Escape")
    expect(it.tile(1)).to_have_attribute("aria-selected", "true")
    expect(it.tile(1)).to_be_visible()


# Vectors and heat maps


def test_a_vector_of_many_units_fills_the_pane_with_indices(browser, tmp_path):
    values = torch.linspace(-1, 1, 1000)[None]
    with shown(browser, tmp_path, [activation("fc", values, "Linear")], layout=None) as it:
        pane, picture = it.grid.bounding_box(), it.tile(0).locator("canvas").bounding_box()
        assert picture["width"] * picture["height"] > 0.6 * pane["width"] * pane["height"]
        down = it.root.locator(".fm-down span").all_text_contents()
        assert down == [str(32 * n) for n in range(len(down))]
        expect(it.root.locator(".fm-across em")).to_have_text("unit")
        canvas = it.tile(0).locator("canvas")
        step = picture["width"] / 32, picture["height"] / 32
        canvas.hover(position={"x": 9.5 * step[0], "y": 4.5 * step[1]})
        expect(it.status).to_contain_text("fc[0, 137] = -0.7")


def test_a_few_units_are_called_units_and_fill_the_pane(browser, tmp_path):
    values = torch.tensor([[0.5, -1.0, 2.0, 0.25]])
    with shown(browser, tmp_path, [activation("fc", values, "Linear")], layout=None) as it:
        it.grid.press("ArrowRight")
        expect(it.root.locator(".fm-chosen strong")).to_have_text("unit 1")
        expect(it.status).to_contain_text("fc, unit 1: -1")
        expect(it.tile(2)).to_contain_text("2 = 2")
        assert it.tile(0).locator("canvas").bounding_box()["width"] > 150


def test_a_heat_map_of_tokens_has_both_axes(browser, tmp_path):
    values = torch.rand(1, 12, 40)
    with shown(browser, tmp_path, [activation("mlp", values, "Linear")], layout="NLC") as it:
        expect(it.root.locator(".fm-down em")).to_have_text("token")
        expect(it.root.locator(".fm-across em")).to_have_text("unit")
        assert it.root.locator(".fm-down span").all_text_contents() == [str(n) for n in range(12)]
        pane, picture = it.grid.bounding_box(), it.tile(0).locator("canvas").bounding_box()
        assert picture["width"] > 0.8 * pane["width"]
        assert picture["height"] > 0.8 * pane["height"]


# Pins


def test_pins_stand_beside_the_grid_in_sight_four_at_most(it):
    for _ in range(4):
        it.grid.press("Enter")
        it.grid.press("ArrowRight")
    it.grid.press("Enter")
    pins = it.root.locator(".featmagic-pin")
    expect(pins).to_have_count(4)
    expect(it.status).to_contain_text("At most 4 pins: unpin one first.")
    expect(pins.first.locator("canvas")).to_be_in_viewport()
    grid, pin = it.grid.bounding_box(), pins.first.bounding_box()
    assert pin["x"] >= grid["x"] + grid["width"]
    assert pin["y"] < grid["y"] + 60


def test_pins_have_their_own_ranges_or_one_together(it):
    tensors = {one.key: one.tensor[0].numpy() for one in layers()}
    it.layer("relu").click()
    it.grid.press("Enter")
    it.layer("wide").click()
    expect(it.tile(40)).to_be_attached()
    it.grid.press("Enter")
    planes = [tensors["relu"][0], tensors["wide"][0]]
    # Half a level is lost as planes travel, half in a shared range; neighbors may have one color.
    canvases = it.root.locator(".featmagic-pin canvas")
    for n, plane in enumerate(planes):
        levels = levels_of(it.drawn(canvases.nth(n)), "viridis")
        assert np.abs(levels - expected_levels(plane, plane.min(), plane.max())).max() <= 1.51
    it.control("Shared range").check()
    low, high = min(p.min() for p in planes), max(p.max() for p in planes)
    for n, plane in enumerate(planes):
        levels = levels_of(it.drawn(canvases.nth(n)), "viridis")
        assert np.abs(levels - expected_levels(plane, low, high)).max() <= 2.01


def test_all_pins_tell_the_value_at_the_cursor(it):
    tensors = {one.key: one.tensor[0].numpy() for one in layers()}
    it.grid.press("Enter")
    it.grid.press("ArrowRight")
    it.grid.press("Enter")
    it.point_at(3, 5, 2, side=8)
    values = it.root.locator(".featmagic-pin .fm-value")
    for n in range(2):
        told, half = (float(part) for part in values.nth(n).text_content().split(" ± "))
        assert abs(told - tensors["conv1"][n, 5, 2]) <= 1.1 * half
    it.page.mouse.move(0, 0)
    expect(values.first).to_be_hidden()


# The focus


def focused(it):
    it.settle()
    return it.page.evaluate("document.activeElement.closest('section.featmagic-explorer') !== null")


def test_keys_stay_in_the_explorer_when_what_had_the_focus_goes(it):
    keyboard = it.page.keyboard
    it.grid.focus()
    keyboard.press("f")
    assert focused(it)
    keyboard.press("f")
    expect(it.grid).to_be_visible()
    it.grid.focus()
    keyboard.press("n")
    expect(it.reason).to_contain_text("Sample 1 isn't available")
    assert focused(it)
    keyboard.press("p")
    expect(it.tile(0)).to_be_visible()
    it.grid.press("Enter")
    it.root.get_by_role("button", name="unpin").last.focus()
    keyboard.press("Enter")
    expect(it.root.locator(".featmagic-pin")).to_have_count(0)
    assert focused(it)


def test_the_strongest_unit_of_a_vector_is_named_and_a_click_away(browser, tmp_path):
    values = torch.zeros(1, 300)
    values[0, 138] = -7
    with shown(browser, tmp_path, [activation("fc", values, "Linear")], layout=None) as it:
        button = it.page.get_by_role("button", name="strongest: unit 138 (min -7)")
        button.click()
        expect(it.status).to_contain_text("fc[0, 138] = -7")


def test_what_it_finds_is_in_the_sample_that_its_figures_are_of(browser, tmp_path):
    values = torch.rand(2, 3, 5, 5)
    values[0, 2, 1, 4] = torch.nan
    held = [activation("a", values)]
    with shown(browser, tmp_path, held) as it:
        it.control("Sample").fill("1")
        expect(it.reason).to_contain_text("Sample 1 isn't available")
        it.page.get_by_role("button", name="First NaN").click()
        expect(it.status).to_contain_text("a[0, 2, 1, 4] = NaN")
        expect(it.control("Sample")).to_have_value("0")


def test_a_right_to_left_page_changes_nothing_inside(it):
    divider = it.page.get_by_role("separator")
    before = divider.bounding_box()["x"]
    it.page.evaluate("document.documentElement.dir = 'rtl'")
    it.settle()
    assert divider.bounding_box()["x"] == pytest.approx(before, abs=2)
    divider.press("ArrowLeft")
    assert before - 50 < divider.bounding_box()["x"] < before
