"""The title of a picture: its lines, and its pixels in a real typeface."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

import numpy as np

from featmagic.planes.dtypes import Pixels
from featmagic.render.typeface import JOINERS, FontFile, Typeface, typeface_of
from featmagic.support.text import printable, readable

DENSITY = 2  # pixels of a title to a CSS pixel
_SIZES = (16, 15, 14, 13)  # CSS pixels: the largest at which a title fits in one line
_NAME_SIZE = 12
_MOST_LINES = 8
_LONGEST_NAME = 400  # characters of the line below a title


@dataclass(frozen=True)
class Heading:
    """What stands above the tiles of a picture.

    Attributes:
        title: as the user wrote it, in bold; "" for none.
        name: a line on what is shown, in a smaller size; "" where that stands elsewhere.
    """

    title: str = ""
    name: str = ""

    def __bool__(self) -> bool:
        return bool(self.title or self.name)


NO_HEADING = Heading()


def title_lines(title: str) -> list[str]:
    r"""Return the lines of a title as it was written, without what can't be printed.

    Example:
        >>> title_lines("one\ntwo")
        ['one', 'two']
    """
    return [_drawable(line.strip().expandtabs(4)) for line in title.strip().splitlines()]


def _drawable(line: str) -> str:
    """Return a line in which only letters are left that can be drawn, and joiners between them."""
    parts = re.split(f"([{JOINERS}])", re.sub("[\ufe0e\ufe0f]", "", line))
    return "".join(part if part in JOINERS else printable(part) for part in parts)


def heading_alpha(heading: Heading, width: int) -> Pixels:
    """Draw a heading as the opacity of its ink, `(h, 2 * width)`, for a picture of `width` pixels.

    A long title is set a little smaller, then broken into lines, the last of which may end in "…".
    The height is a whole number of CSS pixels, with some room below.

    Args:
        heading: what to draw.
        width: of the picture in CSS pixels; there are two pixels to each.

    Example:
        >>> heading_alpha(Heading("feature maps"), 300).shape[1]
        600
    """
    parts = [
        *([_draw_title(heading.title, width)] if heading.title.strip() else []),
        *([_draw_name(heading.name, width)] if heading.name else []),
    ]
    pixels = np.vstack([np.zeros((0, width * DENSITY), np.uint8), *parts])
    below = 2 * DENSITY + len(pixels) % DENSITY if parts else 0
    return np.pad(pixels, ((0, below), (0, 0)))


def line_alpha(text: str, size: int, width: int, *, bold: bool = False) -> Pixels:
    """Draw one line of at most `width` CSS pixels as the opacity of its ink; "…" ends a longer one.

    Args:
        text: with nothing in it that can't be printed.
        size: of the letters, in CSS pixels.
        width: of the result.
        bold: whether the letters are bold.
    """
    typeface, room = typeface_of(text, bold=bold), width * DENSITY
    if _width(text, typeface, size) > room:
        while text and _width(f"{text}…", typeface, size) > room:
            text = text[:-1]
        text = f"{text}…"
    return _draw([text], typeface, size, room)


def line_width(text: str, size: int, *, bold: bool = False) -> float:
    """Return the width of a line as `line_alpha` draws it, in CSS pixels."""
    return _width(text, typeface_of(text, bold=bold), size) / DENSITY


def break_lines(text: str, most: float, width: Callable[[str], float]) -> list[str]:
    """Break a text into lines no wider than `most`, at spaces or inside a word that is too long.

    Example:
        >>> break_lines("one two  threefour", 6, len)
        ['one', 'two', 'threef', 'our']
    """
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if width(longer) <= most:
            lines[-1] = longer
            continue
        lines[-1] = lines[-1].rstrip()
        lines += _break_word(word, most, width)
    return [line for line in lines if line]


def _break_word(word: str, most: float, width: Callable[[str], float]) -> list[str]:
    pieces = [""]
    for letter in word:
        is_mark = unicodedata.combining(letter)
        if pieces[-1] and not is_mark and width(pieces[-1] + letter) > most:
            pieces.append("")
        pieces[-1] += letter
    return pieces


def _draw_title(title: str, width: int) -> Pixels:
    lines, typeface = title_lines(title), typeface_of(title, bold=True)
    room = width * DENSITY
    fitting = (
        size for size in _SIZES if all(_width(line, typeface, size) <= room for line in lines)
    )
    size = next(fitting, _SIZES[-1])
    return _draw(_broken(lines, room, typeface, size), typeface, size, room)


def _draw_name(name: str, width: int) -> Pixels:
    text = readable(" ".join(name.split()), _LONGEST_NAME)
    typeface, room = typeface_of(text), width * DENSITY
    return _draw(_broken([text], room, typeface, _NAME_SIZE), typeface, _NAME_SIZE, room)


def _broken(lines: list[str], room: int, typeface: Typeface, size: int) -> list[str]:
    def width(text: str) -> float:
        return _width(text, typeface, size)

    broken = [part for line in lines for part in break_lines(line, room, width)]
    if len(broken) <= _MOST_LINES:
        return broken
    last = broken[_MOST_LINES - 1]
    while last and width(f"{last}…") > room:
        last = last[:-1]
    return [*broken[: _MOST_LINES - 1], f"{last}…"]


def _draw(lines: list[str], typeface: Typeface, size: int, width: int) -> Pixels:
    """Draw lines from the left, one below the other."""
    from PIL import Image, ImageDraw

    ascent, descent = _extents(typeface, size)
    pitch = ascent + descent + DENSITY
    image = Image.new("L", (width, pitch * len(lines)))
    draw = ImageDraw.Draw(image)
    for number, line in enumerate(lines):
        left = 0.0
        for font, run in _runs(line, typeface):
            face = _loaded(font, size)
            draw.text((left, number * pitch + ascent), run, 255, face, anchor="ls")
            left += face.getlength(run)
    return np.array(image, np.uint8)


def _width(text: str, typeface: Typeface, size: int) -> float:
    return sum(float(_loaded(font, size).getlength(run)) for font, run in _runs(text, typeface))


def _extents(typeface: Typeface, size: int) -> tuple[int, int]:
    """Return the room above and below the baseline that letters of all fonts need."""
    boxes = [_loaded(font, size).getbbox("ÅÉ|gjp漢", anchor="ls") for font in typeface.fonts]
    return max(-int(box[1]) for box in boxes) + 1, max(int(box[3]) for box in boxes) + 1


def _runs(line: str, typeface: Typeface) -> Iterator[tuple[FontFile, str]]:
    """Yield the parts of a line that one font draws, so that its letters join and turn around."""
    first = typeface.fonts[0]
    letters: list[tuple[FontFile, str]] = []
    font = first
    for letter in line:
        # A mark is drawn by the font of its letter, and a space by that of the word before.
        if not letters or not (unicodedata.combining(letter) or letter in JOINERS + " "):
            font = typeface.font_of(letter)
        letters.append((font, letter))
    for font, part in groupby(letters, key=lambda pair: pair[0]):
        yield font, "".join(letter for _, letter in part)


@lru_cache(maxsize=64)
def _loaded(font: FontFile, size: int) -> Any:
    from PIL import ImageFont

    return ImageFont.truetype(font.path, size * DENSITY, index=font.index)
