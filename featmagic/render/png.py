"""A mosaic as a PNG."""

from __future__ import annotations

import io
from zlib import Z_DEFAULT_STRATEGY, Z_RLE

from featmagic.mosaic import Mosaic
from featmagic.page import image


def png(mosaic: Mosaic) -> bytes:
    """An opaque PNG, enlarged by whole numbers; a pixel is a CSS pixel.

    With an 8-bit palette; in RGB where tiles are RGB or an input image stands beside them.

    Example:
        >>> import torch
        >>> from featmagic.mosaic import tile
        >>> from featmagic.room import Arrangement
        >>> png(tile(torch.zeros(1, 2, 2).byte(), ("0",), bytes(768), Arrangement(1, 1, 1)))[1:4]
        b'PNG'
    """
    from PIL import Image

    pixels = image(mosaic)
    size = pixels.shape[1], pixels.shape[0]
    if pixels.ndim == 3:
        picture = Image.frombuffer("RGB", size, pixels, "raw", "RGB", 0, 1)
    else:
        picture = Image.frombuffer("P", size, pixels, "raw", "P", 0, 1)
        picture.putpalette(mosaic.palette)
    file = io.BytesIO()
    # The lowest level takes a quarter of the usual one's time, and activations hardly compress:
    # where no pixel is repeated, looking for runs alone takes half of that again.
    strategy = Z_RLE if mosaic.zoom == 1 else Z_DEFAULT_STRATEGY
    picture.save(file, "png", compress_level=1, compress_type=strategy)
    return file.getvalue()


def png_size(data: bytes) -> tuple[int, int]:
    r"""Width and height, as the PNG's header (bytes 16 to 24) has them.

    Example:
        >>> png_size(bytes(16) + b"\0\0\0\3\0\0\0\2")
        (3, 2)
    """
    return int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
