"""Tab and Shift-Tab in JupyterLab."""

from __future__ import annotations

import pytest
from helpers.front_ends import Notebooks
from nbformat.v4 import new_code_cell, new_notebook
from playwright.sync_api import expect

SETUP = """\
from collections import OrderedDict
from helpers.networks import DNN, Block, images
from torch import nn

model = nn.Sequential(OrderedDict(conv1=nn.Conv2d(1, 4, 3), layer1=nn.Sequential(Block(), Block())))
modest = DNN()
%load_ext featmagic"""
LOOK = "%%featuremaps model conv1 layer1.0\nmodel(images());"
TYPED = 2


@pytest.fixture(scope="module")
def lab(server, browser):
    notebooks = Notebooks(server, browser, "lab")
    cells = [new_code_cell(source) for source in (SETUP, LOOK, "")]
    with notebooks.open(notebooks.write(new_notebook(cells=cells))) as notebook:
        notebook.command("notebook:run-all-cells")
        yield notebook


@pytest.mark.parametrize(
    ("typed", "offered", "accepted"),
    [
        ("%hook mod", {"model": "sequential", "modest": "dnn"}, "%hook model"),
        ("%hook model layer1.", {"0": "block", "1": "block"}, "%hook model layer1.0"),
        ("%%featuremaps model c", {"conv1": "conv2d"}, "%%featuremaps model conv1"),
        ("%featuremaps --cm", {"--cmap": "option"}, "%featuremaps --cmap"),
        (
            "%featuremaps --cmap vir",
            {"viridis": "value", "viridis_r": "value"},
            "%featuremaps --cmap viridis",
        ),
        ('feature_maps["', {'conv1"': "tensor", "layer1": "layer"}, 'feature_maps["conv1"'),
    ],
)
def test_tab_offers_what_there_is_with_its_kind_and_enter_takes_it(lab, typed, offered, accepted):
    lab.type(TYPED, typed, "Tab")

    items = lab.page.locator(".jp-Completer:not(.lm-mod-hidden) .jp-Completer-item")
    expect(items.locator(".jp-Completer-match")).to_have_text(list(offered))
    expect(items.locator(".jp-Completer-typeExtended")).to_have_text(list(offered.values()))
    lab.page.keyboard.press("Enter")
    expect(lab.cell(TYPED).locator(".cm-content")).to_have_text(accepted)
    assert lab.source(TYPED) == accepted


def test_shift_tab_on_a_magic_shows_its_manual(lab):
    lab.type(TYPED, "%hook", "Shift+Tab")

    manual = lab.page.locator(".jp-Tooltip")
    expect(manual).to_contain_text("Watch layers of a model")
    expect(manual).to_contain_text("%hook MODEL LAYER ... [--into NAME]   watch these layers")
    expect(manual).to_contain_text("Examples")
