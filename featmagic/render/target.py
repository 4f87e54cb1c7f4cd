"""The renderers, and the target: where pictures go, how large, and by which renderer."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from importlib.util import find_spec

from featmagic.render.ascii import AsciiCells
from featmagic.render.half_blocks import HalfBlockCells
from featmagic.render.mime_bundle import Bundle, png_bundle, publish
from featmagic.render.mosaic import Mosaic
from featmagic.render.raster import Raster
from featmagic.render.text import CellPainter
from featmagic.render.viewport import PAGE, SMALL_PAGE, Viewport, terminal_viewport
from featmagic.support.environment import (
    color_depth,
    is_engine,
    is_terminal,
    known_color_depth,
    running_shell,
    takes_png,
)
from featmagic.support.errors import FeatmagicError
from featmagic.support.text import printable_lines, say_drawn, say_lines

_PAGE_COLUMNS = 127  # letters of 13 CSS px in 1,000; a notebook breaks a longer line inside a word
_NARROWEST_PAGE = 200  # pixels


@dataclass(frozen=True)
class Renderer:
    """A way to show pictures: images, text, or captions alone.

    Attributes:
        name: what the `renderer` of a `View` calls it.
        is_supported: returns True if the environment shows what it draws.
        viewport: returns the room for a picture from the columns and lines of a terminal and the
            width of its window in pixels, as far as they are known; None for captions alone.
        refusal: the message if it is asked for by name but unsupported; "" if it draws anyway.
        has_colors: whether it prints text in color.
        bundle: makes a MIME bundle from a picture, its text and its alt text, if it draws images.
        cells: makes the painter of a mosaic in so many colors, if it draws text.
    """

    name: str
    is_supported: Callable[[], bool]
    viewport: Callable[[int, int | None, int | None], Viewport | None]
    refusal: str = ""
    has_colors: bool = False
    bundle: Callable[[Raster, str, str], Bundle] | None = None
    cells: Callable[[Mosaic, int], CellPainter] | None = None


@dataclass(frozen=True)
class Target:
    """Where pictures go, how large, and by which renderer.

    Attributes:
        renderer: draws the pictures.
        columns: letters in a line of text; None if lines may be of any length.
        viewport: the room for a picture; None if only captions are shown.
        colors: the number of colors of text, 2**24 or 256; 0 for plain letters.
        lines: of a terminal's screen; None if the output is no terminal.
        line_height: height of a line in a terminal's window in pixels; None if it isn't known.
        engine: whether the output is displayed at the clients of an ipyparallel engine.
    """

    renderer: Renderer
    columns: int | None
    viewport: Viewport | None = None
    colors: int = 0
    lines: int | None = None
    line_height: int | None = None
    engine: bool = False

    def tell(self, text: str) -> None:
        """Print lines of text, or display them if this is an engine of ipyparallel.

        The clients put the engine's number before each output that is displayed, in order; printed
        text they show elsewhere, all of it in one place.
        """
        if self.engine:
            publish({"text/plain": printable_lines(text)}, {})
        else:
            say_lines(text)

    def tell_drawn(self, text: str) -> None:
        """Do the same with lines that a renderer has drawn, including their color codes."""
        if self.engine:
            publish({"text/plain": text}, {})
        else:
            say_drawn(text)


def current_target(renderer: str = "auto") -> Target:
    """Return the target of the running environment; a terminal's size is read anew at each call.

    Args:
        renderer: as in `View`: `auto` takes the first of `RENDERERS` that the environment supports,
            any other name takes that one.

    Raises:
        FeatmagicError: the renderer was asked for by name and can't be used here.
    """
    supported = (row for row in RENDERERS.values() if row.is_supported())
    row = next(supported) if renderer == "auto" else RENDERERS[renderer]
    if row.refusal and not row.is_supported():
        raise FeatmagicError(row.refusal)
    shell, size, is_tty = running_shell(), shutil.get_terminal_size(), is_terminal(sys.stdout)
    lines = size.lines if is_tty else None
    width, line_height = _window(size.lines) if is_tty else (None, None)
    columns = size.columns - 1 if is_tty else _PAGE_COLUMNS if takes_png(shell) else None
    return Target(
        row,
        columns,
        row.viewport(size.columns if columns is None else columns + 1, lines, width),
        colors=(known_color_depth() or 256) if row.has_colors else 0,
        lines=lines,
        line_height=line_height,
        engine=is_engine(shell),
    )


def why_no_widget(target: Target) -> str:
    """Return why a kernel can't show a widget at the target; empty if it can."""
    if target.engine:
        return "an engine of ipyparallel has no widgets at its clients"
    if target.renderer.bundle is None:
        return f"--renderer {target.renderer.name} is for grids"
    if find_spec("anywidget") is None:
        return "a package isn't here: pip install anywidget"
    return ""


def _window(lines: int) -> tuple[int | None, int | None]:
    """Return the width of the terminal's window and the height of a line in pixels, if known.

    The system keeps them beside the columns (ioctl_tty(2), `TIOCGWINSZ`): nothing is asked of the
    terminal itself.
    """
    try:
        import fcntl
        import struct
        import termios

        size = fcntl.ioctl(sys.stdout.fileno(), termios.TIOCGWINSZ, bytes(8))
    except (ImportError, OSError, ValueError):  # Windows, or a standard output that is no file
        return None, None
    _, _, width, height = struct.unpack("HHHH", size)
    return width or None, height // lines or None


def _takes_blocks() -> bool:
    """Return True if the terminal has colors and its encoding has half blocks."""
    if not color_depth(sys.stdout):
        return False
    try:
        "▀█".encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _page(columns: int, lines: int | None, width: int | None) -> Viewport:
    """Return a notebook's page, or the window of a terminal that shows images, if it is narrower.

    A terminal knows no CSS pixels: its pictures have one pixel to each.
    """
    if lines is None:
        return PAGE
    return replace(SMALL_PAGE, width=min(PAGE.width, max(_NARROWEST_PAGE, width or PAGE.width)))


def _screen(columns: int, lines: int | None, width: int | None) -> Viewport:
    return terminal_viewport(columns, lines)


# In the order in which `auto` tries them.
RENDERERS = {
    row.name: row
    for row in (
        Renderer(
            "png",
            lambda: takes_png(running_shell()),
            _page,
            refusal=(
                "This terminal shows no PNG: IPython 9.13 and newer does in kitty, ghostty, "
                "WezTerm, iTerm2, Konsole. --renderer blocks draws in any; --save PATH writes a "
                "file."
            ),
            has_colors=True,
            bundle=png_bundle,
        ),
        Renderer("blocks", _takes_blocks, _screen, has_colors=True, cells=HalfBlockCells),
        Renderer(
            "ascii",
            lambda: color_depth(sys.stdout) > 0,
            _screen,
            cells=lambda mosaic, colors: AsciiCells(mosaic),
        ),
        Renderer("none", lambda: True, lambda columns, lines, width: None),
    )
}
