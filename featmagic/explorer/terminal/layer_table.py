"""The layers as a table: path, class, shape, and what share of their channels is dead."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from featmagic.options.view import AXES, View
from featmagic.overview.filmstrip import FilmstripRow, filmstrip
from featmagic.overview.health import Health
from featmagic.recording.records import Activation
from featmagic.support.text import percent, printable, truncate

_SHORTEST = 8  # letters that a layer's name has, if it is so long


_HEAD = ("layer", "class", "shape", "dead")


# Columns in the order in which they go where there is no room, and the letters of a name that are
# worth more than each.
_FIRST_TO_GO = {1: 2 * _SHORTEST, 2: 2 * _SHORTEST, 3: _SHORTEST}


@dataclass(frozen=True, eq=False)
class LayerEntry:
    """A layer of the explorer.

    Attributes:
        activation: as it was captured.
        cells: what stands in the table: path, class, shape, dead share.
        wrong: `NaN` or `inf`, where it holds some.
    """

    activation: Activation
    cells: tuple[str, str, str, str]
    wrong: str = ""


def layer_entries(activations: Sequence[Activation], view: View) -> list[LayerEntry]:
    """The layers with their state of health, all figures brought over at once.

    Raises:
        FeatmagicError: axes that can't be as the view says.
        KeyboardInterrupt: one came while the layers were measured.

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
    wrong = "" if health is None else "NaN" if health.nan else "inf" if health.inf else ""
    return LayerEntry(activation, cells, wrong)


def _dead(health: Health | None) -> str:
    return percent(health.dead / health.channels) if health and health.channels else ""


@dataclass(frozen=True)
class LayerTable:
    """The layers in lines of the same width.

    Attributes:
        head: the columns' names.
        lines: a layer each.
    """

    head: str
    lines: tuple[str, ...]

    @property
    def width(self) -> int:
        """How many letters a line has."""
        return len(self.head)


def layer_table(
    layers: Sequence[LayerEntry], most: int, width_of: Callable[[str], int] = len
) -> LayerTable:
    """The layers in lines of at most `most` letters: what has no room is left out.

    Args:
        layers: a line each.
        most: letters of a line.
        width_of: how many columns a terminal gives a text.

    Example:
        >>> import torch
        >>> relu = Activation("relu", "relu", "ReLU", 1, torch.zeros(1, 2, 1, 2))
        >>> found = layer_table(layer_entries([relu], View()), 40)
        >>> found.head, found.lines
        ('layer  class  shape     dead', ('relu   ReLU   1×2×1×2  100 %',))
    """
    there = list(range(len(_HEAD)))
    rows = [_with_alarm(layer).cells for layer in layers]
    widths = [max(map(width_of, column)) for column in zip(_HEAD, *rows, strict=True)]
    for column, worth in _FIRST_TO_GO.items():
        if most - sum(widths[n] + 2 for n in there[1:]) < min(widths[0], worth):
            there.remove(column)
    rest = sum(widths[n] + 2 for n in there[1:])
    widths[0] = max(min(widths[0], most - rest), min(widths[0], _SHORTEST))
    head, *lines = (
        "  ".join(_cell(row[n], widths[n], n, width_of) for n in there) for row in (_HEAD, *rows)
    )
    return LayerTable(head, tuple(lines))


def _with_alarm(layer: LayerEntry) -> LayerEntry:
    """What is no number is said in the place of the dead share: it matters more."""
    return replace(layer, cells=(*layer.cells[:3], layer.wrong or layer.cells[3]))


def _cell(text: str, width: int, column: int, width_of: Callable[[str], int]) -> str:
    """A text in its column: figures end at its right, all else begins at its left."""
    text = truncate(text, width)
    while width_of(text) > width:  # letters of two columns
        text = text[:-1]
    blanks = " " * (width - width_of(text))
    return blanks + text if column == len(_HEAD) - 1 else text + blanks
