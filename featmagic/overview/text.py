"""A film strip as text for a terminal: names, small tiles, and figures beside them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from featmagic.overview.filmstrip import Filmstrip, FilmstripRow
from featmagic.overview.table import (
    alarms,
    conclusion,
    dead,
    head,
    kind,
    mean,
    name,
    shape,
    span,
    wrong,
    zeros,
)
from featmagic.overview.thumbnails import lay_out_thumbnails
from featmagic.recording.records import call_of
from featmagic.render.mosaic import Mosaic
from featmagic.render.palette import GAP
from featmagic.render.text import CellPainter, mosaic_lines
from featmagic.support.text import broken, format_bytes, sparkline, truncate, width_of

_SHORTEST_NAME = 12  # letters that a layer's name keeps in a narrow terminal
_ALARM, _RESET = "\x1b[1;95m", "\x1b[0m"  # bold, bright magenta


def filmstrip_lines(
    filmstrip: Filmstrip, cells: Callable[[Mosaic, int], CellPainter], colors: int, columns: int
) -> str:
    """Return a film strip as lines of at most `columns` letters."""
    words = [
        part for text in head(filmstrip) for part in broken(text, " ", columns, "  ", width_of)
    ]
    lines = [_cut(line, columns) for line in words]
    lines += [_as_alarm(_cut(text, columns), colors) for text in alarms(filmstrip)]
    tiles = iter(_tile_lines(filmstrip, cells, colors))
    height, left = -(-filmstrip.band.side // 2), columns - filmstrip.band.width - 2
    for row in filmstrip.rows:
        lines += ["", *_title(row, columns, colors)]
        facts = _facts(row)
        if row.tiles is None:
            lines.append(_cut("  ".join(filter(None, [row.reason, *facts])), columns))
            continue
        for fact in (*facts, "", "", "")[:height]:
            line = next(tiles)
            lines.append(f"{line}  {_cut(fact, left)}".rstrip(" ") if left > 0 else line)
    # Long tables scroll: what may be wrong stands where the eye is when they are done.
    again = [_cut(text, columns) for text in conclusion(filmstrip)]
    again += [_as_alarm(_cut(text, columns), colors) for text in alarms(filmstrip)]
    return "\n".join([*lines, *([""] * bool(again)), *again])


def _tile_lines(
    filmstrip: Filmstrip, cells: Callable[[Mosaic, int], CellPainter], colors: int
) -> list[str]:
    """Return the lines of the tiles of all layers: each layer is one tile with gaps in it."""
    drawn, band = [row for row in filmstrip.rows if row.tiles is not None], filmstrip.band
    if not drawn:
        return []
    canvas = np.full((len(drawn), band.side, 1, band.width), GAP, np.uint8)
    for place, row in zip(canvas[:, :, 0], drawn, strict=True):
        assert row.tiles is not None
        for number, tile in enumerate(lay_out_thumbnails(row.tiles, row.form, band)):
            left = number * (band.side + band.gap)
            place[: tile.shape[0], left : left + tile.shape[1]] = tile
    mosaic = Mosaic(canvas, ("",) * len(drawn), filmstrip.palette, 1, color_maps=2)
    lines = mosaic_lines(mosaic, cells(mosaic, colors), band.width).all()
    return [line.ljust(band.width) for line in lines]  # so that the facts stand in one column


def _title(row: FilmstripRow, columns: int, colors: int) -> list[str]:
    """Return a layer's name with as many words as there is room for, and its alarm.

    The alarm has a line of its own if the name would have no room beside it.
    """
    alarm = wrong(row.health) if row.health else ""
    left = columns - (len(alarm) + 2 if alarm else 0)
    apart = left < min(_SHORTEST_NAME, width_of(name(row)))
    left = columns if apart else left
    words = [kind(row), shape(row), *filter(None, [call_of(row.activation)])]
    words += [mean(row.health), zeros(row.health)] if row.health else []
    line = _cut(truncate(name(row), max(_SHORTEST_NAME, left // 2)), left)
    for text in filter(None, words):
        if width_of(longer := f"{line}  {text}") > left:
            break
        line = longer
    if not alarm:
        return [line]
    alarm = f"  {_as_alarm(_cut(alarm, columns - 2), colors)}"
    return [line, alarm] if apart else [line + alarm]


def _facts(row: FilmstripRow) -> tuple[str, ...]:
    health, nbytes = row.health, format_bytes(row.nbytes)
    if health is None:
        return (nbytes,)
    histogram = sparkline(health.histogram) if health.low < health.high else ""
    return (histogram, span(health), f"{dead(health)}  {nbytes}".strip())


def _as_alarm(text: str, colors: int) -> str:
    return f"{_ALARM}{text}{_RESET}" if colors else text


def _cut(text: str, columns: int) -> str:
    """Return the text without its end if that has no room."""
    if width_of(text) <= columns:
        return text
    while text and width_of(text) >= columns:
        text = text[:-1]
    return text + "…" if columns > 0 else ""
