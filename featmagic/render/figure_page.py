"""The page of a figure: its title and caption, laid out by the size that their text really has."""

from __future__ import annotations

import io
import warnings
from collections.abc import Mapping
from functools import lru_cache, partial
from math import ceil
from typing import TYPE_CHECKING, Any

from featmagic.render.title import break_lines, title_lines
from featmagic.render.typeface import known_to_matplotlib, typeface_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.font_manager import FontProperties
    from matplotlib.text import Text

DPI = 100  # pixels of a mosaic to an inch
EDGE = 6  # pixels around everything
_CAPTION, _TITLE = 8, 11  # points
_CAPTION_LINE = 14  # pixels that a line of the caption has at least
_BELOW_TITLE = 2  # pixels
_FONTS = frozenset(
    {"fontproperties", "font_properties", "font", "fontfamily", "family", "fontname", "name"}
)
# Hinting makes letters wider at some resolutions, so texts have the room that they need at each.
_RESOLUTIONS = (50, 72, DPI, 150, 200, 300)


class FigureText:
    """The style and the width of texts in one figure.

    Texts hold names from a model: no letter of theirs is markup, neither mathtext's nor TeX's.
    """

    def __init__(self, words: str = "") -> None:
        self._families = known_to_matplotlib(typeface_of(words))

    def style(self, size: float) -> dict[str, Any]:
        """Return the keyword arguments of a text of that size, in points."""
        font = self.font(size)
        return {"fontproperties": font, "color": "black", "usetex": False, "parse_math": False}

    def width(self, text: str, size: float) -> float:
        """Return the width of the text in pixels."""
        return _width(text, self.font(size), DPI)

    def widest(self, text: str, size: float) -> float:
        """Return the width that the text has at the resolution where it is widest, in pixels."""
        font = self.font(size)
        return max(_width(text, font, dpi) * DPI / dpi for dpi in _RESOLUTIONS)

    def spell_out(self, text: str) -> str:
        """Return the text with letters that no font has as escape sequences."""
        missing = self._missing(text)
        return "".join(c.encode("unicode_escape").decode() if c in missing else c for c in text)

    def boxed(self, text: str) -> str:
        """Return the text with boxes in place of letters that no font has."""
        missing = self._missing(text)
        return "".join("□" if c in missing else c for c in text)

    def font(self, size: float, **how: Any) -> FontProperties:
        """Return the font of texts of that size, in points."""
        import matplotlib
        from matplotlib.font_manager import FontProperties

        # The last ones have the blocks of the histogram, and the letters of any script.
        families = [*matplotlib.rcParams["font.family"], "DejaVu Sans", *self._families]
        return FontProperties(family=list(dict.fromkeys(families)), size=size, **how)

    def _missing(self, text: str) -> set[str]:
        return {letter for letter in text if not letter.isascii() and self._lacks(letter)}

    def _lacks(self, letter: str) -> bool:
        # matplotlib tells in a warning which letters its fonts lack, and nowhere else.
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.width(letter, 8)
        return bool(caught)


def new_page() -> Figure:
    """Return a figure of white paper, without a layout engine, that displays itself.

    A title that it is given has room of its own: the page grows, and nothing on it moves.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    class ShownFigure(Figure):
        """A figure that displays itself in a notebook, if pyplot doesn't."""

        def _repr_png_(self) -> bytes:
            file = io.BytesIO()
            self.savefig(file, format="png", bbox_inches="tight")
            return file.getvalue()

        def __reduce__(self) -> tuple[Any, ...]:
            """Pickle as matplotlib's own class."""
            return Figure.__new__, (Figure,), self.__getstate__()  # type: ignore[attr-defined]

        def suptitle(self, t: str, **kwargs: Any) -> Text:
            """Write a title above everything else, in place of one that is there."""
            made = super().suptitle(t, **kwargs)
            if "y" not in kwargs:
                _lay_out_title(self, made, kwargs)
            return made

    ShownFigure.__name__ = ShownFigure.__qualname__ = Figure.__name__  # as a notebook prints it
    figure = ShownFigure(dpi=DPI, facecolor="white")
    figure.set_layout_engine("none")
    FigureCanvasAgg(figure)
    return figure


def add_page_axes(figure: Figure, box: tuple[float, float, float, float]) -> Axes:
    """Add axes whose title takes the place of the caption, which is their left title."""
    from matplotlib.axes import Axes

    class CaptionedAxes(Axes):
        """Axes that have either a caption or a title of the user's."""

        def set_title(
            self,
            label: str,
            fontdict: dict[str, Any] | None = None,
            loc: Any = None,
            pad: float | None = 3,
            *,
            y: float | None = 1,
            **kwargs: Any,
        ) -> Text:
            """Write a title above the tiles."""
            from matplotlib import rcParams

            where = loc or rcParams["axes.titlelocation"]
            if where != "left":
                super().set_title("", loc="left")
            made = super().set_title(label, fontdict, where, pad, y=y, **kwargs)
            _add_fonts(made, {**(fontdict or {}), **kwargs})
            return made

        def __reduce__(self) -> tuple[Any, ...]:
            """Pickle as matplotlib's own class."""
            return Axes.__new__, (Axes,), self.__getstate__()  # type: ignore[attr-defined]

    CaptionedAxes.__name__ = CaptionedAxes.__qualname__ = Axes.__name__
    axes = CaptionedAxes(figure, box)
    figure.add_axes(axes)
    return axes


def set_caption(figure: Figure, axes: Axes, caption: str, text: FigureText) -> None:
    """Write a caption above the axes, in as many lines as it needs, and let the page grow."""
    width = figure.get_figwidth() * DPI
    widest = partial(text.widest, size=_CAPTION)
    given = text.spell_out(caption).split("\n")
    lines = [part for line in given for part in break_lines(line, width - 2 * EDGE, widest)]
    made = axes.set_title("\n".join(lines), loc="left", pad=0, **text.style(_CAPTION))
    made.set_x(EDGE / width)
    _grow(figure, max(_CAPTION_LINE * len(lines), _height(made)) + EDGE)


def set_title(figure: Figure, title: str) -> None:
    """Write a title above the caption, in any script."""
    text, left = FigureText(title), EDGE / (figure.get_figwidth() * DPI)
    style = text.style(_TITLE) | {"fontproperties": text.font(_TITLE, weight="bold")}
    figure.suptitle("\n".join(map(text.boxed, title_lines(title))), x=left, ha="left", **style)


def _lay_out_title(figure: Figure, made: Text, given: Mapping[str, Any]) -> None:
    """Put a title into room of its own at the top, in lines that fit."""
    _add_fonts(made, given)
    width, font = figure.get_figwidth() * DPI, made.get_fontproperties()

    def widest(words: str) -> float:
        return max(_width(words, font, dpi) * DPI / dpi for dpi in _RESOLUTIONS)

    words, is_markup = made.get_text(), made.get_parse_math() and "$" in made.get_text()
    if words and not is_markup and not made.get_usetex():
        room = width - 2 * EDGE
        lines = (part for line in words.split("\n") for part in break_lines(line, room, widest))
        made.set_text("\n".join(lines))
    before: int = getattr(figure, "_room_of_title", 0)
    after = _height(made) + _BELOW_TITLE if words else 0
    figure._room_of_title = after  # type: ignore[attr-defined]
    _grow(figure, after - before)
    made.set(y=1 - EDGE / (figure.get_figheight() * DPI), verticalalignment="top")


def _add_fonts(made: Text, given: Mapping[str, Any]) -> None:
    """Add fonts that have a text's letters, unless the user has chosen a font."""
    if _FONTS.isdisjoint(given):
        made.set_fontfamily(FigureText(made.get_text()).font(_TITLE).get_family())


def _grow(figure: Figure, pixels: float) -> None:
    """Make the page taller at its top, and leave everything else where it is."""
    width, before = figure.get_size_inches()
    after = before + pixels / DPI
    figure.set_size_inches(width, after)
    for axes in figure.axes:
        left, bottom, wide, tall = axes.get_position(original=True).bounds
        share = before / after
        axes.set_position((left, bottom * share, wide, tall * share))


def _height(made: Text) -> int:
    """Return the height of a text at the resolution where it is tallest, in whole pixels."""
    boxes = ((made.get_window_extent(_measuring(dpi), dpi=dpi), dpi) for dpi in _RESOLUTIONS)
    return ceil(max(box.height * DPI / dpi for box, dpi in boxes))


def _width(text: str, font: FontProperties, dpi: int) -> float:
    renderer = _measuring(dpi)
    width: float = renderer.get_text_width_height_descent(text, font, ismath=False)[0]
    return width


@lru_cache(maxsize=len(_RESOLUTIONS))
def _measuring(dpi: int) -> Any:
    from matplotlib.backends.backend_agg import RendererAgg

    return RendererAgg(1, 1, dpi)
