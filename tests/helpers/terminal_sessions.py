"""The explorer in a real terminal: an IPython, its screen read cell by cell, keys pressed."""

from __future__ import annotations

import re
import sys

import numpy as np
import pytest

from helpers import TESTS
from helpers.terminals import end, environment, rgb

pexpect = pytest.importorskip("pexpect")
pyte = pytest.importorskip("pyte")

SECONDS = 120  # a terminal that doesn't come to show something for so long never will
ROWS, COLUMNS = 40, 130
KEYS = {
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "page down": "\x1b[6~",
    "page up": "\x1b[5~",
    "enter": "\r",
    "escape": "\x1b",
    "tab": "\t",
    "ctrl-c": "\x03",
    "ctrl-d": "\x04",
}


class Screen(pyte.Screen):
    """A terminal's screen that has a second one for full screens, as xterm has."""

    first = None

    def set_mode(self, *modes, **kwargs):
        if modes == (1049,) and self.first is None:
            self.first = self.buffer.copy(), self.cursor
            self.cursor = pyte.screens.Cursor(0, 0)
            self.reset_buffer()
        super().set_mode(*modes, **kwargs)

    def reset_mode(self, *modes, **kwargs):
        if modes == (1049,) and self.first is not None:
            self.buffer.clear()
            (found, self.cursor), self.first = self.first, None
            self.buffer.update(found)
        super().reset_mode(*modes, **kwargs)

    def reset_buffer(self):
        self.buffer.clear()
        self.dirty.update(range(self.lines))


class Session:
    """An IPython in a terminal of its own; nothing that it asks of the terminal is answered."""

    def __init__(self, folder, setup, *options, **variables):
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "IPython", "--no-banner", "--no-term-title", "--colors=NoColor", *options],
            cwd=str(TESTS),
            env=environment(folder, **variables),
            dimensions=(ROWS, COLUMNS),
            encoding="utf-8",
            timeout=SECONDS,
        )
        self.screen, self.received = Screen(COLUMNS, ROWS), ""
        self.stream = pyte.Stream(self.screen)
        (folder / "setup.py").write_text(setup)
        self.prompt = 1
        self.until(self.at_prompt)
        self.run(f"%run {folder / 'setup.py'}")

    def resize(self, columns, rows):
        # The first screen is resized while it is seen, so that it is as wide as what comes back.
        self.screen.resize(rows, columns)
        self.child.setwinsize(rows, columns)

    def until(self, holds, *, why=""):
        """Read until the screen is as it should be."""
        while not holds():
            try:
                text = self.child.read_nonblocking(65536, timeout=SECONDS)
            except pexpect.TIMEOUT:
                pytest.fail("never came: " + why + "\n" + "\n".join(self.lines()))
            self.received += text
            self.stream.feed(text)

    def lines(self):
        return [line.rstrip() for line in self.screen.display]

    def shows(self, *texts):
        """Wait until all these texts are on the screen."""
        self.until(lambda: all(text in "\n".join(self.lines()) for text in texts), why=str(texts))

    def at_prompt(self):
        prompts = re.findall(r"In \[(\d+)\]:", "\n".join(self.lines()))
        return self.screen.first is None and bool(prompts) and prompts[-1] == str(self.prompt)

    def run(self, line):
        """A line of the user's, and what stands on the screen when the next prompt is there."""
        self.open(line)
        self.until(self.at_prompt, why=f"the prompt after {line}")
        return "\n".join(self.lines())

    def open(self, line):
        self.prompt += 1
        self.received = ""
        self.child.send(line + "\r")

    def explore(self, line):
        """Open an explorer; wait for its status."""
        self.open(line)
        self.until(lambda: self.screen.first is not None and "q quit" in self.status())

    def press(self, *keys):
        for key in keys:
            self.child.send(KEYS.get(key, key))

    def status(self):
        return self.lines()[-1]

    def leave(self, key="q"):
        self.press(key)
        self.until(self.at_prompt, why=f"the prompt after {key}")

    # What is on the screen

    def chosen(self):
        """The line of the chosen layer, as words; none while the screen is being drawn."""
        found = [line for line in self.lines() if line.startswith("> ")]
        return re.split(r"[│|]", found[0])[0].split()[1:] if len(found) == 1 else [""]

    def tiles(self):
        """The tiles by their labels, in order: the colors `(H, W, RGB)` of their pixels."""
        found = {}
        bars = [line.find("│") for line in self.screen.display]
        for y, line in enumerate(self.screen.display):
            right = line[bars[y] + 1 :]
            if re.fullmatch(r" *(\d+( [▁-█])?( [×↑↓]+)? *)+", right):
                for match in re.finditer(r"\d+", right):
                    if (tile := self._tile(y + 1, match.start() + bars[y] + 1)) is not None:
                        found[match[0]] = tile
        return found

    def _tile(self, top, left):
        """The colors of the tile that begins there; None where there is none."""
        lines = []
        for y in range(top, self.screen.lines):
            cells = self.screen.buffer[y]
            wide = next(x for x in range(left, self.screen.columns + 1) if cells[x].data != "▀")
            if wide == left or (lines and wide - left != len(lines[0])):
                break
            lines.append([cells[x] for x in range(left, wide)])
        rows = [[getattr(c, half) for c in line] for line in lines for half in ("fg", "bg")]
        # An uneven tile ends in the middle of a line.
        rows = [row for row in rows if "default" not in row]
        return np.array([[rgb(color) for color in row] for row in rows]) if rows else None

    def close(self):
        end(self.child)


def sessions_of(tmp_path_factory, setup):
    """Yield `session(TERM=..., ...)`: one in that environment; each is started once."""
    started = {}

    def session(*options, **variables):
        key = options, tuple(variables.items())
        if key in started and not started[key].at_prompt():  # a test failed in it
            started.pop(key).close()
        if key not in started:
            folder = tmp_path_factory.mktemp("ipython")
            options = options or ["--simple-prompt"]
            started[key] = Session(folder, setup, *options, **variables)
        started[key].resize(COLUMNS, ROWS)
        started[key].run("print('\\n' * 50)")
        return started[key]

    yield session
    for one in started.values():
        one.close()
