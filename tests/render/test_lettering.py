"""Letters with smooth edges: those that Pillow draws, in shades of one gray."""

from __future__ import annotations

from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFont

from featmagic.render.lettering import LINE, shaded, text_width, write
from featmagic.render.palette import GAP, SHADES, page_colors, palette

OPACITY = page_colors(palette("viridis"))[:, 3]


def drawn(text, density):
    """The text as Pillow draws it in white on black, from the top left, 10 CSS pixels large."""
    file = Path(matplotlib.get_data_path()) / "fonts/ttf/DejaVuSans.ttf"
    basic = ImageFont.Layout.BASIC
    font = ImageFont.truetype(str(file), 10 * density, layout_engine=basic)
    image = Image.new("L", (40 * len(text) * density, LINE * density))
    ImageDraw.Draw(image).text((0, 0), text, font=font, fill=255)
    return np.asarray(image)


@pytest.mark.parametrize("density", [1, 2])
@pytest.mark.parametrize(
    "text",
    ["0", "2047", "1357924680", "input", "CLS", "s10", "R1 ×", "×↑↓", "-1.2e+05", "Ångström"],
)
def test_letters_are_those_that_pillow_draws_to_a_sixteenth_of_their_opacity(text, density):
    found, expected = OPACITY[shaded(text, density)], drawn(text, density)
    width = found.shape[1]
    assert not expected[:, width:].any()
    assert np.abs(found.astype(int) - expected[:, :width]).max() <= 255 / 16 + 1
    assert found.max() >= (255 if density == 2 else 200)  # as legible as the gray is
    assert abs(text_width(text, density) - width) <= density


def test_only_shades_are_written_and_what_lies_outside_is_left_out():
    canvas = np.full((30, 40), GAP, np.uint8)
    write(canvas, "0123456789", 20, 25, 2)
    write(canvas, "77", -9, -5, 2)
    write(canvas, "", 3, 3, 2)
    assert set(np.unique(canvas).tolist()) <= {GAP, *SHADES}
    whole = np.full((80, 400), GAP, np.uint8)
    write(whole, "0123456789", 29, 30, 2)
    write(whole, "77", 0, 0, 2)
    np.testing.assert_array_equal(canvas[20:], whole[29:39, 5:45])
    np.testing.assert_array_equal(canvas[:15, :21], whole[9:24, 5:26])


def test_letters_leave_what_is_between_them():
    canvas = np.full((24, 60), GAP, np.uint8)
    write(canvas, "8", 0, 0, 2)
    before = canvas.copy()
    write(canvas, " ", 0, 0, 2)
    np.testing.assert_array_equal(canvas, before)
