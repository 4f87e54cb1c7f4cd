"""Where the user is in the explorer: which layer, which channel, drawn how."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from featmagic.explorer.terminal.layer_table import LayerEntry
from featmagic.explorer.terminal.preview import Canvas, Preview, enlarged_preview, preview
from featmagic.options.view import View
from featmagic.support.errors import FeatmagicError

_KEPT = 6  # pictures, so that going back is at once


class ExplorerState:
    """The explorer without its screen and without its keys.

    Attributes:
        layers: to choose from.
        view: how they are drawn.
        at: which layer is chosen.
        mode: `grid`, one channel `enlarged_preview`, `help`, or `find` while a name is typed.
        in_grid: whether arrows move between channels; else between layers.
        first: the first line of the grid, or of the help, that is on the screen.
        follows: whether the chosen channel has to be on the screen.
        typed: the name that is looked for.
        before: the layer that was chosen when the search began.
        message: said in the status line until the next key.
        done: whether the user has left.
        canvas: what a grid has beside the layers.
        full: what a channel has that is shown large.

    Example:
        >>> import torch
        >>> from featmagic.recording.records import Activation
        >>> conv = Activation("conv", "conv", "Conv2d", 1, torch.rand(1, 9, 8, 8))
        >>> entry = LayerEntry(conv, ("conv", "Conv2d", "1×9×8×8", ""))
        >>> browser = ExplorerState([entry], View(), 256)
        >>> browser.choose(100)
        >>> browser.tile
        8
    """

    def __init__(self, layers: Sequence[LayerEntry], view: View, colors: int) -> None:
        self.layers = layers
        sample = re.match(r"-?\d+", view.sample)  # the first of those asked for
        self.view = replace(view, sample=sample[0] if sample else "0")
        self.at, self.first, self.follows = 0, 0, True
        self.mode, self.typed, self.before, self.message = "grid", "", 0, ""
        self.in_grid, self.done = False, False
        self.canvas = self.full = Canvas(80, 24, colors)
        self._tiles: dict[int, int] = {}
        self._pictures: dict[Any, Preview] = {}

    def resize(self, canvas: Canvas, full: Canvas) -> None:
        """The screen is so large."""
        self.follows |= (canvas, full) != (self.canvas, self.full)
        self.canvas, self.full = canvas, full

    @property
    def entry(self) -> LayerEntry:
        """The chosen layer."""
        return self.layers[self.at]

    @property
    def tile(self) -> int:
        """The chosen channel's place in the grid."""
        return min(self._tiles.get(self.at, 0), max(0, self.picture.tiles - 1))

    @property
    def picture(self) -> Preview:
        """The grid of the chosen layer, drawn when it is first asked for."""
        entry, view, canvas = self.entry, self.view, self.canvas
        return self._kept((self.at, view, canvas), lambda: preview(entry.activation, view, canvas))

    @property
    def shown(self) -> Preview:
        """What is on the screen: the grid, or the chosen channel large."""
        whole, tile, full = self.picture, self.tile, self.full
        if self.mode != "large":
            return whole
        return self._kept(
            (self.at, self.view, full, tile), lambda: enlarged_preview(whole, tile, full)
        )

    def _kept(self, key: Any, draw: Callable[[], Preview]) -> Preview:
        found = self._pictures.pop(key, None) or draw()
        self._pictures[key] = found  # the last one used is the last to go
        for old in list(self._pictures)[:-_KEPT]:
            del self._pictures[old]
        return found

    @property
    def scale(self) -> str:
        """Who shares a range."""
        ready = self.picture.ready
        return ready.scale if ready else self.view.scale or "channel"

    @property
    def moves_in_grid(self) -> bool:
        """Whether arrows move between channels."""
        return (self.in_grid or self.mode == "large") and self.picture.tiles > 0

    def choose(self, tile: int) -> None:
        """Choose a channel by its place in the grid; the nearest there is."""
        self._tiles[self.at] = min(max(0, tile), max(0, self.picture.tiles - 1))
        self.follows = True

    def go(self, layer: int) -> None:
        """Choose a layer; the nearest there is."""
        self.at = min(max(0, layer), len(self.layers) - 1)
        self.first, self.follows = 0, True

    def change(self, **options: Any) -> bool:
        """Draw otherwise; whether that can be: if it can't, the message says why."""
        try:
            self.view = replace(self.view, **options)
        except FeatmagicError as error:
            self.message = str(error)
            return False
        self.follows = True
        return True
