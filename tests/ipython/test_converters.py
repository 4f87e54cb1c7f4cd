"""nbconvert's output for a notebook with looks in it: pages, slides, LaTeX and scripts."""

from __future__ import annotations

import ast
import base64
import io
import os
import re
import subprocess
import sys
from html.parser import HTMLParser

import nbformat
import pytest
from helpers.expected import unwrapped
from nbclient import NotebookClient
from PIL import Image

# Code alone: nbconvert writes LaTeX of text by pandoc, which not everyone has.
CELLS = [
    "%load_ext featmagic\n"
    "import torch\n"
    "class DNN(torch.nn.Module):\n"
    "    def __init__(self):\n"
    "        super().__init__()\n"
    "        self.cnn1 = torch.nn.Conv2d(1, 5, kernel_size=5)\n"
    "        self.act1 = torch.nn.LeakyReLU(0.01)\n"
    "    def forward(self, x):\n"
    "        return self.act1(self.cnn1(x))\n"
    "model, x = DNN(), torch.rand(1, 1, 28, 28)",
    "%%featuremaps model cnn1 act1 --cmap gray\ny = model(x)",
    "%featuremaps model act1 --reduce pca -- model(x);",
    "print('shape:', tuple(feature_maps['act1'].shape))",
]
NAMES = ["cnn1", "act1", "act1"]
ENVIRONMENT = {**os.environ, "PYTHONUTF8": "1"}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A folder with `look.ipynb`, which has been run; everything is converted in it."""
    folder = tmp_path_factory.mktemp("converted")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in CELLS])
    client = NotebookClient(notebook, timeout=120, resources={"metadata": {"path": str(folder)}})
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(ENVIRONMENT, "IPYTHONDIR", str(folder / "ipython"))
        client.execute(env=ENVIRONMENT)
        nbformat.write(notebook, folder / "look.ipynb")
        yield folder


def bundles(folder):
    """Return the MIME bundles of the looks in the notebook, in order."""
    notebook = nbformat.read(folder / "look.ipynb", as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.outputs]
    return [output for output in outputs if output.output_type == "display_data"]


def pngs(folder):
    return [base64.b64decode(output.data["image/png"]) for output in bundles(folder)]


def run(folder, *command):
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        encoding="utf-8",
    )


def converted(folder, name, *options):
    """Return the text of the file of that name that `jupyter nbconvert` writes."""
    done = run(folder, "nbconvert", *options, "look.ipynb")
    assert done.returncode == 0, done.stderr
    return (folder / name).read_text(encoding="utf-8")


class Page(HTMLParser):
    """The images of an HTML page, each with the text before it."""

    def __init__(self, html):
        super().__init__()
        self.images, self._text = [], ""
        self.feed(html)

    def handle_starttag(self, tag, attributes):
        if tag == "img":
            self.images.append((dict(attributes), self._text))
            self._text = ""

    def handle_data(self, data):
        self._text += data


@pytest.fixture(
    scope="module",
    params=[
        ("page.html", "--to=html"),
        ("sanitized.html", "--to=html", "--sanitize-html"),
        ("talk.slides.html", "--to=slides"),
    ],
    ids=lambda param: param[0],
)
def page(request, folder):
    name, *options = request.param
    stem = name.split(".")[0]
    return Page(converted(folder, name, *options, f"--output={stem}"))


def test_a_page_holds_the_very_pictures_of_the_notebook_in_their_size(page, folder):
    assert len(page.images) == len(NAMES)
    for (image, _), png in zip(page.images, pngs(folder), strict=True):
        kind, data = image["src"].split(",")
        assert kind == "data:image/png;base64"
        assert base64.b64decode(data) == png
        with Image.open(io.BytesIO(png)) as picture:
            picture.load()
            assert (2 * int(image["width"]), 2 * int(image["height"])) == picture.size


def test_a_page_has_each_caption_above_its_picture(page):
    for (_, before), name in zip(page.images, NAMES, strict=True):
        *_, last = re.findall(r"^\w+  \w+  .*float32", before, re.MULTILINE)
        assert last.split()[0] == name


def test_the_template_that_takes_alt_texts_has_our_sentence(folder):
    """The default template has a fixed alt text, whatever the notebook says."""
    page = Page(converted(folder, "alt.html", "--to=html", "--template=classic", "--output=alt"))

    assert [image["alt"] for image, _ in page.images] == [
        output.data["text/plain"] for output in bundles(folder)
    ]


def test_latex_takes_the_pictures_from_files_beside_it(folder):
    tex = converted(folder, "paper.tex", "--to=latex", "--output=paper")

    files = re.findall(r"\\adjustimage\{.*\}\{(\S+\.png)\}", tex)
    assert [(folder / file).read_bytes() for file in files] == pngs(folder)


@pytest.fixture(scope="module")
def script(folder):
    return converted(folder, "steps.py", "--to=script", "--output=steps")


def test_a_script_runs_the_looks_as_magics_and_prints_their_captions(folder, script):
    calls = [node for node in ast.walk(ast.parse(script)) if isinstance(node, ast.Call)]
    magics = [call for call in calls if getattr(call.func, "attr", "") == "run_cell_magic"]
    assert [[arg.value for arg in call.args] for call in magics] == [
        ["featuremaps", "model cnn1 act1 --cmap gray", "y = model(x)\n"]
    ]
    done = run(folder, "IPython", "--no-banner", "--no-term-title", "--colors=NoColor", "steps.py")
    assert done.returncode == 0, done.stderr
    *captions, last = unwrapped(done.stdout).splitlines()
    assert [caption.split()[0] for caption in captions] == NAMES
    assert all("(1, 5, 24, 24) float32 cpu · NCHW, 5 of 5" in caption for caption in captions)
    assert last == "shape: (1, 5, 24, 24)"


def test_a_look_that_fails_in_such_a_script_ends_it_with_its_one_line(folder, script):
    (folder / "wrong.py").write_text(script.replace("model cnn1", "model con1"), encoding="utf-8")

    done = run(folder, "IPython", "--no-banner", "--no-term-title", "--colors=NoColor", "wrong.py")

    assert done.returncode == 1
    lines = (done.stdout + done.stderr).strip().splitlines()
    assert lines == [
        "FeatmagicError: DNN has no layer 'con1'. Did you mean cnn1? %hook model lists all 2."
    ]
