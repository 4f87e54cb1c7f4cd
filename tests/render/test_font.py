"""The font of labels."""

from __future__ import annotations

from featmagic.render.font import load_font


def test_the_font_of_labels_is_there_whatever_the_system_has():
    font = load_font("DejaVuSans", 20)
    assert font.getname() == ("DejaVu Sans", "Book")
    assert load_font("DejaVuSans", 20) is font
    assert font.getlength("0") == font.getlength("7")
