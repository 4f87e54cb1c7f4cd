"""Text in a matplotlib figure, in the fonts of its user."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.font_manager import FontProperties


class FigureText:
    """The style and the width of texts in one figure.

    Texts hold names from a model: no letter of theirs is markup, neither mathtext's nor TeX's.
    """

    def __init__(self, renderer: Any) -> None:
        self._renderer = renderer

    def style(self, size: float) -> dict[str, Any]:
        """Return the keyword arguments of a text of that size, in points."""
        font = self._font(size)
        return {"fontproperties": font, "color": "black", "usetex": False, "parse_math": False}

    def width(self, text: str, size: float) -> float:
        """Return the width of the text in pixels."""
        font = self._font(size)
        width: float = self._renderer.get_text_width_height_descent(text, font, ismath=False)[0]
        return width

    def spell_out(self, text: str) -> str:
        """Return the text with letters that no font has as escape sequences."""
        missing = {letter for letter in text if not letter.isascii() and self._lacks(letter)}
        return "".join(c.encode("unicode_escape").decode() if c in missing else c for c in text)

    def _lacks(self, letter: str) -> bool:
        # matplotlib tells in a warning which letters its fonts lack, and nowhere else.
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
        if pieces[-1] and width(pieces[-1] + letter) > most:
            pieces.append("")
        pieces[-1] += letter
    return pieces
