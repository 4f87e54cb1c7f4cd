"""FeatureMaps: a mapping that can show, draw and save itself."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from helpers.expected import unwrapped
from helpers.networks import Block, images
from helpers.tiles import below_heading, page_image
from PIL import Image
from torch import nn

import featmagic
from featmagic import FeatmagicError, FeatureMaps
from featmagic.feature_maps import STILLS, VIEWS, files_for
from featmagic.grid.draw import draw
from featmagic.options.groups import TAKEN
from featmagic.options.view import View
from featmagic.recording.records import Activation, Request
from featmagic.render.palette import LEVELS
from featmagic.render.target import RENDERERS, Target


@pytest.fixture
def maps(model, x):
    with featmagic.capture(model, "cnn1", "act1", "fc2") as maps:
        model(x)
    return maps


def test_it_works_as_a_dict_does(maps):
    assert isinstance(maps, Mapping)
    assert [name for name, _ in maps.items()] == ["cnn1", "act1", "fc2"]
    assert len(maps) == 3
    assert "cnn1" in maps
    assert "nope" not in maps
    assert maps.get("nope") is None
    assert dict(maps)["fc2"] is maps["fc2"]


def test_a_key_that_is_not_there_says_what_is(maps):
    with pytest.raises(KeyError) as caught:
        maps["cnn2"]
    assert isinstance(caught.value, FeatmagicError)
    assert str(caught.value) == (
        "No 'cnn2' was captured. Did you mean cnn1? Captured: cnn1, act1, fc2."
    )


def test_a_layer_with_several_tensors_says_their_keys():
    lstm = nn.ModuleDict({"lstm": nn.LSTM(2, 3)})
    with featmagic.capture(lstm, "lstm") as maps:
        lstm["lstm"](torch.randn(4, 1, 2))
    with pytest.raises(KeyError, match=r"returned several tensors: lstm\[0\], lstm\[1\]\[0\]"):
        maps["lstm"]


def test_a_layer_that_gave_nothing_says_why(x):
    model = nn.Sequential(nn.ReLU(), nn.ModuleList())
    with featmagic.capture(model, "0", "1") as maps:
        model[0](x)
    with pytest.raises(KeyError, match="a ModuleList only holds other modules"):
        maps["1"]
    assert list(maps.missing) == ["1"]


def test_before_any_pass_it_says_so(model):
    with featmagic.capture(model, "cnn1") as maps, pytest.raises(KeyError, match="no pass"):
        maps["cnn1"]
    assert "Nothing has been captured yet. Run %featuremaps" in repr(maps)


def test_its_repr_is_a_table_of_keys_classes_and_shapes(maps):
    assert repr(maps).splitlines() == [
        "FeatureMaps: 3 layers · 23.1 kB · float32 · cpu",
        "  cnn1  Conv2d     (1, 5, 24, 24)",
        "  act1  LeakyReLU  (1, 5, 24, 24)",
        "  fc2   Linear     (1, 5)",
    ]


def test_it_can_be_copied_and_pickled(maps):
    for twin in (copy.deepcopy(maps), pickle.loads(pickle.dumps(maps))):
        assert list(twin) == list(maps)
        assert torch.equal(twin["cnn1"], maps["cnn1"])


def test_show_prints_the_captions_where_there_is_no_terminal(maps, capsys):
    maps.show("cnn1", cmap="gray")
    maps.show()
    lines = unwrapped(capsys.readouterr().out).splitlines()
    assert [line.split()[0] for line in lines] == ["cnn1", "cnn1", "act1", "fc2"]
    assert "gray" in lines[0]
    assert "\x1b" not in "".join(lines)


def test_show_checks_everything_before_it_shows_anything(maps, capsys):
    for bad in ({"cmap": "grey_"}, {"colmap": "gray"}, {"ncols": 0}, {"scale": "row"}):
        with pytest.raises(FeatmagicError):
            maps.show("cnn1", **bad)
    with pytest.raises(KeyError):
        maps.show("cnn1", "nope")
    with pytest.raises(FeatmagicError, match="No channel 9"):
        maps.show("fc2", "cnn1", channels=9)
    assert capsys.readouterr().out == ""


def test_save_writes_the_picture_that_is_shown(maps, tmp_path):
    file = tmp_path / "cnn1.png"
    assert maps.save(file, "cnn1", cmap="magma") == [file]
    truth = draw(Activation("cnn1", "cnn1", "Conv2d", 1, maps["cnn1"]), View(cmap="magma")).mosaic
    with Image.open(file) as picture:
        assert (below_heading(picture, truth) == page_image(truth)).all()
        assert picture.getpalette()[: 3 * LEVELS] == list(truth.palette)[: 3 * LEVELS]


def test_save_says_what_is_wrong_with_a_layer_and_leaves_no_file(maps, tmp_path):
    with pytest.raises(FeatmagicError, match="Did you mean cnn1"):
        maps.save(tmp_path / "x.png", "cnn2")
    assert list(tmp_path.iterdir()) == []


def test_a_figure_can_be_saved_pickled_and_displayed(maps):
    figure = maps.figure("cnn1")
    file = io.BytesIO()
    figure.savefig(file, format="png")
    with Image.open(io.BytesIO(figure._repr_png_())) as picture:
        assert picture.format == "PNG"
    again = pickle.loads(pickle.dumps(figure))
    assert type(again).__module__ == "matplotlib.figure"
    assert len(again.axes[0].images) == 1


def test_a_figure_of_what_cannot_be_drawn_says_why():
    model = nn.Sequential(nn.Conv2d(1, 2, 3)).to("meta")
    with featmagic.capture(model, "0") as maps:
        model(images().to("meta"))
    with pytest.raises(FeatmagicError, match=r"Nothing to draw: 0  Conv2d .* meta device"):
        maps.figure("0")


def test_only_a_module_can_be_captured():
    with pytest.raises(FeatmagicError, match=r"expected an nn\.Module, got a function"):
        featmagic.capture(lambda x: x).__enter__()


def test_an_unknown_public_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="no attribute 'nope'"):
        featmagic.nope  # noqa: B018
    assert set(featmagic.__all__) <= set(dir(featmagic))
    assert featmagic.FeatureMaps is FeatureMaps


def test_calls_are_told_apart_in_the_caption(capsys):
    block = Block()
    with featmagic.capture(block, "relu") as maps:
        block(torch.randn(1, 4, 8, 8))
    maps.show("relu:2")
    assert "call 2 of 2" in capsys.readouterr().out


def test_pictures_are_what_a_page_needs(maps):
    (caption, data), *others = maps.pictures(cmap="gray", max=2)
    assert caption.startswith("cnn1  Conv2d")
    assert len(others) == 2
    mosaic = draw(maps.kept.activations["cnn1"], View(cmap="gray", max=2)).mosaic
    assert (np.asarray(Image.open(io.BytesIO(data))) == page_image(mosaic)).all()


def test_an_overview_is_one_picture_of_all_layers(maps, tmp_path):
    ((text, data),) = maps.pictures(overview=True)
    assert [name in text for name in maps] == [True] * 3
    assert Image.open(io.BytesIO(data)).size[0] == 2000
    assert maps.save(tmp_path / "all.png", overview=True) == [tmp_path / "all.png"]
    # What is saved stands without its caption: it has that as a head.
    shown, saved = (np.asarray(Image.open(it)) for it in (io.BytesIO(data), tmp_path / "all.png"))
    assert len(saved) > len(shown)
    assert (saved[-len(shown) :] == shown).all()
    with pytest.raises(FeatmagicError, match=r"An overview is saved as \.png, not 'all\.svg'"):
        maps.save(tmp_path / "all.svg", overview=True)
    with pytest.raises(FeatmagicError, match="An overview can't be a Figure"):
        maps.figure("cnn1", overview=True)


SWITCHES = {"grid": {}, "overview": {"overview": True}, "explorer": {"explore": True}}
SUFFIXES = {"grid": ".svg", "overview": ".png", "explorer": ".html"}


def test_every_view_that_options_can_ask_for_is_in_the_table():
    assert set(VIEWS) == set(TAKEN) == set(SWITCHES)
    assert {View(**switch).kind for switch in SWITCHES.values()} == set(VIEWS)


@pytest.mark.parametrize("kind", SWITCHES)
def test_every_view_writes_just_the_files_that_it_names_before(kind, maps, tmp_path):
    view, path = View(**SWITCHES[kind]), tmp_path / f"look{SUFFIXES[kind]}"
    files = VIEWS[kind].targets(path, list(maps), overwrite=False)
    request = Request(list(maps.kept.activations.values()))
    assert VIEWS[kind].save(request, view, files, overwrite=False) == files
    assert sorted(tmp_path.iterdir()) == sorted(files)
    with pytest.raises(FeatmagicError, match="already exists"):
        VIEWS[kind].targets(path, list(maps), overwrite=False)
    assert files_for(path, list(maps), view, overwrite=True) == files


@pytest.mark.parametrize("kind", SWITCHES)
def test_every_view_shows_the_layers_as_text_where_there_is_nothing_else(kind, maps, capsys):
    request = Request(list(maps.kept.activations.values()))
    VIEWS[kind].show(request, View(**SWITCHES[kind]), Target(RENDERERS["none"], 100))
    shown = capsys.readouterr().out
    assert all(key in shown for key in maps)


@pytest.mark.parametrize("kind", STILLS)
def test_a_still_view_gives_captions_and_pngs(kind, maps):
    request = Request(list(maps.kept.activations.values()))
    pictures = STILLS[kind].pictures(request, View(**SWITCHES[kind]))
    assert len(pictures) == (3 if kind == "grid" else 1)
    assert pictures == maps.pictures(**SWITCHES[kind])
    for text, data in pictures:
        assert any(key in text for key in maps)
        assert Image.open(io.BytesIO(data)).format == "PNG"


def test_tensors_are_saved_whole_whatever_the_view(maps, tmp_path):
    for view in (View(), View(overview=True)):
        assert files_for(tmp_path / "maps.npz", list(maps), view, overwrite=False) == [
            tmp_path / "maps.npz"
        ]


def test_options_of_a_screen_have_no_use_in_files(maps, tmp_path):
    for name, value in (("renderer", "auto"), ("rows", 2)):
        message = f"{name} doesn't apply here: it changes only what show"
        for path in ("x.png", "x.html"):
            with pytest.raises(FeatmagicError, match=message):
                maps.save(tmp_path / path, **{name: value})
        with pytest.raises(FeatmagicError, match=message):
            maps.pictures(**{name: value})
        with pytest.raises(FeatmagicError, match=message):
            maps.figure("cnn1", **{name: value})
