"""Long work: a bar where drawing takes its time, an interrupt that keeps what is drawn."""

from __future__ import annotations

import re

import pytest
import torch
from helpers.kernels import WIDGET, Kernel, executed
from torch import nn

import featmagic
from featmagic.support import progress
from featmagic.support.progress import Progress

SETUP = """
import torch
from featmagic.support import progress
net = torch.nn.Sequential(*[torch.nn.Identity() for _ in range(40)])
x = torch.randn(1, 8, 16, 16)
%load_ext featmagic
"""
AT_ONCE = "progress.PATIENCE = 0"


@pytest.fixture(scope="module")
def kernel():
    kernel = Kernel(stdin=True)
    kernel.good(SETUP)
    yield kernel
    kernel.stop()


@pytest.fixture
def at_once(kernel):
    """The kernel, with a bar for whatever is drawn."""
    kernel.run(AT_ONCE)
    yield kernel
    kernel.run("progress.PATIENCE = 1.0")


def pictures(ran):
    return [content for _, content in ran.messages if "image/png" in content.get("data", {})]


def streams(ran, name):
    return "".join(c["text"] for kind, c in ran.messages if kind == "stream" and c["name"] == name)


def test_a_look_whose_body_loops_shows_its_grids_once_and_no_bar(kernel):
    cell = "%%featuremaps net 0 1\nfor _ in range(50):\n    net(x);"

    ran = kernel.run(cell)

    assert ran.status == "ok"
    assert len(pictures(ran)) == 2
    assert streams(ran, "stdout").count("Identity") == 2
    assert streams(ran, "stderr") == ""
    assert {kind for kind, _ in ran.messages} == {
        "status",
        "execute_input",
        "stream",
        "display_data",
    }


def test_a_bar_of_the_body_is_the_only_one(kernel):
    cell = "%%featuremaps net 0\nfrom tqdm.auto import tqdm\nfor _ in tqdm(range(5)):\n    net(x);"

    ran = kernel.run(cell)

    assert ran.status == "ok"
    assert len([1 for kind, c in ran.messages if WIDGET in c.get("data", {})]) == 1
    assert len(pictures(ran)) == 1


def test_long_drawing_has_a_widget_that_leaves_nothing(at_once):
    ran = at_once.run("%%featuremaps net\nnet(x);")

    assert ran.status == "ok"
    assert len(pictures(ran)) == 40
    bars = [content for kind, content in ran.messages if WIDGET in content.get("data", {})]
    assert len(bars) == 1
    (gone,) = [content for kind, content in ran.messages if kind == "update_display_data"]
    assert gone["transient"]["display_id"] == bars[0]["transient"]["display_id"]
    assert gone["data"] == {"text/plain": ""}
    assert streams(ran, "stderr") == ""


def test_many_samples_of_one_layer_have_a_widget_before_they_are_drawn(at_once):
    at_once.run("many = torch.randn(64, 8, 16, 16)")

    ran = at_once.run("%%featuremaps net 0 --sample all\nnet(many);")

    kinds = [
        "bar" if WIDGET in content["data"] else "picture"
        for kind, content in ran.messages
        if kind == "display_data"
    ]
    assert kinds == ["bar", "picture"]


def test_a_long_overview_has_a_widget_too(at_once):
    ran = at_once.run("%%featuremaps net --overview\nnet(x);")

    assert len([1 for kind, c in ran.messages if WIDGET in c.get("data", {})]) == 1
    assert len(pictures(ran)) == 1


def test_a_saved_notebook_holds_no_trace_of_the_bar():
    notebook, error = executed(SETUP, AT_ONCE, "%%featuremaps net\nnet(x);")

    assert error is None
    outputs = notebook.cells[-1].outputs
    assert len([one for one in outputs if "image/png" in one.get("data", {})]) == 40
    assert [one for one in outputs if WIDGET in one.get("data", {})] == []
    assert "Drawing" not in str(outputs)


def test_an_interrupt_keeps_the_grids_that_are_drawn(kernel):
    kernel.run("big = torch.randn(1, 64, 256, 256)")

    ran = kernel.run("%%featuremaps net\nnet(big);", interrupt_at="2  Identity")

    assert ran.status == "error"
    assert [error.ename for error in ran.errors] == ["KeyboardInterrupt"]
    assert 1 <= len(pictures(ran)) < 40
    assert len(streams(ran, "stdout").split("Identity")) - 1 < 40
    kernel.good("assert len(feature_maps) == 40 and not net[0]._forward_hooks")


def captured(count):
    """What so many layers gave."""
    net = nn.Sequential(*[nn.Identity() for _ in range(count)])
    with featmagic.capture(net) as maps:
        net(torch.randn(1, 3, 4, 4))
    return maps


def interrupting(monkeypatch, module, name, at):
    """Have Ctrl-C pressed in the middle: when `module.name` is called for the `at`th time."""
    original, calls = getattr(module, name), []

    def called(*args, **kwargs):
        calls.append(args)
        if len(calls) == at:
            raise KeyboardInterrupt
        return original(*args, **kwargs)

    monkeypatch.setattr(module, name, called)


def test_an_interrupted_overview_shows_the_layers_it_has(monkeypatch, capsys):
    from featmagic.overview import filmstrip

    maps = captured(10)
    interrupting(monkeypatch, filmstrip, "_read_layer", at=5)

    with pytest.raises(KeyboardInterrupt):
        maps.show(overview=True)

    text = capsys.readouterr().out
    assert "Interrupted: 6 layers more left out" in text
    assert len(re.findall(r"^\d+ +Identity", text, re.MULTILINE)) == 4


def test_an_interrupt_of_the_last_layer_is_an_interrupt_too(monkeypatch, capsys):
    maps = captured(3)
    interrupting(monkeypatch, Progress, "step", at=3)

    with pytest.raises(KeyboardInterrupt):
        maps.show(overview=True)

    assert "3 layers" in capsys.readouterr().out


def test_an_interrupted_picture_is_no_picture(monkeypatch, tmp_path):
    from featmagic.overview import filmstrip

    maps = captured(10)
    interrupting(monkeypatch, filmstrip, "_read_layer", at=5)

    with pytest.raises(KeyboardInterrupt):
        maps.save(tmp_path / "film.png", overview=True)

    assert list(tmp_path.iterdir()) == []


def test_a_bar_comes_when_a_second_has_passed_and_not_before(monkeypatch, capsys):
    pytest.importorskip("tqdm")
    now = [0.0]
    monkeypatch.setattr(progress, "monotonic", lambda: now[0])
    with Progress(10, "Drawing") as bar:
        bar.step()
        now[0] = 0.9
        bar.step()
        assert bar._bar is None
        now[0] = 1.1
        bar.step()
        assert bar._bar is not None
        assert (bar._bar.n, bar._bar.total) == (3, 10)
    assert capsys.readouterr().out == ""


def test_the_last_step_brings_no_bar(monkeypatch):
    monkeypatch.setattr(progress, "PATIENCE", 0)
    with Progress(1, "Drawing") as bar:
        bar.step()
        assert bar._bar is None


def test_drawing_at_once_imports_no_tqdm():
    import subprocess
    import sys

    code = (
        "import featmagic, torch, sys\n"
        "net = torch.nn.Sequential(torch.nn.ReLU())\n"
        "with featmagic.capture(net) as maps: net(torch.ones(1, 2, 3, 3))\n"
        "before = 'tqdm' in sys.modules\n"
        "maps.show(); maps.show(overview=True)\n"
        "assert ('tqdm' in sys.modules) == before\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
