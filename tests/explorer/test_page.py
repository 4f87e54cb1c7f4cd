"""The saved explorer: one file that allows nothing but itself, with the values in it."""

from __future__ import annotations

import base64
import io
import json
import re

import pytest
from helpers.pages import Saved, hash_of
from PIL import Image

from featmagic.explorer.html.page import Still, page

WICKED = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "--><script src='https://example.org/x.js'>",
    "]]><svg onload=alert(1)>",
    "\"'><img src=x onerror=alert(1)>",
    "line\u2028separator\u2029",
    "&lt;b&gt;&amp;",
    "half \ud800 a pair",
    "\x00\x1b[2J",
    "{script} %s",
    "__proto__",
]


def still():
    file = io.BytesIO()
    Image.new("RGB", (30, 20), (200, 10, 10)).save(file, "png")
    return Still("cnn1  Conv2d  (1, 5, 24, 24) float32 cpu · from 0 ▁█ 2", file.getvalue())


def of_layers(*keys, **images):
    contents = {"maps": "feature_maps", "layers": [{"key": key} for key in keys]}
    return page(contents, images, still())


def test_a_page_allows_its_own_script_and_style_and_forbids_all_else():
    saved = Saved(of_layers("cnn1"))
    (_, script), (_, style) = saved.one("script", type="module"), saved.one("style")
    assert saved.policy == {
        "default-src": ["'none'"],
        "script-src": [hash_of(script)],
        "style-src": [hash_of(style)],
        "img-src": ["data:"],
        "base-uri": ["'none'"],
        "form-action": ["'none'"],
        "require-trusted-types-for": ["'script'"],
        "trusted-types": ["'none'"],
    }
    tags = [tag for tag, _, _ in saved.elements]
    assert tags.index("meta") < tags.index("style") < tags.index("script")  # the policy is first
    assert all("style" not in attributes for _, attributes, _ in saved.elements)
    assert not [a for _, attributes, _ in saved.elements for a in attributes if a.startswith("on")]


def test_a_page_refers_to_nothing_outside_of_itself():
    saved = Saved(of_layers("cnn1"))
    links = [
        attributes[name]
        for _, attributes, _ in saved.elements
        for name in ("src", "href", "srcset", "action", "data", "poster")
        if name in attributes
    ]
    assert len(links) == 2
    assert all(link.startswith("data:") for link in links)
    _, style = saved.one("style")
    assert not re.search(r"url\(|@import", style)


def test_a_page_says_what_it_is_in_its_language_for_any_width_and_theme():
    saved = Saved(of_layers("cnn1", "act1", "pool1", "fc1", "fc2"))
    assert saved.one("html")[0] == {"lang": "en"}
    assert saved.one("title")[1] == "Feature maps of cnn1, act1, pool1 and 2 more"
    assert Saved(of_layers("cnn1", "act1")).one("title")[1] == "Feature maps of cnn1, act1"
    assert "width=device-width" in saved.one("meta", name="viewport")[0]["content"]
    assert saved.one("meta", name="color-scheme")[0]["content"] == "light dark"


def test_where_no_script_runs_there_is_a_picture_with_words_for_those_who_do_not_see_it():
    saved = Saved(of_layers("cnn1", "act1"))
    image, _ = saved.one("img")
    head, data = image["src"].split(",")
    assert head == "data:image/png;base64"
    assert base64.b64decode(data) == still().picture
    assert (image["width"], image["height"]) == ("30", "20")
    assert image["alt"] == "cnn1, Conv2d, (1, 5, 24, 24) float32 on cpu; from 0 to 2."
    assert "one layer of 2" in " ".join(text for _, text in saved.all("p"))


def test_a_page_without_any_picture_says_why_in_words():
    made = page({"layers": []}, {}, Still("fc  Linear  () float32 cpu · the single value 0", b""))
    saved = Saved(made)
    assert saved.all("img") == []
    assert [text for a, text in saved.all("p") if not a][-1].endswith("the single value 0")


def test_what_was_put_in_comes_out_to_the_last_bit():
    contents = {"layers": [{"key": "あ", "low": [0.1, -1e-30, None], "words": ["14 × 14"]}]}
    images = {"あ/0": bytes(range(256)), "image/0": b""}
    saved = Saved(page(contents, images, still()))
    assert saved.contents == contents
    assert saved.images == images


@pytest.mark.parametrize("text", WICKED, ids=repr)
def test_no_text_of_a_models_leaves_the_place_it_was_given(text):
    contents = {"layers": [{"key": text, "kind": text}], "words": [text]}
    made = page(contents, {text: b"\x00"}, Still(text, still().picture))
    harmless = page({"layers": [{"key": "cnn1"}]}, {}, still())
    saved, usual = Saved(made), Saved(harmless)
    assert [tag for tag, _, _ in saved.elements] == [tag for tag, _, _ in usual.elements]
    assert [*map(set, (a for _, a, _ in saved.elements))] == [
        *map(set, (a for _, a, _ in usual.elements))
    ]
    assert saved.contents == contents
    assert saved.images == {text: b"\x00"}
    assert saved.policy == usual.policy
    for id in ("featmagic-contents", "featmagic-bytes"):
        raw = saved.one("script", id=id)[1]
        assert raw.isascii()
        assert not set("<>&") & set(raw)


def test_a_number_that_json_does_not_have_is_never_written():
    with pytest.raises(ValueError, match="JSON"):
        page({"layers": [], "low": float("nan")}, {}, still())


def test_the_scripts_own_text_cannot_end_its_element():
    _, script = Saved(of_layers("cnn1")).one("script", type="module")
    assert not re.search(r"<!--|</?script", script, re.IGNORECASE)
    assert "\r" not in script
    assert json.dumps(script, ensure_ascii=False).encode()
