"""Feature maps at a glance, as the value of a cell: a line and a few thumbnails for each layer."""

from __future__ import annotations

import io
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from html import escape
from typing import Any

import numpy as np
import torch

from featmagic.options.view import View
from featmagic.overview.filmstrip import Filmstrip, FilmstripRow, filmstrip
from featmagic.overview.thumbnails import lay_out_thumbnails
from featmagic.planes.dtypes import Pixels, undrawable
from featmagic.planes.layout import layout_of
from featmagic.recording.records import Activation, call_of, shape_of
from featmagic.render.palette import GAP
from featmagic.render.title import DENSITY, line_alpha
from featmagic.support.environment import running_shell, takes_png
from featmagic.support.text import format_bytes, readable, spoken, width_of

EMPTY = "Nothing has been captured yet. Run %featuremaps MODEL ... -- model(x)."
MOST_ROWS = 20

# A page's columns, in CSS pixels.
_WIDTH, _PITCH, _LINE = 760, 30, 20
_TILES_LEFT, _TEXT_LEFT = 176, 424
_NAME_SIZE, _TEXT_SIZE = 12, 11
_INK = (122, 122, 122)  # legible on white and on black alike
_LONGEST_NAME = 40  # letters of a name in text


@dataclass(frozen=True, eq=False)
class Glance:
    """Feature maps at a glance; nothing is computed before it is asked for, and nothing is kept.

    Attributes:
        activations: the layers, in the order in which they ran.
        name: of the user's variable that holds the maps.
        missing: the layers that gave nothing.

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
        from PIL import Image

        if not self.activations:
            return None
        try:
            pixels, file = self.picture(), io.BytesIO()
            image = Image.fromarray(pixels).quantize(256, Image.Quantize.FASTOCTREE)
            image.save(file, "PNG")
        except Exception:
            return None
        return b64encode(file.getvalue()).decode(), (
            pixels.shape[1] // DENSITY,
            pixels.shape[0] // DENSITY,
        )

    def picture(self) -> Pixels:
        """Draw the head, a row for each of the first layers, and what is left out, as RGBA."""
        shared, shown = _shared(self.activations), self.activations[:MOST_ROWS]
        film = filmstrip([_first_sample(each) for each in shown], View())
        rest, below = self._rest(), _LINE + _PITCH * len(shown)
        height = below + _LINE * len(rest)
        canvas = np.zeros((height * DENSITY, _WIDTH * DENSITY, 4), np.uint8)
        canvas[..., :3] = _INK
        _write(canvas, _head(self.activations, shared), 0, 0, _WIDTH, _TEXT_SIZE)
        rows = {row.activation.key: row for row in film.rows}
        for number, each in enumerate(shown):
            top = _LINE + number * _PITCH
            middle = top + (_PITCH - 16) // 2
            name, *facts = filter(None, _cells(each, shared))
            _write(canvas, name, middle, 0, _TILES_LEFT - 8, _NAME_SIZE, bold=True)
            _write(canvas, "  ".join(facts), middle, _TEXT_LEFT, _WIDTH, _TEXT_SIZE)
            row = rows.get(each.key)
            if row is not None and row.tiles is not None:
                _paint(canvas, row, film, top)
        for number, line in enumerate(rest):
            _write(canvas, line, below + _LINE * number, 0, _WIDTH, _TEXT_SIZE)
        return canvas

    def _rest(self) -> list[str]:
        """Return lines about the layers that have no row."""
        lines, left = [], len(self.activations) - MOST_ROWS
        if left > 0:
            layers = f"{left:,} more layer{'s' * (left != 1)}"
            lines.append(f"… {layers}; %featuremaps {self.name} --overview shows all")
        if count := len(self.missing):
            layers = f"{count:,} layer{'s' * (count != 1)}"
            lines.append(f"{layers} gave nothing: {self.name}.missing says why")
        return lines

    def _alt(self) -> str:
        return spoken(self.text.replace("\n  ", "\n").replace("…", "and"))


def _write(
    canvas: Pixels, text: str, top: int, left: int, right: int, size: int, *, bold: bool = False
) -> None:
    alpha = line_alpha(text, size, right - left, bold=bold)
    place = canvas[top * DENSITY :, left * DENSITY :, 3]
    place = place[: alpha.shape[0], : alpha.shape[1]]
    np.maximum(place, alpha[: place.shape[0], : place.shape[1]], out=place)


def _paint(canvas: Pixels, row: FilmstripRow, film: Filmstrip, top: int) -> None:
    """Paint the thumbnails of a layer side by side; what is no value stays transparent."""
    assert row.tiles is not None
    band, colors = film.band, np.frombuffer(film.palette, np.uint8).reshape(256, 3)
    for number, tile in enumerate(lay_out_thumbnails(row.tiles, row.form, band)):
        height, width = tile.shape
        down = top + 1 + (band.side - height) // 2
        across = _TILES_LEFT + number * (band.side + band.gap)
        enlarged = tile.repeat(DENSITY, 0).repeat(DENSITY, 1)
        place = canvas[down * DENSITY :, across * DENSITY :][: height * DENSITY, : width * DENSITY]
        enlarged = enlarged[: place.shape[0], : place.shape[1]]
        place[..., :3], place[..., 3] = colors[enlarged], np.where(enlarged == GAP, 0, 255)


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
