"""Pixels as the bytes of a PNG.

Pillow can't filter the lines of a palette image; without filters a picture of repeated pixels takes
several times the bytes and the time.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterable, Iterator
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from featmagic.planes.dtypes import Pixels

_SUB, _UP = 1, 2  # filters: the difference from the pixel on the left, or from the line above
_BLOCK = 256  # lines of pixels that are filtered at once, to save memory
_SAMPLED = 2**16  # pixels that decide on the filter of a gray PNG


def encode_png(pixels: Pixels, palette: bytes, density: int = 1) -> bytes:
    """Return an opaque PNG.

    Args:
        pixels: `(H, W)` indices of the palette, or `(H, W, 3)` RGB.
        palette: 256 RGB colors.
        density: width and height of each pixel in the PNG.

    Example:
        >>> encode_png(np.zeros((2, 3), np.uint8), bytes(768), density=2)[16:24].hex()
        '0000000600000004'
    """
    height, width = (density * side for side in pixels.shape[:2])
    is_rgb = pixels.ndim == 3
    # Repeated pixels and lines are zeros once they are filtered: run lengths alone compress them
    # better than a search for other repetitions, and faster. RGB has photographs in it, of which
    # that search saves a fifth in about the same time.
    level, strategy = (3, zlib.Z_DEFAULT_STRATEGY) if is_rgb else (1, zlib.Z_RLE)
    data = _compressed(_filtered(pixels, density), level, strategy)
    kind, palette = (2, b"") if is_rgb else (3, palette)
    return _png(height, width, kind, palette, data)


def encode_gray_png(pixels: Pixels) -> bytes:
    """Return a gray PNG of the pixels `(H, W)`, compressed for speed: most values are noise.

    Either no line is filtered or all are, as differences from the pixels on the left.
    """
    height, width = pixels.shape
    lines = np.zeros((height, 1 + width), np.uint8)
    lines[:, 1:] = pixels
    sample = pixels[:: 1 + pixels.size // _SAMPLED]
    if _entropy(sample[:, 1:] - sample[:, :-1]) < _entropy(sample):
        lines[:, 0] = _SUB
        lines[:, 2:] -= pixels[:, :-1]
    data = b"".join(_compressed([lines], 1, zlib.Z_RLE))
    return _png(height, width, 0, b"", [data])


def _entropy(pixels: Pixels) -> float:
    """Return the bits that a pixel takes at least if each is coded alone (Shannon 1948)."""
    shares = np.bincount(pixels.reshape(-1), minlength=1) / max(pixels.size, 1)
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum()) if pixels.size else np.inf


def _filtered(pixels: Pixels, density: int) -> Iterator[Pixels]:
    """Yield blocks of lines, each with the filter that leaves more zeros, and its number first."""
    height, width = pixels.shape[:2]
    pixels = pixels.reshape(height, -1)
    depth = pixels.shape[1] // width  # bytes of a pixel
    before = np.zeros_like(pixels[:1])
    for top in range(0, height, _BLOCK):
        block = pixels[top : top + _BLOCK]
        above = np.concatenate([before, block[:-1]])
        before = block[-1:]
        filtered = block.copy()
        filtered[:, depth:] -= block[:, :-depth]
        up = density * _count(block != above) <= _count(filtered != 0)
        filtered[up] = block[up] - above[up]
        lines = np.zeros((len(block), density, 1 + density * block.shape[1]), np.uint8)
        lines[:, :, 0], lines[~up, 0, 0] = _UP, _SUB
        places = lines[:, 0, 1:].reshape(len(block), width, density, depth)
        places[:, :, 0] = filtered.reshape(len(block), width, depth)
        places[up, :, 1:] = places[up, :, :1]
        yield lines


def _count(flags: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Count the flags of each line that are set."""
    # In less time than NumPy's `count_nonzero` of each line.
    counts: NDArray[np.uint32] = np.add.reduce(flags.view(np.uint8), 1, np.uint32)
    return counts


def _compressed(blocks: Iterable[Pixels], level: int, strategy: int) -> Iterator[bytes]:
    packer = zlib.compressobj(level, zlib.DEFLATED, zlib.MAX_WBITS, 9, strategy)
    for lines in blocks:
        yield packer.compress(lines.data)
    yield packer.flush()


def _png(height: int, width: int, kind: int, palette: bytes, data: Iterable[bytes]) -> bytes:
    """Return a PNG with 8 bits to a pixel, whose `kind` is its color type."""
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    first, last = [(b"IHDR", header), (b"PLTE", palette)], [(b"IEND", b"")]
    file = io.BytesIO()
    file.write(b"\x89PNG\r\n\x1a\n")
    for name, content in chain(first, ((b"IDAT", part) for part in data), last):
        if content or name == b"IEND":
            file.write(struct.pack(">I", len(content)) + name)
            file.write(content)
            file.write(struct.pack(">I", zlib.crc32(content, zlib.crc32(name))))
    return file.getvalue()
