"""Copies share memory as the originals do; whatever an output holds is kept, or named."""

from __future__ import annotations

import io
import pickle
from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from helpers.containers import Claims, LazyMapping, RaisingField, doubled, holding_itself, nested
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import featmagic
from featmagic.explorer.session import open_session
from featmagic.options.view import View
from featmagic.planes.measurements import evenly_spaced
from featmagic.recording.pytree import Reading, copied, tensors_in
from featmagic.recording.records import Activation


def bytes_of(tensor):
    return tensor.untyped_storage().nbytes()


VIEWS = {
    "expanded": (lambda: torch.randn(1, 4, 1, 1).expand(8, 4, 100, 100), 4 * 4),
    "expanded part": (lambda: torch.randn(1000)[::100].expand(50, 10), 10 * 4),
    "windows": (lambda: torch.arange(1000.0).unfold(0, 200, 1), 1000 * 4),
    "expanded windows": (lambda: torch.arange(10.0).unfold(0, 4, 1).expand(9, 7, 4), 10 * 4),
    "windows of a part": (lambda: torch.randn(100)[20:40].unfold(0, 5, 1), 20 * 4),
    "conjugate": (lambda: torch.randn(3, 1, dtype=torch.complex64).conj().expand(3, 9), 3 * 8),
    "transposed": (lambda: torch.randn(5, 7).T, 35 * 4),
    "channels last": (lambda: torch.randn(2, 3, 4, 5)[:, :2].transpose(1, 3), 80 * 4),
    "every other": (lambda: torch.randn(40)[::2], 20 * 4),
    "empty": (lambda: torch.randn(1, 0, 1).expand(3, 0, 4), 0),
    "single": (lambda: torch.tensor(3.0), 4),
}


@pytest.mark.parametrize("kind", VIEWS)
def test_a_copy_takes_no_more_memory_than_the_values_that_differ(kind):
    make, most = VIEWS[kind]
    original = make()
    copy = copied(original)
    truth = original.clone()
    assert torch.equal(copy, truth)
    assert copy.shape == original.shape
    assert bytes_of(copy) <= most
    shared = [axis for axis, step in enumerate(original.stride()) if step == 0]
    if original.numel():
        assert all(copy.stride(axis) == 0 for axis in shared if original.shape[axis] > 1)
    assert original.numel() == 0 or copy.data_ptr() != original.data_ptr()


@given(st.data())
@settings(deadline=None, max_examples=200)
def test_any_view_is_copied_value_for_value(data):
    shape = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=4))
    strides = [data.draw(st.integers(0, 6)) for _ in shape]
    offset = data.draw(st.integers(0, 5))
    original = torch.arange(200.0).as_strided(shape, strides, offset)
    truth = original.clone()
    copy = copied(original)
    original._base.zero_()
    assert torch.equal(copy, truth)
    assert bytes_of(copy) <= 4 * truth.numel()


class Expands(nn.Module):
    def forward(self, x):
        return x.expand(2, 3, 10, 12)


@pytest.fixture
def expanded():
    model = nn.Sequential(Expands())
    with featmagic.capture(model, "0") as maps:
        model(torch.randn(2, 3, 1, 1))
    return maps


def test_an_expanded_output_stays_small_in_the_maps_and_in_a_pickle(expanded):
    assert bytes_of(expanded["0"]) == 6 * 4
    assert len(pickle.dumps(expanded)) < 5000


def test_an_expanded_output_is_shown_and_saved_as_the_same_values_laid_out(expanded, tmp_path):
    model = nn.Sequential(Expands())  # which changes nothing of what has that shape already
    with featmagic.capture(model, "0") as plain:
        model(expanded["0"].contiguous())
    assert plain["0"].is_contiguous()
    (one,), (other,) = expanded.pictures(), plain.pictures()
    assert one[1] == other[1]
    views = [maps.pictures(overview=True)[0][1] for maps in (expanded, plain)]
    assert views[0] == views[1]
    for suffix in (".npz", ".safetensors"):
        (file,) = expanded.save(tmp_path / f"maps{suffix}")
        if suffix == ".npz":
            saved = torch.from_numpy(np.load(file)["0"])
        else:
            from safetensors.torch import load_file

            saved = load_file(file)["0"]
        assert torch.equal(saved, plain["0"])


def test_a_plane_of_a_view_is_taken_from_it_alone():
    tensor = torch.randn(2, 3, 1, 5).expand(2, 3, 4, 5)
    act = Activation("act", "act", "ReLU", 1, tensor)
    session = open_session([act], View(explore=True, layout="NCHW"))
    assert torch.equal(session.plane("act", 0, 2), tensor[0, 2])


@pytest.mark.parametrize("most", [1, 7, 100, 5000])
def test_evenly_spaced_values_of_a_view_are_those_of_its_copy(most):
    view = torch.randn(6, 1, 7).expand(6, 5, 7)
    laid_out = view.permute(sorted(range(3), key=view.stride, reverse=True)).contiguous()
    assert torch.equal(evenly_spaced(view, most), evenly_spaced(laid_out, most))


# What is kept of an output


class Boxes:
    """A plain object, as in libraries for detection."""

    def __init__(self, tensor, **more):
        self.tensors = tensor
        self.sizes = [(3, 4)]
        vars(self).update(more)


class Slots:
    __slots__ = ("hidden", "unset")

    def __init__(self, tensor):
        self.hidden = tensor


class Private:
    def __init__(self, tensor):
        self._fields = {"boxes": tensor, "scores": tensor + 1}

    @property
    def boxes(self):
        raise AssertionError("a property is never read")


@dataclass
class Output:
    hidden: torch.Tensor
    cache: object = None


ONES = torch.ones(2)
NOTHING_DEEPER = "only tensors that are its attributes can be captured"

# What is returned; the keys that are kept; what is told of others.
OUTPUTS = {
    "a plain object": (Boxes(ONES), ["0.tensors"], {}),
    "beside a tensor": ((ONES, Boxes(ONES)), ["0[0]", "0[1].tensors"], {}),
    "slots": ((Slots(ONES),), ["0[0].hidden"], {}),
    "a namespace": (SimpleNamespace(a=ONES, b=3), ["0.a"], {}),
    "in a dataclass": (Output(ONES, Boxes(ONES)), ["0['hidden']", "0['cache'].tensors"], {}),
    "private": ((ONES, Private(ONES)), ["0[0]"], {"0[1]": "a Private holds 2 tensors"}),
    "deeper": (
        Boxes(ONES, layers=[Boxes(ONES + 1), Boxes(ONES + 2)]),
        ["0.tensors"],
        {"0": "a Boxes holds 2 more tensors"},
    ),
    "a set": ((ONES, {ONES + 1}), ["0[0]"], {"0[1]": "a set holds 1 tensor"}),
    "no tensor": (Boxes(3), [], {"0": "it returned no tensor (Boxes)"}),
    "beside nothing of interest": ((ONES, Boxes(3), "a", 3, None), ["0[0]"], {}),
    "a module": ((ONES, nn.Linear(1, 1)), ["0[0]"], {}),
    "a lazy mapping": (
        (ONES, LazyMapping({"a": ONES})), ["0[0]"], {"0[1]": "can't be read: the file is gone"},
    ),
    "a lazy field": ((ONES, RaisingField(ONES)), ["0[0]"], {"0[1]": "can't be read: not loaded"}),
    "a claim": ((ONES, Claims()), ["0[0]"], {}),
    "nothing but a claim": (Claims(), [], {"0": "it returned no tensor (Claims)"}),
    "holding itself": (holding_itself(ONES), ["0[0]"], {}),
    "too deep": ((ONES, nested(ONES, 2000)), ["0[0]"], {"0[1][0]": "nested too deeply"}),
    "too many": ((ONES, doubled([3], 40)), ["0[0]"], {"0": "only the first 20,000 containers"}),
}  # fmt: skip


class Returns(nn.Module):
    def __init__(self, output):
        super().__init__()
        vars(self)["output"] = output  # torch would ask it for its class

    def forward(self, x):
        return self.output


@pytest.mark.parametrize("kind", OUTPUTS)
def test_every_tensor_of_an_output_is_kept_or_named_with_the_reason(kind):
    output, keys, reasons = OUTPUTS[kind]
    model = nn.Sequential(Returns(output))
    with featmagic.capture(model, "0") as maps:
        assert model(ONES) is output
    assert list(maps) == keys
    assert all(torch.equal(maps[key], ONES) for key in keys)
    assert len(maps.missing) == len(reasons)
    for key, reason in reasons.items():
        (told,) = [text for name, text in maps.missing.items() if name.startswith(key)]
        assert reason in told


def test_a_cache_of_transformers_is_named_and_the_rest_is_kept():
    transformers = pytest.importorskip("transformers")
    config = transformers.GPT2Config(n_layer=2, n_head=2, n_embd=8, vocab_size=11, n_positions=16)
    gpt = transformers.GPT2LMHeadModel(config)
    ids = torch.arange(5)[None]
    with featmagic.capture(gpt, ".", "transformer.wte") as maps:
        out = gpt(ids, use_cache=True)
    assert torch.equal(maps[".['logits']"], out.logits)
    (reason,) = maps.missing.values()
    assert "Cache holds 4 tensors" in reason
    assert NOTHING_DEEPER in reason


def test_the_image_list_of_a_detector_is_kept():
    detection = pytest.importorskip("torchvision").models.detection
    transform = detection.transform.GeneralizedRCNNTransform(32, 64, [0.0] * 3, [1.0] * 3)
    image = torch.rand(3, 32, 48)
    with featmagic.capture(transform, ".") as maps:
        batch, _ = transform([image])
    assert torch.equal(maps[".[0].tensors"], batch.tensors)
    assert not maps.missing


def test_a_part_that_lies_in_a_plain_object_is_told_by_the_layers_name():
    model = nn.Sequential(Returns((ONES, Boxes(ONES))), Returns(Boxes(ONES)))
    with featmagic.capture(model, "0[1]", "1") as maps:
        model(ONES)
    assert list(maps) == ["0[1].tensors", "1.tensors"]
    for key in ("0[1]", "1"):
        with pytest.raises(KeyError) as caught:
            maps[key]
        assert f"'{key}' returned several tensors: {key}.tensors." in str(caught.value)


def test_a_layer_in_another_is_no_part_of_its_output():
    model = nn.Sequential(nn.Sequential(nn.ReLU()))
    with featmagic.capture(model, "0.0") as maps:
        model(ONES)
    with pytest.raises(KeyError, match=r"No '0' was captured"):
        maps["0"]


def test_keys_of_any_kind_are_spelled():
    class Key:
        def __repr__(self):
            raise RuntimeError("no name")

    reading = Reading()
    found = dict(tensors_in({Key(): ONES, 1.5: ONES}, reading=reading))
    assert list(found) == ["[<Key>]", "[1.5]"]
    assert not reading.unread


def test_a_pass_that_returns_plain_objects_can_be_saved(tmp_path):
    model = nn.Sequential(Returns(Boxes(torch.rand(1, 2, 5, 5))))
    with featmagic.capture(model, "0") as maps:
        model(ONES)
    (file,) = maps.save(tmp_path / "maps.npz")
    assert list(np.load(io.BytesIO(file.read_bytes()))) == ["0.tensors"]
    assert maps.save(tmp_path / "maps.html")
    assert maps.pictures("0.tensors")
