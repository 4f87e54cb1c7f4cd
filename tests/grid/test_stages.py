"""The stages of a grid, each by itself: prepare, arrange, compose, caption."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from featmagic.grid.arrange import arrange
from featmagic.grid.caption import caption, caption_of_undrawable
from featmagic.grid.compose import color_range_of, compose, opacities
from featmagic.grid.prepare import Prepared, Undrawable, prepare, prepare_all
from featmagic.options.view import View
from featmagic.recording.inputs import PassInputs
from featmagic.recording.records import Activation
from featmagic.render.color import Range
from featmagic.render.palette import NAN
from featmagic.render.viewport import PAGE, GridLayout
from featmagic.support.errors import FeatmagicError


def activation(*shape, kind="Conv2d", values=None, **about):
    tensor = torch.rand(*shape) if values is None else values
    return Activation("layer", "layer", kind, 1, tensor, **about)


def prepared(*shape, values=None, about=None, **view):
    made = prepare(activation(*shape, values=values, **(about or {})), View(**view), PAGE)
    assert isinstance(made, Prepared)
    return made


def composed(one, grid_layout=None):
    return compose(one, color_range_of(one), grid_layout or arrange(one))


def test_planes_with_height_and_width_are_a_tile_each_under_their_index():
    tiling = prepared(1, 5, 8, 6, channels="4,1").tiling
    assert (tiling.form, tiling.count, tiling.size) == ("tiles", 2, (8, 6))
    assert tiling.labels == ("4", "1")
    assert (tiling.ncols, tiling.row_names, tiling.value_row_names) == (None, (), ())
    assert tiling.margin == 0


def test_several_samples_are_a_named_row_of_tiles_each():
    tiling = prepared(3, 5, 8, 6, sample="0,2").tiling
    assert (tiling.count, tiling.ncols, tiling.row_names) == (10, 5, ("s0", "s2"))
    assert tiling.labels == tuple("01234" * 2)
    assert tiling.margin == len("s0 ")


def test_sorted_planes_are_labelled_by_their_own_indices():
    values = torch.tensor([1.0, 3.0, 2.0]).view(1, 3, 1, 1).expand(1, 3, 4, 4).contiguous()
    assert prepared(values=values, sort="max").tiling.labels == ("1", "2", "0")


@pytest.mark.parametrize(
    ("shape", "view", "form", "size", "names"),
    [
        ((1, 3, 7), {"layout": "NCL"}, "rows", (3, 7), ("0", "1", "2")),
        ((1, 3, 7), {"layout": "NCL", "channels": "2,0"}, "rows", (2, 7), ("2", "0")),
        ((1, 4, 3), {"layout": "NLC"}, "columns", (4, 3), ("0", "1", "2", "3")),
        ((1, 100), {"layout": "NC"}, "fold", (4, 25), ("0", "25", "50", "75")),
        ((1, 90), {"layout": "NC"}, "fold", (4, 25), ("0", "25", "50", "75")),
        ((4, 3), {"layout": "NC", "sample": "1,3"}, "columns", (2, 3), ("s1", "s3")),
    ],
)
def test_a_heat_map_is_one_tile_whose_rows_have_names(shape, view, form, size, names):
    tiling = prepared(*shape, **view).tiling
    assert (tiling.form, tiling.count, tiling.size) == (form, 1, size)
    assert tiling.value_row_names == names
    assert tiling.labels == ("",)
    assert tiling.margin == max(map(len, names)) + 1


def test_several_heat_maps_are_labelled_by_their_samples_and_their_rows_have_no_names():
    tiling = prepared(3, 4, 7, layout="NCL", sample="all").tiling
    assert (tiling.count, tiling.size, tiling.labels) == (3, (4, 7), ("s0", "s1", "s2"))
    assert (tiling.row_names, tiling.value_row_names) == ((), ())


def test_a_few_single_values_are_a_tile_each():
    tiling = prepared(1, 10, layout="NC").tiling
    assert (tiling.form, tiling.count, tiling.size) == ("tiles", 10, (1, 1))
    assert tiling.labels == tuple("0123456789")


def test_principal_components_are_one_tile_a_sample():
    tiling = prepared(2, 5, 8, 6, sample="all", reduce="pca").tiling
    assert (tiling.form, tiling.count, tiling.size, tiling.ncols) == ("tiles", 2, (8, 6), 1)
    assert (tiling.labels, tiling.row_names) == (("", ""), ("s0", "s1"))


def test_the_tiling_is_what_is_composed():
    for shape, view in (
        ((1, 5, 8, 6), {}),
        ((1, 30, 7), {"layout": "NCL"}),
        ((1, 90), {"layout": "NC"}),
        ((2, 5, 8, 6), {"sample": "all", "reduce": "pca"}),
    ):
        one = prepared(*shape, **view)
        ncols = min(3, one.tiling.count)
        mosaic = composed(one, GridLayout(ncols, 1, 1))
        assert mosaic.tile_size == one.tiling.size
        assert mosaic.labels == one.tiling.labels
        assert len(mosaic.indices) == -(-one.tiling.count // ncols)


def test_what_cannot_be_drawn_has_a_reason_no_layout_and_a_caption():
    made = prepare(activation(values=torch.ones(0), kind="Linear"), View(), PAGE)
    assert isinstance(made, Undrawable)
    assert arrange(made) is None
    assert caption_of_undrawable(made) == "layer  Linear  (0,) float32 cpu · empty, no picture"


def test_without_a_viewport_there_is_a_caption_and_no_layout():
    made = prepare(activation(1, 5, 8, 6), View(), None)
    assert isinstance(made, Prepared)
    assert arrange(made) is None
    assert "NCHW, 5 of 5 channels, sample 0" in caption(made, color_range_of(made), None)


def test_names_on_the_left_and_an_input_image_leave_less_space_for_the_tiles():
    plain = prepared(2, 4, 16, 16, sample="0,1")
    image = {"inputs": PassInputs(torch.rand(2, 3, 16, 16), ())}
    beside = prepared(2, 4, 16, 16, sample="0,1", input=True, about=image)
    assert arrange(beside).zoom < arrange(plain).zoom
    named = replace(plain, tiling=replace(plain.tiling, row_names=("a long name for a row" * 3,)))
    assert arrange(named).zoom < arrange(plain).zoom


def test_every_annotation_is_there_after_one_call():
    values = torch.rand(1, 4, 8, 8)
    values[0, 2, 0, 0] = torch.nan
    image = {"inputs": PassInputs(torch.rand(1, 3, 8, 8), ())}
    one = prepared(values=values, scale="layer", vmax=2, vmin=0, input=True, about=image)
    mosaic = composed(one)
    assert mosaic.ends == ("0", "1", "2")
    assert (mosaic.scale.low, mosaic.scale.high, mosaic.scale.norm) == (0, 2, "linear")
    assert mosaic.bars == ()  # they share a range
    assert mosaic.nonfinite == ("", "", "×", "")
    assert [picture.shape[2] for picture in mosaic.inputs] == [3]
    assert (mosaic.ticks, mosaic.strip) == ((), None)


def test_channels_with_ranges_of_their_own_have_bars_and_no_ends():
    values = torch.tensor([1.0, 4.0]).view(1, 2, 1, 1) * torch.rand(1, 2, 8, 8)
    values[0, :, 0, 0] = torch.tensor([1.0, 4.0])
    mosaic = composed(prepared(values=values))
    assert mosaic.bars == (0.25, 1.0)
    assert (mosaic.ends, mosaic.scale, mosaic.nonfinite) == ((), None, ())


def test_every_so_many_rows_of_a_heat_map_are_named():
    one = prepared(1, 40, 50, layout="NCL")
    assert composed(one, GridLayout(1, 4, 1)).ticks == tuple(
        (0, row, str(row)) for row in range(0, 40, 5)
    )
    shrunk = composed(one, GridLayout(1, 4, 2))
    assert shrunk.ticks == tuple((0, row // 2, str(row)) for row in range(0, 40, 10))


def test_a_position_without_components_has_the_color_of_nan_and_its_mark():
    values = torch.rand(1, 5, 8, 6)
    values[0, 3, 2, 4] = torch.nan
    mosaic = composed(prepared(values=values, reduce="pca"), GridLayout(1, 4, 1))
    assert mosaic.nonfinite == ("×",)
    assert np.argwhere(mosaic.missing == NAN).tolist() == [[0, 2, 0, 4]]
    assert mosaic.indices[0, 2, 0, 4].tolist() == mosaic.colors[NAN].tolist()


def test_all_layers_shown_share_a_range_if_the_view_says_so():
    small, large = (activation(values=scale * torch.rand(1, 3, 8, 8)) for scale in (1, 10))
    layers = prepare_all([small, large], View(scale="all"), PAGE)
    ranges = [color_range_of(layer, layers) for layer in layers]
    assert ranges[0].high.max() == ranges[1].high.max() == float(large.tensor.max())
    assert color_range_of(layers[0]).high.max() == float(small.tensor.max())


def test_an_error_in_any_layer_comes_before_the_first_is_drawn():
    with pytest.raises(FeatmagicError, match="No channel 4"):
        prepare_all([activation(1, 5, 8, 8), activation(1, 3, 8, 8)], View(channels="4"), PAGE)


def test_an_option_of_a_group_that_acts_on_no_layer_is_refused():
    for view, why in (
        ({"grid": "2x2"}, "--grid doesn't apply here: no tokens are shown"),
        ({"prefix_tokens": 1}, "--prefix-tokens doesn't apply here: no tokens are shown"),
        ({"slice": "mip"}, "--slice doesn't apply here: no volume is shown"),
        ({"attn": "cls"}, "--attn doesn't apply here: no attention weights are shown"),
    ):
        with pytest.raises(FeatmagicError, match=why):
            prepare_all([activation(1, 5, 8, 8)], View(**view), PAGE)
        prepare_all([activation(values=torch.ones(0))], View(**view), PAGE)


def test_opacity_follows_the_magnitude_and_gaps_are_transparent():
    ends = np.full(1, 1.0), np.full(1, 2.0)
    opacity = opacities(Range("viridis", None, True, *ends))
    assert opacity.shape == (1, 256)
    assert opacity[0, [0, 239]].tolist() == [0.5, 1.0]
    centered = opacities(Range("RdBu_r", 0.0, True, -ends[1], ends[1]))
    assert centered[0, [0, 239]].tolist() == [1.0, 1.0]
    assert centered[0, 119] < 0.03
