"""The explorer's script on a page, with no kernel: colors, values, keys, and who can use it."""

from __future__ import annotations

import re
from base64 import b64decode, b64encode
from io import BytesIO

import numpy as np
import pytest
import torch
from helpers.explored import (
    Explored,
    activation,
    colors,
    expected_levels,
    held_by,
    layers,
    levels_of,
    packed_anew,
    said,
    written,
)
from helpers.front_ends import contrast
from PIL import Image
from playwright.sync_api import expect

from featmagic.render.palette import CONSTANT, GAP, NAN, NEGATIVE_INF, POSITIVE_INF, palette
from featmagic.render.png import encode_gray_png

OTHERS = np.frombuffer(palette("gray"), np.uint8).reshape(-1, 3)
STRANGE_KEY = '<img src=x onerror="hacked = 1">'


@pytest.fixture(scope="module")
def tensors():
    return {one.key: one.tensor.numpy() for one in layers()}


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    text, images = held_by(layers())
    conv1 = next(layer for layer in text["layers"] if layer["key"] == "conv1")
    conv1["field"] = [7, 5, 8, 8, -3, -2]
    return written(tmp_path_factory.mktemp("explorer") / "page.html", text, images)


@pytest.fixture
def opened(browser, path):
    """Opens the page in a window of its own; no error may be left behind."""
    contexts, errors = [], []

    def open_page(width=1200, height=900, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.goto(path.as_uri())
        it = Explored(page)
        expect(it.tiles.first).to_be_visible()
        return it

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def it(opened):
    return opened()


def test_each_channel_has_the_colors_of_its_own_range(it, tensors):
    it.layer("relu").click()
    expect(it.tile(0)).to_be_visible()
    for channel in (0, 1, 2, 19):
        values = tensors["relu"][0, channel]
        expected = expected_levels(values, values.min(), values.max())
        levels = levels_of(it.tile_drawn(channel), "viridis")
        assert np.abs(levels - expected).max() <= 0.501


def test_a_layer_of_both_signs_is_centered_on_0(it, tensors):
    for channel, values in enumerate(tensors["conv1"][0]):
        most = np.abs(values).max()
        levels = levels_of(it.tile_drawn(channel), "RdBu_r")
        assert (levels >= 0).all()
        assert np.abs(levels - expected_levels(values, -most, most)).max() <= 1.001


def test_planes_are_unpacked_whatever_filters_their_lines_have(browser, tmp_path, tensors):
    text, images = held_by(layers())
    plate = text["layers"][0]["plates"]["0"]
    png, height = b64decode(images[plate["id"]]), plate["height"] * len(plate["channels"])
    images[plate["id"]] = b64encode(packed_anew(png, height, plate["width"])).decode()
    page = browser.new_page()
    page.goto(written(tmp_path / "page.html", text, images).as_uri())
    it = Explored(page)
    expect(it.tile(5)).to_be_visible()
    for channel, values in enumerate(tensors["conv1"][0]):
        most = np.abs(values).max()
        levels = levels_of(it.tile_drawn(channel), "RdBu_r")
        assert np.abs(levels - expected_levels(values, -most, most)).max() <= 1.001
    page.close()


def test_one_range_for_the_layer_and_another_colormap(it, tensors):
    it.layer("relu").click()
    it.control("Scale").select_option("layer")
    it.control("Colors").select_option("magma")
    values = tensors["relu"][0]
    expected = expected_levels(values[7], values.min(), values.max())
    assert np.abs(levels_of(it.tile_drawn(7), "magma") - expected).max() <= 1.001
    expect(it.status).to_contain_text("magma · shared color range: 0 to 0.99")


def test_robust_leaves_the_outermost_values_outside(it, tensors):
    it.control("Robust").fill("10")
    values = tensors["conv1"][0, 2]
    inner = np.abs(np.percentile(values, [10, 90])).max()
    levels = levels_of(it.tile_drawn(2), "RdBu_r")
    clipped = np.abs(values) > inner * 1.05
    assert set(np.unique(levels[clipped])) <= {0, 239}
    inside = np.abs(values) < inner * 0.95
    assert np.abs(levels - expected_levels(values, -inner, inner))[inside].max() <= 6
    expect(it.status).to_contain_text("10 % clipped at each end")


def test_gamma_bends_the_colors(it, tensors):
    it.layer("relu").click()
    it.control("Gamma").fill("0.5")
    values = tensors["relu"][0, 0]
    bent = ((values - values.min()) / (values.max() - values.min())) ** 0.5
    assert np.abs(levels_of(it.tile_drawn(0), "viridis") - bent * 239).max() <= 8
    expect(it.status).to_contain_text("gamma 0.5")


def test_what_is_no_number_has_colors_of_its_own(it):
    it.layer("strange").click()
    expect(it.tile(1)).to_contain_text("×")
    expect(it.tile(2)).to_contain_text("↑")
    assert (it.tile_drawn(1)[2, 3] == OTHERS[NAN]).all()
    drawn = it.tile_drawn(2)
    assert (drawn[0, 0] == OTHERS[POSITIVE_INF]).all()
    assert (drawn[0, 1] == OTHERS[NEGATIVE_INF]).all()
    expect(it.layer("strange")).to_contain_text("1 NaN")
    it.point_at(1, 2, 3, side=9)
    expect(it.status).to_contain_text("strange[0, 1, 2, 3] = NaN")


OTHER_CODES = {"gap": 130, "constant": 124, "nan": 249, "+inf": 131, "-inf": 200}


def recoded(png, codes):
    """The same gray PNG with 120 levels, and those codes for what is no number."""
    with Image.open(BytesIO(b64decode(png))) as picture:
        pixels = np.asarray(picture)
    own = np.round(np.minimum(pixels, 239) / 239 * 119).astype(np.uint8)
    for name, code in codes.items():
        own[pixels == code] = OTHER_CODES[name]
    return b64encode(encode_gray_png(own)).decode()


def test_bytes_mean_what_the_document_says(browser, tmp_path, tensors):
    text, images = held_by(layers())
    (layer,) = [layer for layer in text["layers"] if layer["key"] == "strange"]
    id = layer["plates"]["0"]["id"]
    images[id] = recoded(images[id], text["codes"])
    table = np.frombuffer(b64decode(text["cmaps"]["RdBu_r"]), np.uint8).reshape(-1, 3)[::2]
    text |= {"layers": [layer], "levels": 120, "codes": OTHER_CODES}
    text["cmaps"] |= {"RdBu_r": b64encode(table.tobytes()).decode()}
    text["start"] |= {"layer": "strange"}
    page = browser.new_page()
    page.goto(written(tmp_path / "page.html", text, images).as_uri())
    it = Explored(page)
    expect(it.tile(3)).to_be_visible()

    assert (it.tile_drawn(1)[2, 3] == OTHERS[NAN]).all()
    assert (it.tile_drawn(2)[0, :2] == OTHERS[[POSITIVE_INF, NEGATIVE_INF]]).all()
    for channel, y, x, value in ((1, 2, 3, "NaN"), (2, 0, 0, "inf"), (2, 0, 1, "-inf")):
        it.point_at(channel, y, x, side=9)
        expect(it.status).to_contain_text(f"strange[0, {channel}, {y}, {x}] = {value}")
    values = tensors["strange"][0, 0]
    it.point_at(0, 4, 5, side=9)
    _, index, value, half = said(it.status)
    assert (index, half) == ((0, 0, 4, 5), pytest.approx(np.ptp(values) / 238, rel=0.05))
    assert abs(value - values[4, 5]) <= np.ptp(values) / 238 * 1.6
    most = np.abs(values).max()
    place = 123 * (values[4, 5] + most) / (2 * most)
    shown = (table == it.tile_drawn(0)[4, 5]).all(1).argmax()
    assert abs(shown - place) <= 2
    page.close()


def test_a_channel_of_one_value_is_hatched_and_named(it):
    it.layer("relu").click()
    expect(it.tile(3)).to_have_attribute("aria-label", "3: constant: 0")
    expect(it.tile(5)).to_have_attribute("aria-label", "5: constant: 0.25")
    found = {tuple(pixel) for pixel in it.tile_drawn(3).reshape(-1, 3).tolist()}
    assert found == {tuple(OTHERS[CONSTANT].tolist()), tuple(OTHERS[GAP].tolist())}


def test_the_layer_with_most_dead_channels_and_the_strongest_channel_are_a_click_away(it, tensors):
    deadest = it.page.get_by_role("button", name="Layer with most dead channels")
    expect(deadest).to_have_text("Layer with most dead channelsrelu: 2 of 20 channels, 10 %")
    deadest.click()
    expect(it.layer("relu")).to_have_attribute("aria-selected", "true")
    most = {
        (key, channel): np.abs(plane[np.isfinite(plane)]).max()
        for key, tensor in tensors.items()
        for channel, plane in enumerate(tensor[0])
    }
    key, channel = max(most, key=most.get)
    it.page.get_by_role("button", name="strongest channel").click()
    expect(it.layer(key)).to_have_attribute("aria-selected", "true")
    expect(it.tile(channel)).to_have_attribute("aria-selected", "true")
    expect(it.page.get_by_role("button", name=f"strongest: channel {channel} (")).to_be_visible()


def test_the_layers_stand_as_they_ran_or_by_what_is_dead(it, tensors):
    keys = "all => all.map(one => one.dataset.layer)"
    options = it.film.get_by_role("treeitem")
    assert options.evaluate_all(keys) == list(tensors)
    it.root.get_by_label("Layer order").select_option("most dead first")
    assert options.evaluate_all(keys)[0] == "relu"
    expect(it.layer("relu")).to_contain_text("2 of 20 dead, 10 %")
    expect(it.layer("conv1")).to_contain_text("none dead")


def test_channels_are_sorted_and_the_first_of_them_kept(it, tensors):
    it.layer("relu").click()
    it.control("Sort").select_option("mean")
    assert it.order() == np.argsort(-tensors["relu"][0].mean((1, 2)), kind="stable").tolist()
    it.control("Top").fill("4")
    assert it.order() == np.argsort(-tensors["relu"][0].mean((1, 2)), kind="stable").tolist()[:4]
    expect(it.status).to_contain_text("by mean, first 4 of 20 channels")
    it.control("Top").fill("")
    it.control("Sort").select_option("index")
    assert it.order() == list(range(20))


def test_the_status_line_has_the_value_under_the_cursor_and_how_exact_it_is(it, tensors):
    for channel, y, x in ((0, 0, 0), (4, 7, 2), (5, 3, 6)):
        it.point_at(channel, y, x, side=8)
        key, index, value, half = said(it.status)
        plane = tensors["conv1"][0, channel]
        assert (key, index) == ("conv1", (0, channel, y, x))
        assert half == pytest.approx((plane.max() - plane.min()) / 478, rel=0.06)
        assert abs(value - plane[y, x]) <= 1.1 * half


def test_the_status_line_names_every_display_setting(it):
    auto = round(it.tile(0).locator("canvas").bounding_box()["width"] / 8)
    expect(it.status).to_contain_text(
        "sample 0 of 2 · RdBu_r centered on 0 · color range per channel · no clipping · gamma 1"
        f" · by index, all 6 channels · zoom × {auto} (auto) · opacity 0.7"
    )


def test_a_screen_reader_is_not_told_of_each_step_of_the_pointer(it):
    expect(it.status).to_have_attribute("aria-live", "polite")
    it.point_at(0, 1, 1, side=8)
    expect(it.status).to_have_attribute("aria-live", "off")
    it.grid.press("ArrowRight")
    expect(it.status).to_have_attribute("aria-live", "polite")


def mark_of(tile):
    """Where the mark stands in a tile, in CSS pixels."""
    return tile.locator(".fm-pic").evaluate(
        """pic => { const mark = getComputedStyle(pic, "::after");
            return [mark.content, parseFloat(mark.left), parseFloat(mark.top)]; }"""
    )


def test_the_same_place_is_marked_in_all_tiles(it):
    it.point_at(1, 5, 2, side=8)
    marks = [mark_of(it.tile(channel)) for channel in range(6)]
    side = it.tile(0).locator("canvas").bounding_box()["width"]
    assert marks == [['""', 2 / 8 * side, 5 / 8 * side]] * 6
    it.status.hover()
    it.settle()
    assert mark_of(it.tile(0))[0] == "none"


def field_of(it):
    """The marked part of the input, in its own pixels: top, left, height, width."""
    return it.page.locator(".featmagic-field").evaluate(
        """field => { const style = getComputedStyle(field);
            const whole = parseFloat(getComputedStyle(field.parentNode).width);
            const sides = ["top", "left", "height", "width"];
            return sides.map(side => parseFloat(style[side]) / whole * 64); }"""
    )


def test_the_receptive_field_is_marked_on_the_input(it):
    it.point_at(1, 5, 2, side=8)
    assert field_of(it) == pytest.approx([-3 + 5 * 8, -2 + 2 * 8, 7, 5], abs=0.1)
    expect(it.root).to_contain_text("receptive field 7 × 5")


def test_where_no_field_is_known_the_place_is_by_proportion_and_that_is_said(it):
    it.layer("relu").click()
    expect(it.tile(19)).to_be_attached()
    it.point_at(0, 3, 6, side=7)
    assert field_of(it) == pytest.approx([3 * 64 / 7, 6 * 64 / 7, 64 / 7, 64 / 7], abs=0.1)
    expect(it.root).to_contain_text("approximate location (receptive field unknown)")


def test_the_chosen_channel_is_laid_over_the_input(it):
    canvas = it.page.locator("canvas.featmagic-input")
    expect(canvas).to_have_js_property("width", 64)
    plain, over = it.drawn(canvas).astype(int), None
    it.control("Opacity").fill("0")
    plain = it.drawn(canvas).astype(int)
    it.control("Opacity").fill("1")
    over = it.drawn(canvas).astype(int)
    large = it.drawn(it.chosen).astype(int)
    strongest = np.unravel_index(np.abs(large - colors("RdBu_r")[124]).sum(-1).argmax(), (8, 8))
    y, x = strongest[0] * 8 + 4, strongest[1] * 8 + 4
    assert (
        np.abs(over[y, x] - large[strongest]).max() < np.abs(plain[y, x] - large[strongest]).max()
    )
    assert (plain != over).any()


def test_the_keyboard_alone_is_enough(it):
    page = it.page
    it.grid.focus()
    page.keyboard.press("ArrowRight")
    expect(it.tile(1)).to_have_attribute("aria-selected", "true")
    expect(it.grid).to_have_attribute("aria-activedescendant", it.tile(1).get_attribute("id"))
    page.keyboard.press("]")
    expect(it.layer("relu")).to_have_attribute("aria-selected", "true")
    expect(it.tile(19)).to_be_attached()
    page.keyboard.press("ArrowDown")
    expect(it.tile(1)).not_to_have_attribute("aria-selected", "true")
    columns = int(it.grid.locator("[aria-selected=true]").get_attribute("data-channel")) - 1
    assert columns > 1
    page.keyboard.press("ArrowUp")
    expect(it.tile(1)).to_have_attribute("aria-selected", "true")
    page.keyboard.press("Shift+ArrowDown")
    expect(it.status).to_contain_text("relu[0, 1, 4, 3] =")
    page.keyboard.press("Escape")
    expect(it.status).to_contain_text("relu, channel 1:")
    side = it.tile(1).locator("canvas").bounding_box()["width"]
    page.keyboard.press("+")
    expect(it.status).to_contain_text(f"zoom × {side / 7 + 1:g} ·")
    page.keyboard.press("-")
    expect(it.status).to_contain_text(f"zoom × {side / 7:g} ·")
    page.keyboard.press("[")
    expect(it.layer("conv1")).to_have_attribute("aria-selected", "true")


def test_a_layer_is_found_by_its_name(it):
    it.grid.press("/")
    it.page.keyboard.type("RANGE")
    expect(it.film.get_by_role("treeitem")).to_have_count(1)
    it.page.keyboard.press("Enter")
    expect(it.layer("strange")).to_have_attribute("aria-selected", "true")
    expect(it.film).to_be_focused()
    it.page.keyboard.press("Escape")
    expect(it.film.get_by_role("treeitem")).to_have_count(5)


def test_a_pinned_channel_stays_while_others_are_looked_at(it):
    it.grid.press("ArrowRight")
    it.grid.press("Enter")
    pin = it.page.locator(".featmagic-pin[data-channel='1']")
    expect(pin).to_contain_text("conv1 · 1")
    before = it.drawn(pin.locator("canvas"))
    it.layer("relu").click()
    expect(it.tile(19)).to_be_attached()
    assert (it.drawn(pin.locator("canvas")) == before).all()
    pin.get_by_role("button", name="unpin conv1, channel 1").click()
    expect(pin).to_have_count(0)


def test_c_copies_the_code_that_reaches_the_channel(it):
    it.grid.press("ArrowRight")
    it.grid.press("c")
    expect(it.status).to_contain_text('copied feature_maps["conv1"][0, 1]')
    it.grid.press("/")
    it.page.keyboard.press("Control+v")
    expect(it.root.get_by_label("Find")).to_have_value('feature_maps["conv1"][0, 1]')


@pytest.mark.parametrize(
    ("keys", "code"),
    [
        (["ArrowRight", "c"], 'feature_maps["conv1"][0, 1]'),
        (["ArrowRight", "]", "c"], 'feature_maps["relu"][0, 1]'),
    ],
)
def test_the_copied_code_is_of_what_is_chosen_even_before_it_is_drawn(it, keys, code):
    it.grid.evaluate(
        """(grid, keys) => keys.forEach(key =>
            grid.dispatchEvent(new KeyboardEvent("keydown", {key, bubbles: true})))""",
        keys,
    )
    expect(it.status).to_contain_text(f"copied {code}")


@pytest.mark.parametrize(
    ("shape", "view"),
    [
        ((1, 4, 5, 3), {"layout": "NCHW"}),
        ((1, 5, 3, 4), {"layout": "NHWC"}),
        ((1, 16, 4), {"layout": "NLC", "grid": (5, 3)}),
        ((1, 4, 40), {"layout": "NCL"}),
    ],
)
def test_the_copied_code_reaches_the_channel_wherever_its_axis_is(browser, tmp_path, shape, view):
    tensor = torch.rand(shape)
    text, images = held_by([activation("one", tensor)], **view)
    page = browser.new_page()
    page.goto(written(tmp_path / "page.html", text, images).as_uri())
    it = Explored(page)
    it.tiles.first.wait_for()
    it.grid.press("ArrowRight")
    it.grid.press("c")
    expect(it.status).to_contain_text("copied ")
    code = re.search(r'copied feature_maps\["one"\](.*?) · ', it.status.text_content())[1]
    reached = eval(f"tensor{code}", {"tensor": tensor})
    axis = view["layout"].index("C")
    channels = text["layers"][0]["plates"]["0"]["channels"]
    expected = tensor[0] if len(channels) == 1 else tensor.select(axis, 1)[0]
    assert torch.equal(reached.flatten(), expected.flatten()[-reached.numel() :])
    assert reached.numel() >= 15
    page.close()


def test_the_keys_are_shown_and_put_away(it):
    it.grid.press("?")
    dialog = it.page.get_by_role("dialog", name="Keys")
    expect(dialog).to_contain_text("find layers by path")
    it.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(it.grid).to_be_focused()


def test_no_key_reaches_the_notebook_around_it(it):
    it.page.evaluate(
        """() => { window.keys = [];
            addEventListener("keydown", event => keys.push(event.key));
            addEventListener("keyup", event => keys.push(event.key)); }"""
    )
    for key in ("ArrowRight", "c", "]", "Enter", "d", "a", "b", "x", "m", "/", "Escape"):
        it.grid.press(key)
    assert it.page.evaluate("keys") == []
    expect(it.root).to_have_attribute("data-lm-suppress-shortcuts", "true")


def test_of_2048_channels_only_those_in_sight_are_drawn(it):
    it.layer("wide").click()
    expect(it.status).to_contain_text("all 2048 channels")
    assert 20 < it.grid.locator("canvas").count() < 250
    it.grid.evaluate("grid => { grid.scrollTop = grid.scrollHeight; }")
    expect(it.tile(2047)).to_be_in_viewport()
    assert 20 < it.grid.locator("canvas").count() < 250
    it.control("Colors").select_option("gray")
    expect(it.status).to_contain_text("gray")
    expect(it.tile(2047)).to_be_in_viewport()


def test_text_of_the_model_is_text(it):
    option = it.film.get_by_role("treeitem").last
    expect(option).to_contain_text(STRANGE_KEY)
    expect(option).to_contain_text("<b>bold</b>")
    option.click()
    expect(it.status).to_contain_text(STRANGE_KEY)
    it.grid.press("Enter")
    it.grid.press("c")
    expect(it.status).to_contain_text("copied ")
    assert it.root.locator("img").count() == 0
    assert it.page.evaluate("window.hacked") is None


@pytest.mark.parametrize("width", [400, 620, 1000])
def test_it_fits_a_narrow_window(opened, width):
    it = opened(width=width)
    assert it.page.evaluate("document.documentElement.scrollWidth") <= width
    for part in (it.film, it.grid, it.chosen, it.status, it.control("Opacity")):
        part.scroll_into_view_if_needed()
        box = part.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= width
        assert box["width"] > 100


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_its_words_can_be_read_by_day_and_by_night(opened, scheme):
    it = opened(color_scheme=scheme)
    it.layer("strange").click()
    expect(it.tile(3)).to_be_visible()
    for element in (
        *it.layer("strange").locator("b, span, em").all(),
        it.tile(1).locator("span"),
        it.status.locator("span").last,
        it.root.locator("label").first,
        it.root.get_by_role("button", name="copy code"),
        it.control("Colors"),
        it.root.locator("dt").first,
    ):
        assert contrast(element) >= 4.5, element


@pytest.mark.parametrize(("light", "scheme"), [("true", "dark"), ("false", "light")])
def test_a_notebooks_theme_counts_for_more_than_the_systems(opened, light, scheme):
    it = opened(color_scheme=scheme)
    ground, text = ("#ffffff", "#000000") if light == "true" else ("#111111", "#ffffff")
    it.page.evaluate(
        """([light, ground, text]) => { const { body } = document;
            body.dataset.jpThemeLight = light;
            for (const n of [0, 1, 2]) {
                body.style.setProperty(`--jp-layout-color${n}`, ground);
                body.style.setProperty(`--jp-ui-font-color${n}`, text);
            } }""",
        [light, ground, text],
    )
    it.layer("strange").click()
    expect(it.tile(3)).to_be_visible()
    for element in it.layer("strange").locator("b, span, em").all():
        assert contrast(element) >= 4.5
    assert it.root.evaluate("root => getComputedStyle(root).colorScheme") == (
        "light" if light == "true" else "dark"
    )


def test_everything_has_a_role_and_a_name(it):
    page = it.page
    for name in ("Layer order", "Colors", "Scale", "Sort"):
        expect(page.get_by_role("combobox", name=name, exact=True)).to_be_visible()
    for name in ("Sample", "Robust", "Gamma", "Top", "Zoom"):
        expect(page.get_by_role("spinbutton", name=name, exact=True)).to_be_visible()
    expect(page.get_by_role("slider", name="Opacity")).to_be_visible()
    expect(page.get_by_role("region", name="Explorer of feature maps")).to_be_visible()
    expect(it.film.get_by_role("treeitem", selected=True)).to_have_count(1)
    expect(it.grid.get_by_role("option", selected=True)).to_have_count(1)
    expect(it.tile(2)).to_have_attribute("aria-setsize", "6")
    expect(page.get_by_role("img", name=re.compile("conv1, channel 0: -"))).to_be_visible()
    expect(page.get_by_role("img", name=re.compile("histogram of -"))).to_be_visible()
    expect(page.get_by_role("searchbox", name="Find")).to_be_visible()
    unnamed = "all => all.filter(one => !one.ariaLabel && !one.textContent.trim()).length"
    assert page.get_by_role("button").evaluate_all(unnamed) == 0


def test_the_focus_is_seen(it):
    it.page.keyboard.press("Tab")
    seen = "() => getComputedStyle(document.activeElement).outlineStyle"
    for _ in range(14):
        assert it.page.evaluate(seen) == "solid"
        it.page.keyboard.press("Tab")


def test_two_explorers_on_a_page_leave_each_other_alone(it):
    it.page.evaluate(
        """() => { const other = document.createElement("div");
            document.body.append(other);
            window.second = script.mount(other, contents, bytes); }"""
    )
    roots = it.page.locator("section.featmagic-explorer")
    expect(roots).to_have_count(2)
    first, second = roots.nth(0), roots.nth(1)
    second.locator("[data-layer=relu]").click()
    expect(second.locator("[data-layer=relu]")).to_have_attribute("aria-selected", "true")
    expect(first.locator("[data-layer=conv1]")).to_have_attribute("aria-selected", "true")
    expect(second.locator("[data-channel='19']")).to_be_attached()
    ids = it.page.evaluate("[...document.querySelectorAll('[id]')].map(one => one.id)")
    assert len(ids) == len(set(ids))
    it.page.evaluate("second()")
    expect(roots).to_have_count(1)
    first.locator("[data-layer=relu]").click()
    expect(first.locator("[data-layer=relu]")).to_have_attribute("aria-selected", "true")


def test_taken_down_it_leaves_nothing_behind(browser, path):
    page = browser.new_page()
    page.add_init_script(
        """for (const target of [window, document]) {
            const { addEventListener } = target;
            target.addEventListener = (...inputs) => {
                (window.listening ??= []).push(inputs[0]);
                addEventListener.apply(target, inputs);
            };
        }"""
    )
    page.goto(path.as_uri())
    Explored(page).tiles.first.wait_for()
    before = page.evaluate("document.head.childElementCount")
    page.evaluate("unmount()")
    assert page.evaluate("here.childNodes.length") == 0
    assert page.evaluate("window.listening ?? []") == []
    assert page.evaluate("document.head.childElementCount") == before
    page.close()


def test_a_sample_that_is_not_here_is_said_and_not_drawn(it):
    it.control("Sample").fill("1")
    expect(it.reason).to_contain_text("Sample 1 isn't available: no kernel is running to load it.")
    expect(it.tiles).to_have_count(0)
    it.control("Sample").fill("0")
    expect(it.tile(5)).to_be_visible()


def test_the_sample_above_all_fits_each_layer(it):
    expect(it.control("Sample")).to_have_attribute("max", "1")
    expect(it.control("Call")).to_be_hidden()
