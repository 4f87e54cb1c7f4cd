"""featmagic against the same work done another way: a table of ratios, each from one run.

    python benchmarks/bench.py [--quick]

The two sides of a row take turns (A B A B ...), and its ratio is the median of the pairs'. A missed
target is said and fails nothing. `--quick` takes three pairs a row: enough to see that it runs.
"""

from __future__ import annotations

import argparse
import gc
import io
import json
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from math import ceil, prod
from pathlib import Path
from statistics import median
from time import perf_counter
from typing import Any

import matplotlib
import torch
import torchvision
from IPython.core.pylabtools import print_figure
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import interpolate

import featmagic
from featmagic.activations import Activation
from featmagic.drawing import draw
from featmagic.mosaic import PAGE
from featmagic.render.png import png
from featmagic.view import View

LAYERS = ("conv1", "layer1", "layer2", "layer3", "layer4", "fc")
SHAPES = ((1, 5, 24, 24), (1, 64, 112, 112), (1, 256, 56, 56), (1, 2048, 7, 7))
# How many times faster, by the number of channels.
AXES_TARGETS = {5: 50, 64: 50, 256: 100, 2048: 500}
GRID_TARGETS = {5: 1, 64: 3, 256: 3, 2048: 3}
LOAD_LIMIT = 0.030

Work = Callable[[], float]


@dataclass(frozen=True)
class Row:
    """A line of the table; `least` says whether the target is a least ratio or a largest."""

    what: str
    ours: str
    other: str
    ratio: float
    target: float
    least: bool
    pairs: int

    @property
    def met(self) -> bool:
        """Whether the ratio is on the right side of the target."""
        return self.ratio >= self.target if self.least else self.ratio <= self.target

    def cells(self) -> tuple[str, ...]:
        """The line's cells, as text."""
        sign = "≥" if self.least else "≤"
        ratio, target = (f"{x:.3g}" if x < 1000 else f"{x:.0f}" for x in (self.ratio, self.target))
        word = "met" if self.met else "not met"
        return self.what, self.ours, self.other, ratio, f"{sign} {target}", word, str(self.pairs)


@dataclass(frozen=True)
class Effort:
    """How long to repeat: at least `least` pairs, then more until `seconds` or `most` is reached.

    `slow` is how many pairs a row gets whose other side takes half a minute.
    """

    least: int
    most: int
    slow: int
    seconds: float = 3.0


FULL = Effort(least=9, most=99, slow=3)
QUICK = Effort(least=3, most=3, slow=1)


def timed(work: Callable[[], object]) -> float:
    """Seconds that one call takes; garbage of the call before is not its own."""
    gc.collect()
    began = perf_counter()
    work()
    return perf_counter() - began


def in_turns(ours: Work, other: Work, effort: Effort) -> list[tuple[float, float]]:
    """Pairs of measurements, one side right after the other."""
    pairs: list[tuple[float, float]] = []
    began = perf_counter()
    while len(pairs) < effort.least or (
        len(pairs) < effort.most and perf_counter() - began < effort.seconds
    ):
        pairs.append((ours(), other()))
    return pairs


def compare(what: str, ours: Work, other: Work, target: float, effort: Effort, least: bool) -> Row:
    """A row of two works that measure themselves; how many times faster ours is, if `least`."""
    pairs = in_turns(ours, other, effort)
    ratio = median(b / a if least else a / b for a, b in pairs)
    sides = (milliseconds(median(side)) for side in zip(*pairs, strict=True))
    return Row(what, *sides, ratio, target, least, len(pairs))


def milliseconds(seconds: float) -> str:
    """A duration as text.

    Example:
        >>> milliseconds(0.0123)
        '12.3 ms'
    """
    return f"{seconds * 1000:.3g} ms" if seconds < 1 else f"{seconds:.3g} s"


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch compute in one thread."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@one_thread()
def capture_rows(effort: Effort) -> Iterator[Row]:
    """What hooks on six layers cost ResNet-18: put on for each pass, and standing through many."""
    model, image = torchvision.models.resnet18(weights=None).eval(), smooth((1, 3, 224, 224))

    def forward() -> None:
        model(image)

    def captured() -> None:
        with featmagic.capture(model, *LAYERS, as_is=True):
            model(image)

    def standing() -> float:
        with featmagic.capture(model, *LAYERS, as_is=True):
            return timed(forward)

    with torch.no_grad():
        for _ in range(3):
            captured()
        bare = partial(timed, forward)
        what = "ResNet-18 with hooks on 6 layers / bare"
        yield compare(f"{what}, put on each pass", partial(timed, captured), bare, 1.05, effort, False)
        yield compare(f"{what}, standing", standing, bare, 1.05, effort, False)


def smooth(shape: tuple[int, ...]) -> Tensor:
    """Values that vary smoothly over a plane and have both signs, as activations do."""
    *outer, height, width = shape
    coarse, fine = (
        torch.randn(*outer, ceil(height / step), ceil(width / step)) for step in (8, 2)
    )
    size = (height, width)
    return interpolate(coarse, size, mode="bicubic") + interpolate(fine, size, mode="bilinear") / 4


def ours_png(tensor: Tensor, view: View) -> bytes:
    """featmagic's picture of an activation."""
    mosaic = draw(Activation("layer", "layer", "Conv2d", 1, tensor), view).mosaic
    assert mosaic is not None
    return png(mosaic)


def axes_png(tensor: Tensor, columns: int) -> bytes:
    """One matplotlib axes a channel, as wide as featmagic's page, encoded as IPython does."""
    channels = tensor[0].numpy()
    rows = ceil(len(channels) / columns)
    inches = PAGE.width / 100
    figure = Figure(figsize=(inches, inches * rows / columns), dpi=100)
    axes = figure.subplots(rows, columns, squeeze=False).flat
    for channel, place in zip(channels, axes, strict=False):
        place.imshow(channel, cmap="viridis")
    for place in axes:
        place.axis("off")
    return print_figure(figure, fmt="png", bbox_inches="tight")


def grid_png(tensor: Tensor, columns: int) -> bytes:
    """torchvision's grid, grey, each channel its own range, saved by Pillow."""
    grid = torchvision.utils.make_grid(
        tensor[0][:, None], nrow=columns, normalize=True, scale_each=True
    )
    file = io.BytesIO()
    Image.fromarray(grid.mul(255).byte().permute(1, 2, 0).numpy()).save(file, "png")
    return file.getvalue()


def picture_rows(effort: Effort) -> Iterator[Row]:
    """From an activation to a PNG of all its channels; every value gets a pixel at least."""
    for shape in SHAPES:
        count, tensor = shape[1], smooth(shape)
        # The small planes as they are shown by default, enlarged; the same unenlarged for the
        # grid's sake, which doesn't enlarge.
        default, plain = View(max=0), View(max=0, zoom=1)
        shown = default if count in (5, 2048) else plain
        columns = draw(Activation("", "", "", 1, tensor), shown).mosaic.indices.shape[2]
        ours = {view: partial(timed, partial(ours_png, tensor, view)) for view in {shown, plain}}
        axes = partial(timed, partial(axes_png, tensor, columns))
        grid = partial(timed, partial(grid_png, tensor, columns))
        for work in (*ours.values(), grid):
            work()
        ...
