"""The preview of a layer: its grid or one channel large, drawn as in still pictures."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from featmagic.explorer.planes import samples_in
from featmagic.grid.arrange import lay_out_tiles
from featmagic.grid.caption import describe_values
from featmagic.grid.compose import color_range_of
from featmagic.grid.draw import draw_prepared
from featmagic.grid.prepare import Prepared, Undrawable, prepare, tiling_of
from featmagic.options.view import View
from featmagic.planes.layout import LayoutMismatch
from featmagic.planes.planes import Planes
from featmagic.planes.statistics import measure
from featmagic.recording.records import Activation
from featmagic.render.ascii import AsciiCells
from featmagic.render.color import Range
from featmagic.render.half_blocks import HalfBlockCells
from featmagic.render.mosaic import Mosaic
from featmagic.render.text import mosaic_lines
from featmagic.render.viewport import Viewport, terminal_viewport
from featmagic.support.errors import FeatmagicError
from featmagic.support.text import readable

# If the tiles don't all fit the screen, large planes are reduced in size: up to four in a row, as
# long as each has at least 16 columns. A channel can be shown large.
_IN_A_ROW, _NARROWEST = (1, 2, 3, 4), 16


@dataclass(frozen=True)
class Canvas:
    """The room to draw on: columns, lines, and the number of colors (0 for plain characters)."""

    columns: int
    lines: int
    colors: int

    @property
    def viewport(self) -> Viewport:
        """The viewport of the still pictures: a tile with its label is no taller."""
        viewport = terminal_viewport(self.columns + 1)
        return replace(viewport, height=max(8, 2 * (self.lines - 1)))


@dataclass(frozen=True, eq=False)
class Preview:
    """A layer that is drawn.

    Attributes:
        caption: Its caption, as in still pictures.
        grid: Its grid; None if it has no picture.
        ready: The prepared layer that was drawn.
        colors: The color range of its values.
        samples: The number of samples to choose from.
    """

    caption: str
    grid: PreviewGrid | None = None
    ready: Prepared | None = None
    colors: Range | None = None
    samples: int = 1

    @property
    def tiles(self) -> int:
        """The number of channels to choose from: none if all are in one picture."""
        is_tiled = self.ready is not None and self.ready.tiling.form == "tiles"
        return self.grid.tiles if self.grid and is_tiled else 0


def preview(activation: Activation, view: View, canvas: Canvas) -> Preview:
    """Draw the grid of a layer; if that fails, the caption says why."""
    try:
        return _picture(_roomy(_ready(activation, view, canvas.viewport), canvas), canvas)
    except FeatmagicError as error:
        return Preview(f"{readable(activation.key)}  {readable(activation.kind)} · {error}")


def _ready(activation: Activation, view: View, viewport: Viewport) -> Prepared | Undrawable:
    """Prepare the layer; a layout is for the layers that have as many axes."""
    try:
        return prepare(activation, view, viewport)
    except LayoutMismatch:
        return prepare(activation, replace(view, layout=None), viewport)


def _roomy(ready: Prepared | Undrawable, canvas: Canvas) -> Prepared | Undrawable:
    """Make the planes no smaller than they have to be for all to be seen at once."""
    if isinstance(ready, Undrawable) or ready.viewport is None or ready.tiling.form != "tiles":
        return ready
    count, size = ready.tiling.count, ready.tiling.size
    for columns in [n for n in _IN_A_ROW if n == 1 or n * _NARROWEST <= canvas.columns]:
        viewport = replace(ready.viewport, columns=columns)
        layout = lay_out_tiles(count, size, ready.view, viewport)
        lines = 1 + ceil(ceil(size[0] / layout.shrink) * layout.zoom * layout.tall / 2)
        if ceil(count / layout.ncols) * lines <= canvas.lines:
            break
    return replace(ready, viewport=viewport)


def _picture(ready: Prepared | Undrawable, canvas: Canvas) -> Preview:
    drawing = draw_prepared(ready)
    if drawing.mosaic is None or isinstance(ready, Undrawable):
        return Preview(drawing.caption)
    grid = PreviewGrid(drawing.mosaic, canvas.colors, canvas.columns)
    samples = samples_in(ready.activation, ready.view)
    return Preview(drawing.caption, grid, ready, color_range_of(ready), samples)


def enlarged_preview(whole: Preview, tile: int, canvas: Canvas) -> Preview:
    """Draw one channel as large as it fits, in the colors that it has in the grid.

    A layer whose channels are all in one picture is drawn whole.
    """
    ready, colors = whole.ready, whole.colors
    if ready is None or colors is None:
        return whole
    viewport = replace(canvas.viewport, columns=1, height=max(8, 2 * (canvas.lines - 2)))
    ready = replace(ready, viewport=viewport, view=replace(ready.view, zoom=None))
    if whole.tiles:
        ready = _alone(ready, colors, tile)
    return _picture(ready, canvas)


def _alone(ready: Prepared, colors: Range, tile: int) -> Prepared:
    """Return the layer with one of its planes only, in the range that it has among the others."""
    planes, viewport = _plane(ready.planes, tile), ready.viewport
    view = replace(ready.view, cmap=colors.cmap, scale="layer")
    place = tile if len(colors.low) > 1 else 0  # single values have one range together
    low, high = float(colors.low[place]), float(colors.high[place])
    if low < high:
        view = replace(view, vmin=low, vmax=high)
    height, width = planes.values.shape[2:]
    if viewport is not None and viewport.height is not None and width < 8 * height:
        zoom = min((viewport.width - 2) // width, viewport.height // height)
        view = replace(view, zoom=max(1, zoom))
    return replace(
        ready,
        planes=planes,
        tiling=tiling_of(planes),
        measured=measure(planes.values[0]),
        view=view,
        scale="layer",
    )


def _plane(planes: Planes, tile: int) -> Planes:
    """Return one of the planes, without the values of prefix tokens."""
    return replace(
        planes,
        values=planes.values.flatten(0, 1)[tile : tile + 1][None],
        indices=planes.indices[tile : tile + 1],
        labels=planes.labels and planes.labels[tile : tile + 1],
        prefix=None,
        names=(),
    )


def channel_statistics(whole: Preview, tile: int) -> str:
    """Return the statistics of a channel, or of all channels if they are in one picture."""
    ready = whole.ready
    if ready is None:
        return ""
    planes = ready.planes
    item = planes.item or planes.noun.removesuffix("s")
    if not whole.tiles:
        s = "s" * (planes.total != 1)
        return f"{planes.total} {item}{s}: {describe_values(ready.measured, planes)}"
    plane = _plane(planes, tile)
    words = describe_values(measure(plane.values[0]), plane)
    words = words.replace(
        f', 1 constant ("dead") {item}: {plane.indices[0]}', ', constant ("dead")'
    )
    name = plane.labels[0] if plane.labels else str(plane.indices[0])
    return f"{item} {name} of {planes.total}: {words}"


@dataclass(frozen=True)
class Place:
    """Where a tile is: its first line and column, its height and its width.

    Attributes:
        labeled: Whether the line above it has its label.
    """

    top: int
    left: int
    height: int
    width: int
    labeled: bool


class PreviewGrid:
    """A mosaic as lines, each made when it is asked for.

    Attributes:
        tiles: The number of tiles.
        ncols: The number of tiles in a row.
        zoom: The number of pixels per value.
        height: The number of lines.
    """

    def __init__(self, mosaic: Mosaic, colors: int, columns: int) -> None:
        """Lay out a mosaic with a number of colors and a width for labels and ticks."""
        # prompt_toolkit finds the nearest of 256 colors itself; given their numbers, versions
        # before 3.0.53 lose the two palest grays.
        cells = HalfBlockCells(mosaic, 2**24) if colors else AsciiCells(mosaic)
        self._lines = mosaic_lines(mosaic, cells, columns)
        self._margin = max((len(text) + 1 for *_, text in mosaic.ticks), default=0)
        self._tile = -(-cells.pixels.shape[1] // 2), int(cells.pixels.shape[3])
        self._row = len(self._lines.row(0))
        self.tiles, self.ncols, self.zoom = len(mosaic.labels), cells.pixels.shape[2], mosaic.zoom
        above, below = len(self._lines.head), len(self._lines.tail)
        self.height = above + self._row * self._lines.rows + below

    def line(self, number: int) -> str:
        """Return one of the lines, with the escape codes of its colors."""
        number -= (above := len(self._lines.head))
        if number < 0:
            return self._lines.head[above + number]
        row, number = divmod(number, self._row)
        if row < self._lines.rows:
            return self._lines.row(row)[number]
        return self._lines.tail[number + (row - self._lines.rows) * self._row]

    def place(self, tile: int) -> Place:
        """Return where a tile is."""
        (height, width), (row, column) = self._tile, divmod(tile, self.ncols)
        labeled = self._row > height
        top = len(self._lines.head) + row * self._row + labeled
        return Place(top, self._margin + column * (width + 1), height, width, labeled)
