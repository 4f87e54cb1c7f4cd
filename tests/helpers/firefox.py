"""Debian's Firefox, driven over WebDriver BiDi by puppeteer-core in frontend/node_modules."""

from __future__ import annotations

import json
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path
from time import monotonic, sleep

import numpy as np

from helpers import TESTS
from helpers.explored import DRAWN, SETTLED

SECONDS = 60  # what is silent for so long is stuck, on a slow machine too
FRONTEND = TESTS.parent / "frontend"
DRIVER = FRONTEND / "tests" / "firefox.js"


class Firefox:
    """A window of Firefox, which prefers light or dark pages."""

    def __init__(self, scheme: str = "light"):
        browser = shutil.which("firefox-esr") or shutil.which("firefox")
        assert browser, "There is no Firefox here; `make test-browser` installs one"
        assert shutil.which("node"), "There is no Node here; Firefox is driven by it"
        driver = FRONTEND / "node_modules" / "puppeteer-core"
        assert driver.exists(), "puppeteer-core is missing; `npm ci --prefix frontend` installs it"
        self._process = subprocess.Popen(
            ["node", str(DRIVER), browser, scheme],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self.version = self.ask("version")

    def ask(self, command: str, **inputs):
        """Have a command of firefox.js carried out; return its result."""
        watchdog = threading.Timer(SECONDS, self._process.kill)
        watchdog.start()
        try:
            self._process.stdin.write(json.dumps({"command": command, **inputs}) + "\n")
            self._process.stdin.flush()
            line = self._process.stdout.readline()
        finally:
            watchdog.cancel()
        assert line, f"Firefox's driver ended while it was to {command} {inputs}"
        reply = json.loads(line)
        assert "error" not in reply, reply["error"]
        return reply["result"]

    def open(self, path: Path, width: int = 1200, height: int = 900) -> None:
        self.ask("open", url=path.as_uri(), width=width, height=height)

    def evaluate(self, script: str, argument=None):
        return self.ask("evaluate", script=script, argument=argument)

    def click(self, selector: str) -> None:
        self.ask("click", selector=selector)

    def press(self, *keys: str) -> None:
        for key in keys:
            self.ask("press", key=key)

    def attribute(self, selector: str, name: str) -> str | None:
        script = "([at, name]) => document.querySelector(at)?.getAttribute(name)"
        return self.evaluate(script, [selector, name])

    def text(self, selector: str) -> str:
        return self.evaluate("at => document.querySelector(at)?.textContent ?? ''", selector)

    def count(self, selector: str) -> int:
        return self.evaluate("at => document.querySelectorAll(at).length", selector)

    def drawn(self, selector: str) -> np.ndarray:
        """Return a canvas's pixels, `(H, W, RGB)`, once what was asked for is drawn."""
        self.evaluate(SETTLED)
        script = f"at => ({DRAWN})(document.querySelector(at))"
        height, width, pixels = self.evaluate(script, selector)
        return np.array(pixels, np.uint8).reshape(height, width, 4)[..., :3]

    def close(self) -> None:
        self._process.stdin.close()
        try:
            self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            raise


def eventually(check: Callable[[], bool], told: Callable[[], object] = str) -> None:
    """Wait until something holds, as a person does.

    Args:
        check: Whether it holds.
        told: What there is instead, for the message.
    """
    end = monotonic() + 20
    while not check():
        assert monotonic() < end, told()
        sleep(0.05)
