"""A model on another device than its inputs.

The simulated device changes the process that imports it, so its tests run in a process of their
own: the last test here starts it. To run that one alone:

    FEATMAGIC_TEST_DEVICE=sim python -m pytest tests/recording/test_devices.py
"""

from __future__ import annotations

import copy
import io
import os
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
import torch
from helpers.expected import model_and_images
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence
from traitlets.config import Config

import featmagic

IN_A_PROCESS_OF_ITS_OWN = os.environ.get("FEATMAGIC_TEST_DEVICE") == "sim"
if IN_A_PROCESS_OF_ITS_OWN:
    try:
        from helpers import simulated_accelerator as sim
    except Exception as error:
        pytest.skip(f"this torch has no device in Python: {error!r}", allow_module_level=True)


def _has(device):
    return {
        "sim": IN_A_PROCESS_OF_ITS_OWN,
        "cuda": torch.cuda.is_available() and not IN_A_PROCESS_OF_ITS_OWN,
        "mps": torch.backends.mps.is_available() and not IN_A_PROCESS_OF_ITS_OWN,
    }[device]


DEVICES = ["sim"] if IN_A_PROCESS_OF_ITS_OWN else ["cuda", "mps"]
# The simulated device alone writes down what is copied.
only_sim = pytest.mark.parametrize("device", ["sim"], indirect=True)


@pytest.fixture(params=DEVICES)
def device(request):
    if not _has(request.param):
        pytest.skip(f"no {request.param} in this process")
    return request.param


@pytest.fixture
def ipython():
    return InteractiveShell(config=Config({"HistoryManager": {"hist_file": ":memory:"}}))


@pytest.fixture(params=["capture", "look"])
def maps_of(request, ipython):
    """`maps_of(model, *args, **kwargs)`: the feature maps of a call, by `capture` or by a look."""

    def captured(model, *args, as_is=False, **kwargs):
        with featmagic.capture(model, as_is=as_is) as feature_maps:
            model(*args, **kwargs)
        return feature_maps

    def looked(model, *args, as_is=False, **kwargs):
        ipython.user_ns.update(model=model, args=args, kwargs=kwargs)
        ipython.run_line_magic("load_ext", "featmagic")
        line = "%%featuremaps model" + " --as-is" * as_is
        ipython.run_cell(f"{line}\nmodel(*args, **kwargs);").raise_error()
        return ipython.user_ns["feature_maps"]

    return captured if request.param == "capture" else looked


Pair = namedtuple("Pair", "first second")


class TakesAnything(nn.Module):
    """Adds up the tensors in its arguments, wherever they are, and keeps the arguments."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Conv2d(2, 3, 3)

    def forward(self, pair, *more, options):
        self.inputs = pair, more, options
        return self.scale(pair.first + pair.second[0] + more[0]["a"][1] + options["deep"][0]["b"])


class Rest:
    """Something that holds no tensor."""


def arguments():
    """Positional and keyword arguments with five tensors in containers of several kinds."""
    tensors = [torch.full((1, 2, 6, 6), value) for value in (1.0, 10.0, 100.0, 1000.0, 0.5)]
    first, second, third, fourth, fifth = tensors
    args = Pair(first, [second, 3]), {"a": (None, third)}
    kwargs = {"options": {"deep": [{"b": fourth}], "same": fifth, "rest": Rest()}}
    return tensors, args, kwargs


def test_inputs_anywhere_in_the_arguments_go_to_the_models_device(device, maps_of):
    model = TakesAnything()
    expected = model.scale(torch.full((1, 2, 6, 6), 1111.0)).detach()
    _, args, kwargs = arguments()

    feature_maps = maps_of(model.to(device), *args, **kwargs)

    torch.testing.assert_close(feature_maps["scale"].cpu(), expected)
    pair, more, options = model.inputs
    assert type(pair) is Pair
    assert pair.second[1] == 3
    assert more[0]["a"][0] is None
    assert options["rest"] is kwargs["options"]["rest"]
    moved = pair.first, pair.second[0], more[0]["a"][1], options["deep"][0]["b"], options["same"]
    assert {tensor.device.type for tensor in moved} == {device}


def test_the_users_containers_and_tensors_are_not_changed(device, maps_of):
    tensors, args, kwargs = arguments()
    before = [tensor.clone() for tensor in tensors]

    maps_of(TakesAnything().to(device), *args, **kwargs)

    pair, mapping = args
    options = kwargs["options"]
    there = [pair.first, pair.second[0], mapping["a"][1], options["deep"][0]["b"], options["same"]]
    assert [id(tensor) for tensor in there] == [id(tensor) for tensor in tensors]
    assert all(tensor.device.type == "cpu" for tensor in tensors)
    assert all(torch.equal(*pair) for pair in zip(tensors, before, strict=True))


def test_the_model_stays_where_it_is(device, maps_of):
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2)).to(device)
    before = [(id(t), t.device) for t in (*model.parameters(), *model.buffers())]

    maps_of(model, torch.rand(1, 1, 8, 8))

    assert [(id(t), t.device) for t in (*model.parameters(), *model.buffers())] == before


def test_what_was_moved_is_said_in_one_line(device, maps_of, capsys):
    model = TakesAnything().to(device)
    _, args, kwargs = arguments()

    maps_of(model, *args, **kwargs)

    (line,) = [line for line in capsys.readouterr().out.splitlines() if "moved" in line.lower()]
    assert str(model.scale.weight.device) in line
    assert "5 from cpu" in line


def test_nothing_is_said_or_moved_where_the_inputs_are_there_already(device, maps_of, capsys):
    model = nn.Sequential(nn.Identity(), nn.Conv2d(1, 2, 3)).to(device)
    image = torch.rand(1, 1, 8, 8).to(device)
    given = []
    model[0].register_forward_pre_hook(lambda _, args: given.append(args[0]))

    maps_of(model, image)

    assert given[0] is image
    assert "moved" not in capsys.readouterr().out.lower()


def test_as_is_leaves_the_inputs_where_they_are(device, maps_of, capsys):
    model = TakesAnything().to(device)
    _, args, kwargs = arguments()

    with pytest.raises(RuntimeError, match=r"device|type"):
        maps_of(model, *args, as_is=True, **kwargs)

    assert model.inputs[0] is args[0]
    assert "moved" not in capsys.readouterr().out.lower()


def test_activations_stay_on_the_models_device(device, maps_of):
    model, images = model_and_images()

    feature_maps = maps_of(model.to(device), images[:1])

    assert list(feature_maps) == ["cnn1", "act1", "pool1", "flat", "fc1", "act2", "fc2"]
    assert {maps.device for maps in feature_maps.values()} == {model.cnn1.weight.device}


def test_values_are_those_of_the_cpu(device, maps_of):
    model, images = model_and_images()
    on_the_cpu = {}
    for name, layer in copy.deepcopy(model).named_children():
        previous = list(on_the_cpu.values())[-1] if on_the_cpu else images[:2]
        on_the_cpu[name] = layer(previous).detach()

    feature_maps = maps_of(model.to(device), images[:2])

    # The simulated device computes on the host, another one in its own way.
    close = {"rtol": 0, "atol": 0} if device == "sim" else {"rtol": 1e-2, "atol": 1e-2}
    assert list(feature_maps) == list(on_the_cpu)
    for name, maps in feature_maps.items():
        torch.testing.assert_close(maps.cpu(), on_the_cpu[name], **close)


class OnTwoDevices(nn.Module):
    """Places its own inputs, as a model does that is too large for one device."""

    def __init__(self, device):
        super().__init__()
        self.here = nn.Conv2d(1, 2, 3)
        self.there = nn.Conv2d(2, 3, 3).to(device)

    def forward(self, image):
        self.inputs = image
        return self.there(self.here(image).to(self.there.weight.device))


def test_a_model_on_two_devices_places_its_own_inputs(device, maps_of, capsys):
    model = OnTwoDevices(device)
    image = torch.rand(1, 1, 8, 8)

    feature_maps = maps_of(model, image)

    assert model.inputs is image
    assert [maps.device.type for maps in feature_maps.values()] == ["cpu", device]
    assert "moved" not in capsys.readouterr().out.lower()


def maps_with(tensor, device):
    """Feature maps that hold the tensor, captured on the device."""
    model = nn.Sequential(nn.Identity(), nn.Linear(1, 1, device=device))
    with featmagic.capture(model, "0") as feature_maps:
        model[0](tensor.to(device))
    return feature_maps


def picture(feature_maps, **view):
    """The palette indices of the layer's picture."""
    ((_, shown),) = feature_maps.pictures("0", **view)
    return np.asarray(Image.open(io.BytesIO(shown)))


@only_sim
@pytest.mark.parametrize(
    "shape", [(1, 64, 112, 112), (1, 64, 300, 300), (1, 64, 8, 8), (1, 2048, 7, 7), (1, 1000)]
)
@pytest.mark.parametrize("view", [{}, {"zoom": 1}], ids=["default", "zoom 1"])
def test_one_byte_a_pixel_leaves_the_device(device, shape, view):
    feature_maps = maps_with(torch.randn(shape), device)
    sim.transfers.clear()

    drawn = picture(feature_maps, **view)

    assert sim.bytes_to_host() <= drawn.size + 4096


@only_sim
def test_a_picture_is_enlarged_after_it_left_the_device(device):
    feature_maps = maps_with(torch.randn(1, 64, 8, 8), device)
    sim.transfers.clear()

    drawn = picture(feature_maps, zoom=8)

    assert drawn.size > 8 * 8 * 64 * 8 * 8
    assert sim.bytes_to_host() <= 64 * 8 * 8 + 4096


@only_sim
@pytest.mark.parametrize("view", [{}, {"max": 64}, {"channels": "1000:1064"}], ids=str)
def test_only_the_channels_shown_leave_the_device(device, view):
    feature_maps = maps_with(torch.randn(1, 2048, 7, 7), device)
    sim.transfers.clear()

    picture(feature_maps, **view)

    assert sim.bytes_to_host() <= 64 * 7 * 7 + 4096


@only_sim
def test_only_the_sample_shown_leaves_the_device(device):
    feature_maps = maps_with(torch.randn(32, 16, 20, 20), device)
    sim.transfers.clear()

    picture(feature_maps, sample=-1)

    assert sim.bytes_to_host() <= 16 * 20 * 20 + 4096


@only_sim
def test_a_look_copies_nothing_but_what_it_shows(device, ipython, capsys):
    model = nn.Sequential(nn.Conv2d(1, 256, 3), nn.ReLU()).to(device)
    ipython.user_ns.update(model=model, image=torch.rand(1, 1, 66, 66))
    ipython.run_line_magic("load_ext", "featmagic")
    sim.transfers.clear()

    ipython.run_cell("%%featuremaps model\nmodel(image);").raise_error()

    assert capsys.readouterr().out.count("(1, 256, 64, 64)") == 2
    assert sim.bytes_to_host() <= 2 * (64 * 64 * 64 + 4096)


@only_sim
@pytest.mark.parametrize(
    "view",
    [{}, {"scale": "layer"}, {"sort": "std"}, {"topk": 5}, {"reduce": "mean"}, {"sample": "all"}],
    ids=str,
)
@pytest.mark.parametrize("nonfinite", [False, True], ids=["finite", "with NaN"])
def test_all_statistics_of_a_layer_come_in_one_transfer(device, view, nonfinite):
    tensor = torch.randn(2, 32, 20, 20)
    tensor[0, 3, 2, 2] = torch.nan if nonfinite else 0
    feature_maps = maps_with(tensor, device)
    sim.transfers.clear()

    picture(feature_maps, **view)

    to_host = [t for t in sim.transfers if (t.source, t.target) == ("sim", "cpu")]
    assert len(to_host) == 2  # the statistics, then the picture


@only_sim
@pytest.mark.parametrize(("nonfinite", "count"), [(False, 2), (True, 4)], ids=str)
def test_all_statistics_of_an_overview_come_in_one_transfer(device, nonfinite, count):
    """The ranges, then the tiles; between them what layers with NaN or infinities have beside."""
    net = nn.Sequential(nn.Conv2d(1, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(384, 5)).to(device)
    image = torch.rand(2, 1, 10, 10)
    image[0, 0, 3, 3] = torch.nan if nonfinite else 0
    with featmagic.capture(net) as feature_maps:
        net(image.to(device))
    sim.transfers.clear()

    feature_maps.pictures(overview=True)

    assert len([t for t in sim.transfers if (t.source, t.target) == ("sim", "cpu")]) == count


@only_sim
@pytest.mark.parametrize("how", ["mean", "pca"])
def test_one_picture_of_all_channels_brings_over_no_channel(device, how):
    feature_maps = maps_with(torch.randn(1, 256, 30, 30), device)
    sim.transfers.clear()

    picture(feature_maps, reduce=how)

    assert sim.bytes_to_host() <= 256 * 30 * 30


def strange_tensors():
    values = torch.linspace(-1, 3, 6 * 12 * 10).reshape(1, 6, 12, 10)
    nan, infinite, constant, all_nan, zeros = (values.clone() for _ in range(5))
    nan[0, 1, 2:5, 3] = float("nan")
    infinite[0, 2, 0, 0], infinite[0, 3, 4, 4] = float("inf"), float("-inf")
    constant[0, 4] = 0.25
    all_nan[0, 0] = float("nan")
    zeros[:] = 0
    return {"nan": nan, "inf": infinite, "constant": constant, "all nan": all_nan, "zeros": zeros}


@pytest.mark.parametrize("what", strange_tensors())
@pytest.mark.parametrize("scale", ["channel", "layer"])
def test_strange_values_are_drawn_as_on_the_cpu(device, what, scale):
    tensor = strange_tensors()[what]

    there = picture(maps_with(tensor, device), scale=scale)
    here = picture(maps_with(tensor, "cpu"), scale=scale)
    plain = picture(maps_with(strange_tensors()["nan"].nan_to_num(0), "cpu"), scale=scale)

    assert not np.array_equal(here, plain)
    np.testing.assert_array_equal(there, here)


def test_a_look_at_resnet18_works(device, ipython, capsys):
    resnet18 = pytest.importorskip("torchvision").models.resnet18
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model, image = resnet18().eval(), torch.rand(1, 3, 64, 64)
    seen = {}
    paths = ["conv1", "layer1.0.conv1", "layer2.0.downsample", "avgpool", "fc"]
    plain = copy.deepcopy(model)
    for path in paths:
        plain.get_submodule(path).register_forward_hook(
            lambda _, __, output, path=path: seen.update({path: output.detach().clone()})
        )
    plain(image)
    ipython.user_ns.update(model=model.to(device), image=image)
    ipython.run_line_magic("load_ext", "featmagic")

    result = ipython.run_cell(f"%%featuremaps model {' '.join(paths)}\nmodel(image)")

    result.raise_error()
    assert result.result.device.type == device
    feature_maps = ipython.user_ns["feature_maps"]
    assert list(feature_maps) == paths
    close = {"rtol": 0, "atol": 0} if device == "sim" else {"rtol": 1e-2, "atol": 1e-2}
    for path in paths:
        torch.testing.assert_close(feature_maps[path].cpu(), seen[path], **close)
    captions = [line for line in capsys.readouterr().out.splitlines() if f" {device}" in line]
    assert [line.split()[0] for line in captions if line.split()[0] in paths] == paths


class Packs(nn.Module):
    """Sums up each sequence, as far as its length says."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Linear(3, 3)
        self.rnn = Recurrent()

    def forward(self, tokens, lengths):
        packed = pack_padded_sequence(self.scale(tokens), lengths, batch_first=True)
        return packed.data.sum()


class Recurrent(nn.RNNBase):
    """Recurrent in name: the simulated device has no kernel that runs one."""

    def __init__(self):
        super().__init__("RNN_TANH", 3, 2)


@pytest.mark.parametrize("placed", [False, True], ids=["all on the CPU", "placed by the caller"])
def test_lengths_for_packing_stay_on_the_cpu(device, maps_of, placed, capsys):
    model = Packs()
    tokens, lengths = torch.randn(2, 5, 3), torch.tensor([5, 2])
    expected = model.scale(tokens).detach()
    model.to(device)

    maps = maps_of(model, tokens.to(device) if placed else tokens, lengths)

    torch.testing.assert_close(maps["scale"].cpu(), expected)
    lines = [line for line in capsys.readouterr().out.splitlines() if "moved" in line.lower()]
    assert ["'lengths' stays on cpu" in line for line in lines] == [True] * (not placed)


@pytest.mark.skipif(IN_A_PROCESS_OF_ITS_OWN, reason="this is the process that it starts")
def test_all_of_this_holds_on_a_simulated_device():
    here = Path(__file__)
    child = subprocess.run(
        [sys.executable, "-m", "pytest", here, "-q", "-p", "no:cacheprovider"],
        cwd=here.parents[2],
        env={**os.environ, "FEATMAGIC_TEST_DEVICE": "sim"},
        capture_output=True,
        text=True,
    )
    if child.returncode == pytest.ExitCode.NO_TESTS_COLLECTED:
        pytest.skip(child.stdout.strip().splitlines()[-2])
    assert child.returncode == 0, child.stdout + child.stderr
