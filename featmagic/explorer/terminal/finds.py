"""What the keys for finds go to: dead channels, the strongest one, the first NaN or infinity."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from featmagic.explorer.planes import sample_planes
from featmagic.explorer.terminal.state import ExplorerState
from featmagic.options.view import View
from featmagic.overview.health import Health, read_values
from featmagic.planes.dtypes import sliceable, to_real, undrawable
from featmagic.planes.layout import fitting, layout_of
from featmagic.planes.measurements import (
    Array,
    Measurements,
    constant_planes,
    finite_range,
    to_host,
    value_range,
)
from featmagic.recording.records import Activation
from featmagic.support.errors import FeatmagicError
from featmagic.support.memory import unless_out_of_memory

_NOT_SHOWN = "The result isn't in the part of this layer that is shown."

# Dead channels


def _go_to_dead(state: ExplorerState) -> None:
    """Go to the layer with the largest share of dead channels, and to the first of them."""
    shares = [_share_of_dead(layer.health) for layer in state.layers]
    if not any(shares):
        state.message = "No layer has dead channels."
        return
    state.choose_layer(shares.index(max(shares)))
    ready = state.preview.ready
    if ready is None:
        return
    dead = _dead_channels(ready.activation, _view_of(state, ready.activation))
    is_channel = len(dead) == ready.planes.total  # else a slice, for example
    shown = [dead[n] for n in ready.planes.indices] if is_channel else ready.measured.constant
    if not _choose_first(state, shown):
        state.message = _NOT_SHOWN


def _share_of_dead(health: Health) -> float:
    return health.dead / health.channels if health.channels else 0.0


def _dead_channels(activation: Activation, view: View) -> list[bool]:
    """Return for each channel whether it holds one value throughout, in all samples."""
    reading = read_values(sliceable(activation.tensor), layout_of(activation, view).dims)
    (ends,) = to_host({name: reading.measurements[name] for name in ("low", "high")})
    return list(constant_planes(**ends).reshape(-1))


# The strongest channel


class _Channels(NamedTuple):
    """The channels of a layer in the shown sample, and what their planes were reduced to."""

    indices: tuple[int, ...]
    ends: Measurements


def _go_to_strongest(state: ExplorerState) -> None:
    """Go to the channel with the largest finite magnitude in the shown sample.

    A layer that has one plane has no strongest channel. Layers are read in the order of what they
    hold in all samples, more and more at once, until no other can hold more.
    """
    limits = [max(0.0, -each.health.low, each.health.high) for each in state.layers]
    waiting = sorted(range(len(limits)), key=limits.__getitem__, reverse=True)
    best, layer, channel = 0.0, 0, 0
    count = 1
    while waiting and limits[waiting[0]] >= best and limits[waiting[0]] > 0:
        read, waiting, count = waiting[:count], waiting[count:], 2 * count
        for n, (magnitude, index) in _strongest_of(state, read).items():
            if (magnitude, -n) > (best, -layer):
                best, layer, channel = magnitude, n, index
    if not best:
        state.message = "No layer has finite values."
        return
    state.choose_layer(layer)
    ready = state.preview.ready
    if ready is not None and not _choose_first(state, [n == channel for n in ready.planes.indices]):
        state.message = _NOT_SHOWN


def _strongest_of(state: ExplorerState, layers: Iterable[int]) -> dict[int, tuple[float, int]]:
    """Return the largest magnitude of each layer that has several channels, and its channel.

    The ranges of all of them leave the device at once; those with NaN or infinities once more.
    """
    read = {n: _channels(state, n, value_range) for n in layers}
    magnitudes = _magnitudes(read)
    again = [n for n, each in magnitudes.items() if not np.isfinite(each).all()]
    magnitudes |= _magnitudes({n: _channels(state, n, finite_range) for n in again})
    return {
        n: (float(magnitudes[n].max()), channels.indices[int(magnitudes[n].argmax())])
        for n, channels in read.items()
        if channels is not None and n in magnitudes
    }


def _channels(
    state: ExplorerState, layer: int, reduce: Callable[[Tensor, int], Measurements]
) -> _Channels | None:
    """Reduce the planes of a layer; None if there aren't several in the shown sample."""
    activation = state.layers[layer].activation
    if undrawable(activation.tensor):
        return None

    def read() -> _Channels | None:
        try:
            view = _view_of(state, activation)
            planes = sample_planes(activation, view, int(view.sample))
        except FeatmagicError:  # it has no such sample
            return None
        if len(planes.channels) < 2:
            return None
        return _Channels(planes.channels, reduce(planes.values.flatten(1), 1))

    return unless_out_of_memory(read, lambda _: None)


def _magnitudes(read: dict[int, _Channels | None]) -> dict[int, Array]:
    """Return the largest magnitude in each channel, by layer; 0 where no value is finite."""
    measured = {n: each.ends for n, each in read.items() if each is not None}
    brought = to_host(*measured.values()) if measured else []
    return {
        n: np.where(ends["low"] > ends["high"], 0.0, np.maximum(-ends["low"], ends["high"]))
        for n, ends in zip(measured, brought, strict=True)
    }


# NaN and infinities


def _go_to_first(
    state: ExplorerState,
    count: Callable[[Health], int],
    is_one: Callable[[Tensor], Tensor],
    none: str,
) -> None:
    """Go to the first layer, as they ran, that has such values, and to its first such channel.

    If they are in other samples than the shown one, the first of those is shown.
    """
    layer = next((n for n, each in enumerate(state.layers) if count(each.health)), None)
    if layer is None:
        state.message = none
        return
    state.choose_layer(layer)
    if _choose_first(state, _channels_with(state, is_one)):
        return
    activation = state.entry.activation
    sample = _first_sample(activation, _view_of(state, activation), is_one)
    if sample is not None:
        state.change(sample=str(sample))
        if _choose_first(state, _channels_with(state, is_one)):
            return
    if state.preview.ready is not None:
        state.message = _NOT_SHOWN


def _channels_with(state: ExplorerState, is_one: Callable[[Tensor], Tensor]) -> list[bool]:
    """Return for each channel that is shown whether it has such a value."""
    ready = state.preview.ready
    if ready is None:
        return []
    found = is_one(ready.planes.values.flatten(0, 1)).flatten(1).any(1)
    if ready.planes.prefix is not None:
        found |= is_one(ready.planes.prefix.flatten(0, 1)).any(1)
    return list(found.tolist())


def _first_sample(
    activation: Activation, view: View, is_one: Callable[[Tensor], Tensor]
) -> int | None:
    """Return the first sample that has such a value; None if no axis is the batch."""
    if undrawable(activation.tensor):
        return None
    dims = layout_of(activation, view).dims
    if "N" not in dims:
        return None
    values = to_real(sliceable(activation.tensor))[0].movedim(dims.index("N"), 0)
    found: list[bool] = is_one(values).flatten(1).any(1).tolist()
    return found.index(True) if any(found) else None


# All of them


def _view_of(state: ExplorerState, activation: Activation) -> View:
    return fitting(activation, state.view, len(state.layers))


def _choose_first(state: ExplorerState, are_meant: Iterable[bool]) -> bool:
    """Choose the first of the channels that are meant; return False if there is none.

    Where all channels are in one picture, there is nothing to choose.
    """
    ready = state.preview.ready
    if ready is None or not state.preview.tiles:
        return any(are_meant)
    meant = [place for place, is_meant in enumerate(are_meant) if is_meant]
    if meant:
        # In another order than that of the channels, its place in it.
        indices = ready.planes.indices
        state.choose_tile(min(meant, key=lambda place: indices[place % len(indices)]))
    return bool(meant)


# How each of the finds is gone to, by its name
FINDERS: dict[str, Callable[[ExplorerState], None]] = {
    "dead": _go_to_dead,
    "strongest": _go_to_strongest,
    "nan": partial(
        _go_to_first,
        count=lambda health: health.nan,
        is_one=torch.isnan,
        none="No layer has a NaN.",
    ),
    "inf": partial(
        _go_to_first,
        count=lambda health: health.inf,
        is_one=torch.isinf,
        none="No layer has an infinite value.",
    ),
}
