"""The explorer's full screen: prompt_toolkit's application around the browser."""

from __future__ import annotations

import asyncio
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
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
from featmagic.explorer.terminal.keymap import ALWAYS, FINDING, HELPING, KEYS, Key
from featmagic.explorer.terminal.layer_table import LayerEntry
from featmagic.explorer.terminal.screen import compose_screen, forget
from featmagic.explorer.terminal.state import ExplorerState
from featmagic.options.view import View

_DEPTHS = {0: ColorDepth.DEPTH_1_BIT, 256: ColorDepth.DEPTH_8_BIT, 2**24: ColorDepth.DEPTH_24_BIT}


_PATIENCE = 0.05  # seconds after Escape, in which what follows makes it an arrow key


def explore(layers: Sequence[LayerEntry], view: View, colors: int) -> None:
    """Show the layers in a full screen until the user leaves it.

    Args:
        layers: to choose from; one at least.
        view: how to draw them at first.
        colors: 2**24 or 256; 0 for plain letters.

    Raises:
        KeyboardInterrupt: Ctrl-C, while something was drawn.
    """
    app = _application(ExplorerState(layers, view, colors), colors)
    try:
        _run(app)
    except EOFError:
        pass  # the terminal is gone
    finally:
        forget()


def _application(browser: ExplorerState, colors: int) -> Application[None]:
    guard = _Guard()
    app: Application[None] = Application(
        layout=Layout(Window(_Screen(browser, guard), always_hide_cursor=True)),
        key_bindings=_bindings(browser, guard),
        full_screen=True,
        color_depth=_DEPTHS[colors],
        input=create_input(),
        output=create_output(sys.stdout),
    )
    app.ttimeoutlen = app.timeoutlen = _PATIENCE
    guard.app = app
    return app


def _run(app: Application[None]) -> None:
    """Run it in an event loop of its own: the user's is neither replaced nor closed."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        _run_here(app)
        return
    # The cell awaits something: no second loop may run in its thread.
    failed: list[BaseException] = []

    def run() -> None:
        try:
            _run_here(app)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    if failed:
        raise failed[0]


def _run_here(app: Application[None]) -> None:
    loop = asyncio.new_event_loop()
    try:
        loop.run_until_complete(app.run_async())
    finally:
        loop.close()


class _Guard:
    """Runs what may fail or be interrupted: the error ends the explorer, and is raised there.

    prompt_toolkit would show an error above the screen and wait for a key.
    """

    app: Application[None]

    def __call__(self, does: Callable[[], Any]) -> Any:
        """What it returns; None where it fails."""
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
    """Let Ctrl-C raise KeyboardInterrupt meanwhile: in a full screen it is a key like any other."""
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
    """Whether Ctrl-C is a signal: all else of the terminal's mode stays."""
    import termios

    mode = termios.tcgetattr(terminal)
    mode[3] = mode[3] | termios.ISIG if on else mode[3] & ~termios.ISIG
    termios.tcsetattr(terminal, termios.TCSANOW, mode)


class _Screen(UIControl):
    """The whole screen."""

    def __init__(self, browser: ExplorerState, guard: _Guard) -> None:
        self._browser, self._guard = browser, guard

    def create_content(self, width: int, height: int) -> UIContent:
        """Its lines as they are now."""
        lines = self._guard(lambda: compose_screen(self._browser, width, height)) or [[]]
        return UIContent(lambda number: lines[number], len(lines), show_cursor=False)


def _bindings(browser: ExplorerState, guard: _Guard) -> KeyBindings:
    bindings = KeyBindings()

    def bind(keys: Sequence[Key], *modes: str) -> None:
        there = Condition(lambda: browser.mode in modes)
        for key in keys:
            bindings.add(key.name, filter=there, eager=True)(_press(browser, guard, key.does))

    bind(KEYS, "grid", "large")
    bind(HELPING, "help")
    bind(FINDING, "find")
    bind(ALWAYS, "grid", "large", "help", "find")

    @bindings.add("<any>", filter=Condition(lambda: browser.mode == "find"))
    @bindings.add("<bracketed-paste>", filter=Condition(lambda: browser.mode == "find"))
    def _(event: KeyPressEvent) -> None:
        guard(lambda: type_in(browser, event.data))

    return bindings


def _press(
    browser: ExplorerState, guard: _Guard, does: Callable[[ExplorerState], None]
) -> Callable[[KeyPressEvent], None]:
    """What happens when a key is pressed that does that."""

    def handle(event: KeyPressEvent) -> None:
        browser.message = ""
        guard(lambda: does(browser))
        if browser.done and event.app.future and not event.app.future.done():
            event.app.exit()

    return handle
