"""Keys that move: between layers, between channels, from one thing shown to another."""

from __future__ import annotations

from dataclasses import fields

from featmagic.explorer.terminal.state import ExplorerState
from featmagic.options.colormaps import DIVERGING, SEQUENTIAL
from featmagic.options.view import View


def up(browser: ExplorerState) -> None:
    """One layer up, or one row of channels."""
    _down(browser, -1)


def down(browser: ExplorerState) -> None:
    """One layer down, or one row of channels."""
    _down(browser, 1)


def _down(browser: ExplorerState, step: int) -> None:
    grid = browser.picture.grid
    if not browser.moves_in_grid or grid is None:
        browser.go(browser.at + step)
        return
    row, column = divmod(browser.tile, grid.ncols)
    if 0 <= row + step <= (browser.picture.tiles - 1) // grid.ncols:
        browser.choose((row + step) * grid.ncols + column)


def left(browser: ExplorerState) -> None:
    """To the channel before; from the first of a row back to the layers."""
    grid = browser.picture.grid
    if browser.moves_in_grid and grid and (browser.mode == "large" or browser.tile % grid.ncols):
        browser.choose(browser.tile - 1)
    else:
        browser.in_grid = False


def right(browser: ExplorerState) -> None:
    """To the next channel; from the layers into the grid."""
    if browser.moves_in_grid:
        browser.choose(browser.tile + 1)
    else:
        browser.in_grid = browser.picture.tiles > 0


def switch(browser: ExplorerState) -> None:
    """From the layers to the grid, and back."""
    browser.in_grid = not browser.in_grid and browser.picture.tiles > 0


def layer_before(browser: ExplorerState) -> None:
    """To the layer above."""
    browser.go(browser.at - 1)


def layer_after(browser: ExplorerState) -> None:
    """To the layer below."""
    browser.go(browser.at + 1)


def first_one(browser: ExplorerState) -> None:
    """To the first layer or channel."""
    if browser.moves_in_grid:
        browser.choose(0)
    else:
        browser.go(0)


def last_one(browser: ExplorerState) -> None:
    """To the last layer or channel."""
    if browser.moves_in_grid:
        browser.choose(browser.picture.tiles)
    else:
        browser.go(len(browser.layers))


def page_up(browser: ExplorerState) -> None:
    """The grid a screen up."""
    _scroll(browser, -1)


def page_down(browser: ExplorerState) -> None:
    """The grid a screen down."""
    _scroll(browser, 1)


def _scroll(browser: ExplorerState, pages: int) -> None:
    """Scroll; the chosen channel comes along where it would be left behind."""
    grid, seen = browser.picture.grid, browser.canvas.lines
    if browser.mode == "large" or grid is None or grid.height <= seen:
        return
    browser.first = min(max(0, browser.first + pages * max(1, seen - 1)), grid.height - seen)
    tile, last = browser.tile, browser.picture.tiles - 1
    while grid.place(tile).top < browser.first and tile + grid.ncols <= last:
        tile += grid.ncols
    while grid.place(tile).top >= browser.first + seen and tile >= grid.ncols:
        tile -= grid.ncols
    browser.choose(tile)
    browser.follows = False


def enter(browser: ExplorerState) -> None:
    """The chosen channel large, or the grid again."""
    if browser.mode == "grid" and browser.picture.ready is None:
        browser.message = f"{browser.entry.cells[0]} has no picture."
    else:
        browser.mode = "large" if browser.mode == "grid" else "grid"
        browser.follows = True


def back(browser: ExplorerState) -> None:
    """To the grid; from there to the prompt."""
    browser.done = browser.mode == "grid"
    browser.mode, browser.follows = "grid", True


def leave(browser: ExplorerState) -> None:
    """Back to the prompt."""
    browser.done = True


def show_keys(browser: ExplorerState) -> None:
    """The keys."""
    browser.mode, browser.first = "help", 0


def keys_up(browser: ExplorerState) -> None:
    """The keys a line up."""
    browser.first -= 1


def keys_down(browser: ExplorerState) -> None:
    """The keys a line down."""
    browser.first += 1


_MAPS = (None, SEQUENTIAL, "magma", "cividis", "gray", DIVERGING, "coolwarm")


_SORTS = {f.name: f.metadata["metavar"].split("|") for f in fields(View)}["sort"]


def sort(browser: ExplorerState) -> None:
    """The next order of the channels; the first of them is chosen."""
    order = _SORTS[(_SORTS.index(browser.view.sort) + 1) % len(_SORTS)]
    if browser.change(sort=order):
        browser.choose(0)


def recolor(browser: ExplorerState) -> None:
    """The next color map; one of the user's own is left for good."""
    place = _MAPS.index(browser.view.cmap) + 1 if browser.view.cmap in _MAPS else 0
    browser.change(cmap=_MAPS[place % len(_MAPS)])


def rescale(browser: ExplorerState) -> None:
    """A range for each channel, or one for the layer."""
    now = browser.view.scale or browser.scale
    browser.change(scale="layer" if now == "channel" else "channel")


def closer(browser: ExplorerState) -> None:
    """Tiles larger by a step."""
    _zoom(browser, 1)


def farther(browser: ExplorerState) -> None:
    """Tiles smaller by a step."""
    _zoom(browser, -1)


def _zoom(browser: ExplorerState, step: int) -> None:
    grid = browser.picture.grid
    if grid is None:
        return
    browser.change(zoom=max(1, grid.zoom + step))
    after = browser.picture.grid
    if after and after.zoom == grid.zoom and step > 0:
        browser.change(zoom=grid.zoom)
        browser.message = "No room for more: Enter shows a channel large."


def zoom_by_room(browser: ExplorerState) -> None:
    """Tiles as large as there is room."""
    browser.change(zoom=None)


def sample_after(browser: ExplorerState) -> None:
    """The next sample."""
    _sample(browser, 1)


def sample_before(browser: ExplorerState) -> None:
    """The sample before."""
    _sample(browser, -1)


def _sample(browser: ExplorerState, step: int) -> None:
    count = browser.picture.samples
    if count < 2:
        browser.message = f"{browser.entry.cells[0]} has one sample."
    else:
        browser.change(sample=str((int(browser.view.sample) + step) % count))


def find(browser: ExplorerState) -> None:
    """Begin to look for a layer by its name."""
    browser.mode, browser.typed, browser.before = "find", "", browser.at


def type_in(browser: ExplorerState, letters: str) -> None:
    """More of the name: the first layer that has it is chosen."""
    browser.typed += "".join(filter(str.isprintable, letters))
    _choose(browser)


def untype(browser: ExplorerState) -> None:
    """One letter less."""
    browser.typed = browser.typed[:-1]
    _choose(browser)


def _choose(browser: ExplorerState) -> None:
    there = found(browser)
    browser.go(there[0] if there and browser.typed else browser.before)


def found(browser: ExplorerState) -> list[int]:
    """The layers that have what was typed in their names, in capitals or not."""
    wanted = browser.typed.casefold()
    return [n for n, one in enumerate(browser.layers) if wanted in one.cells[0].casefold()]


def next_found(browser: ExplorerState) -> None:
    """To the next layer that was found; behind the last comes the first."""
    if there := found(browser):
        browser.go(next((n for n in there if n > browser.at), there[0]))


def previous_found(browser: ExplorerState) -> None:
    """To the layer that was found before."""
    if there := found(browser):
        browser.go(next((n for n in reversed(there) if n < browser.at), there[-1]))


def give_up(browser: ExplorerState) -> None:
    """Back to the layer that was chosen before."""
    browser.mode = "grid"
    browser.go(browser.before)


def take(browser: ExplorerState) -> None:
    """Stay with the layer that was found."""
    browser.mode = "grid"
    if not found(browser):
        browser.go(browser.before)
        browser.message = f"No layer has '{browser.typed}' in its name."
