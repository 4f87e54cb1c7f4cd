"""Where a picture goes: to the IPython that is running, or to the standard output."""

from __future__ import annotations

from base64 import b64encode
from textwrap import fill
from typing import Any

from featmagic.drawing import Drawing
from featmagic.mosaic import Mosaic, upper_rows
from featmagic.overview import Film
from featmagic.page import image, rows_within
from featmagic.planes.dtypes import Pixels
from featmagic.render.ascii import Letters
from featmagic.render.encoding import encoded
from featmagic.render.film import image as film_image
from featmagic.render.film_terminal import film_lines
from featmagic.render.lines import Lines, text_of
from featmagic.render.terminal import Blocks
from featmagic.room import Room
from featmagic.screen import Screen
from featmagic.support.environment import is_kernel, running_shell
from featmagic.support.text import say, spoken, wrap
from featmagic.table import alarms, head
from featmagic.table import caption as film_text

Bundle = tuple[dict[str, str], dict[str, Any]]  # what is displayed, as each type; of each type


def show(drawing: Drawing, screen: Screen, rows: int | None = None) -> None:
    """Show the caption, then the mosaic: a PNG in a notebook, half blocks in a terminal.

    Where there is neither a terminal nor colour, the caption alone.

    Args:
        drawing: made for the screen's room.
        screen: where to.
        rows: of tiles at most, 0 for all; None for as many as fit a terminal's screen.

    Example:
        >>> from featmagic.screen import Screen
        >>> show(Drawing("fc  Linear", None), Screen("none", 80))
        fc  Linear
    """
    text = wrap(drawing.caption, screen.columns)
    _tell(text, screen)
    if drawing.mosaic is None or screen.room is None:
        return
    there = len(drawing.mosaic.indices)
    shown = min(rows or there, there)
    if screen.renderer == "png":
        # A terminal at the other end shows the picture's text: the caption is above it already.
        words = _short(drawing.caption) if screen.engine else drawing.caption
        if rows is None and screen.line and screen.lines:
            lines_left = screen.lines - len(text.splitlines()) - _BELOW
            shown = rows_within(drawing.mosaic, lines_left * screen.line)
        mosaic = upper_rows(drawing.mosaic, shown)
        _publish(*_bundle(image(mosaic), mosaic.palette, words, drawing.caption))
    else:
        lines = _in_letters(drawing.mosaic, screen, screen.room)
        if rows is None and screen.lines is not None:
            left = screen.lines - len(text.splitlines()) - _BELOW
            shown = lines.fitting(left)
            if shown < there:
                shown = lines.fitting(left - _hint(there - 1, screen).count("\n"))
        _tell("\n".join(lines.first(shown)) + "\n" * (shown == there), screen)
    if more := there - shown:
        _tell(_hint(more, screen), screen)


def _hint(more: int, screen: Screen) -> str:
    """How to see the rows of tiles that are left out; below it a line apart from what follows."""
    row = "1 row" if more == 1 else f"{more} rows"
    text = f"{row} of tiles more: --rows 0 shows all, --max and --channels fewer."
    columns = screen.columns or len(text)
    return fill(text, columns, subsequent_indent="  ", break_on_hyphens=False) + "\n"


def _short(caption: str) -> str:
    return f"{caption.partition(' · ')[0]} · as a picture"


def _tell(text: str, screen: Screen) -> None:
    """Print a text; from an engine of ipyparallel, display it.

    Its clients put the engine's number to each output that is displayed, as it comes; what is
    printed they show apart from that, all of it in one place.
    """
    if screen.engine:
        _publish({"text/plain": text}, {})
    else:
        say(text)


# Lines of a terminal's screen for what comes below a grid: an empty line, and the next prompt.
_BELOW = 3


def _in_letters(mosaic: Mosaic, screen: Screen, room: Room) -> Lines:
    ink = Letters(mosaic) if screen.renderer == "ascii" else Blocks(mosaic, screen.colours)
    return text_of(mosaic, ink, room.width)


def _publish(data: dict[str, str], metadata: dict[str, Any]) -> None:
    running_shell().display_pub.publish(data=data, metadata=metadata)


def show_film(film: Film, screen: Screen) -> None:
    """Show an overview: one PNG in a notebook, half blocks in a terminal, else the table as text.

    Example:
        >>> from featmagic.overview import overview
        >>> from featmagic.screen import Screen
        >>> from featmagic.options.view import View
        >>> show_film(overview([], View(), None), Screen("none", 80))
        0 layers · 0 B of activations · no NaN, no inf
    """
    text = film_text(film)
    if screen.renderer == "png":
        summary = "\n".join([*head(film), *alarms(film)])
        _tell("\n".join(wrap(line, screen.columns) for line in summary.split("\n")), screen)
        words = text.removeprefix(f"{summary}\n") if screen.engine else text
        _publish(*_bundle(film_image(film), film.palette, words, summary))
    elif screen.room is not None:
        colours = 0 if screen.renderer == "ascii" else screen.colours
        _tell(film_lines(film, colours, screen.room.width), screen)
    else:
        _tell(text, screen)


# A screen of two pixels to a CSS pixel enlarges a PNG that has one, and blurs every edge; where the
# PNG has two, all screens show it sharp. A terminal knows no CSS pixels: its PNGs have one.
_DENSITY = 2


_MOST_DENSE = 4 * 10**6  # pixels of a page: a browser keeps four times four bytes of each


def _bundle(pixels: Pixels, palette: bytes, text: str, alt: str) -> Bundle:
    """A PNG with its size; VS Code takes the text for the alt text, others `alt`, or none."""
    height, width = pixels.shape[:2]
    dense = is_kernel(running_shell()) and height * width <= _MOST_DENSE
    picture, told = _picture(pixels, palette, alt, _DENSITY if dense else 1)
    data = {"image/png": b64encode(picture).decode(), "text/plain": spoken(text)}
    return data, {"image/png": told}


def _picture(
    pixels: Pixels, palette: bytes, alt: str, density: int
) -> tuple[bytes, dict[str, Any]]:
    height, width = pixels.shape[:2]
    picture = encoded(pixels, palette, density)
    return picture, {"width": width, "height": height, "alt": spoken(alt)}


def picture_of(mosaic: Mosaic, alt: str) -> tuple[bytes, dict[str, Any]]:
    """A mosaic as a PNG, and what a notebook's front end is told of it: its size, and a text.

    Example:
        >>> import torch
        >>> from featmagic.mosaic import tile
        >>> from featmagic.room import Arrangement
        >>> tiles = torch.zeros(2, 8, 8).byte()
        >>> picture_of(tile(tiles, ("0", "1"), bytes(768), Arrangement(2, 3, 1)), "two")[1]
        {'width': 54, 'height': 37, 'alt': 'two.'}
    """
    # An explorer stands in its place as a rule: it is to be small.
    return _picture(image(mosaic), mosaic.palette, alt, 1)
