"""An image as a MIME bundle, and displaying it in the running IPython."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from featmagic.render.image import page_raster
from featmagic.render.mosaic import Mosaic
from featmagic.render.png import encode_png
from featmagic.render.raster import Raster
from featmagic.render.viewport import MOST_DENSE
from featmagic.support.environment import is_kernel, running_shell
from featmagic.support.text import spoken

Bundle = tuple[dict[str, str], dict[str, Any]]  # data by MIME type, metadata by MIME type

# A screen of two pixels to a CSS pixel enlarges a PNG that has one, and blurs every edge; where the
# PNG has two, all screens show it sharp. A terminal knows no CSS pixels: its PNGs have one.
_DENSITY = 2


def publish(data: dict[str, str], metadata: dict[str, Any]) -> None:
    """Display a MIME bundle in the running IPython."""
    running_shell().display_pub.publish(data=data, metadata=metadata)


def png_bundle(picture: Raster, text: str, alt: str) -> Bundle:
    """Return an image as a MIME bundle: a PNG with its size and alt text, and a plain text.

    VS Code takes the plain text for the alt text, other front ends take `alt`, or none.
    """
    is_sparse = picture.density == 1 and picture.height * picture.width <= MOST_DENSE
    dense = picture.enlarged(_DENSITY) if is_sparse and is_kernel(running_shell()) else picture
    data = {"image/png": b64encode(encode_png(dense)).decode(), "text/plain": spoken(text)}
    return data, {"image/png": _png_metadata(picture, alt)}


def small_png(mosaic: Mosaic, alt: str) -> tuple[bytes, dict[str, Any]]:
    """Return a mosaic as a PNG, and the PNG's metadata in a bundle.

    An explorer usually stands in its place: the mosaic should have one pixel to a CSS pixel.
    """
    picture = page_raster(mosaic)
    return encode_png(picture), _png_metadata(picture, alt)


def _png_metadata(picture: Raster, alt: str) -> dict[str, Any]:
    """Return what a front end is told of a PNG: its size in CSS pixels, and its alt text."""
    height, width = picture.css_size
    return {"width": width, "height": height, "alt": spoken(alt)}
