"""The whole screen in lines: layers at the left, the grid at the right, the status below."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache

from prompt_toolkit.formatted_text import ANSI, to_formatted_text
from prompt_toolkit.formatted_text.base import OneStyleAndTextTuple, StyleAndTextTuples
from prompt_toolkit.utils import get_cwidth

from featmagic.explorer.terminal.actions import matches
from featmagic.explorer.terminal.keymap import help_lines
from featmagic.explorer.terminal.preview import Canvas, Place, channel_statistics
from featmagic.explorer.terminal.state import ExplorerState
from featmagic.support.text import readable, wrap

_MARKER, _NO_MARKER = "> ", "  "
_LEFT = 20  # columns that the layers have at most on a narrow screen
_ALERT, _FRAME = "bold ansimagenta", "ansigreen"


@dataclass(frozen=True)
class _Layout:
    """How the screen is divided.

    Attributes:
        above: Lines of the caption.
        body: Lines of the grid.
        below: Lines of the status; their number is fixed, so that the grid doesn't move.
        left, right: Columns of the layers, and of the grid with a blank at each side.
    """

    above: int
    body: int
    below: int
    left: int
    right: int


def compose_screen(state: ExplorerState, columns: int, rows: int) -> list[StyleAndTextTuples]:
    """Return every line of a screen of that size."""
    most = max(_LEFT, columns * 2 // 5) - len(_MARKER)
    layout = _layout(columns, rows, len(state.table.lines(most, [])[0]) + len(_MARKER))
    colors = state.canvas.colors
    state.resize(
        Canvas(max(8, layout.right - 2), layout.body, colors),
        Canvas(columns - 2, layout.body, colors),
    )
    status = status_lines(state, columns - 2, layout.below)
    above = rows - layout.below
    if state.mode == "help":
        lines = _help(state, columns, above)
    elif state.mode == "large":
        lines = list(_grid_lines(state, layout, columns))
    else:
        lines = list(_layers_and_grid(state, most, layout))
    lines = lines[:above]
    lines += [[] for _ in range(rows - len(lines) - len(status))]
    return lines + [_status(text, columns) for text in status]


def _layout(columns: int, rows: int, left: int) -> _Layout:
    above = 1 if rows < 20 else 2 if rows < 30 else 3
    below = 1 if columns >= 160 or rows < 10 else 3 if columns < 70 and rows >= 20 else 2
    return _Layout(above, max(1, rows - above - below), below, left, columns - left - 2)


# The layers


def _layers_and_grid(
    state: ExplorerState, most: int, layout: _Layout
) -> Iterator[StyleAndTextTuples]:
    """Yield the lines of the layers, each with a line of the grid beside it."""
    border = "│" if state.canvas.colors else "|"
    height = layout.above + layout.body
    visible = state.visible_rows
    last = max(0, len(visible) - (height - 1))
    first = min(max(0, visible.index(state.row) - (height - 1) // 2), last)
    rows = visible[first : first + height - 1]
    head, *texts = state.table.lines(most, rows, state.folded, plain=not state.canvas.colors)
    lines: list[StyleAndTextTuples] = [[("", _NO_MARKER), ("underline", head)]]
    lines += [_row(state, text, row) for text, row in zip(texts, rows, strict=True)]
    lines += [[("", " " * layout.left)]] * (height - len(lines))
    grid = _grid_lines(state, layout, layout.right)
    for line, beside in zip(lines[:height], grid, strict=True):
        yield [*line, ("", f" {border}"), *beside]


def _row(state: ExplorerState, text: str, row: int) -> StyleAndTextTuples:
    """Return the line of a row: the one that the arrows have come to is marked."""
    is_here = row == state.row
    style = "bold" if row == state.table.row_of[state.chosen] else ""
    if is_here and not state.in_grid:
        style = "reverse"
    alert = state.table.alerts[row]
    marker: OneStyleAndTextTuple = (style, _MARKER if is_here else _NO_MARKER)
    if alert and text.endswith(alert):
        return [marker, (style, text[: -len(alert)]), (f"{style} {_ALERT}", alert)]
    return [marker, (style, text)]


# The grid


def _grid_lines(
    state: ExplorerState, layout: _Layout, columns: int
) -> Iterator[StyleAndTextTuples]:
    """Yield the caption, then the visible part of the grid; each line begins with a blank."""
    caption = wrap(state.shown.caption, columns - 1).splitlines()[: layout.above]
    caption += [""] * (layout.above - len(caption))
    for number, text in enumerate(caption):
        yield [("bold" if number == 0 else "", f" {cut(text, columns - 1)}")]
    grid, place = state.shown.grid, _place_of_chosen(state)
    top = _scroll_to_chosen(state, layout.body)
    plain = not state.canvas.colors
    for number in range(top, top + layout.body):
        if grid is None or number >= grid.height:
            yield []
        else:
            yield frame_chosen(styled(grid.line(number)), number, place, columns, plain=plain)


def _place_of_chosen(state: ExplorerState) -> Place | None:
    """Return where the chosen channel is in the grid."""
    grid = state.preview.grid
    if state.mode == "large" or grid is None or not state.preview.tiles:
        return None
    return grid.place(state.tile)


def _scroll_to_chosen(state: ExplorerState, body: int) -> int:
    """Return the first visible line of the grid: the chosen channel is visible if it fits."""
    grid, place = state.shown.grid, _place_of_chosen(state)
    if grid is None or state.mode == "large":
        return 0
    if place is not None and state.follows:
        highest = 0 if state.tile < grid.ncols else place.top - place.labeled
        state.top = min(highest, max(state.top, place.top + place.height - body))
    state.top = max(0, min(state.top, grid.height - body))
    return state.top


def frame_chosen(
    cells: Sequence[OneStyleAndTextTuple],
    number: int,
    place: Place | None,
    columns: int,
    *,
    plain: bool,
) -> StyleAndTextTuples:
    """Add a blank and the frame of the chosen channel to a line of the grid: never on a tile."""
    line: StyleAndTextTuples = [("", " "), *cells]
    if place is not None and place.top - place.labeled <= number < place.top + place.height:
        left, right = place.left, place.left + place.width + 1
        line += [("", " ")] * (right + 1 - len(line))
        before, after = ("[", "]") if plain else ("█", "█")
        if number < place.top:
            label = line[left : right + 1]
            line[left : right + 1] = [(f"{_FRAME} reverse", cell[1]) for cell in label]
        else:
            line[left], line[right] = (_FRAME, before), (_FRAME, after)
    return line[:columns]


@lru_cache(maxsize=256)
def styled(text: str) -> tuple[OneStyleAndTextTuple, ...]:
    """Return the cells of a line, a character each with its style."""
    return tuple(to_formatted_text(ANSI(text)))


# Texts


def status_lines(state: ExplorerState, columns: int, most: int) -> list[str]:
    """Return the chosen channel's statistics and every setting, in as few lines as possible."""
    groups = _status_groups(state)
    lines = list(_packed([part for group in groups for part in group], columns))
    if len(lines) > 1:
        lines = [line for group in groups for line in _packed(group, columns)]
    return lines if len(lines) <= most else [*lines[: most - 1], " · ".join(lines[most - 1 :])]


def _status_groups(state: ExplorerState) -> list[list[str]]:
    """Return the parts of the status; each group begins a line unless one line holds them all."""
    if state.mode == "find":
        typed = f"/{readable(state.query)}_"
        count = f"{len(matches(state))} of {len(state.layers)} layers match"
        return [[typed, count, "Down next match", "Enter accept", "Escape cancel"]]
    if state.message:
        return [[state.message, "? keys"]]
    if state.mode == "help":
        return [["Up Down scroll", "any other key back", "q quit"]]
    statistics = channel_statistics(state.preview, state.tile)
    settings = [*_settings(state), "? keys", "q quit"]
    return [[statistics], settings] if statistics else [settings]


def _settings(state: ExplorerState) -> Iterator[str]:
    view, preview = state.view, state.preview
    if preview.colors:
        yield preview.colors.cmap + " (auto)" * (view.cmap is None)
    yield f"scale {state.scale}"
    if view.robust is not None:
        yield f"robust {view.robust:g} %"
    yield f"sort {view.sort}" + (f", top {view.topk}" if view.topk else "")
    if preview.grid:
        yield f"zoom {preview.grid.zoom}{' (auto)' * (view.zoom is None)}"
    if preview.samples > 1:
        yield f"sample {int(view.sample) % preview.samples} of {preview.samples}"


def _packed(parts: Sequence[str], columns: int) -> Iterator[str]:
    """Yield the parts in lines of limited width, separated by dots."""
    line = ""
    for part in parts:
        longer = f"{line} · {part}" if line else part
        if line and get_cwidth(longer) > columns:
            yield line
            line = part
        else:
            line = longer
    yield line


def _status(text: str, columns: int) -> StyleAndTextTuples:
    text = cut(f" {text}", columns)
    return [("reverse", text + " " * (columns - get_cwidth(text)))]


def _help(state: ExplorerState, columns: int, rows: int) -> list[StyleAndTextTuples]:
    """Return the lines of the help from the one to which it is scrolled."""
    lines = help_lines()
    state.top = max(0, min(state.top, len(lines) - rows))
    return [[("", f" {cut(line, columns - 1)}")] for line in lines[state.top :]]


def cut(text: str, columns: int) -> str:
    """Return the text, shortened to a number of columns."""
    if get_cwidth(text) <= columns:
        return text
    width = 0
    for place, letter in enumerate(text):  # once: what was pasted may be long
        width += get_cwidth(letter)
        if width >= columns:
            return f"{text[:place]}…"
    return text
