"""Keys that draw otherwise: order, colours, range, size, sample."""

from __future__ import annotations

from dataclasses import fields

from featmagic.explore.terminal.browser import Browser
from featmagic.options.colormaps import DIVERGING, SEQUENTIAL
from featmagic.options.view import View

_MAPS = (None, SEQUENTIAL, "magma", "cividis", "gray", DIVERGING, "coolwarm")
_SORTS = {f.name: f.metadata["metavar"].split("|") for f in fields(View)}["sort"]


def sort(browser: Browser) -> None:
    """The next order of the channels; the first of them is chosen."""
    order = _SORTS[(_SORTS.index(browser.view.sort) + 1) % len(_SORTS)]
    if browser.change(sort=order):
        browser.choose(0)


def recolour(browser: Browser) -> None:
    """The next colour map; one of the user's own is left for good."""
    place = _MAPS.index(browser.view.cmap) + 1 if browser.view.cmap in _MAPS else 0
    browser.change(cmap=_MAPS[place % len(_MAPS)])


def rescale(browser: Browser) -> None:
    """A range for each channel, or one for the layer."""
    now = browser.view.scale or browser.scale
    browser.change(scale="layer" if now == "channel" else "channel")


def closer(browser: Browser) -> None:
    """Tiles larger by a step."""
    _zoom(browser, 1)


def farther(browser: Browser) -> None:
    """Tiles smaller by a step."""
    _zoom(browser, -1)


def _zoom(browser: Browser, step: int) -> None:
    grid = browser.picture.grid
    if grid is None:
        return
    browser.change(zoom=max(1, grid.zoom + step))
    after = browser.picture.grid
    if after and after.zoom == grid.zoom and step > 0:
        browser.change(zoom=grid.zoom)
        browser.message = "No room for more: Enter shows a channel large."


def zoom_by_room(browser: Browser) -> None:
    """Tiles as large as there is room."""
    browser.change(zoom=None)


def sample_after(browser: Browser) -> None:
    """The next sample."""
    _sample(browser, 1)


def sample_before(browser: Browser) -> None:
    """The sample before."""
    _sample(browser, -1)


def _sample(browser: Browser, step: int) -> None:
    count = browser.picture.samples
    if count < 2:
        browser.message = f"{browser.entry.cells[0]} has one sample."
    else:
        browser.change(sample=str((int(browser.view.sample) + step) % count))
