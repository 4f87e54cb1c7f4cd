"""What each picture of the gallery must hold, by its row's title, computed apart."""

from __future__ import annotations

import sys
from functools import cache
from pathlib import Path

import numpy as np
import torch
from matplotlib.colors import AsinhNorm, LogNorm, Normalize, SymLogNorm
from PIL import Image
from sklearn.datasets import load_sample_image

from helpers.gallery_pictures import Truth

sys.path.insert(0, str(Path(__file__).parents[2] / "examples"))
import gallery

sys.path.pop(0)

ATTENTION = "encoder.layers.encoder_layer_0.self_attention[1]"
BLOCK = "encoder.layers.encoder_layer_1"
# The choices that no row of the gallery has.


@cache
def gave(network, key):
    """What a layer gave, as float64."""
    return gallery.maps_of(network)[key].double().numpy()


def photograph(name, height, width):
    image = Image.fromarray(load_sample_image(f"{name}.jpg"))
    return np.asarray(image.resize((width, height), Image.Resampling.BILINEAR))


CHINA = photograph("china", 112, 160)
PAIR = (photograph("china", 112, 112), photograph("flower", 112, 112))


def conv():
    return gave("cnn", "conv")[0]


def relu():
    return gave("cnn", "relu")[0]


def pool():
    return gave("cnn", "pool")[0]


# Ranges


def around(values, center=0.0):
    most = np.abs(values - center).max()
    return Normalize(center - most, center + most)


def own(planes):
    """A range for each: around 0 where the layer has both signs."""
    if planes.min() < 0 < planes.max():
        return [around(plane) for plane in planes]
    return [Normalize(plane.min(), plane.max()) for plane in planes]


def symlog(values):
    most = np.abs(values).max()
    return SymLogNorm(most / 100, 1 - 1 / np.e, -most, most, base=np.e)


def asinh(values):
    most = np.abs(values).max()
    return AsinhNorm(most / 100, -most, most)


# Pictures


def grid(planes, *facts, order=None, **others):
    """A tile for each plane `(P, h, w)`, in that order, each over its own range."""
    order = list(range(len(planes)) if order is None else order)
    planes = np.asarray(planes)[order]
    norms = others.pop("norms", None) or own(planes)
    made = {
        "cmap": "RdBu_r" if norms[0].vmin < 0 < norms[0].vmax else "viridis",
        "labels": list(map(str, order)),
        "channels": planes,
        "indices": order,
    }
    return Truth(list(planes), norms, facts, **made | others)


def shared(planes, norm, *facts):
    return grid(planes, *facts, norms=[norm] * len(planes))


def sorted_by(planes, by, keys, count=12, **others):
    order = np.argsort(-keys(planes.reshape(len(planes), -1)), kind="stable")
    fact = f"{count} of 12 channels, sample 0, by {by}"
    return grid(planes, fact, order=order[:count].tolist(), **others)


def absmean(rows):
    return np.abs(rows).mean(1)


def single(plane, channels, *facts, **others):
    """One tile that holds all channels, over one range."""
    norms, labels = own(channels[None]), [""]
    made = {"norms": norms, "labels": labels, "channels": channels, "indices": None}
    return grid(plane[None], *facts, **made | others)


def reduced(plane, how):
    return single(plane, plane[None], f"NCHW, 12 of 12 channels, their {how}, sample 0")


def by_sample(planes, *facts, order=None, strip=None, named="s{}", first=0, **others):
    """Samples `(S, P, h, w)` as rows; a channel has one range in all of them."""
    count, channels = len(planes), planes.swapaxes(0, 1)
    labels = [str(n) for n in order or range(len(channels))] * count
    made = {
        "norms": own(channels) * count,
        "channels": channels,
        "indices": order,
        "labels": labels,
    }
    rows, tiles = (
        tuple(named.format(first + n) for n in range(count)),
        planes.reshape(-1, *planes.shape[2:]),
    )
    return grid(tiles, *facts, rows=rows, strip=strip or {}, **made | others)


def in_turn():
    """What the pool gave in each pass, as float64."""
    passes = gallery.maps_of("in turn").passes
    return np.stack([one["pool"][0].double().numpy() for one in passes])


def by_pass(planes, *facts, **others):
    return by_sample(planes, "passes 1, 2 of 2", *facts, named="pass {}", first=1, **others)


def components(channels):
    """Three principal components by numpy's SVD, 0 to 1; the largest loading is positive."""
    points = channels.reshape(len(channels), -1).T
    points = points - points.mean(0)
    axes = np.linalg.svd(points, full_matrices=False)[2][:3]
    axes *= np.sign(np.take_along_axis(axes, np.abs(axes).argmax(1)[:, None], 1))
    there = points @ axes.T
    there = (there - there.min(0)) / np.ptp(there, axis=0)
    return there.reshape(*channels.shape[1:], 3)


def in_colors(channels, *facts, **others):
    said = "3 principal components as red, green, blue"
    return single(channels[0], channels, said, *facts, pixels=[components(channels)], **others)


def patches(tokens, height, width):
    """The last tokens of `(L, C)` as `(C, h, w)`."""
    return tokens[len(tokens) - height * width :].reshape(height, width, -1).transpose(2, 0, 1)


def prefix(tokens, count):
    """The first tokens by name."""
    return dict(zip(("CLS", "R1", "R2", "R3", "R4"), tokens[:count], strict=False))


def on_patches(tokens, size, count, *facts, **others):
    said = f"{size[0]} × {size[1]} patches, {', '.join(prefix(tokens, count))} in a strip"
    return grid(patches(tokens, *size), said, *facts, strip=prefix(tokens, count), **others)


def heads():
    return gave("vit", ATTENTION)[0]


def looked_at(keys, said, **others):
    """Attention `(heads, keys)` on the patches, and what goes to the class token."""
    facts = f"NAQK, 4 of 4 heads, sample 0, {said}", "color range per head"
    return on_patches(keys.T, (14, 14), 1, *facts, **others)


def volume():
    return gave("volume", "0")[0]


def montage():
    """A channel a row, a slice a column."""
    norms = [norm for norm in own(volume()) for _ in range(10)]
    said = "NCDHW, 10 of 10 slices, sample 0, 4 of 4 channels down"
    labels, rows = [*"0123456789"] * 4, tuple("0123")
    made = {"labels": labels, "rows": rows, "channels": volume().swapaxes(0, 1), "indices": None}
    return grid(volume().reshape(40, 30, 30), said, norms=norms, **made)


CNN = "NCHW, 12 of 12 channels, sample 0"
VOLUME = "NCDHW, 4 of 4 channels, sample 0"
LEFT = "14 × 14 patches, CLS left out"
IMAGENETS = "input shown with ImageNet normalization undone"

TRUTHS = {
    "channels of a convolution, each in its own range": lambda: grid(
        conv(), CNN, "1 near-duplicate (|r| > 0.99)", '1 constant ("dead") channel: 3'
    ),
    "one range for the layer": lambda: shared(conv(), around(conv()), CNN),
    "one range for all layers: the ReLU's cut": lambda: [
        shared(planes, around(conv()), CNN, "shared color range across all layers")
        for planes in (conv(), relu())
    ],
    "a range that is given": lambda: shared(conv(), Normalize(-1, 1), CNN),
    "a middle that is given": lambda: shared(
        relu(), around(relu(), 0.5), "RdBu_r centered on 0.5, shared"
    ),
    "without the outermost values": lambda: shared(
        conv(), around(np.percentile(conv(), (5, 95), method="nearest")), CNN
    ),
    "logarithmic": lambda: shared(
        relu(), LogNorm(relu()[relu() > 0].min(), relu().max()), "viridis, log norm, shared"
    ),
    "linear near zero only": lambda: shared(
        conv(), symlog(conv()), "centered on 0, symlog norm, shared"
    ),
    "inverse hyperbolic sine": lambda: shared(
        conv(), asinh(conv()), "centered on 0, asinh norm, shared"
    ),
    "the strongest first": lambda: sorted_by(relu(), "absmean", absmean),
    "the sparsest first": lambda: sorted_by(relu(), "sparsity", lambda rows: (rows == 0).mean(1)),
    "the largest mean first": lambda: sorted_by(conv(), "mean", lambda rows: rows.mean(1)),
    "the largest value first": lambda: sorted_by(conv(), "max", lambda rows: rows.max(1)),
    "the widest spread first": lambda: sorted_by(conv(), "std", lambda rows: rows.std(1)),
    "the three strongest": lambda: sorted_by(relu(), "absmean", absmean, 3),
    "similar ones side by side": lambda order: grid(
        conv(), f"{CNN}, similar ones side by side", order=order
    ),
    "some channels": lambda: grid(
        conv(), "3 of 12 channels", '1 constant ("dead") channel: 3', order=[2, 9, 3]
    ),
    "two samples": lambda: by_sample(
        gave("pair", "pool")[:, :6], "NCHW, 6 of 12 channels, samples 0, 1"
    ),
    "two samples beside their inputs": lambda: by_sample(
        gave("pair", "pool"), "NCHW, 12 of 12 channels, samples 0, 1", IMAGENETS, inputs=PAIR
    ),
    "two passes": lambda: by_pass(in_turn()[:, :6], "NCHW, 6 of 12 channels, sample 0"),
    "two passes beside their inputs": lambda: by_pass(in_turn(), IMAGENETS, inputs=PAIR),
    "the first pass": lambda: grid(in_turn()[0], "pass 1 of 2", CNN),
    "the last pass": lambda: grid(in_turn()[1], "pass 2 of 2", CNN),
    "sample 1": lambda: grid(
        gave("pair", "pool")[1], "sample 1", "shown with --mean and --std undone", inputs=PAIR[1:]
    ),
    "beside the input": lambda: grid(pool(), CNN, IMAGENETS, inputs=[CHINA]),
    "on the input": lambda: grid(pool()[:8], "8 of 12", "over the input, alpha 0.7", over=CHINA),
    "on the input, faintly": lambda: sorted_by(
        pool(), "absmean", absmean, 4, over=CHINA, alpha=0.3
    ),
    "both signs on the input": lambda: sorted_by(conv(), "absmean", absmean, 2, over=CHINA),
    "in gray, by threes": lambda: grid(pool(), CNN, cmap="gray"),
    "the mean of all channels": lambda: reduced(relu().mean(0), "mean"),
    "the largest magnitude": lambda: reduced(np.abs(conv()).max(0), "absmax"),
    "the norm": lambda: reduced(np.sqrt((relu() ** 2).sum(0)), "norm"),
    "the largest of all channels": lambda: reduced(conv().max(0), "max"),
    "principal components as colors": lambda: in_colors(relu(), CNN, inputs=[CHINA]),
    "tokens as colors": lambda: in_colors(
        patches(gave("vit", "encoder")[0], 14, 14), "NLC, 32 of 32 channels", LEFT, inputs=PAIR[:1]
    ),
    "named components": lambda: in_colors(patches(gave("vit", "encoder")[0], 14, 14), LEFT),
    "channels last": lambda: grid(
        gave("swin", "features.1")[0].transpose(2, 0, 1)[:12], "NHWC, 12 of 24 channels, sample 0"
    ),
    "tokens on their patches": lambda: on_patches(
        gave("vit", BLOCK)[0, :, :16], (14, 14), 1, "NLC, 16 of 32 channels, sample 0"
    ),
    "registers, a wide image": lambda: on_patches(
        gave("registers", "block")[0], (7, 10), 5, IMAGENETS, inputs=[CHINA]
    ),
    "tokens on a given grid": lambda: on_patches(gave("words", "embedding")[0, :, :5], (3, 6), 2),
    "tokens behind four": lambda: on_patches(gave("words", "embedding")[0, :, :5], (4, 4), 4),
    "tokens of two samples": lambda: by_sample(
        np.stack([patches(tokens, 14, 14) for tokens in gave("vit", BLOCK)[..., [1, 0]]]),
        "NLC, 2 of 32 channels, samples 0, 1",
        order=[1, 0],
        strip={f"s{n} CLS": tokens[0] for n, tokens in enumerate(gave("vit", BLOCK)[..., [1, 0]])},
    ),
    "attention of each head, query by key": lambda: grid(heads(), "NAQK, 4 of 4 heads, sample 0"),
    "what the class token looks at": lambda: looked_at(heads()[:, 0], "query CLS", inputs=PAIR[:1]),
    "what all tokens look at": lambda: looked_at(heads().mean(1), "mean over the queries"),
    "what one token looks at": lambda: looked_at(heads()[:, 9], "query 9"),
    "attention between words": lambda: grid(
        gave("words", "attention[1]")[0], "NAQK, 4 of 4 heads", "color range per head"
    ),
    "features of words": lambda: single(
        *(gave("words", "embedding")[0], gave("words", "embedding")[0].T),
        "NLC, 48 of 48 features, sample 0, 20 tokens down, features across",
        lines=str,
        axes=("token", "unit"),
    ),
    "a signal's channels": lambda: single(
        *[gave("chirp", "second")[0]] * 2,
        "NCL, 24 of 24 channels, sample 0, channels down, 189 steps across",
        lines=str,
        axes=("channel", "step"),
    ),
    "a strip a channel": lambda: grid(gave("chirp", "first")[0][:, None], "NCW, 8 of 8 channels"),
    "an LSTM's output over time": lambda: single(
        *[gave("lstm", "0[0]")[0].T] * 2,
        "NLC, 16 of 16 units, sample 0, units down, 50 steps across",
        lines=str,
        axes=("unit", "step"),
    ),
    "an LSTM's state": lambda: single(
        *[gave("lstm", "0[1][0]")[:, 0].T] * 2,
        "SNC, 16 of 16 units, sample 0, hidden state, units down, 2 states across",
        lines=str,
        axes=("unit", "state"),
    ),
    "a volume, in the middle": lambda: grid(volume()[:, 5], f"{VOLUME}, slice 5 of 10 along depth"),
    "one slice": lambda: grid(volume()[:, 2], f"{VOLUME}, slice 2 of 10 along depth"),
    "the largest value along the depth": lambda: grid(
        volume().max(1), f"{VOLUME}, largest of 10 slices"
    ),
    "the mean along the depth": lambda: grid(volume().mean(1), f"{VOLUME}, mean of 10 slices"),
    "all slices": montage,
    "a few features": lambda: shared(
        *(gave("head", "6")[0].reshape(10, 1, 1), around(gave("head", "6")[0])),
        "NC, 10 of 10 values, sample 0",
    ),
    "many features": lambda: single(
        *(gave("head", "4")[0].reshape(4, 32), gave("head", "4")[0]),
        "NC, 128 of 128 values, sample 0",
        lines=lambda line: str(32 * line),
    ),
    "features of two samples": lambda: single(
        gave("head", "4"),
        gave("head", "4").T,
        "samples 0, 1",
        "values across",
        lines="s{}".format,
        axes=("", "unit"),
    ),
    "pooled features": lambda: shared(
        gave("head", "2")[0], own(gave("head", "2")[:1])[0], "NCHW, 16 of 16 values, sample 0"
    ),
}


@cache
def network(name):
    """A network of the gallery as it was when it gave its maps, and what it is given."""
    make, given = gallery.NETWORKS[name]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return make().eval(), given()
