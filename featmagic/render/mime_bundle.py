"""A picture as a MIME bundle, and displaying it in the IPython that is running."""

from __future__ import annotations

from base64 import b64encode
from typing import Any

from featmagic.planes.dtypes import Pixels
from featmagic.render.image import page_image
from featmagic.render.mosaic import Mosaic
from featmagic.render.png import encode_png
from featmagic.render.target import Target
from featmagic.support.environment import is_kernel, running_shell
from featmagic.support.text import say, spoken

Bundle = tuple[dict[str, str], dict[str, Any]]  # what is displayed, as each type; of each type


def tell(text: str, screen: Target) -> None:
    """Print a text; from an engine of ipyparallel, display it.

    Its clients put the engine's number to each output that is displayed, as it comes; what is
    printed they show apart from that, all of it in one place.
    """
    if screen.engine:
        publish({"text/plain": text}, {})
    else:
        say(text)


def publish(data: dict[str, str], metadata: dict[str, Any]) -> None:
    """Display a MIME bundle in the running IPython."""
    running_shell().display_pub.publish(data=data, metadata=metadata)


# A screen of two pixels to a CSS pixel enlarges a PNG that has one, and blurs every edge; where the
# PNG has two, all screens show it sharp. A terminal knows no CSS pixels: its PNGs have one.
_DENSITY = 2


_MOST_DENSE = 4 * 10**6  # pixels of a page: a browser keeps four times four bytes of each


def bundle(pixels: Pixels, palette: bytes, text: str, alt: str) -> Bundle:
    """A PNG with its size; VS Code takes the text for the alt text, others `alt`, or none."""
    height, width = pixels.shape[:2]
    dense = is_kernel(running_shell()) and height * width <= _MOST_DENSE
    picture, told = _picture(pixels, palette, alt, _DENSITY if dense else 1)
    data = {"image/png": b64encode(picture).decode(), "text/plain": spoken(text)}
    return data, {"image/png": told}


def _picture(
    pixels: Pixels, palette: bytes, alt: str, density: int
) -> tuple[bytes, dict[str, Any]]:
    height, width = pixels.shape[:2]
    picture = encode_png(pixels, palette, density)
    return picture, {"width": width, "height": height, "alt": spoken(alt)}


def png_bundle(mosaic: Mosaic, alt: str) -> tuple[bytes, dict[str, Any]]:
    """A mosaic as a PNG, and what a notebook's front end is told of it: its size, and a text.

    Example:
        >>> import torch
        >>> from featmagic.render.mosaic import tile
        >>> from featmagic.render.viewport import GridLayout
        >>> tiles = torch.zeros(2, 8, 8).byte()
        >>> png_bundle(tile(tiles, ("0", "1"), bytes(768), GridLayout(2, 3, 1)), "two")[1]
        {'width': 54, 'height': 37, 'alt': 'two.'}
    """
    # An explorer stands in its place as a rule: it is to be small.
    return _picture(page_image(mosaic), mosaic.palette, alt, 1)
