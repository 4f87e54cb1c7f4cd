"""An explorer on a page of its own, as `mount` or a widget's front end builds it."""

from __future__ import annotations

import json
import re
import struct
import zlib
from base64 import b64encode
from importlib.resources import files

import matplotlib
import numpy as np
import torch

from featmagic.explorer.document import document
from featmagic.options.view import View
from featmagic.recording.inputs import PassInputs
from featmagic.recording.records import Activation
from featmagic.render.palette import LEVELS

PAGE = """\
<!doctype html><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<style>body {{ margin: 0; }} @media (prefers-color-scheme: dark) {{ body {{ background: #111; }} }}
{style}</style><div id="here"></div>
<script type="application/json" id="held">{held}</script>
<script type="module">
const source = new Blob([{script}], {{ type: "text/javascript" }});
const script = await import(URL.createObjectURL(source));
const held = JSON.parse(document.getElementById("held").textContent);
const decoded = text => Uint8Array.from(atob(text), letter => letter.charCodeAt(0));
const bytes = Object.entries(held.bytes).map(([id, text]) => [id, decoded(text)]);
Object.assign(window, {{ script, contents: held.contents, bytes: new Map(bytes) }});
window.unmount = window.open_it?.(here) ?? script.mount(here, contents, window.bytes);
</script>"""
DRAWN = """canvas => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    return [canvas.height, canvas.width, Array.from(data)];
}"""
SETTLED = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))"

# A model as anywidget hands it over: another object for each view, the same state behind.
WIDGET = """
window.open_it = element => {
    const { start, settings } = contents, told = window.told = [], asked = window.asked = [];
    const state = { ...start, position: null, input: null, settings, _alive: true,
        _contents: contents, _bytes: Object.fromEntries(bytes) };
    const listeners = window.listeners = new Map();
    const hearing = name => [...(listeners.get(name) ?? [])];
    const fire = (name, ...inputs) => hearing(name).forEach(hear => hear(...inputs));
    window.model = () => ({
        get: name => state[name],
        set(name, value) {
            told.push([name, value]);
            state[name] = value;
            fire(`change:${name}`);
        },
        save_changes() {},
        send: message => asked.push(message),
        on: (name, hear) => listeners.set(name, [...hearing(name), hear]),
        off: (name, hear) => listeners.set(name, hearing(name).filter(one => one !== hear)),
    });
    window.from_python = (name, value) => { state[name] = value; fire(`change:${name}`); };
    window.message = (content, buffers = []) => fire("msg:custom", content, buffers);
    script.default.initialize({ model: model() });
    return script.default.render({ model: model(), el: element });
};
"""


def activation(key, tensor, kind="Conv2d", *, image=None, path=None, call=1):
    return Activation(key, path or key, kind, call, tensor, inputs=PassInputs(image))


def layers():
    """Layers of known values, some of which aren't finite."""
    torch.manual_seed(0)
    image = torch.rand(2, 3, 64, 64)
    signed, positive = torch.randn(2, 6, 8, 8), torch.rand(2, 20, 7, 7)
    positive[:, 3], positive[:, 5] = 0, 0.25
    nonfinite = torch.randn(2, 4, 9, 9)
    nonfinite[0, 1, 2, 3], nonfinite[0, 2, 0, 0], nonfinite[0, 2, 0, 1] = (
        torch.nan,
        torch.inf,
        -torch.inf,
    )
    return [
        activation("conv1", signed, image=image),
        activation("relu", positive, "ReLU", image=image),
        activation("strange", nonfinite, "Identity", image=image),
        activation("wide", torch.rand(2, 2048, 6, 6), image=image),
        activation('<img src=x onerror="hacked = 1">', torch.rand(2, 3, 5, 5), "<b>bold</b>"),
    ]


def held_by(activations, *, within=None, **view):
    """The text of a document and its files, as JSON can have them."""
    made = document(activations, View(explore=True, **{"layout": "NCHW", **view}))
    text = {**made.text, **(within or {})}
    return text, {name: b64encode(png).decode() for name, png in made.files.items()}


def packed_anew(png, height, width):
    """The same gray PNG in two parts, with each line filter of the contract in turn."""
    lines = np.frombuffer(zlib.decompress(_data(png)), np.uint8).reshape(height, 1 + width)
    pixels = lines[:, 1:].copy()
    if lines[0, 0]:
        pixels = pixels.cumsum(1, dtype=np.uint8)
    new = np.zeros_like(lines)
    new[:, 0], new[:, 1:] = np.arange(height) % 3, pixels
    new[1::3, 2:] -= pixels[1::3, :-1]
    new[2::3, 1:] -= pixels[1::3][: len(new[2::3])]
    data = zlib.compress(new.tobytes())
    parts = (b"IHDR", png[16:29]), (b"IDAT", data[:9]), (b"IDAT", data[9:]), (b"IEND", b"")
    chunks = (struct.pack(">I", len(part)) + kind + part for kind, part in parts)
    return png[:8] + b"".join(one + struct.pack(">I", zlib.crc32(one[4:])) for one in chunks)


def _data(png):
    at, data = 8, b""
    while at < len(png):
        (size,) = struct.unpack(">I", png[at : at + 4])
        data += png[at + 8 : at + 8 + size] * (png[at + 4 : at + 8] == b"IDAT")
        at += 12 + size
    return data


def written(path, text, images):
    """A page of that document, in a file."""
    own = files("featmagic.explorer") / "static"
    held = json.dumps({"contents": text, "bytes": images}).replace("<", "\\u003c")
    script = json.dumps(own.joinpath("explorer.js").read_text("utf-8")).replace("<", "\\u003c")
    style = own.joinpath("explorer.css").read_text("utf-8")
    path.write_text(PAGE.format(style=style, held=held, script=script), encoding="utf-8")
    return path


class Explored:
    """What a person finds on the page."""

    def __init__(self, page):
        self.page = page
        self.root = page.locator("section.featmagic-explorer")
        self.status = page.get_by_role("status")
        self.film = page.get_by_role("tree", name="Layers")
        self.grid = page.get_by_role("listbox", name="Channels")
        self.reason = page.locator(".fm-reason")  # why no channels are here
        self.tiles = self.grid.get_by_role("option")
        self.chosen = page.locator("canvas.featmagic-large")

    def control(self, label):
        return self.root.get_by_label(label, exact=True)

    def layer(self, key):
        return self.film.locator(f'[data-layer="{key}"]')

    def tile(self, channel):
        return self.grid.locator(f'[data-channel="{channel}"]')

    def settle(self):
        """Wait until what was asked for is drawn."""
        self.page.evaluate(SETTLED)

    def drawn(self, canvas):
        """Its pixels, `(H, W, RGB)`."""
        self.settle()
        height, width, pixels = canvas.evaluate(DRAWN)
        return np.array(pixels, np.uint8).reshape(height, width, 4)[..., :3]

    def tile_drawn(self, channel):
        return self.drawn(self.tile(channel).locator("canvas"))

    def point_at(self, channel, y, x, side):
        """Hover over the middle of a value, in a tile whose planes are `side` values wide."""
        canvas = self.tile(channel).locator("canvas")
        canvas.scroll_into_view_if_needed()
        box = canvas.bounding_box()
        step = box["width"] / side
        canvas.hover(position={"x": (x + 0.5) * step, "y": (y + 0.5) * step})
        self.settle()

    def order(self):
        """The channels in sight, as they stand."""
        self.settle()
        read = "all => all.map(one => [one.ariaPosInSet, one.dataset.channel].map(Number))"
        return [channel for _, channel in sorted(self.tiles.evaluate_all(read))]


def colors(name):
    """A colormap's colors, apart from the package."""
    every = matplotlib.colormaps[name](np.linspace(0, 1, LEVELS), bytes=True)
    return every[:, :3].astype(int)


def levels_of(pixels, name):
    """Where in the colormap each pixel's color stands; -1 where it is no color of it."""
    same = (pixels[..., None, :] == colors(name)).all(-1)
    return np.where(same.any(-1), same.argmax(-1), -1)


def expected_levels(values, low, high):
    return np.clip((values - low) / (high - low), 0, 1) * (LEVELS - 1)


def said(status):
    """The value that the status line has, its half step, and the index it names."""
    text = status.text_content()
    found = re.match(r"(.+?)\[([\d, ]+)\] = (\S+)(?: ± (\S+) \(quantized\))?", text)
    assert found, text
    key, index, value, half = found.groups()
    return key, tuple(map(int, index.split(", "))), float(value), half and float(half)
