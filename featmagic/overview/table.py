"""A film strip in words: a line for each layer, and lines about all of them."""

from __future__ import annotations

import numpy as np
import torch

from featmagic.overview.filmstrip import Filmstrip, FilmstripRow
from featmagic.overview.health import SAMPLED, Health
from featmagic.overview.thumbnails import is_centered, maps_of
from featmagic.recording.records import call_of, shape_of
from featmagic.support.memory import NOT_ENOUGH
from featmagic.support.text import format_bytes, percent, readable, sparkline


def filmstrip_text(filmstrip: Filmstrip) -> str:
    """Return the whole film strip as plain text: totals, alarms, then a line for each layer.

    Example:
        >>> import torch
        >>> from featmagic.recording.records import Activation
        >>> from featmagic.overview.filmstrip import filmstrip
        >>> from featmagic.options.view import View
        >>> relu = Activation("relu", "relu", "ReLU", 1, torch.tensor([[[[0.0, 0]], [[1, 3]]]]))
        >>> print(filmstrip_text(filmstrip([relu], View())).splitlines()[-1])
        relu  ReLU  (1, 2, 1, 2)  0 █▁▁▁▁▅▁▁▁▁▁▁▁▁▁▅ 3  mean 1  zeros 50 %  dead 1 of 2  16 B
    """
    lines = [_cells(row) for row in filmstrip.rows]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    rows = ("  ".join(t.ljust(w) for t, w in zip(line, widths, strict=True) if w) for line in lines)
    return "\n".join([*head(filmstrip), *alarms(filmstrip), *(row.rstrip() for row in rows)])


def head(filmstrip: Filmstrip) -> list[str]:
    """Return lines about all layers together, and on how to read a row."""
    rows, nbytes = filmstrip.layers, sum(row.nbytes for row in filmstrip.layers)
    lines = [f"{_layers(len(rows))} · {format_bytes(nbytes)} of activations"]
    all_read = not any(row.reason.startswith(NOT_ENOUGH) for row in rows)
    if all_read and not alarms(filmstrip):
        lines[0] += " · no NaN, no inf"
    if dying := _dying(filmstrip):
        lines[0] += f' · constant ("dead") channels in {_layers(len(dying))}'
    usual, *others = _passes(filmstrip)
    lines[0] += f" · {usual}" if usual else ""
    lines += others
    if count := len(filmstrip.folded):
        one = count == 1
        words = "row that repeats the row above is" if one else "rows that repeat the row above are"
        lines.append(f"{count} {words} folded")
    if filmstrip.left_out:
        lines.append(f"Interrupted: {_layers(filmstrip.left_out)} more left out")
    if any(row.tiles is not None for row in rows):
        lines.append(_how_drawn(filmstrip))
    if any(row.health and row.health.sampled for row in rows):
        lines.append(
            f"≈ and histograms: approximated from {SAMPLED:,} values per layer; "
            "everything else uses all values"
        )
    return lines


def _passes(filmstrip: Filmstrip) -> list[str]:
    """Return the pass of most layers ("" if there was only one), then a line for each other."""
    passes = [str(row.activation.of_pass) for row in filmstrip.rows]
    if len(set(passes)) == 1:  # the usual case, in less time
        return passes[:1]
    names: dict[str, list[str]] = {"": []}
    for words, row in zip(passes, filmstrip.rows, strict=True):
        names.setdefault(words, []).append(name(row))
    usual = max(names, key=lambda words: len(names[words]))
    others = [(words, keys) for words, keys in names.items() if keys and words != usual]
    return [
        usual,
        *(
            f"{words or 'in the pass of the model'}: {', '.join(keys[:8])}"
            + (f" and {len(keys) - 8} more" if len(keys) > 8 else "")
            for words, keys in others
        ),
    ]


def _layers(count: int) -> str:
    return f"{count} layer{'s' * (count != 1)}"


def _how_drawn(filmstrip: Filmstrip) -> str:
    view, most = filmstrip.view, filmstrip.band.tiles
    first, second = maps_of(view)
    usual = "the first channel" if most == 1 else f"the first {most} channels"
    channels = f"channels {view.channels}" if view.channels else usual
    colors = first if first == second else f"{first}, or {second} for both signs"
    if is_centered(view):
        colors = f"{first}, or {second} centered on 0 for both signs"
    return f"tiles: sample {view.sample}, {channels} · {colors}, color range per channel"


def alarms(filmstrip: Filmstrip) -> list[str]:
    """Return which layer is the first with NaN, and which with infinities, if any."""
    lines = []
    wrong_rows = [row for row in filmstrip.layers if row.health and row.health.nonfinite]
    for what in ("NaN", "inf"):
        affected = [row for row in wrong_rows if row.health and what in row.health.nonfinite]
        if affected:
            key = name(affected[0])
            share = f"{len(affected)} of {len(filmstrip.layers)}"
            lines.append(f"first {what}: {key} ({share} layers have it)")
    return lines


def conclusion(filmstrip: Filmstrip) -> list[str]:
    """Return what a terminal says again below the table: the layer with most dead channels.

    The alarms come after it.
    """
    dying = _dying(filmstrip)
    if not dying:
        return []
    most = max(dying, key=lambda row: row.health.dead / row.health.channels if row.health else 0)
    assert most.health is not None
    share = f"{most.health.dead} of {most.health.channels}"
    return [f"layer with most dead channels: {name(most)} ({share})"]


def _dying(filmstrip: Filmstrip) -> list[FilmstripRow]:
    return [row for row in filmstrip.layers if row.health and row.health.dead]


def _cells(row: FilmstripRow) -> tuple[str, ...]:
    """Return the cells of a layer's line, some of them empty."""
    health = row.health
    words = (name(row), kind(row), shape(row))
    nbytes = "  ".join([format_bytes(row.nbytes), *filter(None, [call_of(row.activation)])])
    if health is None:
        return (*words, row.reason, "", "", "", nbytes, "")
    values = span(health)
    if health.low < health.high:
        values = f"{health.low:.3g} {sparkline(health.histogram)} {health.high:.3g}"
    return (*words, values, mean(health), zeros(health), dead(health), nbytes, wrong(health))


def name(row: FilmstripRow) -> str:
    """Return the activation's key; the model itself goes by what the user calls it."""
    return readable(row.activation.label)


def kind(row: FilmstripRow) -> str:
    """Return the class of the layer's module."""
    return readable(row.activation.kind)


def shape(row: FilmstripRow) -> str:
    """Return the activation's shape, and its dtype if that isn't float32."""
    tensor = row.activation.tensor
    if tensor.dtype is torch.float32:
        return shape_of(tensor)
    return f"{shape_of(tensor)} {str(tensor.dtype).removeprefix('torch.')}"


def span(health: Health) -> str:
    """Return the range of the finite values."""
    if health.low > health.high:
        return "no finite value"
    if health.low == health.high:
        return f"all {health.low:.3g}"
    return f"{health.low:.3g} … {health.high:.3g}"


def mean(health: Health) -> str:
    """Return the mean, with a sign if it is that of a sample of the values."""
    if np.isnan(health.mean):
        return ""
    return f"mean {'≈ ' * health.sampled}{health.mean:.3g}"


def zeros(health: Health) -> str:
    """Return the share of zeros, with a sign if it is that of a sample of the values.

    It is empty if no value is finite.
    """
    if np.isnan(health.mean):
        return ""
    share = percent(health.zeros)
    return f"zeros {'≈ ' * (health.sampled and share[0].isdigit())}{share}"


def dead(health: Health) -> str:
    """Return how many channels are dead, of how many; empty if a channel is a single value."""
    return f"dead {health.dead} of {health.channels}" if health.channels else ""


def wrong(health: Health) -> str:
    """Return how many values are NaN, and how many infinite; empty if none are."""
    return ", ".join(f"{count} {what}" for what, count in health.nonfinite.items())
