"""The shell, kernel, front end and terminal that this process runs in.

IPython, ipyparallel and marimo are looked up among the imported modules and never imported; nothing
is asked of a terminal, whose answer would mix with what the user types.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, TextIO

EXTENSION = "_featmagic"  # the shell's attribute that holds the extension while it is loaded


def running_shell() -> Any:
    """Return the running IPython shell, or None."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def is_kernel(shell: Any) -> bool:
    """Return True if the shell is that of a kernel, such as a notebook's."""
    return hasattr(shell, "kernel")


def is_engine(shell: object) -> bool:
    """Return True if the shell is that of an ipyparallel engine, displayed by its clients."""
    module = sys.modules.get("ipyparallel.engine.kernel")
    kernel = getattr(shell, "kernel", None)
    return module is not None and isinstance(kernel, module.IPythonParallelKernel)


def takes_png(shell: Any) -> bool:
    """Return True if the shell displays PNGs: in a kernel, or in a terminal since IPython 9.13."""
    return is_kernel(shell) or "image/png" in (getattr(shell, "mime_renderers", None) or {})


def name_of(value: object, default: str) -> str:
    """Return the name of the user's variable that holds the value, or the default."""
    names = getattr(running_shell(), "user_ns", {})
    if names.get(default) is value:
        return default
    own = (name for name, held in list(names.items()) if held is value and type(name) is str)
    return next((name for name in own if name.isidentifier() and name[0] != "_"), default)


def run_in_main_thread(run: Callable[[], None]) -> None:
    """Call `run` in the main thread: at once, or after the cell that is running there.

    JupyterLab handles a widget's messages in a thread of its own (subshells, ipykernel 7): a pass
    of a model in that thread would change the model's mode while a cell trains it.
    """
    loop = getattr(getattr(running_shell(), "kernel", None), "io_loop", None)
    if loop is None or threading.current_thread() is threading.main_thread():
        run()
    else:
        loop.add_callback(run)


def shows_notes() -> bool:
    """Return True if the notes on an error are shown with it; IPython does so from 8.14 on."""
    version: tuple[int, ...] = getattr(sys.modules.get("IPython"), "version_info", (8, 14))
    return running_shell() is None or version[:2] >= (8, 14)


def runs_widgets() -> bool:
    """Return True if widgets can be displayed: in a kernel, or in a notebook of marimo."""
    marimo = sys.modules.get("marimo")
    return is_kernel(running_shell()) or (marimo is not None and marimo.running_in_notebook())


def is_run_by_a_program() -> bool:
    """Return True if the cell is run by a program such as nbclient, papermill or nbconvert.

    Those save the state of each widget, as it was when it was opened, in the notebook's file.
    """
    return is_kernel(running_shell()) and _request("content").get("allow_stdin") is False


def is_jupyterlab() -> bool:
    """Return True if the front end is JupyterLab or Notebook 7, made of the same parts.

    There a script can find a picture on the page and take its place; in VS Code and Colab a picture
    is on a page of its own.
    """
    return "deletedCells" in _request("metadata")


def _request(part: str) -> Mapping[str, Any]:
    """Return a part of the message that asked for the running cell; empty if there is none."""
    kernel = getattr(running_shell(), "kernel", None)
    parent = kernel.get_parent() if kernel is not None else {}
    found: Mapping[str, Any] = (parent or {}).get(part) or {}
    return found


def is_terminal(stream: TextIO) -> bool:
    """Return True if the stream ends at a terminal; it may be any object of the user's."""
    return bool(getattr(stream, "isatty", bool)())


def color_depth(stream: TextIO, environment: Mapping[str, str] = os.environ) -> int:
    """Return the number of colors of the terminal behind a stream: 2**24, 256, or 0 for none.

    The number is 0 if the stream ends elsewhere, or the user wants no colors. The conventions are
    those of no-color.org and of COLORTERM.
    """
    term = environment.get("TERM", "")
    dumb = term in ("", "dumb") and not environment.get("WT_SESSION")
    if environment.get("NO_COLOR") or dumb or not is_terminal(stream):
        return 0
    return known_color_depth(environment)


def known_color_depth(environment: Mapping[str, str] = os.environ) -> int:
    """Return the number of colors that the environment promises: 2**24, 256, or 0 for none.

    It counts them even if the user wants no colors, or there is no terminal.
    """
    if environment.get("COLORTERM") in ("truecolor", "24bit") or environment.get("WT_SESSION"):
        return 2**24
    return 256 if "256color" in environment.get("TERM", "") or environment.get("TMUX") else 0
