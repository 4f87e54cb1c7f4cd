"""What the keys of the explorer do."""

from __future__ import annotations

from collections.abc import Sequence

from featmagic.explorer.terminal.state import ExplorerState
from featmagic.support.text import readable

# Moving between layers and channels


def move_down(state: ExplorerState, step: int) -> None:
    """Go so many layers down, or rows of channels."""
    grid = state.preview.grid
    if not state.moves_in_grid or grid is None:
        state.choose_layer(state.chosen + step)
        return
    row, column = divmod(state.tile, grid.ncols)
    if 0 <= row + step <= (state.preview.tiles - 1) // grid.ncols:
        state.choose_tile((row + step) * grid.ncols + column)


def move_left(state: ExplorerState) -> None:
    """Go to the previous channel; from the first one of a row to the layers."""
    grid = state.preview.grid
    if state.moves_in_grid and grid and (state.mode == "large" or state.tile % grid.ncols):
        state.choose_tile(state.tile - 1)
    else:
        state.in_grid = False


def move_right(state: ExplorerState) -> None:
    """Go to the next channel; from the layers into the grid."""
    if state.moves_in_grid:
        state.choose_tile(state.tile + 1)
    else:
        state.in_grid = state.preview.tiles > 0


def switch(state: ExplorerState) -> None:
    """Go from the layers to the grid, or back."""
    state.in_grid = not state.in_grid and state.preview.tiles > 0


def change_layer(state: ExplorerState, step: int) -> None:
    """Go so many layers down, wherever the arrows move."""
    state.choose_layer(state.chosen + step)


def go_to_first(state: ExplorerState) -> None:
    """Go to the first layer or channel."""
    if state.moves_in_grid:
        state.choose_tile(0)
    else:
        state.choose_layer(0)


def go_to_last(state: ExplorerState) -> None:
    """Go to the last layer or channel."""
    if state.moves_in_grid:
        state.choose_tile(state.preview.tiles)
    else:
        state.choose_layer(len(state.layers))


def scroll(state: ExplorerState, pages: int) -> None:
    """Scroll, and choose a channel of the same column if the chosen one leaves the screen."""
    grid, body = state.preview.grid, state.canvas.lines
    if state.mode == "large" or grid is None or grid.height <= body:
        return
    state.top = min(max(0, state.top + pages * max(1, body - 1)), grid.height - body)
    tile, last = state.tile, state.preview.tiles - 1
    while grid.place(tile).top < state.top and tile + grid.ncols <= last:
        tile += grid.ncols
    while grid.place(tile).top >= state.top + body and tile >= grid.ncols:
        tile -= grid.ncols
    state.choose_tile(tile)
    state.follows = False


# Changing what the screen shows


def enter(state: ExplorerState) -> None:
    """Show the chosen channel large, or the grid again."""
    if state.mode == "grid" and state.preview.ready is None:
        state.message = f"{state.entry.cells[0]} has no picture."
    else:
        state.mode = "large" if state.mode == "grid" else "grid"
        state.follows = True


def back(state: ExplorerState) -> None:
    """Go back to the grid, and from there to the prompt."""
    state.done = state.mode == "grid"
    state.mode, state.follows = "grid", True


def leave(state: ExplorerState) -> None:
    """Go back to the prompt."""
    state.done = True


def show_help(state: ExplorerState) -> None:
    """Show the keys."""
    state.mode, state.top = "help", 0


def scroll_help(state: ExplorerState, lines: int) -> None:
    """Scroll the help so many lines down; the screen keeps within its length."""
    state.top += lines


# Changing how it is drawn


def cycle(state: ExplorerState, name: str, values: Sequence[str | None]) -> None:
    """Set an option to the next of some values; from a value that isn't among them, to the first.

    Where the order of the channels changes, the first channel is chosen.
    """
    value = getattr(state.view, name)
    if name == "scale" and value is None:
        value = state.scale
    place = values.index(value) + 1 if value in values else 0
    if state.change(**{name: values[place % len(values)]}) and name == "sort":
        state.choose_tile(0)


def zoom(state: ExplorerState, step: int) -> None:
    """Draw the tiles larger or smaller by a step."""
    grid = state.preview.grid
    if grid is None:
        return
    state.change(zoom=max(1, grid.zoom + step))
    after = state.preview.grid
    if after and after.zoom == grid.zoom and step > 0:
        state.change(zoom=grid.zoom)
        state.message = "No room for more: Enter shows a channel large."


def zoom_to_fit(state: ExplorerState) -> None:
    """Draw the tiles as large as they fit."""
    state.change(zoom=None)


def change_sample(state: ExplorerState, step: int) -> None:
    """Show the next or the previous sample."""
    count = state.preview.samples
    if count < 2:
        state.message = f"{state.entry.cells[0]} has one sample."
    else:
        state.change(sample=str((int(state.view.sample) + step) % count))


# Finding a layer by name


def find(state: ExplorerState) -> None:
    """Begin to look for a layer by its name."""
    state.mode, state.query, state.chosen_before_search = "find", "", state.chosen


def type_in(state: ExplorerState, characters: str) -> None:
    """Add to the name that is looked for, and choose the first layer that has it."""
    _look_for(state, state.query + "".join(filter(str.isprintable, characters)))


def delete_last(state: ExplorerState) -> None:
    """Delete the last character of the name that is looked for."""
    _look_for(state, state.query[:-1])


def _look_for(state: ExplorerState, query: str) -> None:
    state.query = query
    layers = matches(state) if query else []
    state.choose_layer(layers[0] if layers else state.chosen_before_search)


def matches(state: ExplorerState) -> list[int]:
    """Return the layers whose names have the query in them, whatever its case."""
    query = state.query.casefold()
    return [n for n, layer in enumerate(state.layers) if query in layer.cells[0].casefold()]


def next_match(state: ExplorerState) -> None:
    """Go to the next match; from the last to the first."""
    if layers := matches(state):
        state.choose_layer(next((n for n in layers if n > state.chosen), layers[0]))


def previous_match(state: ExplorerState) -> None:
    """Go to the previous match; from the first to the last."""
    if layers := matches(state):
        state.choose_layer(next((n for n in reversed(layers) if n < state.chosen), layers[-1]))


def cancel_search(state: ExplorerState) -> None:
    """Go back to the layer that was chosen before the search."""
    state.mode = "grid"
    state.choose_layer(state.chosen_before_search)


def accept_match(state: ExplorerState) -> None:
    """Stay at the layer that was found."""
    state.mode = "grid"
    if not matches(state):
        state.choose_layer(state.chosen_before_search)
        state.message = f"No layer has '{readable(state.query)}' in its name."
