"""The title of a picture: its lines, its pixels, and where it stands in any output."""

from __future__ import annotations

import io
import itertools
import re
import warnings
from pathlib import Path
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pytest
from helpers.fonts import leave_fonts
from matplotlib import font_manager
from PIL import Image, ImageFont

import featmagic
from featmagic import FeatmagicError
from featmagic.render.title import Heading, break_lines, heading_alpha, title_lines

COURSE = "CNN出力 (特徴マップ)"
HOSTILE = [
    COURSE,
    "שלום עולם",
    "مرحبا بالعالم",
    "हिन्दी",
    "e\u0301\u0323 a" + "\u0301" * 40,
    "🔥 👩\u200d👩\u200d👧 ❤\ufe0f",
    "one\ntwo\r\nthree\n\n",
    "w" * 500,
    "word " * 100,
    "特徴" * 250,
    r"$x^2$ \frac{a}{b} _{ ^ $",
    "a\x1b[2J\x00\x07\t\u202eb",
    "\ud800 \U000e0fff",
    "<script>&amp;</script> {x} %s",
    "x",
]
FONTS = [
    pytest.param(lambda name: True, id="all fonts"),
    pytest.param(lambda name: name.startswith("DejaVu"), id="DejaVu alone"),
]
RESOLUTIONS = (50, 72, 96, 110, 150, 220, 300)


@pytest.fixture
def maps(model, x):
    with featmagic.capture(model, "cnn1", "act1") as maps:
        model(x)
    return maps


def rows_of_ink(alpha):
    """How many rows of letters there are, by the empty rows between them."""
    inked = (alpha > 60).any(1).astype(int)
    return int((np.diff(np.concatenate([[0], inked])) == 1).sum())


def test_the_ink_is_that_of_the_bold_font_at_two_pixels_to_a_css_pixel():
    alpha = heading_alpha(Heading("cnn1"), 200)
    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans-Bold.ttf"
    mask = ImageFont.truetype(str(path), 32).getmask("cnn1", "L")
    truth = np.array(mask, np.uint8).reshape(mask.size[::-1])
    truth = truth[truth.any(1)][:, truth.any(0)]
    rows, columns = alpha.any(1), alpha.any(0)
    assert (alpha[rows][:, columns] == truth).all()
    assert len(set(np.unique(alpha))) > 10  # smooth edges


@pytest.mark.parametrize("width", [31, 200, 760])
@pytest.mark.parametrize("name", ["", "cnn1  Conv2d  (1, 5, 24, 24) float32 cpu"])
def test_a_heading_is_as_wide_as_its_picture_and_a_whole_number_of_css_pixels_tall(width, name):
    alpha = heading_alpha(Heading(COURSE, name), width)
    assert alpha.shape[1] == 2 * width
    assert alpha.shape[0] % 2 == 0
    assert alpha.dtype == np.uint8
    assert heading_alpha(Heading(), width).shape == (0, 2 * width)


def test_a_long_title_is_first_set_smaller_and_then_broken_into_lines():
    one = heading_alpha(Heading("Feature maps"), 400)
    smaller = heading_alpha(Heading("Feature maps of the first convolution"), 330)
    several = heading_alpha(Heading("Feature maps of the first convolution " * 3), 330)
    assert [rows_of_ink(each) for each in (one, smaller)] == [1, 1]
    assert len(smaller) < len(one)
    assert 3 <= rows_of_ink(several) <= 8


def test_a_line_on_what_is_shown_is_smaller_than_the_title():
    title, name = (
        np.flatnonzero(heading_alpha(heading, 400).any(1))
        for heading in (Heading("HHHH"), Heading(name="HHHH"))
    )
    assert len(name) < len(title)
    both = heading_alpha(Heading("HHHH", "HHHH"), 400)
    assert rows_of_ink(both) == 2


@pytest.mark.parametrize("keep", FONTS)
@pytest.mark.parametrize("width", [12, 300])
@pytest.mark.parametrize("title", HOSTILE)
def test_no_title_fails_and_every_title_leaves_ink(monkeypatch, keep, width, title):
    leave_fonts(monkeypatch, keep)
    alpha = heading_alpha(Heading(title), width)
    assert alpha.any()
    assert len(alpha) < 2 * 8 * 40


def test_a_title_keeps_its_lines_and_loses_what_cannot_be_printed():
    assert title_lines(" one\ntwo\r\n") == ["one", "two"]
    assert title_lines("a\x1b[2J") == [r"a\x1b[2J"]
    assert title_lines("❤\ufe0f") == ["❤"]
    assert title_lines("می\u200cخواهم") == ["می\u200cخواهم"]


def test_a_mark_is_never_parted_from_its_letter():
    lines = break_lines("e\u0301" * 10, 3, len)
    assert all(not line.startswith("\u0301") for line in lines)
    assert "".join(lines) == "e\u0301" * 10


# Figures


def extents(figure, dpi):
    """The boxes of title, caption and tiles in a figure that is drawn at a resolution."""
    figure.set_dpi(dpi)
    figure.canvas.draw()
    axes = figure.axes[0]
    texts = [figure._suptitle, axes.title, axes._left_title]
    boxes = [text.get_window_extent() for text in texts if text and text.get_text()]
    (tiles,) = (image for image in axes.images if image.get_gid() == "tiles")
    return [*boxes, tiles.get_window_extent()], figure.bbox


def assert_laid_out(figure):
    """Nothing overprints anything, and nothing is cut off, at any resolution."""
    for dpi in RESOLUTIONS:
        boxes, page = extents(figure, dpi)
        for box in boxes:
            assert box.x0 >= -0.5
            assert box.x1 <= page.width + 0.5
            assert box.y1 <= page.height + 0.5
        for above, below in itertools.pairwise(boxes):
            assert above.y0 >= below.y1 - 0.5
    figure.set_dpi(100)


@pytest.mark.parametrize("keep", FONTS)
@pytest.mark.parametrize("title", ["", *HOSTILE])
def test_title_and_caption_of_a_figure_stand_apart_at_any_resolution(
    maps, monkeypatch, keep, title
):
    leave_fonts(monkeypatch, keep)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert_laid_out(maps.figure("cnn1", title=title, scale="layer"))


def test_a_title_of_the_users_own_gets_room_above_the_caption(maps):
    figure = maps.figure("cnn1", title="ours")
    tall = figure.get_size_inches()[1]
    for title in ("mine", "a\nb\nc", "mine " * 40, COURSE, "$x^2$"):
        figure.suptitle(title)
        assert_laid_out(figure)
    assert len([text for text in figure.texts if text.get_text()]) == 1
    figure.suptitle("mine")
    plain = maps.figure("cnn1")
    plain.suptitle("mine")
    assert figure.get_size_inches()[1] == pytest.approx(plain.get_size_inches()[1])
    plain.suptitle("")
    assert plain.get_size_inches()[1] == pytest.approx(maps.figure("cnn1").get_size_inches()[1])
    assert tall > plain.get_size_inches()[1]


def test_tiles_are_as_large_under_a_title_as_without_one(maps):
    (untitled, _), (titled, _) = (
        extents(maps.figure("cnn1", title=title), 100) for title in (None, "a title")
    )
    assert titled[-1].width == pytest.approx(untitled[-1].width)
    assert titled[-1].height == pytest.approx(untitled[-1].height)
    assert titled[-1].y0 == pytest.approx(untitled[-1].y0)


def test_axes_that_are_given_a_title_have_it_in_place_of_the_caption(maps):
    figure = maps.figure("cnn1")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.axes[0].set_title("mine")
        assert_laid_out(figure)
    assert figure.axes[0].get_title() == "mine"
    assert figure.axes[0].get_title(loc="left") == ""


@pytest.mark.parametrize("bbox", [None, "tight"])
@pytest.mark.parametrize("dpi", [50, 150, 300])
def test_a_saved_figure_has_paper_around_its_words(maps, dpi, bbox):
    file = io.BytesIO()
    maps.figure("cnn1", title=COURSE, scale="layer").savefig(file, dpi=dpi, bbox_inches=bbox)
    with Image.open(file) as picture:
        pixels = np.asarray(picture.convert("L"))
    edges = pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]
    assert all((edge == 255).all() for edge in edges)


def test_svg_and_pdf_have_the_title_as_text(maps, tmp_path):
    for title in ("The first layer", COURSE):
        (path,) = maps.save(tmp_path / "a.svg", "cnn1", title=title, overwrite=True)
        words = "".join(ElementTree.parse(path).getroot().itertext())
        assert "cnn1  Conv2d" in words
        if title != COURSE or any("CJK" in e.name for e in font_manager.fontManager.ttflist):
            assert title in words
        maps.save(tmp_path / "a.pdf", "cnn1", title=title, overwrite=True)


# Looks


def test_in_a_terminal_the_title_is_a_line_above_the_first_caption(shell):
    printed = shell.run(f'%%featuremaps model cnn1 act1 --title "{COURSE}"\nmodel(x);')
    lines = printed.splitlines()
    assert lines[0] == COURSE
    assert lines[1].startswith("cnn1  Conv2d")
    assert printed.count(COURSE) == 1


@pytest.mark.parametrize(
    "typed",
    ['--title "{}"', "--title '{}'", '--title="{}"', '--cmap gray --title "{}" --scale layer'],
)
def test_a_title_is_typed_in_quotes(shell, typed):
    shell.run("%%featuremaps model cnn1\nmodel(x);")
    title = "a (b), c -- d = #1"
    assert shell.run(f"%featuremaps cnn1 {typed.format(title)}").splitlines()[0] == title


def test_a_title_that_is_no_text_is_refused_and_an_empty_one_is_none(maps, capsys):
    with pytest.raises(FeatmagicError, match="title"):
        maps.show(title=5)
    maps.show("cnn1", title="  ", renderer="none")
    assert capsys.readouterr().out.startswith("cnn1  Conv2d")


def test_pictures_have_it_above_the_first_and_saved_files_each(maps, tmp_path):
    plain, titled = maps.pictures(), maps.pictures(title="Two layers")
    heights = [[picture_of(png).height for _, png in some] for some in (plain, titled)]
    assert heights[1][0] > heights[0][0]
    assert heights[1][1] == heights[0][1]
    files = maps.save(tmp_path / "a.png", title="Two layers")
    untitled = maps.save(tmp_path / "b.png")
    for with_title, without in zip(files, untitled, strict=True):
        assert Image.open(with_title).height > Image.open(without).height


def picture_of(png):
    return Image.open(io.BytesIO(png))


def test_a_saved_png_says_which_layer_it_shows(maps, tmp_path):
    (path,) = maps.save(tmp_path / "a.png", "cnn1")
    ((_, png),) = maps.pictures("cnn1")
    assert Image.open(path).height > picture_of(png).height


def test_which_font_was_taken_is_said_where_it_is_not_the_usual_one(maps, monkeypatch, capsys):
    ((caption, _),) = maps.pictures("cnn1", title="plain")
    assert "title set in" not in caption
    ((caption, _),) = maps.pictures("cnn1", title=COURSE)
    found = re.search(r" · title set in (.+)$", caption.splitlines()[0])
    assert (found is not None) != ("No installed font has" in capsys.readouterr().out)
    leave_fonts(monkeypatch, lambda name: name.startswith("DejaVu"))
    ((caption, png),) = maps.pictures("cnn1", title=COURSE)
    assert "title set in" not in caption
    assert png
    assert "No installed font has 出 力 特 徴 マ ッ プ of the title" in capsys.readouterr().out


def test_an_overview_and_a_page_have_the_title_too(maps, tmp_path):
    ((_, plain),), ((_, titled),) = (
        maps.pictures(overview=True, title=title) for title in (None, COURSE)
    )
    assert picture_of(titled).height > picture_of(plain).height
    maps.save(tmp_path / "a.html", title="<b> & 特徴")
    text = (tmp_path / "a.html").read_text("utf-8")
    assert "<title>&lt;b&gt; &amp; 特徴</title>" in text
