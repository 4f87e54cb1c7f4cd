"""The cost of an explorer: until its first frame, at each change, and in bytes."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torchvision
from in_browser import (
    COLORMAP,
    NO_BROWSER,
    change,
    chromium,
    first_paints,
    held_bytes,
    mounts,
    opened,
    scrolled,
    still_copy,
    switch_layers,
)
from torch import Tensor, nn
from turns import Effort, Row, milliseconds, said, timed

import featmagic
from featmagic import FeatureMaps
from featmagic.explorer.document import document
from featmagic.options.view import View

SIX = ("conv1", "layer1.0", "layer1.1", "layer2", "layer3", "layer4")


def maps_of(values: Tensor) -> FeatureMaps:
    """Return feature maps that hold the values."""
    net = nn.Identity()
    with featmagic.capture(net, ".", as_is=True) as maps:
        net(values)
    return maps


def fifty_layers() -> FeatureMaps:
    """Return feature maps of the first fifty layers of ResNet-18, in their order."""
    net = torchvision.models.resnet18().eval()
    leaves = [name for name, module in net.named_modules() if not list(module.children())]
    with featmagic.capture(net, *leaves[:50]) as maps:
        net(torch.rand(1, 3, 224, 224))
    return maps


def paint_rows(effort: Effort, smooth: Callable[..., Tensor]) -> Iterator[Row]:
    """Measure from the call to the first frame, and from a change of a control to the next one."""
    with chromium() as browser, tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "look.html"
        for what, make, most in (
            ("64 channels of 112 x 112", lambda: maps_of(smooth((1, 64, 112, 112))), 0.15),
            ("50 layers of ResNet-18", fifty_layers, 0.5),
        ):
            yield _until_painted(f"explorer of {what}: call to paint", make(), most, browser)
        yield _until_page_painted(fifty_layers(), browser, page)
        maps_of(smooth((1, 64, 128, 128))).save(page, overwrite=True, zoom=1)
        for what, label, values in (
            ("colormap", COLORMAP, ("magma", "viridis")),
            ("scale", "Scale", ("layer", "channel")),
        ):
            what = f"1,024 x 1,024 mosaic, another {what}"
            yield _change(what, label, values, browser, page, effort)
        maps_of(smooth((1, 2048, 14, 14))).save(page, overwrite=True)
        yield _scrolled(
            "2,048 channels scrolled: frames dropped / all canvases there", browser, page, effort
        )
        fifty_layers().save(page, overwrite=True)
        yield _held("200 switches between 50 layers: memory", browser, page)


def _until_painted(what: str, maps: FeatureMaps, most: float, browser: Any) -> Row:
    """Measure both parts in an open notebook: the kernel's, and the script's."""

    def prepare() -> None:
        document(activations, View(explore=True))
        maps.pictures(activations[0].key)

    activations = list(maps.kept.activations.values())
    prepare()
    in_python = median(timed(prepare) for _ in range(5))
    if browser is None:
        cells = milliseconds(in_python), "-", "-", f"<= {most * 1000:g} ms"
        return Row(f"{what}, Python's part", *cells, NO_BROWSER, "5")
    in_browser = median(mounts(browser, document(activations, View(explore=True)), 5))
    both = in_python + in_browser
    parts = f"{in_python * 1000:.0f} + {in_browser * 1000:.0f} ms"
    cells = milliseconds(both), "-", parts, f"<= {most * 1000:g} ms"
    return Row(what, *cells, said(both <= most), "5")


def _until_page_painted(maps: FeatureMaps, browser: Any, page: Path) -> Row:
    maps.save(page, overwrite=True)
    what = "saved page of 50 layers: opened to paint"
    if browser is None:
        return Row(what, "-", "-", "-", "-", NO_BROWSER, "0")
    return Row(what, milliseconds(median(first_paints(browser, page, 5))), *"---", "", "5")


def _change(
    what: str,
    label: str | re.Pattern[str],
    values: tuple[str, str],
    browser: Any,
    page: Path,
    effort: Effort,
) -> Row:
    if browser is None:
        return Row(what, "-", "-", "-", "<= 16 ms", NO_BROWSER, "0")
    with opened(browser, page) as tab:
        took = [change(tab, label, values[turn % 2]) for turn in range(2 * effort.pairs)]
    seconds = median(seconds for seconds, _ in took)
    tiles = f"{took[0][1]} tiles in sight"
    cells = milliseconds(seconds), "-", tiles, "<= 16 ms"
    return Row(what, *cells, said(seconds <= 0.016), str(len(took)))


def _scrolled(what: str, browser: Any, page: Path, effort: Effort) -> Row:
    """Measure frames while the channels are scrolled through, and a copy of them all, in turns."""
    if browser is None:
        return Row(what, "-", "-", "-", "<= 1", NO_BROWSER, "0")
    pairs = []
    with opened(browser, page, 1200, 900) as tab:
        for _ in range(-(-effort.pairs // 3)):
            ours = scrolled(tab, 240)
            with still_copy(tab, 2048, 14) as copy:
                pairs.append((ours, scrolled(tab, 240, copy)))
    frames = sum(ours.frames for ours, _ in pairs)
    dropped, copys = (sum(side.dropped for side in sides) for sides in zip(*pairs, strict=True))
    work = milliseconds(median(work for ours, _ in pairs for work in ours.work))
    ratio = dropped / max(copys, 1)
    cells = f"{dropped}/{frames}", f"{copys}/{frames}", f"{ratio:.2f}, work {work}", "<= 1"
    return Row(what, *cells, said(ratio <= 1), str(len(pairs)))


def _held(what: str, browser: Any, page: Path) -> Row:
    """Measure what the page holds after each layer was seen twice, and after 200 more switches."""
    if browser is None:
        return Row(what, "-", "-", "-", "<= +1 MB", NO_BROWSER, "0")
    with opened(browser, page, 1200, 900) as tab:
        switch_layers(tab, 98, 50)
        before = held_bytes(tab)
        switch_layers(tab, 196, 50)
        after = held_bytes(tab)
    cells = f"{after / 1e6:.2f} MB", f"{before / 1e6:.2f} MB", f"{(after - before) / 1e6:+.2f} MB"
    return Row(what, *cells, "<= +1 MB", said(after - before <= 1e6), "1")


def size_rows(axes_png: Callable[[Tensor, int], bytes]) -> Iterator[Row]:
    """Measure the script's bytes, and those that a look with an explorer adds to a notebook."""
    script = (
        (Path(featmagic.__file__).parent / "explorer" / "static" / "explorer.js").stat().st_size
    )
    yield Row("explorer's script", f"{script / 1e3:.1f} kB", "-", "-", "<= 60 kB",
              said(script <= 60_000), "1")  # fmt: skip
    ours, tensors = looked_at_in_a_notebook()
    axes = sum(4 * -(-len(axes_png(tensor[:, :64], 8)) // 3) for tensor in tensors)
    cells = f"{ours / 1e3:.0f} kB", f"{axes / 1e3:.0f} kB", f"{ours / axes:.3f}", "<= 0.333"
    yield Row("a look at 6 layers in a notebook / matplotlib axes", *cells,
              said(3 * ours <= axes), "1")  # fmt: skip


def looked_at_in_a_notebook() -> tuple[int, list[Tensor]]:
    """Return the bytes that a cell with --explore adds to a notebook's JSON, and its tensors."""
    from jupyter_client.manager import start_new_kernel

    shown: list[int] = []

    def hook(message: dict[str, Any]) -> None:
        if message["msg_type"] in ("stream", "display_data"):
            shown.append(len(json.dumps(message["content"])))

    with tempfile.TemporaryDirectory() as folder, _kernel(start_new_kernel) as client:
        kept = Path(folder) / "maps.pt"
        for cell in (
            "import torch, torchvision\n%load_ext featmagic\ntorch.manual_seed(0)\n"
            "model = torchvision.models.resnet18()\nx = torch.rand(1, 3, 224, 224)",
            f"%%featuremaps model {' '.join(SIX)} --explore\nmodel(x);",
            f"torch.save(list(feature_maps.values()), {str(kept)!r})",
        ):
            client.execute_interactive(cell, output_hook=hook, timeout=120, allow_stdin=True)
        return sum(shown), list(torch.load(kept))


@contextmanager
def _kernel(start: Callable[..., Any]) -> Iterator[Any]:
    manager, client = start()
    try:
        yield client
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
