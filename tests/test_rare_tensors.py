"""Whatever a layer returns or is given: each view shows it, or says why not, in one line."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
import torch
from helpers.rare_tensors import KINDS, made, numbers_of
from torch import nn

import featmagic
from featmagic import FeatmagicError
from featmagic.explorer.session import open_session
from featmagic.options.view import View
from featmagic.recording.recorder import Recorder
from featmagic.recording.selectors import select


class Returns(nn.Module):
    def __init__(self, output):
        super().__init__()
        self.output = [output]  # where no parameter is looked for

    def forward(self, x):
        return self.output[0]


@pytest.fixture(params=KINDS)
def kind(request):
    if made(request.param) is None:
        pytest.skip("this torch has no such tensor")
    return request.param


def captured(tensor):
    """Feature maps of a layer that returns the tensor beside a plain one."""
    model = nn.Sequential(Returns(tensor), Returns(torch.rand(1, 2, 5, 5)))
    with featmagic.capture(model, "0", "1") as maps:
        assert model(torch.ones(1)) is model[1].output[0]
    return maps


def views(folder):
    return {
        "grid": lambda maps: maps.pictures(),
        "half blocks": lambda maps: maps.show(renderer="blocks"),
        "letters": lambda maps: maps.show(renderer="ascii"),
        "overview": lambda maps: maps.pictures(overview=True),
        "overview in letters": lambda maps: maps.show(overview=True, renderer="ascii"),
        "page": lambda maps: maps.save(folder / "a.html"),
        "figure": lambda maps: maps.figure("0"),
        "picture": lambda maps: maps.save(folder / "a.png"),
        "arrays": lambda maps: maps.save(folder / "a.npz"),
        "safetensors": lambda maps: maps.save(folder / "a.safetensors"),
        "text": repr,
    }


def test_no_view_fails_but_with_a_line(kind, tmp_path):
    """All that may be raised is an error of ours, for what was asked for by its name."""
    maps = captured(made(kind))
    for view, show in views(tmp_path).items():
        may_refuse = view in ("figure", "arrays", "safetensors") or "0" not in maps
        with contextlib.suppress(FeatmagicError) if may_refuse else contextlib.nullcontext():
            show(maps)


def test_a_caption_or_the_list_of_what_is_missing_has_the_reason(kind):
    reason = KINDS[kind][1]
    maps = captured(made(kind))
    assert "1" in maps
    if "0" not in maps:
        assert reason in maps.missing["0"]
        return
    caption, png = maps.pictures("0")[0]
    assert bool(png) is (reason is None)
    assert reason is None or reason in caption
    rows = maps.pictures(overview=True)[0][0]
    assert reason is None or reason in rows


def test_the_values_in_the_explorer_are_those_of_the_tensor(kind):
    tensor = made(kind)
    reason = KINDS[kind][1]
    model = nn.Sequential(Returns(tensor))
    with Recorder(select(model, ["0"])) as recorder:
        model(torch.ones(1))
    if "0" not in recorder.last.activations:
        return
    view = View(explore=True, layout="NCHW") if tensor.dim() == 4 else View(explore=True)
    session = open_session([*recorder.last.activations.values()], view)
    layer = session.layer("0")
    if reason is not None:
        assert reason in layer["reason"]
        with pytest.raises(FeatmagicError, match="no picture"):
            session.value("0", 0, 0, 0, 0)
        return
    truth = numbers_of(tensor)
    if tensor.dim() == 4:
        assert session.value("0", 1, 2, 3, 4) == pytest.approx(truth[1, 2, 3, 4].item(), rel=1e-6)
        plane = numbers_of(session.plane("0", 1, 2))
        torch.testing.assert_close(plane, truth[1, 2], rtol=1e-6, atol=0)
        text, _ = session.encoded_planes("0", 1)
        assert text["high"][2] == pytest.approx(truth[1, 2].max().item(), rel=1e-6)


def test_an_array_file_has_the_values_and_leaves_out_what_has_none(kind, tmp_path):
    tensor = made(kind)
    maps = captured(tensor)
    if kind.startswith("bits"):
        with pytest.raises(FeatmagicError, match=f"0 is {kind}, which .npz files don't take"):
            maps.save(tmp_path / "maps.npz")
        return
    (file,) = maps.save(tmp_path / "maps.npz")
    saved = np.load(file)
    assert "1" in saved
    assert ("0" in saved) is (KINDS[kind][1] is None)
    if "0" in saved:
        there = numbers_of(torch.from_numpy(np.array(saved["0"])))
        assert torch.equal(there, numbers_of(tensor))


class Ignores(nn.Module):
    """Returns what has nothing to do with its input."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Conv2d(3, 2, 3)
        self.out = nn.Identity()

    def forward(self, x):
        return self.out(torch.ones(2, 3, 6, 6))


@pytest.mark.parametrize("as_is", [False, True], ids=["look", "watch"])
def test_a_model_may_be_given_any_of_them(kind, as_is, tmp_path):
    given = made(kind)
    model = Ignores()
    with featmagic.capture(model, "out", as_is=as_is, fields=not as_is) as maps:
        model(given)
    assert torch.equal(maps["out"], torch.ones(2, 3, 6, 6))
    assert maps.save(tmp_path / "look.html")
    for view in ({"input": True}, {"overlay": True, "layout": "NCHW"}):
        with contextlib.suppress(FeatmagicError):  # it is no image
            assert maps.pictures(**view)
