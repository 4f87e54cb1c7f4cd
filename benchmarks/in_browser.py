"""An explorer in Chromium: the time to its first frame, and the work that a change takes."""

from __future__ import annotations

import json
import shutil
from base64 import b64encode
from collections.abc import Iterator
from contextlib import contextmanager
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
def opened(browser: Any, page: Path) -> Iterator[Any]:
    """Yield the page once its channels are drawn, in a window that shows 64 tiles of 128 x 128."""
    context = browser.new_context(offline=True, viewport={"width": 2400, "height": 1600})
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


def change(tab: Any, label: str, value: str) -> tuple[float, int]:
    """Return the seconds of work after changing a control, and how many tiles were drawn."""
    seconds, tiles = tab.get_by_role("combobox", name=label).evaluate(CHANGE, value)
    return float(seconds), int(tiles)
