"""Where a picture goes: to the IPython that is running, or to the standard output."""

from __future__ import annotations

from featmagic.overview import Film
from featmagic.render.film import image as film_image
from featmagic.render.film_terminal import film_lines
from featmagic.render.mime_bundle import bundle, publish, tell
from featmagic.render.target import Screen
from featmagic.support.text import wrap
from featmagic.table import alarms, head
from featmagic.table import caption as film_text


def show_film(film: Film, screen: Screen) -> None:
    """Show an overview: one PNG in a notebook, half blocks in a terminal, else the table as text.

    Example:
        >>> from featmagic.overview import overview
        >>> from featmagic.render.target import Screen
        >>> from featmagic.options.view import View
        >>> show_film(overview([], View(), None), Screen("none", 80))
        0 layers · 0 B of activations · no NaN, no inf
    """
    text = film_text(film)
    if screen.renderer == "png":
        summary = "\n".join([*head(film), *alarms(film)])
        tell("\n".join(wrap(line, screen.columns) for line in summary.split("\n")), screen)
        words = text.removeprefix(f"{summary}\n") if screen.engine else text
        publish(*bundle(film_image(film), film.palette, words, summary))
    elif screen.room is not None:
        colours = 0 if screen.renderer == "ascii" else screen.colours
        tell(film_lines(film, colours, screen.room.width), screen)
    else:
        tell(text, screen)
