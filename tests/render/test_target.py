"""Which renderer draws, and that a row of the table is all there is to one."""

from __future__ import annotations

import io
import os
import sys
from dataclasses import fields, replace
from types import SimpleNamespace

import IPython
import numpy as np
import pytest
import torch
from helpers.tiles import page_image

from featmagic.grid import show as grid
from featmagic.grid.draw import draw
from featmagic.options.view import View
from featmagic.overview import show as overview
from featmagic.overview.filmstrip import filmstrip
from featmagic.recording.records import Activation
from featmagic.render.ascii import AsciiCells
from featmagic.render.image import rows_within
from featmagic.render.palette import LEVELS
from featmagic.render.target import RENDERERS, Renderer, Target, current_target, why_no_widget
from featmagic.render.viewport import PAGE, SMALL_PAGE, terminal_viewport
from featmagic.support.errors import FeatmagicError


def activation(count=4):
    steps = torch.linspace(0, 1, count * 64).reshape(1, count, 8, 8)
    return Activation("conv", "conv", "Conv2d", 1, steps)


class Terminal(io.StringIO):
    """A standard output that ends at a terminal."""

    def __init__(self, encoding="utf-8"):
        super().__init__()
        self._encoding = encoding

    encoding = property(lambda self: self._encoding)

    def isatty(self):
        return True


@pytest.fixture
def terminal(monkeypatch):
    """`terminal(encoding, TERM=..., ...)`: the standard output ends at such a terminal."""

    def terminal(encoding="utf-8", **variables):
        for name in ("COLORTERM", "NO_COLOR", "TMUX", "WT_SESSION", "TERM"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setattr(sys, "stdout", Terminal(encoding))

    return terminal


@pytest.fixture
def displayed(monkeypatch):
    """What a kernel's shell displays, as it comes: the data of each bundle."""
    bundles = []
    publisher = SimpleNamespace(publish=lambda data, metadata: bundles.append(data))
    shell = SimpleNamespace(kernel=None, display_pub=publisher, user_ns={})
    monkeypatch.setattr(IPython, "get_ipython", lambda: shell)
    return bundles


def test_the_options_choices_are_the_renderers():
    (option,) = (option for option in fields(View) if option.name == "renderer")
    assert option.metadata["metavar"].split("|") == ["auto", *RENDERERS]
    for name, row in RENDERERS.items():
        assert View(renderer=name).renderer == row.name == name


@pytest.mark.parametrize(
    ("encoding", "variables", "name"),
    [
        ("utf-8", {"TERM": "xterm-256color"}, "blocks"),
        ("ascii", {"TERM": "xterm-256color"}, "ascii"),
        ("utf-8", {"TERM": "xterm-256color", "NO_COLOR": "1"}, "none"),
        ("utf-8", {"TERM": "dumb", "COLORTERM": "truecolor"}, "none"),
        ("utf-8", {"TERM": "xterm"}, "none"),
    ],
)
def test_by_default_the_best_renderer_that_the_environment_supports_draws(
    terminal, encoding, variables, name
):
    terminal(encoding, **variables)
    assert current_target().renderer is RENDERERS[name]


def test_a_renderer_that_is_asked_for_draws_whatever_the_environment_wants(terminal):
    terminal(TERM="dumb", NO_COLOR="1")
    for name in ("blocks", "ascii", "none"):
        assert current_target(name).renderer is RENDERERS[name]
    assert current_target("blocks").colors == 256
    assert current_target("ascii").colors == 0
    with pytest.raises(FeatmagicError, match="This terminal shows no PNG"):
        current_target("png")


@pytest.mark.usefixtures("displayed")
def test_a_kernels_shell_is_shown_pngs_on_a_page():
    target = current_target()
    assert (target.renderer, target.viewport) == (RENDERERS["png"], PAGE)
    assert why_no_widget(replace(target, engine=True)) != ""
    for name in ("blocks", "ascii", "none"):
        assert why_no_widget(current_target(name)) == f"--renderer {name} is for grids"


@pytest.mark.usefixtures("displayed")
def test_a_page_takes_a_widget_if_the_package_for_it_is_installed(monkeypatch):
    pytest.importorskip("anywidget")
    assert why_no_widget(current_target()) == ""
    monkeypatch.setitem(sys.modules, "anywidget", None)  # as Python knows a missing one
    assert why_no_widget(current_target()) == "a package isn't here: pip install anywidget"


@pytest.mark.skipif(sys.platform == "win32", reason="there are no such terminals")
@pytest.mark.parametrize(
    ("window", "height"),
    [((24, 80, 640, 480), 20), ((50, 100, 0, 0), None), ((40, 90, 900, 799), 19)],
)
def test_the_height_of_a_line_is_what_the_system_knows_of_a_terminals_window(
    monkeypatch, window, height
):
    import fcntl
    import pty
    import struct
    import termios

    monkeypatch.delenv("COLUMNS", raising=False)
    monkeypatch.delenv("LINES", raising=False)
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", *window))
    with os.fdopen(theirs, "w") as output:
        monkeypatch.setattr(sys, "__stdout__", output)
        monkeypatch.setattr(sys, "stdout", output)
        target = current_target("blocks")
        monkeypatch.undo()
    os.close(ours)
    rows, columns, *_ = window
    assert (target.lines, target.line_height) == (rows, height)
    assert target.viewport == terminal_viewport(columns, rows)


class Digits(AsciiCells):
    """A digit for two values: the level of the upper one, in tenths."""

    def _letter(self, above, below):
        return str(min(9, above * 10 // LEVELS)) if above < LEVELS else " "


def test_text_of_a_new_row_is_what_grids_and_film_strips_are_drawn_in(capsys):
    row = Renderer(
        "digits",
        is_supported=lambda: True,
        viewport=lambda columns, lines, width: terminal_viewport(columns, lines),
        cells=lambda mosaic, colors: Digits(mosaic),
    )
    target = Target(row, 79, row.viewport(80, 24, None), lines=24)

    grid.show_drawing(draw(activation(), View(), target.viewport), target)
    lines = capsys.readouterr().out.splitlines()
    labels = next(n for n, line in enumerate(lines) if line.startswith("0 "))
    assert {"0", "9"} <= set("".join(lines[labels + 1 :])) <= set("0123456789 ")

    overview.show_filmstrip(filmstrip([activation()], View(), target.viewport), target)
    tiles = [line[:20] for line in capsys.readouterr().out.splitlines()[-3:]]
    assert {"0", "2", "3"} <= set("".join(tiles)) <= set("0123456789 ")  # of half the levels
    assert why_no_widget(target) == "--renderer digits is for grids"


def test_images_of_a_new_row_are_shown_as_it_bundles_them(displayed, capsys):
    row = Renderer(
        "shape",
        is_supported=lambda: True,
        viewport=lambda columns, lines, width: PAGE,
        bundle=lambda picture, text, alt: (
            {"text/plain": text, "text/x-shape": str(picture.css_size)},
            {},
        ),
    )
    target, drawing = Target(row, 100, PAGE), draw(activation(), View())
    film = filmstrip([activation()], View())

    grid.show_drawing(drawing, target)
    overview.show_filmstrip(film, target)

    first, second = displayed
    height = len(page_image(drawing.mosaic)) // 2
    assert first["text/x-shape"] == str((height, PAGE.width))  # a page's pictures line up
    assert first["text/plain"] == drawing.caption
    assert second["text/x-shape"].endswith(", 1000)")
    assert capsys.readouterr().out.startswith("conv  Conv2d")


def test_without_a_viewport_there_are_captions_alone(capsys):
    target = Target(RENDERERS["none"], None)
    drawing = draw(activation(), View(), None)
    grid.show_drawing(drawing, target)
    said = capsys.readouterr().out
    assert said == drawing.caption.replace("\n", "\n  ") + "\n"
    assert said.startswith("conv  Conv2d  (1, 4, 8, 8) float32 cpu\n")


@pytest.mark.parametrize("height", [1, 60, 80, 150, 10**6])
def test_an_image_has_as_many_rows_as_are_no_taller_but_one_at_least(height):
    mosaic = draw(activation(12), View(ncols=2, zoom=4), SMALL_PAGE).mosaic
    tall = len(page_image(mosaic))
    rows = rows_within(mosaic, height)
    pitch = (tall - len(page_image(grid.first_rows(mosaic, 1)))) // 5
    assert rows == max(1, min(6, height // pitch))
    assert len(page_image(grid.first_rows(mosaic, rows))) <= max(height, pitch)


def test_rows_of_an_image_are_cut_only_where_the_height_of_a_line_is_known(displayed, capsys):
    drawing = draw(activation(12), View(ncols=2, zoom=4))
    target = Target(RENDERERS["png"], 79, PAGE, lines=12)
    hints = []
    for line_height in (None, 16):
        grid.show_drawing(drawing, replace(target, line_height=line_height))
        hints.append("; --rows 0 shows all" in capsys.readouterr().out)
    assert hints == [False, True]
    assert len(displayed) == 2


def test_what_is_told_at_an_engine_is_displayed_and_elsewhere_printed(displayed, capsys):
    target = Target(RENDERERS["none"], 79)
    target.tell("printed")
    replace(target, engine=True).tell("displayed")
    assert capsys.readouterr().out == "printed\n"
    assert displayed == [{"text/plain": "displayed"}]


def test_letters_have_the_whole_ramp_in_each_color_map():
    levels = np.arange(LEVELS, dtype=np.uint8).repeat(2).reshape(1, LEVELS, 2, 1)
    mosaic = draw(activation(1), View()).mosaic
    mosaic = replace(mosaic, indices=levels.transpose(0, 2, 3, 1), zoom=1)
    shared = AsciiCells(replace(mosaic, color_maps=2))
    letters = shared.run(list(range(LEVELS)))
    assert letters[: LEVELS // 2] == letters[LEVELS // 2 :]
    assert set(letters) == set(AsciiCells(mosaic).run(list(range(LEVELS))))
