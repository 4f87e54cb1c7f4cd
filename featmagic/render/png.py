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
from featmagic.render.raster import Band, Raster
from featmagic.render.zlib_stream import PHOTOGRAPHS, REPEATS, RUNS, Strategy, zlib_stream

# By the bytes of a pixel; 0 for a gray that needs no palette.
_COLOR_TYPES = {0: 0, 1: 3, 3: 2, 4: 6}
_SUB, _UP = 1, 2  # filters: the difference from the pixel on the left, or from the line above
_BLOCK = 256  # lines of pixels that are filtered at once, to save memory
_CHUNK = 2**16  # bytes of a chunk, about
_MUCH_TEXT = 5000  # bytes of letters, other than 0 once they are filtered
_SAMPLED = 2**16  # pixels that decide on the filter of a gray PNG


def encode_png(raster: Raster) -> bytes:
    """Return a PNG: with an 8-bit palette, or RGB or RGBA where the bands of the picture are.

    Example:
        >>> from featmagic.render.raster import raster_of
        >>> encode_png(raster_of(np.zeros((2, 3), np.uint8), bytes(768)))[16:24].hex()
        '0000000300000002'
    """
    bands = iter(raster.bands())
    first = next(bands)
    depth = first.lines.shape[2] if first.lines.ndim == 3 else 1
    palette = raster.colors if depth == 1 else raster.colors[:0]
    data = zlib_stream(_filtered(chain([first], bands)))
    return _png(raster.height, raster.width, _COLOR_TYPES[depth], palette, data)


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
    data = zlib_stream([(lines, RUNS)])
    return _png(height, width, _COLOR_TYPES[0], np.empty((0, 3), np.uint8), data)


def _entropy(pixels: Pixels) -> float:
    """Return the bits that a pixel takes at least if each is coded alone (Shannon 1948)."""
    shares = np.bincount(pixels.reshape(-1), minlength=1) / max(pixels.size, 1)
    shares = shares[shares > 0]
    return float(-(shares * np.log2(shares)).sum()) if pixels.size else np.inf


def _filtered(bands: Iterable[Band]) -> Iterator[tuple[Pixels, Strategy]]:
    """Yield blocks of lines, each with the filter that leaves more zeros, and its number first.

    Repeated pixels and lines are zeros once they are filtered: run lengths alone compress them
    better than a search for other repetitions, and faster. That search takes half the bytes of many
    letters, and a fifth of the bytes of photographs, which RGB has in it, in about the same time.
    """
    before: Pixels | None = None
    for lines, times, has_text in bands:
        depth = lines.shape[2] if lines.ndim == 3 else 1  # bytes of a pixel
        flat = lines.reshape(len(lines), -1)
        before = np.zeros_like(flat[:1]) if before is None else before
        at_once = max(1, _BLOCK // times)
        for top in range(0, len(flat), at_once):
            block = flat[top : top + at_once]
            written = np.zeros((len(block), times, 1 + block.shape[1]), np.uint8)
            filtered = written[:, 0, 1:]  # lines that repeat it are as the line above: zeros
            filtered[:, :depth] = block[:, :depth]
            np.subtract(block[:, depth:], block[:, :-depth], out=filtered[:, depth:])
            change = np.empty_like(block)
            np.subtract(block[:1], before, out=change[:1])
            np.subtract(block[1:], block[:-1], out=change[1:])
            before = block[-1:]
            changed, differ = _count(change != 0), _count(filtered != 0)
            is_up = changed <= differ
            filtered[is_up] = change[is_up]
            written[:, :, 0], written[~is_up, 0, 0] = _UP, _SUB
            if depth > 1:
                yield written, PHOTOGRAPHS
            else:
                much = has_text and np.minimum(changed, differ).sum() > _MUCH_TEXT
                yield written, REPEATS if much else RUNS


def _count(flags: NDArray[np.bool_]) -> NDArray[np.uint32]:
    """Count the flags of each line that are set."""
    # In less time than NumPy's `count_nonzero` of each line.
    counts: NDArray[np.uint32] = np.add.reduce(flags.view(np.uint8), 1, np.uint32)
    return counts


def _joined(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Join parts to longer ones: each chunk of a PNG takes 12 bytes besides its content."""
    waiting = bytearray()
    for part in parts:
        waiting += part
        if len(waiting) >= _CHUNK:
            yield bytes(waiting)
            waiting.clear()
    yield bytes(waiting)


def _png(height: int, width: int, kind: int, colors: Pixels, data: Iterable[bytes]) -> bytes:
    """Return a PNG with 8 bits to a pixel, whose `kind` is its color type."""
    header = struct.pack(">IIBBBBB", width, height, 8, kind, 0, 0, 0)
    first, last = [(b"IHDR", header), (b"PLTE", colors[:, :3].tobytes())], [(b"IEND", b"")]
    if colors.shape[1] == 4:
        first.append((b"tRNS", colors[:, 3].tobytes()))
    file = io.BytesIO()
    file.write(b"\x89PNG\r\n\x1a\n")
    for name, content in chain(first, ((b"IDAT", part) for part in _joined(data)), last):
        if content or name == b"IEND":
            file.write(struct.pack(">I", len(content)) + name)
            file.write(content)
            file.write(struct.pack(">I", zlib.crc32(content, zlib.crc32(name))))
    return file.getvalue()
