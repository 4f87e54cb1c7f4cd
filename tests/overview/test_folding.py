"""The overview of a look without names folds the rows that only repeat the row above them."""

from __future__ import annotations

import io

import numpy as np
import pytest
import torch
import torchvision
from helpers.looks import look_at_all
from PIL import Image
from torch import nn

import featmagic
from featmagic.options.view import View
from featmagic.overview.filmstrip import filmstrip
from featmagic.overview.image import PITCH, filmstrip_png, head_height
from featmagic.overview.table import filmstrip_text
from featmagic.overview.text import filmstrip_lines
from featmagic.recording.recorder import Recorder
from featmagic.recording.selectors import select_all
from featmagic.recording.sinks import KeepPasses
from featmagic.render.target import RENDERERS
from featmagic.render.viewport import PAGE, Viewport


class Returns(nn.Module):
    """Returns its input after the given function has changed it, or not."""

    def __init__(self, change=lambda x: None):
        super().__init__()
        self.change = change

    def forward(self, x):
        self.change(x)
        return x


def film_of(maps, viewport=PAGE):
    return filmstrip(list(maps.kept.activations.values()), View(overview=True), viewport)


def names(film):
    return [row.activation.key for row in film.rows]


def model_of(*layers):
    return nn.Sequential(nn.Conv2d(3, 4, 3), *layers, nn.Conv2d(4, 2, 1)).eval()


@pytest.fixture
def image():
    return torch.randn(1, 3, 12, 12)


REPEATS = {
    "an Identity": (nn.Identity(),),
    "a Dropout": (nn.Dropout(0.5),),
    "a module that returns its input": (Returns(),),
    "several": (nn.Dropout(), nn.Identity(), nn.Dropout2d()),
    "inside of a block": (nn.Sequential(nn.Identity(), nn.Identity()),),
}


@pytest.mark.parametrize("layers", REPEATS.values(), ids=list(REPEATS))
def test_rows_that_repeat_the_row_above_are_folded_and_counted(layers, image):
    model = model_of(*layers)
    maps = look_at_all(model, image)
    film = film_of(maps)
    assert names(film) == ["0", str(len(layers) + 1)]
    count = len(maps) - 2
    assert count == len(film.folded) > 0
    line = "1 row that repeats the row above is folded"
    if count > 1:
        line = f"{count} rows that repeat the row above are folded"
    assert line in filmstrip_text(film).splitlines()
    with torch.no_grad():
        assert all(torch.equal(maps[key], model[0](image)) for key in list(maps)[:-1])


def test_the_picture_and_the_terminal_have_no_row_of_them(image):
    film = film_of(look_at_all(model_of(nn.Dropout()), image))
    with Image.open(io.BytesIO(filmstrip_png(film))) as picture:
        assert picture.height == 2 * (head_height(film) + 2 * PITCH)
    viewport = Viewport(width=79, gap=1, smallest=8, largest=24, columns=2, strict=True)
    film = film_of(look_at_all(model_of(nn.Dropout()), image), viewport)
    text = filmstrip_lines(film, RENDERERS["ascii"].cells, 0, 79)
    assert "1 row that repeats the row above is folded" in text
    assert "Dropout" not in text


def test_the_head_counts_every_layer_and_all_memory(image):
    maps = look_at_all(model_of(nn.Dropout()), image)
    total = sum(tensor.nbytes for tensor in maps.values())
    assert filmstrip_text(film_of(maps)).startswith(f"3 layers · {total / 1e3:.3g} kB")


def test_a_layer_that_changes_its_input_in_place_keeps_its_row(image):
    for layer in (nn.ReLU(inplace=True), Returns(lambda x: x.add_(1)), nn.Dropout(0.5).train()):
        maps = look_at_all(model_of(layer), image)
        if isinstance(layer, nn.Dropout):  # a look is in eval mode
            assert names(film_of(maps)) == ["0", "2"]
        else:
            assert names(film_of(maps)) == ["0", "1", "2"]


def set_through_numpy(x):
    x.numpy()[0, 0, 0, :3] = 100


def turned_through_numpy(x):
    x.numpy()[:] = x.numpy()[..., ::-1].copy()  # the same figures in another picture


@pytest.mark.parametrize(
    "change", [set_through_numpy, turned_through_numpy, lambda x: x.data.mul_(2)]
)
def test_so_does_one_whose_changes_torch_does_not_count(change, image):
    maps = look_at_all(model_of(Returns(change)), image)
    assert names(film_of(maps)) == ["0", "1", "2"]


def test_equal_values_in_another_tensor_are_a_row_of_their_own(image):
    dead = model_of(nn.ReLU(), nn.ReLU())
    nn.init.zeros_(dead[0].weight)
    nn.init.zeros_(dead[0].bias)
    film = film_of(look_at_all(dead, image))
    assert names(film) == ["0", "1", "2", "3"]
    assert not film.folded
    assert "folded" not in filmstrip_text(film)


def test_a_repetition_of_an_earlier_row_is_not_that_of_the_row_above(image):
    class Skips(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second, self.skip = nn.Tanh(), nn.Sigmoid(), nn.Identity()

        def forward(self, x):
            first = self.first(x)
            return self.second(first) + self.skip(first)

    film = film_of(look_at_all(nn.Sequential(Skips()), image))
    assert names(film) == ["0.first", "0.second", "0.skip", "0"]


def test_layers_that_were_named_all_have_a_row(image):
    model = model_of(nn.Dropout(), nn.Identity())
    with featmagic.capture(model, "0", "1", "2") as maps:
        model(image)
    assert names(film_of(maps)) == ["0", "1", "2"]


def test_nan_everywhere_and_values_that_cannot_be_drawn_fold_as_well(image):
    spoiled = model_of(Returns(lambda x: x.fill_(torch.nan)), nn.Dropout())
    film = film_of(look_at_all(spoiled, image))
    assert names(film) == ["0", "1", "3"]
    assert "first NaN: 1 (3 of 4 layers have it)" in filmstrip_text(film).splitlines()
    meta = model_of(nn.Dropout()).to("meta")
    film = film_of(look_at_all(meta, image.to("meta")))
    assert names(film) == ["0", "2"]
    assert len(film.folded) == 1


def test_inference_mode_folds_the_same(image):
    model = model_of(nn.Identity(), nn.ReLU(inplace=True))
    with torch.inference_mode():
        maps = look_at_all(model, image)
    assert names(film_of(maps)) == ["0", "2", "3"]


def test_a_row_of_another_pass_is_not_the_row_that_is_repeated(image):
    model, maps = model_of(nn.Identity()), featmagic.FeatureMaps()
    with Recorder(select_all(model), KeepPasses(maps.kept)):
        model(image)
        model[0](image)  # gives the same values once more, in a pass of its own
    assert names(film_of(maps)) == ["0", "1", "2"]


def test_a_transformer_has_a_third_less_rows_and_what_is_left_differs_from_the_row_above():
    vit = torchvision.models.VisionTransformer(
        image_size=32, patch_size=8, num_layers=3, num_heads=2, hidden_dim=16, mlp_dim=32
    ).eval()
    film = film_of(look_at_all(vit, torch.randn(1, 3, 32, 32)))
    assert len(film.folded) == 9  # the three Dropouts of each of its three blocks
    for row, above in zip(film.rows[1:], film.rows, strict=False):
        one, other = row.activation.tensor, above.activation.tensor
        assert one.shape != other.shape or not np.array_equal(one, other)


# The magics


def test_a_look_without_names_shows_blocks_and_folds(shell):
    class Adds(nn.Module):
        def __init__(self):
            super().__init__()
            self.act = nn.Tanh()

        def forward(self, x):
            return self.act(x) + x

    shell.names["net"] = nn.Sequential(Adds(), nn.Dropout(), nn.ReLU())
    printed = shell.run("%%featuremaps net --overview\nnet(x);")
    lines = printed.splitlines()
    assert lines[0].startswith("4 layers · ")
    assert "1 row that repeats the row above is folded" in lines
    rows = [line.split()[:2] for line in lines if line[:1].isdigit()][2:]
    assert rows == [["0.act", "Tanh"], ["0", "Adds"], ["2", "ReLU"]]
    maps, x = shell.names["feature_maps"], shell.names["x"]
    assert torch.equal(maps["0"], x.tanh() + x)
    assert torch.equal(maps["1"], maps["0"])  # folded in the picture, but there
    named = shell.run("%%featuremaps net 0 1 --overview\nnet(x);")
    assert "folded" not in named
    assert named.startswith("2 layers")


def test_an_explorer_has_every_layer(shell):
    shell.names["net"] = nn.Sequential(nn.Sequential(nn.Tanh(), nn.Dropout()), nn.ReLU())
    shell.run("%%featuremaps net --explore\nnet(x)")
    assert list(shell.names["feature_maps"]) == ["0.0", "0.1", "1"]
