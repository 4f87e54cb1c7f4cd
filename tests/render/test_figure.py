"""A figure to print: one image for all tiles, words as text, a color bar with true figures."""

from __future__ import annotations

import base64
import io
import pickle
import re
import warnings
import zlib
from collections import OrderedDict
from dataclasses import replace
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
import torch
from helpers.expected import centered, possible_colors, wrong_pixels
from matplotlib.collections import LineCollection
from matplotlib.text import Text
from PIL import Image
from torch import nn

import featmagic
from featmagic.grid.draw import draw
from featmagic.options.view import View, view_of
from featmagic.recording.records import Activation
from featmagic.render.figure import check_figure_size, mosaic_figure, norm_of
from featmagic.render.mosaic import PrefixStrip, SharedRange
from featmagic.render.mosaic import tile as mosaic_of
from featmagic.render.palette import palette
from featmagic.render.viewport import GridLayout
from featmagic.support.errors import FeatmagicError

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def maps(model, x):
    with featmagic.capture(model, "cnn1", "act1", "fc2") as maps:
        model(x)
    return maps


class Noise(nn.Module):
    """A layer that gives random values of a shape."""

    def __init__(self, *shape):
        super().__init__()
        self.values = torch.randn(shape)

    def forward(self, x):
        return self.values


def noise(*shape, name="noise", change=lambda values: values):
    """Maps of one layer, by any name."""
    layer = Noise(*shape)
    layer.values = change(layer.values)
    net = nn.Sequential(OrderedDict({name: layer}))
    with featmagic.capture(net) as maps:
        net(torch.zeros(1))
    return maps


def rendered(figure):
    """The figure as pixels, one for each of its own."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3]


def region(figure, artist):
    """Rows and columns of the rendered figure that an image covers."""
    left, right, bottom, top = artist.get_extent()
    (x0, y0), (x1, y1) = artist.axes.transData.transform([(left, top), (right, bottom)])
    height = figure.canvas.get_width_height()[1]
    return slice(round(height - y0), round(height - y1)), slice(round(x0), round(x1))


def of_name(axes, name):
    return [artist for artist in axes.get_children() if artist.get_gid() == name]


def texts(axes):
    return [text.get_text() for text in axes.texts]


def tiles_in(pixels, mosaic, figure):
    """Each tile as it stands in the pixels of the tiles' image, the middle of each value.

    matplotlib 3.8 moves what is right of the middle by a pixel if the width isn't whole by 1e-13.
    """
    (axes, *_) = figure.axes
    (image,) = of_name(axes, "tiles")
    full = pixels[region(figure, image)]
    rows, height, ncols, width = mosaic.indices.shape
    tall, wide = full.shape[0] // rows, full.shape[1] // ncols
    label = 10 * mosaic.density if texts(axes) else 0
    for place in range(len(mosaic.labels)):
        top, left = place // ncols * tall + label, place % ncols * wide
        tile = full[top : top + height * mosaic.zoom, left : left + width * mosaic.zoom]
        middle = slice(mosaic.zoom // 2, None, mosaic.zoom)
        yield tile[middle, middle]


@pytest.mark.parametrize("options", [{}, {"scale": "layer"}, {"zoom": 3, "ncols": 2}])
def test_the_rendered_tiles_have_the_colors_of_their_values(maps, options):
    view = View(cmap="RdBu_r", **options)
    figure = maps.figure("cnn1", cmap="RdBu_r", **options)
    mosaic = draw(Activation("cnn1", "cnn1", "Conv2d", 1, maps["cnn1"]), view).mosaic
    planes = maps["cnn1"][0].numpy()
    figure.set_dpi(200)  # a pixel to each of the mosaic's
    tiles = list(tiles_in(rendered(figure), mosaic, figure))
    assert len(tiles) == 5
    for tile, plane in zip(tiles, planes, strict=True):
        ends = centered(plane) if "scale" not in options else centered(planes)
        possible = possible_colors(plane, ends, "RdBu_r")
        assert wrong_pixels(tile, possible) == 0


def test_256_channels_are_one_image_and_at_most_two_axes():
    maps = noise(1, 256, 12, 12)
    for options in ({}, {"scale": "layer"}):
        figure = maps.figure("noise", max=0, **options)
        axes = figure.axes[0]
        assert len(figure.axes) == 1 + bool(options)
        assert len(axes.images) == 1
        assert texts(axes) == [str(channel) for channel in range(256)]


def test_what_is_no_tile_is_paper(maps):
    figure = maps.figure("cnn1", ncols=3)
    (image,) = of_name(figure.axes[0], "tiles")
    rows, columns = region(figure, image)
    pixels = rendered(figure)[rows, columns]
    assert (pixels[-1] == 255).all()
    assert (pixels[pixels.shape[0] // 2 + 12 :, -40:] == 255).all()
    assert image.get_array()[..., 3].min() == 0
    assert (rendered(figure)[0] == 255).all()


def test_labels_are_the_channels_own_numbers_above_their_tiles(maps):
    axes = maps.figure("cnn1", channels="3,1").axes[0]
    (image,) = of_name(axes, "tiles")
    left, right, _, top = image.get_extent()
    three, one = axes.texts
    assert (three.get_text(), one.get_text()) == ("3", "1")
    assert three.get_position()[0] == left
    assert one.get_position()[0] == pytest.approx((left + right) / 2)
    assert top < three.get_position()[1] < top + 10


def test_tiles_too_small_for_a_label_have_none():
    figure = noise(1, 200, 2, 2).figure("noise", zoom=2, max=0)
    assert texts(figure.axes[0]) == []


def test_bars_are_as_long_as_channels_are_strong(maps):
    axes = maps.figure("cnn1").axes[0]
    (bars,) = [one for one in axes.collections if isinstance(one, LineCollection)]
    (image,) = of_name(axes, "tiles")
    lengths = [line[1, 0] - line[0, 0] for line in bars.get_segments()]
    strength = maps["cnn1"][0].abs().amax((1, 2))
    # Two pixels of the image are one of the figure, and between two tiles there are four of these.
    expected = strength / strength.max() * (image.get_array().shape[1] / 2 / 5 - 4)
    assert lengths == pytest.approx(expected.tolist(), rel=1e-5)
    assert not maps.figure("cnn1", scale="layer").axes[0].collections


@pytest.mark.parametrize(
    ("options", "kind"),
    [
        ({"cmap": "gray"}, "Normalize"),
        ({}, "CenteredNorm"),
        ({"center": 0.5}, "CenteredNorm"),
        ({"norm": "log"}, "LogNorm"),
        ({"norm": "symlog"}, "SymLogNorm"),
        ({"norm": "asinh"}, "AsinhNorm"),
        ({"norm": "asinh", "center": 0.25}, "FuncNorm"),
        ({"norm": "symlog", "center": 0.25}, "FuncNorm"),
        ({"vmin": -1, "vmax": 2, "cmap": "gray"}, "Normalize"),
    ],
)
def test_the_color_bar_gives_a_value_the_color_it_has_in_its_tile(options, kind):
    maps = noise(1, 6, 10, 10, change=lambda values: values * 3)
    figure = maps.figure("noise", scale="layer", **options)
    beside = figure.axes[1]
    bar = beside._colorbar
    activation = Activation("noise", "noise", "Noise", 1, maps["noise"])
    mosaic = draw(activation, view_of(scale="layer", **options)).mosaic
    assert type(bar.norm).__name__ == kind
    assert (bar.vmin, bar.vmax) == pytest.approx((mosaic.scale.low, mosaic.scale.high))
    assert bar.get_ticks() == pytest.approx([bar.vmin, mosaic.scale.middle, bar.vmax])
    assert [text.get_text() for text in beside.get_xticklabels()] == list(mosaic.ends)
    assert float(bar.norm(mosaic.scale.middle)) == pytest.approx(0.5, abs=1e-6)
    planes = maps["noise"][0].numpy()
    some = np.clip(planes, bar.vmin, bar.vmax)
    places = np.asarray(bar.norm(some.ravel()), float).reshape(some.shape) * 239
    figure.set_dpi(200)  # a pixel to each of the mosaic's
    for tile, place in zip(tiles_in(rendered(figure), mosaic, figure), places, strict=True):
        table = mosaic.colors[:240].astype(int)
        near = [table[np.clip(np.rint(place + step), 0, 239).astype(int)] for step in (-0.01, 0.01)]
        assert ((tile == near[0]).all(-1) | (tile == near[1]).all(-1)).all()


def test_a_color_bar_is_only_where_a_range_is_shared(maps):
    assert len(maps.figure("cnn1").axes) == 1
    assert len(maps.figure("cnn1", scale="layer").axes) == 2


def test_one_value_has_no_color_bar():
    maps = noise(1, 3, 8, 8, change=torch.zeros_like)
    assert len(maps.figure("noise", scale="layer").axes) == 1


@pytest.mark.parametrize("factor", [1e-300, 1e300, 8e307])
def test_ranges_at_the_ends_of_float64_have_true_figures(factor):
    maps = noise(1, 3, 8, 8, change=lambda values: values.clamp(-2, 2).double() * factor)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure = maps.figure("noise", scale="layer", cmap="RdBu_r")
        rendered(figure)
    shown = [float(text.get_text()) for text in figure.axes[1].get_xticklabels()]
    most = maps["noise"].abs().max().item()
    assert shown == pytest.approx([-most, 0, most], rel=5e-3)


def test_samples_are_named_at_their_rows():
    axes = noise(3, 4, 8, 8).figure("noise", sample="all").axes[0]
    assert texts(axes)[-3:] == ["s0", "s1", "s2"]
    (image,) = of_name(axes, "tiles")
    left, _, bottom, top = image.get_extent()
    for row, text in enumerate(axes.texts[-3:]):
        assert text.get_position()[0] < left
        assert row <= (text.get_position()[1] - top) / (bottom - top) * 3 < row + 1


def test_the_input_and_the_overlay_are_as_in_the_mosaic():
    net = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1))
    with featmagic.capture(net, "0") as maps:
        net(torch.rand(1, 3, 32, 32))
    axes = maps.figure("0", input=True).axes[0]
    (picture,) = of_name(axes, "input")
    activation = maps._activation("0")
    assert (picture.get_array() == draw(activation, View(input=True)).mosaic.inputs[0]).all()
    # The first place of the tiles' image is left to it.
    left, right, *_ = picture.get_extent()
    (image,) = of_name(axes, "tiles")
    assert left == image.get_extent()[0]
    assert not image.get_array()[:, : round(2 * (right - left)), 3].any()
    figure = maps.figure("0", overlay=True)
    tiles = draw(activation, View(overlay=True)).mosaic.indices
    (image,) = of_name(figure.axes[0], "tiles")
    shown = image.get_array()
    assert (shown[20 : 20 + tiles.shape[1], : tiles.shape[3], :3] == tiles[0, :, 0]).all()


def test_prefix_tokens_are_a_strip_of_their_own():
    maps = noise(1, 17, 300)
    figure = maps.figure("noise", layout="NLC", grid=(4, 4), prefix_tokens=1, max=0)
    axes = figure.axes[0]
    (strip,) = of_name(axes, "tokens")
    assert len(axes.images) == 2
    assert texts(axes)[-1] == "CLS"
    activation = Activation("noise", "noise", "Noise", 1, maps["noise"])
    view = View(layout="NLC", grid=(4, 4), prefix_tokens=1, max=0)
    mosaic = draw(activation, view).mosaic
    cells = np.asarray(strip.get_array())
    wide = (cells[::8, :, 3] > 0).sum() // 300
    found = cells[::8, ::wide].reshape(-1, 4)
    found = found[found[:, 3] == 255][:, :3]
    assert (found == mosaic.colors[mosaic.strip.indices[0]]).all()


def test_the_caption_is_the_title_in_lines_that_fit(maps):
    figure = maps.figure("cnn1")
    title = next(t for t in figure.findobj(Text) if t.get_text().startswith("cnn1"))
    assert " ".join(title.get_text().split()).startswith("cnn1 Conv2d (1, 5, 24, 24) float32 cpu")
    rendered(figure)
    width, height = figure.canvas.get_width_height()
    box = title.get_window_extent()
    assert 0 <= box.x0 < box.x1 <= width
    assert box.y1 <= height


STRANGE = "<script>alert('x')</script>&amp;$x^2$ a\x1b[2J ]]> --"


@pytest.mark.parametrize("name", [STRANGE, "あ", "\ud800\ufffe", "w" * 300])
def test_a_name_is_never_markup_and_never_a_warning(tmp_path, name):
    maps = noise(1, 4, 8, 8, name=name.replace(".", ""))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        rendered(maps.figure(name))
        for suffix in (".svg", ".pdf"):
            maps.save(tmp_path / f"a{suffix}", name)
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    assert {element.tag for element in root.iter()}.isdisjoint({f"{SVG}script", "script"})
    written = "".join(root.itertext())
    assert "\x1b" not in written
    if name == STRANGE:
        shown = "".join(written.split())
        assert "".join(STRANGE.replace("\x1b", r"\x1b").split()) in shown


def test_letters_that_no_font_has_are_spelled_out():
    title = noise(1, 4, 8, 8, name="aあ").figure("aあ").axes[0].get_title(loc="left")
    assert title.startswith((r"a\u3042", "aあ"))


@pytest.mark.parametrize(
    "settings",
    [
        {"text.usetex": True},
        {"figure.autolayout": True, "savefig.bbox": "tight"},
        {"image.origin": "lower", "image.interpolation": "bicubic", "axes.titlelocation": "right"},
        {"figure.facecolor": "black", "savefig.facecolor": "black", "text.color": "white"},
    ],
)
def test_a_users_settings_leave_the_figure_as_it_is(maps, tmp_path, settings):
    truth = rendered(maps.figure("cnn1", scale="layer"))
    with matplotlib.rc_context(settings):
        assert (rendered(maps.figure("cnn1", scale="layer")) == truth).all()
        maps.save(tmp_path / "a.svg", "cnn1")
    ElementTree.parse(tmp_path / "a.svg")


def test_an_svg_has_one_image_and_its_words_as_text(maps, tmp_path):
    (path,) = maps.save(tmp_path / "cnn1.svg", "cnn1")
    root = ElementTree.parse(path).getroot()
    (image,) = root.iter(f"{SVG}image")
    assert image.get("id") == "tiles"
    words = ["".join(text.itertext()) for text in root.iter(f"{SVG}text")]
    assert [word for word in words if word.isdigit()] == ["0", "1", "2", "3", "4"]
    assert any("Conv2d" in word for word in words)
    data = image.get("{http://www.w3.org/1999/xlink}href").partition("base64,")[2]
    with Image.open(io.BytesIO(base64.b64decode(data))) as picture:
        embedded = np.asarray(picture.convert("RGBA"))
    (artist,) = of_name(maps.figure("cnn1").axes[0], "tiles")
    truth = np.asarray(artist.get_array())
    opaque = truth[..., 3] > 0
    assert (embedded[opaque] == truth[opaque]).all()
    assert (embedded[~opaque][:, 3] == 0).all()


def test_a_pdf_has_the_tiles_once_and_its_words_as_text(maps, tmp_path):
    (path,) = maps.save(tmp_path / "cnn1.pdf", "cnn1")
    data = path.read_bytes()
    assert data.startswith(b"%PDF-")
    assert data.rstrip().endswith(b"%%EOF")
    assert b"CreationDate" not in data
    assert len(re.findall(rb"/Subtype /Image", data)) == 2  # the colors, and what is transparent
    streams = []
    for found in re.finditer(rb"stream\r?\n(.*?)\r?\nendstream", data, re.DOTALL):
        try:
            streams.append(zlib.decompress(found[1]))
        except zlib.error:
            continue
    page = next(stream for stream in streams if b" Tj" in stream or b" TJ" in stream)
    words = re.sub(rb"\)\s*-?[\d.]*\s*\(", b"", page).replace(b"\0", b"")
    assert b"Conv2d" in words


def test_a_figure_can_be_pickled_and_loads_without_us(maps):
    for options in ({}, {"scale": "layer"}, {"scale": "layer", "norm": "asinh"}):
        figure = maps.figure("cnn1", **options)
        data = pickle.dumps(figure)
        assert b"featmagic" not in data
        again = pickle.loads(data)
        assert type(again).__module__ == "matplotlib.figure"
        assert len(again.axes) == len(figure.axes)
    off_center = maps.figure("cnn1", scale="layer", norm="asinh", center=0.5)
    assert len(pickle.loads(pickle.dumps(off_center)).axes) == 2


def test_principal_components_are_pictures_in_their_own_colors():
    maps = noise(2, 8, 10, 10)
    figure = maps.figure("noise", reduce="pca", sample="all")
    activation = Activation("noise", "noise", "Noise", 1, maps["noise"])
    mosaic = draw(activation, View(reduce="pca", sample="all")).mosaic
    (image,) = of_name(figure.axes[0], "tiles")
    assert (
        image.get_array()[: 10 * mosaic.zoom : mosaic.zoom, 0, :3] == mosaic.indices[0, :, 0, 0]
    ).all()
    assert len(figure.axes) == 1


def test_where_colored_tiles_leave_places_in_the_last_row_the_paper_shows():
    colored = torch.randint(1, 255, (4, 3, 5, 3)).byte()
    for count in (4, 3, 2):
        labels = ("",) * count
        mosaic = mosaic_of(colored[:count], labels, palette("gray"), GridLayout(2, 1, 1))
        (image,) = of_name(mosaic_figure(mosaic, "pca").axes[0], "tiles")
        shown, (rows, across) = np.asarray(image.get_array()), (-(-count // 2), 5 + GAP)
        tall = len(shown) // rows
        for place in range(2 * rows):
            top, left = place // 2 * tall, place % 2 * across
            tile = shown[top : top + 3, left : left + 5]
            if place < count:
                assert (tile[..., :3] == colored[place].numpy()).all()
                assert (tile[..., 3] == 255).all()
            else:
                assert not tile.any()
        assert not shown[3:tall].any()  # the gaps


def test_a_left_title_of_the_users_own_takes_the_captions_place(maps):
    figure = maps.figure("cnn1")
    figure.axes[0].set_title("mine", loc="left")
    texts = [text.get_text() for text in figure.findobj(Text)]
    assert "mine" in texts
    assert not any("Conv2d" in text for text in texts)


def test_a_very_long_name_is_shortened_before_it_is_laid_out(tmp_path):
    maps = noise(1, 4, 8, 8, name="w" * 10_000)
    (path,) = maps.save(tmp_path / "a.svg", "w" * 10_000)
    words = "".join(ElementTree.parse(path).getroot().itertext())
    assert "w" * 100 in "".join(words.split())
    assert len(words) < 2000


EDGE, GAP, LABEL, BAR = 6, 4, 10, 4  # pixels: around everything, between, above and below tiles


def figure_of(count=4, size=(8, 10), ncols=2, zoom=4, title="title", **around):
    labels = around.pop("labels", tuple(map(str, range(count))))
    tiles = torch.randint(0, 240, (count, *size)).byte()
    mosaic = mosaic_of(tiles, labels, palette("gray"), GridLayout(ncols, zoom, 1))
    return mosaic_figure(replace(mosaic, **around), title)


def placed_texts(figure):
    return [(text.get_text(), *text.get_position()) for text in figure.axes[0].texts]


def test_labels_stand_above_their_tiles_and_marks_behind_them_or_in_a_line_of_their_own():
    down, across = LABEL + 32 + GAP, 40 + GAP
    nonfinite = ("×", "", "×↑", "")
    corners = [(EDGE + column * across, EDGE + row * down) for row in (0, 1) for column in (0, 1)]
    beside = placed_texts(figure_of(nonfinite=nonfinite))
    texts = [f"{n} {marks}" for n, marks in enumerate(nonfinite)]
    assert beside == [
        (text, left, top + LABEL - 2) for text, (left, top) in zip(texts, corners, strict=True)
    ]
    narrow = placed_texts(figure_of(size=(8, 3), nonfinite=("×", "", "×↑↓", "")))
    assert [text for text, *_ in narrow[:4]] == ["×", "", "×", ""]  # as many as fit
    assert {y for _, _, y in narrow[:2]} == {EDGE + LABEL + 10 - 2}
    assert [text for text, *_ in narrow[4:]] == ["0", "1", "2", "3"]
    assert {y for _, _, y in narrow[4:6]} == {EDGE + LABEL - 2}
    alone = placed_texts(figure_of(labels=("",) * 4, nonfinite=nonfinite))
    assert [text for text, *_ in alone] == list(nonfinite)
    assert alone[0][2] == EDGE + 10 - 2


def test_ticks_end_left_of_the_tiles_in_the_middle_of_their_row_of_values():
    ticks = ((0, 0, "a"), (0, 3, "b"), (1, 2, "c"))
    figure = figure_of(2, ncols=1, labels=("", ""), ticks=ticks)
    (image,) = of_name(figure.axes[0], "tiles")
    left, right, bottom, top = image.get_extent()
    assert (right - left, bottom - top) == (40 + GAP, 2 * (32 + GAP))
    for text, (row, line, name) in zip(figure.axes[0].texts, ticks, strict=True):
        middle = top + row * (32 + GAP) + (line + 0.5) * 4
        assert (text.get_text(), *text.get_position()) == (name, left - 3, middle)
        assert text.get_ha() == "right"


def test_strengths_are_lines_below_their_tiles():
    bars = (0.0, 0.5, 1.0, 0.25)
    axes = figure_of(bars=bars).axes[0]
    (lines,) = axes.collections
    down, across = LABEL + 32 + BAR + GAP, 40 + GAP
    for place, (segment, share) in enumerate(zip(lines.get_segments(), bars, strict=True)):
        row, column = divmod(place, 2)
        left, y = EDGE + column * across, EDGE + row * down + LABEL + 32 + 2
        assert segment.tolist() == [[left, y], [left + share * 40, y]]


def test_prefix_tokens_have_their_names_at_the_height_of_their_cells():
    indices = np.arange(60, dtype=np.uint8).reshape(3, 20)
    figure = figure_of(strip=PrefixStrip(("CLS", "R1", "R2"), indices))
    axes = figure.axes[0]
    (tiles,), (strip,) = of_name(axes, "tiles"), of_name(axes, "tokens")
    left, _, bottom, top = strip.get_extent()
    assert top == EDGE
    pitch = (tiles.get_extent()[3] - EDGE) / 3
    assert placed_texts(figure)[-3:] == [
        (name, EDGE, EDGE + n * pitch + 7) for n, name in enumerate(("CLS", "R1", "R2"))
    ]
    assert (bottom - top) / 3 == 10
    widest = max(text.get_window_extent().width for text in axes.texts[-3:])
    assert left == pytest.approx(EDGE + widest + 3, abs=2)


def test_a_figure_is_wide_enough_for_its_tiles_and_for_a_title():
    for figure, width in ((figure_of(), 360), (figure_of(zoom=30), 2 * 300 + GAP + 2 * EDGE)):
        wide, tall = figure.get_size_inches() * 100
        assert wide == pytest.approx(width)
        lines = figure.axes[0].get_title(loc="left").count("\n") + 1
        axes_tall = figure.axes[0].get_position().height * tall
        assert tall == pytest.approx(axes_tall + 14 * lines + EDGE)
        (heading,) = (text for text in figure.findobj(Text) if text.get_text() == "title")
        assert heading.get_position()[0] * wide == pytest.approx(EDGE)
    long = figure_of(title="word " * 100)
    lines = long.axes[0].get_title(loc="left").split("\n")
    assert len(lines) > 1
    assert " ".join(lines).split() == ["word"] * 100


@pytest.mark.parametrize(("zoom", "width"), [(4, 200), (30, 200)])
def test_the_color_bar_stands_below_the_tiles_and_is_no_wider_than_200_pixels(zoom, width):
    shared = SharedRange(-1, 0.5, 2, "linear", None, 1)
    figure = figure_of(zoom=zoom, scale=shared, ends=("-1", "0.5", "2"))
    wide, tall = figure.get_size_inches() * 100
    box = figure.axes[1].get_position()
    (image,) = of_name(figure.axes[0], "tiles")
    left, _, bottom, _ = image.get_extent()
    page = figure.axes[0].get_position().height * tall
    assert box.x0 * wide == pytest.approx(left)
    assert box.width * wide == pytest.approx(width)
    assert box.height * tall == pytest.approx(8)
    assert page - box.y1 * tall == pytest.approx(bottom + 2)
    assert page == pytest.approx(bottom + 24 + EDGE)
    sides = [text.get_ha() for text in figure.axes[1].get_xticklabels()]
    assert sides == ["left", "center", "right"]


@pytest.mark.parametrize(
    ("low", "high"),
    [(0, 1e-281), (-1e-281, 1e-281), (1, 1 + 1e-15), (-1e308, 1e308), (0, 0), (5, 5)],
)
def test_a_range_that_matplotlib_cannot_have_becomes_0_to_1(low, high):
    norm, places = norm_of(SharedRange(low, low / 2 + high / 2, high, "linear", None, 1))
    assert (norm.vmin, norm.vmax, places) == (0, 1, [0.0, 0.5, 1.0])


@pytest.mark.parametrize(
    ("low", "high"), [(0, 1e-270), (-2, 3), (1e6, 1e6 + 1), (-1e307, 1e307), (0, 1)]
)
def test_any_other_range_has_its_own_ends_and_middle(low, high):
    middle = low / 2 + high / 2
    norm, places = norm_of(SharedRange(low, middle, high, "linear", None, 1))
    assert (norm.vmin, norm.vmax, places) == (low, high, [low, middle, high])


def test_letters_of_a_title_that_the_font_has_stay_as_they_are():
    title = "é × α … ▁█"
    assert figure_of(title=title).axes[0].get_title(loc="left") == title


def test_a_figure_of_too_many_pixels_or_tiles_is_refused_before_it_is_drawn():
    most = r"\(at most 30 million pixels, 20,000 tiles\): choose a smaller zoom or fewer channels"
    with pytest.raises(FeatmagicError, match=f"^A figure of 36 million pixels and 1 tiles.*{most}"):
        figure_of(1, (1000, 1000), ncols=1, zoom=6)
    with pytest.raises(FeatmagicError, match=f"of 0 million pixels and 20,001 tiles.*{most}"):
        figure_of(20_001, (1, 1), ncols=200, zoom=1)
    check_figure_size(3 * 10**7, 20_000)
    for pixels, tiles in ((3 * 10**7 + 1, 1), (1, 20_001)):
        with pytest.raises(FeatmagicError, match="too large"):
            check_figure_size(pixels, tiles)
