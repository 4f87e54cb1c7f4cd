"""A mosaic as a matplotlib figure, and as SVG and PDF."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from functools import partial
from math import isfinite
from typing import TYPE_CHECKING, Any

import numpy as np

from featmagic.planes.dtypes import Pixels
from featmagic.render.color import NORMS
from featmagic.render.figure_page import (
    DPI,
    EDGE,
    FigureText,
    add_page_axes,
    new_page,
    set_caption,
    set_title,
)
from featmagic.render.image import token_cells
from featmagic.render.mosaic import Mosaic, SharedRange, with_marks
from featmagic.render.page_geometry import PageGeometry, PageMetrics, page_geometry
from featmagic.render.palette import CONSTANT, GAP, LEVELS
from featmagic.support.errors import FeatmagicError

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure

_SMALL = 6  # points
_GAP = 4  # pixels between tiles
_WIDEST_COLOR_BAR = 200  # pixels
# A pixel takes four bytes several times over, and every tile has its own text.
MOST_FIGURE_PIXELS, MOST_FIGURE_TILES = 3 * 10**7, 20_000

# The same mosaic gives the same bytes, with words as text, to be searched and edited.
_SETTINGS = {"svg.hashsalt": "featmagic", "svg.fonttype": "none", "pdf.fonttype": 42}
_NO_DATE: dict[str, dict[str, Any]] = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}


def figure_bytes(mosaic: Mosaic, caption: str, format: str, title: str = "") -> bytes:
    """Return the figure of a mosaic as `svg` or `pdf`: the same bytes for the same mosaic.

    They aren't written to a file directly: matplotlib raises its own error for a full disk.
    """
    import matplotlib

    file = io.BytesIO()
    with matplotlib.rc_context(_SETTINGS):
        mosaic_figure(mosaic, caption, title).savefig(
            file, format=format, metadata=_NO_DATE[format], facecolor="white"
        )
    return file.getvalue()


def mosaic_figure(mosaic: Mosaic, caption: str, title: str = "") -> Figure:
    """Make a figure to print: the tiles as one image on white paper, all words as text.

    The caption stands above, under the title if there is one, and a color bar below if all tiles
    share a range. A notebook displays the figure as it displays any other, even if pyplot was never
    imported; pyplot doesn't know it.

    `suptitle` replaces the title and makes room for its own; `axes[0].set_title` replaces the
    caption.

    Args:
        mosaic: what to draw.
        caption: of the figure, in as many lines as it needs.
        title: a heading in a larger size; "" for none.

    Raises:
        FeatmagicError: there are too many pixels or tiles for a figure.

    Example:
        >>> import torch
        >>> from featmagic.render.viewport import GridLayout
        >>> from featmagic.render.mosaic import tile
        >>> mosaic = tile(torch.zeros(1, 9, 9).byte(), ("0",), bytes(768), GridLayout(1, 4, 1))
        >>> len(mosaic_figure(mosaic, "fc").axes)
        1
    """
    rows, height, ncols, width = mosaic.indices.shape[:4]
    scale = mosaic.zoom / mosaic.density
    check_figure_size(int(rows * height * ncols * width * scale**2), len(mosaic.labels))
    text = FigureText(f"{title} {caption}")
    figure = new_page()
    geometry = page_geometry(mosaic, _metrics(text, mosaic.density))
    figure.set_size_inches(geometry.width / DPI, geometry.height / DPI)
    axes = add_page_axes(figure, (0, 0, 1, 1))
    axes.set(xlim=(0, geometry.width), ylim=(geometry.height, 0), autoscale_on=False)
    axes.set_axis_off()
    _draw_images(axes, mosaic, geometry)
    _draw_bars(axes, mosaic, geometry)
    _write_texts(axes, mosaic, geometry, text.style(_SMALL))
    _write_axes(axes, mosaic, geometry, text)
    if mosaic.scale:
        below = figure.add_axes(_color_bar_box(geometry, geometry.height))
        _draw_color_bar(below, mosaic, text.style(_SMALL))
    set_caption(figure, axes, caption, text)
    if title:
        set_title(figure, title)
    return figure


def check_figure_size(pixels: int, tiles: int) -> None:
    """Check that a figure can have so many pixels and tiles.

    Raises:
        FeatmagicError: there are too many.
    """
    if pixels > MOST_FIGURE_PIXELS or tiles > MOST_FIGURE_TILES:
        most = f"{MOST_FIGURE_PIXELS // 10**6} million pixels, {MOST_FIGURE_TILES:,} tiles"
        raise FeatmagicError(
            f"A figure of {pixels // 10**6:,} million pixels and {tiles:,} tiles is too large "
            f"(at most {most}): choose a smaller zoom or fewer channels, or save a .png."
        )


def _metrics(text: FigureText, density: int) -> PageMetrics[float]:
    width = partial(text.width, size=_SMALL)
    return PageMetrics(
        pixels=density,
        css=1,
        head=0,
        edge=EDGE,
        gap=_GAP,
        row_gap=_GAP,
        label=10,
        between=0,
        marks=(9, 9),  # letters
        bar=4,
        columns=10,
        margin=4,
        cell=(2, 12),
        token_line=8,
        token_gap=2,
        input_right=2 * _GAP,
        input_below=0,
        color_bar=24,
        bottom=EDGE,
        least_width=360,  # for the title
        least_cells=0,
        even_lines=False,
        fills=False,
        between_ends=None,
        text_width=width,
        marked_width=lambda label, marks: width(f"{label} {marks}"),
    )


def _draw_images(axes: Axes, mosaic: Mosaic, geometry: PageGeometry[float]) -> None:
    """Draw all tiles as one image, the input images, and the prefix tokens."""
    show = partial(_show, axes, density=mosaic.density)
    show(_tile_pixels(mosaic, geometry), geometry.left, geometry.top, "tiles")
    left = geometry.left if mosaic.lead else EDGE
    for row, image in enumerate(mosaic.inputs):
        show(image, left, geometry.tile_top(row), "input")
    if mosaic.strip:
        cells = token_cells(mosaic.strip, geometry)
        colors = _rgba_palette(mosaic)[cells]
        _show(axes, colors, geometry.tokens_left, EDGE, "tokens", density=1)


def _show(axes: Axes, pixels: Pixels, left: float, top: float, name: str, *, density: int) -> None:
    # "none" puts the pixels into a PDF or SVG as they are, once.
    height, width = (side / density for side in pixels.shape[:2])
    extent = left, left + width, top + height, top
    axes.imshow(
        pixels, aspect="auto", interpolation="none", origin="upper", extent=extent, gid=name
    )


def _tile_pixels(mosaic: Mosaic, geometry: PageGeometry[float]) -> Pixels:
    """Return all tiles as one RGBA image that begins at the first header; gaps are transparent."""
    tiles = with_marks(mosaic)
    rows, height, ncols, width = tiles.shape[:4]
    d = mosaic.density
    down, across = round(geometry.row_pitch * d), round(geometry.column_pitch * d)
    top = round(geometry.header * d)
    canvas = np.zeros((rows, down, ncols, across, 4), np.uint8)
    place = canvas[:, top : top + height, :, :width]
    if mosaic.is_rgb:
        place[..., :3], place[..., 3] = tiles, 255
        place[0, :, : mosaic.lead] = 0
        if spare := rows * ncols - len(mosaic.labels) - mosaic.lead:
            place[-1, :, -spare:] = 0
    else:
        place[:] = _rgba_palette(mosaic)[tiles]
    return canvas.reshape(rows * down, ncols * across, 4)


def _rgba_palette(mosaic: Mosaic) -> Pixels:
    """Return the palette as RGBA, with transparent gaps."""
    colors = np.full((256, 4), 255, np.uint8)
    colors[:, :3] = mosaic.colors
    colors[GAP] = 0
    colors[CONSTANT, :3] = 118, 124, 134  # the palette's own would be too pale on white paper
    return colors


def _draw_bars(axes: Axes, mosaic: Mosaic, geometry: PageGeometry[float]) -> None:
    """Draw a line below each tile, as long as its channel is strong."""
    from matplotlib.collections import LineCollection

    if not mosaic.bars:
        return
    height, width = (side * mosaic.zoom / mosaic.density for side in mosaic.tile_size)
    lines = []
    for place, strength in enumerate(mosaic.bars):
        top, left = geometry.header_corner(place)
        y = top + geometry.header + height + 2
        lines.append([(left, y), (left + strength * width, y)])
    axes.add_collection(LineCollection(lines, colors="0.35", linewidths=1.4, gid="strengths"))


def _write_texts(
    axes: Axes, mosaic: Mosaic, geometry: PageGeometry[float], style: dict[str, Any]
) -> None:
    """Write labels and marks above the tiles, ticks left of them, and names of prefix tokens."""
    for above, texts in _headers(mosaic, geometry):
        for place, text in enumerate(texts):
            top, left = geometry.header_corner(place)
            axes.text(left, top + geometry.header - above, text, va="baseline", **style)
    for row, line, text in mosaic.ticks:
        y = geometry.tile_top(row) + (line + 0.5) * mosaic.zoom / mosaic.density
        axes.text(geometry.left - 3, y, text, ha="right", va="center_baseline", **style)
    names = mosaic.strip.names if mosaic.strip else ()
    for token, name in enumerate(names):
        y = EDGE + token * ((geometry.top - EDGE) / len(names)) + 7
        axes.text(geometry.left, y, name, va="baseline", **style)


def _write_axes(
    axes: Axes, mosaic: Mosaic, geometry: PageGeometry[float], text: FigureText
) -> None:
    """Write what stands below a heat map, and what runs down and across it."""
    down, across = mosaic.axes
    style, width = text.style(_SMALL), partial(text.widest, size=_SMALL)
    if down and not any(mosaic.labels):
        y = geometry.tile_top(0) - 2
        left = max(EDGE, geometry.left - 3 - width(down))
        axes.text(left, y, down, va="baseline", **style)
    zoom = mosaic.zoom / mosaic.density
    height, wide = (side * zoom for side in mosaic.tile_size)
    for place in range(len(mosaic.labels)) if mosaic.columns else ():
        top, left = geometry.header_corner(place)
        y, right = top + geometry.header + height + 8, left + wide
        if across and width(across) + 12 < wide:
            axes.text(right, y, across, ha="right", va="baseline", **style)
            right -= width(across) + 6
        end = left - 12  # the first may begin left of its column
        for column, name in mosaic.columns:
            middle, half = left + (column + 0.5) * zoom, width(name) / 2
            if middle - half >= end + 6 and middle + half <= right:
                axes.text(middle, y, name, ha="center", va="baseline", **style)
                end = middle + half


def _headers(
    mosaic: Mosaic, geometry: PageGeometry[float]
) -> Iterator[tuple[float, Iterable[str]]]:
    """Yield lines of text above the tiles, each with its distance from them.

    Letters stand for non-finite values: behind the labels, or in a line of their own.
    """
    labels: Iterable[str] = mosaic.labels
    if geometry.marks:
        yield 2, [letters[: geometry.most_marks] for letters in mosaic.nonfinite]
    elif mosaic.nonfinite:
        labels = map(" ".join, zip(labels, mosaic.nonfinite, strict=True))
    if geometry.has_labels:
        yield geometry.marks + 2, labels


def _color_bar_box(
    geometry: PageGeometry[float], height: float
) -> tuple[float, float, float, float]:
    """Return the left, bottom, width and height of the color bar, as fractions of the figure."""
    bar, top = 8, geometry.tiles_bottom + 2
    width = min(_WIDEST_COLOR_BAR, geometry.width - geometry.left - EDGE)
    return (
        geometry.left / geometry.width,
        (geometry.height - top - bar) / height,
        width / geometry.width,
        bar / height,
    )


def _draw_color_bar(axes: Axes, mosaic: Mosaic, style: dict[str, Any]) -> None:
    """Fill the axes with a color bar that has figures at both ends and in the middle."""
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
        tick.set(**style, horizontalalignment=side)
    bar.outline.set_visible(False)


def norm_of(scale: SharedRange) -> tuple[Normalize, list[float]]:
    """Return matplotlib's norm for the range, and the values at its ends and in its middle.

    A range that is one value, or too large or too small for matplotlib, becomes 0 to 1, since it
    would widen it or overflow: the figures beside the bar are true all the same.
    """
    from matplotlib.colors import Normalize

    most, span = max(abs(scale.low), abs(scale.high)), scale.high - scale.low
    if not isfinite(span) or most <= 1e-280 or span <= 1e-14 * most:
        return Normalize(0, 1), [0.0, 0.5, 1.0]
    norm = NORMS[scale.norm].matplotlib(scale.low, scale.high, scale.center, scale.width)
    return norm, [scale.low, scale.middle, scale.high]
