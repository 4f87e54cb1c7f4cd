"""One picture for each layout and each option, on a page: `make gallery`.

    python examples/gallery.py [FOLDER]

writes gallery-light.html and gallery-dark.html. The networks are small and have seeded random
weights; the photographs are those that scikit-learn ships.
"""

from __future__ import annotations

import html
import math
import struct
import sys
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import torch
from sklearn.datasets import load_sample_image
from torch import Tensor, nn
from torch.nn.functional import interpolate
from torchvision.models import SwinTransformer, VisionTransformer

import featmagic
from featmagic import FeatureMaps
from featmagic.grid.draw import draw_together
from featmagic.grid.strip import StripDrawing
from featmagic.options.option import spelled
from featmagic.options.view import View
from featmagic.render.png import encode_png

OUT = Path(__file__).parent / "out"
MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def photograph(name: str, height: int, width: int) -> Tensor:
    """One of scikit-learn's photographs, `(1, 3, H, W)`, normalized as for ImageNet's networks."""
    pixels = torch.from_numpy(load_sample_image(f"{name}.jpg").copy()).permute(2, 0, 1)[None] / 255
    small = interpolate(pixels, (height, width), mode="bilinear", antialias=True).clamp(0, 1)
    return (small - small.new_tensor(MEAN).view(3, 1, 1)) / small.new_tensor(STD).view(3, 1, 1)


class Signs(nn.Module):
    """A convolution, its ReLU and a pool; one channel is dead, and one is another's double."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 12, 7, stride=2, padding=3)
        self.relu = nn.ReLU(inplace=True)
        self.pool = nn.MaxPool2d(2)
        with torch.no_grad():
            self.conv.weight[3], self.conv.bias[3] = 0, -1
            self.conv.weight[8] = 2 * self.conv.weight[5]

    def forward(self, x: Tensor) -> Tensor:
        """One pass."""
        return self.pool(self.relu(self.conv(x)))


class Registers(nn.Module):
    """Patch tokens behind a class token and four registers, as DINOv2 has them."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 16, 16, stride=16)
        self.prefix = nn.Parameter(torch.randn(1, 5, 16))
        self.block = nn.TransformerEncoderLayer(16, 2, 32, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """One pass."""
        tokens = self.patches(x).flatten(2).transpose(1, 2)
        return self.block(torch.cat([self.prefix.expand(len(x), -1, -1), tokens], 1))


class Chirp(nn.Module):
    """Two convolutions along time."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv1d(1, 8, 15)
        self.second = nn.Conv1d(8, 24, 9, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        """One pass."""
        return self.second(self.first(x).relu())


class Words(nn.Module):
    """Tokens without an image."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(50, 48)
        self.attention = nn.MultiheadAttention(48, 4, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        """One pass."""
        tokens = self.embedding(x)
        return tokens + self.attention(tokens, tokens, tokens, need_weights=False)[0]


class Logarithm(nn.Module):
    """NaN below zero, and minus infinity at zero."""

    def forward(self, x: Tensor) -> Tensor:
        """One pass."""
        return torch.where(x.abs() < 0.02, 0, x).log()


def head() -> nn.Module:
    """A pool, a wide and a narrow linear layer."""
    layers = [nn.Conv2d(3, 16, 5, 4), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, nn.Linear(16, 128), nn.ReLU(), nn.Linear(128, 10))


def swin() -> nn.Module:
    """A small Swin transformer: channels last."""
    return SwinTransformer([4, 4], 24, [1, 1], [2, 4], [4, 4])


def vit() -> nn.Module:
    """A small vision transformer: one class token."""
    return VisionTransformer(112, 8, 2, 4, 32, 64)


def china() -> Tensor:
    """A wide photograph."""
    return photograph("china", 112, 160)


def both() -> Tensor:
    """Two square photographs."""
    return torch.cat([photograph(name, 112, 112) for name in ("china", "flower")])


def chirp() -> Tensor:
    """A tone that rises."""
    time = torch.linspace(0, 1, 400)
    return torch.sin(2 * math.pi * 40 * time**2)[None, None]


def volume() -> Tensor:
    """A ball that grows along the depth."""
    axes = (torch.linspace(-1, 1, side) for side in (12, 32, 32))
    depth, height, width = torch.meshgrid(*axes, indexing="ij")
    return torch.sigmoid(12 * ((depth + 1) / 2 - height.hypot(width)))[None, None]


def steps() -> Tensor:
    """The same in 50 steps of 8 values."""
    return chirp().reshape(1, 50, 8)


def sentence() -> Tensor:
    """Twenty words, some of them again."""
    return torch.arange(20).remainder(7)[None]


# By name: how to make a network, and its input.
NETWORKS: dict[str, tuple[Callable[[], nn.Module], Callable[[], Tensor]]] = {
    "cnn": (Signs, china),
    "pair": (Signs, both),
    "in turn": (Signs, both),
    "logarithm": (lambda: nn.Sequential(nn.Conv2d(3, 4, 7, 4), Logarithm(), nn.ReLU()), china),
    "swin": (swin, both),
    "vit": (vit, both),
    "registers": (Registers, china),
    "chirp": (Chirp, chirp),
    "volume": (lambda: nn.Sequential(nn.Conv3d(1, 4, 3)), volume),
    "lstm": (lambda: nn.Sequential(nn.LSTM(8, 16, 2, batch_first=True)), steps),
    "words": (Words, sentence),
    "head": (head, both),
}


@dataclass(frozen=True)
class Row:
    """One picture: what it shows, of which layers, and the options."""

    title: str
    network: str
    layers: tuple[str, ...]
    view: dict[str, Any] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """What one types for it."""
        words = [f"--{spelled(name)} {_typed(value)}" for name, value in self.view.items()]
        return " ".join(["%%featuremaps", self.network, *self.layers, *words]).replace(" True", "")


def _typed(value: Any) -> str:
    if not isinstance(value, tuple):
        return str(value)
    return ("x" if len(value) == 2 else ",").join(map(str, value))


ROWS = (
    Row("channels of a convolution, each in its own range", "cnn", ("conv",)),
    Row("one range for the layer", "cnn", ("conv",), {"scale": "layer"}),
    Row("one range for all layers: the ReLU's cut", "cnn", ("conv", "relu"), {"scale": "all"}),
    Row("a range that is given", "cnn", ("conv",), {"vmin": -1, "vmax": 1}),
    Row("a middle that is given", "cnn", ("relu",), {"center": 0.5, "scale": "layer"}),
    Row("without the outermost values", "cnn", ("conv",), {"robust": 5, "scale": "layer"}),
    Row("logarithmic", "cnn", ("relu",), {"norm": "log", "scale": "layer"}),
    Row("linear near zero only", "cnn", ("conv",), {"norm": "symlog", "scale": "layer"}),
    Row("inverse hyperbolic sine", "cnn", ("conv",), {"norm": "asinh", "scale": "layer"}),
    Row("the strongest first", "cnn", ("relu",), {"sort": "absmean"}),
    Row("the sparsest first", "cnn", ("relu",), {"sort": "sparsity"}),
    Row("the three strongest", "cnn", ("relu",), {"topk": 3}),
    Row("similar ones side by side", "cnn", ("conv",), {"sort": "similar"}),
    Row("some channels", "cnn", ("conv",), {"channels": "2,9,3"}),
    Row("two samples", "pair", ("pool",), {"sample": "all", "channels": "0:6"}),
    Row("two samples beside their inputs", "pair", ("pool",), {"sample": "0,1", "input": True}),
    Row("two passes", "in turn", ("pool",), {"passes": "all", "channels": "0:6"}),
    Row("two passes beside their inputs", "in turn", ("pool",), {"passes": "all", "input": True}),
    Row("the first pass", "in turn", ("pool",), {"passes": 1}),
    Row("the last pass", "in turn", ("pool",), {"passes": "last"}),
    Row("beside the input", "cnn", ("pool",), {"input": True}),
    Row("on the input", "cnn", ("pool",), {"overlay": True, "channels": "0:8"}),
    Row("on the input, faintly", "cnn", ("pool",), {"overlay": True, "alpha": 0.3, "topk": 4}),
    Row("the mean of all channels", "cnn", ("relu",), {"reduce": "mean"}),
    Row("the largest magnitude", "cnn", ("conv",), {"reduce": "absmax"}),
    Row("the norm", "cnn", ("relu",), {"reduce": "norm"}),
    Row("principal components as colors", "cnn", ("relu",), {"reduce": "pca", "input": True}),
    Row("channels last", "swin", ("features.1",), {"channels": "0:12"}),
    Row("tokens on their patches", "vit", ("encoder.layers.encoder_layer_1",), {"max": 16}),
    Row("registers, a wide image", "registers", ("block",), {"input": True}),
    Row("tokens as colors", "vit", ("encoder",), {"reduce": "pca", "input": True}),
    Row(
        "attention of each head, query by key",
        "vit",
        ("encoder.layers.encoder_layer_0.self_attention[1]",),
    ),
    Row(
        "what the class token looks at",
        "vit",
        ("encoder.layers.encoder_layer_0.self_attention[1]",),
        {"attn": "cls", "input": True},
    ),
    Row("attention between words", "words", ("attention[1]",)),
    Row("features of words", "words", ("embedding",)),
    Row("a signal's channels", "chirp", ("second",)),
    Row("a strip a channel", "chirp", ("first",), {"layout": "NCW"}),
    Row("an LSTM's output over time", "lstm", ("0[0]",)),
    Row("an LSTM's state", "lstm", ("0[1][0]",)),
    Row("a volume, in the middle", "volume", ("0",)),
    Row("all slices", "volume", ("0",), {"slice": "montage"}),
    Row("the largest value along the depth", "volume", ("0",), {"slice": "mip"}),
    Row("a few features", "head", ("6",)),
    Row("many features", "head", ("4",)),
    Row("features of two samples", "head", ("4",), {"sample": "all"}),
    Row("pooled features", "head", ("2",)),
    Row("the largest mean first", "cnn", ("conv",), {"sort": "mean"}),
    Row("the largest value first", "cnn", ("conv",), {"sort": "max"}),
    Row("the widest spread first", "cnn", ("conv",), {"sort": "std"}),
    Row("the largest of all channels", "cnn", ("conv",), {"reduce": "max"}),
    Row("in gray, by threes", "cnn", ("pool",), {"cmap": "gray", "zoom": 2, "ncols": 3}),
    Row("sample 1", "pair", ("pool",), {"sample": "-1", "input": True, "mean": MEAN, "std": STD}),
    Row("both signs on the input", "cnn", ("conv",), {"overlay": True, "topk": 2}),
    Row("one slice", "volume", ("0",), {"slice": 2}),
    Row("the mean along the depth", "volume", ("0",), {"slice": "mean"}),
    Row(
        "what all tokens look at",
        "vit",
        ("encoder.layers.encoder_layer_0.self_attention[1]",),
        {"attn": "mean"},
    ),
    Row(
        "what one token looks at",
        "vit",
        ("encoder.layers.encoder_layer_0.self_attention[1]",),
        {"attn": 9},
    ),
    Row("tokens on a given grid", "words", ("embedding",), {"grid": (3, 6), "max": 5}),
    Row("tokens behind four", "words", ("embedding",), {"prefix_tokens": 4, "max": 5}),
    Row(
        "tokens of two samples",
        "vit",
        ("encoder.layers.encoder_layer_1",),
        {"sample": "all", "channels": "1,0"},
    ),
    Row("named components", "vit", ("encoder",), {"reduce": "pca", "pca_basis": "gallery"}),
    Row("what is no number: the logarithm of a convolution", "logarithm", ("1",)),
    Row("a whole network", "cnn", (), {"overview": True}),
    Row("a network gone wrong", "logarithm", (), {"overview": True}),
)

# Layers with one picture each, which stand side by side in a notebook.
STRIPS = (
    Row("means side by side", "cnn", ("conv", "relu", "pool"), {"reduce": "mean"}),
    Row(
        "in one range, on the input",
        "cnn",
        ("relu", "pool"),
        {"reduce": "absmax", "overlay": True, "scale": "all"},
    ),
    Row(
        "components in one basis",
        "vit",
        ("encoder.layers.encoder_layer_0", "encoder.layers.encoder_layer_1", "encoder"),
        {"reduce": "pca"},
    ),
    Row("with what is no number", "logarithm", ("0", "1", "2"), {"reduce": "max"}),
)


@cache
def maps_of(network: str) -> FeatureMaps:
    """What every layer of the network gives, `in turn` in a pass each; the same in each process."""
    make, given = NETWORKS[network]
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, x = make().eval(), given()
    layers = [name for name, _ in model.named_modules() if name]
    with featmagic.capture(model, *layers, passes="all") as maps:
        for each in x.split(1) if network == "in turn" else [x]:
            model(each)
    return maps


def pictures(row: Row) -> list[tuple[str, bytes]]:
    """The row's captions and PNGs."""
    if row not in STRIPS:
        return maps_of(row.network).pictures(*row.layers, **row.view)
    view = View(**row.view)
    activations = maps_of(row.network)._request(row.layers, view).activations
    drawn = draw_together(activations, view)
    return [(d.caption, encode_png(d.picture)) for d in drawn if isinstance(d, StripDrawing)]


STYLE = {
    "light": "body { background: #fff; color: #111 }",
    "dark": "body { background: #111418; color: #dde }",
}
PAGE = """<!doctype html>
<meta charset="utf-8">
<title>featmagic: a gallery</title>
<style>
{style}
body {{ font: 14px/1.4 sans-serif; margin: 2em auto; max-width: 1000px }}
img {{ display: block; max-width: none; margin: 8px 0 }}
figcaption, code {{ font: 12px/1.4 monospace }}
figcaption {{ white-space: pre-wrap }}
h2 {{ font-size: 15px; margin: 2em 0 0 }}
figure {{ margin: 4px 0 }}
</style>
<h1>featmagic: a gallery</h1>
{rows}
"""


def section(row: Row) -> str:
    """A row of the page."""
    parts = [f"<h2>{html.escape(row.title)}</h2>", f"<code>{html.escape(row.line)}</code>"]
    for caption, png in pictures(row):
        source = f"data:image/png;base64,{b64encode(png).decode()}"
        text = html.escape(caption)
        width = struct.unpack(">I", png[16:20])[0] // 2  # two pixels to a CSS pixel
        image = f'<img src="{source}" width="{width}" alt="{text}">'
        parts.append(f"<figure><figcaption>{text}</figcaption>{image}</figure>")
    return "\n".join(parts)


def main(folder: Path = OUT) -> None:
    """Write the page on a light and on a dark ground; the last lines printed are their paths."""
    folder.mkdir(exist_ok=True)
    rows = "\n".join(section(row) for row in (*ROWS, *STRIPS))
    for ground, style in STYLE.items():
        path = folder / f"gallery-{ground}.html"
        path.write_text(PAGE.format(style=style, rows=rows), encoding="utf-8")
        print(path)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:2]))
