"""Pictures as a page shows them, and their tiles, found by what is transparent around them."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from featmagic.render.image import page_raster
from helpers.expected import possible_colors, wrong_pixels

BAR = 3  # CSS pixels: of the bar under a tile
COLOR_BAR = 26  # CSS pixels: of the color bar with its figures
LONG = 12  # CSS pixels: what is opaque for longer in a line is a tile or a bar, no letter


@dataclass
class Tile:
    """A tile of a picture: its values' colors `(H, W, RGB)`, its place, and what is above it."""

    colors: np.ndarray
    box: tuple[slice, slice]
    strip: np.ndarray


def page_image(mosaic):
    """Return the pixels of a mosaic on a page."""
    return page_raster(mosaic).pixels()


def density_of(image, size):
    """Return how many pixels of an image there are to a CSS pixel: as many in both directions."""
    density = image.width // size["width"]
    assert image.size == (density * size["width"], density * size["height"])
    return density


def on_ground(image, ground):
    """Return the image `(H, W, RGB)` on a page of that color, by Pillow's own composition."""
    page = Image.new("RGBA", image.size, ground)
    page.alpha_composite(image.convert("RGBA"))
    return np.asarray(page.convert("RGB"))


def below_heading(picture, mosaic):
    """Return what a saved picture has below its heading, which holds some ink."""
    pixels, tall = np.asarray(picture), len(page_image(mosaic))
    heading, below = pixels[:-tall], pixels[-tall:]
    assert (heading != heading[0, 0]).any()
    return below


def runs(mask):
    """Return the runs of True as slices."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], mask.astype(int), [0]])))
    return [slice(*ends) for ends in edges.reshape(-1, 2).tolist()]


def longest_runs(opaque):
    """Return how long the longest run of True is in each line."""
    return np.array([max((s.stop - s.start for s in runs(line)), default=0) for line in opaque])


def tiles_in(rgba, shape, density=2):
    """Return the tiles of maps of that shape, row by row, of a picture `(H, W, RGBA)`.

    Every value must be a square of one opaque color, as large in each tile.
    """
    opaque = rgba[..., 3] == 255
    tiles, edges, end = [], set(), 0
    for down in runs(longest_runs(opaque) >= LONG * density):
        if down.stop - down.start == BAR * density and down.start == end + 2 * density:
            continue
        for across in runs(opaque[down].any(0)):
            if longest_runs(opaque[down, across]).max() < LONG * density:
                continue  # letters of a text beside the tile
            block = rgba[down, across]
            edge, rest = divmod(block.shape[0], shape[0])
            assert rest == 0
            assert block.shape == (shape[0] * edge, shape[1] * edge, 4)
            squares = block.reshape(shape[0], edge, shape[1], edge, 4)
            assert (squares == squares[:, :1, :, :1]).all()
            colors = squares[:, 0, :, 0, :3]
            tiles.append(Tile(colors, (down, across), rgba[end : down.start, across]))
            edges.add(edge)
        end = down.stop
    assert len(edges) == 1
    return tiles


def picture_of(output):
    """Return the picture of a notebook's output, `(H, W, RGBA)`, two pixels to a CSS pixel."""
    image = Image.open(io.BytesIO(base64.b64decode(output.data["image/png"])))
    assert density_of(image, output.metadata["image/png"]) == 2
    return image.convert("RGBA")


def tiles_of(output, shape):
    """Return a picture's tiles, without the color bar under them that a shared range has."""
    pixels = np.asarray(picture_of(output))
    if "color range per" not in output.metadata["image/png"]["alt"]:
        pixels = pixels[: -2 * COLOR_BAR]
    return tiles_in(pixels, shape)


def assert_holds(output, planes, cmap, ranges):
    """Check that the picture's tiles are these planes, in order, each colored over its range."""
    tiles = tiles_of(output, planes.shape[1:])
    assert len(tiles) == len(planes)
    for tile, plane, ends in zip(tiles, planes, ranges, strict=True):
        assert wrong_pixels(tile.colors, possible_colors(plane, ends, cmap)) == 0
