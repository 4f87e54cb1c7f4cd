"""Images as MIME bundles."""

from __future__ import annotations

import struct

import torch

from featmagic.render.image import page_image
from featmagic.render.mime_bundle import small_png
from featmagic.render.mosaic import tile
from featmagic.render.viewport import GridLayout


def test_a_small_png_has_one_pixel_to_a_css_pixel_and_an_alt_text():
    mosaic = tile(torch.zeros(2, 8, 8).byte(), ("0", "1"), bytes(768), GridLayout(2, 3, 1))
    png, metadata = small_png(mosaic, "two")
    height, width = page_image(mosaic).shape
    assert struct.unpack(">II", png[16:24]) == (width, height)
    assert metadata == {"width": width, "height": height, "alt": "two."}
