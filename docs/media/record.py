"""Record the README's pictures: `make readme-media`.

Every picture is what a person sees. JupyterLab runs in Chromium, cells are typed and run, and the
pointer moves; a terminal is an IPython on a pseudo-terminal, whose screen is drawn as a page. The
pictures are written beside this file.
"""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from helpers.front_ends import Notebooks, OpenNotebook, Server
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image
from playwright.sync_api import Browser, Locator, Page, sync_playwright

HERE = Path(__file__).resolve().parent
EXAMPLES = HERE.parents[1] / "examples"
SIZE = (1280, 800)  # CSS pixels of the window in the animated picture
DENSITY = 1.25  # pixels to a CSS pixel
QUALITY = 80  # of WebP, of 100
MOST_FRAMES = 200
CELL = '.jp-Notebook .jp-Cell[data-windowed-list-index="{}"]'

SETUP = f"""\
import sys
sys.path.insert(0, {str(EXAMPLES)!r})
import torch
torch.manual_seed(0)
"""
MODEL = """\
import torchvision
from photographs import photographs
model, x = torchvision.models.resnet18().eval(), photographs()[:1]"""
LOOK = "%%featuremaps model conv1\nmodel(x);"
EXPLORER = "%%featuremaps model --explore\nmodel(x);"
# What people want to do: the name of the picture, and the cell.
QUESTIONS = {
    "strongest": "%%featuremaps model layer1.0.conv1 --topk 8 --input\nmodel(x);",
    "comparable": "%%featuremaps model layer1 --max 16 --scale layer --robust\nmodel(x);",
    "overlay": "%%featuremaps model layer2 --overlay --max 4\nmodel(x);",
    "pca": "%%featuremaps model layer1.* layer2.* --reduce pca\nmodel(x);",
    "overview": "%%featuremaps model --overview\nmodel(x);",
    "title": '%%featuremaps model conv1 --max 8 --title "CNN出力 (特徴マップ)"\nmodel(x);',
}
STYLE = "<style>pre { font: 12px/13.5px 'DejaVu Sans Mono'; color: #ddd; padding: 12px; margin: 0; width: max-content; }</style>"  # noqa: E501
TERMINAL = "%featuremaps model layer2 --max 12 -- model(x);"

POINTER = """() => {
    const pointer = document.createElement("div");
    pointer.innerHTML = '<svg width="22" height="22"><path d="M2 1v16l4-4 3 7 3-1-3-7h6z" fill="#111" stroke="#fff"/></svg>';
    Object.assign(pointer.style, { position: "fixed", zIndex: 1e6, pointerEvents: "none", left: "-40px", top: "0" });
    document.body.append(pointer);
    document.addEventListener("mousemove", event => {
        pointer.style.left = `${event.clientX}px`;
        pointer.style.top = `${event.clientY}px`;
    }, true);
}"""  # noqa: E501


@dataclass
class Film:
    """Frames of a page, each with the milliseconds for which it stands."""

    page: Page
    frames: list[Image.Image] = field(default_factory=list)
    durations: list[int] = field(default_factory=list)

    def frame(self, milliseconds: int) -> None:
        """Add what the page shows now; a frame equal to the one before it only lengthens that."""
        picture = picture_of(self.page)
        if self.frames and picture.tobytes() == self.frames[-1].tobytes():
            self.durations[-1] += milliseconds
            return
        if len(self.frames) == MOST_FRAMES:
            raise RuntimeError(f"The story takes more than {MOST_FRAMES} frames: shorten it.")
        self.frames.append(picture)
        self.durations.append(milliseconds)

    def save(self, path: Path) -> None:
        """Write the frames as an animated WebP that begins anew at its end."""
        first, *others = self.frames
        first.save(
            path,
            save_all=True,
            append_images=others,
            duration=self.durations,
            loop=0,
            quality=QUALITY,
            method=4,
        )


def picture_of(what: Page | Locator) -> Image.Image:
    """Return what a page or an element looks like."""
    return Image.open(io.BytesIO(what.screenshot())).convert("RGB")


def quiet(notebook: OpenNotebook) -> None:
    """Leave nothing on the page but the notebook."""
    for command in ("toggle-mode", "toggle-left-area", "toggle-side-tabbar"):
        sides = [{"side": "left"}, {"side": "right"}] if "tabbar" in command else [{}]
        for side in sides:
            notebook.command(f"application:{command}", **side)
    notebook.command("statusbar:toggle")
    notebook.page.add_style_tag(content=".jp-Notebook-footer { display: none !important; }")


@contextmanager
def notebook_of(cells: int, notebooks: Notebooks, size: tuple[int, int]) -> Iterator[OpenNotebook]:
    """Open a notebook of empty cells below one that has run `SETUP`."""
    written = new_notebook(cells=[new_code_cell(SETUP), *(new_code_cell("") for _ in range(cells))])
    path = notebooks.path(notebooks.write(written))
    name = path.rename(path.with_name("feature maps.ipynb")).name
    with notebooks.open(name, density=DENSITY, width=size[0]) as notebook:
        quiet(notebook)
        run(notebook, 0)
        yield notebook


def run(notebook: OpenNotebook, cell: int) -> None:
    """Run a cell, and wait until all of its output stands."""
    activate = "n => { jupyterapp.shell.currentWidget.content.activeCellIndex = n; }"
    notebook.page.evaluate(activate, cell)
    notebook.command("notebook:run-cell")
    has_run = r"prompt => /\[\d+\]/.test(document.querySelector(prompt).textContent)"
    notebook.page.wait_for_function(has_run, arg=f"{CELL.format(cell)} .jp-InputPrompt")
    notebook.page.wait_for_timeout(700)


def record_story(notebooks: Notebooks) -> None:
    """Record the animated picture: the extension is loaded, a grid is shown, then an explorer."""
    with notebook_of(4, notebooks, SIZE) as notebook:
        page = notebook.page
        page.add_style_tag(content=f"{CELL.format(0)} {{ display: none; }}")
        page.set_viewport_size({"width": SIZE[0], "height": SIZE[1]})
        page.evaluate(POINTER)
        film = Film(page)
        notebook.type(1, MODEL)
        run(notebook, 1)
        film.frame(900)
        for cell, source in ((2, "%load_ext featmagic"), (3, LOOK)):
            typed(notebook, cell, source, film)
            film.frame(300)
            run(notebook, cell)
            film.frame(700)
        scroll_to(notebook, 3, film)
        film.frame(2600)
        scroll_to(notebook, 4, film)
        typed(notebook, 4, EXPLORER, film)
        film.frame(300)
        run(notebook, 4)
        explore(notebook, 4, film)
        film.save(HERE / "notebook.webp")


def typed(notebook: OpenNotebook, cell: int, source: str, film: Film) -> None:
    """Type into a cell, a frame for every few letters."""
    notebook.cell(cell).locator(".cm-content").click()
    for start in range(0, len(source), 3):
        notebook.page.keyboard.insert_text(source[start : start + 3])
        film.frame(90)


def scroll_to(notebook: OpenNotebook, cell: int, film: Film, steps: int = 4) -> None:
    """Bring a cell to the top of the window, a frame for every step of the way."""
    where = "cell => cell.getBoundingClientRect().top - 100"
    for left in range(steps, 0, -1):
        far = notebook.cell(cell).evaluate(where) / left
        notebook.page.mouse.move(SIZE[0] / 2, SIZE[1] / 2)
        notebook.page.mouse.wheel(0, far)
        notebook.page.wait_for_timeout(200)
        film.frame(90)


def explore(notebook: OpenNotebook, cell: int, film: Film) -> None:
    """Choose a layer and a channel, and see on the input what a place of it sees."""
    page = notebook.page
    explorer = notebook.cell(cell).locator("section.featmagic-explorer")
    explorer.evaluate("element => element.scrollIntoView({ block: 'start' })")
    page.wait_for_timeout(500)
    film.frame(1200)
    for target in (
        explorer.locator('[role=treeitem][data-layer="maxpool"]'),
        explorer.locator("[data-channel='5']"),
    ):
        move(page, target, film)
        target.click()
        page.wait_for_timeout(400)
        film.frame(1000)
    for number in (9, 13, 6, 1):
        move(page, explorer.locator(f"[data-channel='{number}']"), film)
        film.frame(700)
    film.frame(1500)


def move(page: Page, target: Locator, film: Film, steps: int = 5) -> None:
    """Move the pointer to the middle of an element, a frame for every step."""
    box = target.bounding_box()
    assert box, "the element can't be seen"
    to = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    start = getattr(film, "at", (SIZE[0] / 2, SIZE[1] / 2))
    for step in range(1, steps + 1):
        x, y = (a + (b - a) * step / steps for a, b in zip(start, to, strict=True))
        page.mouse.move(x, y)
        page.wait_for_timeout(60)
        film.frame(60)
    film.at = to


def record_questions(notebooks: Notebooks) -> None:
    """Record one picture for each of `QUESTIONS`: its cell with what is shown below."""
    with notebook_of(len(QUESTIONS) + 1, notebooks, (SIZE[0], 2600)) as notebook:
        notebook.type(1, f"%load_ext featmagic\n{MODEL}")
        run(notebook, 1)
        for cell, (name, source) in enumerate(QUESTIONS.items(), 2):
            notebook.type(cell, source)
            run(notebook, cell)
            picture_of(notebook.cell(cell)).save(HERE / f"{name}.webp", quality=QUALITY, method=6)


def record_terminal(browser: Browser) -> None:
    """Record a look in a terminal with 24-bit colors."""
    sys.path.insert(0, str(HERE.parent / "_pages"))
    from page_media import Terminal

    terminal = Terminal(f"{SETUP}{MODEL}", columns=128, rows=52)
    terminal.run("%load_ext featmagic")
    screen = terminal.run(TERMINAL)
    page = browser.new_page(device_scale_factor=DENSITY)
    page.set_content(f"<body style='margin: 0; background: #1e1e1e'>{STYLE}{screen.data}</body>")
    shown = page.locator("pre").first
    picture_of(shown).save(HERE / "terminal.webp", quality=QUALITY, method=6)
    page.close()


def main() -> None:
    """Record everything."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    if not path:
        sys.exit("There is no Chromium here; `make test-browser` installs one.")
    with TemporaryDirectory() as folder, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        server = Server(Path(folder))
        try:
            notebooks = Notebooks(server, browser, "lab")
            wanted = sys.argv[1:] or ["story", "questions", "terminal"]
            if "story" in wanted:
                record_story(notebooks)
            if "questions" in wanted:
                record_questions(notebooks)
            if "terminal" in wanted:
                record_terminal(browser)
        finally:
            server.stop()
            browser.close()


if __name__ == "__main__":
    main()
