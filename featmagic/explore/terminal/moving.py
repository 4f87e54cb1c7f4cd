"""Keys that move: between layers, between channels, from one thing shown to another."""

from __future__ import annotations

from featmagic.explore.terminal.browser import Browser


def up(browser: Browser) -> None:
    """One layer up, or one row of channels."""
    _down(browser, -1)


def down(browser: Browser) -> None:
    """One layer down, or one row of channels."""
    _down(browser, 1)


def _down(browser: Browser, step: int) -> None:
    grid = browser.picture.grid
    if not browser.moves_in_grid or grid is None:
        browser.go(browser.at + step)
        return
    row, column = divmod(browser.tile, grid.ncols)
    if 0 <= row + step <= (browser.picture.tiles - 1) // grid.ncols:
        browser.choose((row + step) * grid.ncols + column)


def left(browser: Browser) -> None:
    """To the channel before; from the first of a row back to the layers."""
    grid = browser.picture.grid
    if browser.moves_in_grid and grid and (browser.mode == "large" or browser.tile % grid.ncols):
        browser.choose(browser.tile - 1)
    else:
        browser.in_grid = False


def right(browser: Browser) -> None:
    """To the next channel; from the layers into the grid."""
    if browser.moves_in_grid:
        browser.choose(browser.tile + 1)
    else:
        browser.in_grid = browser.picture.tiles > 0


def switch(browser: Browser) -> None:
    """From the layers to the grid, and back."""
    browser.in_grid = not browser.in_grid and browser.picture.tiles > 0


def layer_before(browser: Browser) -> None:
    """To the layer above."""
    browser.go(browser.at - 1)


def layer_after(browser: Browser) -> None:
    """To the layer below."""
    browser.go(browser.at + 1)


def first_one(browser: Browser) -> None:
    """To the first layer or channel."""
    if browser.moves_in_grid:
        browser.choose(0)
    else:
        browser.go(0)


def last_one(browser: Browser) -> None:
    """To the last layer or channel."""
    if browser.moves_in_grid:
        browser.choose(browser.picture.tiles)
    else:
        browser.go(len(browser.layers))


def page_up(browser: Browser) -> None:
    """The grid a screen up."""
    _scroll(browser, -1)


def page_down(browser: Browser) -> None:
    """The grid a screen down."""
    _scroll(browser, 1)


def _scroll(browser: Browser, pages: int) -> None:
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


def enter(browser: Browser) -> None:
    """The chosen channel large, or the grid again."""
    if browser.mode == "grid" and browser.picture.ready is None:
        browser.message = f"{browser.entry.cells[0]} has no picture."
    else:
        browser.mode = "large" if browser.mode == "grid" else "grid"
        browser.follows = True


def back(browser: Browser) -> None:
    """To the grid; from there to the prompt."""
    browser.done = browser.mode == "grid"
    browser.mode, browser.follows = "grid", True


def leave(browser: Browser) -> None:
    """Back to the prompt."""
    browser.done = True


def show_keys(browser: Browser) -> None:
    """The keys."""
    browser.mode, browser.first = "help", 0


def keys_up(browser: Browser) -> None:
    """The keys a line up."""
    browser.first -= 1


def keys_down(browser: Browser) -> None:
    """The keys a line down."""
    browser.first += 1
