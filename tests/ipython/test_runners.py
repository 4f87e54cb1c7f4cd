"""Notebooks that a program runs: a look that fails ends the run and says why.

test_kernel.py runs them by `NotebookClient` itself, as Quarto does.
"""

from __future__ import annotations

import nbformat
import pytest
from helpers.runners import REASONS, assert_ends_with, run, write_notebook

TOOLS = {
    "jupyter execute": ("jupyter", "execute", "look.ipynb", "--output=ran"),
    "nbconvert": ("nbconvert", "--to=notebook", "--execute", "--output=ran", "look.ipynb"),
    "papermill": ("papermill", "look.ipynb", "ran.ipynb"),
}
# jupyter execute and nbconvert are the same nbclient behind two commands.
FAILING = [*(("jupyter execute", name) for name in REASONS), ("nbconvert", "wrong layer")]


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
