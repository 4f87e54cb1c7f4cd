"""The explorer in Firefox, from a file: what a person does first, on a bare and a saved page."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest
import torch
from helpers import explorer_parts as parts
from helpers.explored import activation, colors, expected_levels, held_by, written
from helpers.firefox import Firefox, eventually

import featmagic
from featmagic.render.palette import LEVELS

SIDE = 8  # values in a row of a plane


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """A bare page and one that a person saved, and the values of their layers, by channel."""
    folder = tmp_path_factory.mktemp("explorer")
    torch.manual_seed(0)
    parts_of_net = OrderedDict(
        conv1=torch.nn.Conv2d(1, 6, 5), relu=torch.nn.ReLU(), wide=torch.nn.Conv2d(6, 12, 1)
    )
    model = torch.nn.Sequential(parts_of_net)
    with torch.no_grad(), featmagic.capture(model) as maps:
        model(torch.randn(2, 1, SIDE + 4, SIDE + 4))
    (saved,) = maps.save(folder / "saved.html")
    tensors = {key: maps[key] for key in maps}
    bare = written(folder / "bare.html", *held_by([activation(*one) for one in tensors.items()]))
    values = {key: tensor[0].numpy() for key, tensor in tensors.items()}
    return {"bare": bare, "saved": saved}, values


@pytest.fixture(scope="module")
def window():
    window = Firefox()
    yield window
    window.close()


@pytest.fixture(params=["bare", "saved"])
def firefox(request, window, pages):
    """An opened page; nothing may be thrown, said, asked for or refused."""
    path = pages[0][request.param]
    window.open(path)
    eventually(lambda: window.count(parts.TILES) == 6, lambda: window.ask("heard"))
    yield window
    assert_quiet(window, path)


@pytest.fixture
def values(pages):
    return pages[1]


def assert_quiet(window, path):
    heard = window.ask("heard")
    assert heard["errors"] == heard["said"] == heard["violations"] == []
    own = ("data:", "blob:", path.as_uri())
    assert [url for url in heard["requests"] if not url.startswith(own)] == []


def canvas(channel):
    return f"{parts.tile(channel)} canvas"


def wrong(pixels, plane, colormap, low, high):
    """How many pixels have another color than that of their value, or of the level beside it."""
    if pixels.shape[:2] != plane.shape:
        return plane.size
    table, expected = colors(colormap), expected_levels(plane, low, high)
    near = [np.clip(np.round(expected) + by, 0, LEVELS - 1).astype(int) for by in (-1, 0, 1)]
    right = [(np.abs(at - expected) <= 1.001) & (table[at] == pixels).all(-1) for at in near]
    return plane.size - np.any(right, axis=0).sum()


def assert_drawn(window, values, colormap, low=None, high=None):
    """The tiles have a colormap's colors of the values, each in its own range."""
    low = values.min((1, 2)) if low is None else low
    high = values.max((1, 2)) if high is None else high

    def wrong_pixels():
        eventually(lambda: window.count(parts.TILES) == len(values))
        for channel, (plane, *ends) in enumerate(zip(values, low, high, strict=True)):
            yield wrong(window.drawn(canvas(channel)), plane, colormap, *ends)

    eventually(lambda: not any(wrong_pixels()), lambda: list(wrong_pixels()))


def is_selected(window, selector):
    return lambda: window.attribute(selector, "aria-selected") == "true"


def says(window, text):
    eventually(lambda: text in window.text(parts.STATUS), lambda: (text, window.text(parts.STATUS)))


def test_it_is_firefox(window):
    assert "firefox" in window.version.lower()


def test_what_is_thrown_asked_for_or_refused_is_heard(window, pages):
    window.open(pages[0]["saved"])
    window.evaluate(
        """() => {
            setTimeout(() => { throw new Error("on purpose"); });
            const picture = new Image();
            picture.src = "http://127.0.0.1:9/picture.png";
            console.log("said");
        }"""
    )
    eventually(lambda: window.ask("heard")["errors"], lambda: window.ask("heard"))
    eventually(lambda: window.ask("heard")["violations"], lambda: window.ask("heard"))
    assert "on purpose" in window.ask("heard")["errors"][0]
    assert window.ask("heard")["violations"] == ["img-src http://127.0.0.1:9/picture.png"]
    assert "log: said" in window.ask("heard")["said"]


def test_each_tile_has_the_colors_of_its_values(firefox, values):
    most = np.abs(values["conv1"]).max((1, 2))
    assert_drawn(firefox, values["conv1"], "RdBu_r", -most, most)


def test_a_layer_and_a_channel_are_chosen_by_click(firefox, values):
    firefox.click(parts.layer("relu"))
    eventually(is_selected(firefox, parts.layer("relu")))
    assert_drawn(firefox, values["relu"], "viridis")
    firefox.click(canvas(4))
    eventually(is_selected(firefox, parts.tile(4)))
    large = firefox.drawn(parts.LARGE)
    assert (large == firefox.drawn(canvas(4))).all()


def test_a_layer_is_found_by_its_name(firefox):
    firefox.ask("focus", selector=parts.CHANNELS)
    firefox.press(parts.FIND)
    firefox.ask("type", text="REL")
    eventually(lambda: firefox.count(f"{parts.LAYERS} [data-layer]") == 1)
    firefox.press("Enter")
    eventually(is_selected(firefox, parts.layer("relu")))


def test_another_colormap_is_drawn(firefox, values):
    firefox.click(parts.layer("relu"))
    eventually(is_selected(firefox, parts.layer("relu")))
    firefox.evaluate(parts.SET, [parts.COLORMAP, "magma"])
    assert_drawn(firefox, values["relu"], "magma")
    says(firefox, "magma")


def test_arrows_lead_from_channel_to_channel_and_brackets_from_layer_to_layer(firefox, values):
    firefox.ask("focus", selector=parts.CHANNELS)
    firefox.press("ArrowRight", "ArrowRight", "ArrowLeft")
    eventually(is_selected(firefox, parts.tile(1)))
    firefox.press(parts.NEXT_LAYER)
    eventually(is_selected(firefox, parts.layer("relu")))
    assert_drawn(firefox, values["relu"], "viridis")


def test_a_pinned_channel_stays_when_another_layer_is_chosen(firefox, values):
    firefox.ask("focus", selector=parts.CHANNELS)
    firefox.press("ArrowRight", parts.PIN_IT)
    pin = f"{parts.PIN} canvas"
    eventually(lambda: firefox.count(pin) == 1 and firefox.drawn(pin).shape[:2] == (SIDE, SIDE))
    firefox.click(parts.layer("relu"))
    assert_drawn(firefox, values["relu"], "viridis")
    plane = values["conv1"][1]
    most = np.abs(plane).max()
    assert wrong(firefox.drawn(pin), plane, "RdBu_r", -most, most) == 0


def test_the_status_has_the_value_under_the_pointer(firefox, values):
    for channel, y, x in ((0, 0, 0), (3, 7, 2), (5, 4, 6)):
        place = {"across": (x + 0.5) / SIDE, "down": (y + 0.5) / SIDE}
        firefox.ask("hover", selector=canvas(channel), **place)
        says(firefox, f"conv1[0, {channel}, {y}, {x}] = ")
        said = firefox.text(parts.STATUS).split(" = ")[1].split()[0].replace("−", "-")
        plane = values["conv1"][channel]
        assert abs(float(said) - plane[y, x]) <= np.ptp(plane) / 475


@pytest.mark.parametrize("name", ["bare", "saved"])
def test_where_dark_pages_are_preferred_it_is_dark(window, pages, name):
    """Compared with the same page where light ones are."""
    ground = """at => {
        const { backgroundColor, color } = getComputedStyle(document.querySelector(at));
        const light = text => text.match(/\\d+/g).slice(0, 3).reduce((sum, n) => sum + +n, 0) / 3;
        return [light(backgroundColor), light(color)];
    }"""
    path, dark = pages[0][name], Firefox("dark")
    try:
        for one in (dark, window):
            one.open(path)
            eventually(lambda one=one: one.count(parts.TILES) == 6)
            assert_quiet(one, path)
        (darkness, words), (light, letters) = (
            one.evaluate(ground, parts.ROOT) for one in (dark, window)
        )
        assert darkness < 60 < 180 < words
        assert letters < 60 < 200 < light
    finally:
        dark.close()
