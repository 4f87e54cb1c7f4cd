"""Text as pixels."""

from __future__ import annotations

import numpy as np

from featmagic.render.font import LETTER, LINE, draw_text, draw_texts, glyphs
from featmagic.render.palette import INK


def test_text_is_as_wide_as_its_letters():
    assert glyphs("512").shape == (LINE, 3 * LETTER)


def test_many_texts_are_drawn_at_once_as_they_are_one_by_one():
    together, alone = np.zeros((2, 40, 60), np.uint8)
    texts = [("12", 1, 2), ("abc", 14, 30), ("", 0, 0), ("1", 27, 5)]
    draw_texts(together, [(*text, INK) for text in texts])
    for text in texts:
        draw_text(alone, *text)
    assert np.array_equal(together, alone)
    assert (alone == INK).any()


def test_each_of_many_texts_has_its_own_color():
    canvas = np.zeros((12, 24), np.uint8)
    draw_texts(canvas, [("1", 0, 0, 7), ("2", 0, 12, 9)])
    assert np.unique(canvas[:, :12]).tolist() == [0, 7]
    assert np.unique(canvas[:, 12:]).tolist() == [0, 9]


def test_what_lies_outside_of_the_canvas_is_left_out():
    canvas = np.zeros((5, 9), np.uint8)
    draw_text(canvas, "M88", 1, 2)
    assert (canvas == INK).any()
