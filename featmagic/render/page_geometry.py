"""Where everything around the tiles of a mosaic stands on a page."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil
from typing import Generic, TypeVar

from featmagic.render.mosaic import Mosaic

# On a page everything stands on whole pixels; in a figure, text is a fraction of a pixel wide.
Length = TypeVar("Length", int, float)

INPUT = "input"  # what stands above an input image


@dataclass(frozen=True)
class PageMetrics(Generic[Length]):
    """The sizes of the parts of a page in one medium."""

    pixels: int  # of the mosaic to a unit of length
    css: int  # units of length to a CSS pixel: tiles begin at whole ones, to be sharp everywhere
    head: int  # left free above everything
    edge: int  # margin around everything
    gap: int  # between two tiles in a row
    row_gap: int  # below a row of tiles
    label: int  # height of a line of labels
    between: int  # between the labels of two tiles
    marks: tuple[int, int]  # smallest and largest height of a mark above a tile
    bar: int  # height that a bar takes below its tile
    columns: int  # height of a line of texts below the tiles
    margin: int  # between a text and what stands at its right
    cell: tuple[int, int]  # smallest and largest width of a prefix token's cell
    token_line: int  # height of a line of a prefix token's cells
    token_gap: int  # between two prefix tokens
    input_right: int  # margin of an input image
    input_below: int  # margin of an input image
    color_bar: int  # height of the color bar with its figures
    bottom: int  # margin below everything
    least_width: int  # of the page
    least_cells: int  # cells of a prefix token that the page has room for
    even_lines: bool  # whether a prefix token's lines are equally long, or all full but the last
    fills: bool  # whether rows of tiles fill the width of a page, and inputs are named
    between_ends: int | None  # the figures of the color bar; None if the page isn't made wider
    text_width: Callable[[str], Length]
    marked_width: Callable[[str, str], Length]  # of a label with marks behind it


@dataclass(frozen=True)
class PageGeometry(Generic[Length]):
    """Where everything stands, in units of length from the top left."""

    left: Length  # of the header of the first tile
    top: int  # of the header of the first tile
    header: Length  # height of what stands above each tile: its label, if it has room, and marks
    has_labels: bool  # whether the tiles have room for their labels
    marks: Length  # height of a line of marks; 0 if they stand behind the labels
    mark: Length  # height of a mark
    most_marks: int  # the number of marks that there is room for above a tile
    row_pitch: Length  # from one tile to the next below it
    column_pitch: Length  # from one tile to the next beside it, where all gaps are equal
    columns: tuple[Length, ...]  # from the left of the first tile in a row to that of each
    lead: int  # 1 if the input image stands before the first tile, in a place of its own
    tokens_left: Length  # where the cells of prefix tokens begin
    cell: int  # width of a prefix token's cell
    cells_per_line: int
    token_line: int  # height of a line of cells
    token_pitch: int  # from one prefix token to the next
    tiles_bottom: Length  # where the tiles end and the color bar begins
    width: Length
    height: Length

    def header_corner(self, place: int) -> tuple[Length, Length]:
        """Return the top and the left of the header of a tile, counted row by row."""
        row, column = divmod(place + self.lead, len(self.columns))
        return self.top + row * self.row_pitch, self.left + self.columns[column]

    def tile_top(self, row: int) -> Length:
        """Return the top of the tiles in a row."""
        return self.top + row * self.row_pitch + self.header


def page_geometry(mosaic: Mosaic, metrics: PageMetrics[Length]) -> PageGeometry[Length]:
    """Lay out a mosaic.

    Prefix tokens stand at the top, ticks and input images left of the tiles, labels and marks
    above each tile, a bar and texts below it, and the color bar below everything. One input image
    may stand in the place before the first tile.
    """
    height, width = (_length(side * mosaic.zoom, metrics) for side in mosaic.tile_size)
    rows, ncols = len(mosaic.indices), mosaic.indices.shape[2]
    left = _left(mosaic, metrics)
    columns = _columns(mosaic, width, left, metrics)
    room = width
    if metrics.fills and ncols > 1:
        room = columns[1] - metrics.between
        if (
            mosaic.page
        ):  # the last label ends where the page does, and leaves the one before it room
            room = min(room, (columns[1] + width - metrics.between) // 2)
    label, marks, mark = _header(mosaic, max(width, room), width, metrics)
    below = metrics.bar * bool(mosaic.bars) + metrics.columns * bool(mosaic.columns)
    row_pitch = label + marks + height + below + metrics.row_gap
    longest = max(mosaic.labels, key=len, default="")
    has_labels = _has_labels(longest, max(width, room), metrics)
    end = columns[-1] + width
    if metrics.fills and not mosaic.page:  # what is above the last tile may be wider than it is
        above = metrics.text_width(longest) if has_labels else 0
        end = columns[-1] + max(width, above, mark if mosaic.nonfinite else 0)
    tokens_left, page_width = _widths(mosaic, left, end, metrics)
    cell, cells_per_line, lines = _token_cells(
        mosaic, page_width - tokens_left - metrics.edge, metrics
    )
    token_pitch = lines * metrics.token_line + metrics.token_gap
    top = metrics.edge + metrics.head
    if mosaic.strip:
        top += len(mosaic.strip.names) * token_pitch + metrics.gap
    inputs = mosaic.inputs if not mosaic.lead else ()
    # One image stands beside all rows.
    input_height = _length(len(inputs[0]) if len(inputs) == 1 else 0, metrics)
    bottom = top + max(rows * row_pitch, label + marks + input_height + metrics.input_below)
    return PageGeometry(
        left=left,
        top=top,
        header=label + marks,
        has_labels=has_labels,
        marks=marks,
        mark=mark,
        most_marks=max(1, int(max(width, room) // metrics.marks[1])),
        row_pitch=row_pitch,
        column_pitch=width + metrics.gap,
        columns=columns,
        lead=mosaic.lead,
        tokens_left=tokens_left,
        cell=cell,
        cells_per_line=cells_per_line,
        token_line=metrics.token_line,
        token_pitch=token_pitch,
        tiles_bottom=bottom,
        width=page_width,
        height=bottom + metrics.color_bar * bool(mosaic.ends) + metrics.bottom,
    )


def _length(pixels: int, metrics: PageMetrics[Length]) -> Length:
    """Return so many pixels of the mosaic as a length, which is whole where units are pixels."""
    return pixels if metrics.pixels == 1 else pixels / metrics.pixels  # type: ignore[return-value]


def _columns(
    mosaic: Mosaic, width: Length, left: Length, metrics: PageMetrics[Length]
) -> tuple[Length, ...]:
    """Return where each tile of a row begins: the last one ends where the page does."""
    ncols = mosaic.indices.shape[2]
    tight = ncols * width + (ncols - 1) * metrics.gap
    span = mosaic.page - left if metrics.fills and mosaic.page else tight
    if ncols == 1 or span <= tight:
        return tuple(place * (width + metrics.gap) for place in range(ncols))
    css = metrics.css if width % metrics.css == 0 else 1
    pitch = (span - width) / (ncols - 1)
    return tuple(round(place * pitch / css) * css for place in range(ncols))


def _has_labels(longest: str, room: Length, metrics: PageMetrics[Length]) -> bool:
    return bool(longest) and metrics.text_width(longest) <= room


def _header(
    mosaic: Mosaic, room: Length, width: Length, metrics: PageMetrics[Length]
) -> tuple[int, Length, Length]:
    """Return the heights of the line of labels, the line of marks, and a mark.

    Labels are left out if there is no room for the longest; marks stand behind the labels if
    there is room for all of them, otherwise in a line of their own.
    """
    longest = max(mosaic.labels, key=len, default="")
    named = mosaic.axes[0] or (metrics.fills and mosaic.inputs)
    label = metrics.label if named or _has_labels(longest, room, metrics) else 0
    if mosaic.axes[0] and not longest:  # above the first of the texts on the left
        label += metrics.margin
    smallest, largest = metrics.marks
    mark: Length = max(smallest, min(largest, width))
    most = max(mosaic.nonfinite, key=len, default="")
    line = metrics.label if metrics.fills and mark == largest else 0  # a letter is taller than wide
    behind_labels = label > 0 and metrics.marked_width(longest, most) <= room
    return label, (max(mark + 1, line) if mosaic.nonfinite and not behind_labels else 0), mark


def _left(mosaic: Mosaic, metrics: PageMetrics[Length]) -> Length:
    """Return where the tiles begin, right of input images and ticks."""
    beside = mosaic.inputs if not mosaic.lead else ()
    least = metrics.text_width(INPUT) if metrics.fills else 0
    widths = (max(least, _length(image.shape[1], metrics)) for image in beside)
    inputs = max((width + metrics.input_right for width in widths), default=0)
    ticks = max((metrics.text_width(text) + metrics.margin for *_, text in mosaic.ticks), default=0)
    left = metrics.edge + inputs + ticks
    return ceil(left / metrics.css) * metrics.css if metrics.fills else left


def _widths(
    mosaic: Mosaic, left: Length, tiles: Length, metrics: PageMetrics[Length]
) -> tuple[Length, Length]:
    """Return where the cells of prefix tokens begin, and the width of the page."""
    width = max(metrics.least_width, left + tiles + metrics.edge)
    if mosaic.ends and metrics.between_ends is not None:
        ends = width_of_figures(tuple(map(metrics.text_width, mosaic.ends)), metrics.between_ends)
        width = max(width, left + ends + metrics.edge)
    if mosaic.strip is None:
        return left, width
    tokens_left = left + max(map(metrics.text_width, mosaic.strip.names)) + metrics.margin
    cells = min(mosaic.strip.indices.shape[1], metrics.least_cells)
    return tokens_left, max(width, tokens_left + 2 * metrics.cell[0] * cells)


def width_of_figures(widths: tuple[Length, ...], between: Length) -> Length:
    """Return the width of a color bar that has room for the figures at its ends and its middle."""
    low, middle, high = widths
    return 2 * (max(low, high) + between) + middle


def _token_cells(
    mosaic: Mosaic, width: Length, metrics: PageMetrics[Length]
) -> tuple[int, int, int]:
    """Return the width of a prefix token's cell, the cells in a line, and the number of lines."""
    if mosaic.strip is None:
        return 0, 0, 0
    count = mosaic.strip.indices.shape[1]
    narrowest, widest = metrics.cell
    cell = max(narrowest, min(widest, int(width // count)))
    if metrics.even_lines:
        lines = ceil(count * cell / max(cell, width))
        return cell, ceil(count / lines), lines
    cells_per_line = min(count, int(width // cell))
    return cell, cells_per_line, ceil(count / cells_per_line)
