"""Which fonts a text is set in, with and without a font for its script."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest
from fontTools.ttLib import TTFont
from helpers.fonts import leave_fonts
from matplotlib import font_manager

from featmagic.render.typeface import has, known_to_matplotlib, typeface_of

COURSE = "CNN出力 (特徴マップ)"
NOTO = "Noto Sans CJK JP"
has_noto = any(entry.name == NOTO for entry in font_manager.fontManager.ttflist)
needs_noto = pytest.mark.skipif(not has_noto, reason="fonts-noto-cjk isn't installed")
needs_fontja = pytest.mark.skipif(
    not importlib.util.find_spec("matplotlib_fontja"), reason="matplotlib-fontja isn't installed"
)


def letters_in(font):
    """The letters that a font has by its own table, read by another library."""
    number = font.index if font.path.endswith(("ttc", "otc")) else -1
    with TTFont(font.path, fontNumber=number, lazy=True) as opened:
        return set(opened.getBestCmap())


@pytest.mark.parametrize("text", ["feature maps", "é × α …", "שלום", "مرحبا", "▁█", "", "a\n\x1b"])
def test_what_the_usual_font_has_is_set_in_it_alone(text):
    typeface = typeface_of(text, bold=True)
    assert typeface.families == ["DejaVu Sans"]
    assert (typeface.note, typeface.warning, typeface.missing) == ("", "", "")


@needs_noto
@pytest.mark.parametrize("bold", [False, True])
def test_a_japanese_title_is_set_in_an_installed_font_that_has_all_its_letters(bold):
    typeface = typeface_of(COURSE, bold=bold)
    first = typeface.fonts[0]
    assert first.family == NOTO
    assert set(map(ord, COURSE)) <= letters_in(first)
    assert first.weight == (700 if bold else 400)
    assert typeface.note == f"title set in {NOTO}"
    assert typeface.warning == ""


def test_without_a_font_for_it_the_missing_letters_and_what_to_install_are_said(monkeypatch):
    leave_fonts(monkeypatch, lambda name: name.startswith("DejaVu"))
    typeface = typeface_of(COURSE, bold=True)
    assert typeface.families == ["DejaVu Sans"]
    assert typeface.missing == "出力特徴マップ"
    assert typeface.warning == (
        "No installed font has 出 力 特 徴 マ ッ プ of the title: install fonts-noto-cjk, or pip "
        "install matplotlib-fontja."
    )


@needs_fontja
def test_a_font_in_an_installed_package_is_found_without_importing_it(monkeypatch):
    monkeypatch.delitem(__import__("sys").modules, "matplotlib_fontja", raising=False)
    entries = [e for e in font_manager.fontManager.ttflist if e.name.startswith("DejaVu")]
    monkeypatch.setattr(font_manager.fontManager, "ttflist", entries)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda *args, **kwargs: [])
    typeface = typeface_of(COURSE)
    assert typeface.families == ["IPAexGothic", "DejaVu Sans"]
    assert Path(typeface.fonts[0].path).name == "ipaexg.ttf"
    assert set(map(ord, COURSE)) <= letters_in(typeface.fonts[0])
    assert "matplotlib_fontja" not in __import__("sys").modules


@needs_noto
def test_a_font_that_was_installed_after_matplotlib_made_its_list_is_found(monkeypatch):
    (path,) = {
        e.fname for e in font_manager.fontManager.ttflist if e.name == NOTO and "-Reg" in e.fname
    }
    leave_fonts(monkeypatch, lambda name: name.startswith("DejaVu"))
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda *args, **kwargs: [path])
    typeface = typeface_of(COURSE)
    assert typeface.fonts[0].path == path
    assert known_to_matplotlib(typeface)[0] == NOTO
    properties = font_manager.FontProperties(family=NOTO)
    assert str(font_manager.findfont(properties, fallback_to_default=False)) == path


@needs_noto
def test_a_text_in_several_scripts_takes_as_many_fonts_as_it_needs():
    typeface = typeface_of("特徴 שלום", bold=True)
    assert typeface.families == [NOTO, "DejaVu Sans"]
    assert typeface.font_of("特").family == NOTO
    assert typeface.font_of("ש").family == "DejaVu Sans"
    assert not typeface.missing


def test_a_letter_that_no_font_has_is_said_and_drawn_by_the_usual_font():
    letter = "\U000e0fff"  # unassigned, in a plane for private use
    typeface = typeface_of(f"a{letter}")
    assert letter not in typeface.missing  # it can't be printed: it is spelled out before
    hieroglyph = "\U00013080"
    if not any(has(font, hieroglyph) for font in typeface_of(hieroglyph).fonts):
        typeface = typeface_of(f"a{hieroglyph}")
        assert typeface.missing == hieroglyph
        assert typeface.font_of(hieroglyph).family == "DejaVu Sans"
        assert typeface.warning == (
            f"No installed font has {hieroglyph} of the title: install a font that has them."
        )


def test_many_missing_letters_are_not_all_listed(monkeypatch):
    leave_fonts(monkeypatch, lambda name: name.startswith("DejaVu"))
    many = "".join(chr(0x4E00 + place) for place in range(40))
    warning = typeface_of(many).warning
    assert " ".join(many[:12]) + " … of the title" in warning
    assert many[12] not in warning


def test_a_lone_surrogate_is_no_letter_of_any_font():
    assert not any(has(font, "\ud800") for font in typeface_of("a").fonts)
    assert typeface_of("\ud800").missing == ""
