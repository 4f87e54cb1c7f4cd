"""Pixels as the bytes of a PNG.

Pillow has no line filters for palettes, without which a picture whose pixels are repeated takes
several times the bytes and the time.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from featmagic.planes.dtypes import Pixels

_SUB, _UP = 1, 2  # a line as the difference from the pixels on the left, or from the line above


_BLOCK = 256  # lines of pixels at once, for the memory's sake


def encode_png(pixels: Pixels, palette: bytes, density: int = 1) -> bytes:
    """An opaque PNG.

    Args:
        pixels: `(H, W)` indices of the palette, or `(H, W, 3)` RGB.
        palette: 256 RGB colors.
        density: how many pixels wide and tall each is in the PNG.

    Example:
        >>> encode_png(np.zeros((2, 3), np.uint8), bytes(768), density=2)[16:24].hex()
        '0000000600000004'
    """
    height, width = (density * side for side in pixels.shape[:2])
    is_rgb = pixels.ndim == 3
    # A repeated pixel or line is zeros once it is filtered: looking for runs alone makes less of
    # them than a search for what else repeats, in less time.
    # Photographs under maps leave more to look for: a fifth less, in about the same time.
    level, strategy = (3, zlib.Z_DEFAULT_STRATEGY) if is_rgb else (1, zlib.Z_RLE)
    packer = zlib.compressobj(level, zlib.DEFLATED, zlib.MAX_WBITS, 9, strategy)
    file = io.BytesIO()
    file.write(b"\x89PNG\r\n\x1a\n")
    kind = 2 if is_rgb else 3
    _write(file, b"IHDR", struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0))
    if not is_rgb:
        _write(file, b"PLTE", palette)
    for lines in _filtered(pixels, density):
        _write(file, b"IDAT", packer.compress(lines.data))
    _write(file, b"IDAT", packer.flush())
    _write(file, b"IEND", b"")
    return file.getvalue()


def encode_gray_png(pixels: Pixels) -> bytes:
    """A gray PNG of the pixels `(H, W)`, packed for speed: values are noise for the most.

    All lines hold the pixels themselves, or all the steps from those on their left.

    Example:
        >>> encode_gray_png(np.zeros((2, 3), np.uint8))[24:26].hex()
        '0800'
    """
    height, width = pixels.shape
    lines = np.zeros((height, 1 + width), np.uint8)
    lines[:, 1:] = pixels
    some = pixels[:: 1 + pixels.size // _JUDGED]
    if _entropy(some[:, 1:] - some[:, :-1]) < _entropy(some):
        lines[:, 0] = _SUB
        lines[:, 2:] -= pixels[:, :-1]
    packer = zlib.compressobj(1, zlib.DEFLATED, zlib.MAX_WBITS, 9, zlib.Z_RLE)
    file = io.BytesIO()
    file.write(b"\x89PNG\r\n\x1a\n")
    _write(file, b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))
    _write(file, b"IDAT", packer.compress(lines.data) + packer.flush())
    _write(file, b"IEND", b"")
    return file.getvalue()


_JUDGED = 2**16  # pixels that tell which filter leaves less


def _entropy(pixels: Pixels) -> float:
    """Bits that a pixel takes at least when each is packed alone (Shannon 1948)."""
    shares = np.bincount(pixels.reshape(-1), minlength=1) / max(pixels.size, 1)
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum()) if pixels.size else np.inf


def _filtered(pixels: Pixels, density: int) -> Iterator[Pixels]:
    """The PNG's lines, each with the filter that leaves more zeros, whose number comes first."""
    height, width = pixels.shape[:2]
    pixels = pixels.reshape(height, width, -1)
    for top in range(0, height, _BLOCK):
        block = pixels[top : top + _BLOCK]
        across, down = block.copy(), block.copy()
        across[:, 1:] -= block[:, :-1]
        down[1:] -= block[:-1]
        if top:
            down[0] -= pixels[top - 1]
        up = density * _not_zero(down) <= _not_zero(across)
        lines = np.zeros((len(block), density, 1 + density * block[0].size), np.uint8)
        lines[:, :, 0], lines[~up, 0, 0] = _UP, _SUB
        places = lines[:, 0, 1:].reshape(len(block), width, density, -1)
        places[:, :, 0] = across
        places[up] = down[up][:, :, None]
        yield lines


def _not_zero(steps: Pixels) -> NDArray[np.intp]:
    """How many steps of each line are not zero."""
    counts: NDArray[np.intp] = np.count_nonzero(steps.reshape(len(steps), -1), axis=1)
    return counts


def _write(file: io.BytesIO, kind: bytes, data: bytes) -> None:
    """A chunk of a PNG; one of no data is needed at the end alone."""
    if data or kind == b"IEND":
        checksum = zlib.crc32(data, zlib.crc32(kind))
        file.write(struct.pack(">I", len(data)) + kind)
        file.write(data)
        file.write(struct.pack(">I", checksum))
