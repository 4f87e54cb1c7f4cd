"""The panel kernel × patch beside a kernel that is played by the package's own answers."""

from __future__ import annotations

import re
from base64 import b64encode

import numpy as np
import pytest
import torch
from helpers.explored import Explored, expected_levels, held_by, levels_of, written
from helpers.front_ends import contrast
from playwright.sync_api import expect
from test_explorer_kernel import WIDGET
from torch import nn
from torch.nn import functional

import featmagic
from featmagic.explorer.protocol import answer
from featmagic.explorer.session import open_session
from featmagic.options.view import View

ANSWERS = """([id, content, data]) => {
    const bytes = Uint8Array.from(atob(data), letter => letter.charCodeAt(0));
    message({ answer: id, ...content, ids: ["patch"] }, [new DataView(bytes.buffer)]);
}"""
LATER = "() => new Promise(done => setTimeout(() => done(asked), 300))"


class Net(nn.Module):
    """An image in, a map of several channels, and convolutions of several kinds of it."""

    def __init__(self):
        super().__init__()
        self.conv1, self.relu = nn.Conv2d(3, 16, 3, padding=1), nn.ReLU()
        self.large = nn.Conv2d(16, 4, 7, padding=3, stride=2)
        self.grouped = nn.Conv2d(4, 8, 3, groups=2, bias=False)
        self.huge = nn.Conv2d(8, 2, 9, padding=4)
        self.point = nn.Conv2d(2, 3, 1)

    def forward(self, x):
        x = self.grouped(self.large(self.relu(self.conv1(x))))
        return self.point(self.huge(x))


class Played:
    """A page with an explorer, and the session that answers it."""

    def __init__(self, page, session):
        self.page, self.session, self.it = page, session, Explored(page)
        self.panel = page.get_by_role("region", name="Kernel × patch")
        self.button = self.it.root.get_by_role("button", name="kernel × patch", exact=True)

    def question(self):
        """The next question for a patch, taken away."""
        self.page.wait_for_function("() => asked.some(one => one.ask === 'patch')")
        read = "() => asked.splice(asked.findIndex(one => one.ask === 'patch'), 1)[0]"
        return self.page.evaluate(read)

    def answer(self, question=None):
        """Answer the next question as the kernel would, and return it."""
        question = question or self.question()
        text, files = answer(self.session, question)
        data = b64encode(files["patch"]).decode()
        self.page.evaluate(ANSWERS, [question["id"], text, data])
        expect(self.panel).to_have_attribute("aria-busy", "false")
        return question, text

    def choose(self, layer, channel, y, x):
        self.it.layer(layer).click()
        expect(self.it.tile(channel)).to_be_visible()
        self.page.evaluate("([layer, at]) => from_python('position', at)", [layer, None])
        self.page.evaluate("channel => from_python('channel', channel)", channel)
        self.page.evaluate("at => from_python('position', at)", [y, x])

    def numbers(self, n):
        """The numbers in the cells of one of the pictures."""
        cells = self.panel.locator("figure").nth(n).locator(".fm-cells span")
        return [float(text.replace("inf", "Infinity")) for text in cells.all_text_contents()]

    def drawn(self, n):
        return self.it.drawn(self.panel.locator("figure canvas").nth(n))


@pytest.fixture(scope="module")
def net():
    torch.manual_seed(0)
    return Net()


@pytest.fixture(scope="module")
def maps(net):
    torch.manual_seed(1)
    layers = [name for name, _ in net.named_children()]
    with featmagic.capture(net, *layers, fields=True) as maps, torch.no_grad():
        net(torch.rand(1, 3, 24, 24))
    return maps


@pytest.fixture(scope="module")
def session(maps):
    return open_session(list(maps.kept.activations.values()), View(explore=True))


@pytest.fixture(scope="module")
def path(tmp_path_factory, maps):
    text, images = held_by(list(maps.kept.activations.values()))
    return written(tmp_path_factory.mktemp("explorer") / "page.html", text, images)


@pytest.fixture
def opened(browser, path, session):
    """Opens the page in a window of its own; no error may be left behind."""
    contexts, errors = [], []

    def open_page(width=1200, height=900, *, widget=True, **options):
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        if widget:
            page.add_init_script(WIDGET)
        page.goto(path.as_uri())
        played = Played(page, session)
        expect(played.it.tiles.first).to_be_visible()
        return played

    yield open_page
    for context in contexts:
        context.close()
    assert errors == []


@pytest.fixture
def one(opened):
    return opened()


# What is shown


def test_patch_kernel_and_product_of_the_chosen_place_are_shown(one, net, maps):
    one.choose("conv1", 3, 0, 23)
    expect(one.panel).to_be_hidden()
    one.button.click()
    expect(one.button).to_have_attribute("aria-expanded", "true")
    question, text = one.answer()
    question.pop("id")
    place = {"layer": "conv1", "sample": 0, "channel": 3, "position": [0, 23]}
    assert question == {"ask": "patch", **place, "source": None}
    source = text["source"]
    given = functional.pad(maps.kept.activations["conv1"].inputs.image[0], (1, 1, 1, 1))
    patch = given[source, 0:3, 23:26].numpy()
    kernel = net.conv1.weight[3, source].detach().numpy()
    assert np.allclose(one.numbers(0), patch.ravel(), atol=6e-4)
    assert np.allclose(one.numbers(1), kernel.ravel(), atol=6e-4)
    unit = 0.01 if "unit 0.01" in text["captions"][2] else 1
    assert np.allclose(np.multiply(one.numbers(2), unit), (patch * kernel).ravel(), atol=6e-4)
    sums = (given[:, 0:3, 23:26].double() * net.conv1.weight[3].detach().double()).flatten(1).sum(1)
    total = sums.sum().item() + net.conv1.bias[3].item()
    bias = net.conv1.bias[3].item()
    said = f"sum over channel {source} of 3: {sums[source]:.4g} · "
    expect(one.panel).to_contain_text(f"{said}total with bias {bias:.4g}: {total:.4g}")


def test_kernel_and_product_have_colors_around_0(one, net):
    one.choose("conv1", 3, 5, 5)
    one.button.click()
    _, text = one.answer()
    kernel = net.conv1.weight[3, text["source"]].detach().numpy()
    most = np.abs(kernel).max()
    assert (
        np.abs(levels_of(one.drawn(1), "RdBu_r") - expected_levels(kernel, -most, most)).max() < 1
    )
    assert (levels_of(one.drawn(0), "viridis") >= 0).all()
    assert one.drawn(2).shape == (3, 3, 3)


def test_padding_is_hatched_and_said_whatever_the_colors(one):
    one.choose("conv1", 3, 0, 23)
    one.button.click()
    one.answer()
    hatched = one.panel.locator("figure").nth(0).locator(".fm-cells span.fm-padding")
    expect(hatched).to_have_count(5)
    expect(one.panel.locator("figure").nth(1).locator(".fm-padding")).to_have_count(0)
    one.panel.locator("figure .fm-pic").first.hover(position={"x": 10, "y": 10})
    expect(one.panel).to_contain_text(re.compile(r"padding at \(-1, 22\): 0 × -?[\d.]+ = -?0$"))


def test_arrows_read_the_values_and_choose_no_other_channel(one, net):
    one.choose("conv1", 3, 5, 6)
    one.button.click()
    _, text = one.answer()
    group = one.panel.get_by_role("group")
    group.focus()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight"):
        group.press(key)
    weight = net.conv1.weight[3, text["source"], 1, 1].item()
    expect(one.panel).to_contain_text(re.compile(rf"input at \(5, 6\): \S+ × {weight:.3}\d* = "))
    expect(one.it.tile(3)).to_have_attribute("aria-selected", "true")
    marks = "box => getComputedStyle(box, '::after').display"
    assert one.panel.locator(".fm-pic").nth(1).evaluate(marks) == "block"


def test_a_large_kernel_has_colors_and_its_numbers_where_one_points(one):
    one.choose("huge", 1, 0, 4)
    one.button.click()
    one.answer()
    assert one.drawn(1).shape == (9, 9, 3)
    assert one.panel.locator("figure").nth(1).locator(".fm-cells").inner_text().strip() == ""
    one.panel.locator("figure .fm-pic").nth(1).hover(position={"x": 3, "y": 3})
    expect(one.panel).to_contain_text(re.compile(r"padding at \(-4, 0\): 0 × -?[\d.e-]+ = -?0"))


# What is asked


def test_another_channel_of_the_input_is_asked_for(one):
    one.choose("large", 1, 3, 3)
    one.button.click()
    one.answer()
    field = one.panel.get_by_label("Input channel", exact=True)
    assert (field.get_attribute("min"), field.get_attribute("max")) == ("0", "15")
    field.fill("5")
    question, _ = one.answer()
    assert question["source"] == 5
    expect(one.panel).to_contain_text("sum over channel 5 of 16")
    field.fill("16")  # there is none
    assert not any(each["ask"] == "patch" for each in one.page.evaluate(LATER))
    one.panel.get_by_role("button", name="largest").click()
    assert one.answer()[0]["source"] is None
    chart = one.panel.get_by_role("img", name="sums of 16 channels")
    box = chart.bounding_box()
    chart.click(position={"x": 9.5 * box["width"] / 16, "y": 5})
    assert one.answer()[0]["source"] == 9


def test_the_layer_that_gave_the_input_is_a_click_away(one):
    one.choose("large", 1, 3, 3)
    one.button.click()
    _, text = one.answer()
    one.panel.get_by_role("button", name=f"relu, channel {text['source']}").click()
    expect(one.it.layer("relu")).to_have_attribute("aria-selected", "true")
    expect(one.it.tile(text["source"])).to_have_attribute("aria-selected", "true")
    expect(one.panel).to_be_hidden()
    expect(one.button).to_be_hidden()


def test_it_follows_the_choice_and_asks_once_where_it_rests(one):
    one.choose("conv1", 3, 5, 5)
    one.button.click()
    one.answer()
    one.page.evaluate("[6, 7, 8, 9].forEach(x => from_python('position', [5, x]))")
    expect(one.panel).to_have_attribute("aria-busy", "true")
    questions = [each for each in one.page.evaluate(LATER) if each["ask"] == "patch"]
    assert [each["position"] for each in questions] == [[5, 9]]
    one.answer()
    one.choose("grouped", 7, 2, 2)
    question, text = one.answer()
    assert (question["layer"], text["first"], text["last"]) == ("grouped", 2, 3)
    expect(one.panel).to_contain_text("(of 2 to 3)")


def test_an_answer_that_comes_too_late_is_not_shown(one):
    one.choose("conv1", 3, 5, 5)
    one.button.click()
    late = one.question()
    one.page.evaluate("at => from_python('position', at)", [6, 6])
    question = one.question()
    one.answer(question)
    before = one.panel.inner_text()
    text, files = answer(one.session, {**late, "source": 0})
    data = b64encode(files["patch"]).decode()
    one.page.evaluate(ANSWERS, [late["id"], text, data])
    one.it.settle()
    assert one.panel.inner_text() == before


def test_a_channel_of_another_group_gives_way_to_the_largest(one):
    one.choose("grouped", 7, 2, 2)
    one.button.click()
    one.answer()
    one.panel.get_by_label("Input channel", exact=True).fill("3")
    one.answer()
    one.page.evaluate("from_python('channel', 1)")
    question = one.question()
    assert question["source"] == 3
    one.page.evaluate(
        "id => message({ answer: id, error: 'No input channel 3 at this place.' })", question["id"]
    )
    question, text = one.answer()
    assert (question["source"], text["first"]) == (None, 0)


def test_the_reason_why_there_is_no_sum_stands_in_its_place(one):
    one.choose("conv1", 3, 5, 5)
    one.button.click()
    one.answer()
    one.it.grid.press("Shift+ArrowRight")
    question = one.question()
    reason = "The weights of conv1 have changed since the pass: run the cell again."
    one.page.evaluate("([id, error]) => message({ answer: id, error })", [question["id"], reason])
    expect(one.panel).to_contain_text(reason)
    expect(one.panel.locator("canvas").first).to_be_hidden()
    assert "total" not in one.panel.inner_text()
    one.it.grid.press("Shift+ArrowLeft")
    one.answer()
    expect(one.panel.locator("canvas").first).to_be_visible()


def test_another_input_is_asked_about_again(one):
    one.choose("conv1", 3, 5, 5)
    one.button.click()
    one.answer()
    one.page.evaluate(
        """() => { const [layer] = contents.layers;
            const plates = { 0: { ...layer.plates[0] } };
            message({ changed: [{ ...layer, plates }], ids: [] }); }"""
    )
    assert one.answer()[0]["position"] == [5, 5]


# How it is opened, and where it can't be


def test_k_opens_and_closes_it_and_takes_the_place_under_the_pointer(one):
    one.it.point_at(4, 2, 3, side=24)
    one.it.grid.press("k")
    question, _ = one.answer()
    assert (question["channel"], question["position"]) == (4, [2, 3])
    one.it.grid.press("k")
    expect(one.panel).to_be_hidden()
    one.it.grid.press("?")
    expect(one.page.get_by_role("dialog")).to_contain_text("kernel × patch")


def test_without_a_place_it_says_how_to_choose_one(one):
    one.page.mouse.move(0, 0)
    one.it.grid.press("k")
    expect(one.panel).to_contain_text("Choose a position")
    one.it.grid.press("Shift+ArrowRight")
    one.answer()
    one.it.grid.press("Escape")
    expect(one.panel).to_contain_text("Choose a position")


def test_a_layer_that_is_no_convolution_has_none(one):
    one.it.layer("relu").click()
    expect(one.it.tile(5)).to_be_visible()
    expect(one.button).to_be_hidden()
    one.it.grid.press("k")
    expect(one.panel).to_be_hidden()
    expect(one.it.status).to_contain_text("relu isn't a convolution.")


def test_a_page_without_a_kernel_has_no_button_and_the_key_says_why(opened):
    one = opened(widget=False)
    expect(one.button).to_be_hidden()
    one.it.grid.press("k")
    expect(one.it.status).to_contain_text("This page doesn't contain the weights")
    expect(one.panel).to_be_hidden()


def test_a_kernel_that_is_gone_is_not_asked(one):
    one.choose("conv1", 3, 5, 5)
    one.page.evaluate("from_python('_alive', false)")
    one.button.click()
    expect(one.panel).to_contain_text("kernel has stopped")
    assert not any(each["ask"] == "patch" for each in one.page.evaluate(LATER))


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_numbers_and_words_can_be_read_on_any_ground(opened, scheme):
    one = opened(color_scheme=scheme)
    one.choose("large", 1, 0, 0)
    one.button.click()
    one.answer()
    read = "all => all.map(one => getComputedStyle(one).color)"
    for n in (0, 1, 2):
        inks = one.panel.locator("figure").nth(n).locator(".fm-cells span").evaluate_all(read)
        grounds = one.drawn(n).reshape(-1, 3)
        for ink, ground in zip(inks, grounds, strict=True):
            darker, lighter = sorted((luminance(rgb(ink)), luminance(ground)))
            assert (lighter + 0.05) / (darker + 0.05) >= 4.2
    for words in (one.panel.locator("p").first, one.panel.locator("figcaption").nth(1)):
        assert contrast(words) >= 4.5


@pytest.mark.parametrize("width", [1600, 1200, 900, 420])
def test_numbers_stay_inside_their_cells_at_every_width(opened, width):
    one = opened(width)
    one.choose("large", 1, 3, 3)
    one.button.click()
    one.answer()
    outside = "all => all.filter(one => one.scrollWidth > one.clientWidth + 1).length"
    assert one.panel.locator(".fm-cells span").evaluate_all(outside) == 0
    assert one.page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def luminance(color):
    """As WCAG defines it."""
    parts = np.array(color) / 255
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return linear @ [0.2126, 0.7152, 0.0722]


def rgb(color):
    return tuple(int(number) for number in re.findall(r"\d+", color)[:3])
