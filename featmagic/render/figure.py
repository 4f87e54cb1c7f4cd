"""A mosaic as a matplotlib figure, and as SVG and PDF."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from math import isfinite
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featmagic.planes.dtypes import Pixels
from featmagic.render.color import NORMS
from featmagic.render.figure_layout import (
    EDGE,
    FigureLayout,
    Lettering,
    in_lines,
    lay_out_figure,
    strip_pixels,
    tile_pixels,
)
from featmagic.render.mosaic import Mosaic, SharedRange
from featmagic.render.palette import LEVELS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colorbar import Colorbar
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure


def color_bar(axes: Axes, mosaic: Mosaic, look: dict[str, Any]) -> Colorbar:
    """A color bar that fills the axes, with figures at both ends and in the middle.

    Args:
        axes: to draw it in.
        mosaic: its `scale` and its palette; `ends` has the figures.
        look: of the figures, as keyword arguments of a text.
    """
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap

    assert mosaic.scale is not None
    norm, places = norm_of(mosaic.scale)
    colors = ListedColormap(mosaic.colors[:LEVELS] / 255)
    bar = axes.figure.colorbar(ScalarMappable(norm, colors), cax=axes, orientation="horizontal")
    bar.minorticks_off()
    bar.set_ticks(places, labels=mosaic.ends)
    axes.tick_params(length=2, width=0.5, pad=1, color="black")
    for tick, side in zip(axes.get_xticklabels(), ("left", "center", "right"), strict=True):
        tick.set(**look, horizontalalignment=side)
    bar.outline.set_visible(False)
    return bar


def norm_of(scale: SharedRange) -> tuple[Normalize, list[float]]:
    """Return matplotlib's norm for the range, and the values at its ends and in its middle.

    A range that is one value, or too large or too small for matplotlib, becomes 0 to 1: the figures
    beside the bar are true all the same.

    Example:
        >>> norm, places = norm_of(SharedRange(1.0, 10.0, 100.0, "log", None, 1.0))
        >>> type(norm).__name__, places
        ('LogNorm', [1.0, 10.0, 100.0])
    """
    from matplotlib.colors import Normalize

    if not _spannable(scale.low, scale.high):
        return Normalize(0, 1), [0.0, 0.5, 1.0]
    norm = NORMS[scale.norm].matplotlib(scale.low, scale.high, scale.center, scale.width)
    return norm, [scale.low, scale.middle, scale.high]


def _spannable(low: float, high: float) -> bool:
    """Return True if matplotlib takes the range as it is: else it widens it, or overflows."""
    most = max(abs(low), abs(high))
    return isfinite(high - low) and most > 1e-280 and high - low > 1e-14 * most


_DPI = 100  # a pixel of the mosaic is so much of an inch


_TITLE, _SMALL = 8, 6  # points


_TITLE_LINE = 14  # pixels


_MARK = 7  # pixels that a mark is wide


def mosaic_figure(mosaic: Mosaic, title: str) -> Figure:
    """A figure to print: the tiles as one image on white, all words as text, the title above.

    A color bar stands below where all tiles share a range. A notebook shows the figure as it shows
    any, and also where pyplot was never imported; pyplot knows nothing of it.

    Example:
        >>> import torch
        >>> from featmagic.render.viewport import GridLayout
        >>> from featmagic.render.mosaic import tile
        >>> mosaic = tile(torch.zeros(1, 9, 9).byte(), ("0",), bytes(768), GridLayout(1, 4, 1))
        >>> len(mosaic_figure(mosaic, "fc").axes)
        1
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    made = _empty()
    letters = Lettering(FigureCanvasAgg(made).get_renderer())
    plan = lay_out_figure(mosaic, lambda text: letters.width(text, _SMALL))
    lines = in_lines(
        letters.spelled(title), plan.width - 2 * EDGE, lambda text: letters.width(text, _TITLE)
    )
    height = plan.height + _TITLE_LINE * len(lines) + EDGE
    made.set_size_inches(plan.width / _DPI, height / _DPI)
    axes = made.add_axes((0, 0, 1, plan.height / height))
    axes.set(xlim=(0, plan.width), ylim=(plan.height, 0), autoscale_on=False)
    axes.set_axis_off()
    # The left title, so that one of the user's own takes its place.
    heading = axes.set_title("\n".join(lines), loc="left", y=1, pad=0, **letters.look(_TITLE))
    heading.set_x(EDGE / plan.width)
    _draw(axes, mosaic, plan)
    _write(axes, mosaic, plan, letters.look(_SMALL))
    if mosaic.scale:
        place = _within(plan, height, min(200, plan.width - plan.left - EDGE))
        color_bar(made.add_axes(place), mosaic, letters.look(_SMALL))
    return made


def _empty() -> Figure:
    """A sheet of white paper, which nothing lays out but we."""
    from matplotlib.figure import Figure

    class ShownFigure(Figure):
        """A figure that displays itself where nobody else does it."""

        def _repr_png_(self) -> bytes:
            file = io.BytesIO()
            self.savefig(file, format="png", bbox_inches="tight")
            return file.getvalue()

        def __reduce__(self) -> tuple[Any, ...]:
            """A pickle holds matplotlib's own class."""
            return Figure.__new__, (Figure,), self.__getstate__()  # type: ignore[attr-defined]

    ShownFigure.__name__ = ShownFigure.__qualname__ = Figure.__name__  # as a notebook prints it
    made = ShownFigure(dpi=_DPI, facecolor="white")
    made.set_layout_engine("none")
    return made


def _within(plan: FigureLayout, height: float, width: float) -> tuple[float, float, float, float]:
    """Where the color bar stands, in parts of the figure."""
    tall, down = 8, plan.below + 2
    return (
        plan.left / plan.width,
        (plan.height - down - tall) / height,
        width / plan.width,
        tall / height,
    )


def _draw(axes: Axes, mosaic: Mosaic, plan: FigureLayout) -> None:
    """The tiles as one image, the bars under them, the input and the prefix tokens."""
    from matplotlib.collections import LineCollection

    _show(axes, tile_pixels(mosaic, plan), plan.left, plan.top, "tiles")
    for row, picture in enumerate(mosaic.inputs):
        _show(axes, picture, EDGE, plan.top + plan.label + row * plan.tall, "input")
    if mosaic.strip:
        _show(axes, strip_pixels(mosaic, mosaic.strip, plan), plan.strip, EDGE, "tokens")
    if mosaic.bars:
        axes.add_collection(
            LineCollection(_bars(mosaic, plan), colors="0.35", linewidths=1.4, gid="strengths")
        )


def _show(axes: Axes, pixels: Pixels, left: float, top: float, name: str) -> None:
    # "none" puts the pixels into a PDF or SVG as they are, once.
    extent = left, left + pixels.shape[1], top + pixels.shape[0], top
    axes.imshow(
        pixels, aspect="auto", interpolation="none", origin="upper", extent=extent, gid=name
    )


def _bars(mosaic: Mosaic, plan: FigureLayout) -> list[list[tuple[float, float]]]:
    """A line under each tile, as long as its channel is strong."""
    height, width = (side * mosaic.zoom for side in mosaic.tile_size)
    lines = []
    for place, strength in enumerate(mosaic.bars):
        left, top = _place(mosaic, plan, place)
        down = top + plan.label + height + 2
        lines.append([(left, down), (left + strength * width, down)])
    return lines


def _place(mosaic: Mosaic, plan: FigureLayout, place: int) -> tuple[float, float]:
    """Where a tile's label begins."""
    row, column = divmod(place, mosaic.indices.shape[2])
    return plan.left + column * plan.wide, plan.top + row * plan.tall


def _write(axes: Axes, mosaic: Mosaic, plan: FigureLayout, look: dict[str, Any]) -> None:
    """Labels above the tiles, ticks left of them, and the names of prefix tokens."""
    for up, texts in _above(mosaic, plan):
        for place, text in enumerate(texts):
            left, top = _place(mosaic, plan, place)
            axes.text(left, top + plan.label - up, text, va="baseline", **look)
    for row, line, text in mosaic.ticks:
        top = plan.top + row * plan.tall + plan.label + (line + 0.5) * mosaic.zoom
        axes.text(plan.left - 3, top, text, ha="right", va="center_baseline", **look)
    names = mosaic.strip.names if mosaic.strip else ()
    tall = (plan.top - EDGE) / max(1, len(names))
    for number, name in enumerate(names):
        axes.text(plan.left, EDGE + number * tall + 7, name, va="baseline", **look)


def _above(mosaic: Mosaic, plan: FigureLayout) -> Iterator[tuple[int, Iterable[str]]]:
    """Lines of text above the tiles, and how far up: labels, letters for what is no number."""
    labels: Iterable[str] = mosaic.labels
    if plan.marks:
        most = max(1, mosaic.tile_size[1] * mosaic.zoom // _MARK)
        yield 2, [letters[:most] for letters in mosaic.nonfinite]
    elif mosaic.nonfinite:
        labels = map(" ".join, zip(labels, mosaic.nonfinite, strict=True))
    if plan.label > plan.marks:
        yield plan.marks + 2, labels


_REPRODUCIBLE = {"svg.hashsalt": "featmagic"}


# Words as words: to be searched, and to be changed by whoever lays out the page.
_AS_TEXT = {"svg.fonttype": "none", "pdf.fonttype": 42}


_NO_DATE: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}


def write_figure(mosaic: Mosaic, title: str, path: Path, format: str) -> None:
    """Write the figure as `svg` or `pdf`: the same bytes for the same mosaic."""
    import matplotlib

    with matplotlib.rc_context({**_REPRODUCIBLE, **_AS_TEXT}):
        mosaic_figure(mosaic, title).savefig(
            path, format=format, metadata=_NO_DATE[format], facecolor="white"
        )
