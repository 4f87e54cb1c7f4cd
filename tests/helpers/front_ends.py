"""A Jupyter server, and notebooks on it as a user sees them in a browser."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
from itertools import count, product
from pathlib import Path
from secrets import token_hex

import nbformat
import numpy as np
from PIL import Image

from helpers import TESTS

SECONDS = 120  # what is silent for so long is stuck, on a slow machine too
PLACES = {"lab": "lab/workspaces/{number}/tree", "notebook": "notebooks"}
HEIGHT = 3200  # cells out of sight have no elements, so that all of them are in sight

OPENED = """name => {
    const widget = window.jupyterapp?.shell.currentWidget;
    return widget?.context?.path === name && widget.context.isReady;
}"""
READY = """async () => {
    const { content, sessionContext } = jupyterapp.shell.currentWidget;
    await sessionContext.ready;
    await sessionContext.session.kernel.info;
    await Promise.all(content.widgets.map(cell => cell.ready));
}"""
TRUSTED = """() => {
    const cells = jupyterapp.shell.currentWidget.content.widgets;
    return cells.filter(cell => cell.model.type === "code").map(cell => cell.model.trusted);
}"""
COLORS = """element => {
    const grounds = [];
    for (let e = element; e; e = e.parentElement) grounds.push(getComputedStyle(e).backgroundColor);
    return [getComputedStyle(element).color, ...grounds];
}"""


class Server:
    """`jupyter lab` on loopback with a token, in directories without the user's settings.

    JupyterLab's server has Notebook's pages too, as everywhere where both are installed.
    """

    def __init__(self, home: Path):
        self.files = home / "files"
        self.files.mkdir()
        self._token, self._log = token_hex(16), home / "log"
        _set(home, "notification", '{"checkForUpdates": false, "fetchNews": "false"}')
        self._process = subprocess.Popen(
            [
                *(sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root"),
                *("--ip=127.0.0.1", "--ServerApp.port_retries=50"),
                f"--ServerApp.root_dir={self.files}",
                f"--IdentityProvider.token={self._token}",
                # jupyterapp, through which tests wait for what a person sees
                "--LabApp.expose_app_in_browser=True",
                "--JupyterNotebookApp.expose_app_in_browser=True",
            ],
            env=_environment(home),
            cwd=home,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self._url = self._address()

    def _address(self) -> str:
        """Return the address that the server prints once it listens."""
        deadline = threading.Timer(SECONDS, self._process.kill)
        deadline.start()
        said = ""
        for line in self._process.stderr:
            said += line
            if found := re.search(r"http://127\.0\.0\.1:\d+/", line):
                deadline.cancel()
                threading.Thread(target=self._write_log, daemon=True).start()
                return found[0]
        raise RuntimeError(f"The server ended before it listened:\n{said}")

    def _write_log(self) -> None:
        """Keep reading what the server prints: it would block on a full pipe."""
        with self._log.open("w") as log:
            log.writelines(self._process.stderr)

    def url(self, place: str, name: str) -> str:
        return f"{self._url}{place}/{name}?token={self._token}"

    def stop(self) -> None:
        """Stop the server and its kernels."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            raise


def _set(home: Path, plugin: str, settings: str) -> None:
    folder = home / "config" / "lab" / "user-settings" / "@jupyterlab" / "apputils-extension"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{plugin}.jupyterlab-settings").write_text(settings)


def _environment(home: Path) -> dict[str, str]:
    """Return an environment without the user's Jupyter, where kernels can import `helpers`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("JUPYTER")}
    path = [str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **kept,
        "PYTHONPATH": os.pathsep.join(path),
        "JUPYTER_CONFIG_DIR": str(home / "config"),
        "JUPYTER_DATA_DIR": str(home / "data"),
        "JUPYTER_RUNTIME_DIR": str(home / "runtime"),
        "IPYTHONDIR": str(home / "ipython"),
    }


class Notebooks:
    """Notebooks on the server, opened in one of the two front ends."""

    _numbers = count()

    def __init__(self, server: Server, browser, front: str):
        self._server, self._browser, self._front = server, browser, front

    def write(self, notebook) -> str:
        """Write the notebook to the server's folder; return its name."""
        notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3"}
        name = f"{self._front}-{next(self._numbers)}.ipynb"
        nbformat.write(notebook, self._server.files / name)
        return name

    def path(self, name: str) -> Path:
        return self._server.files / name

    def read(self, name: str):
        """Return the notebook as it was saved."""
        return nbformat.read(self._server.files / name, as_version=4)

    def open(self, name: str, *, density: int = 1, width: int = 1200) -> OpenNotebook:
        """Open a notebook in a window `width` CSS pixels wide, of `density` pixels each."""
        size = {"width": width, "height": HEIGHT}
        context = self._browser.new_context(viewport=size, device_scale_factor=density)
        context.set_default_timeout(SECONDS * 1000)
        place = PLACES[self._front].format(number=next(self._numbers))
        page = context.new_page()
        assert page.goto(self._server.url(place, name)).ok
        return OpenNotebook(page, name, density)


class OpenNotebook:
    """A notebook in a page, once it is loaded and its kernel answers."""

    def __init__(self, page, name: str, density: int):
        self.page, self.name, self._density = page, name, density
        self._wait()

    def __enter__(self) -> OpenNotebook:
        return self

    def __exit__(self, *_) -> None:
        self.page.context.close()

    def _wait(self) -> None:
        self.page.wait_for_function(OPENED, arg=self.name)
        self._awaited(READY)

    def _awaited(self, script: str, argument=None):
        """Return the result of the script's promise; Playwright itself would wait forever."""
        late = f"setTimeout(() => no(new Error({json.dumps(script)})), {SECONDS * 1000})"
        late = f"new Promise((_, no) => {late})"
        return self.page.evaluate(f"it => Promise.race([({script})(it), {late}])", argument)

    def command(self, name: str, **arguments):
        """Execute a command of a menu entry, and wait until it is done."""
        run = "([name, arguments]) => jupyterapp.commands.execute(name, arguments)"
        return self._awaited(run, [name, arguments])

    def reload(self) -> None:
        self.page.reload()
        self._wait()

    def trusted(self) -> list[bool]:
        """Return for each code cell whether it is trusted."""
        return self.page.evaluate(TRUSTED)

    def cell(self, number: int):
        return self.page.locator(f'.jp-Notebook .jp-Cell[data-windowed-list-index="{number}"]')

    def outputs(self, number: int):
        return self.cell(number).locator(".jp-Cell-outputArea")

    def captions(self, number: int):
        """Return the elements of what the cell printed."""
        return self.cell(number).locator('[data-mime-type$="stdout"] pre')

    def error(self, number: int):
        return self.cell(number).locator('[data-mime-type$="stderr"] pre')

    def pictures(self, number: int):
        return self.cell(number).locator(".jp-RenderedImage img")

    def drawn(self, picture, expected) -> np.ndarray:
        """Return the screen's pixels where the picture is, `(H, W, RGB)`.

        A browser lays out in fractions of a pixel and draws on whole ones, which may be the next:
        of the places within a pixel this is the one where most is as `expected`.
        """
        picture.scroll_into_view_if_needed()
        picture.evaluate("image => image.decode()")
        screen = np.asarray(Image.open(io.BytesIO(self.page.screenshot())).convert("RGB"))
        box = picture.bounding_box()
        x, y, width, height = (
            round(box[side] * self._density) for side in ("x", "y", "width", "height")
        )
        assert expected.shape == (height, width, 3)
        near = [
            screen[y + down : y + down + height, x + across : x + across + width]
            for down, across in product((0, -1, 1), repeat=2)
        ]
        return max(near, key=lambda seen: (seen == expected).sum())

    def type(self, number: int, text: str, *keys: str) -> None:
        """Replace the cell's source by typing; then press keys."""
        self.cell(number).locator(".cm-content").click()
        for key in ("Control+a", "Delete"):
            self.page.keyboard.press(key)
        self.page.keyboard.type(text)
        for key in keys:
            self.page.keyboard.press(key)

    def source(self, number: int) -> str:
        """Return the cell's source."""
        source = "number => jupyterapp.shell.currentWidget.content.widgets[number].model"
        return self.page.evaluate(f"{source}.sharedModel.getSource()", number)

    def change_theme(self, name: str) -> None:
        self.command("apputils:change-theme", theme=name)
        self.page.wait_for_selector(f'body[data-jp-theme-name="{name}"]', state="attached")


def ground(element) -> np.ndarray:
    """Return red, green and blue of the background of an element's text, 0 to 255."""
    return _together(element.evaluate(COLORS)[1:])


def contrast(element) -> float:
    """Return WCAG's contrast ratio of an element's text to its background, 1 to 21."""
    colors = element.evaluate(COLORS)
    high, low = sorted((_luminance(_together(c)) for c in (colors, colors[1:])), reverse=True)
    return (high + 0.05) / (low + 0.05)


def _together(colors: list[str]) -> np.ndarray:
    """Blend CSS colors, each over those that follow it, over white."""
    seen, light = np.zeros(3), 1.0
    for color in [*colors, "rgb(255, 255, 255)"]:
        *rgb, alpha = [*(float(n) for n in re.findall(r"[\d.]+", color)), 1.0][:4]
        seen, light = seen + light * alpha * np.array(rgb), light * (1 - alpha)
    return seen


def _luminance(color: np.ndarray) -> float:
    parts = color / 255
    linear = np.where(parts <= 0.03928, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(linear @ [0.2126, 0.7152, 0.0722])
