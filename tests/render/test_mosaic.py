"""A mosaic: tiles in rows, and its first rows with what belongs to them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from featmagic.render.mosaic import PrefixStrip, SharedRange, enlarge, first_rows, tile, with_marks
from featmagic.render.palette import GAP, NAN, palette
from featmagic.render.viewport import GridLayout

COLORS = palette("viridis")


def mosaic_of(count=5, ncols=2, zoom=1, **annotations):
    tiles = torch.arange(count * 6).reshape(count, 2, 3).byte()
    labels = tuple(str(n) for n in range(count))
    made = tile(tiles, labels, COLORS, GridLayout(ncols, zoom, 1))
    return made.__class__(**{**vars(made), **annotations})


def test_tiles_stand_row_by_row_and_the_last_row_ends_in_gaps():
    mosaic = mosaic_of()
    assert mosaic.indices.shape == (3, 2, 2, 3)
    for number in range(5):
        values = mosaic.indices[number // 2, :, number % 2]
        assert values.ravel().tolist() == list(range(6 * number, 6 * number + 6))
    assert (mosaic.indices[2, :, 1] == GAP).all()
    assert (mosaic.tile_size, mosaic.is_rgb) == ((2, 3), False)


def test_gaps_of_rgb_tiles_have_the_color_of_gaps():
    tiles = torch.randint(0, 255, (3, 2, 2, 3)).byte()
    mosaic = tile(tiles, ("", "", ""), COLORS, GridLayout(2, 1, 1))
    assert mosaic.is_rgb
    assert mosaic.indices.shape == (2, 2, 2, 2, 3)
    assert (mosaic.indices[1, :, 1] == mosaic.colors[GAP]).all()
    assert (mosaic.indices[1, :, 0] == tiles[2].numpy()).all()


@pytest.mark.parametrize("zoom", [1, 2, 5])
def test_every_value_is_as_many_pixels_wide_and_tall_as_the_zoom(zoom):
    mosaic = mosaic_of(zoom=zoom)
    pixels = enlarge(mosaic)
    for row, y, column, x in np.ndindex(mosaic.indices.shape):
        block = pixels[row, y * zoom : (y + 1) * zoom, column, x * zoom : (x + 1) * zoom]
        assert block.shape == (zoom, zoom)
        assert (block == mosaic.indices[row, y, column, x]).all()


@pytest.mark.parametrize("rows", [1, 2, 3])
def test_the_first_rows_keep_what_belongs_to_them_and_to_all(rows):
    ticks = ((0, 0, "a"), (0, 1, "b"), (1, 0, "c"), (2, 1, "d"))
    everywhere = {
        "strip": PrefixStrip(("CLS",), np.zeros((1, 5), np.uint8)),
        "scale": SharedRange(0, 1, 2, "linear", None, 1),
        "ends": ("0", "1", "2"),
    }
    pictures = tuple(np.full((2, 2, 3), n, np.uint8) for n in range(3))
    missing = np.arange(36, dtype=np.uint8).reshape(3, 2, 2, 3)
    whole = mosaic_of(
        ticks=ticks,
        bars=(0.1, 0.2, 0.3, 0.4, 0.5),
        nonfinite=("", "a", "", "b", "c"),
        inputs=pictures,
        missing=missing,
        **everywhere,
    )
    cut, count = first_rows(whole, rows), min(2 * rows, 5)
    assert (cut.indices == whole.indices[:rows]).all()
    assert len(cut.indices) == rows
    assert (cut.labels, cut.bars) == (whole.labels[:count], whole.bars[:count])
    assert cut.nonfinite == whole.nonfinite[:count]
    assert cut.ticks == tuple(tick for tick in ticks if tick[0] in range(rows))
    assert (cut.missing == missing[:rows]).all()
    assert len(cut.missing) == rows
    assert [int(each[0, 0, 0]) for each in cut.inputs] == list(range(rows))
    for name, value in everywhere.items():
        assert getattr(cut, name) is value
    one = first_rows(mosaic_of(inputs=pictures[:1]), rows)
    assert len(one.inputs) == 1
    assert one.missing is None


def test_marks_are_drawn_where_a_tile_has_non_finite_values_and_room_for_them():
    tiles = torch.zeros(1, 2, 2).byte()
    tiles[0, 1, 0] = NAN
    plain = tile(tiles, ("0",), COLORS, GridLayout(1, 12, 1))
    assert (with_marks(plain) == enlarge(plain)).all()  # nothing says that there is a mark
    marked = plain.__class__(**{**vars(plain), "nonfinite": ("×",)})
    changed = (with_marks(marked) != enlarge(plain))[0, :, 0]
    assert changed[12:, :12].any()
    assert not changed[:12].any()
    assert not changed[:, 12:].any()
    rgb = tile(torch.full((1, 2, 2, 3), 99).byte(), ("0",), COLORS, GridLayout(1, 12, 1))
    missing = {"nonfinite": ("×",), "missing": plain.indices}
    colored = with_marks(rgb.__class__(**{**vars(rgb), **missing}))
    assert ((colored != enlarge(rgb)).any(-1)[0, :, 0] == changed).all()
