"""Images as MIME bundles."""

from __future__ import annotations

import base64
import io
import struct

import numpy as np
import pytest
import torch
from helpers.tiles import page_image
from PIL import Image

from featmagic.render import mime_bundle
from featmagic.render.image import page_raster
from featmagic.render.mime_bundle import small_png
from featmagic.render.mosaic import tile
from featmagic.render.raster import raster_of
from featmagic.render.viewport import GridLayout


def test_a_small_png_has_one_pixel_to_a_css_pixel_and_an_alt_text():
    mosaic = tile(torch.zeros(2, 8, 8).byte(), ("0", "1"), bytes(768), GridLayout(2, 3, 1))
    png, metadata = small_png(mosaic, "two")
    height, width = page_image(mosaic).shape
    assert struct.unpack(">II", png[16:24]) == (width, height)
    assert metadata == {"width": width, "height": height, "alt": "two."}


def test_a_picture_that_has_two_pixels_to_a_css_pixel_is_shown_half_as_large():
    layout = GridLayout(2, 6, 1, density=2)
    mosaic = tile(torch.zeros(2, 8, 8).byte(), ("0", "1"), bytes(768), layout)
    data, metadata = mime_bundle.png_bundle(page_raster(mosaic, 200), "a text", "an alt text")
    with Image.open(io.BytesIO(base64.b64decode(data["image/png"]))) as image:
        size = metadata["image/png"]
        assert image.size == (2 * size["width"], 2 * size["height"])
        assert size["width"] == 200


@pytest.mark.parametrize(
    ("size", "is_kernel", "density"),
    [((20, 30), True, 2), ((20, 30), False, 1), ((2000, 2000), True, 2), ((2000, 2001), True, 1)],
)
def test_a_page_of_a_notebook_has_two_pixels_to_a_css_pixel_unless_it_is_huge(
    monkeypatch, size, is_kernel, density
):
    monkeypatch.setattr(mime_bundle, "is_kernel", lambda shell: is_kernel)
    pixels = np.zeros(size, np.uint8)
    pixels[0, 0] = 7
    picture = raster_of(pixels, bytes(768))
    data, metadata = mime_bundle.png_bundle(picture, "a text", "an alt text")
    with Image.open(io.BytesIO(base64.b64decode(data["image/png"]))) as image:
        assert image.size == (density * size[1], density * size[0])
        assert (np.asarray(image)[:density, :density] == 7).all()
    assert data["text/plain"] == "a text."
    assert metadata == {"image/png": {"width": size[1], "height": size[0], "alt": "an alt text."}}
