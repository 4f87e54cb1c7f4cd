"""Pictures of several layers side by side, each with its name below it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from featmagic.planes.dtypes import Pixels
from featmagic.render.image import draw_color_bar, page_metrics
from featmagic.render.lettering import write
from featmagic.render.mosaic import Mosaic
from featmagic.render.page_text import write_line
from featmagic.render.palette import GAP, page_colors
from featmagic.render.raster import Band, Raster
from featmagic.render.title import line_width

# In CSS pixels:
GAP_BETWEEN = 8  # the least distance between two pictures
_NAME_SIZE = 10  # of the letters
_LINE = 14  # from one line below a picture to the next
_ABOVE = 13  # a line of marks above the pictures
_BELOW = 3  # between a picture and its name
_ROW_GAP = 8


@dataclass(frozen=True, eq=False)
class StripPicture:
    """A picture of a strip.

    Attributes:
        mosaic: a single tile, of as many pixels as it is drawn with.
        name: of the layer.
        facts: what stands below the name, a line each, in one or more wordings. All pictures have
            the same wording: the first that all have room for, or none.
    """

    mosaic: Mosaic
    name: str
    facts: tuple[tuple[str, ...], ...] = ()


@dataclass(frozen=True, eq=False)
class Strip:
    """Pictures of about one size, in rows from left to right.

    Attributes:
        pictures: in the order of their layers.
        ncols: how many stand in a row.
        room: the width that each has, in CSS pixels.
        density: pixels to a CSS pixel, in each direction.
        ends: the figures of the color bar that all of them share; empty for none.
    """

    pictures: tuple[StripPicture, ...]
    ncols: int
    room: int
    density: int
    ends: tuple[str, ...] = ()


def strip_raster(strip: Strip, least_width: int = 0) -> Raster:
    """Draw a strip: palette indices if all pictures have the same colors, RGBA otherwise.

    Args:
        strip: what to draw.
        least_width: of the picture, in CSS pixels.
    """
    first, *others = [picture.mosaic for picture in strip.pictures]
    is_indexed = not first.is_rgb and all(
        not other.is_rgb and other.palette == first.palette for other in others
    )
    d, lines = strip.density, _lines(strip)
    room = strip.room * d
    rows = [
        list(zip(strip.pictures[start:][: strip.ncols], lines[start:], strict=False))
        for start in range(0, len(strip.pictures), strip.ncols)
    ]
    above = _ABOVE * d if any(mosaic.nonfinite for mosaic in (first, *others)) else 0
    heights = [
        above
        + max(picture.mosaic.tile_size[0] for picture, _ in row)
        + (_BELOW + _LINE * max(len(texts) for _, texts in row)) * d
        for row in rows
    ]
    gaps = _ROW_GAP * d
    bar = page_metrics(d).color_bar + gaps if strip.ends else 0
    height = sum(heights) + gaps * (len(rows) - 1) + bar
    columns = min(strip.ncols, len(strip.pictures))
    width = max(least_width * d, (strip.room + GAP_BETWEEN) * d * (columns - 1) + room)
    if strip.ends:
        width = max(width, page_metrics(d).text_width(" ".join(strip.ends)) + 60 * d)
    shape = -(-height // d) * d, -(-width // d) * d
    colors = page_colors(first.palette)

    def bands() -> Iterator[Band]:
        left = shape[0]
        for number, (row, tall) in enumerate(zip(rows, heights, strict=True)):
            tall += gaps if number < len(rows) - 1 else 0
            canvas = np.full((tall, shape[1]), GAP, np.uint8)
            _write_row(canvas, row, strip, above)
            lines = canvas if is_indexed else colors[canvas]
            for place, (picture, _) in enumerate(row):
                tile = picture.mosaic.indices[0, :, 0]
                pixels = tile if is_indexed else _colored(picture.mosaic, tile)
                at = place * (strip.room + GAP_BETWEEN) * d
                lines[above : above + tile.shape[0], at : at + tile.shape[1]] = pixels
            left -= tall
            yield Band(lines)
        if left:
            canvas = np.full((left, shape[1]), GAP, np.uint8)
            if strip.ends:
                draw_color_bar(canvas[gaps:], strip.ends, 0, d)
            yield Band(canvas if is_indexed else colors[canvas])

    return Raster(*shape, d, bands, colors)


def with_shared_ends(strip: Strip) -> Strip:
    """Return the strip with one color bar, in place of the range below each picture."""
    pictures = (replace(each, facts=each.facts[:-1]) for each in strip.pictures)
    return replace(strip, pictures=tuple(pictures), ends=strip.pictures[0].mosaic.ends)


def _colored(mosaic: Mosaic, tile: Pixels) -> Pixels:
    if not mosaic.is_rgb:
        return page_colors(mosaic.palette)[tile]
    return np.concatenate([tile, np.full((*tile.shape[:2], 1), 255, np.uint8)], 2)


def _lines(strip: Strip) -> list[list[str]]:
    """Return the lines below each picture: its name, and the facts that all have room for."""
    room, pictures = strip.room, strip.pictures
    lines = _names([picture.name for picture in pictures], room)
    for start in range(0, len(lines), strip.ncols):  # facts begin on the same line in a row
        tallest = max(map(len, lines[start : start + strip.ncols]))
        for name in lines[start : start + strip.ncols]:
            name += [""] * (tallest - len(name))
    for ways in zip(*(picture.facts for picture in pictures), strict=True):
        for texts in zip(*ways, strict=True):
            if any(texts) and max(line_width(text, _NAME_SIZE) for text in texts) <= room:
                for below, text in zip(lines, texts, strict=True):
                    below.append(text)
                break
    return lines


def _names(names: Sequence[str], room: int) -> list[list[str]]:
    """Return the lines of each name; what all begin with is left out if they have no room for it.

    Example:
        >>> _names(["encoder.layers.encoder_layer_0", "encoder.layers.encoder_layer_10"], 120)
        [['…encoder_layer_0'], ['…encoder_layer_10']]
    """
    if any(line_width(name, _NAME_SIZE) > room for name in names) and len(names) > 1:
        parts = [name.split(".") for name in names]
        shared = 0
        while all(len(each) > shared + 1 and each[shared] == parts[0][shared] for each in parts):
            shared += 1
        if shared:
            names = ["…" + ".".join(each[shared:]) for each in parts]
    return [name_lines(name, room) for name in names]


def name_lines(name: str, room: int) -> list[str]:
    """Return a name in at most two lines, broken at a dot; "…" stands for what its front loses.

    Example:
        >>> name_lines("encoder.layers.encoder_layer_11.mlp", 120)
        ['encoder.layers.', 'encoder_layer_11.mlp']
    """
    wide = partial(line_width, size=_NAME_SIZE)
    if wide(name) <= room:
        return [name]
    dots = [place + 1 for place, letter in enumerate(name) if letter == "."]
    for dot in reversed(dots):
        if wide(name[:dot]) <= room and wide(name[dot:]) <= room:
            return [name[:dot], name[dot:]]
    # The end tells layers apart.
    starts = [(0, *dots), range(1, len(name) + 1)]
    start = next(
        place for places in starts for place in places if place and wide(f"…{name[place:]}") <= room
    )
    return [f"…{name[start:]}"]


def _write_row(
    canvas: Pixels, row: Sequence[tuple[StripPicture, list[str]]], strip: Strip, above: int
) -> None:
    """Write the marks above the pictures of a row, and the words below them."""
    d, tallest = strip.density, max(picture.mosaic.tile_size[0] for picture, _ in row)
    for place, (picture, texts) in enumerate(row):
        left = place * (strip.room + GAP_BETWEEN) * d
        if picture.mosaic.nonfinite:
            write(canvas, " ".join(picture.mosaic.nonfinite[0]), 0, left, d)
        for number, text in enumerate(texts):
            top = (above + tallest) // d + _BELOW + number * _LINE
            write_line(canvas, text, (top, left // d), strip.room, d)


def fair_side(longest: Sequence[int], room: int, density: int) -> int:
    """Return the side of all pictures, in pixels: one that whole pixels to a value give to most.

    Args:
        longest: the longer side of each layer's plane, in values.
        room: the most that a side may have, in pixels.
        density: the side is a multiple of it.

    Example:
        >>> fair_side([56, 28, 14, 7], 236, 2)
        224
    """
    least = room - room // 8
    sides = range(room - room % density, least - 1, -density)
    return max(sides, key=lambda side: (sum(side % values == 0 for values in longest), side))


def columns_of(
    count: int, width: int, side: int, largest: int, columns: int | None = None
) -> tuple[int, int]:
    """Return how many pictures stand in a row, and how wide each may be, in CSS pixels.

    Rows are about equally long.

    Args:
        count: of pictures.
        width: of the page.
        side: the least that a picture has.
        largest: the most that a picture has.
        columns: as many in a row, if there is room for pictures at least a third as wide.

    Example:
        >>> [columns_of(count, 1000, 116, 240)[0] for count in (2, 8, 9, 12, 60)]
        [2, 8, 5, 6, 8]
    """
    most = max(1, (width + GAP_BETWEEN) // (side + GAP_BETWEEN))
    rows = -(-count // most)
    ncols = -(-count // rows)
    if columns is not None:
        ncols = min(columns, count, (width + GAP_BETWEEN) // (side // 3 + GAP_BETWEEN))
    return ncols, min(largest, (width - (ncols - 1) * GAP_BETWEEN) // ncols)
