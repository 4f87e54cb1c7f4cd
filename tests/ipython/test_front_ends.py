"""Messages of a real kernel, checked by the rules of VS Code and similar front ends.

VS Code draws the first type of a MIME bundle that it can, HTML before PNG before text; its image
renderer ignores the size in the metadata and takes all of `text/plain` as the alt text.
test_kernel.py and test_kernel_pictures.py test the rest: Out and execution counts, no escape
sequences, errors of one line.
"""

from __future__ import annotations

import base64
import io
import re
import unicodedata

import numpy as np
import pytest
from helpers.expected import layers_of, model_and_images, unwrapped
from helpers.kernels import executed
from helpers.streams import joined
from PIL import Image

SETUP = """\
%load_ext featmagic
import torch
from helpers.expected import model_and_images
from torch import nn
model, x = model_and_images()
model.cnn1.weight.data[3] = 0
scalar = nn.Module()
scalar.forward = lambda x: x.mean()
whole = nn.Sequential(scalar)
"""
LOOKS = {
    "a grid": "%%featuremaps model cnn1\nmodel(x[:2]);",
    "several layers": "%%featuremaps model cnn1 act1 pool1\nmodel(x[:1]);",
    "a fold": "%%featuremaps model act2\nmodel(x[:1]);",
    "a heat map": "%%featuremaps model fc1 --sample all\nmodel(x[:9]);",
    "an overview": "%%featuremaps model --overview\nmodel(x[:1]);",
    "an overlay": "%%featuremaps model cnn1 --overlay --input\nmodel(x[:1]);",
    "components": "%%featuremaps model cnn1 --reduce pca\nmodel(x[:1]);",
    "one picture": "%%featuremaps model cnn1 --reduce mean\nmodel(x[:1]);",
    "one line": "%featuremaps model cnn1 -- model(x[:1]);",
    "drawn again": "%featuremaps cnn1 --scale layer --robust --max 2",
    "by show": 'feature_maps.show("cnn1", cmap="gray")',
    "NaN": "%%featuremaps model cnn1\nmodel(x[:1].where(x[:1] < 3, float('nan')));",
    "words only": "%%featuremaps whole 0\nwhole(x[:1]);",
}
PICTURES = [name for name in LOOKS if name != "words only"]


@pytest.fixture(scope="module")
def sent():
    """The outputs that a kernel sent for each look."""
    notebook, error = executed(SETUP, *LOOKS.values())
    assert error is None
    cells = notebook.cells[1:]
    return {name: joined(cell.outputs) for name, cell in zip(LOOKS, cells, strict=True)}


def bundles(outputs):
    return [output for output in outputs if output.output_type == "display_data"]


def printed(outputs):
    return "".join(output.text for output in outputs if output.output_type == "stream")


@pytest.mark.parametrize("name", PICTURES)
def test_a_bundle_has_a_png_and_words_and_nothing_that_would_be_taken_before_them(sent, name):
    found = bundles(sent[name])

    assert len(found) == (3 if name == "several layers" else 1)
    assert all(set(output.data) == {"image/png", "text/plain"} for output in found)


@pytest.mark.parametrize("name", PICTURES)
def test_the_size_is_half_the_pngs_own_so_that_dense_screens_show_it_sharp(sent, name):
    for output in bundles(sent[name]):
        size = output.metadata["image/png"]
        assert {type(size["width"]), type(size["height"])} == {int}
        with Image.open(io.BytesIO(base64.b64decode(output.data["image/png"]))) as picture:
            picture.load()
            assert picture.format == "PNG"
            assert picture.size == (2 * size["width"], 2 * size["height"])


@pytest.mark.parametrize("name", PICTURES)
def test_the_words_are_sentences_of_letters_and_figures(sent, name):
    """No blocks, arrows or bullets, which screen readers name one by one; no control codes."""
    for output in bundles(sent[name]):
        words = output.data["text/plain"]
        lines = words.split("\n")
        assert len(lines) <= 3 or name == "an overview"
        assert all(re.fullmatch(r"\S+( \S+)*(?<![.;,])\.", line) for line in lines), words
        beyond_ascii = {letter for letter in words if not letter.isascii()}
        assert beyond_ascii <= set("≈×"), words
        assert not {letter for letter in words if unicodedata.category(letter)[0] == "C"} - {"\n"}


@pytest.mark.parametrize("name", [name for name in PICTURES if name != "an overview"])
def test_the_words_are_the_alt_text_and_all_of_the_printed_caption(sent, name):
    captions = unwrapped(printed(sent[name])).splitlines()
    for caption, output in zip(captions, bundles(sent[name]), strict=True):
        words = output.data["text/plain"]
        assert output.metadata["image/png"]["alt"] == words
        there = [part for part in re.split(r"[\s·,;…▁-█]+", caption) if part]
        heard = iter(re.split(r"[\s,;]+", re.sub(r"\.$", "", words, flags=re.MULTILINE)))
        assert all(part in heard for part in there), (caption, words)


def test_a_picture_is_told_by_what_is_in_it(sent):
    """The whole sentence, with statistics computed independently."""
    model, x = model_and_images()
    values = layers_of(model, x[0])["pool1"].astype(np.float64)
    kind = "RdBu_r centered on 0" if values.min() < 0 else "viridis"

    *_, pool1 = bundles(sent["several layers"])

    heard = re.fullmatch(
        r"pool1, MaxPool2d, \(1, 5, 12, 12\) float32 on cpu\.\n"
        r"NCHW, 5 of 5 channels, sample 0; from (\S+) to (\S+), mean (\S+), std ([\d.]+); "
        rf"{kind}, color range per channel\.\n"
        r'1 constant \("dead"\) channel: 3\.',
        pool1.data["text/plain"],
    )
    # Channel 3 has no weights, so it is its bias throughout; the others are as they were.
    values[3] = leaky(model.cnn1.bias[3].item())
    figures = [values.min(), values.max(), values.mean(), values.std()]
    np.testing.assert_allclose([float(f) for f in heard.groups()], figures, rtol=5e-3)


def leaky(value):
    return value if value > 0 else value * 0.01


def test_an_overview_is_told_layer_by_layer_and_its_alt_text_in_short(sent):
    (film,) = bundles(sent["an overview"])

    words = film.data["text/plain"].split("\n")
    told = [line.split(",")[0] for line in words if re.search(r"\), (from|all) ", line)]
    assert told == ["cnn1", "act1", "pool1", "flat", "fc1", "act2", "fc2"]
    alt = film.metadata["image/png"]["alt"].split("\n")
    assert alt == words[: len(alt)]
    assert len(alt) == len(words) - len(told)
    assert alt[0].startswith("7 layers; ")


def test_where_there_are_only_words_they_are_printed_and_nothing_is_displayed(sent):
    (output,) = sent["words only"]

    assert re.fullmatch(r"0  Module  \(\) float32 cpu · the single value \S+\n", output.text)


def test_nothing_goes_to_stderr_and_no_stream_has_a_control_code(sent):
    streams = [o for outputs in sent.values() for o in outputs if o.output_type == "stream"]

    assert len(streams) >= len(LOOKS)
    assert {stream.name for stream in streams} == {"stdout"}
    codes = {c for s in streams for c in s.text if unicodedata.category(c)[0] == "C"}
    assert codes == {"\n"}
