"""Pictures as a page shows them, and their tiles, found by the color of the gaps between them."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from featmagic.render.font import LINE
from featmagic.render.image import page_image
from featmagic.render.palette import INK, palette
from helpers.expected import possible_colors, wrong_pixels

BAR = 3  # pixels under a tile, for its strength


@dataclass
class Tile:
    """A tile of a picture: its values' colors `(H, W, RGB)` and the strip above it."""

    colors: np.ndarray
    strip: np.ndarray


def as_shown(image, size):
    """Return the image at one pixel per CSS pixel; the pixels of each CSS pixel must be equal."""
    shown = image.resize((size["width"], size["height"]), Image.Resampling.NEAREST)
    density = image.width // shown.width
    again = np.asarray(shown).repeat(density, 0).repeat(density, 1)
    assert np.array_equal(again, np.asarray(image))
    return shown


def below_heading(picture, mosaic):
    """Return what a saved picture has below its heading, which holds some ink."""
    pixels, tall = np.asarray(picture), len(page_image(mosaic))
    heading, below = pixels[:-tall], pixels[-tall:]
    assert (heading != heading[0, 0]).any()
    return below


def runs(mask):
    """Return the runs of True as slices."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return [slice(*ends) for ends in edges.reshape(-1, 2)]


def tiles_in(pixels, shape):
    """Return the tiles of maps of that shape, row by row.

    Every value must be a square of one color, as large in each tile. Ink isn't a value.
    """
    ink = np.frombuffer(palette("gray"), np.uint8).reshape(-1, 3)[INK]
    gap = (pixels == pixels[0, 0]).all(-1) | (pixels == ink).all(-1)
    tiles, edges = [], set()
    across = runs(~gap.all(0))
    down = sorted({(s.start, s.stop) for c in across for s in runs(~gap[:, c].any(1))})
    for number, (top, bottom) in enumerate(down):
        for column in across:
            block = pixels[top:bottom, column]
            if gap[top:bottom, column].all():
                continue  # the last row need not be full
            edge, rest = divmod(block.shape[0], shape[0])
            assert rest == 0
            assert block.shape == (shape[0] * edge, shape[1] * edge, 3)
            squares = block.reshape(shape[0], edge, shape[1], edge, 3)
            assert (squares == squares[:, :1, :, :1]).all()
            above = down[number - 1][1] + BAR if number else 0
            tiles.append(Tile(squares[:, 0, :, 0], pixels[above:top, column]))
            edges.add(edge)
    assert len(edges) == 1
    return tiles


def picture_of(output):
    """Return the picture of a notebook's output, as a page shows it."""
    image = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"])))
    return as_shown(image, output.metadata["image/png"])


def tiles_of(output, shape):
    """Return a picture's tiles, without the color bar under them that a shared range has."""
    pixels = np.asarray(picture_of(output).convert("RGB"))
    if "own range" not in output.data["text/plain"]:
        pixels = pixels[: -LINE - 12]
    return tiles_in(pixels, shape)


def assert_holds(output, planes, cmap, ranges):
    """Check that the picture's tiles are these planes, in order, each colored over its range."""
    tiles = tiles_of(output, planes.shape[1:])
    assert len(tiles) == len(planes)
    for tile, plane, ends in zip(tiles, planes, ranges, strict=True):
        assert wrong_pixels(tile.colors, possible_colors(plane, ends, cmap)) == 0
