"""The layers as a table: path, class, shape, and the share of dead channels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from prompt_toolkit.utils import get_cwidth

from featmagic.options.view import AXES, View
from featmagic.overview.filmstrip import FilmstripRow, filmstrip
from featmagic.overview.health import Health
from featmagic.recording.records import Activation
from featmagic.support.text import percent, printable, truncate

_SHORTEST = 8  # columns to which a layer's name may be shortened


_HEAD = ("layer", "class", "shape", "dead")


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

    Example:
        >>> import torch
        >>> relu = Activation("relu", "relu", "ReLU", 1, torch.tensor([[[[0.0, 0]], [[1, 3]]]]))
        >>> layer_entries([relu], View())[0].cells
        ('relu', 'ReLU', '1×2×1×2', '50 %')
    """
    film = filmstrip(activations, view.only(*AXES), None)
    if film.interrupted:
        raise KeyboardInterrupt
    return [_entry(frame) for frame in film.rows]


def _entry(frame: FilmstripRow) -> LayerEntry:
    activation, health = frame.activation, frame.health
    tensor = activation.tensor
    shape = "nested" if tensor.is_nested else "×".join(map(str, tensor.shape)) or "()"
    cells = (printable(activation.key), printable(activation.kind), shape, _dead(health))
    alert = "" if health is None else "NaN" if health.nan else "inf" if health.inf else ""
    return LayerEntry(activation, cells, alert)


def _dead(health: Health | None) -> str:
    return percent(health.dead / health.channels) if health and health.channels else ""


@dataclass(frozen=True)
class LayerTable:
    """The layers in lines of the same width.

    Attributes:
        head: The names of the columns.
        lines: A line for each layer.
    """

    head: str
    lines: tuple[str, ...]

    @property
    def width(self) -> int:
        """The number of characters in a line."""
        return len(self.head)


def layer_table(layers: Sequence[LayerEntry], most: int) -> LayerTable:
    """Return the layers in lines of at most `most` columns: what doesn't fit is left out.

    Example:
        >>> import torch
        >>> relu = Activation("relu", "relu", "ReLU", 1, torch.zeros(1, 2, 1, 2))
        >>> table = layer_table(layer_entries([relu], View()), 40)
        >>> table.head, table.lines
        ('layer  class  shape     dead', ('relu   ReLU   1×2×1×2  100 %',))
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
    head, *lines = (
        "  ".join(_cell(row[n], widths[n], n) for n in columns) for row in (_HEAD, *rows)
    )
    return LayerTable(head, tuple(lines))


def _cell(text: str, width: int, column: int) -> str:
    """Return the text in its column: aligned right in the last one, else left."""
    text = truncate(text, width)
    while get_cwidth(text) > width:  # it has characters of two columns
        text = text[:-1]
    blanks = " " * (width - get_cwidth(text))
    return blanks + text if column == len(_HEAD) - 1 else text + blanks
