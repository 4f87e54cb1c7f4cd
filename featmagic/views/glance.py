"""Feature maps at a glance, as the value of a cell: a line and a few thumbnails for each layer."""

from __future__ import annotations

from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from html import escape
from math import ceil
from typing import Any

import numpy as np
import torch

from featmagic.options.view import View
from featmagic.overview.filmstrip import filmstrip
from featmagic.overview.image import draw_tiles, shortened
from featmagic.planes.dtypes import undrawable
from featmagic.planes.layout import layout_of
from featmagic.recording.records import Activation, call_of, shape_of
from featmagic.render.page_text import write_line
from featmagic.render.palette import GAP, page_colors
from featmagic.render.png import encode_png
from featmagic.render.raster import Band, Raster
from featmagic.render.title import line_width
from featmagic.render.viewport import PAGE
from featmagic.support.environment import running_shell, takes_png
from featmagic.support.text import format_bytes, readable, spoken, width_of

EMPTY = "Nothing has been captured yet. Run %featuremaps MODEL ... -- model(x)."
MOST_ROWS = 20

# A page's columns, in CSS pixels.
_PITCH, _LINE = 30, 20
_LEAST, _MOST = 168, 400  # where the tiles begin
_TILES = 248  # from the first tile to the text beside them
_NAME_SIZE, _TEXT_SIZE = 12, 11
_LONGEST_NAME = 40  # letters of a name in text


@dataclass(frozen=True, eq=False)
class Glance:
    """Feature maps at a glance; nothing is computed before it is asked for, and nothing is kept.

    Attributes:
        activations: the layers, in the order in which they ran.
        name: of the user's variable that holds the maps.
        missing: the layers without output.

    Example:
        >>> import torch
        >>> print(Glance((Activation("fc", "fc", "Linear", 1, torch.zeros(1, 5)),)).text)
        FeatureMaps: 1 layer · 20 B · float32 · cpu
          fc  Linear  (1, 5)
    """

    activations: Sequence[Activation]
    name: str = "feature_maps"
    missing: Sequence[str] = ()

    @property
    def text(self) -> str:
        """A head with what all layers share, and a line for each of the first layers."""
        if not self.activations:
            return "\n".join([f"FeatureMaps: {EMPTY}", *self._rest()])
        shared = _shared(self.activations)
        lines = [_cells(each, shared) for each in self.activations[:MOST_ROWS]]
        widths = [max(map(width_of, column)) for column in zip(*lines, strict=True)]
        rows = (
            "  ".join(_padded(cell, wide) for cell, wide in zip(line, widths, strict=True) if wide)
            for line in lines
        )
        head = _head(self.activations, shared)
        return "\n".join([head, *(f"  {row}".rstrip() for row in (*rows, *self._rest()))])

    def bundle(self) -> tuple[dict[str, str], dict[str, Any]]:
        """Return a MIME bundle: a PNG where one can be shown, and plain text."""
        text = self.text
        if not takes_png(running_shell()) or (picture := self._png()) is None:
            return {"text/plain": text}, {}
        png, (width, height) = picture
        metadata = {"width": width, "height": height, "alt": self._alt()}
        return {"image/png": png, "text/plain": text}, {"image/png": metadata}

    def html(self) -> tuple[str, str]:
        """Return what marimo takes: a MIME type, and an image in HTML, or text if there is none."""
        if (picture := self._png()) is None:
            return "text/plain", self.text
        png, (width, height) = picture
        size = f'width="{width}" height="{height}" style="max-width: 100%; height: auto"'
        alt = escape(self._alt(), quote=True)
        return "text/html", f'<img src="data:image/png;base64,{png}" {size} alt="{alt}">'

    def _png(self) -> tuple[str, tuple[int, int]] | None:
        """Return a PNG in base 64, and its width and height in CSS pixels; None if there is none.

        It is shown without being asked for, so nothing that goes wrong with it is an error.
        """
        if not self.activations:
            return None
        try:
            picture = self.picture()
            png = encode_png(picture)
        except Exception:
            return None
        height, width = picture.css_size
        return b64encode(png).decode(), (width, height)

    def picture(self) -> Raster:
        """Draw the head, a row for each of the first layers, and what is left out."""
        shared, shown = _shared(self.activations), self.activations[:MOST_ROWS]
        film = filmstrip([_first_sample(each) for each in shown], View())
        rest, below, d = self._rest(), _LINE + _PITCH * len(shown), PAGE.density
        height = below + _LINE * len(rest)
        canvas = np.full((height * d, PAGE.width * d), GAP, np.uint8)
        cells = [list(filter(None, _cells(each, shared))) for each in shown]
        longest = max(ceil(line_width(name, _NAME_SIZE, bold=True)) for name, *_ in cells)
        left = max(_LEAST, min(_MOST, longest + 16))
        write = partial(write_line, canvas, density=d)
        write(_head(self.activations, shared), (0, 0), PAGE.width, size=_TEXT_SIZE)
        rows = {row.activation.key: row for row in film.rows}
        for number, (each, (name, *facts)) in enumerate(zip(shown, cells, strict=True)):
            top = _LINE + number * _PITCH
            middle, text = top + (_PITCH - 16) // 2, left + _TILES
            name = shortened(name, left - 8, _NAME_SIZE, bold=True)
            write(name, (middle, 0), left - 8, size=_NAME_SIZE, bold=True)
            write("  ".join(facts), (middle, text), PAGE.width - text, size=_TEXT_SIZE)
            row = rows.get(each.key)
            if row is not None and row.tiles is not None:
                draw_tiles(canvas[top * d :, (left - 1) * d :], row.tiles, row, film.band, d)
        for number, line in enumerate(rest):
            write(line, (below + _LINE * number, 0), PAGE.width, size=_TEXT_SIZE)
        colors = page_colors(film.palette)
        return Raster(*canvas.shape, d, lambda: [Band(canvas)], colors)

    def _rest(self) -> list[str]:
        """Return lines about the layers that have no row."""
        lines, left = [], len(self.activations) - MOST_ROWS
        if left > 0:
            layers = f"{left:,} more layer{'s' * (left != 1)}"
            lines.append(f"… {layers}; %featuremaps {self.name} --overview shows all")
        if count := len(self.missing):
            layers = f"{count:,} layer{'s' * (count != 1)}"
            lines.append(f"{layers} without output: {self.name}.missing says why")
        return lines

    def _alt(self) -> str:
        return spoken(self.text.replace("\n  ", "\n").replace("…", "and"))


def _first_sample(activation: Activation) -> Activation:
    """Return an activation with its first sample alone, so that no more of it is read."""
    tensor = activation.tensor.detach()
    # A row for each layer, even if it repeats another.
    alone = replace(activation, tensor=tensor, same_as="")
    is_plain = tensor.layout is torch.strided and not tensor.is_quantized and tensor.dim() > 0
    if not is_plain or undrawable(tensor) or layout_of(alone, View()).dims[:1] != "N":
        return alone
    return replace(alone, tensor=tensor.narrow(0, 0, 1))


def _shared(activations: Sequence[Activation]) -> Mapping[str, str]:
    """Return what most layers have in common: dtype, device and pass."""
    each = [_facts(activation) for activation in activations]
    return {what: Counter(facts[what] for facts in each).most_common(1)[0][0] for what in each[0]}


def _facts(activation: Activation) -> dict[str, str]:
    tensor = activation.tensor
    dtype = str(tensor.dtype).removeprefix("torch.")
    return {"dtype": dtype, "device": str(tensor.device), "pass": str(activation.of_pass)}


def _head(activations: Sequence[Activation], shared: Mapping[str, str]) -> str:
    count = len({each.key for each in activations})
    tensors = [each.tensor for each in activations]
    nbytes = sum(t.numel() * t.element_size() for t in tensors if not t.is_nested)
    layers = f"{count:,} layer{'s' * (count != 1)}"
    words = [layers, format_bytes(nbytes), *filter(None, shared.values())]
    return f"FeatureMaps: {' · '.join(words)}"


def _cells(activation: Activation, shared: Mapping[str, str]) -> list[str]:
    """Return name, class, shape, and what is different from most layers."""
    other = [fact for what, fact in _facts(activation).items() if fact and fact != shared[what]]
    name = readable(activation.key, _LONGEST_NAME)
    kind = readable(activation.kind, _LONGEST_NAME)
    last = " · ".join(filter(None, [*other, call_of(activation)]))
    return [name, kind, shape_of(activation.tensor), last]


def _padded(text: str, width: int) -> str:
    return text + " " * (width - width_of(text))
