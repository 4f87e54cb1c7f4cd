"""The README, the notebook and the terminal session, run as a reader would."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

from featmagic.shell.options import flag
from featmagic.view import View

ROOT = Path(__file__).parent.parent
EXAMPLES = ROOT / "examples"


@pytest.fixture(scope="module")
def hiragana():
    sys.path.insert(0, str(EXAMPLES))
    import hiragana

    yield hiragana
    sys.path.remove(str(EXAMPLES))


def test_the_readme_has_every_option_of_the_magics():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    for field in fields(View):
        default = "" if field.default is None else f" ({field.default})"
        metavar = field.metadata["metavar"].replace("|", r"\|")
        row = f"| `{flag(field)} {metavar}` | {field.metadata['help']}{default} |"
        assert row in readme


def test_the_readmes_python_runs(shell):
    """Every line of magics and of Python in the README, in its order, on the tutorial's model."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    assert len(blocks) >= 4
    shell.names["featmagic"] = __import__("featmagic")
    for block in blocks:
        for cell in re.split(r"\n\n(?=%%)", block.replace("%load_ext featmagic\n", "")):
            shell.run(re.sub(r"^feature_maps\.save.*$", "", cell, flags=re.MULTILINE).strip())


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


def test_the_notebook_runs_and_gives_the_outputs_it_is_committed_with():
    committed = nbformat.read(EXAMPLES / "hiragana.ipynb", as_version=4)
    again = nbformat.reads(nbformat.writes(committed), as_version=4)
    NotebookClient(again, resources={"metadata": {"path": str(EXAMPLES)}}, timeout=300).execute()
    for before, after in zip(committed.cells, again.cells, strict=True):
        if before.cell_type == "code":
            assert kinds_of(after) == kinds_of(before), before.source


def kinds_of(cell):
    """What a cell shows, without figures: those may differ in the last digits elsewhere."""
    kinds = []
    for output in cell.outputs:
        if output.output_type == "stream":
            words = re.findall(r"[A-Za-z_]\w*", output.text)
            kinds.append((output.name, tuple(words)))
        else:
            kinds.append((output.output_type, tuple(sorted(output.data))))
    return kinds


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
