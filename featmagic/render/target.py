"""What there is to show pictures on, and by which renderer."""

from __future__ import annotations

import shutil
import sys
from dataclasses import dataclass, replace
from importlib.util import find_spec

from featmagic.render.viewport import PAGE, Viewport, terminal_viewport
from featmagic.support.environment import (
    color_depth,
    is_engine,
    is_terminal,
    known_color_depth,
    running_shell,
    takes_png,
)
from featmagic.support.errors import FeatmagicError

# Letters in a line of a notebook's page; a longer line would be broken inside a word.
_PAGE_COLUMNS = 100


@dataclass(frozen=True)
class Target:
    """Where things are shown.

    Attributes:
        renderer: `png`, `blocks`, `ascii`, or `none` for captions alone.
        columns: letters in a line of text; None where lines are as long as they come.
        viewport: for a picture; None where there is none.
        colors: of half blocks: 2**24 or 256.
        lines: of a terminal's screen; None where there is no such limit.
        engine: whether it is at the clients of an engine of ipyparallel.
        line: pixels to a line of a terminal's window, where it shows images and that is known.
    """

    renderer: str
    columns: int | None
    viewport: Viewport | None = None
    colors: int = 0
    lines: int | None = None
    engine: bool = False
    line: int | None = None


def current_target(renderer: str = "auto") -> Target:
    """The screen that there is now: a terminal's size is read anew at each look.

    Args:
        renderer: as `View` has it. `auto` is the best there is by the environment; the others are
            as asked for, whatever the environment says of colors.

    Raises:
        FeatmagicError: a PNG is asked for where nothing shows one.

    Example:
        >>> current_target("none").viewport
    """
    shell = running_shell()
    draws_png, engine = takes_png(shell), is_engine(shell)
    if renderer == "auto":
        renderer = "png" if draws_png else _best_letters()
    if renderer == "png" and not draws_png:
        raise FeatmagicError(
            "This terminal shows no PNG: IPython 9.13 and newer does in kitty, ghostty, WezTerm, "
            "iTerm2, Konsole. --renderer blocks draws in any; --save PATH writes a file."
        )
    size, is_tty = shutil.get_terminal_size(), is_terminal(sys.stdout)
    columns = size.columns - 1 if is_tty else _PAGE_COLUMNS if draws_png else None
    if renderer == "png":
        width, line = _window(size.lines) if is_tty else (None, None)
        lines = size.lines if line else None
        return Target(renderer, columns, _page(width), lines=lines, engine=engine, line=line)
    if renderer == "none":
        return Target(renderer, columns, engine=engine)
    lines = size.lines if is_tty else None
    viewport = terminal_viewport(size.columns if columns is None else columns + 1, lines)
    return Target(renderer, columns, viewport, known_color_depth() or 256, lines, engine)


def _best_letters() -> str:
    """What a terminal can show: half blocks, letters where its encoding has none, or captions."""
    if not color_depth(sys.stdout):
        return "none"
    try:
        "▀█".encode(getattr(sys.stdout, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return "ascii"
    return "blocks"


def _page(width: int | None) -> Viewport:
    """A notebook's page; in a terminal that shows images, no wider than its window."""
    return replace(PAGE, width=min(PAGE.width, max(200, width))) if width else PAGE


def _window(lines: int) -> tuple[int | None, int | None]:
    """The width of the terminal's window and the height of a line in pixels, if they are known.

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


def why_no_widget(where: Target) -> str:
    """Why what a kernel sends can be no explorer here; nothing, where it can.

    Example:
        >>> why_no_widget(Target("none", 80))
        '--renderer none is for grids'
    """
    if where.engine:
        return "an engine of ipyparallel has no widgets at its clients"
    if where.renderer != "png":
        return f"--renderer {where.renderer} is for grids"
    if find_spec("anywidget") is None:
        return "a package isn't here: pip install anywidget"
    return ""
