"""The layers as a table: path, class, shape, and the share of dead channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prompt_toolkit.utils import get_cwidth

from featmagic.options.view import AXES, View
from featmagic.overview.filmstrip import FilmstripRow, filmstrip
from featmagic.recording.records import Activation
from featmagic.support.text import percent, readable, truncate

_HEAD = ("layer", "class", "shape", "dead")
_SHORTEST = 8  # columns to which a layer's name may be shortened

# The columns of the table in the order in which they are left out, each where the name would have
# fewer columns than this.
_FIRST_TO_GO = {1: 2 * _SHORTEST, 2: 2 * _SHORTEST, 3: _SHORTEST}


@dataclass(frozen=True, eq=False)
class LayerEntry:
    """A layer of the explorer.

    Attributes:
        activation: The layer as it was captured.
        cells: Its cells in the table: path, class, shape, share of dead channels.
        alert: `NaN` or `inf` if it holds some, else empty.
    """

    activation: Activation
    cells: tuple[str, str, str, str]
    alert: str = ""


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
    activation, health = row.activation, row.health
    tensor = activation.tensor
    shape = "nested" if tensor.is_nested else "×".join(map(str, tensor.shape)) or "()"
    dead = percent(health.dead / health.channels) if health and health.channels else ""
    cells = (readable(activation.key), readable(activation.kind), shape, dead)
    alert = "" if health is None else "NaN" if health.nan else "inf" if health.inf else ""
    return LayerEntry(activation, cells, alert)


def layer_table(layers: Sequence[LayerEntry], most: int) -> list[str]:
    """Return the head and the layers in lines of one width, at most `most` columns.

    What doesn't fit is left out.
    """
    columns = list(range(len(_HEAD)))
    # An alert takes the place of the dead share: it matters more.
    rows = [(*layer.cells[:3], layer.alert or layer.cells[3]) for layer in layers]
    widths = [max(map(get_cwidth, column)) for column in zip(_HEAD, *rows, strict=True)]
    for column, worth in _FIRST_TO_GO.items():
        if most - sum(widths[n] + 2 for n in columns[1:]) < min(widths[0], worth):
            columns.remove(column)
    rest = sum(widths[n] + 2 for n in columns[1:])
    widths[0] = max(min(widths[0], most - rest), min(widths[0], _SHORTEST))
    return ["  ".join(_cell(row[n], widths[n], n) for n in columns) for row in (_HEAD, *rows)]


def _cell(text: str, width: int, column: int) -> str:
    """Return the text in its column: aligned right in the last one, else left."""
    text = truncate(text, width)
    while get_cwidth(text) > width:  # it has characters of two columns
        text = text[:-1]
    blanks = " " * (width - get_cwidth(text))
    return blanks + text if column == len(_HEAD) - 1 else text + blanks
