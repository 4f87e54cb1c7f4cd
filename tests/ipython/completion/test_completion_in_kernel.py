"""Tab through a kernel: what it answers, and what VS Code shows of that."""

from __future__ import annotations

import re

import pytest
from helpers.completing import at_cursor, needs_matchers
from helpers.kernels import Kernel

KERNEL = """\
import torch
from helpers.completing import Trainer, residual
model, trainer, x = residual(), Trainer(), torch.zeros(1, 4, 8, 8)
%load_ext featmagic
%hook model layer1.0.conv1 conv1
model(x);
"""


@pytest.fixture(scope="module")
def kernel():
    kernel = Kernel()
    kernel.good(KERNEL)
    yield kernel
    kernel.stop()


def completions(kernel, cell):
    return kernel.complete(*at_cursor(cell))


@needs_matchers
@pytest.mark.parametrize(
    ("cell", "start", "there"),
    [
        ("%hook mod|", 6, {"model": "Sequential"}),
        ("%hook trainer.mo|", 14, {"model": "Sequential"}),
        ("%hook model layer1.|", 19, {"0": "Block", "1": "Block"}),
        ("%hook model layer1.0.r|", 21, {"relu": "ReLU"}),
        ("x\n%%featuremaps model con|\nx", 22, {"conv1": "Conv2d"}),
        ("%%featuremaps model --scale |\nmodel(x)", 28,
         dict.fromkeys(("channel", "layer", "all"), "value")),
        ("%hook model --in|", 12, {"--into": "option"}),
        ("%unhook fe|", 8, {"feature_maps": "watched"}),
        ("%featuremaps layer1.|", 20, {"0": "layer"}),
        ('feature_maps["layer1.0.|"]', 23, {"conv1": "Tensor"}),
        ('feature_maps["layer1.0.|', 23, {'conv1"': "Tensor"}),
        ("%hook model lay*|", 16, {}),
    ],
)  # fmt: skip
def test_a_kernel_answers_with_texts_types_and_where_they_go(kernel, cell, start, there):
    content = completions(kernel, cell)
    assert content["matches"] == list(there)
    assert (content["cursor_start"], content["cursor_end"]) == (start, cell.index("|"))
    typed = content["metadata"]["_jupyter_types_experimental"]
    assert {one["text"]: one["type"] for one in typed} == there
    assert all((one["start"], one["end"]) == (start, cell.index("|")) for one in typed)


@pytest.mark.parametrize(
    ("cell", "there"),
    [
        ("%hook trainer.mo|", {"%hook trainer.model"}),
        ("%hook model layer1[0].r|", {"%hook model layer1[0].relu"}),
        ("%hook model layer1.0.r| .", {"%hook model layer1.0.relu ."}),
        ("%%featuremaps model --sort=abs|\nx", {"%%featuremaps model --sort=absmean\nx"}),
        ('x\nfeature_maps["layer1.0.|"]', {'x\nfeature_maps["layer1.0.conv1"]'}),
    ],
)  # fmt: skip
def test_a_kernel_of_any_ipython_says_where_its_texts_go(kernel, cell, there):
    content = completions(kernel, cell)
    cell, start, end = at_cursor(cell)[0], content["cursor_start"], content["cursor_end"]
    assert {cell[:start] + text + cell[end:] for text in content["matches"]} == there


# What VS Code's editor takes for a word, by default and in Python.
WORD = re.compile(r"-?\d*\.\d\w*|[^`~!@#$%^&*()\-=+[{\]}\\|;:'\",.<>/?\s]+")


def shown_by_vs_code(cell, content):
    """What is left of a reply in VS Code, as its provider of kernel completions filters it.

    What is typed is stripped from an item, at its first occurrence there; then whatever has a dot
    or ends with a slash is dropped.
    """
    line, cursor = at_cursor(cell)
    behind_dot = line[cursor - 1] == "."
    at = cursor - 1 if behind_dot else cursor
    word = next((w for w in WORD.finditer(line) if w.start() <= at <= w.end()), None)
    text = line[min(word.start(), cursor - 1) : max(word.end(), cursor)] if word else line
    shown = {}
    for item in content["metadata"]["_jupyter_types_experimental"]:
        kept, index = item["text"], item["text"].find(text)
        if index > 0 or (index == 0 and behind_dot):
            kept = kept[index + len(text) :] or kept
        if "." not in kept and not kept.endswith("/"):
            shown[item["text"]] = kept
    return shown


@needs_matchers
def test_vs_code_shows_the_way_on_at_every_step(kernel):
    line = "%hook model layer1.0.relu"
    for end in range(len("%hook "), len(line) + 1):
        typed = line[:end]
        content = completions(kernel, typed + "|")
        segment = re.search(r"[^\s.]*$", typed)
        wanted = re.match(r"[^\s.]*", line[segment.start() :])[0]
        shown = shown_by_vs_code(typed + "|", content)
        assert wanted in shown, (typed, content["matches"])
        assert content["cursor_start"] == segment.start()


def test_the_filter_of_vs_code_drops_whole_paths():
    """Or else the test before would say nothing."""

    def content(*texts):
        return {"metadata": {"_jupyter_types_experimental": [{"text": text} for text in texts]}}

    def shown(cell, *texts):
        return list(shown_by_vs_code(cell, content(*texts)).values())

    assert shown("%hook model |", "layer1.0.conv1", "layer1", "folder/") == ["layer1"]
    assert shown("%hook model layer1.|", "layer1.0.conv1", "layer1.0", "0") == ["0", "0"]
    # The letter that is typed is looked for from the left, and found in `layer1`.
    assert shown("%hook model layer1.0.r|", "layer1.0.relu", "relu") == ["relu"]
