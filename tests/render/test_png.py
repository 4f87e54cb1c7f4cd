"""PNGs: the pixels come back to the bit, and lines are filtered where that saves bytes."""

from __future__ import annotations

import io
import struct
import zlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from featmagic.render.palette import GAP, SHADES, page_colors
from featmagic.render.png import encode_gray_png, encode_png
from featmagic.render.raster import Band, Raster, raster_of

NONE, SUB, UP = 0, 1, 2  # filters of a line, as the specification numbers them
RANDOM = np.random.default_rng(0)
PALETTE, BLACK = RANDOM.integers(0, 256, (256, 3), np.uint8), np.zeros((256, 3), np.uint8)

# So many lines of so many pixels, of so few values.
sizes = st.tuples(st.integers(1, 40), st.integers(1, 40), st.sampled_from([2, 5, 256]))


def encoded(pixels, palette=BLACK, density=1):
    return encode_png(raster_of(pixels, palette.tobytes()).enlarged(density))


def noise_of(height, width, values, *colors):
    return np.random.default_rng(0).integers(0, values, (height, width, *colors), np.uint8)


def decoded(png):
    with Image.open(io.BytesIO(png)) as image:
        image.load()
        return np.asarray(image), image


def chunks_of(png):
    """The name and content of each chunk; its checksum is the specification's."""
    assert png[:8] == b"\x89PNG\r\n\x1a\n"
    found, place = [], 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        name, content = png[place + 4 : place + 8], png[place + 8 : place + 8 + length]
        (checksum,) = struct.unpack(">I", png[place + 8 + length : place + 12 + length])
        assert checksum == zlib.crc32(name + content)
        found.append((name, content))
        place += 12 + length
    return found


def filters_of(png, line):
    """The filter of each line, which has so many bytes."""
    data = zlib.decompress(b"".join(c for name, c in chunks_of(png) if name == b"IDAT"))
    return list(data[:: line + 1])


@given(sizes, st.integers(1, 3))
@settings(deadline=None)
def test_indices_of_a_palette_come_back(size, density):
    pixels = noise_of(*size)
    found, image = decoded(encoded(pixels, PALETTE, density))
    assert image.mode == "P"
    assert image.getpalette() == PALETTE.ravel().tolist()
    np.testing.assert_array_equal(found, pixels.repeat(density, 0).repeat(density, 1))


@given(sizes, st.integers(1, 3))
@settings(deadline=None)
def test_colors_come_back(size, density):
    pixels = noise_of(*size, 3)
    found, image = decoded(encoded(pixels, BLACK, density))
    assert image.mode == "RGB"
    np.testing.assert_array_equal(found, pixels.repeat(density, 0).repeat(density, 1))


@given(sizes, st.integers(1, 3))
@settings(deadline=None)
def test_colors_that_are_partly_transparent_come_back(size, density):
    pixels = noise_of(*size, 4)
    height, width = pixels.shape[:2]
    raster = Raster(height, width, 1, lambda: [Band(pixels)], PALETTE)
    found, image = decoded(encode_png(raster.enlarged(density)))
    assert image.mode == "RGBA"
    np.testing.assert_array_equal(found, pixels.repeat(density, 0).repeat(density, 1))


# So many lines, each so many times, with or without text; some are more than zlib's window holds.
parts_of_pictures = st.tuples(st.integers(1, 9), st.integers(1, 5), st.booleans())


@given(
    st.sampled_from([1, 7, 40, 2000, 9000]),
    st.sampled_from([2, 5, 256]),
    st.lists(parts_of_pictures, min_size=1, max_size=5),
)
@settings(deadline=None)
def test_bands_come_back_one_below_the_other_with_their_lines_repeated(width, values, parts):
    bands = [Band(noise_of(height, width, values), *how) for height, *how in parts]
    whole = np.concatenate([band.lines.repeat(band.times, 0) for band in bands])
    raster = Raster(len(whole), width, 1, lambda: iter(bands), PALETTE)
    np.testing.assert_array_equal(decoded(encode_png(raster))[0], whole)
    np.testing.assert_array_equal(raster.pixels(), whole)


def test_each_color_of_a_pages_palette_has_its_opacity():
    pixels = np.arange(256, dtype=np.uint8)[None]
    colors = page_colors(PALETTE.tobytes())
    png = encode_png(Raster(1, 256, 1, lambda: [Band(pixels)], colors))
    with Image.open(io.BytesIO(png)) as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image.convert("RGBA"))[0], colors)
    assert colors[GAP, 3] == 0
    assert [round(8 * int(colors[shade, 3]) / 255) for shade in SHADES] == list(range(1, 9))
    assert (np.delete(colors[:, 3], [GAP, *SHADES]) == 255).all()


@given(sizes)
@settings(deadline=None)
def test_grays_come_back(size):
    noise = noise_of(*size)
    for pixels in (noise, noise.cumsum(1, dtype=np.uint8)):
        found, image = decoded(encode_gray_png(pixels))
        assert image.mode == "L"
        np.testing.assert_array_equal(found, pixels)


@pytest.mark.parametrize("height", [255, 256, 257, 600])
def test_lines_far_down_are_compared_with_those_above_them(height):
    pixels = np.tile(RANDOM.integers(0, 256, (1, 9), np.uint8), (height, 1))
    png = encoded(pixels)
    np.testing.assert_array_equal(decoded(png)[0], pixels)
    assert filters_of(png, 9)[1:] == [UP] * (height - 1)
    assert len(png) < 768 + 9 * height / 2


def test_each_line_has_the_filter_that_leaves_more_zeros():
    row = RANDOM.permutation(256).astype(np.uint8)[None, :60]
    flat = np.full((1, 60), 7, np.uint8)
    pixels = np.concatenate([flat, row, row, flat, row[:, ::-1]])
    assert filters_of(encoded(pixels), 60) == [SUB, UP, UP, SUB, UP]
    # Each pixel twice in both directions: the second line of a pixel always repeats the first.
    assert filters_of(encoded(pixels, BLACK, 2), 120)[1::2] == [UP] * 5


def test_many_letters_take_fewer_bytes_where_the_band_says_that_it_has_text():
    letter = noise_of(24, 12, 256)  # looks like noise, but comes again and again
    lines = np.tile(letter, (1, 100))
    sizes = {}
    for has_text in (False, True):
        raster = Raster(24, 1200, 1, lambda has=has_text: [Band(lines, 1, has)], PALETTE)
        png = encode_png(raster)
        np.testing.assert_array_equal(decoded(png)[0], lines)
        sizes[has_text] = len(png)
    assert sizes[True] < sizes[False] / 3


def test_a_gray_png_is_filtered_as_a_whole_where_neighbors_are_alike():
    ramp = np.tile(np.arange(200, dtype=np.uint8), (50, 1))
    noise = RANDOM.choice(np.array([0, 200], np.uint8), (50, 200))  # differences are more varied
    assert filters_of(encode_gray_png(ramp), 200) == [SUB] * 50
    assert filters_of(encode_gray_png(noise), 200) == [NONE] * 50
    assert len(encode_gray_png(ramp)) < 500
    # Of many pixels some lines decide.
    tall = np.tile(np.arange(256, dtype=np.uint8), (1000, 1))
    assert filters_of(encode_gray_png(tall), 256) == [SUB] * 1000


def test_the_chunks_are_those_that_a_png_of_its_kind_has():
    pixels = np.zeros((2, 3), np.uint8)
    header = b"\0\0\0\x03\0\0\0\x02\x08"
    for png, kind, names in [
        (encoded(pixels, PALETTE), 3, [b"IHDR", b"PLTE", b"IDAT", b"IEND"]),
        (encoded(np.zeros((2, 3, 3), np.uint8)), 2, [b"IHDR", b"IDAT", b"IEND"]),
        (encode_gray_png(pixels), 0, [b"IHDR", b"IDAT", b"IEND"]),
    ]:
        found = chunks_of(png)
        assert list(dict.fromkeys(name for name, _ in found)) == names
        assert found[0][1] == header + bytes([kind, 0, 0, 0])
        assert found[-1] == (b"IEND", b"")
        assert all(content for _, content in found[:-1])
