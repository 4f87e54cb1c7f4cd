"""The layers as a table: a tree of names, then class, shape, and the share of dead channels."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field

from prompt_toolkit.utils import get_cwidth

from featmagic.explorer.layer_tree import TreeRow, folding, layer_tree, layers_in
from featmagic.options.groups import AXES
from featmagic.options.view import View
from featmagic.overview.filmstrip import FilmstripRow, filmstrip
from featmagic.overview.health import Health
from featmagic.recording.records import Activation
from featmagic.support.text import percent, readable, truncate

_HEAD = ("layer", "class", "shape", "dead")
_SHORTEST = 8  # columns to which a layer's name may be shortened
_INDENT = 2  # columns per level

# The columns of the table in the order in which they are left out, each where the name would have
# fewer columns than this.
_FIRST_TO_GO = {1: 2 * _SHORTEST, 2: 2 * _SHORTEST, 3: _SHORTEST}

# What stands before a row that folds others: if it is folded, if it isn't, and before other rows.
_MARKS, _PLAIN_MARKS = ("▸ ", "▾ ", "  "), ("+ ", "- ", "  ")


@dataclass(frozen=True, eq=False)
class LayerEntry:
    """A layer of the explorer.

    Attributes:
        activation: The layer as it was captured.
        cells: Its cells in the table: path, class, shape, share of dead channels.
        alert: `NaN` or `inf` if it holds some, else empty.
        health: What its values are like, over all samples.
    """

    activation: Activation
    cells: tuple[str, str, str, str]
    alert: str = ""
    health: Health = field(default_factory=Health)

    @property
    def names(self) -> tuple[str, str, str]:
        """What it is found by: its key, path and class, as people read them."""
        return self.cells[0], readable(self.activation.path), self.cells[1]


def layer_entries(activations: Sequence[Activation], view: View) -> list[LayerEntry]:
    """Return the entries of the layers; all statistics leave the device at once.

    Raises:
        FeatmagicError: If the axes of a layer can't be what the view says.
        KeyboardInterrupt: If Ctrl-C was pressed while the layers were measured.
    """
    film = filmstrip(activations, view.only(*AXES), None)
    if film.interrupted:
        raise KeyboardInterrupt
    return [_entry(row) for row in film.rows]


def _entry(row: FilmstripRow) -> LayerEntry:
    activation, health = row.activation, row.health or Health()
    tensor = activation.tensor
    shape = "nested" if tensor.is_nested else "×".join(map(str, tensor.shape)) or "()"
    cells = (readable(activation.key), readable(activation.kind), shape, _dead([health]))
    return LayerEntry(activation, cells, _alert([health]), health)


def _dead(healths: Sequence[Health]) -> str:
    """Return the share of dead channels; empty where all channels are single values."""
    channels = sum(health.channels for health in healths)
    return percent(sum(health.dead for health in healths) / channels) if channels else ""


def _alert(healths: Sequence[Health]) -> str:
    if any(health.nan for health in healths):
        return "NaN"
    return "inf" if any(health.inf for health in healths) else ""


class LayerTable:
    """The layers as a tree with columns.

    Attributes:
        rows: Every row of the tree, whether it is visible or not.
        alerts: `NaN` or `inf` for each row that has some, itself or, if it is a header, in what it
            folds; else empty.
        order: The layers in the order of the rows.
        row_of: The row of each layer.
    """

    def __init__(self, layers: Sequence[LayerEntry]) -> None:
        activations = [layer.activation for layer in layers]
        self.rows = layer_tree([each.key for each in activations], [a.path for a in activations])
        self.order = [row.layer for row in self.rows if row.layer is not None]
        self.row_of = {row.layer: n for n, row in enumerate(self.rows) if row.layer is not None}
        inside = [[layers[n] for n in layers_in(self.rows, n)] for n in range(len(self.rows))]
        self.alerts = [
            _alert([layer.health for layer in below[: None if row.layer is None else 1]])
            for row, below in zip(self.rows, inside, strict=True)
        ]
        self._folding = folding(self.rows)
        self._cells = list(map(_cells_of, self.rows, inside, self.alerts))
        self._widths = self._natural_widths()
        counts = [
            width + 2 + get_cwidth(cells[1])
            for row, width, cells in zip(self.rows, self._name_widths(), self._cells, strict=True)
            if row.layer is None
        ]
        self._with_counts = max(counts, default=0)

    def lines(
        self,
        most: int,
        visible: Sequence[int] | None = None,
        folded: Collection[int] = (),
        *,
        plain: bool = False,
    ) -> list[str]:
        """Return the head and the rows with these indices in lines of one width.

        Args:
            most: The largest number of columns; what doesn't fit is left out.
            visible: The rows; None for all.
            folded: Those among them that are folded.
            plain: Whether the marks of folded rows are plain characters.
        """
        columns, widths = self._fitting(most)
        marks = _PLAIN_MARKS if plain else _MARKS
        lines = ["  ".join(_cell(_HEAD[n], widths[n], n) for n in columns)]
        for index in range(len(self.rows)) if visible is None else visible:
            mark = marks[0 if index in folded else 1 if index in self._folding else 2]
            lines.append(self._line(index, mark if self._folding else "", columns, widths))
        return lines

    def _natural_widths(self) -> list[int]:
        """Return the width of each column if there is room for all."""
        rows = [
            (name, *map(get_cwidth, cells[1:]))
            for name, cells in zip(self._name_widths(), self._cells, strict=True)
        ]
        return [max(len(head), *column) for head, *column in zip(_HEAD, *rows, strict=True)]

    def _name_widths(self) -> list[int]:
        """Return the columns that the name of each row takes, with all that stands before it."""
        before = len(_MARKS[0]) if self._folding else 0
        return [
            _INDENT * row.level + before + get_cwidth(cells[0])
            for row, cells in zip(self.rows, self._cells, strict=True)
        ]

    def _fitting(self, most: int) -> tuple[list[int], list[int]]:
        """Return the columns that there is room for, and the width of every column."""
        columns, widths = list(range(len(_HEAD))), [*self._widths]
        for column, worth in _FIRST_TO_GO.items():
            if most - sum(widths[n] + 2 for n in columns[1:]) < min(widths[0], worth):
                columns.remove(column)
        rest = sum(widths[n] + 2 for n in columns[1:])
        if columns[1:] in ([], [len(_HEAD) - 1]):  # names alone make room for numbers of layers
            widths[0] = max(widths[0], self._with_counts)
        widths[0] = max(min(widths[0], most - rest), min(widths[0], _SHORTEST))
        return columns, widths

    def _line(self, index: int, mark: str, columns: Sequence[int], widths: Sequence[int]) -> str:
        row, cells = self.rows[index], self._cells[index]
        # In a narrow column, a deep row keeps letters of its name.
        room = widths[0] - len(mark) - min(get_cwidth(cells[0]), _SHORTEST)
        before = " " * max(0, min(_INDENT * row.level, room)) + mark
        if row.layer is not None:
            name = before + _shortened(cells[0], widths[0] - len(before))
            return "  ".join(_cell(name if n == 0 else cells[n], widths[n], n) for n in columns)
        # The name and the number of layers take the place of all columns but the last.
        span = sum(widths[n] + 2 for n in columns if n < len(_HEAD) - 1) - 2
        name = before + _shortened(cells[0], span - len(before))
        with_count = f"{name}  {cells[1]}"
        text = with_count if get_cwidth(with_count) <= span else name
        return "  ".join(
            _cell(text, span, 0) if n == 0 else _cell(cells[n], widths[n], n)
            for n in columns
            if n in (0, len(_HEAD) - 1)
        )


def _cells_of(row: TreeRow, inside: Sequence[LayerEntry], alert: str) -> tuple[str, str, str, str]:
    """Return the cells of a row; a header has the number of layers in place of a class."""
    name = readable(row.name) or '""'  # the model itself
    # An alert takes the place of the dead share: it matters more.
    if row.layer is None:
        dead = _dead([layer.health for layer in inside])
        return name, f"{len(inside)} layers", "", alert or dead
    _, kind, shape, dead = inside[0].cells
    return name, kind, shape, alert or dead


def layer_table(layers: Sequence[LayerEntry], most: int) -> list[str]:
    """Return the head and the layers in lines of one width, at most `most` columns.

    What doesn't fit is left out.
    """
    return LayerTable(layers).lines(most)


def _shortened(text: str, width: int) -> str:
    """Return a text of limited width."""
    text = truncate(text, max(1, width))
    while text and get_cwidth(text) > width:  # it has characters of two columns
        text = text[:-1]
    return text


def _cell(text: str, width: int, column: int) -> str:
    """Return the text in its column: aligned right in the last one, else left."""
    text = _shortened(text, width)
    blanks = " " * (width - get_cwidth(text))
    return blanks + text if column == len(_HEAD) - 1 else text + blanks
