"""Text in a figure: any letters, as wide as they are drawn, broken into lines."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.font_manager import FontProperties


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
        strange = {letter for letter in text if not letter.isascii() and self._lacks(letter)}
        return "".join(c.encode("unicode_escape").decode() if c in strange else c for c in text)

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


def in_lines(text: str, room: float, width: Callable[[str], float]) -> list[str]:
    """The text in lines no wider than `room`, broken at spaces, or inside a word too long for one.

    Example:
        >>> in_lines("one two  threefour", 6, len)
        ['one', 'two', 'threef', 'our']
    """
    lines = [""]
    for word in text.split(" "):
        longer = f"{lines[-1]} {word}" if lines[-1] else word
        if width(longer) <= room:
            lines[-1] = longer
            continue
        lines[-1] = lines[-1].rstrip()
        lines += _pieces(word, room, width)
    return [line for line in lines if line]


def _pieces(word: str, room: float, width: Callable[[str], float]) -> list[str]:
    pieces = [""]
    for letter in word:
        if pieces[-1] and width(pieces[-1] + letter) > room:
            pieces.append("")
        pieces[-1] += letter
    return pieces
