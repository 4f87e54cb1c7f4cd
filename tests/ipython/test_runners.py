"""Notebooks that a program runs: a look that fails ends the run and says why.

test_kernel.py runs them by `NotebookClient` itself, as Quarto does.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from xml.etree import ElementTree

import nbformat
import pytest

NETWORK = """\
%load_ext featmagic
import torch

class DNN(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.cnn1 = torch.nn.Conv2d(1, 5, kernel_size=5)
        self.act1 = torch.nn.ReLU()

    def forward(self, x):
        return self.act1(self.cnn1(x))

model, x = DNN(), torch.rand(1, 1, 28, 28)
"""
LOOKS = {
    "good": "%%featuremaps model cnn1\ny = model(x)",
    "wrong layer": "%%featuremaps model con1\ny = model(x)",
    "own error": "%%featuremaps model cnn1\ny = model(x)\n1 / 0",
    "no forward": "%%featuremaps model cnn1\n1 + 1",
}
REASONS = {
    "wrong layer": "FeatmagicError: DNN has no layer 'con1'. Did you mean cnn1? "
    "%hook model lists all 2.",
    "own error": "ZeroDivisionError: division by zero",
    "no forward": "FeatmagicError: No forward pass of model ran in this cell.",
}
AFTER = "open('after.txt', 'w').close()"
TOOLS = {
    "jupyter execute": ("jupyter", "execute", "look.ipynb", "--output=ran"),
    "nbconvert": ("nbconvert", "--to=notebook", "--execute", "--output=ran", "look.ipynb"),
    "papermill": ("papermill", "look.ipynb", "ran.ipynb"),
}
# jupyter execute and nbconvert are the same nbclient behind two commands.
FAILING = [*(("jupyter execute", name) for name in REASONS), ("nbconvert", "wrong layer")]
ESCAPE = re.compile(r"(?:\x1b|#x1B)\[[0-9;]*m")  # in JUnit's XML they are spelled out


def write_notebook(folder, name):
    """Write a notebook with that look, followed by a cell that writes a file."""
    cells = [nbformat.v4.new_code_cell(source) for source in (NETWORK, LOOKS[name], AFTER)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / "look.ipynb")


def run(folder, *command):
    environment = {**os.environ, "IPYTHONDIR": str(folder / "ipython"), "PYTHONUTF8": "1"}
    done = subprocess.run(
        [sys.executable, "-m", *command],
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
    )
    return done.returncode, done.stdout


def assert_ends_with(reason, said):
    """The output ends with the reason, and shows no frame of featmagic before it."""
    assert ESCAPE.sub("", said).rstrip().splitlines()[-1] == reason
    assert "featmagic/ipython" not in said


@pytest.mark.parametrize("tool", TOOLS)
def test_a_notebook_with_a_look_runs_to_its_end(tool, tmp_path):
    write_notebook(tmp_path, "good")

    status, said = run(tmp_path, *TOOLS[tool])

    assert status == 0, said
    assert (tmp_path / "after.txt").exists()
    _, look, _ = nbformat.read(tmp_path / "ran.ipynb", as_version=4).cells
    assert [output.output_type for output in look.outputs] == ["stream", "display_data"]


@pytest.mark.parametrize(("tool", "name"), FAILING)
def test_a_look_that_fails_ends_the_run_with_its_one_line(tool, name, tmp_path):
    write_notebook(tmp_path, name)

    status, said = run(tmp_path, *TOOLS[tool])

    assert status != 0
    assert_ends_with(REASONS[name], said)
    assert not (tmp_path / "after.txt").exists()


@pytest.mark.parametrize("name", REASONS)
def test_papermill_ends_with_the_line_too_and_leaves_it_in_the_notebook(name, tmp_path):
    write_notebook(tmp_path, name)

    status, said = run(tmp_path, *TOOLS["papermill"])

    assert status != 0
    assert_ends_with(REASONS[name], said)
    left = nbformat.read(tmp_path / "ran.ipynb", as_version=4)
    *_, look, after = [cell for cell in left.cells if cell.cell_type == "code"]
    *_, error = look.outputs
    assert (error.output_type, f"{error.ename}: {error.evalue}") == ("error", REASONS[name])
    assert after.execution_count is None
    assert not (tmp_path / "after.txt").exists()


@pytest.fixture(scope="module")
def by_nbmake(tmp_path_factory):
    """What pytest reports for each notebook: the failure, or None for one that passed."""
    folder = tmp_path_factory.mktemp("nbmake")
    for name in LOOKS:
        (folder / name).mkdir()
        write_notebook(folder / name, name)

    pytest_options = ("--nbmake", "--junitxml=report.xml", "-p", "no:cacheprovider")
    status, said = run(folder, "pytest", *pytest_options)

    assert status == 1, said
    cases = ElementTree.parse(folder / "report.xml").iter("testcase")
    return folder, {
        name: case.find("failure") for name, case in zip(sorted(LOOKS), cases, strict=True)
    }


def test_nbmake_passes_a_notebook_with_a_look(by_nbmake):
    folder, failures = by_nbmake

    assert failures["good"] is None
    assert (folder / "good" / "after.txt").exists()


@pytest.mark.parametrize("name", REASONS)
def test_nbmake_fails_a_notebook_whose_look_fails_and_reports_its_one_line(by_nbmake, name):
    folder, failures = by_nbmake

    assert_ends_with(REASONS[name], failures[name].text)
    assert not (folder / name / "after.txt").exists()
