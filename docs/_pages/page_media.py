"""What a page shows besides pictures: saved explorers, and the screens of a real terminal."""

from __future__ import annotations

import html
import os
import shutil
import signal
import sys
from pathlib import Path
from time import monotonic

import pexpect
import pyte
from IPython.display import HTML

_SECONDS = 300
_NAMES = {
    "black": "#000000",
    "red": "#cd3131",
    "green": "#0dbc79",
    "brown": "#e5e510",
    "blue": "#2472c8",
    "magenta": "#bc3fbc",
    "cyan": "#11a8cd",
    "white": "#e5e5e5",
}


def saved_page(path: str, title: str, folder: str = "../", height: int = 640) -> HTML:
    """Show a saved explorer in a frame of the documentation's page, with a link to it.

    Args:
        path: The file, which is copied to where the build takes it from.
        title: What the frame shows.
        folder: How the page gets to the top of the site: `../` from a folder.
        height: The height of the frame in CSS pixels.
    """
    files = Path(os.environ["FEATMAGIC_DOCS_FILES"])
    files.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, files)
    source = html.escape(f"{folder}_files/{Path(path).name}")
    title = html.escape(title)
    return HTML(
        f'<iframe class="saved-page" src="{source}" title="{title}" height="{height}" '
        f'loading="lazy"></iframe><p><a href="{source}">Open this explorer on its own page</a></p>'
    )


class Terminal:
    """An IPython in a pseudo-terminal whose screen can be shown on a page."""

    def __init__(self, setup: str, columns: int = 100, rows: int = 40) -> None:
        environment = {
            **os.environ,
            "TERM": "xterm-256color",
            "COLORTERM": "truecolor",
            "PYTHONWARNINGS": "ignore",
        }
        for name in ("NO_COLOR", "TERM_PROGRAM", "KITTY_WINDOW_ID", "MPLBACKEND"):
            environment.pop(name, None)
        options = ["--no-banner", "--no-term-title", "--colors=NoColor", "--no-confirm-exit"]
        self._child = pexpect.spawn(
            sys.executable,
            ["-m", "IPython", *options, "-i", "-c", setup],
            env=environment,
            dimensions=(rows, columns),
            encoding="utf-8",
            timeout=_SECONDS,
        )
        self._screen = pyte.Screen(columns, rows)
        self._stream = pyte.Stream(self._screen)
        self._prompt = 1
        self._read_until(self._is_at_prompt)

    def run(self, *lines: str) -> HTML:
        """Type these lines, and return the screen when the last one is done."""
        for line in lines:
            self._prompt += 1
            self._child.send(line + "\r")
            self._read_until(self._is_at_prompt)
        return self.shown()

    def open(self, line: str, waits_for: str) -> HTML:
        """Type a line that opens a full screen; return it once it has a text."""
        self._prompt += 1
        self._child.send(line + "\r")
        return self.press("", waits_for)

    def press(self, keys: str, waits_for: str) -> HTML:
        """Press keys; return the screen once it has a text."""
        self._child.send(keys)
        self._read_until(lambda: waits_for in "\n".join(self._screen.display))
        return self.shown()

    def shown(self) -> HTML:
        """Return the screen as HTML."""
        rows = ["".join(self._spans(row)).rstrip() for row in range(self._screen.lines)]
        while rows and not rows[-1]:
            rows.pop()
        return HTML(
            '<pre class="terminal" role="img" aria-label="Screen of a terminal" tabindex="0">'
            + "\n".join(rows)
            + "</pre>"
        )

    def close(self) -> None:
        """End IPython."""
        if self._child.isalive():  # a busy machine takes its time to end one that is asked to
            self._child.kill(signal.SIGKILL)
            self._child.wait()
        self._child.close()

    def _spans(self, row: int) -> list[str]:
        """Return the row's cells, with a `span` for each run of one style."""
        spans: list[tuple[str, str]] = []
        cells = [self._screen.buffer[row][column] for column in range(self._screen.columns)]
        while cells and cells[-1].data == " " and cells[-1].bg == "default":
            cells.pop()
        for cell in cells:
            style = _style(cell)
            if spans and spans[-1][0] == style:
                spans[-1] = (style, spans[-1][1] + cell.data)
            else:
                spans.append((style, cell.data))
        return [
            f'<span style="{style}">{html.escape(text)}</span>' if style else html.escape(text)
            for style, text in spans
        ]

    def _is_at_prompt(self) -> bool:
        lines = "\n".join(self._screen.display).rstrip()
        return f"In [{self._prompt}]:" in lines.splitlines()[-1] if lines else False

    def _read_until(self, holds: object) -> None:
        start = monotonic()
        while not holds():  # type: ignore[operator]
            if monotonic() - start > _SECONDS:
                raise TimeoutError("\n".join(self._screen.display))
            try:
                self._stream.feed(self._child.read_nonblocking(65536, timeout=1))
            except pexpect.TIMEOUT:
                continue
        self._settle()

    def _settle(self) -> None:
        """Read what still comes, until nothing comes for a moment."""
        while True:
            try:
                self._stream.feed(self._child.read_nonblocking(65536, timeout=0.3))
            except pexpect.TIMEOUT:
                return


def _style(cell: pyte.screens.Char) -> str:
    """Return the inline style of a cell; empty for plain text."""
    front, back = _color(cell.fg), _color(cell.bg)
    if cell.reverse:
        front, back = back or "#1e1e1e", front or "#d4d4d4"
    parts = [f"color:{front}" if front else "", f"background:{back}" if back else ""]
    parts.append("font-weight:bold" if cell.bold else "")
    return ";".join(part for part in parts if part)


def _color(name: str) -> str:
    """Return a CSS color for a color of pyte's; empty for the default."""
    if name == "default":
        return ""
    return _NAMES.get(name.removeprefix("bright"), f"#{name}")
