"""A film strip of many layers: a row each, with small tiles and what state the layer is in."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from math import prod

import numpy as np
import torch
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
    thumbnail_ranges,
    two_maps,
)
from featmagic.planes.dtypes import Pixels, to_real, undrawable
from featmagic.planes.layout import Layout, LayoutMismatch, layout_of
from featmagic.planes.measurements import to_host
from featmagic.planes.planes import planes_of
from featmagic.recording.records import Activation
from featmagic.render.viewport import PAGE, Viewport
from featmagic.support.errors import FeatmagicError
from featmagic.support.progress import Progress

_PAGE_BAND = Band(side=28, gap=2)


_TERMINAL_SIDE = 6  # three lines of half blocks


BESIDE = 24  # letters beside the tiles in a terminal


@dataclass(frozen=True, eq=False)
class FilmstripRow:
    """One layer in the film.

    Attributes:
        activation: as it was captured.
        reason: why there is neither picture nor figure, or no picture; empty where there is one.
        health: how it is; None where there are no values.
        tiles: `(n, h, w)` indices of the film's palette; None where there is no picture.
        form: `tiles`; `rows` or `columns` of a heat map; `fold`, single values in one line.
        nbytes: how many bytes it takes.
    """

    activation: Activation
    reason: str
    health: Health | None
    tiles: Pixels | None
    form: str
    nbytes: int


@dataclass(frozen=True, eq=False)
class Filmstrip:
    """The layers, in the order in which they ran.

    Attributes:
        frames: a layer each.
        view: how they are drawn.
        palette: 256 RGB colors; two color maps of `HALF` levels each.
        band: the room for a layer's tiles.
        left_out: how many layers an interrupt left out.
        interrupted: whether one came while the layers were measured.
    """

    frames: tuple[FilmstripRow, ...]
    view: View
    palette: bytes
    band: Band
    left_out: int = 0
    interrupted: bool = False


@dataclass(frozen=True, eq=False)
class _Seen:
    """What is looked at of a layer, still on its device."""

    reason: str = ""
    reading: Reading | None = None
    stack: ThumbnailPlanes | None = None
    signed: bool = False
    form: str = "tiles"


def filmstrip(
    activations: Sequence[Activation],
    view: View,
    viewport: Viewport | None = PAGE,
) -> Filmstrip:
    """The film of some activations: all figures leave their device at once, then all tiles.

    A tile is a channel, one of the first eight or of those the view names, of the view's sample,
    drawn by the stages of an ordinary look in the channel's own range; heat maps are one picture,
    and so are single values, in lines from left to right.

    Args:
        activations: as they were captured.
        view: its `sample`, `channels`, `cmap` and what says how axes and volumes are read.
        viewport: where the film is shown; None where no picture is wanted.

    Raises:
        FeatmagicError: an option that an overview has no use for; a sample, channel, slice or grid
            that isn't there.

    Example:
        >>> import torch
        >>> conv = Activation("conv", "conv", "Conv2d", 1, torch.rand(1, 9, 56, 56))
        >>> film = filmstrip([conv], View())
        >>> film.frames[0].tiles.shape
        (8, 28, 28)
    """
    _check(view)
    band = _band(viewport)
    seen: list[_Seen] = []
    interrupted = True
    with suppress(KeyboardInterrupt):
        with Progress(len(activations), "Overview") as progress:
            for activation in activations:
                seen.append(_seen(activation, view, band, draws=viewport is not None))
                progress.step()
        interrupted = False
    if interrupted and not seen:
        raise KeyboardInterrupt
    readings = [one.reading for one in seen if one.reading is not None]
    groups = group_thumbnails([one.stack for one in seen])
    measurements = to_host(
        *[one.measurements for one in readings], *[group.measurements() for group in groups]
    )
    found = iter(healths(readings, measurements[: len(readings)]))
    health = [next(found) if one.reading is not None else None for one in seen]
    both = [_has_both_signs(*pair) for pair in zip(seen, health, strict=True)]
    ranges = thumbnail_ranges(groups, measurements[len(readings) :])
    made = paint_thumbnails(groups, ranges, np.array(both, bool), centered=is_centered(view))
    frames = tuple(
        FilmstripRow(
            activations[n],
            one.reason,
            health[n],
            made.get(n),
            one.form,
            _bytes(activations[n].tensor),
        )
        for n, one in enumerate(seen)
    )
    return Filmstrip(frames, view, two_maps(view), band, len(activations) - len(seen), interrupted)


def _check(view: View) -> None:
    if not view.sample.lstrip("-").isdigit():
        raise FeatmagicError(f"An overview shows one sample, as in --sample 0, not {view.sample}.")


def _band(viewport: Viewport | None) -> Band:
    if viewport is None or not viewport.strict:
        return _PAGE_BAND
    there = (viewport.width - BESIDE + viewport.gap) // (_TERMINAL_SIDE + viewport.gap)
    return Band(_TERMINAL_SIDE, viewport.gap, max(1, min(_PAGE_BAND.tiles, there)))


def _seen(activation: Activation, view: View, band: Band, *, draws: bool) -> _Seen:
    tensor = activation.tensor
    # Of a single value the reason would be the value, which would have to be brought over.
    reason = undrawable(tensor[None] if tensor.dim() == 0 else tensor)
    if reason and (tensor.dim() <= 5 or tensor.numel() == 0):
        return _Seen(reason)
    tensor = tensor if tensor.layout is torch.strided else tensor.to_dense()
    if reason or tensor.dim() == 0:
        return _Seen(reason or "", read_values(tensor, "?" * tensor.dim()))
    layout = _layout(activation, view)
    seen = read_values(tensor, layout.dims)
    if not draws:
        return _Seen("", seen, None, layout.signed)
    if layout.dims == "NCHW" and view.channels is None and prod(tensor.shape[2:]) > 1:
        # The usual case, in a tenth of the time; `planes_of` would give the same, and words.
        sample = picked(view.sample, len(tensor), "sample")[0]
        stack = thumbnail_planes(to_real(tensor[sample, : band.tiles])[0], "tiles", band)
        return _Seen("", seen, stack, layout.signed)
    chosen = planes_of(tensor, layout, view, activation.key)
    several = chosen.form == "tiles" and view.channels is None
    values = chosen.values[0, : band.tiles] if several else chosen.values[0]
    stack = thumbnail_planes(values, chosen.form, band)
    return _Seen("", seen, stack, layout.signed, chosen.form)


def _layout(activation: Activation, view: View) -> Layout:
    """What its axes are; a layout is for the layers that have as many."""
    try:
        return layout_of(activation, view)
    except LayoutMismatch:
        return layout_of(activation, replace(view, layout=None))


def _has_both_signs(seen: _Seen, health: Health | None) -> bool:
    return seen.signed or (health is not None and health.low < 0 < health.high)


def _bytes(tensor: Tensor) -> int:
    """What the values take, or would where there are none."""
    if tensor.is_nested:
        return sum(part.numel() * part.element_size() for part in tensor.unbind())
    return tensor.numel() * tensor.element_size()
