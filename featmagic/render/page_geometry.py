"""Where everything around the tiles of a mosaic stands on a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Generic, TypeVar

from featmagic.render.mosaic import Mosaic

# Text is a whole number of pixels wide in a bitmap font, a fraction in matplotlib's.
Length = TypeVar("Length", int, float)

MARK_WIDTH = 7  # pixels of a mark above a tile, where the tile is as wide
_MARGIN = 4  # pixels between a text and what stands at its right
_NARROWEST_CELL, _WIDEST_CELL = 2, 12  # of a prefix token


@dataclass(frozen=True)
class PageMetrics(Generic[Length]):
    """The sizes of the parts of a page in one medium, in pixels."""

    edge: int  # margin around everything
    gap: int  # between two tiles
    label: int  # height of a line of labels
    marks: tuple[int, int]  # smallest and largest height of a mark above a tile
    bar: int  # height that a bar takes below its tile
    token_line: int  # height of a line of a prefix token's cells
    token_gap: int  # between two prefix tokens
    input_right: int  # margin of an input image
    input_below: int  # margin of an input image
    color_bar: int  # height of the color bar with its figures
    bottom: int  # margin below everything
    least_width: int  # of the page
    least_cells: int  # cells of a prefix token, four pixels wide, that the page has room for
    even_lines: bool  # whether a prefix token's lines are equally long, or all full but the last
    between_ends: int | None  # the figures of the color bar; None if the page isn't made wider
    text_width: Callable[[str], Length]
    marked_width: Callable[[str, str], Length]  # of a label with marks behind it


@dataclass(frozen=True)
class PageGeometry(Generic[Length]):
    """Where everything stands, in pixels from the top left."""

    left: Length  # of the header of the first tile
    top: int  # of the header of the first tile
    header: int  # height of what stands above each tile: its label, if it has room, and marks
    marks: int  # height of a line of marks; 0 if they stand behind the labels
    mark: int  # height of a mark
    most_marks: int  # the number of marks that there is room for above a tile
    row_pitch: int  # from one tile to the next below it
    column_pitch: int  # from one tile to the next beside it
    ncols: int  # tiles in a row
    tokens_left: Length  # where the cells of prefix tokens begin
    cell: int  # width of a prefix token's cell
    cells_per_line: int
    token_line: int  # height of a line of cells
    token_pitch: int  # from one prefix token to the next
    tiles_bottom: int  # where the tiles end and the color bar begins
    width: Length
    height: int

    @property
    def has_labels(self) -> bool:
        """Return True if the tiles are wide enough for their labels."""
        return self.header > self.marks

    def header_corner(self, place: int) -> tuple[int, Length]:
        """Return the top and the left of the header of a tile, counted row by row."""
        row, column = divmod(place, self.ncols)
        return self.top + row * self.row_pitch, self.left + column * self.column_pitch

    def tile_top(self, row: int) -> int:
        """Return the top of the tiles in a row."""
        return self.top + row * self.row_pitch + self.header


def page_geometry(mosaic: Mosaic, metrics: PageMetrics[Length]) -> PageGeometry[Length]:
    """Lay out a mosaic.

    Prefix tokens stand at the top, ticks and input images left of the tiles, labels and marks
    above each tile, a bar below it, and the color bar below everything.
    """
    height, width = (side * mosaic.zoom for side in mosaic.tile_size)
    rows, ncols = len(mosaic.indices), mosaic.indices.shape[2]
    label, marks, mark = _header(mosaic, width, metrics)
    row_pitch = label + marks + height + metrics.bar * bool(mosaic.bars) + metrics.gap
    column_pitch = width + metrics.gap
    left = _left(mosaic, metrics)
    tokens_left, page_width = _widths(mosaic, left, ncols * column_pitch - metrics.gap, metrics)
    cell, cells_per_line, lines = _token_cells(
        mosaic, page_width - tokens_left - metrics.edge, metrics
    )
    token_pitch = lines * metrics.token_line + metrics.token_gap
    top = metrics.edge
    if mosaic.strip:
        top += len(mosaic.strip.names) * token_pitch + metrics.gap
    input_height = len(mosaic.inputs[0]) if len(mosaic.inputs) == 1 else 0  # beside all rows
    below = top + max(rows * row_pitch, label + marks + input_height + metrics.input_below)
    return PageGeometry(
        left=left,
        top=top,
        header=label + marks,
        marks=marks,
        mark=mark,
        most_marks=max(1, width // MARK_WIDTH),
        row_pitch=row_pitch,
        column_pitch=column_pitch,
        ncols=ncols,
        tokens_left=tokens_left,
        cell=cell,
        cells_per_line=cells_per_line,
        token_line=metrics.token_line,
        token_pitch=token_pitch,
        tiles_bottom=below,
        width=page_width,
        height=below + metrics.color_bar * bool(mosaic.ends) + metrics.bottom,
    )


def _header(mosaic: Mosaic, width: int, metrics: PageMetrics[Length]) -> tuple[int, int, int]:
    """Return the heights of the line of labels, the line of marks, and a mark.

    Labels are left out if a tile is too narrow for the longest; marks stand behind the labels if
    there is room for all of them, otherwise in a line of their own.
    """
    longest = max(mosaic.labels, key=len, default="")
    label = metrics.label if longest and metrics.text_width(longest) <= width else 0
    smallest, largest = metrics.marks
    mark = max(smallest, min(largest, width))
    most = max(mosaic.nonfinite, key=len, default="")
    behind_labels = label > 0 and metrics.marked_width(longest, most) <= width
    return label, (mark + 1 if mosaic.nonfinite and not behind_labels else 0), mark


def _left(mosaic: Mosaic, metrics: PageMetrics[Length]) -> Length:
    """Return where the tiles begin, right of input images and ticks."""
    inputs = max((image.shape[1] + metrics.input_right for image in mosaic.inputs), default=0)
    ticks = max((metrics.text_width(text) + _MARGIN for *_, text in mosaic.ticks), default=0)
    return metrics.edge + inputs + ticks


def _widths(
    mosaic: Mosaic, left: Length, tiles: int, metrics: PageMetrics[Length]
) -> tuple[Length, Length]:
    """Return where the cells of prefix tokens begin, and the width of the page."""
    width = max(metrics.least_width, left + tiles + metrics.edge)
    if mosaic.ends and metrics.between_ends is not None:
        ends = sum(map(metrics.text_width, mosaic.ends)) + 2 * metrics.between_ends
        width = max(width, left + ends + metrics.edge)
    if mosaic.strip is None:
        return left, width
    tokens_left = left + max(map(metrics.text_width, mosaic.strip.names)) + _MARGIN
    cells = min(mosaic.strip.indices.shape[1], metrics.least_cells)
    return tokens_left, max(width, tokens_left + 4 * cells)


def _token_cells(
    mosaic: Mosaic, width: Length, metrics: PageMetrics[Length]
) -> tuple[int, int, int]:
    """Return the width of a prefix token's cell, the cells in a line, and the number of lines."""
    if mosaic.strip is None:
        return 0, 0, 0
    count = mosaic.strip.indices.shape[1]
    cell = max(_NARROWEST_CELL, min(_WIDEST_CELL, int(width // count)))
    if metrics.even_lines:
        lines = ceil(count * cell / max(cell, width))
        return cell, ceil(count / lines), lines
    cells_per_line = min(count, int(width // cell))
    return cell, cells_per_line, ceil(count / cells_per_line)
