"""Kernel × patch in JupyterLab and in Notebook, with the user's own model in a live kernel."""

from __future__ import annotations

import pytest
import torch
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import expect
from torch import nn

SETUP = """\
%load_ext featmagic
import torch
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Conv2d(2, 3, 3, padding=1), torch.nn.ReLU())
x = torch.randn(1, 2, 8, 8)"""
LOOK = "%featuremaps model --explore -- model(x)"
PLAIN = "%featuremaps model --renderer none -- model(x)"
AGAIN = "feature_maps.explore()"
TRAIN = "with torch.no_grad(): _ = model[0].weight.mul_(2)"

ACTIVE = "jupyterapp.shell.currentWidget.content.activeCellIndex"


@pytest.fixture(scope="module")
def expected():
    """The sums of both channels of the input, and the bias, at channel 1, row 0, column 3."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.ReLU())
    x = torch.randn(1, 2, 8, 8)
    patch = nn.functional.pad(x[0], (1, 1, 1, 1))[:, 0:3, 3:6].double()
    sums = (patch * model[0].weight[1].detach().double()).flatten(1).sum(1)
    return sums, model[0].bias[1].item()


def opened(notebook, cell):
    """Open the panel at a place of the explorer in a cell's output."""
    explorer = notebook.cell(cell).locator("section.featmagic-explorer")
    tile = explorer.get_by_role("listbox", name="Channels").locator('[data-channel="1"]')
    expect(tile).to_be_visible()
    canvas = tile.locator("canvas")
    step = canvas.bounding_box()["width"] / 8
    canvas.click(position={"x": 3.5 * step, "y": 0.5 * step})
    explorer.get_by_role("listbox", name="Channels").press("k")
    return explorer.get_by_role("region", name="Kernel × patch")


def test_the_kernel_tells_the_sum_of_a_place_and_why_there_is_none(notebooks, expected):
    sums, bias = expected
    cells = [SETUP, LOOK, "", "", ""]
    name = notebooks.write(new_notebook(cells=[new_code_cell(cell) for cell in cells]))
    with notebooks.open(name) as notebook:
        for _ in range(2):
            notebook.command("notebook:run-cell-and-select-next")
        panel = opened(notebook, 1)
        # The key is the explorer's alone: in the notebook, it would go to the cell above.
        assert notebook.page.evaluate(ACTIVE) == 1
        most = sums.abs().argmax().item()
        total = f"total with bias {bias:.4g}: {sums.sum().item() + bias:.4g}"
        expect(panel).to_contain_text(f"sum over channel {most} of 2: {sums[most]:.4g} · {total}")
        panel.get_by_label("Input channel", exact=True).fill(str(1 - most))
        told = f"sum over channel {1 - most} of 2: {sums[1 - most]:.4g} · {total}"
        expect(panel).to_contain_text(told)
        for cell, code in enumerate((TRAIN, PLAIN, AGAIN), 2):
            notebook.type(cell, code, "Control+Enter")
        later = opened(notebook, 4)
        expect(later).to_contain_text("The input of 0 was not kept: %%featuremaps MODEL --explore")
        notebook.cell(1).get_by_role("listbox", name="Channels").press("Shift+ArrowRight")
        expect(panel).to_contain_text("The weights of 0 have changed since the pass")
