"""The application: the full screen of the explorer, run by prompt_toolkit."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any

from prompt_toolkit.application import Application
from prompt_toolkit.filters import Condition
from prompt_toolkit.input.defaults import create_input
from prompt_toolkit.key_binding import KeyBindings, KeyPressEvent
from prompt_toolkit.layout import Layout, UIContent, UIControl, Window
from prompt_toolkit.output.color_depth import ColorDepth
from prompt_toolkit.output.defaults import create_output

from featmagic.explorer.terminal.actions import type_in
from featmagic.explorer.terminal.keymap import (
    KEYS,
    KEYS_OF_ALL_MODES,
    KEYS_OF_HELP,
    KEYS_OF_SEARCH,
    Key,
)
from featmagic.explorer.terminal.layer_table import LayerEntry
from featmagic.explorer.terminal.screen import compose_screen, styled
from featmagic.explorer.terminal.state import ExplorerState
from featmagic.options.view import View

_DEPTHS = {0: ColorDepth.DEPTH_1_BIT, 256: ColorDepth.DEPTH_8_BIT, 2**24: ColorDepth.DEPTH_24_BIT}

# Seconds after Escape in which more characters make it another key, such as an arrow.
_ESCAPE_TIMEOUT = 0.05


def explore(layers: Sequence[LayerEntry], view: View, colors: int) -> None:
    """Show the layers in a full screen until the user leaves it.

    Args:
        layers: The layers to choose from, at least one.
        view: How to draw them at first.
        colors: The number of colors: 2**24 or 256, or 0 for plain characters.

    Raises:
        KeyboardInterrupt: If Ctrl-C is pressed while something is drawn.
    """
    app = _application(ExplorerState(layers, view, colors), colors)
    try:
        _run(app)
    except EOFError:
        pass  # the terminal is gone
    finally:
        styled.cache_clear()


def _application(state: ExplorerState, colors: int) -> Application[None]:
    guard = _Guard()
    app: Application[None] = Application(
        layout=Layout(Window(_Screen(state, guard), always_hide_cursor=True)),
        key_bindings=_bindings(state, guard),
        full_screen=True,
        color_depth=_DEPTHS[colors],
        input=create_input(),
        output=create_output(sys.stdout),
    )
    app.ttimeoutlen = app.timeoutlen = _ESCAPE_TIMEOUT
    guard.app = app
    return app


def _run(app: Application[None]) -> None:
    """Run the application in its own event loop, which leaves the user's alone."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        _run_here(app)
        return
    # The cell runs in an event loop, so that no other one may run in its thread.
    with ThreadPoolExecutor(1) as thread:
        thread.submit(_run_here, app).result()


def _run_here(app: Application[None]) -> None:
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(app.run_async())
    finally:
        loop.close()


class _Guard:
    """Runs what may fail or be interrupted; an error ends the application, which raises it.

    By itself prompt_toolkit would print the error above the screen and wait for a key.
    """

    app: Application[None]

    def __call__(self, does: Callable[[], Any]) -> Any:
        """Return what the function returns, or None if it fails."""
        future = self.app.future
        if future is None or future.done():
            return None
        try:
            with _interruptible():
                return does()
        except BaseException as error:
            self.app.exit(exception=error)
            return None


@contextmanager
def _interruptible() -> Iterator[None]:
    """Let Ctrl-C raise KeyboardInterrupt: in a full screen it is a key like any other."""
    if sys.platform == "win32" or threading.current_thread() is not threading.main_thread():
        yield
        return
    import termios

    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        with suppress(termios.error, OSError, ValueError):
            _set_signals(sys.stdin.fileno(), on=True)
        yield
    finally:
        with suppress(termios.error, OSError, ValueError):
            _set_signals(sys.stdin.fileno(), on=False)
        signal.signal(signal.SIGINT, before)


def _set_signals(terminal: int, *, on: bool) -> None:
    """Make Ctrl-C a signal or a key; the terminal's mode stays the same otherwise."""
    import termios

    mode = termios.tcgetattr(terminal)
    mode[3] = mode[3] | termios.ISIG if on else mode[3] & ~termios.ISIG
    termios.tcsetattr(terminal, termios.TCSANOW, mode)


class _Screen(UIControl):
    """The control that fills the screen."""

    def __init__(self, state: ExplorerState, guard: _Guard) -> None:
        self._state, self._guard = state, guard

    def create_content(self, width: int, height: int) -> UIContent:
        """Compose the lines of the screen."""
        lines = self._guard(lambda: compose_screen(self._state, width, height)) or [[]]
        return UIContent(lambda number: lines[number], len(lines), show_cursor=False)


def _bindings(state: ExplorerState, guard: _Guard) -> KeyBindings:
    bindings = KeyBindings()

    def bind(keys: Sequence[Key], *modes: str) -> None:
        in_mode = Condition(lambda: state.mode in modes)
        for key in keys:
            bindings.add(key.name, filter=in_mode, eager=True)(_press(state, guard, key.does))

    bind(KEYS, "grid", "large")
    bind(KEYS_OF_HELP, "help")
    bind(KEYS_OF_SEARCH, "find")
    bind(KEYS_OF_ALL_MODES, "grid", "large", "help", "find")

    @bindings.add("<any>", filter=Condition(lambda: state.mode == "find"))
    @bindings.add("<bracketed-paste>", filter=Condition(lambda: state.mode == "find"))
    def _(event: KeyPressEvent) -> None:
        guard(lambda: type_in(state, event.data))

    return bindings


def _press(
    state: ExplorerState, guard: _Guard, does: Callable[[ExplorerState], None]
) -> Callable[[KeyPressEvent], None]:
    """Return the handler of a key that does something."""

    def handle(event: KeyPressEvent) -> None:
        state.message = ""
        guard(lambda: does(state))
        if state.done and event.app.future and not event.app.future.done():
            event.app.exit()

    return handle
