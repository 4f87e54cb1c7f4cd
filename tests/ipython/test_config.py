"""`%config FeatMagic`: settings that hold unless a line says otherwise."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest
from helpers.expected import possible_colors, wrong_pixels
from IPython.core.interactiveshell import InteractiveShell
from PIL import Image

from featmagic.options.view import View
from featmagic.support.errors import FeatmagicError


@pytest.fixture
def looked(shell, monkeypatch):
    """The shell that get_ipython() returns, where cnn1 has been captured."""
    monkeypatch.setattr(InteractiveShell, "_instance", shell.ip)
    shell.run("%%featuremaps model cnn1\nmodel(x[:1]);")
    return shell


def test_what_can_be_set_is_listed_with_its_help(shell):
    assert "FeatMagic" in shell.run("%config").split()
    text = shell.run("%config FeatMagic")
    for name in ("cmap", "max", "scale", "zoom", "renderer", "into"):
        assert f"FeatMagic.{name}=" in text
    assert "any matplotlib colormap" in " ".join(text.split())


@pytest.mark.parametrize(
    "again",
    ["%featuremaps cnn1", "feature_maps.show('cnn1')", "%%featuremaps model cnn1\nmodel(x);"],
)
def test_the_setting_holds_where_nothing_else_is_said(looked, again):
    assert "RdBu_r" in looked.run(again)
    looked.run("%config FeatMagic.cmap = 'gray'\n%config FeatMagic.max = 2")
    shown = looked.run(again)
    assert "2 of 5 channels" in shown
    assert " gray, color range per channel" in shown


@pytest.mark.parametrize(
    "again", ["%featuremaps cnn1 --cmap plasma", "feature_maps.show('cnn1', cmap='plasma')"]
)
def test_what_a_line_says_comes_first(looked, again):
    looked.run("%config FeatMagic.cmap = 'gray'")
    assert " plasma, color range per channel" in looked.run(again)


def test_a_line_may_ask_for_what_is_the_default_without_settings(looked):
    looked.run("%config FeatMagic.scale = 'layer'\n%config FeatMagic.max = 2")
    assert "color range per channel" in looked.run("%featuremaps cnn1 --scale channel")
    assert "5 of 5 channels" in looked.run("%featuremaps cnn1 --max 64")


@pytest.mark.parametrize("rest", ["--reduce pca", "--overview"])
def test_a_setting_gives_way_where_a_line_leaves_no_place_for_it(looked, rest):
    looked.run("%config FeatMagic.scale = 'layer'\n%config FeatMagic.max = 2")
    looked.run("%config FeatMagic.cmap = 'gray'\n%config FeatMagic.zoom = 3")
    assert "cnn1" in looked.run(f"%featuremaps cnn1 {rest}")


def test_a_saved_picture_has_the_settings_too_and_tensors_take_no_notice(looked, tmp_path):
    looked.run("%config FeatMagic.cmap = 'gray'\n%config FeatMagic.zoom = 1")
    looked.run(f"feature_maps.save({str(tmp_path / 'maps.png')!r}, 'cnn1', ncols=5)")
    looked.run(f"feature_maps.save({str(tmp_path / 'maps.npz')!r})")
    plane = looked.names["feature_maps"]["cnn1"][0, 0].numpy()
    dense = np.asarray(Image.open(tmp_path / "maps.png").convert("RGBA"))[..., :3]
    pixels = dense[::2, ::2]  # one for each CSS pixel
    possible = possible_colors(plane, (plane.min(), plane.max()), "gray")
    places = [
        (top, left)
        for top in range(pixels.shape[0] - 23)
        for left in range(12)
        if wrong_pixels(pixels[top : top + 24, left : left + 24], possible) == 0
    ]
    assert len(places) == 1
    assert np.array_equal(
        np.load(tmp_path / "maps.npz")["cnn1"], looked.names["feature_maps"]["cnn1"].numpy()
    )


def test_a_name_that_is_set_holds_the_maps(shell):
    shell.run("%config FeatMagic.into = 'maps'")
    shell.run("%%featuremaps model cnn1\nmodel(x);")
    shell.run("%hook model act1")
    shell.run("y = model(x)")
    assert list(shell.names["maps"]) == ["act1"]
    assert "feature_maps" not in shell.names
    shell.run("%%featuremaps model cnn1 --into others\nmodel(x);")
    assert list(shell.names["others"]) == ["cnn1"]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("cmap = 'grey_'", "There is no colormap 'grey_'. Did you mean"),
        ("max = -1", "max must be 0 or more"),
        ("scale = 'row'", "invalid scale 'row': choose channel, layer or all"),
        ("renderer = 'svg'", "invalid renderer 'svg': choose auto, png"),
        ("into = '2nd'", "FeatMagic.into must be the name of a variable"),
    ],
)
def test_a_setting_that_cannot_be_is_refused_in_the_options_own_words(shell, caplog, line, words):
    shell.ip.run_cell(f"%config FeatMagic.{line}")
    assert words in caplog.text
    assert shell.ip._featmagic.settings.view() == {}


def test_ipythons_configuration_file_and_command_line_set_it_too(tmp_path):
    profile = tmp_path / "profile_default"
    profile.mkdir()
    (profile / "ipython_config.py").write_text(
        "c.InteractiveShellApp.extensions = ['featmagic']\nc.FeatMagic.cmap = 'gray'\n"
    )
    lines = "s = get_ipython()._featmagic.settings; print(s.cmap, s.max, s.zoom)"
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--no-term-title", "--FeatMagic.max=16", "-c", lines],
        capture_output=True,
        text=True,
        env={**os.environ, "IPYTHONDIR": str(tmp_path)},
        check=True,
    )
    assert done.stdout.split() == ["gray", "16", "None"]


def started(tmp_path, configuration, code):
    """Return what an IPython with this configuration prints when it runs the code."""
    (tmp_path / "profile_default").mkdir()
    (tmp_path / "profile_default" / "ipython_config.py").write_text(
        f"c.InteractiveShellApp.extensions = ['featmagic']\n{configuration}\n"
    )
    done = subprocess.run(
        [sys.executable, "-m", "IPython", "--no-term-title", "--colors=NoColor", "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "IPYTHONDIR": str(tmp_path)},
    )
    assert done.stderr == ""
    return done.stdout


def test_a_configuration_that_cannot_be_is_said_and_left_out(tmp_path):
    lines = "print(get_ipython()._featmagic.settings.view())"
    printed = started(tmp_path, "c.FeatMagic.max = -1", lines).splitlines()
    assert printed[0].startswith(
        "The FeatMagic settings in the configuration are ignored: max must be 0 or more"
    )
    assert printed[-1] == "{}"


def test_a_colormap_in_the_configuration_loads_no_matplotlib(tmp_path):
    code = "import sys; print('matplotlib' in sys.modules, 'torch' in sys.modules)"
    assert started(tmp_path, "c.FeatMagic.cmap = 'gray'", code).split() == ["False", "False"]


def test_a_colormap_in_the_configuration_that_is_not_there_is_said_at_the_look(tmp_path):
    code = "%featuremaps model -- 1"
    printed = started(tmp_path, "c.FeatMagic.cmap = 'grey_'", code)
    assert printed.strip().startswith(
        "FeatmagicError: %config FeatMagic: There is no colormap 'grey_'. Did"
    )


def test_a_png_that_is_set_gives_way_where_nothing_shows_one(looked):
    looked.run("%config FeatMagic.renderer = 'png'")
    assert "cnn1  Conv2d" in looked.run("%featuremaps cnn1")
    assert "shows no PNG" in str(looked.error("%featuremaps cnn1 --renderer png"))


def test_a_setting_is_gone_with_the_extension(looked):
    looked.run("%config FeatMagic.cmap = 'gray'")
    looked.run("%unload_ext featmagic")
    assert "FeatMagic" not in looked.run("%config").split()
    maps = looked.names["feature_maps"]
    assert "RdBu_r" in maps.pictures("cnn1")[0][0]
    looked.run("%load_ext featmagic")


@pytest.mark.parametrize("name", ["renderer", "rows"])
@pytest.mark.parametrize("method", ["figure('cnn1', {})", "pictures({})", "save('x.png', {})"])
def test_what_is_for_the_screen_has_no_use_in_a_picture(looked, method, name):
    value = {"renderer": "'ascii'", "rows": "2"}[name]
    message = str(looked.error(f"feature_maps.{method.format(f'{name}={value}')}"))
    assert message == f"{name} doesn't apply here: it changes only what show() displays."


def test_the_settings_are_views_fields():
    from featmagic.ipython.config import FeatMagic

    defaults = {name: trait.default_value for name, trait in FeatMagic.class_traits().items()}
    for name in ("cmap", "max", "scale", "zoom", "renderer"):
        assert defaults[name] == getattr(View(), name)
    with pytest.raises(FeatmagicError):
        View(renderer="svg")


def test_a_colormap_that_is_set_and_gone_is_said_at_the_look(looked, request):
    import matplotlib

    gone = matplotlib.colormaps["gray"].copy()
    matplotlib.colormaps.register(gone, name="mine")
    looked.run("%config FeatMagic.cmap = 'mine'")
    assert " mine, color range per channel" in looked.run("%featuremaps cnn1")
    matplotlib.colormaps.unregister("mine")
    error = looked.error("%featuremaps cnn1")
    assert isinstance(error, FeatmagicError)
    assert str(error).startswith("%config FeatMagic: There is no colormap 'mine'.")
