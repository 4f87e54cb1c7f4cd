"""An overview as terminal text: names, half blocks, and figures beside them."""

from __future__ import annotations

from collections.abc import Iterator
from unicodedata import east_asian_width

import numpy as np

from featmagic.overview.filmstrip import Filmstrip, FilmstripRow
from featmagic.overview.health import Health
from featmagic.overview.table import alarms, dead, head, kind, mean, name, shape, span, wrong, zeros
from featmagic.overview.thumbnails import lay_out_thumbnails
from featmagic.planes.dtypes import Pixels
from featmagic.recording.records import call_of
from featmagic.render.ascii import AsciiCells
from featmagic.render.half_blocks import HalfBlockCells
from featmagic.render.mosaic import Mosaic
from featmagic.render.palette import GAP
from featmagic.render.text import mosaic_lines
from featmagic.support.text import format_bytes, sparkline, truncate

_SHORTEST = 12  # letters that a layer's name has, if it is so long


_LOUD, _RESET = "\x1b[1;95m", "\x1b[0m"  # bold, bright magenta


def filmstrip_lines(film: Filmstrip, colors: int, columns: int) -> str:
    """The film as lines of at most `columns` letters, what is wrong in a loud color.

    Args:
        film: made for a terminal's room.
        colors: 2**24 or 256; 0 for plain letters.
        columns: of the terminal that may be used.

    Example:
        >>> from featmagic.overview.filmstrip import filmstrip
        >>> from featmagic.options.view import View
        >>> filmstrip_lines(filmstrip([], View()), 256, 80)
        '0 layers · 0 B of activations · no NaN, no inf'
    """
    lines = [part for text in head(film) for part in _broken(text, columns)]
    lines += [_loud(_cut(text, columns), colors) for text in alarms(film)]
    with_tiles = [frame for frame in film.frames if frame.tiles is not None]
    blocks = iter(_blocks(film, with_tiles, colors))
    tall = -(-film.band.side // 2)
    for frame in film.frames:
        lines += ["", *_title(frame, columns, colors)]
        facts = _facts(frame)
        if frame.tiles is None:
            lines.append(_cut("  ".join(filter(None, [frame.reason, *facts])), columns))
            continue
        left = columns - film.band.width - 2
        for fact in (*facts, "", "", "")[:tall]:
            lines.append(
                f"{next(blocks)}  {_cut(fact, left)}".rstrip(" ") if left > 0 else next(blocks)
            )
    return "\n".join(lines)


def _blocks(film: Filmstrip, frames: list[FilmstripRow], colors: int) -> list[str]:
    """The lines of the tiles of all frames: each frame is one tile with gaps in it."""
    if not frames:
        return []
    band = film.band
    canvas = np.full((len(frames), band.side, 1, band.width), GAP, np.uint8)
    for place, frame in zip(canvas[:, :, 0], frames, strict=True):
        if frame.tiles is not None:
            _lay(place, lay_out_thumbnails(frame.tiles, frame.form, band), band.side + band.gap)
    mosaic = Mosaic(canvas, ("",) * len(frames), film.palette, 1)
    if colors:
        return mosaic_lines(mosaic, HalfBlockCells(mosaic, colors), band.width).all()
    lines = mosaic_lines(mosaic, AsciiCells(mosaic, maps=2), band.width).all()
    return [line.ljust(band.width) for line in lines]  # so that the facts stand in one column


def _lay(place: Pixels, tiles: Pixels, pitch: int) -> None:
    for number, one in enumerate(tiles):
        left = number * pitch
        place[: one.shape[0], left : left + one.shape[1]] = one


def _loud(text: str, colors: int) -> str:
    return f"{_LOUD}{text}{_RESET}" if colors else text


def _title(frame: FilmstripRow, columns: int, colors: int) -> list[str]:
    """The name, as much of what else there is to say as has room, and what is wrong.

    What is wrong has a line of its own where the name would have no room beside it.
    """
    wrongs = wrong(frame.health) if frame.health else ""
    left = columns - (len(wrongs) + 2 if wrongs else 0)
    apart = left < min(_SHORTEST, _cells(name(frame)))
    left = columns if apart else left
    others = [kind(frame), shape(frame), *filter(None, [call_of(frame.activation)])]
    others += [mean(frame.health), zeros(frame.health)] if frame.health else []
    line = _cut(truncate(name(frame), max(_SHORTEST, left // 2)), left)
    for text in filter(None, others):
        if _cells(longer := f"{line}  {text}") > left:
            break
        line = longer
    if not wrongs:
        return [line]
    alarm = f"  {_loud(_cut(wrongs, columns - 2), colors)}"
    return [line, alarm] if apart else [line + alarm]


def _facts(frame: FilmstripRow) -> tuple[str, ...]:
    health, nbytes = frame.health, format_bytes(frame.nbytes)
    if health is None:
        return (nbytes,)
    return (_histogram(health), span(health), f"{dead(health)}  {nbytes}".strip())


def _histogram(health: Health) -> str:
    return sparkline(health.histogram) if health.low < health.high else ""


def _broken(text: str, columns: int) -> Iterator[str]:
    """A line in as many as it needs, broken between its words."""
    line = ""
    for word in text.split(" "):
        if line and _cells(f"{line} {word}") > columns:
            yield _cut(line, columns)
            line = "  " + word
        else:
            line = f"{line} {word}" if line else word
    yield _cut(line, columns)


def _cells(text: str) -> int:
    """How many columns a terminal gives the text."""
    if text.isascii():
        return len(text)
    return sum(2 if east_asian_width(letter) in "WF" else 1 for letter in text)


def _cut(text: str, columns: int) -> str:
    """The text without its end, where that has no room."""
    if _cells(text) <= columns:
        return text
    while text and _cells(text) >= columns:
        text = text[:-1]
    return text + "…" if columns > 0 else ""
