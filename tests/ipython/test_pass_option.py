"""Several passes in a cell: captions say which one is shown, and `--pass` chooses another."""

from __future__ import annotations

import re

import pytest
import torch
from helpers.networks import Failing, images
from torch import nn


def captions(printed):
    return [
        (line.split("  ")[0], [part for part in line.split(" · ") if "pass" in part])
        for line in printed.splitlines()
        if re.match(r"\S.*  \S+  \(", line)
    ]


@pytest.fixture
def xs(shell):
    shell.names["xs"] = batches = [images(1, seed) for seed in range(3)]
    return batches


LOOP = "\nfor each in xs: model(each)"


def test_a_cell_with_several_passes_says_which_one_is_shown(shell, xs):
    printed = shell.run(f"%%featuremaps model cnn1 fc2{LOOP}")
    assert captions(printed) == [("cnn1", ["pass 3 of 3"]), ("fc2", ["pass 3 of 3"])]
    assert captions(shell.run("%featuremaps cnn1")) == [("cnn1", ["pass 3 of 3"])]
    assert captions(shell.run("%%featuremaps model cnn1\nmodel(x);")) == [("cnn1", [])]


def test_another_pass_is_kept_and_shown(shell, model, xs):
    for choice, number in ((1, 1), (3, 3), (-3, 1), (-1, 3)):
        printed = shell.run(f"%%featuremaps model cnn1 --pass {choice}{LOOP}")
        assert captions(printed) == [("cnn1", [f"pass {number} of 3"])]
        with torch.no_grad():
            truth = model.cnn1(xs[number - 1])
        assert torch.equal(shell.names["feature_maps"]["cnn1"], truth)


def test_a_pass_that_there_was_not_is_said_in_one_line(shell, xs):
    message = "There is no pass 4: 3 passes ran."
    assert str(shell.error(f"%%featuremaps model cnn1 --pass 4{LOOP}")) == message
    message = "There is no pass 2: 1 pass ran."
    assert str(shell.error("%featuremaps model cnn1 --pass=2 -- model(x)")) == message


def test_what_is_no_pass_is_refused_before_the_cell_runs(shell):
    for value, message in (
        ("0", "--pass can't be 0: passes are numbered from 1, or from the end as -1."),
        ("every", "invalid --pass 'every': choose last, all or a whole number."),
    ):
        error = str(shell.error(f"%%featuremaps model cnn1 --pass {value}\nran = True"))
        assert error.startswith(message)
        assert "ran" not in shell.names


def test_all_passes_are_rows_of_one_grid(shell, xs):
    printed = shell.run(f"%%featuremaps model cnn1 --pass all{LOOP}")
    assert captions(printed) == [("cnn1", ["passes 1, 2, 3 of 3"])]
    assert len(shell.value("feature_maps.passes")) == 3


def test_what_was_kept_can_be_shown_again_pass_by_pass(shell, xs):
    shell.run(f"%%featuremaps model cnn1 act1 --pass all{LOOP}")
    for line, passes in (
        ("%featuremaps cnn1 --pass 2", ["pass 2 of 3"]),
        ("%featuremaps cnn1 --pass -1", ["pass 3 of 3"]),
        ("%featuremaps cnn1 --pass last", ["pass 3 of 3"]),
        ("%featuremaps cnn1", ["passes 1, 2, 3 of 3"]),
    ):
        assert captions(shell.run(line)) == [("cnn1", passes)]
    assert "· pass 3 of 3\n" in shell.run("%featuremaps --overview")
    assert "· pass 1 of 3\n" in shell.run("%featuremaps --overview --pass 1")
    shell.run(f"%%featuremaps model cnn1{LOOP}")
    assert str(shell.error("%featuremaps cnn1 --pass 2")) == (
        'Only the latest pass of each layer was kept: passes="all" (--pass all) keeps every pass.'
    )
    assert captions(shell.run("%featuremaps cnn1 --pass 3")) == [("cnn1", ["pass 3 of 3"])]


def test_a_layer_that_did_not_run_in_the_pass_shown_is_said(shell):
    shell.run("%%featuremaps model cnn1 act1 --pass all\nmodel(x)\nmodel.act1(x);")
    printed = shell.run("%featuremaps --pass 1")
    assert [key for key, _ in captions(printed)] == ["cnn1", "act1"]
    shell.run(
        "%%featuremaps model cnn1 act1 --pass all\nmodel.act1(x)\nmodel.act1(x), model.cnn1(x);"
    )
    printed = shell.run("%featuremaps --pass 1")
    assert captions(printed) == [("act1", ["pass 1 of 2"])]
    assert "Nothing captured from cnn1: it has no output in that pass." in printed
    assert str(shell.error("%featuremaps cnn1 --pass 1")) == (
        "Nothing captured from 'cnn1': it has no output in that pass."
    )


def test_views_of_one_pass_say_so_before_the_cell_runs(shell, tmp_path):
    for options, message in (
        ("--overview", "--pass all doesn't apply here: --overview shows one pass at a time."),
        ("--explore", "--pass all doesn't apply here: --explore shows one pass at a time."),
        (
            f"--save {tmp_path / 'x.html'}",
            "An .html file shows one pass at a time: save --pass all as .png or .npz.",
        ),
    ):
        error = str(shell.error(f"%%featuremaps model cnn1 --pass all {options}\nran = True"))
        assert error == message
        assert "ran" not in shell.names


def test_all_passes_are_saved(shell, xs, tmp_path):
    import numpy as np

    shell.run(f"%%featuremaps model cnn1 --pass all --save {tmp_path / 'maps.npz'}{LOOP}")
    assert sorted(np.load(tmp_path / "maps.npz")) == ["cnn1@pass1", "cnn1@pass2", "cnn1@pass3"]
    printed = shell.run(f"%featuremaps cnn1 --pass 2 --save {tmp_path / 'second.npz'}")
    assert "Saved second.npz" in printed
    with torch.no_grad():
        truth = shell.names["model"].cnn1(xs[1]).numpy()
    assert (np.load(tmp_path / "second.npz")["cnn1"] == truth).all()


def test_a_watched_layer_stays_when_another_is_called_on_its_own(shell, model, x):
    shell.run("%hook model cnn1 act1")
    shell.run("y = model(x)\nz = model.cnn1(x + 1)")
    maps = shell.names["feature_maps"]
    assert list(maps) == ["cnn1", "act1"]
    with torch.no_grad():
        assert torch.equal(maps["cnn1"], model.cnn1(x + 1))
        assert torch.equal(maps["act1"], model.act1(model.cnn1(x)))
    printed = shell.run("%featuremaps")
    assert printed.splitlines()[0].endswith("cpu · called on its own")
    assert printed.splitlines()[2].endswith(" cpu")


def test_a_pass_that_fails_leaves_the_earlier_one_where_it_did_not_get(shell):
    class Fails(Failing):
        def forward(self, x):
            return super().forward(x) if x.sum() < 0 else x

    shell.names["net"] = nn.Sequential(nn.Identity(), Fails(ValueError("mine")), nn.Identity())
    shell.names["z"] = torch.ones(1, 4)
    result, printed = shell.attempt("%%featuremaps net 0 2\nnet(z)\nnet(-z)")
    said = printed + "".join(getattr(result.error_in_exec, "__notes__", ()))
    assert "1 (Fails) failed in its own code: it received (1, 4) float32 cpu. " in said
    assert "The layers captured before it are in feature_maps; %featuremaps shows them." in said
    shown = captions(shell.run("%featuremaps"))
    assert shown == [("0", ["pass 2 of 2"]), ("2", ["pass 1 of 2"])]
    assert torch.equal(shell.names["feature_maps"]["0"], -torch.ones(1, 4))


def test_nothing_to_save_says_why(shell, tmp_path):
    shell.run("%%featuremaps model\nmodel.cnn1(x);")
    shell.run("only = torch.nn.ModuleDict({'a': torch.nn.ReLU(), 'b': torch.nn.ReLU()})")
    error = str(shell.error(f"%%featuremaps only a --save {tmp_path / 'x.png'}\nonly.b(x); only"))
    assert error.startswith("No forward pass of only ran in this cell.")
    shell.run("class Skips(torch.nn.Module):\n    def forward(self, x): return x")
    shell.run("skips = Skips(); skips.a = torch.nn.ReLU()")
    error = str(shell.error(f"%%featuremaps skips a --save {tmp_path / 'x.png'}\nskips(x);"))
    assert error.startswith(
        "Nothing to save. Nothing captured from a: it was not called in the last"
    )
