"""An overview in words: a line each layer, and what holds of all."""

from __future__ import annotations

import numpy as np
import torch

from featmagic.overview.filmstrip import Filmstrip, FilmstripRow
from featmagic.overview.health import SAMPLED, Health
from featmagic.overview.thumbnails import is_centered, maps_of
from featmagic.recording.records import call_of, shape_of
from featmagic.support.text import format_bytes, percent, printable, sparkline


def filmstrip_text(film: Filmstrip) -> str:
    """The whole film as plain text: the totals, the alarms, then a line each layer.

    Example:
        >>> import torch
        >>> from featmagic.recording.records import Activation
        >>> from featmagic.overview.filmstrip import filmstrip
        >>> from featmagic.options.view import View
        >>> relu = Activation("relu", "relu", "ReLU", 1, torch.tensor([[[[0.0, 0]], [[1, 3]]]]))
        >>> print(filmstrip_text(filmstrip([relu], View())).splitlines()[-1])
        relu  ReLU  (1, 2, 1, 2)  0 █▁▁▁▁▅▁▁▁▁▁▁▁▁▁▅ 3  mean 1  zeros 50 %  dead 1 of 2  16 B
    """
    lines = [[*_columns(frame)] for frame in film.frames]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = ("  ".join(t.ljust(w) for t, w in zip(line, widths, strict=True) if w) for line in lines)
    return "\n".join([*head(film), *alarms(film), *(row.rstrip() for row in rows)])


def head(film: Filmstrip) -> list[str]:
    """What holds of all layers, and how to read a row."""
    count, nbytes = len(film.frames), sum(frame.nbytes for frame in film.frames)
    lines = [f"{count} layer{'s' * (count != 1)} · {format_bytes(nbytes)} of activations"]
    if not alarms(film):
        lines[0] += " · no NaN, no inf"
    dying = sum(1 for frame in film.frames if frame.health and frame.health.dead)
    lines[0] += f" · dead channels (of one value throughout) in {dying}" if dying else ""
    if film.left_out:
        more = "1 layer" if film.left_out == 1 else f"{film.left_out} layers"
        lines.append(f"Interrupted: {more} more left out")
    if any(frame.tiles is not None for frame in film.frames):
        lines.append(_how_drawn(film))
    if any(frame.health and frame.health.sampled for frame in film.frames):
        lines.append(
            f"≈ and histograms: by up to {SAMPLED} evenly spaced values a layer; "
            "all else: by all values"
        )
    return lines


def _how_drawn(film: Filmstrip) -> str:
    view = film.view
    first, second = maps_of(view)
    there = film.band.tiles
    some = "the first channel" if there == 1 else f"the first {there} channels"
    which = f"channels {view.channels}" if view.channels else some
    colors = first if first == second else f"{first}, or {second} for both signs"
    how = f"sample {view.sample}, {which}, each its own range"
    return f"tiles: {how} · {colors}{' around 0' if is_centered(view) else ''}"


def alarms(film: Filmstrip) -> list[str]:
    """Which layer is the first with NaN, and which with infinities, if any."""
    found = []
    for name in ("NaN", "inf"):
        those = [frame for frame in film.frames if _count(frame.health, name)]
        if those:
            key = printable(those[0].activation.key)
            found.append(f"first {name}: {key} ({len(those)} of {len(film.frames)} layers have it)")
    return found


def _count(health: Health | None, name: str) -> int:
    return 0 if health is None else health.nan if name == "NaN" else health.inf


def _columns(frame: FilmstripRow) -> tuple[str, ...]:
    health = frame.health
    words = (name(frame), kind(frame), shape(frame))
    nbytes = "  ".join([format_bytes(frame.nbytes), *filter(None, [call_of(frame.activation)])])
    if health is None:
        return (*words, frame.reason, "", "", "", nbytes, "")
    between = sparkline(health.histogram) if health.low < health.high else ""
    ends = (f"{health.low:.3g}", between, f"{health.high:.3g}")
    spread = " ".join(ends) if between else span(health)
    return (*words, spread, mean(health), zeros(health), dead(health), nbytes, wrong(health))


def name(frame: FilmstripRow) -> str:
    """The activation's key."""
    return _plain(frame.activation.key)


def _plain(text: str) -> str:
    return text if text.isprintable() else printable(text)


def kind(frame: FilmstripRow) -> str:
    """The class of its module."""
    return _plain(frame.activation.kind)


def shape(frame: FilmstripRow) -> str:
    """Its shape, and its dtype where that isn't float32."""
    tensor = frame.activation.tensor
    if tensor.dtype is torch.float32:
        return shape_of(tensor)
    return f"{shape_of(tensor)} {str(tensor.dtype).removeprefix('torch.')}"


def span(health: Health) -> str:
    """The range of the finite values.

    Example:
        >>> span(Health(low=-1.0, high=2.5)), span(Health(low=3.0, high=3.0))
        ('-1 … 2.5', 'all 3')
    """
    if health.low > health.high:
        return "no finite value"
    if health.low == health.high:
        return f"all {health.low:.3g}"
    return f"{health.low:.3g} … {health.high:.3g}"


def mean(health: Health) -> str:
    """The mean, with a sign if it isn't that of all values."""
    if np.isnan(health.mean):
        return ""
    return f"mean {'≈ ' * health.sampled}{health.mean:.3g}"


def zeros(health: Health) -> str:
    """The share of zeros, with a sign if it isn't that of all values."""
    share = percent(health.zeros)
    return f"zeros {'≈ ' * (health.sampled and share[0].isdigit())}{share}"


def dead(health: Health) -> str:
    """How many channels are dead, of how many; empty where a channel is one value."""
    return f"dead {health.dead} of {health.channels}" if health.channels else ""


def wrong(health: Health) -> str:
    """How many values are NaN, and how many infinite."""
    counts = (f"{n} {what}" for n, what in ((health.nan, "NaN"), (health.inf, "inf")) if n)
    return ", ".join(counts)
