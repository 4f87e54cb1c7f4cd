"""What a model was given: its image, the grids of patches in it, and moving it to the device."""

from __future__ import annotations

from collections import OrderedDict, namedtuple
from dataclasses import dataclass
from types import MappingProxyType

import pytest
import torch
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn.utils.rnn import pack_sequence

from featmagic.recording.inputs import image_in, image_of, pass_inputs
from featmagic.recording.placement import MovedInputs, device_of, move_to_device
from featmagic.support.errors import FeatmagicError

CONV = nn.Sequential(nn.Conv2d(3, 4, 2, 2))


def on_device(device, value, moved):
    """The only argument of a call, moved."""
    (result,), named = move_to_device(torch.device(device), nn.ReLU(), (value,), {}, moved)
    assert named == {}
    return result


@pytest.mark.parametrize(
    ("shape", "dtype", "is_one"),
    [
        ((2, 3, 8, 8), torch.float32, True),
        ((2, 1, 8, 8), torch.float64, True),
        ((2, 4, 8, 8), torch.uint8, True),
        ((2, 3, 2, 2), torch.float32, True),
        ((2, 2, 8, 8), torch.float32, False),
        ((2, 5, 8, 8), torch.float32, False),
        ((2, 3, 1, 8), torch.float32, False),
        ((2, 3, 8, 1), torch.float32, False),
        ((2, 3, 8, 8), torch.int64, False),
        ((2, 3, 8, 8), torch.bool, False),
        ((3, 8, 8), torch.float32, True),  # as the first convolution takes it, without a batch
        ((1, 8, 8), torch.float32, False),
        ((3, 8), torch.float32, False),
        ((1, 2, 3, 8, 8), torch.float32, False),
    ],
)
def test_an_image_has_a_height_and_a_width_and_as_many_colors_as_images_have(shape, dtype, is_one):
    tensor = torch.ones(shape, dtype=dtype)
    found = image_in(CONV, (torch.ones(2, 9), tensor), {})
    assert (found is tensor) == is_one
    assert (image_in(CONV, (), {"pixels": [tensor]}) is tensor) == is_one


def test_the_first_image_counts_and_a_mask_is_none():
    first, second = torch.rand(1, 3, 8, 8), torch.rand(1, 1, 8, 8)
    assert image_in(CONV, (first, second), {}) is first
    assert image_in(CONV, (), {"pixel_mask": first, "x": second}) is second
    assert image_in(CONV, (first.to_sparse(), second), {}) is second
    assert image_in(CONV, (), {}) is None


def test_three_axes_are_an_image_only_for_a_model_that_begins_with_a_convolution_of_them():
    x = torch.rand(1, 8, 8)
    assert image_in(nn.Sequential(nn.Conv2d(1, 2, 3)), (x,), {}) is x
    later = nn.Sequential(nn.Conv2d(3, 1, 1), nn.Conv2d(1, 2, 3))
    assert image_in(later, (x,), {}) is None
    assert image_in(nn.Linear(8, 8), (x,), {}) is None


def test_arguments_that_cannot_be_read_hide_no_image_beside_them():
    class Broken(dict):
        def __iter__(self):
            raise RuntimeError("not now")

        keys = items = __iter__

    x = torch.rand(1, 3, 8, 8)
    assert image_in(CONV, (Broken(a=1), x), {}) is x


def test_a_look_keeps_a_copy_and_a_watch_knows_when_its_tensor_has_changed():
    x = torch.rand(2, 3, 8, 8)
    kept, watched = (pass_inputs(CONV, (x,), {}, copy=copy) for copy in (True, False))
    before = x.clone()
    assert kept.version is None
    assert watched.image.data_ptr() == x.data_ptr()
    assert torch.equal(image_of(watched), before)
    x[0, 0, 0, 0] = 9
    assert torch.equal(image_of(kept), before)
    with pytest.raises(FeatmagicError, match="changed in place"):
        image_of(watched)
    assert image_of(pass_inputs(CONV, (), {})) is None


def test_an_image_without_a_batch_is_given_one():
    x = torch.rand(3, 8, 6)
    given = pass_inputs(CONV, (x,), {})
    assert torch.equal(given.image, x[None])
    assert given.grids[0] == (4, 3)


@given(
    st.tuples(st.integers(4, 40), st.integers(4, 40)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.tuples(st.integers(1, 4), st.integers(1, 4)),
    st.one_of(st.tuples(st.integers(0, 2), st.integers(0, 2)), st.just("valid")),
    st.tuples(st.integers(1, 2), st.integers(1, 2)),
)
@settings(deadline=None)
def test_grids_are_those_of_the_first_convolution_and_of_its_halves(
    size, kernel, stride, padding, dilation
):
    assume(padding == "valid" or all(2 * p <= k for p, k in zip(padding, kernel, strict=True)))
    windows = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    assume(all(side >= window for side, window in zip(size, windows, strict=True)))
    convolution = nn.Conv2d(3, 2, kernel, stride, padding, dilation)
    x = torch.rand(1, 3, *size)
    grids = pass_inputs(nn.Sequential(convolution, nn.Conv2d(2, 2, 1)), (x,), {}).grids
    grid = tuple(convolution(x).shape[2:])
    assert grids[0] == grid
    padded = [-(-side // step) * step for side, step in zip(size, stride, strict=True)]
    bases = [grid, tuple(convolution(torch.rand(1, 3, *padded)).shape[2:])]
    expected = set()
    for base in bases:
        halves = base
        expected.add(halves)
        while max(halves) > 1:
            halves = tuple(-(-side // 2) for side in halves)
            expected.add(halves)
    assert set(grids) == expected
    assert len(grids) == len(expected)


def test_a_convolution_that_keeps_the_size_has_a_place_for_each_pixel():
    model = nn.Conv2d(3, 2, 3, padding="same")
    assert pass_inputs(model, (torch.rand(1, 3, 9, 6),), {}).grids[0] == (9, 6)


def test_without_a_convolution_of_the_images_colors_there_is_no_grid():
    given = pass_inputs(nn.Conv2d(1, 2, 2, 2), (torch.rand(1, 3, 8, 8),), {})
    assert given.image is not None
    assert given.grids == ()


def test_the_device_is_that_of_all_parameters_or_of_all_buffers():
    class Buffers(nn.Module):
        def __init__(self, *devices):
            super().__init__()
            for number, device in enumerate(devices):
                self.register_buffer(f"b{number}", torch.zeros(1, device=device))

    assert device_of(nn.Linear(2, 2)) == torch.device("cpu")
    assert device_of(nn.Linear(2, 2, device="meta")) is None
    assert device_of(nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2, device="meta"))) is None
    assert device_of(Buffers("cpu", "cpu")) == torch.device("cpu")
    assert device_of(Buffers("cpu", "meta")) is None
    assert device_of(nn.ReLU()) is None


Pair = namedtuple("Pair", "x y")


@dataclass
class Batch:
    images: torch.Tensor
    size: int


def on(device):
    return torch.ones(2, device=device)


@pytest.mark.parametrize(
    "make",
    [
        lambda d: on(d),
        lambda d: (on(d), 1),
        lambda d: [on(d), [on(d), "text"]],
        lambda d: {"a": on(d), "b": {"c": on(d)}},
        lambda d: OrderedDict(a=on(d)),
        lambda d: Pair(on(d), 2),
        lambda d: Batch(on(d), 3),
        lambda d: [Batch(on(d), 3), (Pair(on(d), on(d)),)],
    ],
)
def test_every_tensor_in_a_container_is_moved_and_the_callers_own_stay_as_they_are(make):
    value, moved = make("cpu"), MovedInputs()
    result = on_device("meta", value, moved)
    assert type(result) is type(value)
    assert str(result) == str(make("meta"))
    assert str(value) == str(make("cpu"))
    assert moved.tensors == {"cpu": str(value).count("tensor(")}
    assert not moved.left
    again = MovedInputs()
    assert on_device("meta", result, again) is result
    assert not again


def test_a_mapping_that_cannot_be_written_and_a_packed_sequence_are_moved_too():
    moved = MovedInputs()
    packed = pack_sequence([torch.ones(3), torch.ones(2)])
    assert on_device("meta", packed, moved).data.device.type == "meta"
    assert moved.tensors == {"cpu": 1}
    assert on_device("cpu", packed, moved) is packed
    frozen = MappingProxyType({"a": on("cpu")})
    holding_itself = [on("cpu")]
    holding_itself.append(holding_itself)
    assert on_device("cpu", frozen, moved) is frozen
    assert not moved.left
    assert on_device("meta", holding_itself, moved) is holding_itself
    assert list(moved.left) == ["a list that contains itself isn't moved"]
