"""The README, the notebooks and the terminal session, run as a reader would."""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
from base64 import b64decode
from pathlib import Path

import nbformat
import pytest
import torch
from nbclient import NotebookClient
from nbconvert import ScriptExporter
from PIL import Image

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def hiragana():
    sys.path.insert(0, str(EXAMPLES))
    import hiragana

    yield hiragana
    sys.path.remove(str(EXAMPLES))


def blocks_of(name):
    """The code blocks of a page, and the magics in its sentences and tables."""
    text = (ROOT / name).read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    spans = re.findall(r"`(%%?featuremaps [^`]*)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    assert len(blocks) >= 2
    assert len(spans) >= 5
    return blocks, spans


def cells_of(block):
    return re.split(r"\n\n(?=%%)", block.replace("%load_ext featmagic\n", "").strip())


def test_the_readmes_lines_run(shell, tmp_path, monkeypatch):
    """On a ResNet, as the README says, in the order of the page."""
    torchvision = pytest.importorskip("torchvision")
    monkeypatch.chdir(tmp_path)
    shell.names["model"] = torchvision.models.resnet18()
    shell.names["x"] = torch.randn(1, 3, 224, 224)
    blocks, spans = blocks_of("README.md")
    for cell in (cell for block in blocks for cell in cells_of(block)):
        shell.run(cell)
    assert tmp_path.joinpath("conv1.png").read_bytes().startswith(b"\x89PNG")
    for line in spans:
        shell.run(f"{line}\nmodel(x);" if line.startswith("%%") else line)


def test_the_japanese_readmes_lines_run(shell, tmp_path, monkeypatch):
    """On the network of the course."""
    monkeypatch.chdir(tmp_path)
    blocks, spans = blocks_of("README.ja.md")
    for cell in (cell for block in blocks for cell in cells_of(block)):
        shell.run(cell)
    shell.run("%featuremaps model cnn1 act1 pool1 -- model(x);")
    for line in spans:
        shell.run(f"{line}\nmodel(x);" if line.startswith("%%") else line)
    assert tmp_path.joinpath("cnn1.png").read_bytes().startswith(b"\x89PNG")


def test_the_network_reads_drawings_it_has_never_seen(hiragana):
    """Another 1,000 drawings, that had no say in when to stop."""
    import torch

    torch.manual_seed(3)
    model = hiragana.DNN()
    x, labels = hiragana.draw_set(seed=0)
    assert x.shape == (1000, 1, 28, 28)
    assert labels.bincount().tolist() == [200] * 5
    *_, share = hiragana.train(model, x, labels, hiragana.draw_set(seed=1))
    assert share > 0.95
    assert hiragana.accuracy(model, *hiragana.draw_set(seed=2)) > 0.9


@pytest.mark.parametrize("name", ["hiragana", "hiragana_ja", "parallel"])
def test_the_notebook_runs_and_gives_the_outputs_it_is_committed_with(name, tmp_path):
    committed = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
    again = nbformat.reads(nbformat.writes(committed), as_version=4)
    client = NotebookClient(again, resources={"metadata": {"path": str(EXAMPLES)}}, timeout=300)
    client.execute(env={**os.environ, "IPYTHONDIR": str(tmp_path)})
    for before, after in zip(committed.cells, again.cells, strict=True):
        if before.cell_type == "code":
            assert kinds_of(after) == kinds_of(before), before.source


def kinds_of(cell):
    """What a cell shows, without figures: those may differ in the last digits elsewhere."""
    kinds = []
    for output in cell.outputs:
        if output.get("data") == {"text/plain": ""}:  # a bar was there, on a slow computer
            continue
        if output.output_type == "stream":
            text = re.sub(r" · title set in [^·\n]+", "", output.text)  # which fonts there are
            words = tuple(re.findall(r"[A-Za-z_]\w*", text))
            if kinds and kinds[-1][0] == output.name:  # printed at once, sent in two
                words = kinds.pop()[1] + words
            kinds.append((output.name, words))
        else:
            kinds.append((output.output_type, tuple(sorted(output.data))))
    return kinds


@pytest.fixture
def without_network(tmp_path):
    """An environment where nothing can be downloaded, and nothing was before."""
    nobody_listens = "http://127.0.0.1:9"
    proxies = {"https_proxy": nobody_listens, "http_proxy": nobody_listens, "no_proxy": ""}
    return {**os.environ, **proxies, "TORCH_HOME": str(tmp_path), "IPYTHONDIR": str(tmp_path)}


@pytest.mark.parametrize("name", ["vgg_resnet", "vit_swin"])
def test_the_notebooks_on_photographs_run_without_a_network_and_show_what_they_are_committed_with(
    name, without_network
):
    committed = nbformat.read(EXAMPLES / f"{name}.ipynb", as_version=4)
    again = nbformat.reads(nbformat.writes(committed), as_version=4)
    client = NotebookClient(again, resources={"metadata": {"path": str(EXAMPLES)}}, timeout=300)
    client.execute(env=without_network)
    for before, after in zip(committed.cells, again.cells, strict=True):
        if before.cell_type == "code":
            assert said_in(after) == said_in(before), before.source
            assert sizes_in(after) == sizes_in(before), before.source


def said_in(cell):
    """What a cell says, but for what was measured and which weights there were.

    Where there are pictures their captions count, not what was printed, which is broken into lines.
    """
    if pictures := pictures_in(cell):
        return [settled(output.data["text/plain"]) for output in pictures]
    said = [o.text if o.output_type == "stream" else o.data["text/plain"] for o in cell.outputs]
    return re.sub(r": (random weights|weights trained).*", "", "".join(said))


def settled(caption):
    """A caption's names, shapes, layouts, counts and colors.

    What is measured differs in its last digits between machines; what a random channel is (dead,
    another's double, beyond its range) hangs on them.
    """
    if rows := re.findall(r"^(\S+, \w+, \([^)]*\)), ", caption, re.MULTILINE):
        return rows  # of an overview
    parts = re.sub(r",? \d+ clipped| size \d+x\d+", "", caption).split("; ")
    return [part for part in parts if not re.search(r", mean \S+, std ", part)]


def sizes_in(cell):
    """The size of each picture on the page, which has as many pixels each way or twice as many."""
    sizes = []
    for output in pictures_in(cell):
        with Image.open(io.BytesIO(b64decode(output.data["image/png"]))) as picture:
            picture.load()
            own = picture.size
        promised = output.metadata.get("image/png")
        # a figure has no promised size: matplotlib trims it to the letters on it
        size = promised and (promised["width"], promised["height"])
        assert size in (None, own, tuple(side / 2 for side in own))
        sizes.append(size)
    return sizes


def pictures_in(cell):
    return [output for output in cell.outputs if "image/png" in output.get("data", {})]


@pytest.mark.parametrize("name", ["hiragana", "hiragana_ja", "parallel", "vgg_resnet", "vit_swin"])
def test_a_committed_notebook_is_small_and_says_nothing_of_the_machine_it_ran_on(name):
    path = EXAMPLES / f"{name}.ipynb"
    assert path.stat().st_size < 4_000_000  # two pixels to a CSS pixel
    notebook = nbformat.read(path, as_version=4)
    assert notebook.metadata.kernelspec.name == "python3"
    assert notebook.metadata.language_info == {"name": "python", "nbconvert_exporter": "python"}
    for cell in notebook.cells:
        assert not cell.metadata
        for output in cell.get("outputs", []):
            assert output.get("name") != "stderr"
            text = output.get("text") or output.data["text/plain"]
            assert not re.search(r"(?i)/home/|/root|/users/|/tmp|[a-z]:\\|warning", text)


@pytest.mark.parametrize("name", ["hiragana", "hiragana_ja", "vgg_resnet", "vit_swin"])
def test_a_committed_notebook_becomes_a_script_that_calls_the_magics(name):
    script, resources = ScriptExporter().from_filename(EXAMPLES / f"{name}.ipynb")
    assert resources["output_extension"] == ".py"
    assert "get_ipython().run_line_magic('load_ext', 'featmagic')" in script


def test_the_terminal_session_runs():
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--no-banner", "--colors=NoColor", "hiragana.ipy"],
        cwd=EXAMPLES,
        capture_output=True,
        text=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONUTF8": "1"},
    )
    assert done.returncode == 0, done.stderr
    for caption in ("cnn1  Conv2d  (1, 5, 24, 24)", "act1  LeakyReLU", "pool1  MaxPool2d"):
        assert caption in done.stdout
    assert "cnn1: torch.Size([1, 5, 24, 24])" in done.stdout
