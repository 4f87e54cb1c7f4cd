"""featmagic against the same work done another way: a table of ratios, each from one run.

    python benchmarks/bench.py [--quick] [--part explorer]

The two sides of a row take turns (A B A B ...), and its ratio is the median of the pairs' ratios.
torch computes in one thread on both sides: with more, other load decides. A missed target is
reported but isn't an error. `--quick` takes three pairs per row, without the largest figures of
matplotlib: enough to see that everything runs. `--part` leaves out the rows of all other parts.
"""

from __future__ import annotations

import argparse
import gc
import io
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from math import ceil
from pathlib import Path
from statistics import median
from typing import Any

import matplotlib
import PIL
import torch
import torchvision
from explorer import paint_rows, size_rows
from IPython.core.pylabtools import print_figure
from matplotlib.figure import Figure
from PIL import Image
from torch import Tensor, nn
from torch.nn.functional import interpolate
from turns import (
    FULL,
    HEAD,
    QUICK,
    Effort,
    Row,
    in_turns,
    milliseconds,
    row_at_most,
    row_faster,
    row_within,
    said,
    table,
    timed,
)

import featmagic
from featmagic.grid.arrange import lay_out_tiles
from featmagic.grid.draw import draw
from featmagic.ipython.completion.suggest import Known, suggest
from featmagic.options.view import View
from featmagic.recording.records import Activation
from featmagic.render.image import mosaic_png
from featmagic.render.mosaic import Mosaic, tile
from featmagic.render.palette import LEVELS, palette
from featmagic.render.viewport import PAGE


@dataclass(frozen=True)
class Picture:
    """An activation to draw, and how many times faster than the alternatives that should be."""

    shape: tuple[int, ...]
    view: View
    than_grid: float | None = None
    than_axes: float | None = None


# Axes are compared with what a notebook shows by default. make_grid has one pixel to a value, and
# neither labels nor bars: zoom=1 draws about what it draws, in four times the pixels.
SHOWN, PLAIN = View(max=0), View(max=0, zoom=1)
PICTURES = (
    Picture((1, 5, 24, 24), SHOWN, None, 50),
    Picture((1, 64, 112, 112), SHOWN, None, 50),
    Picture((1, 64, 56, 56), SHOWN, None, 50),
    Picture((1, 256, 56, 56), SHOWN, None, 100),
    Picture((1, 2048, 7, 7), SHOWN, 3, 500),
    Picture((1, 64, 112, 112), PLAIN, 3),
    Picture((1, 256, 56, 56), PLAIN, 3),
    Picture((1, 2048, 7, 7), PLAIN, 3),
)
MEMORY_SHAPES = ((1, 64, 112, 112), (1, 256, 56, 56), (1, 256, 224, 224))


def capture_rows(effort: Effort) -> Iterator[Row]:
    """Measure what hooks on six layers of ResNet-18 cost: attached for each pass, or for many."""
    runs = [probe("capture_cost.py", effort.pairs) for _ in range(effort.processes)]
    for key, how in ("each", "put on, pass, off"), ("standing", "the pass alone"):
        pairs = [(ours, bare) for run in runs for ours, bare in run[key]]
        yield row_at_most(f"ResNet-18, hooks on 6 layers / bare: {how}", pairs, 1.05)


# How much longer a pass may take at most where all leaves are captured, set-up included.
ALL_LEAVES = {
    "ResNet-50 / bare": 1.25,
    "ResNet-50 / clones": 1.1,
    "2,000 layers in a row / bare": 3,
    "2,000 layers in groups / bare": 3,
}


def all_leaves_rows(effort: Effort) -> Iterator[Row]:
    """Measure what capturing every leaf costs, against the bare pass and against plain hooks."""
    runs = [probe("capture_all.py", effort.pairs) for _ in range(effort.processes)]
    for key, most in ALL_LEAVES.items():
        pairs = [(ours, other) for run in runs for ours, other in run[key]]
        yield row_at_most(f"all leaves captured: {key}", pairs, most)


def smooth(shape: tuple[int, ...]) -> Tensor:
    """Return values that vary smoothly over a plane and have both signs, as activations do."""
    *outer, height, width = shape
    coarse, fine = (torch.randn(*outer, ceil(height / s), ceil(width / s)) for s in (8, 2))
    size = (height, width)
    return interpolate(coarse, size, mode="bicubic") + interpolate(fine, size, mode="bilinear") / 4


def picture_rows(effort: Effort) -> Iterator[Row]:
    """Measure the way from an activation to a PNG of all its channels."""
    for picture in PICTURES:
        tensor, view = smooth(picture.shape), picture.view
        columns = mosaic_of(tensor, view).indices.shape[2]
        ours = partial(timed, partial(ours_png, tensor, view))
        axes = partial(timed, partial(axes_png, tensor, columns))
        grid = partial(timed, partial(grid_png, tensor, columns))
        for work in (ours, grid):
            work()
        what = f"{picture.shape} to PNG" + (f", zoom {view.zoom}" if view.zoom else "")
        if picture.than_axes and picture.shape[1] <= effort.most_axes:
            often = (effort.slow,) if len(tensor[0]) > 1000 else (effort.pairs, effort.seconds)
            pairs = in_turns(ours, axes, *often)
            yield row_faster(f"{what} / matplotlib axes", pairs, picture.than_axes)
        if picture.than_grid:
            pairs = in_turns(ours, grid, effort.pairs, effort.seconds)
            yield row_faster(f"{what} / make_grid", pairs, picture.than_grid)


def mosaic_of(tensor: Tensor, view: View) -> Mosaic:
    """Draw an activation with featmagic, as on a notebook's page: two pixels to a CSS pixel."""
    mosaic = draw(Activation("layer", "layer", "Conv2d", 1, tensor), view).mosaic
    if mosaic is None:
        raise ValueError(f"nothing to draw in {tuple(tensor.shape)}")
    return mosaic


def ours_png(tensor: Tensor, view: View) -> bytes:
    """Return featmagic's PNG of an activation."""
    return mosaic_png(mosaic_of(tensor, view))


def axes_png(tensor: Tensor, columns: int) -> bytes:
    """Return matplotlib's PNG with one axes per channel, as wide as ours, encoded as by IPython."""
    rows, inches = ceil(tensor.shape[1] / columns), PAGE.width / 100
    figure = Figure(figsize=(inches, inches * rows / columns), dpi=100)
    axes = list(figure.subplots(rows, columns, squeeze=False).flat)
    for place, channel in zip(axes, tensor[0].numpy(), strict=False):
        place.imshow(channel, cmap="viridis")
    for place in axes:
        place.axis("off")
    return bytes(print_figure(figure, fmt="png", bbox_inches="tight"))


def grid_png(tensor: Tensor, columns: int) -> bytes:
    """Return torchvision's gray grid, with a range per channel, encoded with Pillow's defaults."""
    planes = tensor[0][:, None]
    grid = torchvision.utils.make_grid(planes, nrow=columns, normalize=True, scale_each=True)
    file = io.BytesIO()
    Image.fromarray(grid.mul(255).byte().permute(1, 2, 0).numpy()).save(file, "png")
    return file.getvalue()


def reading_rows(effort: Effort) -> Iterator[Row]:
    """Measure marks, labels and statistics, principal components, and sorting by similarity."""
    tensor = smooth((1, 64, 56, 56))
    ours = partial(timed, partial(ours_png, tensor, PLAIN))
    plain = partial(timed, partial(plain_png, tensor))
    pairs = in_turns(ours, plain, effort.pairs, effort.seconds)
    yield row_at_most(f"{tuple(tensor.shape)} with all marks / plain grid", pairs, 2)
    tokens, maps = smooth((1, 1024, 48, 48)), smooth((1, 2048, 14, 14))
    for what, picture, most in (
        ("pca", partial(ours_png, tokens, View(reduce="pca")), 0.06),
        ("similar", partial(ours_png, maps, View(sort="similar", max=64)), 1.0),
    ):
        shape = tuple((tokens if what == "pca" else maps).shape)
        yield row_within(f"{shape}, {what}, to PNG", picture, most, effort.pairs)


def plain_png(tensor: Tensor) -> bytes:
    """Return a grid of the same tiles, with a color range per tile and no annotations."""
    planes = tensor[0]
    low, high = planes.amin((1, 2), keepdim=True), planes.amax((1, 2), keepdim=True)
    levels = ((planes - low) * ((LEVELS - 1) / (high - low))).round_().to(torch.uint8)
    grid_layout = lay_out_tiles(len(planes), (planes.shape[1], planes.shape[2]), PLAIN, PAGE)
    return mosaic_png(tile(levels, ("",) * len(planes), palette("viridis"), grid_layout))


def overview_rows(effort: Effort) -> Iterator[Row]:
    """Measure a film strip of every layer of ResNet-50 against the forward pass."""
    model, image = torchvision.models.resnet50().eval(), torch.rand(1, 3, 224, 224)
    leaves = [name for name, module in model.named_modules() if not list(module.children())]
    with featmagic.capture(model, *leaves) as maps:
        model(image)

    def forward() -> None:
        with torch.no_grad():
            model(image)

    strip = partial(maps.pictures, overview=True)
    forward(), strip()
    pairs = in_turns(partial(timed, strip), partial(timed, forward), effort.pairs, effort.seconds)
    yield row_at_most(f"ResNet-50, overview of {len(maps)} layers / forward pass", pairs, 0.25)


def load_rows(effort: Effort) -> Iterator[Row]:
    """Measure how long loading the extension takes in a fresh process that already has a shell."""
    with tempfile.TemporaryDirectory() as folder:
        probe("load_time.py", byte_code=folder)  # compiles, as installing a package does
        runs = [probe("load_time.py", byte_code=folder) for _ in range(effort.pairs)]
    took, heavy = median(run["seconds"] for run in runs), max(int(run["heavy"]) for run in runs)
    cells = milliseconds(took), "-", "-", "< 30 ms", said(took < 0.030), str(len(runs))
    yield Row("load_ext in a fresh process", *cells)
    cells = str(heavy), "-", "-", "0", said(heavy == 0), str(len(runs))
    yield Row("modules of torch and matplotlib it imports", *cells)


def completion_rows(effort: Effort) -> Iterator[Row]:
    """Measure completing a class in a model of 5,000 modules, which looks at every module."""
    stages = [nn.Sequential(*[nn.ReLU() for _ in range(99)]) for _ in range(50)]
    known, line = Known({"model": nn.Sequential(*stages)}), "%hook model Re"
    tab = partial(suggest, line, len(line), known)
    yield row_within("Tab in a model of 5,000 modules", tab, 0.005, effort.pairs)


def memory_rows(effort: Effort) -> Iterator[Row]:
    """Measure how far a fresh process's resident memory grows while it draws, per byte of values.

    The high-water mark, so torch's, NumPy's, Pillow's and Python's memory all count.
    """
    if not Path("/proc/self/clear_refs").exists():
        yield Row("peak memory", *("-",) * 3, "<= 2", "not measured: needs Linux", "0")
        return
    for shape in MEMORY_SHAPES:
        runs = [probe("peak_memory.py", *shape) for _ in range(effort.processes)]
        peak, drawn = (int(median(run[key] for run in runs)) for key in ("peak", "drawn"))
        cells = f"{peak / 1e6:.1f} MB", f"{drawn / 1e6:.1f} MB", f"{peak / drawn:.2f}", "<= 2"
        what = f"{shape} to PNG, peak memory / values"
        yield Row(what, *cells, said(peak <= 2 * drawn), str(len(runs)))


def probe(script: str, *args: object, byte_code: str | None = None) -> dict[str, Any]:
    """Run a script of this folder in a process of its own, and return the JSON that it prints.

    Args:
        script: its file name.
        args: the script's arguments.
        byte_code: a folder that keeps byte code from one process to the next.
    """
    command = [sys.executable, str(Path(__file__).with_name(script)), *map(str, args)]
    environment = dict(os.environ)
    if byte_code is not None:
        environment.pop("PYTHONDONTWRITEBYTECODE", None)
        environment["PYTHONPYCACHEPREFIX"] = byte_code
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=environment)
    return dict(json.loads(done.stdout))


def explorer_rows(effort: Effort) -> Iterator[Row]:
    """Measure an explorer: in a browser, and in bytes."""
    yield from paint_rows(effort, smooth)
    yield from size_rows(axes_png)


PARTS = (
    capture_rows,
    all_leaves_rows,
    picture_rows,
    reading_rows,
    overview_rows,
    explorer_rows,
    completion_rows,
    load_rows,
    memory_rows,
)


def main(arguments: list[str] | None = None) -> None:
    """Measure every row and print it."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--quick", action="store_true", help="three pairs a row, to see it run")
    names = {part.__name__.removesuffix("_rows"): part for part in PARTS}
    parser.add_argument("--part", action="append", choices=names, help="only these rows")
    asked = parser.parse_args(arguments)
    effort = QUICK if asked.quick else FULL
    versions = {m.__name__: m.__version__ for m in (torch, torchvision, matplotlib, PIL)}
    print("Python", platform.python_version(), *map(" ".join, versions.items()))
    torch.set_num_threads(1)
    torch.manual_seed(0)
    gc.collect()
    gc.freeze()  # objects made until now aren't scanned before every measurement
    try:
        rows = (row for name in asked.part or names for row in names[name](effort))
        for line in table(chain([HEAD], rows)):
            print(line, flush=True)
    finally:
        gc.unfreeze()


if __name__ == "__main__":
    main()
