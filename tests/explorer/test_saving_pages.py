"""save("look.html"): the tensors' values in one file, within max_bytes, whole or not at all."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers.networks import DNN, Failing, images
from helpers.pages import Saved
from torch import nn

import featmagic
from featmagic import FeatmagicError
from featmagic.explorer.html import save as saving


@pytest.fixture
def maps(model):
    with featmagic.capture(model) as maps:
        model(images(4))
    return maps


@pytest.fixture
def save(tmp_path):
    """Save maps as a page; what it holds."""

    def save(maps, *layers, **view):
        (path,) = maps.save(tmp_path / "look.html", *layers, overwrite=True, **view)
        return Saved(path.read_bytes())

    return save


def files_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_every_layer_and_sample_is_in_one_file_with_its_values_to_half_a_step(maps, save, tmp_path):
    page = save(maps)
    assert files_in(tmp_path) == ["look.html"]
    assert [layer["key"] for layer in page.contents["layers"]] == list(maps)
    for key in ("cnn1", "act1", "pool1"):
        assert sorted(page.layer(key)["plates"]) == ["0", "1", "2", "3"]
        for sample in range(4):
            values, half = page.values(key, sample)
            truth = maps[key][sample].numpy()
            assert values.shape == truth.shape
            assert (np.abs(values - truth) <= half * 1.001 + 1e-9).all()
    assert page.contents["words"] == []


def test_the_inputs_of_the_samples_are_there_too(maps, save):
    page = save(maps)
    shown = page.contents["images"]
    assert sorted(shown) == ["0", "1", "2", "3"]
    assert len({page.images[image["id"]] for image in shown.values()}) == 4


def test_layers_and_options_are_those_that_were_asked_for(maps, save):
    page = save(maps, "act1", "cnn1", cmap="magma", sort="std", robust=2, sample=2, channels="1:3")
    assert [layer["key"] for layer in page.contents["layers"]] == ["act1", "cnn1"]
    settings = page.contents["settings"]
    assert (settings["cmap"], settings["sort"], settings["robust"]) == ("magma", "std", 2)
    assert page.contents["start"] == {"layer": "act1", "channel": 1, "sample": 2, "slice": "mid"}
    assert page.layer("act1")["plates"]["2"]["channels"] == [1, 2]
    assert "sample 2" in page.one("img")[0]["alt"]


def noise(samples=8, channels=64, side=56):
    """Maps whose bytes can't be packed."""
    net = nn.Sequential(nn.Identity(), nn.Identity())
    with featmagic.capture(net, as_is=True) as maps:
        net(torch.randn(samples, channels, side, side))
    return maps


@pytest.mark.parametrize("most", [200_000, 1_000_000, 3_000_000])
def test_a_page_is_no_larger_than_its_bytes_as_text_and_its_script(save, tmp_path, most):
    page = save(noise(), max_bytes=most)
    own = [page.one("script", type="module"), page.one("style")]
    script = sum(len(text.encode()) for _, text in own)
    size = (tmp_path / "look.html").stat().st_size
    assert size <= most * 4 / 3 + script + 5_000
    assert sum(map(len, page.images.values())) <= most
    assert page.contents["words"]


def test_samples_that_have_no_room_are_left_out_and_that_is_said(save):
    maps = noise()
    one = sum(map(len, save(maps, max_bytes=10**9).images.values())) // 8
    page = save(maps, max_bytes=int(one * 3.7), sample=5)
    there = {frozenset(layer["plates"]) for layer in page.contents["layers"]}
    assert there == {frozenset("501")}  # the view's own first, then from the beginning
    assert any(word.startswith("3 of 8 samples to stay within") for word in page.contents["words"])
    values, half = page.values("1", 5)
    assert (np.abs(values - maps["1"][5].numpy()) <= half * 1.001 + 1e-9).all()


def test_a_file_that_is_there_is_replaced_only_where_that_is_asked_for(maps, tmp_path):
    mine = tmp_path / "look.html"
    mine.write_text("mine")
    with pytest.raises(FeatmagicError, match=r"look\.html already exists"):
        maps.save(mine)
    assert mine.read_text() == "mine"
    assert maps.save(mine, overwrite=True) == [mine]
    assert len(Saved(mine.read_bytes()).contents["layers"]) == 7


@pytest.mark.parametrize("failure", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_page_that_cannot_be_made_leaves_what_was_there(maps, tmp_path, monkeypatch, failure):
    mine = tmp_path / "look.html"
    mine.write_text("mine")

    def fail(*_):
        raise failure

    monkeypatch.setattr(saving, "page", fail)
    with pytest.raises(type(failure)):
        maps.save(mine, overwrite=True)
    assert files_in(tmp_path) == ["look.html"]
    assert mine.read_text() == "mine"


def test_a_page_takes_the_options_of_an_explorer_and_no_others(maps, tmp_path):
    for options, words in (
        ({"ncols": 3}, "--ncols doesn't apply here: --explore doesn't use it"),
        ({"overview": True}, "An .html file holds an explorer: save an overview as .png"),
        ({"rows": 3}, "rows doesn't apply here: it changes only what show"),
        ({"renderer": "png"}, "renderer doesn't apply here: it changes only what show"),
        ({"max_bytes": "a lot"}, "max-bytes must be a number of bytes"),
        ({"sample": 9}, "No sample 9: there are 4"),
        ({"sampel": 1}, r"There is no option 'sampel'\. Did you mean sample"),
    ):
        with pytest.raises(FeatmagicError, match=words) as caught:
            maps.save(tmp_path / "look.html", **options)
        assert "\n" not in str(caught.value)
    assert files_in(tmp_path) == []


def test_an_explorer_is_no_picture(maps, tmp_path):
    for save in (
        lambda: maps.save(tmp_path / "look.png", explore=True),
        lambda: maps.figure("cnn1", explore=True),
        lambda: maps.pictures(explore=True),
    ):
        with pytest.raises(FeatmagicError, match=r"save\('explorer\.html'\)"):
            save()


def test_before_any_pass_there_is_nothing_to_save(model, tmp_path):
    with (
        featmagic.capture(model) as maps,
        pytest.raises(FeatmagicError, match="Nothing has been captured"),
    ):
        maps.save(tmp_path / "look.html")


def test_layers_without_a_picture_are_in_it_with_the_reason(tmp_path, save):
    class Odd(nn.Module):
        def forward(self, x):
            return torch.zeros(())

    net = nn.Sequential(nn.Conv2d(1, 2, 3), Odd())
    with featmagic.capture(net) as maps:
        net(images())
    page = save(maps)
    assert page.layer("1")["reason"] == "the single value 0"
    alone = save(maps, "1")
    assert alone.all("img") == []
    assert "the single value 0" in " ".join(text for _, text in alone.all("p"))


def test_the_grid_without_scripts_is_that_of_the_first_layer_with_a_picture(save):
    page = save(noise(samples=1), "1", max_bytes=2_000_000)
    image, _ = page.one("img")
    assert image["alt"].startswith("1, Identity, (1, 64, 56, 56)")
    assert len(image["src"]) <= 2_000_000 // 8 * 4 / 3 + 100


def test_a_look_shows_its_grids_and_saves_a_page(shell, tmp_path):
    printed = shell.run(
        f"%%featuremaps model cnn1 act1 --ncols 5 --cmap magma --max-bytes 4MB "
        f"--save {tmp_path}/look.html\nmodel(x);"
    )
    assert "cnn1  Conv2d" in printed
    assert "magma" in printed
    assert printed.splitlines()[-1] == f"Saved look.html in {tmp_path}."
    page = Saved((tmp_path / "look.html").read_bytes())
    assert [layer["key"] for layer in page.contents["layers"]] == ["cnn1", "act1"]
    assert page.contents["settings"]["cmap"] == "magma"
    values, half = page.values("act1")
    truth = shell.names["feature_maps"]["act1"][0].numpy()
    assert (np.abs(values - truth) <= half * 1.001 + 1e-9).all()


def test_the_line_forms_save_a_page_too(shell, tmp_path):
    shell.run(f"%featuremaps model cnn1 --save {tmp_path}/one.html -- y = model(x)")
    shell.run(f"%featuremaps cnn1 --save {tmp_path}/again.html --overview")
    assert files_in(tmp_path) == ["again.html", "one.html"]


def test_a_page_that_is_there_is_said_before_the_cell_runs(shell, tmp_path):
    (tmp_path / "look.html").write_text("mine")
    shell.run("ran = False")
    line = f"%%featuremaps model cnn1 act1 --save {tmp_path}/look.html"
    assert "look.html already exists" in str(shell.error(f"{line}\nran = True\nmodel(x)"))
    assert shell.names["ran"] is False
    shell.run(f"{line} --overwrite\nmodel(x);")
    assert len(Saved((tmp_path / "look.html").read_bytes()).contents["layers"]) == 2


def test_a_cell_that_fails_saves_no_page(shell, tmp_path):
    shell.names["failing"] = nn.Sequential(nn.ReLU(), Failing(ValueError("mine")))
    result, _ = shell.attempt(f"%%featuremaps failing 0 --save {tmp_path}/look.html\nfailing(x)")
    assert type(result.error_in_exec) is ValueError
    assert files_in(tmp_path) == []


def test_the_same_maps_are_the_same_page(tmp_path):
    pages = []
    for _ in range(2):
        torch.manual_seed(0)
        model = DNN()
        with featmagic.capture(model, "cnn1") as maps:
            model(images())
        pages.append(maps.save(tmp_path / "look.html", overwrite=True)[0].read_bytes())
    assert pages[0] == pages[1]
