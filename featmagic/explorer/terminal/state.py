"""The state of the explorer: which layer and channel are chosen, and how they are drawn."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from featmagic.explorer.layer_tree import (
    TreeRow,
    folded_at_first,
    folders_of,
    visible_rows,
)
from featmagic.explorer.terminal.layer_table import LayerEntry, LayerTable
from featmagic.explorer.terminal.preview import Canvas, Preview, enlarged_preview, preview
from featmagic.options.view import View
from featmagic.support.errors import FeatmagicError

_KEPT = 6  # previews, so that going back takes no time


class ExplorerState:
    """The explorer without its screen and its keys.

    Attributes:
        layers: The layers to choose from.
        view: How they are drawn.
        table: The layers as a tree.
        folded: The rows of the tree that are folded.
        chosen: The index of the chosen layer.
        row: The row that the arrows have come to: that of the chosen layer, or a header.
        mode: `grid`, `large` for one channel, `help`, or `find` while a name is typed.
        in_grid: Whether arrows move between channels, or else between layers.
        top: The first line of the grid, or of the help, that is on the screen.
        follows: Whether the chosen channel has to be on the screen.
        query: What is typed to find layers.
        before_search: The chosen layer, its row and the folded rows when the search began.
        message: What the status line says until the next key.
        done: Whether the user has left.
        canvas: The room for a grid beside the layers.
        large_canvas: The room for a channel that is shown large.
    """

    def __init__(self, layers: Sequence[LayerEntry], view: View, colors: int) -> None:
        self.layers = layers
        sample = re.match(r"-?\d+", view.sample)  # the first of those asked for
        self.view = replace(view, sample=sample[0] if sample else "0")
        self.table = LayerTable(layers)
        self.chosen, self.row = 0, self.table.row_of[0]
        self.folded = folded_at_first(self.table.rows, self.row)
        self.before_search = self.chosen, self.row, self.folded
        self.top, self.follows = 0, True
        self.mode, self.query, self.message = "grid", "", ""
        self.in_grid, self.done = False, False
        self.canvas = self.large_canvas = Canvas(80, 24, colors)
        self._tiles: dict[int, int] = {}
        self._preview = lru_cache(_KEPT)(preview)
        self._enlarged_preview = lru_cache(_KEPT)(enlarged_preview)

    def resize(self, canvas: Canvas, large_canvas: Canvas) -> None:
        """Take note of the size of the screen."""
        self.follows |= (canvas, large_canvas) != (self.canvas, self.large_canvas)
        self.canvas, self.large_canvas = canvas, large_canvas

    @property
    def entry(self) -> LayerEntry:
        """The chosen layer."""
        return self.layers[self.chosen]

    @property
    def tile(self) -> int:
        """The place of the chosen channel in the grid."""
        return min(self._tiles.get(self.chosen, 0), max(0, self.preview.tiles - 1))

    @property
    def preview(self) -> Preview:
        """The grid of the chosen layer, drawn when it is first asked for."""
        return self._preview(self.entry.activation, self.view, self.canvas)

    @property
    def shown(self) -> Preview:
        """What is on the screen: the grid, or the chosen channel large."""
        if self.mode != "large":
            return self.preview
        return self._enlarged_preview(self.preview, self.tile, self.large_canvas)

    @property
    def scale(self) -> str:
        """Which channels share a color range: `channel` (none), `layer` or `all`."""
        ready = self.preview.ready
        return ready.scale if ready else self.view.scale or "channel"

    @property
    def moves_in_grid(self) -> bool:
        """Whether arrows move between channels."""
        return (self.in_grid or self.mode == "large") and self.preview.tiles > 0

    def choose_tile(self, tile: int) -> None:
        """Choose a channel by its place in the grid, or the nearest one."""
        self._tiles[self.chosen] = min(max(0, tile), max(0, self.preview.tiles - 1))
        self.follows = True

    def choose_layer(self, layer: int) -> None:
        """Choose a layer by its index, or the nearest one, and unfold what hides it."""
        layer = min(max(0, layer), len(self.layers) - 1)
        self.folded = self.folded.difference(folders_of(self.table.rows, self.table.row_of[layer]))
        self.choose_row(self.table.row_of[layer])

    def choose_row(self, row: int) -> None:
        """Go to a row of the tree, and choose its layer if it has one."""
        self.row, layer = row, self.table.rows[row].layer
        if layer is not None:
            self.chosen = layer
            self.top, self.follows = 0, True

    def fold(self, row: int, *, folds: bool) -> None:
        """Fold or unfold a row."""
        self.folded = self.folded | {row} if folds else self.folded - {row}

    def is_unfolded(self, row: int) -> bool:
        """Return True if the row folds others, which are visible."""
        return self.table.rows[row].end > row + 1 and row not in self.folded

    @property
    def tree_row(self) -> TreeRow:
        """The row that the arrows have come to."""
        return self.table.rows[self.row]

    @property
    def visible_rows(self) -> list[int]:
        """The rows of the tree that nothing hides."""
        return visible_rows(self.table.rows, self.folded)

    def change(self, **options: Any) -> bool:
        """Draw with other options; return False if they aren't valid: the message says why."""
        try:
            self.view = replace(self.view, **options)
        except FeatmagicError as error:
            self.message = str(error)
            return False
        self.follows = True
        return True
