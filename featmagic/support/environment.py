"""The shell, kernel, front end and terminal that featmagic runs in: found, never imported."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping
from typing import Any, TextIO

from featmagic.support.text import printable


def running_shell() -> Any:
    """The running IPython, or None.

    Example:
        >>> running_shell() is None or hasattr(running_shell(), "user_ns")
        True
    """
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def takes_png(shell: Any) -> bool:
    """Whether the shell is a kernel's, or a terminal's that draws PNGs (IPython 9.13, kitty).

    Example:
        >>> takes_png(None)
        False
    """
    return is_kernel(shell) or "image/png" in (getattr(shell, "mime_renderers", None) or {})


def is_kernel(shell: Any) -> bool:
    """Whether the shell is a kernel's, behind a notebook.

    Example:
        >>> is_kernel(None)
        False
    """
    return hasattr(shell, "kernel")


def name_of(value: object, usual: str) -> str:
    """The name of the user's variable that holds it; the usual name, where none does.

    Example:
        >>> name_of(object(), "feature_maps")
        'feature_maps'
    """
    names = getattr(running_shell(), "user_ns", {})
    if names.get(usual) is value:
        return usual
    found = (name for name, held in names.items() if held is value and name[0] != "_")
    return next(found, usual)


def is_engine(shell: object) -> bool:
    """Whether the shell is an engine's of ipyparallel, whose output is shown at its clients.

    Example:
        >>> is_engine(None)
        False
    """
    module = sys.modules.get("ipyparallel.engine.kernel")
    kernel = getattr(shell, "kernel", None)
    return module is not None and isinstance(kernel, module.IPythonParallelKernel)


def runs_widgets() -> bool:
    """Whether a widget can be shown: behind a notebook, marimo's too.

    Example:
        >>> runs_widgets()
        False
    """
    marimo = sys.modules.get("marimo")
    return is_kernel(running_shell()) or (marimo is not None and marimo.running_in_notebook())


def is_run_by_a_program() -> bool:
    """Whether the cell is run by a program: nbclient, papermill, nbconvert.

    They keep each widget's state as it was opened in the notebook's file.

    Example:
        >>> is_run_by_a_program()
        False
    """
    return is_kernel(running_shell()) and _request("content").get("allow_stdin") is False


def is_jupyterlab() -> bool:
    """Whether the script finds the picture in the page and takes its place: in JupyterLab.

    Notebook 7 is made of the same parts. In VS Code and Colab a picture is in a page of its own.

    Example:
        >>> is_jupyterlab()
        False
    """
    return "deletedCells" in _request("metadata")


def _request(part: str) -> Mapping[str, Any]:
    """A part of the message that asked for the cell which is running; empty where none did."""
    kernel = getattr(running_shell(), "kernel", None)
    parent = kernel.get_parent() if kernel is not None else {}
    found: Mapping[str, Any] = (parent or {}).get(part) or {}
    return found


def color_depth(stream: TextIO, environment: Mapping[str, str] = os.environ) -> int:
    """How many colors the terminal behind `stream` shows: 2**24, 256, or 0.

    Judged by the environment alone: a question to the terminal would eat what the user has typed.
    The conventions are those of no-color.org and of COLORTERM.

    Example:
        >>> import io
        >>> color_depth(io.StringIO())
        0
    """
    term = environment.get("TERM", "")
    dumb = term in ("", "dumb") and not environment.get("WT_SESSION")
    if environment.get("NO_COLOR") or dumb or not is_terminal(stream):
        return 0
    return known_color_depth(environment)


def is_terminal(stream: TextIO) -> bool:
    """Whether a stream ends at a terminal: what a user puts in its place need not know.

    Example:
        >>> import io
        >>> is_terminal(io.StringIO())
        False
    """
    return bool(getattr(stream, "isatty", bool)())


def known_color_depth(environment: Mapping[str, str] = os.environ) -> int:
    """How many colors the environment speaks of, wanted or not: 2**24, 256, or 0.

    Example:
        >>> known_color_depth({"TERM": "xterm-256color", "NO_COLOR": "1"})
        256
    """
    if environment.get("COLORTERM") in ("truecolor", "24bit") or environment.get("WT_SESSION"):
        return 2**24
    return 256 if "256color" in environment.get("TERM", "") or environment.get("TMUX") else 0


def run_in_main_thread(run: Callable[[], None]) -> None:
    """Run it in the main thread, now or after the cell that is running there.

    JupyterLab has what a widget says heard in a thread of its own (subshells, ipykernel 7): a look
    from there would change a model's mode while a cell trains it.

    Example:
        >>> run_in_main_thread(lambda: print("run"))
        run
    """
    loop = getattr(getattr(running_shell(), "kernel", None), "io_loop", None)
    if loop is None or threading.current_thread() is threading.main_thread():
        run()
    else:
        loop.add_callback(run)


def one_line(error: BaseException) -> str:
    """An error as a line for people.

    Example:
        >>> one_line(KeyError("x")), one_line(KeyboardInterrupt())
        ("KeyError: 'x'", 'KeyboardInterrupt')
    """
    text = (str(error).strip().splitlines() or [""])[0]
    name = type(error).__name__
    return printable(f"{name}: {text}" if text else name)
