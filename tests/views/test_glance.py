"""Feature maps as the value of a cell: in notebooks, in terminals, and in marimo."""

from __future__ import annotations

import base64
import gc
import io
import re
import subprocess
import sys
import weakref

import numpy as np
import pytest
import torch
from helpers.kernels import Kernel
from helpers.rare_tensors import KINDS, made
from matplotlib import colormaps
from PIL import Image
from torch import nn

import featmagic
from featmagic import FeatureMaps
from featmagic.recording.records import Activation
from featmagic.views.glance import EMPTY, Glance

PAPERS = {"light": (255, 255, 255), "dark": (17, 17, 17)}  # JupyterLab's


@pytest.fixture
def maps(model, x):
    with featmagic.capture(model, "cnn1", "act1", "fc2") as maps:
        model(x)
    return maps


def glance_of(*tensors, **names):
    named = {**{str(n): t for n, t in enumerate(tensors)}, **names}
    return Glance(tuple(Activation(k, k, "Layer", 1, t) for k, t in named.items()))


def picture(glance):
    kind, html = glance.html()
    assert kind == "text/html"
    data = base64.b64decode(re.search(r"base64,([^\"]+)\"", html)[1])
    return Image.open(io.BytesIO(data))


@pytest.fixture(scope="module")
def kernel():
    kernel = Kernel()
    kernel.good(
        "%load_ext featmagic\nimport torch, featmagic\nfrom torch import nn\n"
        "net = nn.Sequential(nn.Conv2d(1, 5, 5), nn.ReLU())\nx = torch.rand(2, 1, 28, 28)\n"
        "with featmagic.capture(net) as maps:\n    net(x)"
    )
    yield kernel
    kernel.stop()


def value_of(kernel, cell):
    (message,) = [o for o in kernel.good(cell).outputs if o["output_type"] == "execute_result"]
    return message


def test_what_has_not_been_captured_says_how_to(maps):
    empty = FeatureMaps()
    assert "Nothing has been captured yet. Run %featuremaps MODEL ... -- model(x)." in repr(empty)
    assert EMPTY in empty._mime_()[1]
    assert empty._mime_()[0] == "text/plain"
    data, metadata = empty._repr_mimebundle_()
    assert EMPTY in data["text/plain"]
    assert metadata == {}


def test_the_table_tells_what_differs_from_most_layers():
    text = glance_of(
        torch.rand(1, 2),
        torch.rand(1, 2),
        half=torch.rand(3).half(),
        far=torch.rand(2, device="meta"),
    ).text
    head, *rows = text.splitlines()
    assert head == "FeatureMaps: 4 layers · 30 B · float32 · cpu"
    assert rows[0] == "  0     Layer  (1, 2)"
    assert rows[2].split() == ["half", "Layer", "(3,)", "float16"]
    assert rows[3].split() == ["far", "Layer", "(2,)", "meta"]


def test_hostile_names_are_spelled_out_and_shortened():
    glance = glance_of(
        **{"a\x1b[2J\n": torch.rand(2), "w" * 9000: torch.rand(2), "特徴": torch.rand(2)}
    )
    assert "\x1b" not in glance.text
    assert len(glance.text.splitlines()) == 4
    assert max(map(len, glance.text.splitlines())) < 120
    assert picture(glance).width == 2 * 1000
    kind, html = glance_of(**{'"><script>alert(1)</script>': torch.rand(2)}).html()
    assert kind == "text/html"
    assert "<script" not in html


def test_many_layers_are_cut_short_and_the_overview_is_named():
    glance = glance_of(*[torch.rand(1, 2, 4, 4)] * 500)
    assert glance.text.splitlines()[-1] == (
        "  … 480 more layers; %featuremaps feature_maps --overview shows all"
    )
    assert len(glance.text.splitlines()) == 22
    assert picture(glance).height < 2 * 700


def test_what_gave_nothing_is_counted(model, x):
    net = nn.Sequential(nn.ReLU(), nn.ModuleList())
    with featmagic.capture(net, "0", "1") as maps:
        net[0](x)
    assert repr(maps).splitlines()[-1] == "  1 layer without output: feature_maps.missing says why"


def test_a_thumbnail_has_the_colors_of_its_values_and_the_gaps_are_transparent():
    values = torch.rand(1, 3, 28, 28) + 1
    shown = np.asarray(picture(glance_of(values)).convert("RGBA")).astype(int)
    opaque = shown[..., 3] == 255
    rows = [row for row in range(len(shown)) if opaque[row, 336:392].all()]
    assert len(rows) == 56  # 28 values, two pixels each
    first = shown[rows[0] : rows[-1] + 1 : 2, 336 : 336 + 56 : 2]
    plane = values[0, 0].numpy()
    plane = (plane - plane.min()) / (plane.max() - plane.min())
    truth = colormaps["viridis"](plane)[..., :3] * 255
    assert np.abs(first[..., :3] - truth).max() < 12  # a palette of 120 levels
    assert np.abs(first[..., :3] - truth).mean() < 2
    assert (shown[rows[0] : rows[-1], 336 + 56 : 336 + 60, 3] == 0).all()
    assert (shown[rows[0] : rows[-1], 336 + 3 * 60 : 820, 3] == 0).all()


@pytest.mark.parametrize("paper", PAPERS)
def test_its_words_have_contrast_on_light_and_dark_pages(paper):
    def luminance(color):
        linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in color]
        return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))

    shown = np.asarray(picture(glance_of(torch.rand(3))).convert("RGBA"))
    words = shown[:, 850:]
    ink = words[words[..., 3] > 250][:, :3]
    assert len(ink)
    one, other = luminance(ink.mean(0) / 255), luminance(np.array(PAPERS[paper]) / 255)
    assert (max(one, other) + 0.05) / (min(one, other) + 0.05) > 4


@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_of_tensor_that_can_be_captured_has_a_row(kind):
    if (tensor := made(kind)) is None:
        pytest.skip("this torch has none")
    if kind == "refusing":
        pytest.skip("it can't be copied, so it is never captured")
    glance = glance_of(torch.rand(3), rare=tensor)
    assert glance.text.splitlines()[2].startswith("  rare  Layer")
    picture(glance)


def test_nothing_of_it_is_kept_and_nothing_is_changed(model, x):
    with featmagic.capture(model, "cnn1", "act1") as maps:
        model(x)
    before = {key: value.clone() for key, value in maps.items()}
    versions = [value._version for value in maps.values()]
    maps._mime_()
    assert all(torch.equal(maps[key], value) for key, value in before.items())
    assert [value._version for value in maps.values()] == versions
    gone = weakref.ref(maps["cnn1"])
    del maps, before
    gc.collect()
    assert gone() is None


def test_a_notebook_shows_a_png_with_its_size_and_the_table_as_text(kernel):
    message = value_of(kernel, "maps")
    data, metadata = message["data"], message["metadata"]["image/png"]
    assert set(data) == {"image/png", "text/plain"}
    image = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert image.size == (2 * metadata["width"], 2 * metadata["height"])
    assert image.mode == "P"
    assert data["text/plain"].splitlines()[1] == "  0  Conv2d  (2, 5, 24, 24)"
    assert metadata["alt"].startswith("FeatureMaps: 2 layers; 46.1 kB; float32; cpu.")


def test_printing_it_is_text_in_a_notebook_too(kernel):
    outputs = kernel.good("print(maps)").outputs
    assert any("Conv2d  (2, 5, 24, 24)" in str(output) for output in outputs)
    assert "image/png" not in str(outputs)


def test_a_terminal_shows_the_table(shell):
    shell.run("import featmagic\nwith featmagic.capture(model, 'cnn1') as maps:\n    model(x)")
    formatted, metadata = shell.ip.display_formatter.format(shell.names["maps"])
    assert set(formatted) == {"text/plain"}
    assert formatted["text/plain"] == repr(shell.names["maps"])
    assert not metadata


def test_without_ipython_its_text_is_the_table():
    code = (
        "import featmagic, torch; from torch import nn\n"
        "net = nn.Sequential(nn.Conv2d(1, 5, 5))\n"
        "with featmagic.capture(net) as maps: net(torch.zeros(1, 1, 8, 8))\n"
        "print(maps)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[1] == "  0  Conv2d  (1, 5, 4, 4)"
