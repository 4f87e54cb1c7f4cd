"""Errors and a terminal's colors in words and numbers."""

from __future__ import annotations

from featmagic.support.environment import known_color_depth
from featmagic.support.errors import one_line


def test_an_error_is_one_line_of_its_class_and_message():
    assert one_line(KeyError("x")) == "KeyError: 'x'"
    assert one_line(KeyboardInterrupt()) == "KeyboardInterrupt"
    assert one_line(ValueError("one\ntwo")) == "ValueError: one"


def test_colors_are_counted_even_if_the_user_wants_none():
    assert known_color_depth({"TERM": "xterm-256color", "NO_COLOR": "1"}) == 256
