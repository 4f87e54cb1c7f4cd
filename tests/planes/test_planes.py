"""From a tensor of any rank to planes."""

from __future__ import annotations

import numpy as np
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


# Every layout, by NumPy's own indexing


BY_LAYOUT = [
    # layout, shape, view, values (R, P, H, W) of the array, form, noun, words
    ("NCHW", (3, 4, 5, 6), {"sample": 1}, lambda a: a[1][None], "tiles", "channels", ()),
    ("NHWC", (2, 5, 6, 4), {}, lambda a: np.moveaxis(a[0], -1, 0)[None], "tiles", "channels", ()),
    ("CHW", (4, 5, 6), {}, lambda a: a[None], "tiles", "channels", ()),
    ("HWC", (5, 6, 4), {}, lambda a: np.moveaxis(a, -1, 0)[None], "tiles", "channels", ()),
    ("HW", (5, 6), {}, lambda a: a[None, None], "tiles", "planes", ()),
    ("NHW", (3, 5, 6), {"sample": 2}, lambda a: a[2][None, None], "tiles", "planes", ()),
    ("NCW", (2, 4, 6), {}, lambda a: a[0][None, :, None], "tiles", "channels", ()),
    ("NC", (2, 4), {}, lambda a: a[0][None, :, None, None], "fold", "values", ()),
    ("C", (4,), {}, lambda a: a[None, :, None, None], "fold", "values", ()),
    ("NCL", (2, 4, 6), {}, lambda a: a[0][None, :, None], "rows", "channels", ()),
    ("NLC", (2, 6, 4), {}, lambda a: a[0].T[None, ..., None], "columns", "features", ()),
    ("LNC", (6, 2, 4), {"sample": 1}, lambda a: a[:, 1].T[None, ..., None], "columns", "features",
     ()),
    ("LC", (6, 4), {}, lambda a: a.T[None, ..., None], "columns", "features", ()),
    ("NAQK", (2, 4, 5, 6), {}, lambda a: a[0][None], "tiles", "heads", ()),
    ("NQK", (2, 5, 6), {}, lambda a: a[0][None, None], "tiles", "planes", ()),
    ("NCDHW", (2, 4, 7, 5, 6), {}, lambda a: a[0][None, :, 3], "tiles", "channels",
     ("slice 3 of 7 along depth",)),
    ("NCDHW", (2, 4, 6, 5, 6), {"slice": -1}, lambda a: a[0][None, :, 5], "tiles", "channels",
     ("slice 5 of 6 along depth",)),
    ("NCDHW", (2, 4, 6, 5, 6), {"slice": "mip"}, lambda a: a[0].max(1)[None], "tiles", "channels",
     ("largest of 6 slices",)),
    ("NCDHW", (2, 4, 6, 5, 6), {"slice": "mean"}, lambda a: a[0].mean(1)[None], "tiles",
     "channels", ("mean of 6 slices",)),
    ("NDHWC", (2, 7, 5, 6, 4), {"slice": 2}, lambda a: np.moveaxis(a[0, 2], -1, 0)[None], "tiles",
     "channels", ("slice 2 of 7 along depth",)),
    ("NCDHW", (2, 4, 6, 5, 6), {"slice": "montage", "channels": "2,0"}, lambda a: a[0, [2, 0]],
     "tiles", "slices", ("2 of 4 channels down",)),
    ("NAQK", (2, 4, 5, 6), {"attn": "mean"}, lambda a: a[0].mean(1)[None, :, None], "rows",
     "heads", ("mean over the queries",)),
    ("NAQK", (2, 4, 5, 6), {"attn": 3}, lambda a: a[0][None, :, 3, None], "rows", "heads",
     ("query 3",)),
    ("NAQK", (2, 4, 5, 6), {"attn": "cls"}, lambda a: a[0][None, :, 0, None], "rows", "heads",
     ("query 0",)),
    ("NCHW", (2, 4, 1, 1), {}, lambda a: a[0, :, 0, 0][None, :, None, None], "fold", "values", ()),
    ("NHWC", (2, 1, 1, 4), {}, lambda a: a[0, 0, 0][None, :, None, None], "fold", "values", ()),
    ("NCDHW", (2, 4, 1, 1, 1), {}, lambda a: a[0].reshape(1, 4, 1, 1), "fold", "values", ()),
    ("NCHW", (2, 4, 1, 6), {}, lambda a: a[0][None], "tiles", "channels", ()),
    ("NHW", (2, 1, 1), {}, lambda a: a[0][None, None], "tiles", "planes", ()),
    ("SNC", (2, 3, 4), {}, lambda a: a[:, 0].T[None, :, None], "columns", "features", ()),
    ("SNC", (1, 3, 4), {}, lambda a: a[0, 0][None, :, None, None], "fold", "values", ()),
]  # fmt: skip


@pytest.mark.parametrize(
    ("dims", "shape", "view", "expected", "form", "noun", "words"),
    BY_LAYOUT,
    ids=[f"{dims} {view}" for dims, _, view, *_ in BY_LAYOUT],
)
def test_planes_are_where_the_layout_says(dims, shape, view, expected, form, noun, words):
    tensor = torch.randn(shape)
    stack = planes_of(tensor, Layout(dims), View(**view))
    truth = expected(tensor.double().numpy())
    if form == "columns":
        truth = truth.reshape(stack.values.shape)
    np.testing.assert_allclose(stack.values.double().numpy(), truth, rtol=1e-5, atol=1e-6)
    assert (stack.form, stack.noun) == (form, noun)
    sample = (f"sample {view.get('sample', 0)}",) if "N" in dims else ()
    assert stack.words == sample + words
    assert stack.samples == ((int(view.get("sample", 0)),) if sample else ())
    assert stack.spatial == (dims.endswith(("HW", "HWC")) and form == "tiles" and
                             view.get("slice") != "montage")  # fmt: skip


def test_a_heat_map_says_what_runs_down_and_what_across():
    for dims, shape, view, read in (
        ("NCL", (1, 4, 6), {}, "channels down, 6 steps across"),
        ("NCL", (1, 4, 1), {}, "channels down, 1 step across"),
        ("NLC", (1, 6, 4), {}, "6 tokens down, features across"),
        ("NLC", (1, 1, 4), {}, "1 token down, features across"),
        ("NAQK", (1, 4, 5, 6), {"attn": 1}, "heads down, 6 keys across"),
    ):
        assert planes_of(torch.rand(shape), Layout(dims), View(**view)).read == read
    states = planes_of(torch.rand(2, 1, 4), Layout("SNC", signed=True), View())
    assert (states.read, states.noun, states.form) == ("units down, 2 states across", "units",
                                                       "rows")  # fmt: skip
    sequence = planes_of(torch.rand(1, 5, 4), Layout("NLC", signed=True), View())
    assert (sequence.read, sequence.signed) == ("units down, 5 steps across", True)


def test_time_is_called_time_where_the_view_says_so():
    volume = torch.rand(1, 2, 4, 5, 6)
    for layout, along in (("NCTHW", "time"), ("NCDHW", "depth")):
        words = planes_of(volume, Layout("NCDHW"), View(layout=layout)).words
        assert words == ("sample 0", f"slice 2 of 4 along {along}")


@pytest.mark.parametrize("prefix", [0, 1, 3])
def test_tokens_on_a_grid_are_planes_and_those_before_them_stand_apart(prefix):
    names = ("CLS", "R1", "R2")[:prefix]
    tensor = torch.randn(2, prefix + 12, 4)
    layout = Layout("NLC", grid=(3, 4), prefix=names)
    stack = planes_of(tensor, layout, View(sample="0,1", channels="2,0"))
    assert torch.equal(stack.values, tensor[:, prefix:, [2, 0]].transpose(1, 2).reshape(2, 2, 3, 4))
    words = ("samples 0, 1", "3 × 4 patches")
    if not prefix:
        assert (stack.prefix, stack.words) == (None, words)
    else:
        assert torch.equal(stack.prefix, tensor[:, :prefix, [2, 0]].transpose(1, 2))
        told = f"{', '.join(names)} in a strip"
        assert stack.words == (*words, told)
        left_out = planes_of(tensor, layout, View(reduce="pca")).words[-1]
        assert left_out == told.replace("in a strip", "left out")
    assert (stack.names, stack.spatial, stack.used) == (names, True, {"tokens"})
    assert (stack.rows, stack.samples) == (("s0", "s1"), (0, 1))


def test_what_a_query_attends_to_lies_on_the_grid_of_the_keys():
    weights = torch.rand(1, 2, 13, 13)
    layout = Layout("NAQK", grid=(3, 4), prefix=("CLS",))
    stack = planes_of(weights, layout, View(attn="cls"))
    assert torch.equal(stack.values, weights[:, :, 0, 1:].reshape(1, 2, 3, 4))
    assert torch.equal(stack.prefix, weights[:, :, 0, :1])
    assert stack.words[:2] == ("sample 0", "query CLS")
    assert stack.used == {"attention", "tokens"}
    assert planes_of(weights, layout, View(attn=5)).words[1] == "query 5"
    without = Layout("NAQK", grid=(3, 4))
    assert planes_of(weights[..., 1:, 1:], without, View(attn=0)).words[1] == "query 0"
    with pytest.raises(FeatmagicError, match=r"no CLS token: 12 tokens = 3 x 4 patches"):
        planes_of(weights[..., 1:, 1:], without, View(attn="cls"))


def test_single_values_of_several_samples_are_a_row_each():
    tensor = torch.randn(12, 5)
    stack = planes_of(tensor, Layout("NC"), View(sample="all"))
    assert (stack.form, stack.read) == ("columns", "samples down, values across")
    assert torch.equal(stack.values[0, :, :, 0], tensor.T)
    assert stack.words == ("samples 0, 1, 2, 3, 4, 5, 6, 7, …",)
    assert planes_of(tensor[:8], Layout("NC"), View(sample="all")).words[0].endswith("6, 7")


def test_a_sample_of_what_has_no_samples_is_said():
    plane = torch.rand(4, 5, 6)
    assert planes_of(plane, Layout("CHW"), View(sample=3)).words == ("no batch dimension",)
    assert planes_of(plane, Layout("CHW"), View(sample="all")).words == ()


def test_a_montage_shows_one_sample():
    volume = torch.rand(3, 2, 4, 5, 6)
    with pytest.raises(FeatmagicError, match="montage shows one sample: --sample 1"):
        planes_of(volume, Layout("NCDHW"), View(slice="montage", sample="1,2"))
    stack = planes_of(volume, Layout("NCDHW"), View(slice="montage", sample="1"))
    assert (stack.rows, stack.indices, stack.total) == (("0", "1"), (0, 1, 2, 3), 4)


def test_a_heat_map_has_all_channels_unless_the_view_says_fewer():
    tensor = torch.rand(1, 100, 6)
    for view, count in (({}, 100), ({"max": 10}, 10), ({"max": 0}, 100), ({"channels": ":7"}, 7)):
        stack = planes_of(tensor, Layout("NCL"), View(**view))
        assert (stack.values.shape[1], len(stack.indices), stack.total) == (count, count, 100)
    tiles = planes_of(torch.rand(1, 100, 2, 2), Layout("NCHW"), View())
    assert len(tiles.indices) == 64


def test_a_sparse_tensor_is_read_as_a_dense_one():
    tensor = torch.randn(1, 3, 4, 5).relu()
    for made in (tensor.to_sparse(), tensor):
        assert torch.equal(planes_of(made, Layout("NCHW"), View()).values, tensor)


def test_a_layout_that_has_no_picture_is_refused():
    with pytest.raises(FeatmagicError, match="no picture for the layout NCDW"):
        planes_of(torch.rand(1, 2, 3, 4), Layout("NCDW"), View(slice="montage"))
