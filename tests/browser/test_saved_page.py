"""A saved explorer, opened from disk where there is no network."""

from __future__ import annotations

import html
from contextlib import contextmanager

import nbformat
import pytest
import torch
from helpers.networks import DNN, images
from nbconvert import HTMLExporter
from nbformat.v4 import new_code_cell, new_notebook, new_output
from playwright.sync_api import expect

import featmagic

VIOLATIONS = """
addEventListener("securitypolicyviolation", event => {
    (window.violations ??= []).push(`${event.effectiveDirective} ${event.blockedURI}`);
});
"""


@pytest.fixture(scope="module")
def look(tmp_path_factory):
    """The maps of five images, and a page of them."""
    torch.manual_seed(0)
    model = DNN()
    with featmagic.capture(model) as maps:
        model(images(5))
    (path,) = maps.save(tmp_path_factory.mktemp("saved") / "look.html")
    return maps, path


class Opened:
    """A page in a browser without network, and all that it asked for, said or was refused."""

    def __init__(self, page):
        self.page, self.requests, self.said = page, [], []
        page.on("request", lambda request: self.requests.append(request.url))
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.add_init_script(VIOLATIONS)

    def open(self, path):
        self.page.goto(path.as_uri())

    @property
    def asked_for(self):
        """What it requested besides itself; data in the page itself is no request."""
        return [url for url in self.requests[1:] if not url.startswith(("data:", "blob:"))]

    @property
    def violations(self):
        return self.page.evaluate("window.violations ?? []")


@contextmanager
def opened(browser, **options):
    context = browser.new_context(offline=True, **options)
    try:
        yield Opened(context.new_page())
    finally:
        context.close()


def explorer(page):
    return page.locator("section.featmagic-explorer")


def still(page):
    return page.locator("#featmagic-still img")


def layers(page):
    return page.get_by_role("tree", name="Layers").get_by_role("treeitem")


def assert_explores(page, maps):
    expect(explorer(page)).to_be_visible()
    expect(still(page)).to_be_hidden()
    expect(layers(page)).to_have_count(len(maps))
    keys = layers(page).evaluate_all("all => all.map(one => one.dataset.layer)")
    assert keys == list(maps)


def test_a_saved_page_explores_without_network_and_asks_for_nothing(browser, look):
    maps, path = look
    with opened(browser) as it:
        it.open(path)
        assert_explores(it.page, maps)
        assert it.asked_for == []
        assert it.violations == []
        assert it.said == []


def test_where_no_script_runs_a_saved_page_shows_the_first_layer_as_a_picture(browser, look):
    _, path = look
    with opened(browser, java_script_enabled=False) as it:
        it.open(path)
        picture = still(it.page)
        expect(picture).to_be_visible()
        assert picture.get_attribute("alt").startswith("cnn1, Conv2d, (5, 5, 24, 24) float32")
        box = picture.bounding_box()
        assert (box["width"], box["height"]) == tuple(
            float(picture.get_attribute(side)) for side in ("width", "height")
        )
        expect(explorer(it.page)).to_have_count(0)


def test_a_script_that_is_not_the_pages_own_does_not_run_in_it(browser, look, tmp_path):
    maps, path = look
    page = path.read_text(encoding="utf-8")
    nonfinite = page.replace("<main>", "<script>window.strange = true</script><main>", 1)
    (tmp_path / "strange.html").write_text(nonfinite, encoding="utf-8")
    with opened(browser) as it:
        it.open(tmp_path / "strange.html")
        assert_explores(it.page, maps)
        assert it.page.evaluate("window.strange") is None
        assert [violation.split()[0] for violation in it.violations] == ["script-src-elem"]


def test_a_script_that_was_changed_does_not_run_and_the_picture_stays(browser, look, tmp_path):
    _, path = look
    page = path.read_text(encoding="utf-8")
    assert page.count('<script type="module">') == 1
    changed = page.replace('<script type="module">', '<script type="module">void 0;')
    (tmp_path / "changed.html").write_text(changed, encoding="utf-8")
    with opened(browser) as it:
        it.open(tmp_path / "changed.html")
        expect(still(it.page)).to_be_visible()
        expect(explorer(it.page)).to_have_count(0)


def test_a_page_whose_contents_were_cut_off_keeps_its_picture(browser, look, tmp_path):
    _, path = look
    page = path.read_text(encoding="utf-8")
    (tmp_path / "cut.html").write_text(page[: page.index('id="featmagic-bytes"') + 500])
    with opened(browser) as it:
        it.open(tmp_path / "cut.html")
        expect(still(it.page)).to_be_visible()


@pytest.mark.parametrize("place", ["a frame", "a notebook made into a page"])
def test_a_saved_page_explores_inside_of_another(browser, look, tmp_path, place):
    maps, path = look
    frame = f'<iframe width="1000" height="700" srcdoc="{html.escape(path.read_text("utf-8"))}">'
    outer = f"{frame}</iframe>"
    if place != "a frame":
        shown = new_output("display_data", {"text/html": outer, "text/plain": "look"})
        cell = new_code_cell("HTML(...)", outputs=[shown])
        notebook = new_notebook(cells=[cell])
        nbformat.validate(notebook)
        outer, _ = HTMLExporter().from_notebook_node(notebook)
    (tmp_path / "outer.html").write_text(outer, encoding="utf-8")
    with opened(browser) as it:
        it.open(tmp_path / "outer.html")
        assert_explores(it.page.frame_locator("iframe"), maps)


def test_a_frame_in_which_scripts_are_forbidden_shows_the_picture_and_says_why(
    browser, look, tmp_path
):
    maps, path = look
    frame = f'<iframe sandbox width="1000" height="700" src="{path.as_uri()}"></iframe>'
    (tmp_path / "outer.html").write_text(frame, encoding="utf-8")
    with opened(browser) as it:
        it.open(tmp_path / "outer.html")
        inside = it.page.frame_locator("iframe")
        expect(still(inside)).to_be_visible()
        expect(inside.locator("noscript p")).to_contain_text(f"one layer of {len(maps)}")
        expect(inside.locator("noscript p")).to_be_visible()


def test_where_scripts_run_the_picture_isnt_painted_before_the_explorer(browser, look):
    _, path = look
    with opened(browser) as it:
        it.page.add_init_script(
            """new MutationObserver(() => {
                const still = document.getElementById("featmagic-still");
                if (still?.hidden !== false) return;
                (window.seen ??= []).push(getComputedStyle(still).visibility);
            }).observe(document, { childList: true, subtree: true });"""
        )
        it.open(path)
        expect(explorer(it.page)).to_be_visible()
        assert set(it.page.evaluate("seen")) == {"hidden"}


def test_a_saved_page_decodes_the_layers_that_are_looked_at(browser, tmp_path):
    net = torch.nn.Sequential(*(torch.nn.Conv2d(1, 1, 1) for _ in range(60)))
    with featmagic.capture(net, *map(str, range(60))) as maps:
        net(images())
    (path,) = maps.save(tmp_path / "look.html")
    with opened(browser) as it:
        it.page.add_init_script(
            """const decode = atob;
            window.decoded = 0;
            atob = text => (window.decoded++, decode(text));"""
        )
        it.open(path)
        expect(explorer(it.page)).to_be_visible()
        it.page.evaluate("() => new Promise(done => requestAnimationFrame(done))")
        assert 0 < it.page.evaluate("decoded") < 40
        layers(it.page).last.click()
        expect(it.page.get_by_role("img", name="59, channel 0")).to_be_visible()


WICKED = "</script><script>window.taken = 1</script><!--<script><img src=x onerror='taken = 1'>"


def test_no_text_of_a_models_runs_or_becomes_an_element(browser, tmp_path):
    net = torch.nn.Sequential()
    net.add_module(WICKED.replace(".", " "), torch.nn.Conv2d(1, 2, 3))
    with featmagic.capture(net) as maps:
        net(images())
    (path,) = maps.save(tmp_path / "look.html")
    with opened(browser) as it:
        it.open(path)
        assert_explores(it.page, maps)
        assert it.page.evaluate("window.taken") is None
        expect(explorer(it.page).locator("img[src=x]")).to_have_count(0)
        assert it.asked_for == it.violations == it.said == []
