"""What a terminal is told by its environment, and colors as pyte gives them."""

from __future__ import annotations

import os

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
    """The process's own, with nothing of the user's and of the terminal that runs the tests."""
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
    """pyte gives a color's six hexadecimal digits."""
    return [int(color[place : place + 2], 16) for place in (0, 2, 4)]
