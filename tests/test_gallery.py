"""Every picture of the gallery, pixel by pixel, against values computed apart."""

from __future__ import annotations

import sys
from dataclasses import fields
from functools import cache, partial
from pathlib import Path

import numpy as np
import pytest
import torch
from gallery_truth import Picture, Truth, assert_shows
from matplotlib.colors import AsinhNorm, LogNorm, Normalize, SymLogNorm
from PIL import Image
from sklearn.datasets import load_sample_image
from torch.nn import functional

from featmagic.view import View

sys.path.insert(0, str(Path(__file__).parent.parent / "examples"))
import gallery
from gallery import Row

sys.path.pop(0)

ATTENTION = "encoder.layers.encoder_layer_0.self_attention[1]"
# What no row of the gallery shows: the choices that are left.
OTHERS = (
    Row("the largest mean first", "cnn", ("conv",), {"sort": "mean"}),
    Row("the largest value first", "cnn", ("conv",), {"sort": "max"}),
    Row("the widest spread first", "cnn", ("conv",), {"sort": "std"}),
    Row("the largest of all channels", "cnn", ("conv",), {"reduce": "max"}),
    Row("in grey, twice as large, two in a row", "cnn", ("pool",), {"cmap": "gray", "zoom": 2, "ncols": 2}),
    Row("the second sample, given its mean and deviation", "pair", ("pool",), {"sample": "-1", "input": True, "mean": gallery.MEAN, "std": gallery.STD}),
    Row("both signs on the input", "cnn", ("conv",), {"overlay": True, "topk": 2}),
    Row("one slice", "volume", ("0",), {"slice": 2}),
    Row("the mean along the depth", "volume", ("0",), {"slice": "mean"}),
    Row("what all tokens look at", "vit", (ATTENTION,), {"attn": "mean"}),
    Row("what one token looks at", "vit", (ATTENTION,), {"attn": 9}),
    Row("tokens on a grid that is given", "words", ("embedding",), {"grid": (3, 6), "max": 5}),
    Row("tokens behind so many", "words", ("embedding",), {"prefix_tokens": 4, "max": 5}),
    Row("components under a name", "vit", ("encoder",), {"reduce": "pca", "pca_basis": "gallery"}),
)  # fmt: skip
# What no picture can be seen to do.
NOT_PICTURED = {("overview", True): "test_overview.py looks at its pictures"}


@cache
def network(name):
    """A network of the gallery, and what it is given."""
    make, given = gallery.NETWORKS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make().eval(), given()


@cache
def values(name, key):
    """What a layer gave, as float64."""
    return gallery.maps_of(name)[key].double().numpy()


def photograph(name, height, width):
    image = Image.fromarray(load_sample_image(f"{name}.jpg"))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


CHINA = photograph("china", 112, 160)
BOTH = (photograph("china", 112, 112), photograph("flower", 112, 112))


# Ranges


def around(values, center=0.0):
    most = np.abs(values - center).max()
    return Normalize(center - most, center + most)


def own(planes):
    """A range for each: around 0 where the layer has both signs."""
    if planes.min() < 0 < planes.max():
        return [around(plane) for plane in planes]
    return [Normalize(plane.min(), plane.max()) for plane in planes]


def one(planes):
    """One range for all."""
    return [own(planes[None])[0]] * len(planes)


def truth(planes, *facts, norms=None, order=None, **others):
    """A tile for each plane `(P, h, w)` in that order, by default each over its own range."""
    order = range(len(planes)) if order is None else order
    planes = np.asarray(planes)[list(order)]
    norms = norms or own(planes)
    cmap = "RdBu_r" if norms[0].vmin < 0 < norms[0].vmax else "viridis"
    made = {"cmap": cmap, "labels": [str(n) for n in order], "channels": planes, "indices": list(order)}
    return Truth(list(planes), norms, facts, **{**made, **others})


def picture(plane, channels, *facts, **others):
    """One tile for all channels, over one range."""
    made = truth([plane], *facts, norms=one(channels), channels=channels, indices=None)
    made.labels = [""]
    for name, value in others.items():
        setattr(made, name, value)
    return made


def ranked(planes, keys):
    return np.argsort(-keys(planes.reshape(len(planes), -1)), kind="stable")


def components(channels):
    """Three principal components by numpy's SVD, 0 to 1; the largest loading is positive."""
    points = channels.reshape(len(channels), -1).T
    points = points - points.mean(0)
    axes = np.linalg.svd(points, full_matrices=False)[2][:3]
    axes *= np.sign(np.take_along_axis(axes, np.abs(axes).argmax(1)[:, None], 1))
    there = points @ axes.T
    there = (there - there.min(0)) / np.ptp(there, axis=0)
    return there.reshape(*channels.shape[1:], 3)


# Each row, by its title

ROW_OF = {}


def row(title):
    return partial(ROW_OF.setdefault, title)


CNN = "NCHW: 12 of 12 channels, sample 0"
SHARED = {
    "one range for the layer": ("conv", one),
    "a range that is given": ("conv", lambda v: [Normalize(-1, 1)] * 12),
    "a middle that is given": ("relu", lambda v: [around(v, 0.5)] * 12),
    "without the outermost values": (
        "conv",
        lambda v: [around(np.percentile(v, (5, 95), method="nearest"))] * 12,
    ),
    "logarithmic": ("relu", lambda v: [LogNorm(v[v > 0].min(), v.max())] * 12),
    "linear near zero only": (
        "conv",
        lambda v: [
            SymLogNorm(m / 100, 1 - 1 / np.e, -m, m, base=np.e) for m in [np.abs(v).max()]
        ] * 12,
    ),
    "inverse hyperbolic sine": (
        "conv",
        lambda v: [AsinhNorm(m / 100, -m, m) for m in [np.abs(v).max()]] * 12,
    ),
}  # fmt: skip
SAID = {
    "a middle that is given": "RdBu_r centred on 0.5, one",
    "logarithmic": "viridis, log, one",
    "linear near zero only": "RdBu_r centred on 0, symlog, one",
    "inverse hyperbolic sine": "RdBu_r centred on 0, asinh, one",
}
for title, (key, ranges) in SHARED.items():

    @row(title)
    def _(key=key, ranges=ranges, said=SAID.get(title, "range for all")):
        planes = values("cnn", key)[0]
        return truth(planes, CNN, said, norms=ranges(planes))


@row("channels of a convolution, each in its own range")
def _():
    return truth(values("cnn", "conv")[0], CNN, "1 near-duplicate (|r| > 0.99)", "1 dead: 3")


@row("one range for all layers: the ReLU's cut")
def _():
    both = [values("cnn", key)[0] for key in ("conv", "relu")]
    norms = one(np.concatenate(both))[:12]
    return [truth(planes, CNN, "one range for all layers", norms=norms) for planes in both]


KEYS = {
    "the strongest first": ("relu", "by absmean", lambda rows: np.abs(rows).mean(1)),
    "the sparsest first": ("relu", "by sparsity", lambda rows: (rows == 0).mean(1)),
    "the largest mean first": ("conv", "by mean", lambda rows: rows.mean(1)),
    "the largest value first": ("conv", "by max", lambda rows: rows.max(1)),
    "the widest spread first": ("conv", "by std", lambda rows: rows.std(1)),
}
for title, (key, said, keys) in KEYS.items():

    @row(title)
    def _(key=key, said=said, keys=keys):
        planes = values("cnn", key)[0]
        return truth(planes, f"{CNN}, {said}", order=ranked(planes, keys))


@row("the three strongest")
def _():
    planes = values("cnn", "relu")[0]
    order = ranked(planes, lambda rows: np.abs(rows).mean(1))[:3]
    return truth(planes, "3 of 12 channels, sample 0, by absmean", order=order)


@row("those alike side by side")
def _():
    order = order_in_the_picture(gallery.ROWS[ALIKE])
    return truth(values("cnn", "conv")[0], "those alike side by side", order=order)


@row("some channels")
def _():
    return truth(values("cnn", "conv")[0], "3 of 12 channels", "1 dead: 3", order=[2, 9, 3])


def by_sample(planes, *facts, **others):
    """Samples `(S, P, h, w)` as rows; a channel has one range in all of them."""
    count, shared = len(planes), own(planes.swapaxes(0, 1))
    made = truth(planes.reshape(-1, *planes.shape[2:]), *facts, norms=shared * count, **others)
    made.labels = [str(n) for n in range(planes.shape[1])] * count
    made.channels, made.indices = planes.swapaxes(0, 1), None
    made.rows = tuple(f"s{n}" for n in range(count))
    return made


@row("two samples")
def _():
    return by_sample(values("pair", "pool")[:, :6], "NCHW: 6 of 12 channels, samples 0, 1")


@row("two samples beside their inputs")
def _():
    return by_sample(values("pair", "pool"), "12 of 12 channels, samples 0, 1", inputs=BOTH)


@row("the second sample, given its mean and deviation")
def _():
    said = "sample 1", "input un-normalised by --mean and --std"
    return truth(values("pair", "pool")[1], *said, inputs=BOTH[1:])


@row("beside the input")
def _():
    said = "input un-normalised by ImageNet's"
    return truth(values("cnn", "pool")[0], CNN, said, inputs=(CHINA,))


@row("on the input")
def _():
    planes = values("cnn", "pool")[0, :8]
    return truth(planes, "8 of 12 channels", "on the input, alpha 0.7", over=CHINA)


@row("on the input, faintly")
def _():
    planes = values("cnn", "pool")[0]
    order = ranked(planes, lambda rows: np.abs(rows).mean(1))[:4]
    return truth(planes, "on the input, alpha 0.3", order=order, over=CHINA, alpha=0.3)


@row("both signs on the input")
def _():
    planes = values("cnn", "conv")[0]
    order = ranked(planes, lambda rows: np.abs(rows).mean(1))[:2]
    return truth(planes, "2 of 12 channels", order=order, over=CHINA)


@row("in grey, twice as large, two in a row")
def _():
    return truth(values("cnn", "pool")[0], CNN, cmap="gray")


REDUCED = {
    "the mean of all channels": ("relu", "their mean", lambda planes: planes.mean(0)),
    "the largest magnitude": ("conv", "their absmax", lambda planes: np.abs(planes).max(0)),
    "the norm": ("relu", "their norm", lambda planes: np.sqrt((planes**2).sum(0))),
    "the largest of all channels": ("conv", "their max", lambda planes: planes.max(0)),
}
for title, (key, said, way) in REDUCED.items():

    @row(title)
    def _(key=key, said=said, way=way):
        plane = way(values("cnn", key)[0])
        return picture(plane, plane[None], f"NCHW: 12 of 12 channels, {said}, sample 0")


RGB = "3 principal components as red, green, blue"


@row("principal components as colours")
def _():
    planes = values("cnn", "relu")[0]
    return picture(planes[0], planes, CNN, RGB, pixels=[components(planes)], inputs=(CHINA,))


def patches(tokens, height, width):
    """Tokens `(L, C)` behind others as `(C, h, w)`."""
    return tokens[len(tokens) - height * width :].reshape(height, width, -1).transpose(2, 0, 1)


@row("tokens as colours")
def _():
    planes = patches(values("vit", "encoder")[0], 14, 14)
    said = "NLC: 32 of 32 channels, sample 0, 14 × 14 patches", RGB
    return picture(planes[0], planes, *said, pixels=[components(planes)], inputs=BOTH[:1])


@row("components under a name")
def _():
    planes = patches(values("vit", "encoder")[0], 14, 14)
    return picture(planes[0], planes, RGB, pixels=[components(planes)])


@row("channels last")
def _():
    planes = values("swin", "features.1")[0].transpose(2, 0, 1)[:12]
    return truth(planes, "NHWC: 12 of 24 channels, sample 0")


@row("tokens on their patches")
def _():
    tokens = values("vit", "encoder.layers.encoder_layer_1")[0, :, :16]
    said = "NLC: 16 of 32 channels, sample 0, 14 × 14 patches, 1 prefix token in a strip: CLS"
    return truth(patches(tokens, 14, 14), said, strip={"CLS": tokens[0]})


@row("registers, a wide image")
def _():
    tokens = values("registers", "block")[0]
    names = "CLS", "R1", "R2", "R3", "R4"
    said = f"7 × 10 patches, 5 prefix tokens in a strip: {', '.join(names)}"
    strip = dict(zip(names, tokens[:5], strict=True))
    return truth(patches(tokens, 7, 10), said, strip=strip, inputs=(CHINA,))


@row("tokens on a grid that is given")
def _():
    tokens = values("words", "embedding")[0, :, :5]
    return truth(patches(tokens, 3, 6), "3 × 6 patches", strip={"CLS": tokens[0], "R1": tokens[1]})


@row("tokens behind so many")
def _():
    tokens = values("words", "embedding")[0, :, :5]
    strip = {name: tokens[n] for n, name in enumerate(("CLS", "R1", "R2", "R3"))}
    return truth(patches(tokens, 4, 4), "4 × 4 patches, 4 prefix tokens", strip=strip)


@row("attention of each head, query by key")
def _():
    heads = values("vit", ATTENTION)[0]
    halved = np.pad(heads, ((0, 0), (0, 1), (0, 1)), constant_values=np.nan)
    halved = np.nanmean(halved.reshape(4, 99, 2, 99, 2), (2, 4))
    said = "NAQK: 4 of 4 heads, sample 0", "each head", "shrunk: 2 × 2 values averaged"
    made = truth(halved, *said, norms=own(heads), channels=heads)
    made.strengths = [head.max() for head in heads]
    return made


def looked_at(keys, said, **others):
    """Attention `(heads, keys)` on the patches, and what goes to the class token."""
    facts = f"4 of 4 heads, sample 0, {said}, 14 × 14 patches", "each head its own range"
    return truth(patches(keys.T, 14, 14), *facts, strip={"CLS": keys[:, 0]}, **others)


@row("what the class token looks at")
def _():
    return looked_at(values("vit", ATTENTION)[0, :, 0], "query CLS", inputs=BOTH[:1])


@row("what all tokens look at")
def _():
    return looked_at(values("vit", ATTENTION)[0].mean(1), "mean over the queries")


@row("what one token looks at")
def _():
    return looked_at(values("vit", ATTENTION)[0, :, 9], "query 9")


@row("attention between words")
def _():
    return truth(values("words", "attention[1]")[0], "NAQK: 4 of 4 heads", "each head its own")


@row("features of words")
def _():
    tokens = values("words", "embedding")[0]
    said = "NLC: 48 of 48 features, sample 0, 20 tokens down, features across"
    return picture(tokens, tokens.T, said, lines=str)


@row("a signal's channels")
def _():
    signals = values("chirp", "second")[0]
    said = "NCL: 24 of 24 channels, sample 0, channels down, 189 steps across"
    return picture(signals, signals, said, lines=str)


@row("a strip a channel")
def _():
    return truth(values("chirp", "first")[0][:, None], "NCW: 8 of 8 channels, sample 0")


@row("an LSTM's output over time")
def _():
    units = values("lstm", "0[0]")[0].T
    said = "NLC: 16 of 16 units, sample 0, units down, 50 steps across"
    return picture(units, units, said, lines=str)


@row("an LSTM's state")
def _():
    units = values("lstm", "0[1][0]")[:, 0].T
    said = "SNC: 16 of 16 units, sample 0, hidden state, units down, 2 states across"
    return picture(units, units, said, lines=str)


VOLUME = "NCDHW: 4 of 4 channels, sample 0"
ALONG = {
    "a volume, in the middle": ("slice 5 of 10 along depth", lambda v: v[:, 5]),
    "one slice": ("slice 2 of 10 along depth", lambda v: v[:, 2]),
    "the largest value along the depth": ("largest of 10 slices", lambda v: v.max(1)),
    "the mean along the depth": ("mean of 10 slices", lambda v: v.mean(1)),
}
for title, (said, way) in ALONG.items():

    @row(title)
    def _(said=said, way=way):
        return truth(way(values("volume", "0")[0]), f"{VOLUME}, {said}")


@row("all slices")
def _():
    volume = values("volume", "0")[0]
    norms = [norm for norm in own(volume) for _ in range(10)]
    said = "10 of 10 slices, sample 0, 10 slices across, 4 of 4 channels down"
    made = truth(volume.reshape(40, 30, 30), said, norms=norms, rows=tuple("0123"))
    made.labels, made.channels, made.indices = [*"0123456789"] * 4, volume.swapaxes(0, 1), None
    return made


@row("a few features")
def _():
    few = values("head", "6")[0].reshape(10, 1, 1)
    return truth(few, "NC: 10 of 10 values, sample 0", norms=one(few))


@row("many features")
def _():
    many = values("head", "4")[0]
    said = "NC: 144 of 144 values, sample 0"
    return picture(many.reshape(12, 12), many, said, lines=lambda line: str(12 * line))


@row("features of two samples")
def _():
    both = values("head", "4")
    said = "NC: 144 of 144 values, 2 samples down, values across"
    return picture(both, both.T, said, lines="s{}".format)


@row("pooled features")
def _():
    pooled = values("head", "2")[0]
    return truth(pooled, "NCHW: 16 of 16 values, sample 0", norms=one(pooled))


# The tests


def drawn(row):
    return [Picture(*captioned) for captioned in gallery.pictures(row)]


def order_in_the_picture(row):
    """The channels in the order in which their labels stand."""
    (found,) = drawn(row)
    names = [str(n) for n in range(12)]
    strips = [(slice(down.start - 9, down.start), across) for down, across in found.blocks]
    return [int(next(name for name in names if found.says(name, *strip))) for strip in strips]


ALIKE = next(n for n, row in enumerate(gallery.ROWS) if row.view.get("sort") == "similar")
PICTURED = [row for row in (*gallery.ROWS, *OTHERS) if not row.view.get("overview")]


@pytest.mark.parametrize("row", PICTURED, ids=lambda row: row.title)
def test_the_picture_holds_what_its_title_says(row):
    truths = ROW_OF[row.title]()
    truths = truths if isinstance(truths, list) else [truths]
    for found, expected in zip(drawn(row), truths, strict=True):
        assert_shows(found, expected)


@pytest.mark.parametrize("row", PICTURED, ids=lambda row: row.title)
def test_the_caption_begins_with_the_layer_its_class_and_its_shape(row):
    modules = dict(network(row.network)[0].named_modules())
    for key, found in zip(row.layers, drawn(row), strict=True):
        kind = type(modules[key.partition("[")[0]]).__name__
        shape = tuple(gallery.maps_of(row.network)[key].shape)
        assert found.caption.startswith(f"{key}  {kind}  {shape} float32 cpu · ")


def test_every_row_has_a_check_and_its_own_title():
    titles = [row.title for row in (*gallery.ROWS, *OTHERS)]
    assert len(set(titles)) == len(titles)
    assert {row.title for row in PICTURED} == set(ROW_OF)
    assert set(titles) - set(ROW_OF) == {row.title for row in gallery.ROWS if "overview" in row.view}


def choices(option):
    """The words that an option knows, and a number, a text or nothing else where it takes one."""
    words = option.metadata["metavar"].split("|")
    known = {word for word in words if word.islower()} if len(words) > 1 else set()
    placeholder = {"VALUE"} if set(words) - known else set()
    return (known | placeholder) if words != [""] else {True}


def test_every_choice_of_every_option_is_in_a_row():
    there = set(NOT_PICTURED)
    for option in fields(View):
        known = choices(option)
        for row in PICTURED:
            value = row.view.get(option.name, option.default)
            there.add((option.name, value if value in known else value is not None and "VALUE"))
    plain = {("scale", "channel")}  # of grids, where nothing is said
    wanted = {(option.name, choice) for option in fields(View) for choice in choices(option)}
    assert wanted - there - plain == set()


def test_the_overview_is_there_and_is_a_picture():
    (row,) = (row for row in gallery.ROWS if row.view.get("overview"))
    for found in drawn(row):
        assert found.image.format == "PNG"
        assert found.blocks


def test_neighbours_in_an_order_by_likeness_are_alike_and_stay_so():
    row = gallery.ROWS[ALIKE]
    order = order_in_the_picture(row)
    assert sorted(order) == list(range(12))
    assert order[-1] == 3  # the dead one is like nothing
    r = np.corrcoef(np.delete(values("cnn", "conv")[0].reshape(12, -1), 3, 0))
    known = [n - (n > 3) for n in order[:-1]]
    by_index = np.diagonal(r, 1).mean()
    assert np.mean([r[a, b] for a, b in zip(known, known[1:], strict=False)]) > by_index + 0.1
    assert abs(order.index(5) - order.index(8)) == 1  # the double
    gallery.maps_of.cache_clear()
    assert order_in_the_picture(row) == order


# What the layers gave is what the networks compute


def assert_gave(name, expected):
    for key, tensor in expected.items():
        torch.testing.assert_close(gallery.maps_of(name)[key], tensor, msg=lambda text: f"{key}: {text}")


@torch.no_grad()
@pytest.mark.parametrize("name", ["cnn", "pair"])
def test_the_convolution_gave_what_it_computes_before_its_relu_works_in_place(name):
    model, x = network(name)
    conv = functional.conv2d(x, model.conv.weight, model.conv.bias, 2, 3)
    relu = conv.clamp(min=0)
    pool = relu.unfold(2, 2, 2).unfold(3, 2, 2).amax((-1, -2))
    assert_gave(name, {"conv": conv, "relu": relu, "pool": pool})


@torch.no_grad()
@pytest.mark.parametrize(
    ("name", "path", "heads"),
    [("vit", "encoder.layers.encoder_layer_0.self_attention", 4), ("words", "attention", 4)],
)
def test_attention_is_the_softmax_of_queries_and_keys(name, path, heads):
    model, x = network(name)
    seen, module = [], model.get_submodule(path)
    with module.register_forward_pre_hook(lambda _, args: seen.append(args[0])):
        model(x)
    both = seen[0] @ module.in_proj_weight.T + module.in_proj_bias
    query, key = (part.unflatten(2, (heads, -1)).swapaxes(1, 2) for part in both.chunk(3, 2)[:2])
    weights = (query @ key.mT / query.shape[-1] ** 0.5).softmax(-1)
    assert_gave(name, {f"{path}[1]": weights})


@torch.no_grad()
def test_recurrent_volume_signal_and_word_layers_gave_what_they_compute():
    (lstm, x), (volume, ball) = network("lstm"), network("volume")
    output, (hidden, _) = lstm[0](x)
    assert_gave("lstm", {"0[0]": output, "0[1][0]": hidden})
    assert_gave("volume", {"0": functional.conv3d(ball, volume[0].weight, volume[0].bias)})
    chirp, tone = network("chirp")
    first = functional.conv1d(tone, chirp.first.weight, chirp.first.bias)
    second = functional.conv1d(first.relu(), chirp.second.weight, chirp.second.bias, 2)
    assert_gave("chirp", {"first": first, "second": second})
    words, sentence = network("words")
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
    model, x = network(name)
    seen = {}
    hooks = [
        model.get_submodule(path).register_forward_hook(
            lambda _module, _args, output, path=path: seen.update({path: output})
        )
        for path in paths
    ]
    model(x)
    for hook in hooks:
        hook.remove()
    assert_gave(name, seen)
