"""A mosaic as text: half blocks in 24-bit or 256 colours."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from featmagic.layout import Room
from featmagic.mosaic import Mosaic, enlarged
from featmagic.palette import GAP

_RESET = "\x1b[0m"


def colours_of(stream: TextIO, environment: Mapping[str, str] = os.environ) -> int:
    """How many colours the terminal behind `stream` shows: 2**24, 256, or 0.

    Judged by the environment alone: a question to the terminal would eat what the user has typed.
    The conventions are those of no-color.org and of COLORTERM.

    Example:
        >>> import io
        >>> colours_of(io.StringIO())
        0
    """
    term = environment.get("TERM", "")
    dumb = term in ("", "dumb") and not environment.get("WT_SESSION")
    if environment.get("NO_COLOR") or dumb or not stream.isatty():
        return 0
    if environment.get("COLORTERM") in ("truecolor", "24bit") or environment.get("WT_SESSION"):
        return 2**24
    return 256 if "256color" in term or environment.get("TMUX") else 0


def terminal_room() -> Room:
    """The room in a terminal: a value is as wide as a cell and half as tall."""
    columns = shutil.get_terminal_size().columns
    return Room(width=max(8, columns - 1), gap=1, smallest=8, largest=24, columns=2, strict=True)


def half_blocks(mosaic: Mosaic, colours: int) -> str:
    r"""The mosaic as lines of half blocks, labels above the tiles; gaps stay the terminal's own.

    Args:
        mosaic: as it comes.
        colours: 2**24 or 256.

    Example:
        >>> import torch
        >>> from featmagic.layout import Layout
        >>> from featmagic.mosaic import tile
        >>> half_blocks(tile(torch.zeros(1, 2, 1).byte(), ("",), bytes(768), Layout(1, 1, 1)), 256)
        '\x1b[38;5;16;48;5;16m▀\x1b[0m'
    """
    codes = _codes(mosaic.palette, colours)
    tiles = enlarged(mosaic)
    lines = []
    for row, band in enumerate(tiles):
        labels = mosaic.labels[row * tiles.shape[2] : (row + 1) * tiles.shape[2]]
        lines += _label_line(labels, tiles.shape[3])
        lines += [_line(upper, lower, codes) for upper, lower in _pairs(band)]
    return "\n".join(lines)


def _pairs(band: NDArray[np.uint8]) -> Iterator[tuple[list[list[int]], list[list[int]]]]:
    """Two rows of pixels at a time, `(ncols, w)` each."""
    if len(band) % 2:
        band = np.concatenate([band, np.full_like(band[:1], GAP)])
    for upper, lower in zip(band[::2], band[1::2], strict=True):
        yield upper.tolist(), lower.tolist()


def _label_line(labels: tuple[str, ...], width: int) -> list[str]:
    if not any(labels) or max(map(len, labels)) > width:
        return []
    return [" ".join(label.ljust(width) for label in labels).rstrip()]


def _line(upper: list[list[int]], lower: list[list[int]], codes: list[str]) -> str:
    text, before = [], ""
    for tile_upper, tile_lower in zip(upper, lower, strict=True):
        for above, below in zip(tile_upper, tile_lower, strict=True):
            code, block = _cell(above, below, codes)
            text.append(block if code == before else f"{code}{block}")
            before = code
        text.append(f"{_RESET} ")
        before = ""
    return "".join(text).rstrip(" ")


def _cell(above: int, below: int, codes: list[str]) -> tuple[str, str]:
    """The colour code and the character of a cell: its lower half may lie in a gap."""
    if above == GAP and below == GAP:
        return _RESET, " "
    if below == GAP:
        return f"\x1b[0;38;{codes[above]}m", "▀"
    if above == GAP:
        return f"\x1b[0;38;{codes[below]}m", "▄"
    return f"\x1b[38;{codes[above]};48;{codes[below]}m", "▀"


def _codes(palette: bytes, colours: int) -> list[str]:
    """Each palette colour as the arguments of an SGR sequence."""
    rgb = np.frombuffer(palette, np.uint8).reshape(-1, 3).astype(int)
    if colours > 256:
        return [f"2;{r};{g};{b}" for r, g, b in rgb.tolist()]
    distance = ((rgb[:, None] - _xterm_colours()) ** 2).sum(2)
    return [f"5;{16 + index}" for index in distance.argmin(1).tolist()]


def _xterm_colours() -> NDArray[np.int64]:
    """Colours 16 to 255 of xterm: a 6 x 6 x 6 cube, then 24 greys (xterm's 256colres.pl)."""
    steps = np.array([0, 95, 135, 175, 215, 255])
    cube = np.stack(np.meshgrid(steps, steps, steps, indexing="ij"), -1).reshape(-1, 3)
    greys = np.repeat(np.arange(8, 248, 10)[:, None], 3, 1)
    return np.concatenate([cube, greys])
