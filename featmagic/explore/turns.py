"""When the model may run: in the thread in which cells run, between them."""

from __future__ import annotations

import threading
from collections.abc import Callable

from featmagic.errors import printable
from featmagic.running import running_shell


def in_turn(run: Callable[[], None]) -> None:
    """Run it in the main thread, now or after the cell that is running there.

    JupyterLab has what a widget says heard in a thread of its own (subshells, ipykernel 7): a look
    from there would change a model's mode while a cell trains it.

    Example:
        >>> in_turn(lambda: print("run"))
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
