"""Every picture of the gallery, pixel by pixel, against values computed apart."""

from __future__ import annotations

import html
from dataclasses import fields
from itertools import pairwise

import numpy as np
import pytest
import torch
from helpers.gallery_pictures import Picture, assert_shows
from helpers.gallery_truth import TRUTHS, gallery, gave, network
from torch.nn import functional

from featmagic.options.view import View

OVERVIEWS = [row for row in gallery.ROWS if row.view.get("overview")]
(STRANGE,) = (row for row in gallery.ROWS if "no number" in row.title)
ROWS = [row for row in gallery.ROWS if row not in (*OVERVIEWS, STRANGE)]
(ALIKE,) = (row for row in ROWS if row.view.get("sort") == "similar")
BY_TITLE = {"ids": lambda row: row.title}
# A choice that no row has to name, and why.
PLAIN = {
    ("scale", "channel"): "what grids do where nothing is said",
    ("overview", True): "its own test looks at it",
}


def drawn(row):
    return [Picture(*captioned) for captioned in gallery.pictures(row)]


def order_of(row):
    """The channels in the order in which their labels stand in the picture."""
    (found,) = drawn(row)
    above = [(slice(down.start - 26, down.start), across) for down, across in found.blocks]
    return [next(n for n in range(12) if found.says(str(n), *place)) for place in above]


@pytest.mark.parametrize("row", ROWS, **BY_TITLE)
def test_the_picture_and_its_caption_hold_what_the_title_says(row):
    truths = TRUTHS[row.title](*([order_of(row)] if row is ALIKE else []))
    truths = truths if isinstance(truths, list) else [truths]
    modules = dict(network(row.network)[0].named_modules())
    for key, found, truth in zip(row.layers, drawn(row), truths, strict=True):
        assert_shows(found, truth)
        kind = type(modules[key.partition("[")[0]]).__name__
        shape = tuple(gallery.maps_of(row.network)[key].shape)
        assert found.caption.startswith(f"{key}  {kind}  {shape} float32 cpu")


def test_every_row_has_a_title_and_a_truth_of_its_own():
    titles = [row.title for row in ROWS]
    assert len(set(titles)) == len(titles)
    assert set(titles) == set(TRUTHS)


# How a screen is drawn on isn't seen in a page's pictures.
SHOWN = ("renderer", "rows", "explore", "max_bytes", "title")  # what changes no tile
DRAWN = [option for option in fields(View) if option.name not in SHOWN]


def choices(option):
    """The words that an option knows, and VALUE where it takes others."""
    words = option.metadata["metavar"].split("|")
    known = {word for word in words if word.islower()} if len(words) > 1 else set()
    return {True} if words == [""] else known | ({"VALUE"} if set(words) - known else set())


def test_every_choice_of_every_option_is_in_a_row():
    there = set(PLAIN)
    for option in fields(View):
        for value in (row.view.get(option.name, option.default) for row in ROWS):
            if value is not None:
                there.add((option.name, value if value in choices(option) else "VALUE"))
    wanted = {(option.name, choice) for option in DRAWN for choice in choices(option)}
    assert wanted - there == set()


@pytest.mark.parametrize("row", OVERVIEWS, **BY_TITLE)
def test_an_overview_has_a_row_for_each_layer(row):
    (found,) = drawn(row)
    lines = found.caption.splitlines()
    for key in gallery.maps_of(row.network):
        assert any(line.startswith(f"{key} ") for line in lines)
    assert ("first NaN: 1" in found.caption) == (row.network == "logarithm")
    assert found.blocks


def test_nan_and_infinities_have_their_loud_colors_and_shapes_and_no_other_value_has():
    ((caption, data),) = gallery.pictures(STRANGE)
    values = gallery.maps_of(STRANGE.network)["1"][0].double().numpy()
    count, height, width = values.shape
    found = Picture(caption, data)
    zoom = (found.blocks[0][0].stop - found.blocks[0][0].start) // height
    blocks = np.stack([found.rgb[box] for box in found.blocks]).astype(int)
    blocks = blocks.reshape(count, height, zoom, width, zoom, 3).transpose(0, 1, 3, 2, 4, 5)
    rows, columns = np.indices((zoom, zoom))
    cross = np.abs(rows - columns) <= zoom // 12
    for color, is_there, there in (
        ((255, 0, 255), lambda mark: mark[cross & cross[::-1]].all(), np.isnan(values)),
        ((0, 200, 255), lambda mark: mark[: zoom // 2].sum() > mark.sum() / 2, values == -np.inf),
        ((255, 120, 0), lambda mark: mark[: zoom // 2].sum() < mark.sum() / 2, values == np.inf),
    ):
        for block in blocks[there]:
            black = (block == 0).all(-1)
            assert (black | (block == color).all(-1)).all()
            assert is_there(black)
            assert 0.05 < black.mean() < 0.5
        assert not (blocks[~there] == color).all(-1).any()
    finite = blocks[np.isfinite(values)]
    assert (finite == finite[:, :1, :1]).all()
    assert f"{np.isnan(values).sum()} NaN, {np.isinf(values).sum()} inf" in caption


@pytest.mark.parametrize("ground", ["light", "dark"])
def test_the_page_has_every_row_with_its_pictures(ground, pages):
    text = (pages / f"gallery-{ground}.html").read_text(encoding="utf-8")
    assert gallery.STYLE[ground] in text
    rows = (*gallery.ROWS, *gallery.STRIPS)
    for row in gallery.ROWS:
        assert html.escape(row.title) in text
        for caption, data in gallery.pictures(row):
            assert html.escape(caption) in text
            assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert text.count("<img src=") == sum(len(gallery.pictures(row)) for row in rows)


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    folder = tmp_path_factory.mktemp("gallery")
    gallery.main(folder)
    return folder


def test_an_order_by_likeness_has_alike_channels_as_neighbors_and_stays_so():
    order = order_of(ALIKE)
    assert sorted(order) == list(range(12))
    assert order[-1] == 3  # the dead one is like nothing
    with np.errstate(invalid="ignore"):
        r = np.corrcoef(gave("cnn", "conv")[0].reshape(12, -1))
    by_index = np.nanmean([r[pair] for pair in pairwise(range(12))])
    assert np.mean([r[pair] for pair in pairwise(order[:-1])]) > by_index + 0.1
    assert (5, 8) in [tuple(sorted(pair)) for pair in pairwise(order)]  # the double
    gallery.maps_of.cache_clear()
    assert order_of(ALIKE) == order


# What the layers gave is what the networks compute


def assert_gave(name, expected):
    for key, tensor in expected.items():
        torch.testing.assert_close(gallery.maps_of(name)[key], tensor)


@torch.no_grad()
@pytest.mark.parametrize("name", ["cnn", "pair"])
def test_a_convolution_gave_what_it_computes_before_its_relu_works_in_place(name):
    model, x = network(name)
    conv = functional.conv2d(x, model.conv.weight, model.conv.bias, 2, 3)
    relu = conv.clamp(min=0)
    pool = relu.unfold(2, 2, 2).unfold(3, 2, 2).amax((-1, -2))
    assert_gave(name, {"conv": conv, "relu": relu, "pool": pool})


def hooked(name, *paths):
    """What the modules at these paths are given and return in a pass, by hooks of our own."""
    model, x = network(name)
    given, returned = {}, {}

    def hook(module, args, output):
        given[module], returned[module] = args, output

    hooks = [model.get_submodule(path).register_forward_hook(hook) for path in paths]
    model(x)
    for one in hooks:
        one.remove()
    modules = {path: model.get_submodule(path) for path in paths}
    return {path: (module, given[module], returned[module]) for path, module in modules.items()}


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "path"),
    [("vit", "encoder.layers.encoder_layer_0.self_attention"), ("words", "attention")],
)
def test_attention_is_the_softmax_of_queries_times_keys(name, path):
    module, (tokens, *_), _ = hooked(name, path)[path]
    projected = tokens @ module.in_proj_weight.T + module.in_proj_bias
    by_head = [part.unflatten(2, (4, -1)).swapaxes(1, 2) for part in projected.chunk(3, 2)]
    query, key, _ = by_head
    weights = (query @ key.mT / query.shape[-1] ** 0.5).softmax(-1)
    assert_gave(name, {f"{path}[1]": weights})


@torch.no_grad()
def test_signals_volumes_and_words_gave_what_they_compute():
    (chirp, tone), (volume, ball), (words, sentence) = map(network, ("chirp", "volume", "words"))
    first = functional.conv1d(tone, chirp.first.weight, chirp.first.bias)
    second = functional.conv1d(first.relu(), chirp.second.weight, chirp.second.bias, 2)
    assert_gave("chirp", {"first": first, "second": second})
    assert_gave("volume", {"0": functional.conv3d(ball, volume[0].weight, volume[0].bias)})
    assert_gave("words", {"embedding": words.embedding.weight[sentence]})


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "paths"),
    [
        ("swin", ["features.1"]),
        ("vit", ["encoder", "encoder.layers.encoder_layer_1"]),
        ("registers", ["block"]),
        ("head", ["2", "4", "6"]),
    ],
)
def test_other_layers_gave_what_a_hook_sees(name, paths):
    assert_gave(name, {path: output for path, (*_, output) in hooked(name, *paths).items()})


@torch.no_grad()
def test_a_recurrent_layer_gave_its_output_and_its_state():
    _, _, (output, (hidden, _)) = hooked("lstm", "0")["0"]
    assert_gave("lstm", {"0[0]": output, "0[1][0]": hidden})
