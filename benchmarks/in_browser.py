"""An explorer in Chromium: time to the first frame, work of a change, frames dropped, memory."""

from __future__ import annotations

import json
import re
import shutil
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import featmagic
from featmagic.explorer.document import Document

# Notes the time two frames after the first channel was drawn, when its frame is on its way.
FIRST_PAINT = """
const draw = CanvasRenderingContext2D.prototype.putImageData;
window.drawn = new Set();
const channels = () => [...drawn].filter((canvas) => canvas.closest('[aria-label="Channels"]'));
CanvasRenderingContext2D.prototype.putImageData = function (...inputs) {
  draw.apply(this, inputs);
  drawn.add(this.canvas);
  if (document.documentElement.dataset.painted) return;
  requestAnimationFrame(() => channels().length && requestAnimationFrame(() => {
    document.documentElement.dataset.painted ??= performance.now();
  }));
};
"""
# The script's own work: what the control's listeners do, and every callback of the next frames.
CHANGE = """
async (control, value) => {
  const request = window.requestAnimationFrame;
  let spent = 0;
  const timed = (work) => (...inputs) => {
    const began = performance.now();
    work(...inputs);
    spent += performance.now() - began;
  };
  window.requestAnimationFrame = (work) => request(timed(work));
  drawn.clear();
  control.value = value;
  timed(() => {
    control.dispatchEvent(new Event("input", { bubbles: true }));
    control.dispatchEvent(new Event("change", { bubbles: true }));
  })();
  for (let frame = 0; frame < 3; frame++) await new Promise(request);
  window.requestAnimationFrame = request;
  const tiles = [...drawn].filter((canvas) => canvas.closest('[aria-label="Channels"]'));
  return [spent / 1000, tiles.length];
}
"""
# Scrolls from top to bottom in that many frames. Notes when each began, and the script's own work
# in it: every callback of a frame that is asked for meanwhile.
SCROLL = """
async (grid, frames) => {
  const request = window.requestAnimationFrame;
  let spent = 0;
  window.requestAnimationFrame = (work) => request((...inputs) => {
    const began = performance.now();
    work(...inputs);
    spent += performance.now() - began;
  });
  const began = [], worked = [];
  grid.scrollTop = 0;
  for (let frame = 0; frame < 10; frame++) await new Promise(request);
  const step = (grid.scrollHeight - grid.clientHeight) / frames;
  for (let frame = 0; frame <= frames; frame++) {
    began.push(await new Promise(request));
    worked.push(spent);
    spent = 0;
    grid.scrollTop = frame * step;
  }
  window.requestAnimationFrame = request;
  drawn.clear();
  return [began, worked.slice(1), grid.scrollTop];
}
"""
# Lays a copy over the channels, in which all of them stand from the start and no script draws: the
# plain way to show them, so that what the machine's load drops is dropped there, too.
STILL = """
(grid, [count, planes]) => {
  const tile = grid.querySelector("[data-channel]"), box = grid.getBoundingClientRect();
  const { width, height } = tile.querySelector("canvas").getBoundingClientRect();
  const tall = grid.scrollHeight, columns = Math.max(1, Math.floor(box.width / (width + 6)));
  const still = document.createElement("div"), inside = document.createElement("div");
  still.id = "still";
  still.style = `position: fixed; overflow: auto; background: #fff; z-index: 9;
    left: ${box.x}px; top: ${box.y}px; width: ${box.width}px; height: ${box.height}px`;
  inside.style = `position: relative; height: ${tall}px`;
  const down = tall / Math.ceil(count / columns);
  for (let n = 0; n < count; n++) {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = planes;
    const image = new ImageData(planes, planes);
    crypto.getRandomValues(image.data).forEach((_, i, all) => { if (i % 4 === 3) all[i] = 255; });
    canvas.getContext("2d").putImageData(image, 0, 0);
    canvas.style = `position: absolute; width: ${width}px; height: ${height}px;
      image-rendering: pixelated; left: ${(n % columns) * (width + 6)}px;
      top: ${Math.floor(n / columns) * down}px`;
    inside.append(canvas);
  }
  still.append(inside);
  document.body.append(still);
  drawn.clear();
}
"""
# Goes from layer to layer with the keys, to the last one and back, over and over.
SWITCH = """
async (grid, [times, layers, settled]) => {
  for (let n = 0; n < times; n++) {
    const key = Math.floor(n / (layers - 1)) % 2 ? "[" : "]";
    grid.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true }));
    for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
  }
  drawn.clear();
  return document.querySelector(settled).dataset.layer;
}
"""
# What the front end calls its parts.
CHANNELS = '[aria-label="Channels"]'
CHOSEN_LAYER = '[aria-label="Layers"] [data-layer][aria-selected="true"]'
COLORMAP = re.compile("^Colou?rs$")
PAINTED = "html[data-painted]"
NO_BROWSER = "not measured: needs Playwright and Chromium"


@contextmanager
def chromium() -> Iterator[Any]:
    """Yield Debian's Chromium, or Chrome, driven by Playwright; None if one is missing."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    try:
        from playwright.sync_api import sync_playwright
    except ImportError:
        path = None
    if path is None:
        yield None
        return
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@contextmanager
def opened(browser: Any, page: Path, width: int = 2400, height: int = 1600) -> Iterator[Any]:
    """Yield the page once its channels are drawn, in a window that shows 64 tiles of 128 x 128."""
    context = browser.new_context(offline=True, viewport={"width": width, "height": height})
    tab = context.new_page()
    tab.add_init_script(FIRST_PAINT)
    tab.goto(page.as_uri())
    tab.wait_for_selector(PAINTED, state="attached")
    try:
        yield tab
    finally:
        context.close()


# As in a notebook, the bytes have arrived before the clock starts.
MOUNT = """
async () => {
  document.querySelector("#place")?.remove();
  await new Promise(requestAnimationFrame);
  const place = document.createElement("div");
  place.id = "place";
  document.body.append(place);
  drawn.clear();
  delete document.documentElement.dataset.painted;
  const began = performance.now();
  mount(place, structuredClone(contents), bytes);
  while (!document.documentElement.dataset.painted) await new Promise(requestAnimationFrame);
  return (Number(document.documentElement.dataset.painted) - began) / 1000;
}
"""
HELD = """
async ([text, pngs]) => {
  window.contents = JSON.parse(text);
  window.bytes = new Map();
  for (const [id, png] of Object.entries(pngs)) {
    const letters = atob(png);
    bytes.set(id, Uint8Array.from(letters, (letter) => letter.charCodeAt(0)));
  }
}
"""

MOUNTING = """
const source = new Blob([{script}], {{ type: "text/javascript" }});
window.mount = (await import(URL.createObjectURL(source))).mount;
"""


def mounts(browser: Any, contents: Document, runs: int) -> list[float]:
    """Return the seconds from calls of `mount` on an open page to the first frame with channels."""
    own = Path(featmagic.__file__).parent / "explorer" / "static"
    script = json.dumps((own / "explorer.js").read_text())
    pngs = {name: b64encode(png).decode() for name, png in contents.files.items()}
    context = browser.new_context(offline=True, viewport={"width": 1200, "height": 900})
    tab = context.new_page()
    tab.add_init_script(FIRST_PAINT)
    tab.goto("about:blank")
    tab.add_style_tag(path=own / "explorer.css")
    tab.add_script_tag(content=MOUNTING.format(script=script), type="module")
    tab.wait_for_function("Boolean(window.mount)")
    tab.evaluate(HELD, [json.dumps(contents.text), pngs])
    seconds = [float(tab.evaluate(MOUNT)) for _ in range(runs + 1)]
    context.close()
    return seconds[1:]


def first_paints(browser: Any, page: Path, runs: int) -> list[float]:
    """Return the seconds from each navigation to the first frame with channels.

    The tab has shown the page before, so that starting a process of Chromium's doesn't count.
    """
    seconds = []
    with opened(browser, page) as tab:
        for _ in range(runs):
            tab.goto(page.as_uri())
            tab.wait_for_selector(PAINTED, state="attached")
            seconds.append(float(tab.get_attribute(PAINTED, "data-painted")) / 1000)
    return seconds


def change(tab: Any, label: str | re.Pattern[str], value: str) -> tuple[float, int]:
    """Return the seconds of work after changing a control, and how many tiles were drawn."""
    seconds, tiles = tab.get_by_role("combobox", name=label).evaluate(CHANGE, value)
    return float(seconds), int(tiles)


@dataclass(frozen=True)
class Frames:
    """What became of the frames of a while: how many were dropped, and the script's work in each.

    Attributes:
        dropped: How many frames a screen of 60 Hz missed.
        frames: How many there were.
        work: The seconds of the script's own work, by frame.
    """

    dropped: int
    frames: int
    work: list[float]


def scrolled(tab: Any, frames: int, place: str = CHANNELS) -> Frames:
    """Scroll through the channels, or another box, in that many frames; count what was dropped."""
    began, worked, end = tab.locator(place).evaluate(SCROLL, frames)
    if end < 1000:
        raise RuntimeError(f"there was next to nothing to scroll: {end} pixels")
    period = 1000 / 60
    intervals = [b - a for a, b in pairwise(began)]
    late = [round(interval / period) - 1 for interval in intervals if interval > 1.5 * period]
    return Frames(sum(late), len(intervals), [spent / 1000 for spent in worked])


@contextmanager
def still_copy(tab: Any, channels: int, side: int) -> Iterator[str]:
    """Lay a copy without a script over the channels; yield its selector."""
    tab.locator(CHANNELS).evaluate(STILL, [channels, side])
    yield "#still"
    tab.locator("#still").evaluate("still => still.remove()")


def switch_layers(tab: Any, times: int, layers: int) -> None:
    """Go to another layer that many times, each of them drawn."""
    last = tab.locator(CHANNELS).evaluate(SWITCH, [times, layers, CHOSEN_LAYER])
    if not last:
        raise RuntimeError("no layer was chosen")


def held_bytes(tab: Any) -> int:
    """Return the bytes of objects, elements and buffers once garbage is collected."""
    session = tab.context.new_cdp_session(tab)
    session.send("HeapProfiler.enable")
    for _ in range(3):
        session.send("HeapProfiler.collectGarbage")
    usage = session.send("Runtime.getHeapUsage")
    session.detach()
    parts = ("usedSize", "embedderHeapUsedSize", "backingStorageSize")
    return int(sum(usage.get(part, 0) for part in parts))
