"""Environments of terminals, and colors as pyte gives them."""

from __future__ import annotations

import os
import signal

TRUECOLOR = {"TERM": "xterm-256color", "COLORTERM": "truecolor"}
COLORS_256 = {"TERM": "xterm-256color"}
NO_COLOR = {"TERM": "xterm-256color", "COLORTERM": "truecolor", "NO_COLOR": "1"}

# What else may say how many colors there are or how wide the screen is.
SILENT = {
    "IPYTHON_KITTY_GRAPHICS",
    "COLORTERM",
    "NO_COLOR",
    "TMUX",
    "WT_SESSION",
    "COLUMNS",
    "LINES",
    "PYTHONSTARTUP",
}


def environment(folder, **variables):
    """Return this process's environment without the user's settings and the terminal's own."""
    (folder / "inputrc").write_text("set enable-bracketed-paste off\n")
    own = {name: value for name, value in os.environ.items() if name not in SILENT}
    return {
        **own,
        "IPYTHONDIR": str(folder),
        "INPUTRC": str(folder / "inputrc"),
        "PYTHONIOENCODING": "utf-8",
        **variables,
    }


def rgb(color):
    """Return red, green and blue of a color that pyte gives as six hexadecimal digits."""
    return [int(color[place : place + 2], 16) for place in (0, 2, 4)]


def end(child):
    """End what runs in a terminal, and wait for that: a busy machine takes its time."""
    if child.isalive():
        child.kill(signal.SIGKILL)
        child.wait()
    child.close()
