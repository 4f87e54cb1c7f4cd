"""An overview as a picture for a page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeGuard

import numpy as np

from featmagic.overview.filmstrip import Filmstrip, FilmstripRow
from featmagic.overview.health import PARTS, Health
from featmagic.overview.table import alarms, dead, head, kind, mean, name, shape, span, wrong, zeros
from featmagic.overview.thumbnails import Band, lay_out_thumbnails
from featmagic.planes.dtypes import Pixels
from featmagic.render.font import LETTER, LINE, Text, draw_texts
from featmagic.render.non_finite_marks import draw_marks, mark_letters
from featmagic.render.palette import CONSTANT, GAP, INK, MARK, NAN, POSITIVE_INF, QUIET
from featmagic.render.png import encode_png
from featmagic.render.viewport import PAGE
from featmagic.support.text import format_bytes, truncate

PITCH = 30  # pixels from one layer to the next


TILES_LEFT, TILES_TOP = 184, 1


_LINE = 14  # pixels from one line of text to the next


_NAMES, _NAMES_WIDE = 8, 28  # pixels, letters


_BARS, _BAR, _TALLEST = 428, 4, 26


_RANGES, _RANGES_WIDE = 499, 21


_SHARES = 627


_SIZES_END = 756


_MOST = (PAGE.width - _NAMES) // LETTER


_EMPTY = Health()


def filmstrip_image(film: Filmstrip) -> Pixels:
    """The film, `(H, W)` indices of its palette: a row of `PITCH` pixels each layer, below a head.

    Example:
        >>> from featmagic.overview.filmstrip import filmstrip
        >>> from featmagic.options.view import View
        >>> filmstrip_image(filmstrip([], View())).shape
        (22, 760)
    """
    top = head_height(film)
    canvas = np.full((top + PITCH * len(film.frames), PAGE.width), GAP, np.uint8)
    texts = list(_head_texts(film))
    rows = canvas[top:].reshape(len(film.frames), PITCH, PAGE.width)
    for place, (row, frame) in enumerate(zip(rows, film.frames, strict=True)):
        texts += _texts(frame, top + place * PITCH)
        if frame.tiles is not None:
            _draw_tiles(row[TILES_TOP - 1 :, TILES_LEFT - 1 :], frame.tiles, frame, film.band)
        if _has_nonfinite(frame.health):
            draw_bar(row, _loud(frame.health))
    if film.frames:
        _draw_bars(rows[:, 2:, _BARS:], film.frames)
    draw_texts(canvas, boxed(canvas, texts))
    return canvas


def head_height(film: Filmstrip) -> int:
    """How many pixels stand above the first layer."""
    return 8 + _LINE * (len(head(film)) + len(alarms(film)))


def filmstrip_png(film: Filmstrip) -> bytes:
    """The film as a PNG with an 8-bit palette; a pixel is a CSS pixel.

    Example:
        >>> from featmagic.overview.filmstrip import filmstrip
        >>> from featmagic.options.view import View
        >>> filmstrip_png(filmstrip([], View()))[1:4]
        b'PNG'
    """
    return encode_png(filmstrip_image(film), film.palette)


def _head_texts(film: Filmstrip) -> Iterator[Text]:
    quiet, loud = head(film), alarms(film)
    for number, text in enumerate([*quiet, *loud]):
        color = INK if number == 0 else QUIET if number < len(quiet) else NAN
        yield truncate(text, _MOST), 4 + number * _LINE, _NAMES, color


def _texts(frame: FilmstripRow, top: int) -> list[Text]:
    """What is said of a layer, in two lines."""
    first, second, health = top + 2, top + 2 + _LINE, frame.health
    nbytes = format_bytes(frame.nbytes)
    texts = [
        (truncate(name(frame), _NAMES_WIDE), first, _NAMES, INK),
        (_what(frame), second, _NAMES, QUIET),
        (nbytes, first, _SIZES_END - LETTER * len(nbytes), INK),
    ]
    if health is None:
        return [*texts, (truncate(frame.reason, _MOST // 2), first, TILES_LEFT, QUIET)]
    nonfinite = _has_nonfinite(health)
    second_fact = _alarm(health) if nonfinite else mean(health)
    return [
        *texts,
        (span(health), first, _RANGES, INK),
        (second_fact, second, _RANGES, _loud(health) if nonfinite else QUIET),
        (zeros(health), first, _SHARES, QUIET),
        (dead(health), second, _SHARES, INK if health.dead else QUIET),
    ]


def _has_nonfinite(health: Health | None) -> TypeGuard[Health]:
    return health is not None and bool(health.nan or health.inf)


def _loud(health: Health) -> int:
    return NAN if health.nan else POSITIVE_INF


def _what(frame: FilmstripRow) -> str:
    """The class and the shape; where both are too long, less of the class."""
    there = shape(frame)
    left = _NAMES_WIDE - len(there) - 1
    return f"{truncate(kind(frame), left)} {there}" if left > 3 else truncate(there, _NAMES_WIDE)


def _alarm(health: Health) -> str:
    """The counts of NaN and infinities; without their last digits, where they are many."""
    text = wrong(health)
    if len(text) <= _RANGES_WIDE:
        return text
    counts = ((health.nan, "NaN"), (health.inf, "inf"))
    return ", ".join(f"{n:.1e} {what}".replace("e+0", "e") for n, what in counts if n)


def _draw_bars(rows: Pixels, frames: Sequence[FilmstripRow]) -> None:
    """The histograms; a part that holds any value is one pixel tall at least."""
    none = (0,) * PARTS
    counts = np.array([frame.health.histogram if frame.health else none for frame in frames])
    most = counts.max(1, keepdims=True)
    tall = np.ceil(counts / np.maximum(most, 1) * _TALLEST)[:, None, :]
    bars = (_TALLEST - np.arange(_TALLEST))[:, None] <= tall
    there = rows[:, :_TALLEST, : _BAR * PARTS]
    np.copyto(there, np.uint8(CONSTANT), where=bars.repeat(_BAR, 2))


def _draw_tiles(there: Pixels, values: Pixels, frame: FilmstripRow, band: Band) -> None:
    """The tiles side by side, each in the middle of its place.

    What is no number has a shape, and the tile that holds it a frame: `there` begins a pixel above
    and left of the first tile's place.
    """
    tiles, nonfinite = lay_out_thumbnails(values, frame.form, band), _has_nonfinite(frame.health)
    tiles = marked_tiles(tiles, values) if nonfinite else tiles
    count, height, width = tiles.shape
    pitch, top = band.side + band.gap, (band.side - height) // 2
    if frame.form == "tiles":
        there = there[top:, (band.side - width) // 2 :]
        places = there[1 : 1 + height, 1 : 1 + count * pitch].reshape(height, count, pitch)
        places[:, :, :width] = tiles.transpose(1, 0, 2)
    else:
        there = there[top:]
        there[1 : 1 + height, 1 : 1 + width] = tiles[0]
    if nonfinite:
        draw_frames(there, values, (height, width), pitch)


def boxed(canvas: Pixels, texts: Iterable[Text]) -> list[Text]:
    """The texts, those in a loud color as dark letters; a box of that color is drawn for them.

    Example:
        >>> canvas = np.zeros((13, 9), np.uint8)
        >>> boxed(canvas, [("1", 1, 2, NAN)]) == [("1", 1, 2, MARK)]
        True
        >>> bool((canvas[:12] == NAN).all())
        True
    """
    made = []
    for words, top, left, color in texts:
        loud = color in (NAN, POSITIVE_INF)
        if loud:
            canvas[top - 1 : top + LINE, left - 2 : left + LETTER * len(words) + 1] = color
        made.append((words, top, left, MARK if loud else color))
    return made


def draw_bar(row: Pixels, color: int) -> None:
    """A bar of shapes at the left of a row.

    Example:
        >>> row = np.zeros((30, 8), np.uint8)
        >>> draw_bar(row, NAN)
        >>> row[3:5, :5].tolist() == [[MARK, NAN, NAN, MARK, 0]] * 2
        True
    """
    shapes = np.full((1, (len(row) - 1) // _BAR, 1, 1), color, np.uint8)
    bar = row[None, : shapes.size * _BAR, None, :_BAR]
    bar[:] = color
    draw_marks(bar, shapes, _BAR)


def marked_tiles(tiles: Pixels, values: Pixels) -> Pixels:
    """Enlarged tiles `(n, h, w)` with a shape on what is no number, where values are squares.

    Example:
        >>> one = np.full((1, 1, 1), NAN, np.uint8)
        >>> int((marked_tiles(one.repeat(4, 1).repeat(4, 2), one) == MARK).sum())
        8
    """
    count, height, width = values.shape
    zoom = tiles.shape[1] // height
    if tiles.shape == (count, height * zoom, width * zoom):
        draw_marks(tiles[:, :, None], values[:, :, None], zoom)
    return tiles


def draw_frames(there: Pixels, values: Pixels, size: tuple[int, int], pitch: int) -> None:
    """A frame around each tile that holds what is no number.

    Args:
        there: from a pixel above and left of the first tile on.
        values: `(n, h, w)`, the tiles as they came.
        size: how tall and wide each is drawn.
        pitch: how far it is from one to the next.

    Example:
        >>> there = np.zeros((3, 3), np.uint8)
        >>> draw_frames(there, np.full((1, 1, 1), NAN, np.uint8), (1, 1), 2)
        >>> int((there == INK).sum())
        8
    """
    for place, letters in enumerate(mark_letters(values[:, :, None])):
        if letters:
            frame = there[: size[0] + 2, place * pitch : place * pitch + size[1] + 2]
            frame[[0, -1]], frame[:, [0, -1]] = INK, INK
