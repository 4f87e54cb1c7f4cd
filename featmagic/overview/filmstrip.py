"""A film strip of many layers: a row for each, with small tiles and its state of health."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from itertools import compress
from math import prod
from operator import not_

import numpy as np
from torch import Tensor

from featmagic.options.indexing import picked
from featmagic.options.view import View
from featmagic.overview.health import Health, Reading, healths, read_values
from featmagic.overview.thumbnails import (
    Band,
    ThumbnailPlanes,
    group_thumbnails,
    is_centered,
    paint_thumbnails,
    thumbnail_planes,
    two_maps,
)
from featmagic.planes.dtypes import Pixels, sliceable, to_real, undrawable
from featmagic.planes.layout import Layout, LayoutMismatch, layout_of
from featmagic.planes.measurements import to_host
from featmagic.planes.planes import planes_of
from featmagic.recording.records import Activation
from featmagic.render.viewport import PAGE, Viewport
from featmagic.support.errors import FeatmagicError
from featmagic.support.memory import unless_out_of_memory
from featmagic.support.progress import Progress

_PAGE_BAND = Band(side=28, gap=2)
_TERMINAL_SIDE = 6  # three lines of half blocks
_TERMINAL_FACTS = 24  # letters beside the tiles


@dataclass(frozen=True, eq=False)
class FilmstripRow:
    """One layer of a film strip."""

    activation: Activation
    reason: str  # why there is no picture, and perhaps no health; empty if there is a picture
    health: Health | None  # None if there are no values
    tiles: Pixels | None  # `(n, h, w)` indices of the film strip's palette
    form: str  # `tiles`; `rows` or `columns` of a heat map; `fold`, single values in one line
    nbytes: int  # of the tensor


@dataclass(frozen=True, eq=False)
class Filmstrip:
    """The layers of a pass, in the order in which they ran.

    Attributes:
        rows: one for each layer.
        view: how the layers are drawn.
        palette: 256 RGB colors: two color maps of `HALF` levels each, then the special colors.
        band: the room for a layer's tiles.
        folded: those that aren't shown, as each only repeats the row before it.
        left_out: the number of layers that an interrupt left out.
        interrupted: whether an interrupt came while the layers were measured.
    """

    rows: tuple[FilmstripRow, ...]
    view: View
    palette: bytes
    band: Band
    folded: tuple[FilmstripRow, ...] = ()
    left_out: int = 0
    interrupted: bool = False

    @property
    def layers(self) -> tuple[FilmstripRow, ...]:
        """Every layer that was measured, shown or not."""
        return self.rows + self.folded


@dataclass(frozen=True, eq=False)
class _Layer:
    """What is read of a layer, still on its device."""

    reason: str = ""
    reading: Reading | None = None
    thumbnails: ThumbnailPlanes | None = None
    signed: bool = False
    form: str = "tiles"


def filmstrip(
    activations: Sequence[Activation],
    view: View,
    viewport: Viewport | None = PAGE,
) -> Filmstrip:
    """Make a film strip: all figures leave their device at once, then all tiles.

    A tile is a channel of the view's sample in its own color range: one of the first eight, or of
    those that the view names. A heat map is one picture, and so are single values, in lines from
    left to right.

    Args:
        activations: as they were captured.
        view: its `sample`, `channels`, `cmap`, and the options on layouts and volumes.
        viewport: where the film strip is shown; None if no picture is wanted.

    Raises:
        FeatmagicError: more than one sample, or a sample, channel, slice or grid that doesn't
            exist.

    Example:
        >>> import torch
        >>> conv = Activation("conv", "conv", "Conv2d", 1, torch.rand(1, 9, 56, 56))
        >>> filmstrip([conv], View()).rows[0].tiles.shape
        (8, 28, 28)
    """
    if not view.sample.lstrip("-").isdigit():
        raise FeatmagicError(f"An overview shows one sample, as in --sample 0, not {view.sample}.")
    band = _band(viewport)
    layers, interrupted = _read_layers(activations, view, band, draws=viewport is not None)
    health, tiles = _measure_and_paint(layers, view)
    rows = tuple(
        FilmstripRow(
            activation,
            layer.reason,
            health[number],
            tiles.get(number),
            layer.form,
            _size_in_bytes(activation.tensor),
        )
        for number, (activation, layer) in enumerate(zip(activations, layers, strict=False))
    )
    is_folded = [False, *(map(_repeats, rows[1:], rows))][: len(rows)]
    return Filmstrip(
        tuple(compress(rows, map(not_, is_folded))),
        view,
        two_maps(view),
        band,
        tuple(compress(rows, is_folded)),
        len(activations) - len(layers),
        interrupted,
    )


def _repeats(row: FilmstripRow, before: FilmstripRow) -> bool:
    """Return True if a layer returned the very tensor of the row before, which looks the same."""
    one, other = row.activation, before.activation
    if not one.same_as or one.same_as != other.key or one.of_pass is not other.of_pass:
        return False
    # Changes that torch doesn't count (through NumPy, say) are seen in what is drawn. The figures
    # are compared as text, since a mean that is NaN doesn't equal itself.
    figures = [(repr(each.health), each.reason, each.form) for each in (row, before)]
    if figures[0] != figures[1] or row.tiles is None or before.tiles is None:
        return figures[0] == figures[1] and row.tiles is before.tiles
    return np.array_equal(row.tiles, before.tiles)


def _band(viewport: Viewport | None) -> Band:
    """Return the room for a layer's tiles: in a terminal as many as its facts leave room for."""
    if viewport is None or not viewport.strict:
        return _PAGE_BAND
    room = viewport.width - _TERMINAL_FACTS
    tiles = (room + viewport.gap) // (_TERMINAL_SIDE + viewport.gap)
    return Band(_TERMINAL_SIDE, viewport.gap, max(1, min(_PAGE_BAND.tiles, tiles)))


def _read_layers(
    activations: Sequence[Activation], view: View, band: Band, *, draws: bool
) -> tuple[list[_Layer], bool]:
    """Read the layers up to an interrupt, and return True beside them if there was one.

    Raises:
        KeyboardInterrupt: before the first layer was read.
    """
    layers: list[_Layer] = []
    interrupted = True
    with suppress(KeyboardInterrupt):
        with Progress(len(activations), "Overview") as progress:
            for activation in activations:
                read = partial(_read_layer, activation, view, band, draws=draws)
                layers.append(unless_out_of_memory(read, _Layer))
                progress.step()
        interrupted = False
    if interrupted and not layers:
        raise KeyboardInterrupt
    return layers, interrupted


def _read_layer(activation: Activation, view: View, band: Band, *, draws: bool) -> _Layer:
    """Read a layer: its values for its health, and the planes that become its tiles."""
    tensor = activation.tensor
    # The reason for a single value names the value, which would have to leave its device.
    reason = undrawable(tensor[None] if tensor.dim() == 0 else tensor)
    if reason and (tensor.dim() <= 5 or tensor.numel() == 0):
        return _Layer(reason)
    tensor = sliceable(tensor)
    if reason or tensor.dim() == 0:
        return _Layer(reason or "", read_values(tensor, "?" * tensor.dim()))
    layout = _layout(activation, view)
    reading = read_values(tensor, layout.dims)
    if not draws:
        return _Layer("", reading, None, layout.signed)
    if layout.dims == "NCHW" and view.channels is None and prod(tensor.shape[2:]) > 1:
        # The usual case, in a tenth of the time that `planes_of` takes for the same planes.
        sample = picked(view.sample, len(tensor), "sample")[0]
        thumbnails = thumbnail_planes(to_real(tensor[sample, : band.tiles])[0], "tiles", band)
        return _Layer("", reading, thumbnails, layout.signed)
    planes = planes_of(tensor, layout, view, activation.key)
    first = planes.form == "tiles" and view.channels is None
    values = planes.values[0, : band.tiles] if first else planes.values[0]
    thumbnails = thumbnail_planes(values, planes.form, band)
    return _Layer("", reading, thumbnails, layout.signed, planes.form)


def _layout(activation: Activation, view: View) -> Layout:
    """Return the layout of an activation; the view's goes only to tensors of as many axes."""
    try:
        return layout_of(activation, view)
    except LayoutMismatch:
        return layout_of(activation, replace(view, layout=None))


def _measure_and_paint(
    layers: Sequence[_Layer], view: View
) -> tuple[list[Health | None], dict[int, Pixels]]:
    """Return the health of each layer, and the tiles by the number of their layer.

    All figures leave their device at once, then all tiles.
    """
    readings = [layer.reading for layer in layers if layer.reading is not None]
    groups = group_thumbnails([layer.thumbnails for layer in layers])
    measurements = to_host(
        *[reading.measurements for reading in readings], *[group.measurements() for group in groups]
    )
    measured = iter(healths(readings, measurements[: len(readings)]))
    health = [next(measured) if layer.reading is not None else None for layer in layers]
    both_signs = [
        layer.signed or (state is not None and state.low < 0 < state.high)
        for layer, state in zip(layers, health, strict=True)
    ]
    ranges, second = measurements[len(readings) :], np.array(both_signs, bool)
    return health, paint_thumbnails(groups, ranges, second, centered=is_centered(view))


def _size_in_bytes(tensor: Tensor) -> int:
    """Return the size of the values in bytes, even if the tensor has none (meta)."""
    if tensor.is_nested:
        return sum(part.numel() * part.element_size() for part in tensor.unbind())
    return tensor.numel() * tensor.element_size()
