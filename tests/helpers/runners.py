"""Notebooks with a look that succeeds or fails, and the programs that run them."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import nbformat

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
ESCAPE = re.compile(r"(?:\x1b|#x1B)\[[0-9;]*m")  # in JUnit's XML they are spelled out


def write_notebook(folder, name):
    """Write a notebook with that look, followed by a cell that writes a file."""
    cells = [nbformat.v4.new_code_cell(source) for source in (NETWORK, LOOKS[name], AFTER)]
    kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
    notebook = nbformat.v4.new_notebook(cells=cells, metadata={"kernelspec": kernel})
    nbformat.write(notebook, folder / "look.ipynb")


def run(folder, *command):
    """Run a module of Python in the folder; return its status and what it printed."""
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
