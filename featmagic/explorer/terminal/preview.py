"""The preview of a layer: its grid or one channel large, drawn by the stages of a look."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import ceil

from featmagic.grid.arrange import lay_out_tiles
from featmagic.grid.caption import describe_values
from featmagic.grid.compose import color_range_of
from featmagic.grid.draw import draw_prepared
from featmagic.grid.prepare import Prepared, Undrawable, prepare, tiling_of
from featmagic.options.view import View
from featmagic.planes.layout import LayoutMismatch, layout_of
from featmagic.planes.statistics import measure
from featmagic.recording.records import Activation
from featmagic.render.ascii import AsciiCells
from featmagic.render.color import Range
from featmagic.render.half_blocks import HalfBlockCells
from featmagic.render.mosaic import Mosaic
from featmagic.render.text import mosaic_lines
from featmagic.render.viewport import Viewport, terminal_viewport
from featmagic.support.errors import FeatmagicError
from featmagic.support.text import printable

# If the tiles don't all fit the screen, large planes are made smaller: up to four in a row, as long
# as each has at least 16 columns. A channel can be shown large.
_IN_A_ROW, _NARROWEST = (1, 2, 3, 4), 16


@dataclass(frozen=True)
class Canvas:
    """The room to draw on: columns, lines, and the number of colors (0 for plain characters)."""

    columns: int
    lines: int
    colors: int

    @property
    def viewport(self) -> Viewport:
        """The viewport for the stages of a look: a tile with its label is no taller."""
        viewport = terminal_viewport(self.columns + 1)
        return replace(viewport, height=max(8, 2 * (self.lines - 1)))


@dataclass(frozen=True, eq=False)
class Preview:
    """A layer that is drawn.

    Attributes:
        caption: Its caption, as a look has it.
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
        return (
            self.grid.tiles if self.grid and self.ready and self.ready.tiling.form == "tiles" else 0
        )


def preview(activation: Activation, view: View, canvas: Canvas) -> Preview:
    """Draw the grid of a layer; if that fails, the caption says why.

    Example:
        >>> import torch
        >>> conv = Activation("conv", "conv", "Conv2d", 1, torch.rand(1, 9, 8, 8))
        >>> drawn = preview(conv, View(), Canvas(80, 20, 256))
        >>> drawn.tiles, drawn.grid.ncols
        (9, 8)
    """
    try:
        return _picture(_roomy(_ready(activation, view, canvas.viewport), canvas), canvas)
    except FeatmagicError as error:
        return Preview(f"{printable(activation.key)}  {activation.kind} · {error}")


def _ready(activation: Activation, view: View, viewport: Viewport) -> Prepared | Undrawable:
    """Prepare the layer; a layout is for the layers that have as many axes."""
    try:
        return prepare(activation, view, viewport)
    except LayoutMismatch:
        return prepare(activation, replace(view, layout=None), viewport)


def _roomy(ready: Prepared | Undrawable, canvas: Canvas) -> Prepared | Undrawable:
    """The layer with its planes no smaller than they have to be for all to be seen at once."""
    if isinstance(ready, Undrawable) or ready.viewport is None or ready.tiling.form != "tiles":
        return ready
    count, size = ready.tiling.count, ready.tiling.size
    for columns in [n for n in _IN_A_ROW if n == 1 or n * _NARROWEST <= canvas.columns]:
        viewport = replace(ready.viewport, columns=columns)
        found = lay_out_tiles(count, size, ready.view, viewport)
        tall = 1 + ceil(ceil(size[0] / found.shrink) * found.zoom * found.tall / 2)
        if ceil(count / found.ncols) * tall <= canvas.lines:
            break
    return replace(ready, viewport=viewport)


def _picture(ready: Prepared | Undrawable, canvas: Canvas) -> Preview:
    drawing = draw_prepared(ready)
    if drawing.mosaic is None or isinstance(ready, Undrawable):
        return Preview(drawing.caption)
    grid = PreviewGrid(drawing.mosaic, canvas.colors, canvas.columns)
    return Preview(drawing.caption, grid, ready, color_range_of(ready), _samples(ready))


def _samples(ready: Prepared) -> int:
    letters = layout_of(ready.activation, ready.view).dims
    return ready.activation.tensor.shape[letters.index("N")] if ready.planes.samples else 1


def enlarged_preview(whole: Preview, tile: int, canvas: Canvas) -> Preview:
    """Draw one channel as large as it fits, in the colors that it has in the grid.

    A layer whose channels are all in one picture is drawn whole.

    Example:
        >>> import torch
        >>> conv = Activation("conv", "conv", "Conv2d", 1, torch.rand(1, 9, 8, 8))
        >>> canvas = Canvas(80, 20, 256)
        >>> enlarged_preview(preview(conv, View(), canvas), 3, canvas).grid.zoom
        4
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
    """One of the planes, with the range that it has among the others."""
    stack, viewport = ready.planes, ready.viewport
    plane = stack.values.flatten(0, 1)[tile : tile + 1]
    labels = stack.labels and stack.labels[tile : tile + 1]
    index = stack.indices[tile : tile + 1]
    alone = replace(stack, values=plane[None], indices=index, labels=labels, prefix=None, names=())
    view = replace(ready.view, cmap=colors.cmap, scale="layer")
    low, high = float(colors.low[tile]), float(colors.high[tile])
    if low < high:
        view = replace(view, vmin=low, vmax=high)
    height, width = plane.shape[1:]
    if viewport is not None and viewport.height is not None and width < 8 * height:
        view = replace(
            view, zoom=max(1, min((viewport.width - 2) // width, viewport.height // height))
        )
    return replace(
        ready,
        planes=alone,
        tiling=tiling_of(alone),
        measured=measure(plane),
        view=view,
        scale="layer",
    )


def channel_statistics(whole: Preview, tile: int) -> str:
    """Return the statistics of a channel, or of all channels if they are in one picture.

    Example:
        >>> import torch
        >>> relu = Activation("relu", "relu", "ReLU", 1, torch.tensor([[[[0.0, 2]], [[1, 3]]]]))
        >>> channel_statistics(preview(relu, View(), Canvas(80, 20, 256)), 1)
        'channel 1 of 2: 1 █▁▁▁▁▁▁█ 3  mean 2  std 1'
    """
    ready = whole.ready
    if ready is None:
        return ""
    stack = ready.planes
    if not whole.tiles:
        return f"{stack.total} {stack.noun}: {describe_values(ready.measured, stack)}"
    plane = stack.values.flatten(0, 1)[tile : tile + 1]
    name = stack.labels[tile] if stack.labels else str(stack.indices[tile])
    one = replace(stack, values=plane[None], indices=(stack.indices[tile],), prefix=None)
    words = describe_values(measure(plane), one).replace(
        f", 1 dead: {stack.indices[tile]}", ", dead"
    )
    return f"{stack.noun.removesuffix('s')} {name} of {stack.total}: {words}"


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

    Example:
        >>> import torch
        >>> from featmagic.render.mosaic import tile
        >>> from featmagic.render.viewport import GridLayout
        >>> tiles = torch.tensor([[[0, 120, 247]], [[247, 253, 0]]]).byte()
        >>> grid = PreviewGrid(tile(tiles, ("0", "1"), bytes(768), GridLayout(2, 1, 1)), 0, 80)
        >>> grid.height, grid.line(1), grid.place(1)
        (2, '.+@ @v.', Place(top=1, left=4, height=1, width=3, labeled=True))
    """

    def __init__(self, mosaic: Mosaic, colors: int, columns: int) -> None:
        """Lay out a mosaic.

        Args:
            mosaic: The mosaic, without an input image.
            colors: The number of colors; 0 for plain characters.
            columns: The room for what is around the tiles.
        """
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
