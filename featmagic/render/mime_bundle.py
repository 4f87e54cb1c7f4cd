"""An image as a MIME bundle, and displaying it in the running IPython."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from featmagic.planes.dtypes import Pixels
from featmagic.render.image import page_image
from featmagic.render.mosaic import Mosaic
from featmagic.render.png import encode_png
from featmagic.support.environment import is_kernel, running_shell
from featmagic.support.text import spoken

Bundle = tuple[dict[str, str], dict[str, Any]]  # data by MIME type, metadata by MIME type

# A screen of two pixels to a CSS pixel enlarges a PNG that has one, and blurs every edge; where the
# PNG has two, all screens show it sharp. A terminal knows no CSS pixels: its PNGs have one.
_DENSITY = 2
_MOST_DENSE = 4 * 10**6  # pixels of a page: a browser keeps four times four bytes of each


def publish(data: dict[str, str], metadata: dict[str, Any]) -> None:
    """Display a MIME bundle in the running IPython."""
    running_shell().display_pub.publish(data=data, metadata=metadata)


def png_bundle(pixels: Pixels, palette: bytes, text: str, alt: str) -> Bundle:
    """Return an image as a MIME bundle: a PNG with its size and alt text, and a plain text.

    VS Code takes the plain text for the alt text, other front ends take `alt`, or none.
    """
    height, width = pixels.shape[:2]
    dense = is_kernel(running_shell()) and height * width <= _MOST_DENSE
    png = encode_png(pixels, palette, _DENSITY if dense else 1)
    data = {"image/png": b64encode(png).decode(), "text/plain": spoken(text)}
    return data, {"image/png": _png_metadata(pixels, alt)}


def small_png(mosaic: Mosaic, alt: str) -> tuple[bytes, dict[str, Any]]:
    """Return a mosaic as a PNG of one pixel to a CSS pixel, and the PNG's metadata in a bundle.

    An explorer usually stands in its place: it has to be small.
    """
    pixels = page_image(mosaic)
    return encode_png(pixels, mosaic.palette), _png_metadata(pixels, alt)


def _png_metadata(pixels: Pixels, alt: str) -> dict[str, Any]:
    """Return what a front end is told of a PNG: its size in CSS pixels, and its alt text."""
    height, width = pixels.shape[:2]
    return {"width": width, "height": height, "alt": spoken(alt)}
