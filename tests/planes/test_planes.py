"""From a tensor of any rank to planes."""

from __future__ import annotations

import pytest
import torch

from featmagic.options.view import View
from featmagic.planes.dtypes import undrawable
from featmagic.planes.heat_map import assemble, block_average
from featmagic.planes.layout import Layout
from featmagic.planes.planes import planes_of
from featmagic.support.errors import FeatmagicError

LAYOUTS = ["", "C", "NC", "CHW", "NCHW", "NCDHW"]


def planes(tensor, view, key="cnn1"):
    return planes_of(tensor, Layout(LAYOUTS[tensor.dim()]), view, key)


def test_channels_of_one_sample_in_the_order_asked_for():
    tensor = torch.randn(3, 6, 4, 5)
    stack = planes(tensor, View(sample=-1, channels="4,0:2"))
    assert stack.indices == (4, 0, 1)
    assert stack.total == 6
    assert torch.equal(stack.values[0], tensor[-1, [4, 0, 1]])


def test_channels_that_follow_on_each_other_are_not_copied():
    tensor = torch.randn(1, 8, 4, 4)
    assert planes(tensor, View(channels="2:6")).values.data_ptr() == tensor[0, 2].data_ptr()


def test_three_axes_are_a_plane_for_each_index_of_the_first():
    tensor = torch.randn(5, 7, 3)
    stack = planes(tensor, View())
    assert torch.equal(stack.values[0], tensor)
    assert stack.noun == "channels"


def test_volumes_show_the_middle_of_their_depth_and_say_so():
    tensor = torch.randn(1, 2, 5, 4, 4)
    stack = planes(tensor, View())
    assert torch.equal(stack.values[0], tensor[0, :, 2])
    assert "slice 2 of 5 along depth" in stack.words


@pytest.mark.parametrize("shape", [(1, 10), (10,), (1, 10, 1, 1)])
def test_single_values_are_folded_into_one_plane(shape):
    tensor = torch.arange(10.0).reshape(shape)
    stack = planes(tensor, View())
    folded, padding = assemble(stack.values[0], stack.form)
    assert folded.shape == (1, 3, 4)
    assert padding == 2
    assert folded.flatten()[:10].tolist() == list(range(10))


@pytest.mark.parametrize(
    ("tensor", "expected", "words"),
    [
        (torch.tensor([[[3 + 4j]]]), 5.0, "magnitude of complex values"),
        (torch.tensor([[[True]]]), 1.0, ""),
        (torch.tensor([[[7]]], dtype=torch.uint8), 7.0, ""),
        (torch.tensor([[[2**40 + 1]]]), float(2**40 + 1), ""),
        (torch.tensor([[[1.5]]], dtype=torch.bfloat16), 1.5, ""),
        (torch.tensor([[[2.5]]]).to_sparse(), 2.5, ""),
        (torch.quantize_per_tensor(torch.tensor([[[2.5]]]), 0.5, 0, torch.quint8), 2.5, ""),
    ],
    ids=lambda v: str(v.dtype) if isinstance(v, torch.Tensor) else "",
)
def test_every_dtype_becomes_real_numbers(tensor, expected, words):
    stack = planes(tensor, View())
    assert stack.values.item() == expected
    assert words in " ".join(stack.words)


@pytest.mark.parametrize(
    ("tensor", "words"),
    [
        (torch.zeros(1, 0, 4, 4), "empty"),
        (torch.zeros(0, 3, 4, 4), "empty"),
        (torch.tensor(2.5), "single value 2.5"),
        (torch.zeros(1, 2, 3, 3, device="meta"), "meta device"),
        (torch.zeros(1, 1, 1, 1, 1, 1), "6 axes"),
    ],
)
def test_what_has_no_picture_says_why(tensor, words):
    assert words in undrawable(tensor)


@pytest.mark.parametrize("sample", [3, -4])
def test_a_sample_that_is_not_there_says_which_are(sample):
    with pytest.raises(FeatmagicError, match=f"No sample {sample}: 'cnn1' has 3, 0 to 2"):
        planes(torch.zeros(3, 2, 4, 4), View(sample=sample), "cnn1")


def test_shrinking_averages_whole_blocks_and_what_is_left_at_the_edge():
    values = torch.arange(12.0).reshape(1, 3, 4)
    small, _ = block_average(values, 2)
    assert small.tolist() == [[[2.5, 4.5], [8.5, 10.5]]]


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.uint16, torch.uint64, torch.int8])
def test_channels_of_any_dtype_can_be_picked(dtype):
    tensor = torch.arange(24).reshape(1, 6, 2, 2).to(dtype)
    stack = planes(tensor, View(channels="4,0"))
    assert torch.equal(stack.values[0].double(), tensor.double()[0, [4, 0]])
