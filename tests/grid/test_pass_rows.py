"""One layer in several passes: a row each where shapes agree, and a grid each where they don't."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
from helpers.networks import DNN, images
from helpers.tiles import page_image
from PIL import Image
from torch import nn

import featmagic
from featmagic import FeatmagicError
from featmagic.grid.draw import draw_all
from featmagic.options.view import View
from featmagic.render.lettering import shaded


class Grows(nn.Module):
    """Returns what it is given, as layers of a model that is called with growing sequences do."""

    def __init__(self):
        super().__init__()
        self.same = nn.Identity()

    def forward(self, x):
        return self.same(x)


def captured(model, *inputs, layers=(), **how):
    with featmagic.capture(model, *layers, passes="all", **how) as maps:
        for x in inputs:
            model(x)
    return maps


def drawn(maps, view=None):
    view = view or View()
    return list(draw_all(maps._request((), view).activations, view))


def test_rows_are_the_passes_in_the_order_in_which_they_ran():
    model, inputs = DNN(), [images(2, seed) for seed in range(3)]
    maps = captured(model, *inputs, layers=["cnn1"])
    (drawing,) = drawn(maps)
    rows = drawing.mosaic.indices
    assert [name for _, _, name in drawing.mosaic.ticks] == ["pass 1", "pass 2", "pass 3"]
    assert len(rows) == 3
    assert "(2, 5, 24, 24) float32 cpu · passes 1, 2, 3 of 3\nNCHW, 5 of 5" in drawing.caption
    # The same as three samples of one pass, but for what the rows are called.
    with torch.no_grad():
        together = torch.cat([model.cnn1(x)[:1] for x in inputs])
    with featmagic.capture(model, "cnn1") as one:
        model(torch.cat([x[:1] for x in inputs]))
    torch.testing.assert_close(one["cnn1"], together)
    (truth,) = drawn(one, View(sample="all"))
    assert np.abs(rows.astype(int) - truth.mosaic.indices.astype(int)).max() <= 1
    assert drawing.mosaic.labels == truth.mosaic.labels
    assert drawing.mosaic.bars == pytest.approx(truth.mosaic.bars)


def test_the_names_of_rows_are_legible_in_a_picture():
    maps = captured(DNN(), images(1, 0), images(1, 1), layers=["cnn1"])
    (drawing,) = drawn(maps)
    page = page_image(drawing.mosaic)
    for name in ("pass 1", "pass 2"):
        letters = shaded(name, 2)
        windows = np.lib.stride_tricks.sliding_window_view(page[:, :90], letters.shape)
        assert (windows == letters).all((2, 3)).sum() == 1, name


def test_another_sample_of_each_pass_can_be_shown():
    model, inputs = DNN(), [images(3, seed) for seed in range(2)]
    maps = captured(model, *inputs, layers=["cnn1"])
    (last,) = drawn(maps, View(sample="-1"))
    alone = captured(model, *[x[2:] for x in inputs], layers=["cnn1"])
    (truth,) = drawn(alone)
    assert (last.mosaic.indices == truth.mosaic.indices).all()
    assert "sample 2" in last.caption


def test_a_growing_sequence_has_a_grid_a_pass():
    maps = captured(Grows(), *[torch.randn(1, length, 6) for length in (3, 4, 5)])
    captions = [drawing.caption for drawing in drawn(maps)]
    assert [caption.splitlines()[0].split(" · ") for caption in captions] == [
        [f"same  Identity  (1, {length}, 6) float32 cpu", f"pass {number} of 3"]
        for number, length in enumerate((3, 4, 5), 1)
    ]


def test_passes_in_a_row_that_agree_share_a_grid():
    maps = captured(Grows(), *[torch.randn(1, length, 6) for length in (7, 1, 1, 1)])
    captions = [drawing.caption.splitlines()[0].split(" · ")[1] for drawing in drawn(maps)]
    assert captions == ["pass 1 of 4", "passes 2, 3, 4 of 4"]


def test_vectors_are_lines_of_one_heat_map():
    inputs = [torch.tensor([[1.0, 2.0, 3.0]]) * factor for factor in (1, 2)]
    (drawing,) = drawn(captured(Grows(), *inputs))
    assert "passes down, values across" in drawing.caption
    assert [name for _, _, name in drawing.mosaic.ticks] == ["pass 1", "pass 2"]
    with featmagic.capture(model := Grows(), "same") as one:
        model(torch.cat(inputs))
    (truth,) = drawn(one, View(sample="all"))
    assert (drawing.mosaic.indices == truth.mosaic.indices).all()


@pytest.mark.parametrize("view", [{"sample": "0,1"}, {"sample": "all"}])
def test_where_rows_are_samples_each_pass_has_a_grid_of_its_own(view):
    maps = captured(DNN(), images(2, 0), images(2, 1), layers=["cnn1"])
    first, second = drawn(maps, View(**view))
    assert "pass 1 of 2" in first.caption
    assert "pass 2 of 2" in second.caption
    assert [name for _, _, name in first.mosaic.ticks] == ["s0", "s1"]


def test_where_rows_are_channels_each_pass_has_a_grid_of_its_own():
    model = nn.Sequential(nn.Conv3d(1, 2, 1))
    maps = captured(model, *[torch.randn(1, 1, 3, 4, 4) for _ in range(2)])
    assert len(drawn(maps)) == 1
    assert len(drawn(maps, View(slice="montage"))) == 2


def test_what_can_not_be_drawn_is_said_for_each_pass():
    maps = captured(Grows(), torch.tensor(1.0), torch.tensor(2.0))
    assert [drawing.caption for drawing in drawn(maps)] == [
        "same  Identity  () float32 cpu · pass 1 of 2 · the single value 1",
        "same  Identity  () float32 cpu · pass 2 of 2 · the single value 2",
    ]


def test_layers_of_one_name_from_two_models_are_grids_of_their_own():
    ones = [captured(DNN(), images(1), images(1), layers=["cnn1"]) for _ in range(2)]
    activations = [each for one in ones for each in one._request((), View()).activations]
    drawings = list(draw_all(activations, View()))
    assert [len(drawing.mosaic.indices) for drawing in drawings] == [2, 2]


def test_calls_of_a_layer_are_grids_of_their_own():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.relu = nn.ReLU()

        def forward(self, x):
            return self.relu(self.relu(x) - 1)

    maps = captured(Twice(), *[torch.randn(1, 2, 4, 4) for _ in range(2)])
    captions = [drawing.caption.split("  ")[0] for drawing in drawn(maps)]
    assert captions == ["relu", "relu:2"]


def test_a_part_called_on_its_own_is_a_grid_below(x, model):
    with featmagic.capture(model, "cnn1", passes="all") as maps:
        model(x)
        model(x)
        model.cnn1(x)
    rows, alone = drawn(maps)
    assert "passes 1, 2 of 2" in rows.caption
    assert "called on its own" in alone.caption


def test_each_row_lies_on_the_input_of_its_own_pass():
    model = nn.Sequential(nn.Conv2d(3, 2, 1))
    inputs = [torch.full((1, 3, 8, 8), value) for value in (0.0, 1.0)]
    maps = captured(model, *inputs)
    (drawing,) = drawn(maps, View(input=True))
    black, white = drawing.mosaic.inputs
    assert (black.max(), white.min()) == (0, 255)
    (drawing,) = drawn(maps, View(overlay=True, alpha=0.0))
    first, second = drawing.mosaic.indices[:, :, 0]
    assert (first.max(), second.min()) == (48, 208)  # in gray, on which both signs are seen


def test_inputs_of_several_sizes_are_not_shown_beside_rows():
    model = nn.Sequential(nn.Conv2d(3, 2, 1), nn.AdaptiveAvgPool2d(4))
    maps = captured(model, torch.rand(1, 3, 8, 8), torch.rand(1, 3, 6, 6), layers=["1"])
    (drawing,) = drawn(maps, View(input=True))
    assert drawing.mosaic.inputs == ()
    assert "not on the input: its size differs from pass to pass" in drawing.caption
    # A part on its own was given no image.
    with featmagic.capture(model, "0", passes="all") as maps:
        model.forward(torch.rand(1, 3, 8, 8))
        model.forward(torch.rand(1, 3, 8, 8))
    with pytest.raises(FeatmagicError, match="no image-like input"):
        drawn(maps, View(input=True))


@pytest.mark.parametrize("view", [{"reduce": "pca"}, {"reduce": "mean"}])
def test_reduced_to_one_picture_each_pass_is_a_row(view):
    maps = captured(DNN(), images(1, 0), images(1, 1), layers=["cnn1"])
    (drawing,) = drawn(maps, View(**view))
    assert [name for _, _, name in drawing.mosaic.ticks] == ["pass 1", "pass 2"]
    assert len(drawing.mosaic.indices) == 2


def test_channels_are_ranked_over_all_passes():
    class Channels(nn.Module):
        def forward(self, values):
            return torch.tensor(values)[None, :, None, None].expand(1, 3, 2, 2).clone()

    model = nn.Sequential(Channels())
    with featmagic.capture(model, "0", passes="all") as maps:
        model([1.0, 9.0, 2.0])
        model([5.0, 1.0, 2.0])
    (drawing,) = drawn(maps, View(topk=2, layout="NCHW"))
    assert drawing.mosaic.labels == ("1", "0") * 2


# Views and files


def test_a_picture_of_all_passes_is_one_file_or_one_for_each_shape(tmp_path):
    maps = captured(DNN(), images(1, 0), images(1, 1), layers=["cnn1", "act1"])
    files = maps.save(tmp_path / "same.png", "cnn1")
    assert [file.name for file in files] == ["same.png"]
    with Image.open(files[0]) as one:
        assert one.size[1] > 100
    assert [f.name for f in maps.save(tmp_path / "all.png")] == ["all-cnn1.png", "all-act1.png"]
    grown = captured(Grows(), *[torch.randn(1, length, 6) for length in (3, 4)])
    files = grown.save(tmp_path / "grown.png")
    assert [file.name for file in files] == ["grown-same@pass1.png", "grown-same@pass2.png"]
    assert [f.name for f in grown.save(tmp_path / "one.png", passes=2)] == ["one.png"]


def test_tensors_of_several_passes_have_keys_that_say_from_which(tmp_path):
    with featmagic.capture(model := DNN(), "cnn1", "act1", passes="all") as maps:
        model(images(1, 0))
        model(images(2, 1))
        model.act1(images(3, 2))
    for suffix in ("npz", "safetensors"):
        maps.save(file := tmp_path / f"maps.{suffix}")
        if suffix == "npz":
            arrays = dict(np.load(file))
        else:
            arrays = pytest.importorskip("safetensors.numpy").load_file(file)
        assert sorted(arrays) == sorted(
            ["cnn1@pass1", "cnn1@pass2", "act1@pass1", "act1@pass2", "act1"]
        )
        first, second = maps.passes
        assert (arrays["cnn1@pass1"] == first["cnn1"].numpy()).all()
        assert (arrays["cnn1@pass2"] == second["cnn1"].numpy()).all()
        assert (arrays["act1"] == maps["act1"].numpy()).all()
    maps.save(file := tmp_path / "second.npz", passes=2)
    assert sorted(np.load(file)) == ["act1", "cnn1"]
    with pytest.raises(FeatmagicError, match="cmap doesn't apply"):
        maps.save(tmp_path / "x.npz", passes=2, cmap="gray")


def test_a_layer_called_like_the_key_of_a_pass_is_saved_too(tmp_path):
    model = nn.Module()
    model.add_module("a", nn.Identity())
    model.add_module("a@pass1", nn.Identity())
    model.forward = lambda x: getattr(model, "a@pass1")(model.a(x) + 1)
    with featmagic.capture(model, "a", "a@pass1", passes="all") as maps:
        model(torch.zeros(1))
        model.a(torch.full((1,), 5.0))
    maps.save(tmp_path / "maps.npz")
    arrays = {key: value.item() for key, value in np.load(tmp_path / "maps.npz").items()}
    assert sorted(arrays.values()) == [0, 1, 5]


def test_an_overview_and_an_explorer_show_a_pass_at_a_time(tmp_path):
    maps = captured(DNN(), images(1, 0), images(1, 1), layers=["cnn1", "act1"])
    ((text, picture),) = maps.pictures(overview=True)
    assert "pass 2 of 2" in text.splitlines()[0]
    assert Image.open(io.BytesIO(picture)).format == "PNG"
    ((text, _),) = maps.pictures(overview=True, passes=1)
    assert "pass 1 of 2" in text.splitlines()[0]
    assert len([line for line in text.splitlines() if line.startswith("cnn1")]) == 1
    assert maps.save(tmp_path / "look.html")
    assert maps.save(tmp_path / "first.html", passes=1)
    assert "pass 1 of 2" in (tmp_path / "first.html").read_text("utf-8")
    for switch in ({"overview": True}, {"explore": True}):
        with pytest.raises(FeatmagicError, match="shows one pass at a time"):
            maps.show(passes="all", **switch)


def test_an_overview_names_the_layers_of_other_passes():
    with featmagic.capture(model := DNN(), "cnn1", "act1", "fc1", "fc2") as maps:
        model(images(1))
        model.act1(images(1))
    ((text, _),) = maps.pictures(overview=True)
    head, second, *_ = text.splitlines()
    assert head.endswith("no NaN, no inf")
    assert second == "called on its own: act1"


def test_a_figure_is_of_all_passes_or_of_one():
    maps = captured(DNN(), images(1, 0), images(1, 1), layers=["cnn1"])
    (image,) = maps.figure("cnn1").axes[0].images
    (one,) = maps.figure("cnn1", passes=1).axes[0].images
    assert image.get_array().shape[0] > one.get_array().shape[0]
    grown = captured(Grows(), *[torch.randn(1, length, 6) for length in (3, 4)])
    with pytest.raises(FeatmagicError, match=r"^'same' changes shape between passes: choose"):
        grown.figure("same")
    grown.figure("same", passes=-1)
    with pytest.raises(KeyError, match="Did you mean same"):
        grown.figure("sam")
    with pytest.raises(KeyError, match=r"No 's\*' was captured"):
        grown.figure("s*")
