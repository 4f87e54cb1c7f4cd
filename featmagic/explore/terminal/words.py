"""What the explorer says: the caption above the grid, the status line below it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from featmagic.explore.terminal.browser import Browser
from featmagic.explore.terminal.finding import found
from featmagic.explore.terminal.picture import statistics
from featmagic.support.text import wrap


def caption_lines(browser: Browser, columns: int, most: int) -> list[str]:
    """The caption in so many lines; what has no room is left out.

    Example:
        >>> import torch
        >>> from featmagic.recording.records import Activation
        >>> from featmagic.explore.terminal.layers import entries
        >>> from featmagic.options.view import View
        >>> fc = Activation("fc", "fc", "Linear", 1, torch.zeros(()))
        >>> browser = Browser(entries([(fc, ())], View()), View(), 256)
        >>> caption_lines(browser, 40, 2)
        ['fc  Linear  () float32 cpu', '  the single value 0']
    """
    return wrap(browser.shown.caption, columns).splitlines()[:most]


def status_lines(
    browser: Browser, columns: int, most: int, width_of: Callable[[str], int] = len
) -> list[str]:
    """The chosen channel's figures and every setting, in as few lines as they fit.

    Example:
        >>> import torch
        >>> from featmagic.recording.records import Activation
        >>> from featmagic.explore.terminal.layers import entries
        >>> from featmagic.options.view import View
        >>> relu = Activation("relu", "relu", "ReLU", 1, torch.tensor([[[[0.0, 2]], [[1, 3]]]]))
        >>> browser = Browser(entries([(relu, ())], View()), View(), 256)
        >>> print(*status_lines(browser, 80, 2), sep="|")
        channel 0 of 2: 0 █▁▁▁▁▁▁█ 2  mean 1  std 1  zeros 50 %|viridis (auto) · scale channel · sort index · zoom 12 (auto) · ? keys · q quit
    """  # noqa: E501
    groups = _groups(browser)
    lines = list(_packed([part for group in groups for part in group], columns, width_of))
    if len(lines) > 1:
        lines = [line for group in groups for line in _packed(group, columns, width_of)]
    return lines if len(lines) <= most else [*lines[: most - 1], " · ".join(lines[most - 1 :])]


def _groups(browser: Browser) -> list[list[str]]:
    """What is said: what is of one group stands in a line of its own where not all fits in one."""
    if browser.mode == "find":
        count = f"{len(found(browser))} of {len(browser.layers)} layers"
        return [[f"/{browser.typed}_", count, "down the next", "Enter takes it", "Escape back"]]
    if browser.message:
        return [[browser.message, "? keys"]]
    if browser.mode == "help":
        return [["any key: back", "q quit"]]
    figures = statistics(browser.picture, browser.tile)
    settings = [*_settings(browser), "? keys", "q quit"]
    return [[figures], settings] if figures else [settings]


def _settings(browser: Browser) -> Iterator[str]:
    view, picture = browser.view, browser.picture
    if picture.colours:
        yield picture.colours.cmap + " (auto)" * (view.cmap is None)
    yield f"scale {browser.scale}"
    if view.robust is not None:
        yield f"robust {view.robust:g} %"
    yield f"sort {view.sort}" + (f", top {view.topk}" if view.topk else "")
    if picture.grid:
        yield f"zoom {picture.grid.zoom}{' (auto)' * (view.zoom is None)}"
    if picture.samples > 1:
        yield f"sample {int(view.sample) % picture.samples} of {picture.samples}"


def _packed(parts: Sequence[str], columns: int, width_of: Callable[[str], int]) -> Iterator[str]:
    """The parts in lines of so many letters, set apart by dots."""
    line = ""
    for part in parts:
        longer = f"{line} · {part}" if line else part
        if line and width_of(longer) > columns:
            yield line
            line = part
        else:
            line = longer
    yield line
