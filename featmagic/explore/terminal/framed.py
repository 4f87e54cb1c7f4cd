"""Lines of the grid as cells of a screen, and the frame of the chosen channel."""

from __future__ import annotations

from functools import lru_cache

from prompt_toolkit.formatted_text import ANSI, to_formatted_text
from prompt_toolkit.formatted_text.base import OneStyleAndTextTuple, StyleAndTextTuples
from prompt_toolkit.utils import get_cwidth

from featmagic.explore.terminal.grid import Place

_FRAME = "ansigreen"


def framed(
    line: tuple[OneStyleAndTextTuple, ...],
    number: int,
    place: Place | None,
    columns: int,
    *,
    letters: bool,
) -> StyleAndTextTuples:
    """A line of the grid, with what frames the chosen channel: beside it, never on it.

    Args:
        line: its cells.
        number: which line it is.
        place: where the chosen channel stands, if one is chosen.
        columns: there are for it, with a blank before it.
        letters: whether the frame is of plain letters.

    Example:
        >>> line = framed(parsed("ab cd"), 1, Place(1, 3, 1, 2, True), 9, letters=True)
        >>> "".join(text for _, text, *_ in line)
        ' ab[cd]'
    """
    cells: StyleAndTextTuples = [("", " "), *line]
    if place is not None and place.top - place.labelled <= number < place.top + place.height:
        right = place.left + place.width + 1
        cells += [("", " ")] * (right + 1 - len(cells))
        before, after = ("[", "]") if letters else ("█", "█")
        if number < place.top:
            label = cells[place.left : right + 1]
            cells[place.left : right + 1] = [(f"{_FRAME} reverse", cell[1]) for cell in label]
        else:
            cells[place.left], cells[right] = (_FRAME, before), (_FRAME, after)
    return cells[:columns]


@lru_cache(maxsize=256)
def parsed(text: str) -> tuple[OneStyleAndTextTuple, ...]:
    r"""A line's cells, a letter each with its style.

    Example:
        >>> parsed("\x1b[38;5;196m▀")
        (('#ff0000', '▀'),)
    """
    return tuple(to_formatted_text(ANSI(text)))


def forget() -> None:
    """Let go of the lines that were drawn.

    Example:
        >>> forget()
    """
    parsed.cache_clear()


def cut(text: str, columns: int) -> str:
    """The text without its end, where that has no room.

    Example:
        >>> cut("layer1.0.conv1", 8)
        'layer1.…'
    """
    if get_cwidth(text) <= columns:
        return text
    while text and get_cwidth(text) >= columns:
        text = text[:-1]
    return f"{text}…"
