"""Where everything stands on a figure's sheet of paper, and its images as RGBA."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import TYPE_CHECKING, Any

import numpy as np

from featmagic.planes.dtypes import Pixels
from featmagic.render.mosaic import Mosaic, PrefixStrip, with_marks
from featmagic.render.non_finite_marks import draw_cell_marks
from featmagic.render.palette import CONSTANT, GAP

if TYPE_CHECKING:
    from matplotlib.font_manager import FontProperties

EDGE = 6  # pixels around everything


_GAP = 4


_LABEL = 10  # pixels a label takes above its tile


_BAR = 4  # pixels a bar takes under its tile


_LINE = 8  # pixels a prefix token's line is tall


_WIDEST_CELL = 12


_NARROWEST = 360  # a sheet with words on it


@dataclass(frozen=True)
class FigureLayout:
    """Where everything stands, in pixels from the top left.

    Attributes:
        left, top: of the first tile's label.
        tall, wide: from one tile to the next.
        label: how tall what stands above a tile is: its label, where there is room for one, and
            marks.
        marks: how tall a line of their own is that marks have below the label, where they have one.
        width, height: of everything.
        strip: where the cells of the prefix tokens begin.
        cell: how wide a cell is; `a_line`: how many are in a line.
        below: where the tiles end, and the color bar begins.
    """

    left: float
    top: float
    tall: int
    wide: int
    label: int
    marks: int
    width: float
    height: float
    strip: float
    cell: int
    a_line: int
    below: float


def lay_out_figure(mosaic: Mosaic, width_of: Callable[[str], float]) -> FigureLayout:
    """Lay out the mosaic.

    Args:
        mosaic: what to lay out.
        width_of: how many pixels wide a text is.

    Example:
        >>> import torch
        >>> from featmagic.render.mosaic import tile
        >>> from featmagic.render.viewport import GridLayout
        >>> tiles = torch.zeros(4, 8, 8).byte()
        >>> made = lay_out_figure(tile(tiles, tuple("0123"), bytes(768), GridLayout(2, 3, 1)), len)
        >>> made.wide, made.tall, made.left
        (28, 38, 6)
    """
    height, width = (side * mosaic.zoom for side in mosaic.tile_size)
    rows, ncols = len(mosaic.indices), mosaic.indices.shape[2]
    longest = max(mosaic.labels, key=len, default="")
    label = _LABEL if longest and width_of(longest) <= width else 0
    most = max(mosaic.nonfinite, key=len, default="")
    marks = _LABEL if most and not (label and width_of(f"{longest} {most}") <= width) else 0
    label += marks
    tall, wide = label + height + _BAR * bool(mosaic.bars) + _GAP, width + _GAP
    beside = max((picture.shape[1] + 2 * _GAP for picture in mosaic.inputs), default=0)
    left = EDGE + beside + max((width_of(text) + _GAP for *_, text in mosaic.ticks), default=0)
    full = max(_NARROWEST, left + ncols * wide - _GAP + EDGE)
    names = mosaic.strip.names if mosaic.strip else ()
    strip = left + max(map(width_of, names), default=0) + _GAP
    cell, a_line, lines = _cells(mosaic.strip, full - strip - EDGE)
    top = EDGE + len(names) * (lines * _LINE + 2) + _GAP * bool(names)
    below = top + max(rows * tall, label + _tallest(mosaic))
    total = below + 24 * bool(mosaic.scale) + EDGE
    return FigureLayout(
        left, top, tall, wide, label, marks, full, total, strip, cell, a_line, below
    )


def _tallest(mosaic: Mosaic) -> int:
    """How tall an input image is that stands beside all rows."""
    return len(mosaic.inputs[0]) if len(mosaic.inputs) == 1 else 0


def _cells(strip: PrefixStrip | None, viewport: float) -> tuple[int, int, int]:
    """How wide a prefix token's cells are, how many are in a line, and in how many lines."""
    if strip is None:
        return 0, 0, 0
    count = strip.indices.shape[1]
    cell = max(2, min(_WIDEST_CELL, int(viewport // count)))
    a_line = min(count, int(viewport // cell))
    return cell, a_line, ceil(count / a_line)


def tile_pixels(mosaic: Mosaic, sheet: FigureLayout) -> Pixels:
    """All tiles as one image, RGBA, from the first one's label on; what is no tile is transparent.

    Example:
        >>> import torch
        >>> from featmagic.render.mosaic import tile
        >>> from featmagic.render.viewport import GridLayout
        >>> one = tile(torch.zeros(1, 2, 2).byte(), ("",), bytes(768), GridLayout(1, 1, 1))
        >>> tile_pixels(one, globals()["lay_out_figure"](one, len))[0].tolist()
        [[0, 0, 0, 255], [0, 0, 0, 255], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]]
    """
    shown = with_marks(mosaic)
    rows, height, ncols, width = shown.shape[:4]
    canvas = np.zeros((rows, sheet.tall, ncols, sheet.wide, 4), np.uint8)
    place = canvas[:, sheet.label : sheet.label + height, :, :width]
    if mosaic.is_rgb:
        place[..., :3], place[..., 3] = shown, 255
        if spare := rows * ncols - len(mosaic.labels):
            place[-1, :, -spare:] = 0
    else:
        place[:] = _opaque(mosaic)[shown]
    return canvas.reshape(rows * sheet.tall, ncols * sheet.wide, 4)


def strip_pixels(mosaic: Mosaic, strip: PrefixStrip, sheet: FigureLayout) -> Pixels:
    """The cells of all prefix tokens as one image, RGBA."""
    count = strip.indices.shape[1]
    lines = ceil(count / sheet.a_line)
    cells = np.full((len(strip.names), lines * sheet.a_line), GAP, np.uint8)
    cells[:, :count] = strip.indices
    tall = cells.reshape(-1, sheet.a_line).repeat(sheet.cell, 1).repeat(_LINE, 0)
    tall[_LINE - 1 :: _LINE] = GAP
    for number, line in enumerate(cells.reshape(-1, sheet.a_line)):
        draw_cell_marks(tall[number * _LINE : (number + 1) * _LINE - 1], line)
    canvas = np.full((len(cells), lines * _LINE + 2, tall.shape[1]), GAP, np.uint8)
    canvas[:, :-2] = tall.reshape(len(cells), lines * _LINE, -1)
    return _opaque(mosaic)[canvas.reshape(-1, tall.shape[1])]


def _opaque(mosaic: Mosaic) -> Pixels:
    """The palette as RGBA, its gap transparent."""
    colors = np.full((256, 4), 255, np.uint8)
    colors[:, :3] = mosaic.colors
    colors[GAP] = 0
    colors[CONSTANT, :3] = 118, 124, 134  # on white paper; the page's own would be too pale
    return colors


class Lettering:
    """Texts for one figure, in its user's fonts.

    Names from a model are in them: no letter of theirs is markup, neither mathtext's nor TeX's.
    """

    def __init__(self, renderer: Any) -> None:
        self._renderer = renderer

    def look(self, size: float) -> dict[str, Any]:
        """The keyword arguments of a text of that size, in points."""
        font = self._font(size)
        return {"fontproperties": font, "color": "black", "usetex": False, "parse_math": False}

    def width(self, text: str, size: float) -> float:
        """How many pixels wide the text is."""
        font = self._font(size)
        width: float = self._renderer.get_text_width_height_descent(text, font, ismath=False)[0]
        return width

    def spelled(self, text: str) -> str:
        """The text, with letters that no font has spelled out."""
        nonfinite = {letter for letter in text if not letter.isascii() and self._lacks(letter)}
        return "".join(c.encode("unicode_escape").decode() if c in nonfinite else c for c in text)

    def _lacks(self, letter: str) -> bool:
        # matplotlib says in a warning which letters its fonts lack, and nowhere else.
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.width(letter, 8)
        return bool(caught)

    def _font(self, size: float) -> FontProperties:
        import matplotlib
        from matplotlib.font_manager import FontProperties

        # The last one has the blocks of the histogram, which a font for a script may lack.
        return FontProperties(
            family=[*matplotlib.rcParams["font.family"], "DejaVu Sans"], size=size
        )


def in_lines(text: str, viewport: float, width: Callable[[str], float]) -> list[str]:
    """The text in lines no wider than `room`, broken at spaces, or inside too long a word.

    Example:
        >>> in_lines("one two  threefour", 6, len)
        ['one', 'two', 'threef', 'our']
    """
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if width(longer) <= viewport:
            lines[-1] = longer
            continue
        lines[-1] = lines[-1].rstrip()
        lines += _pieces(word, viewport, width)
    return [line for line in lines if line]


def _pieces(word: str, viewport: float, width: Callable[[str], float]) -> list[str]:
    pieces = [""]
    for letter in word:
        if pieces[-1] and width(pieces[-1] + letter) > viewport:
            pieces.append("")
        pieces[-1] += letter
    return pieces
