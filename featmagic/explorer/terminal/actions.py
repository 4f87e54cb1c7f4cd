"""What the keys of the explorer do."""

from __future__ import annotations

from collections.abc import Sequence

from featmagic.explorer.finding import finds_layer, wider_words
from featmagic.explorer.terminal.state import ExplorerState
from featmagic.support.text import readable

# Moving between layers and channels


def move_down(state: ExplorerState, step: int) -> None:
    """Go down by a number of rows of layers or channels."""
    grid = state.preview.grid
    if state.mode == "large" and not state.moves_in_grid:
        change_layer(state, step)
    elif not state.moves_in_grid or grid is None:
        rows = state.visible_rows
        state.choose_row(rows[min(max(0, rows.index(state.row) + step), len(rows) - 1)])
    else:
        row, column = divmod(state.tile, grid.ncols)
        if 0 <= row + step <= (state.preview.tiles - 1) // grid.ncols:
            state.choose_tile((row + step) * grid.ncols + column)


def move_left(state: ExplorerState) -> None:
    """Go to the previous channel; from the first one of a row to the layers, and there fold.

    Where there is nothing to fold, go to the row that folds the present one.
    """
    grid = state.preview.grid
    if state.moves_in_grid:
        if grid and (state.mode == "large" or state.tile % grid.ncols):
            state.choose_tile(state.tile - 1)
        else:
            state.in_grid = False
    elif state.mode == "grid":
        if state.is_unfolded(state.row):
            state.fold(state.row, folds=True)
        elif state.tree_row.parent is not None:
            state.choose_row(state.tree_row.parent)


def move_right(state: ExplorerState) -> None:
    """Go to the next channel; among the layers unfold, or go into the grid.

    From a header that is unfolded, go to the first row inside.
    """
    if state.moves_in_grid:
        state.choose_tile(state.tile + 1)
    elif state.mode == "large":
        return
    elif state.row in state.folded:
        state.fold(state.row, folds=False)
    elif state.tree_row.layer is None:
        state.choose_row(state.row + 1)
    else:
        state.in_grid = state.preview.tiles > 0


def switch(state: ExplorerState) -> None:
    """Go from the layers to the grid, or back."""
    state.in_grid = not state.in_grid and state.preview.tiles > 0
    if state.in_grid:
        state.choose_layer(state.chosen)  # from a header


def change_layer(state: ExplorerState, step: int) -> None:
    """Go down by a number of layers, wherever the arrows move and whatever is folded."""
    order = state.table.order
    place = order.index(state.chosen) + step
    state.choose_layer(order[min(max(0, place), len(order) - 1)])


def go_to_first(state: ExplorerState) -> None:
    """Go to the first row of layers, or to the first channel."""
    _go_to_end(state, 0)


def go_to_last(state: ExplorerState) -> None:
    """Go to the last row of layers, or to the last channel."""
    _go_to_end(state, -1)


def _go_to_end(state: ExplorerState, end: int) -> None:
    if state.moves_in_grid:
        state.choose_tile(end % state.preview.tiles)
    elif state.mode == "large":
        state.choose_layer(state.table.order[end])
    else:
        state.choose_row(state.visible_rows[end])


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
    """Show the chosen channel large, or the grid again; unfold a header, or fold it."""
    if state.tree_row.layer is None and state.mode == "grid":
        state.fold(state.row, folds=state.is_unfolded(state.row))
    elif state.mode == "grid" and state.preview.ready is None:
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
    """Scroll the help by a number of lines; the screen stays within its length."""
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
        state.message = "No room for larger tiles: press Enter to enlarge the selected channel."


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


# Finding layers by name


def find(state: ExplorerState) -> None:
    """Begin to look for layers by their names."""
    state.mode, state.query = "find", ""
    state.before_search = state.chosen, state.row, state.folded


def type_in(state: ExplorerState, characters: str) -> None:
    """Add to what is looked for, and choose the first layer that matches."""
    _look_for(state, state.query + "".join(filter(str.isprintable, characters)))


def delete_last(state: ExplorerState) -> None:
    """Delete the last character of what is looked for."""
    _look_for(state, state.query[:-1])


def _look_for(state: ExplorerState, query: str) -> None:
    state.query = query
    layers = matches(state) if query else []
    _go_back(state)
    if layers:
        state.choose_layer(layers[0])


def _go_back(state: ExplorerState) -> None:
    """Show the layers as they were before the search."""
    state.chosen, state.row, state.folded = state.before_search
    state.top, state.follows = 0, True


def matches(state: ExplorerState) -> list[int]:
    """Return the layers that match the query, in the order of the tree."""
    finds = finds_layer(state.query)
    return [layer for layer in state.table.order if finds(*state.layers[layer].names)]


def next_match(state: ExplorerState) -> None:
    """Go to the next match; from the last to the first."""
    if layers := matches(state):
        row_of = state.table.row_of
        later = (n for n in layers if row_of[n] > row_of[state.chosen])
        state.choose_layer(next(later, layers[0]))


def previous_match(state: ExplorerState) -> None:
    """Go to the previous match; from the first to the last."""
    if layers := matches(state):
        row_of = state.table.row_of
        earlier = (n for n in reversed(layers) if row_of[n] < row_of[state.chosen])
        state.choose_layer(next(earlier, layers[-1]))


def cancel_search(state: ExplorerState) -> None:
    """Go back to the layer that was chosen before the search."""
    state.mode = "grid"
    _go_back(state)


def accept_match(state: ExplorerState) -> None:
    """Stay at the layer that was found."""
    state.mode = "grid"
    if not matches(state):
        _go_back(state)
        names = [layer.names for layer in state.layers]
        state.message = wider_words(state.query, names) or (
            f"No layer matches '{readable(state.query)}'."
        )
