"""The whole screen in lines: layers at the left, the grid at the right, the status below."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from prompt_toolkit.formatted_text import ANSI, to_formatted_text
from prompt_toolkit.formatted_text.base import OneStyleAndTextTuple, StyleAndTextTuples
from prompt_toolkit.utils import get_cwidth

from featmagic.explorer.terminal.actions import found
from featmagic.explorer.terminal.keymap import help_lines
from featmagic.explorer.terminal.layer_table import LayerTable, layer_table
from featmagic.explorer.terminal.preview import Canvas, Place, channel_statistics
from featmagic.explorer.terminal.state import ExplorerState
from featmagic.support.text import wrap

_MARKER, _NO_MARKER = "> ", "  "


_LEFT = 20  # columns that the layers have at most on a narrow screen


_LOUD = "bold ansimagenta"


@dataclass(frozen=True)
class _Layout:
    """How the screen is divided.

    Attributes:
        above: lines of the caption.
        body: lines of the grid.
        below: lines of the status, always as many: the grid stands still.
        left, right: columns of the layers, and of the grid with a blank at each side.
    """

    above: int
    body: int
    below: int
    left: int
    right: int


def compose_screen(browser: ExplorerState, columns: int, rows: int) -> list[StyleAndTextTuples]:
    """Every line of a screen that large, drawn as the browser stands.

    Example:
        >>> import torch
        >>> from featmagic.recording.records import Activation
        >>> from featmagic.explorer.terminal.layer_table import layer_entries
        >>> from featmagic.options.view import View
        >>> relu = Activation("relu", "relu", "ReLU", 1, torch.tensor([[[[0.0, 2]], [[1, 3]]]]))
        >>> browser = ExplorerState(layer_entries([relu], View()), View(), 0)
        >>> lines = compose_screen(browser, 70, 8)
        >>> len(lines), "".join(text for _, text, *_ in lines[1]).split()
        (8, ['>', 'relu', '1×2×1×2', '0', '%', '|', '0', '*', '1', '@'])
    """
    layers = layer_table(browser.layers, max(_LEFT, columns * 2 // 5) - len(_MARKER), get_cwidth)
    at = _layout(columns, rows, layers.width + len(_MARKER))
    colors = browser.canvas.colors
    browser.resize(
        Canvas(max(8, at.right - 2), at.body, colors), Canvas(columns - 2, at.body, colors)
    )
    status = status_lines(browser, columns - 2, at.below, get_cwidth)
    if browser.mode == "help":
        lines = _help(browser, columns, rows - at.below)
    elif browser.mode == "large":
        lines = list(_pane(browser, at.above, at.body, columns))
    else:
        pane = _pane(browser, at.above, at.body, at.right)
        lines = list(_beside(browser, layers, pane, at))
    lines += [[] for _ in range(rows - at.below - len(lines))]
    lines[rows - at.below :] = [[] for _ in range(at.below - len(status))]
    return lines + [_status(text, columns) for text in status]


def _layout(columns: int, rows: int, left: int) -> _Layout:
    above = 1 if rows < 20 else 2 if rows < 30 else 3
    below = 1 if columns >= 160 or rows < 10 else 3 if columns < 70 and rows >= 20 else 2
    return _Layout(above, max(1, rows - above - below), below, left, columns - left - 2)


# The layers


def _beside(
    browser: ExplorerState, layers: LayerTable, pane: Iterator[StyleAndTextTuples], at: _Layout
) -> Iterator[StyleAndTextTuples]:
    """Lines of the layers, each with a line of the grid beside it."""
    line = "│" if browser.canvas.colors else "|"
    tall = at.above + at.body
    first = min(max(0, browser.at - (tall - 1) // 2), max(0, len(layers.lines) - (tall - 1)))
    names = [_head(layers), *(_layer(browser, layers, n) for n in range(first, len(layers.lines)))]
    names += [[("", " " * at.left)]] * (tall - len(names))
    for name, beside in zip(names[:tall], pane, strict=True):
        yield [*name, ("", f" {line}"), *beside]


def _head(layers: LayerTable) -> StyleAndTextTuples:
    return [("", _NO_MARKER), ("underline", layers.head)]


def _layer(browser: ExplorerState, layers: LayerTable, number: int) -> StyleAndTextTuples:
    text, chosen = layers.lines[number], number == browser.at
    style = "" if not chosen else "bold" if browser.in_grid else "reverse"
    wrong = browser.layers[number].wrong
    marker: OneStyleAndTextTuple = (style, _MARKER if chosen else _NO_MARKER)
    if wrong and text.endswith(wrong):
        return [marker, (style, text[: -len(wrong)]), (f"{style} {_LOUD}", wrong)]
    return [marker, (style, text)]


# The grid


def _pane(
    browser: ExplorerState, above: int, body: int, columns: int
) -> Iterator[StyleAndTextTuples]:
    """The caption, then what is seen of the grid; each line begins with a blank."""
    words = caption_lines(browser, columns - 1, above)
    for number in range(above):
        text = words[number] if number < len(words) else ""
        yield [("bold" if number == 0 else "", f" {cut(text, columns - 1)}")]
    grid = browser.shown.grid
    place = _chosen(browser)
    if grid is not None:
        first = _first(browser, body)
        for number in range(first, min(first + body, grid.height)):
            letters = not browser.canvas.colors
            yield framed(parsed(grid.line(number)), number, place, columns, letters=letters)
            body -= 1
            first += 1
    for _ in range(body):
        yield []


def _chosen(browser: ExplorerState) -> Place | None:
    """Where the chosen channel stands in the grid."""
    grid = browser.picture.grid
    if browser.mode == "large" or grid is None or not browser.picture.tiles:
        return None
    return grid.place(browser.tile)


def _first(browser: ExplorerState, body: int) -> int:
    """The first line of the grid that is seen: the chosen channel is, as far as it fits."""
    grid, place = browser.shown.grid, _chosen(browser)
    if grid is None or browser.mode == "large":
        return 0
    if place is not None and browser.follows:
        top = place.top - place.labelled
        if browser.tile < grid.ncols:
            top = 0
        lowest = max(browser.first, place.top + place.height - body)
        browser.first = min(top, lowest)
    browser.first = max(0, min(browser.first, grid.height - body))
    return browser.first


# Texts


def _status(text: str, columns: int) -> StyleAndTextTuples:
    text = cut(f" {text}", columns)
    return [("reverse", text + " " * (columns - get_cwidth(text)))]


def _help(browser: ExplorerState, columns: int, rows: int) -> list[StyleAndTextTuples]:
    """The keys, from the line on to which they were scrolled."""
    lines = help_lines()
    browser.first = max(0, min(browser.first, len(lines) - rows))
    return [[("", f" {cut(line, columns - 1)}")] for line in lines[browser.first :]]


_FRAME = "ansigreen"


def framed(
    line: tuple[OneStyleAndTextTuple, ...],
    number: int,
    place: Place | None,
    columns: int,
    *,
    letters: bool,
) -> StyleAndTextTuples:
    """A line of the grid, with what frames the chosen channel: beside it, never on it.

    Args:
        line: its cells.
        number: which line it is.
        place: where the chosen channel stands, if one is chosen.
        columns: there are for it, with a blank before it.
        letters: whether the frame is of plain letters.

    Example:
        >>> line = framed(parsed("ab cd"), 1, Place(1, 3, 1, 2, True), 9, letters=True)
        >>> "".join(text for _, text, *_ in line)
        ' ab[cd]'
    """
    cells: StyleAndTextTuples = [("", " "), *line]
    if place is not None and place.top - place.labelled <= number < place.top + place.height:
        right = place.left + place.width + 1
        cells += [("", " ")] * (right + 1 - len(cells))
        before, after = ("[", "]") if letters else ("█", "█")
        if number < place.top:
            label = cells[place.left : right + 1]
            cells[place.left : right + 1] = [(f"{_FRAME} reverse", cell[1]) for cell in label]
        else:
            cells[place.left], cells[right] = (_FRAME, before), (_FRAME, after)
    return cells[:columns]


@lru_cache(maxsize=256)
def parsed(text: str) -> tuple[OneStyleAndTextTuple, ...]:
    r"""A line's cells, a letter each with its style.

    Example:
        >>> parsed("\x1b[38;5;196m▀")
        (('#ff0000', '▀'),)
    """
    return tuple(to_formatted_text(ANSI(text)))


def forget() -> None:
    """Let go of the lines that were drawn.

    Example:
        >>> forget()
    """
    parsed.cache_clear()


def cut(text: str, columns: int) -> str:
    """The text without its end, where that has no room.

    Example:
        >>> cut("layer1.0.conv1", 8)
        'layer1.…'
    """
    if get_cwidth(text) <= columns:
        return text
    while text and get_cwidth(text) >= columns:
        text = text[:-1]
    return f"{text}…"


def caption_lines(browser: ExplorerState, columns: int, most: int) -> list[str]:
    """The caption in so many lines; what has no room is left out.

    Example:
        >>> import torch
        >>> from featmagic.recording.records import Activation
        >>> from featmagic.explorer.terminal.layer_table import layer_entries
        >>> from featmagic.options.view import View
        >>> fc = Activation("fc", "fc", "Linear", 1, torch.zeros(()))
        >>> browser = ExplorerState(layer_entries([fc], View()), View(), 256)
        >>> caption_lines(browser, 40, 2)
        ['fc  Linear  () float32 cpu', '  the single value 0']
    """
    return wrap(browser.shown.caption, columns).splitlines()[:most]


def status_lines(
    browser: ExplorerState, columns: int, most: int, width_of: Callable[[str], int] = len
) -> list[str]:
    """The chosen channel's figures and every setting, in as few lines as they fit.

    Example:
        >>> import torch
        >>> from featmagic.recording.records import Activation
        >>> from featmagic.explorer.terminal.layer_table import layer_entries
        >>> from featmagic.options.view import View
        >>> relu = Activation("relu", "relu", "ReLU", 1, torch.tensor([[[[0.0, 2]], [[1, 3]]]]))
        >>> browser = ExplorerState(layer_entries([relu], View()), View(), 256)
        >>> print(*status_lines(browser, 80, 2), sep="|")
        channel 0 of 2: 0 █▁▁▁▁▁▁█ 2  mean 1  std 1  zeros 50 %|viridis (auto) · scale channel · sort index · zoom 12 (auto) · ? keys · q quit
    """  # noqa: E501
    groups = _groups(browser)
    lines = list(_packed([part for group in groups for part in group], columns, width_of))
    if len(lines) > 1:
        lines = [line for group in groups for line in _packed(group, columns, width_of)]
    return lines if len(lines) <= most else [*lines[: most - 1], " · ".join(lines[most - 1 :])]


def _groups(browser: ExplorerState) -> list[list[str]]:
    """What is said: what is of one group stands in a line of its own where not all fits in one."""
    if browser.mode == "find":
        count = f"{len(found(browser))} of {len(browser.layers)} layers"
        return [[f"/{browser.typed}_", count, "down the next", "Enter takes it", "Escape back"]]
    if browser.message:
        return [[browser.message, "? keys"]]
    if browser.mode == "help":
        return [["any key: back", "q quit"]]
    figures = channel_statistics(browser.picture, browser.tile)
    settings = [*_settings(browser), "? keys", "q quit"]
    return [[figures], settings] if figures else [settings]


def _settings(browser: ExplorerState) -> Iterator[str]:
    view, picture = browser.view, browser.picture
    if picture.colors:
        yield picture.colors.cmap + " (auto)" * (view.cmap is None)
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
