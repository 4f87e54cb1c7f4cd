"""Half blocks: what a cell of two values, gaps or marks looks like, as a terminal reads it."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from featmagic.options.view import View
from featmagic.overview.thumbnails import two_maps
from featmagic.render.half_blocks import HalfBlockCells
from featmagic.render.mosaic import tile
from featmagic.render.palette import GAP, LEVELS, NAN, NEGATIVE_INF, POSITIVE_INF, palette
from featmagic.render.viewport import GridLayout
from featmagic.render.xterm_colors import ramp

PIECE = re.compile(r"\x1b\[([\d;]*)m|(.)")
TRUECOLOR = 2**24


def cells_of(colors=TRUECOLOR, cmap="viridis"):
    tiles = torch.zeros(1, 2, 2).byte()
    return HalfBlockCells(tile(tiles, ("0",), palette(cmap), GridLayout(1, 1, 1)), colors)


def read(text):
    """Return each letter with its color and its background as RGB, None for the terminal's own."""
    state, letters = {38: None, 48: None}, []
    for codes, letter in PIECE.findall(text):
        if letter:
            letters.append((letter, state[38], state[48]))
            continue
        numbers = [int(code) for code in codes.split(";")]
        while numbers:
            first = numbers.pop(0)
            if first == 0:
                state = {38: None, 48: None}
            else:
                assert numbers.pop(0) == 2
                state[first] = tuple(numbers[:3])
                del numbers[:3]
    return letters


def halves(letter, color, ground):
    """Return the colors of the upper and the lower half of a cell."""
    return {
        "▀": (color, ground),
        "▄": (ground, color),
        "█": (color, color),
        " ": (ground, ground),
    }[letter]


def rgb(index, cmap="viridis"):
    return tuple(palette(cmap)[3 * index : 3 * index + 3])


@pytest.mark.parametrize("above", [GAP, 0, 7, 200])
@pytest.mark.parametrize("below", [GAP, 0, 7, 200])
def test_each_half_of_a_cell_has_the_color_of_its_value_and_a_gap_the_terminals(above, below):
    """A cell beside it, drawn before, leaves nothing of its colors in it."""
    line = cells_of().line([[90, above, 91]], [[92, below, 93]])
    _, cell, after = read(line)
    own = [None if index == GAP else rgb(index) for index in (above, below)]
    assert list(halves(*cell)) == own
    assert halves(*after) == (rgb(91), rgb(93))


@pytest.mark.parametrize(("kind", "letter"), [(NAN, "×"), (POSITIVE_INF, "↑"), (NEGATIVE_INF, "↓")])
@pytest.mark.parametrize("other", [0, 239])
def test_a_value_that_is_not_finite_is_a_letter_that_stands_out_on_its_neighbors_color(
    kind, letter, other
):
    for upper, lower in ((kind, other), (other, kind)):
        ((shown, color, ground),) = read(cells_of().line([[upper]], [[lower]]))
        assert (shown, ground) == (letter, rgb(other))
        assert color == ((255, 255, 255) if sum(rgb(other)) < 300 else (0, 0, 0))
    for upper, lower in ((kind, GAP), (GAP, kind)):
        ((shown, color, ground),) = read(cells_of().line([[upper]], [[lower]]))
        assert (shown, color, ground) == (letter, rgb(kind), None)


def test_a_blank_of_the_terminals_own_color_stands_between_two_tiles():
    line = cells_of().line([[1, 2], [3, 4]], [[5, 6], [7, 8]])
    letters = read(line)
    assert [halves(*each) for each in letters[:2]] == [(rgb(1), rgb(5)), (rgb(2), rgb(6))]
    assert letters[2] == (" ", None, None)
    assert [halves(*each) for each in letters[3:]] == [(rgb(3), rgb(7)), (rgb(4), rgb(8))]
    assert line.endswith("\x1b[0m")


def test_single_values_are_whole_cells_and_marks():
    text = cells_of().run([3, NAN, 200])
    first, mark, last = read(text)
    assert (halves(*first), halves(*last)) == ((rgb(3),) * 2, (rgb(200),) * 2)
    assert (mark[0], mark[2]) == ("×", rgb(NAN))
    assert text.endswith("\x1b[0m")


def test_strengths_run_from_the_lowest_to_the_highest_block():
    cells = cells_of()
    assert [cells.strength(share) for share in (0, 0.5, 1)] == ["▁", "▅", "█"]


def xterm(code):
    """Return the RGB of one of xterm's colors from 16 on, as its documentation computes it."""
    if code >= 232:
        return (8 + 10 * (code - 232),) * 3
    return tuple(
        55 + 40 * n if n else 0 for n in ((code - 16) // 36, (code - 16) // 6 % 6, (code - 16) % 6)
    )


@pytest.mark.parametrize("cmap", ["viridis", "gray", "RdBu_r"])
def test_of_256_colors_each_value_has_that_of_the_ramp(cmap):
    cells = cells_of(256, cmap)
    codes = re.findall(r"38;5;(\d+)m█", cells.run(list(range(LEVELS))))
    steps = np.array([rgb(index, cmap) for index in range(LEVELS)], np.uint8)
    assert [int(code) for code in codes] == ramp(steps)


def test_of_two_color_maps_in_a_palette_each_has_its_ramp():
    tiles = tile(torch.zeros(1, 2, 2).byte(), ("",), two_maps(View()), GridLayout(1, 1, 1))
    film = replace(tiles, color_maps=2)
    codes = re.findall(r"38;5;(\d+)m█", HalfBlockCells(film, 256).run(list(range(LEVELS))))
    assert len(codes) == LEVELS
    halves = np.split(film.colors[:LEVELS], 2)
    assert [int(code) for code in codes] == [*ramp(halves[0]), *ramp(halves[1])]


def test_each_pixel_of_an_rgb_tile_has_its_own_color():
    pixels = torch.randint(0, 256, (1, 4, 3, 3)).byte()
    mosaic = tile(pixels, ("",), palette("viridis"), GridLayout(1, 1, 1))
    cells = HalfBlockCells(mosaic, TRUECOLOR)
    rows = cells.pixels[0][:, 0].tolist()
    for upper in (0, 2):
        letters = read(cells.line([rows[upper]], [rows[upper + 1]]))
        colors = [halves(*letter) for letter in letters]
        above, below = (
            [tuple(color) for color in pixels[0, row].tolist()] for row in (upper, upper + 1)
        )
        assert colors == list(zip(above, below, strict=True))


def test_an_image_beside_the_tiles_has_colors_of_its_own():
    cells = cells_of()
    image = np.random.default_rng(0).integers(0, 256, (2, 5, 3), np.uint8)
    indices = cells.picture(image)
    assert indices.shape == (2, 5)
    letters = read(cells.line([indices[0].tolist()], [indices[1].tolist()]))
    above, below = ([tuple(color) for color in row] for row in image.tolist())
    assert [halves(*each) for each in letters] == list(zip(above, below, strict=True))
    again = cells.picture(image[:, :1])  # colors of the first stay as they are
    assert read(cells.run([int(again[0, 0])]))[0][1] == tuple(image[0, 0].tolist())
    assert halves(*read(cells.line([[int(indices[0, 0])]], [[3]]))[0]) == (
        tuple(image[0, 0].tolist()),
        rgb(3),
    )


def test_text_on_a_color_is_black_or_white_whichever_stands_out_more():
    """By the contrast of WCAG, with its formula for the luminance of a color."""

    def luminance(color):
        parts = np.array(color) / 255
        return (parts**2.2) @ np.array([0.2126, 0.7152, 0.0722])

    cells = cells_of()
    for other in range(0, 240):
        ((_, color, ground),) = read(cells.line([[NAN]], [[other]]))
        light = luminance(ground)
        contrasts = {(255,) * 3: 1.05 / (light + 0.05), (0,) * 3: (light + 0.05) / 0.05}
        best, worse = max(contrasts.values()), min(contrasts.values())
        assert contrasts[color] == best or best / worse < 1.01
