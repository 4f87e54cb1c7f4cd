"""The slices of volumes in an explorer: chosen, asked for, saved; with the tensors' own values."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from helpers.comms import deliver, keep_messages
from helpers.pages import Saved
from PIL import Image
from torch import nn

import featmagic
from featmagic.explorer.document import document
from featmagic.explorer.open import open_explorer
from featmagic.explorer.protocol import answer
from featmagic.explorer.session import open_session
from featmagic.options.view import View
from featmagic.recording.records import Activation
from featmagic.support.errors import FeatmagicError


@pytest.fixture(scope="module")
def maps():
    """Volumes of 6 and of 3 slices, and a layer that is none."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv3d(1, 4, 3, padding=1), nn.MaxPool3d(2), nn.Flatten())
    with featmagic.capture(net) as maps:
        net(torch.randn(2, 1, 6, 8, 10))
    return maps


def session_of(maps, **view):
    return open_session([*maps.kept.activations.values()], View(explore=True, **view))


@pytest.fixture
def session(maps):
    return session_of(maps)


def reduced(volume, which):
    """What a slice is, apart from the package: of `(C, D, H, W)`."""
    if which == "mean":
        return volume.mean(1)
    return volume.amax(1) if which == "mip" else volume[:, which]


def assert_says(plate, png, planes):
    """The bytes say the planes' values within half a step, whose ends are the tensor's own."""
    with Image.open(io.BytesIO(png)) as picture:
        codes = np.asarray(picture).reshape(planes.shape).astype(float)
    low, high = (np.array(plate[end], float)[:, None, None] for end in ("low", "high"))
    assert (low[:, 0, 0].astype(np.float32) == planes.amin((1, 2)).numpy()).all()
    assert (high[:, 0, 0].astype(np.float32) == planes.amax((1, 2)).numpy()).all()
    said = low + codes / 239 * (high - low)
    assert (np.abs(said - planes.numpy()) <= (high - low) / 478 + 1e-6).all()


def test_the_document_has_the_middle_slice_of_each_volume_and_says_how_many_there_are(maps):
    found = document([*maps.kept.activations.values()], View(explore=True))
    layers = found.text["layers"]
    assert [layer["slices"] for layer in layers] == [6, 3, 0]
    assert [[*layer["plates"]] for layer in layers] == [["0/3"], ["0/1"], ["0"]]
    assert found.text["start"]["slice"] == "mid"
    for layer, middle in zip(layers[:2], (3, 1), strict=True):
        (plate,) = layer["plates"].values()
        assert (plate["slice"], plate["id"]) == (middle, f"{layer['key']}/0/{middle}")
        assert_says(plate, found.files[plate["id"]], maps[layer["key"]][0][:, middle])
        assert plate["slice_words"] == f"slice {middle} of {layer['slices']} along depth"
        assert not any("slice" in word for word in layer["words"])


@pytest.mark.parametrize(("asked", "start"), [(2, 2), (-1, 5), ("mean", "mean"), ("mip", "mip")])
def test_the_slice_that_the_view_names_is_the_first_that_is_shown(maps, asked, start):
    found = document([maps.kept.activations["0"]], View(explore=True, slice=asked))
    (layer,) = found.text["layers"]
    (plate,) = layer["plates"].values()
    assert (found.text["start"]["slice"], plate["slice"]) == (start, start)
    assert_says(plate, found.files[plate["id"]], reduced(maps["0"][0], start))


@pytest.mark.parametrize("which", [0, 1, 2, 3, 4, 5, "mean", "mip"])
@pytest.mark.parametrize("sample", [0, 1])
def test_any_slice_can_be_asked_for(maps, session, sample, which):
    question = {"ask": "plate", "layer": "0", "sample": sample, "slice": which}
    text, files = answer(session, question)
    plate = text["plate"]
    assert (plate["slice"], plate["id"]) == (which, f"0/{sample}/{which}")
    assert_says(plate, files[plate["id"]], reduced(maps["0"][sample], which))
    reach = plate["reach"]
    if isinstance(which, str):
        assert reach is None
    else:
        steps = [sum(n * s for n, s in zip((1, c, y, x), reach["steps"], strict=True))
                 for c, y, x in [(0, 0, 0), (3, 7, 9)]]  # fmt: skip
        values = maps["0"].flatten()[steps]
        assert values.tolist() == maps["0"][sample][[0, 3], which, [0, 7], [0, 9]].tolist()


@pytest.mark.parametrize("which", [0, 5, "mean", "mip", "mid"])
def test_values_and_figures_are_those_of_the_slice_bit_for_bit(maps, session, which):
    own = reduced(maps["0"][1], 3 if which == "mid" else which)
    place = {"layer": "0", "sample": 1, "channel": 2, "slice": which}
    for y, x in ((0, 0), (7, 9), (3, 4)):
        text, _ = answer(session, {"ask": "value", **place, "position": [y, x]})
        assert text["value"] == own[2, y, x].item()
    figures, _ = answer(session, {"ask": "channel", **place})
    assert (figures["low"], figures["high"]) == (own[2].min().item(), own[2].max().item())
    assert figures["mean"] == pytest.approx(own[2].double().mean().item(), rel=1e-5)


def test_the_plane_of_a_slice_is_a_view_of_the_tensor(maps, session):
    plane = session.plane("0", 1, 2, 4)
    assert torch.equal(plane, maps["0"][1, 2, 4])
    assert plane.data_ptr() == maps["0"][1, 2, 4].data_ptr()
    assert torch.equal(session.plane("0", 1, 2, "mip"), maps["0"][1, 2].amax(0))


@pytest.mark.parametrize(
    ("question", "error"),
    [
        ({"ask": "plate", "layer": "0", "sample": 0}, "needs layer, sample, slice"),
        ({"ask": "plate", "layer": "2", "sample": 0, "slice": 0}, r"needs layer, sample\."),
        ({"ask": "plate", "layer": "0", "sample": 0, "slice": 6}, "No slice 6: choose 0 to 5"),
        ({"ask": "plate", "layer": "1", "sample": 0, "slice": 4}, "No slice 4: there are 3"),
        ({"ask": "plate", "layer": "0", "sample": 0, "slice": "montage"}, "needs layer"),
        ({"ask": "plate", "layer": "0", "sample": 0, "slice": True}, "needs layer"),
    ],
)
def test_a_question_for_a_slice_that_is_not_there_is_answered_by_a_line(session, question, error):
    with pytest.raises(FeatmagicError, match=error):
        answer(session, question)


# The widget


@pytest.fixture
def explorer(maps, monkeypatch):
    keep_messages(monkeypatch)
    one = open_explorer([*maps.kept.activations.values()], View(explore=True))
    yield one
    one.close()


def test_python_and_the_browser_choose_the_slice(maps, explorer):
    assert explorer.slice == "mid"
    assert torch.equal(explorer.selection, maps["0"][0, 0, 3])
    explorer.slice = 5
    assert torch.equal(explorer.selection, maps["0"][0, 0, 5])
    deliver(explorer, {"method": "update", "state": {"slice": "mean"}, "buffer_paths": []})
    assert explorer.slice == "mean"
    assert torch.equal(explorer.selection, maps["0"][0, 0].mean(0))


def test_a_shallower_volume_shows_its_last_slice_and_what_is_none_shows_itself(maps, explorer):
    explorer.slice = 4
    explorer.layer = "1"
    assert torch.equal(explorer.selection, maps["1"][0, 0, 2])
    explorer.layer = "2"
    assert explorer.selection.flatten()[:480].tolist() == maps["2"][0].tolist()
    assert explorer.slice == 4


@pytest.mark.parametrize("wrong", [6, -1, "montage", None, 1.5, [0]])
def test_a_slice_that_no_volume_has_is_refused(explorer, wrong):
    with pytest.raises(FeatmagicError, match="slice"):
        explorer.slice = wrong
    deliver(explorer, {"method": "update", "state": {"slice": wrong}, "buffer_paths": []})
    assert explorer.slice == "mid"


def test_without_a_volume_there_are_no_slices_to_choose_from(monkeypatch):
    keep_messages(monkeypatch)
    flat = Activation("act", "act", "ReLU", 1, torch.rand(1, 3, 4, 4))
    explorer = open_explorer([flat], View(explore=True, layout="NCHW"))
    with pytest.raises(FeatmagicError, match="no layer shown is a volume"):
        explorer.slice = 0
    explorer.close()


# A page


def plates_of(page, key):
    return page.layer(key)["plates"]


def test_a_page_has_all_slices_of_all_samples_where_there_is_room(maps, tmp_path):
    (path,) = maps.save(tmp_path / "look.html")
    page = Saved(path.read_bytes())
    for key, deep in (("0", 6), ("1", 3)):
        whole = {f"{n}/{which}" for n in range(2) for which in (*range(deep), "mean", "mip")}
        assert set(plates_of(page, key)) == whole
        for name, plate in plates_of(page, key).items():
            sample = int(name[0])
            own = reduced(maps[key][sample], plate["slice"])
            assert_says(plate, page.images[plate["id"]], own)
    assert set(plates_of(page, "2")) == {"0", "1"}
    assert page.contents["words"] == []


@pytest.mark.parametrize("most", [110_000, 200_000])
def test_slices_that_have_no_room_are_left_out_and_that_is_said(tmp_path, most):
    net = nn.Sequential(nn.Identity())
    with featmagic.capture(net) as maps:
        net(torch.randn(1, 4, 32, 40, 40))
    (path,) = maps.save(tmp_path / "look.html", max_bytes=most, layout="NCDHW")
    page = Saved(path.read_bytes())
    there = [plate["slice"] for plate in plates_of(page, "0").values()]
    assert 1 < len(there) < 34
    assert set(there) == set(range(min(there), max(there) + 1))  # around the first that is shown
    assert abs((min(there) + max(there)) / 2 - 16) <= 1
    (said,) = page.contents["words"]
    assert said.startswith(f"{len(there) - 1} of 33 further slices to stay within ")
    assert sum(map(len, page.images.values())) <= most


@pytest.mark.parametrize(("layout", "axis"), [("NCDHW", 2), ("NDHWC", 1)])
def test_what_is_made_of_all_slices_says_of_which(layout, axis):
    tensor = torch.randn(2, 5, 4, 6, 3)
    held = Activation("act", "act", "Other", 1, tensor)
    session = open_session([held], View(explore=True, layout=layout, sample="1", slice="mip"))
    (plate,) = session.layer("act")["plates"].values()
    made = plate["made_of"]
    assert (plate["reach"], made["axis"]) == (None, axis)
    start, channel, down, across = made["reach"]["steps"]
    first = tensor.flatten()[start + 2 * channel + 1 * down + 2 * across]
    own = tensor.movedim(layout.index("C"), 1).movedim(layout.replace("C", "").index("D") + 1, 2)
    assert first == own[1, 2, 0, 1, 2]


def test_an_input_of_fewer_slices_begins_at_its_middle(monkeypatch):
    keep_messages(monkeypatch)
    net = nn.Conv3d(1, 2, 1)
    deep, shallow = torch.randn(1, 1, 6, 4, 4), torch.randn(1, 1, 2, 4, 4)
    with featmagic.capture(net, "") as maps:
        net(deep)
    activations = [*maps.kept.activations.values()]
    explorer = open_explorer(activations, View(explore=True), "maps", net, [deep[0], shallow[0]])
    explorer.slice = 5
    explorer.input = 1
    assert explorer.slice == "mid"
    expected = net(shallow)[0, 0, 1]
    assert torch.allclose(explorer.selection, expected, atol=1e-6)
    explorer.input = 0
    explorer.slice = 5
    explorer.input = None
    assert explorer.slice == 5
    explorer.close()
