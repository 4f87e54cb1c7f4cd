"""A film strip as an image for a notebook's page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np

from featmagic.overview.filmstrip import Filmstrip, FilmstripRow
from featmagic.overview.health import PARTS, Health
from featmagic.overview.table import alarms, dead, head, kind, mean, name, shape, span, wrong, zeros
from featmagic.overview.thumbnails import Band, lay_out_thumbnails
from featmagic.planes.dtypes import Pixels
from featmagic.render.font import LETTER, LINE, Text, draw_texts
from featmagic.render.image import with_heading
from featmagic.render.non_finite_marks import draw_marks, mark_letters
from featmagic.render.palette import CONSTANT, GAP, INK, MARK, NAN, POSITIVE_INF, QUIET
from featmagic.render.png import encode_png
from featmagic.render.raster import Raster, raster_of
from featmagic.render.title import Heading
from featmagic.support.text import format_bytes, truncate

# Where the columns begin, in pixels, and how wide their texts are, in letters.
_NAMES, _NAMES_WIDTH = 8, 28
TILES_LEFT, TILES_TOP = 184, 1
_HISTOGRAMS = 428
_RANGES, _RANGES_WIDTH = 499, 21
_SHARES = 627
_SIZES_END = 756

WIDTH = 760  # of the whole film strip, in pixels
PITCH = 30  # pixels from one layer to the next
_LINE = 14  # pixels from one line of text to the next
_LONGEST = (WIDTH - _NAMES) // LETTER  # letters of a line in the head
_BAR_WIDTH, _BAR_HEIGHT = 4, 26  # of a bar in a histogram, in pixels
_ALARM_WIDTH = 4  # of the alarm left of a row, in pixels


def filmstrip_png(filmstrip: Filmstrip, *, headed: bool = True) -> bytes:
    """Return the film strip as a PNG with an 8-bit palette, one pixel to a CSS pixel."""
    return encode_png(headed_image(filmstrip, headed=headed))


def headed_image(filmstrip: Filmstrip, *, headed: bool = True) -> Raster:
    """Draw the film strip under the title of its view, if there is one."""
    picture = raster_of(filmstrip_image(filmstrip, headed=headed), filmstrip.palette)
    return with_heading(picture, Heading(filmstrip.view.title or ""))


def filmstrip_image(filmstrip: Filmstrip, *, headed: bool = True) -> Pixels:
    """Draw a row of `PITCH` pixels for each layer, as palette indices.

    A picture that stands alone has a head; where text with the same words stands above, it has
    none. Without a row there is the head in any case.
    """
    layers = filmstrip.rows
    texts = list(_head_texts(filmstrip)) if headed or not layers else []
    top = _height(len(texts)) if texts else 0
    canvas = np.full((top + PITCH * len(layers), WIDTH), GAP, np.uint8)
    bands = canvas[top:].reshape(len(layers), PITCH, WIDTH)
    for number, (pixels, row) in enumerate(zip(bands, layers, strict=True)):
        texts += _row_texts(row, top + number * PITCH)
        if row.tiles is not None:
            _draw_tiles(pixels[TILES_TOP - 1 :, TILES_LEFT - 1 :], row.tiles, row, filmstrip.band)
        if row.health and row.health.nonfinite:
            _draw_alarm(pixels, _alarm_color(row.health))
    if layers:
        _draw_histograms(bands[:, 2:, _HISTOGRAMS:], layers)
    draw_texts(canvas, _boxed(canvas, texts))
    return canvas


def head_height(filmstrip: Filmstrip) -> int:
    """Return the number of pixels above the first layer."""
    return _height(len(head(filmstrip)) + len(alarms(filmstrip)))


def _height(lines: int) -> int:
    return 8 + _LINE * lines


def _head_texts(filmstrip: Filmstrip) -> Iterator[Text]:
    quiet, loud = head(filmstrip), alarms(filmstrip)
    for number, text in enumerate([*quiet, *loud]):
        color = INK if number == 0 else QUIET if number < len(quiet) else NAN
        yield truncate(text, _LONGEST), 4 + number * _LINE, _NAMES, color


def _row_texts(row: FilmstripRow, top: int) -> list[Text]:
    """Return the words and figures of a layer, in two lines."""
    first, second, health = top + 2, top + 2 + _LINE, row.health
    nbytes = format_bytes(row.nbytes)
    texts = [
        (truncate(name(row), _NAMES_WIDTH), first, _NAMES, INK),
        (_class_and_shape(row), second, _NAMES, QUIET),
        (nbytes, first, _SIZES_END - LETTER * len(nbytes), INK),
    ]
    if health is None:
        return [*texts, (truncate(row.reason, _LONGEST // 2), first, TILES_LEFT, QUIET)]
    below_range = _alarm(health) if health.nonfinite else mean(health)
    return [
        *texts,
        (span(health), first, _RANGES, INK),
        (below_range, second, _RANGES, _alarm_color(health) if health.nonfinite else QUIET),
        (zeros(health), first, _SHARES, QUIET),
        (dead(health), second, _SHARES, INK if health.dead else QUIET),
    ]


def _class_and_shape(row: FilmstripRow) -> str:
    """Return the class and the shape, with less of the class if both are too long."""
    text = shape(row)
    left = _NAMES_WIDTH - len(text) - 1
    return f"{truncate(kind(row), left)} {text}" if left > 3 else truncate(text, _NAMES_WIDTH)


def _alarm_color(health: Health) -> int:
    return NAN if health.nan else POSITIVE_INF


def _alarm(health: Health) -> str:
    """Return the counts of NaN and infinities, rounded if they are too long."""
    text = wrong(health)
    if len(text) <= _RANGES_WIDTH:
        return text
    counts = health.nonfinite.items()
    return ", ".join(f"{count:.1e} {what}".replace("e+0", "e") for what, count in counts)


def _draw_histograms(pixels: Pixels, rows: Sequence[FilmstripRow]) -> None:
    """Draw the histograms; a part that holds any value is at least one pixel tall."""
    nothing = (0,) * PARTS
    counts = np.array([row.health.histogram if row.health else nothing for row in rows])
    most = counts.max(1, keepdims=True)
    heights = np.ceil(counts / np.maximum(most, 1) * _BAR_HEIGHT)[:, None, :]
    bars = (_BAR_HEIGHT - np.arange(_BAR_HEIGHT))[:, None] <= heights
    place = pixels[:, :_BAR_HEIGHT, : _BAR_WIDTH * PARTS]
    np.copyto(place, np.uint8(CONSTANT), where=bars.repeat(_BAR_WIDTH, 2))


def _draw_tiles(pixels: Pixels, values: Pixels, row: FilmstripRow, band: Band) -> None:
    """Draw the tiles side by side, each in the middle of its square.

    Non-finite values have a shape, and a tile that holds some has a frame.
    """
    tiles = lay_out_thumbnails(values, row.form, band)
    nonfinite = row.health is not None and row.health.nonfinite
    tiles = _marked_tiles(tiles, values) if nonfinite else tiles
    count, height, width = tiles.shape
    pitch, top = band.side + band.gap, (band.side - height) // 2
    if row.form == "tiles":
        pixels = pixels[top:, (band.side - width) // 2 :]
        places = pixels[1 : 1 + height, 1 : 1 + count * pitch].reshape(height, count, pitch)
        places[:, :, :width] = tiles.transpose(1, 0, 2)
    else:
        pixels = pixels[top:]
        pixels[1 : 1 + height, 1 : 1 + width] = tiles[0]
    if nonfinite:
        _draw_frames(pixels, values, (height, width), pitch)


def _marked_tiles(tiles: Pixels, values: Pixels) -> Pixels:
    """Mark the non-finite values in enlarged tiles `(n, h, w)`, if values are squares."""
    count, height, width = values.shape
    zoom = tiles.shape[1] // height
    if tiles.shape == (count, height * zoom, width * zoom):
        draw_marks(tiles[:, :, None], values[:, :, None], zoom)
    return tiles


def _draw_frames(pixels: Pixels, values: Pixels, size: tuple[int, int], pitch: int) -> None:
    """Draw a frame around each tile that holds non-finite values."""
    for place, letters in enumerate(mark_letters(values[:, :, None])):
        if letters:
            frame = pixels[: size[0] + 2, place * pitch : place * pitch + size[1] + 2]
            frame[[0, -1]], frame[:, [0, -1]] = INK, INK


def _draw_alarm(row: Pixels, color: int) -> None:
    """Draw a bar of marks at the left of a row."""
    values = np.full((1, (len(row) - 1) // _ALARM_WIDTH, 1, 1), color, np.uint8)
    bar = row[None, : values.size * _ALARM_WIDTH, None, :_ALARM_WIDTH]
    bar[:] = color
    draw_marks(bar, values, _ALARM_WIDTH)


def _boxed(canvas: Pixels, texts: Iterable[Text]) -> list[Text]:
    """Draw a box for each text in an alarm's color, and return the texts, those as dark letters."""
    readable = []
    for words, top, left, color in texts:
        is_alarm = color in (NAN, POSITIVE_INF)
        if is_alarm:
            canvas[top - 1 : top + LINE, left - 2 : left + LETTER * len(words) + 1] = color
        readable.append((words, top, left, MARK if is_alarm else color))
    return readable
