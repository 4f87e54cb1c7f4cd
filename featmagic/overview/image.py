"""A film strip as an image for a notebook's page."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import ceil
from typing import NamedTuple

import numpy as np

from featmagic.overview.filmstrip import Filmstrip, FilmstripRow
from featmagic.overview.health import PARTS, Health
from featmagic.overview.table import alarms, dead, head, kind, mean, name, shape, span, wrong, zeros
from featmagic.overview.thumbnails import Band, lay_out_thumbnails
from featmagic.planes.dtypes import Pixels
from featmagic.render.image import with_heading
from featmagic.render.non_finite_marks import draw_marks, mark_letters
from featmagic.render.page_text import write_line
from featmagic.render.palette import CONSTANT, GAP, NAN, POSITIVE_INF, SHADES, page_colors
from featmagic.render.png import encode_png
from featmagic.render.raster import Band as RasterBand
from featmagic.render.raster import Raster
from featmagic.render.title import Heading, line_width
from featmagic.render.viewport import MOST_DENSE, PAGE, Viewport
from featmagic.support.text import format_bytes, truncate

# In CSS pixels.
WIDTH = PAGE.width
PITCH = 30  # from one layer to the next
TILES_TOP = 1
_NAMES = 10  # where the names begin
_AFTER_NAMES = 664  # from the first tile to the right end, at least
_NARROWEST = 760  # of the picture
_FEWEST = 140  # of the column of names
_HISTOGRAMS, _RANGES, _SHARES, _SIZES = 252, 330, 488, 610  # from the first tile, at least
_LINE = 14  # from one line of text to the next
_BAR_WIDTH, _BAR_HEIGHT = 4, 26  # of a bar in a histogram
_ALARM_WIDTH = 4  # of the alarm left of a row
_MARK = 8  # of the mark before an alarm's words


class Columns(NamedTuple):
    """Where the columns of a film strip begin, in CSS pixels, and where the last one ends."""

    tiles: int
    histograms: int
    ranges: int
    shares: int
    end: int


def columns_of(filmstrip: Filmstrip, width: int = WIDTH) -> Columns:
    """Return where the columns begin: names have the room they need, and what is left is shared."""
    names = [(name(row), True) for row in filmstrip.rows]
    names += [(f"{kind(row)} {shape(row)}", False) for row in filmstrip.rows]
    longest = max((ceil(line_width(text[:200], 10, bold=bold)) for text, bold in names), default=0)
    most = width - _AFTER_NAMES
    tiles = min(most, max(_FEWEST, _NAMES + longest + 16))
    spare = (most - tiles) // 4
    return Columns(
        tiles,
        tiles + _HISTOGRAMS + spare,
        tiles + _RANGES + 2 * spare,
        tiles + _SHARES + 3 * spare,
        width,
    )


def filmstrip_png(filmstrip: Filmstrip, *, headed: bool = True) -> bytes:
    """Return the film strip as a PNG with an 8-bit palette."""
    return encode_png(headed_image(filmstrip, headed=headed))


def headed_image(
    filmstrip: Filmstrip, viewport: Viewport | None = PAGE, *, headed: bool = True
) -> Raster:
    """Draw the film strip under the title of its view, if there is one."""
    picture = filmstrip_image(filmstrip, viewport or PAGE, headed=headed)
    return with_heading(picture, Heading(filmstrip.view.title or ""))


def filmstrip_image(
    filmstrip: Filmstrip, viewport: Viewport = PAGE, *, headed: bool = True
) -> Raster:
    """Draw a row of `PITCH` CSS pixels for each layer, as palette indices without a ground.

    A picture that stands alone has a head; where text with the same words stands above, it has
    none. Without a row there is the head in any case.
    """
    layers = filmstrip.rows
    top = head_height(filmstrip) if headed or not layers else 0
    width, height = max(_NARROWEST, viewport.width), top + PITCH * len(layers)
    d = viewport.density if height * width <= MOST_DENSE else 1
    columns = columns_of(filmstrip, width)
    canvas = np.full((height * d, width * d), GAP, np.uint8)
    if top:
        _write_head(canvas, filmstrip, d)
    bands = canvas[top * d :].reshape(len(layers), PITCH * d, width * d)
    for pixels, row in zip(bands, layers, strict=True):
        if row.tiles is not None:
            place = pixels[(TILES_TOP - 1) * d :, (columns.tiles - 1) * d :]
            draw_tiles(place, row.tiles, row, filmstrip.band, d)
        if row.health and row.health.nonfinite:
            _draw_alarm(pixels, _alarm_color(row.health), _ALARM_WIDTH * d)
        _write_row(pixels, row, columns, d)
    if layers:
        _draw_histograms(bands[:, 2 * d :, columns.histograms * d :], layers, d)
    colors = page_colors(filmstrip.palette)
    return Raster(*canvas.shape, d, lambda: [RasterBand(canvas)], colors)


def head_height(filmstrip: Filmstrip) -> int:
    """Return the number of CSS pixels above the first layer."""
    return 8 + _LINE * (len(head(filmstrip)) + len(alarms(filmstrip)))


def _write_head(canvas: Pixels, filmstrip: Filmstrip, d: int) -> None:
    quiet, loud = head(filmstrip), alarms(filmstrip)
    room = canvas.shape[1] // d - _NAMES
    for number, text in enumerate([*quiet, *loud]):
        top = 2 + number * _LINE
        if number < len(quiet):
            write_line(canvas, text, (top, _NAMES), room, d, bold=number == 0)
        else:
            _write_alarm(canvas, text, (top, _NAMES), room, NAN, d)


def _write_row(canvas: Pixels, row: FilmstripRow, columns: Columns, d: int) -> None:
    """Write the words and figures of a layer, in two lines."""
    first, second, health = 1, 1 + _LINE, row.health
    write = partial(write_line, canvas, density=d)
    names, nbytes = columns.tiles - _NAMES - 8, format_bytes(row.nbytes)
    write(shortened(name(row), names, bold=True), (first, _NAMES), names, bold=True)
    write(_class_and_shape(row, names), (second, _NAMES), names)
    write(nbytes, (first, columns.end - ceil(line_width(nbytes, 10)) - 1), columns.end)
    if health is None:
        write(row.reason, (first, columns.tiles), _SIZES - 8)
        return
    room, left = _SHARES - _RANGES - 6, columns.ranges
    write(span(health), (first, left), room)
    write(zeros(health), (first, columns.shares), _SIZES - _SHARES)
    below = columns.end - columns.shares
    write(dead(health), (second, columns.shares), below, bold=bool(health.dead))
    if health.nonfinite:
        words, color = _alarm(health, room - _MARK - 4), _alarm_color(health)
        _write_alarm(canvas, words, (second, left), room, color, d)
    else:
        write(mean(health), (second, left), room)


def _write_alarm(
    canvas: Pixels, text: str, corner: tuple[int, int], room: int, color: int, d: int
) -> None:
    """Write words in bold behind a mark, which is told by its shape as well as its color."""
    top, left = corner
    value = np.full((1, 1, 1, 1), color, np.uint8)
    mark = value.repeat(_MARK * d, 1).repeat(_MARK * d, 3)
    draw_marks(mark, value, _MARK * d)
    place = canvas[(top + 3) * d :, left * d :][: _MARK * d, : _MARK * d]
    place[:] = mark[0, :, 0]
    apart = _MARK + 4
    write_line(canvas, text, (top, left + apart), room - apart, d, bold=True)


def shortened(text: str, room: int, size: int = 10, *, bold: bool = False) -> str:
    """Return a name shortened in the middle until it fits so many CSS pixels."""
    most = len(text)
    while most > 1 and (wide := line_width(truncate(text, most), size, bold=bold)) > room:
        most = min(most - 1, int(most * room / wide) + 1)
    return truncate(text, most)


def _class_and_shape(row: FilmstripRow, room: int) -> str:
    """Return the class and the shape, with less of the class if both are too long."""
    text = shape(row)
    left = room - ceil(line_width(f" {text}", 10))
    return f"{shortened(kind(row), left)} {text}" if left > 20 else shortened(text, room)


def _alarm_color(health: Health) -> int:
    return NAN if health.nan else POSITIVE_INF


def _alarm(health: Health, room: int) -> str:
    """Return the counts of NaN and infinities, rounded if they are too long."""
    text = wrong(health)
    if line_width(text, 10, bold=True) <= room:
        return text
    counts = health.nonfinite.items()
    return ", ".join(f"{count:.1e} {what}".replace("e+0", "e") for what, count in counts)


def _draw_histograms(pixels: Pixels, rows: Sequence[FilmstripRow], d: int) -> None:
    """Draw the histograms; a part that holds any value is at least one pixel tall."""
    nothing = (0,) * PARTS
    counts = np.array([row.health.histogram if row.health else nothing for row in rows])
    most, tall = counts.max(1, keepdims=True), _BAR_HEIGHT * d
    heights = np.ceil(counts / np.maximum(most, 1) * tall)[:, None, :]
    bars = (tall - np.arange(tall))[:, None] <= heights
    place = pixels[:, :tall, : _BAR_WIDTH * d * PARTS]
    np.copyto(place, np.uint8(CONSTANT), where=bars.repeat(_BAR_WIDTH * d, 2))


def draw_tiles(pixels: Pixels, values: Pixels, row: FilmstripRow, band: Band, d: int) -> None:
    """Draw the tiles side by side, each in the middle of its square.

    Non-finite values have a shape, and a tile that holds some has a frame.
    """
    nonfinite = row.health is not None and row.health.nonfinite
    tiles = lay_out_thumbnails(values, row.form, band).repeat(d, 1).repeat(d, 2)
    tiles = _marked_tiles(tiles, values, d) if nonfinite else tiles
    count, height, width = tiles.shape
    pitch, top = (band.side + band.gap) * d, (band.side - height // d) // 2 * d
    if row.form == "tiles":
        pixels = pixels[top:, (band.side - width // d) // 2 * d :]
        places = pixels[d : d + height, d : d + count * pitch].reshape(height, count, pitch)
        places[:, :, :width] = tiles.transpose(1, 0, 2)
    else:
        pixels = pixels[top:]
        pixels[d : d + height, d : d + width] = tiles[0]
    if nonfinite:
        _draw_frames(pixels, values, (height, width), pitch, d)


def _marked_tiles(tiles: Pixels, values: Pixels, d: int) -> Pixels:
    """Mark the non-finite values in enlarged tiles `(n, h, w)`, if values are squares."""
    count, height, width = values.shape
    zoom = tiles.shape[1] // height
    if zoom > d and tiles.shape == (count, height * zoom, width * zoom):
        draw_marks(tiles[:, :, None], values[:, :, None], zoom)
    return tiles


def _draw_frames(pixels: Pixels, values: Pixels, size: tuple[int, int], pitch: int, d: int) -> None:
    """Draw a frame around each tile that holds non-finite values."""
    for place, letters in enumerate(mark_letters(values[:, :, None])):
        if letters:
            left = place * pitch
            frame = pixels[: size[0] + 2 * d, left : left + size[1] + 2 * d]
            frame[:d], frame[-d:], frame[:, :d], frame[:, -d:] = (SHADES[-1],) * 4


def _draw_alarm(row: Pixels, color: int, width: int) -> None:
    """Draw a bar of marks at the left of a row."""
    values = np.full((1, (len(row) - 1) // width, 1, 1), color, np.uint8)
    bar = row[None, : values.size * width, None, :width]
    bar[:] = color
    draw_marks(bar, values, width)
