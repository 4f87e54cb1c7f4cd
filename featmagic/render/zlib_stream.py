"""Bytes compressed as one zlib stream, with a strategy that may change on the way."""

from __future__ import annotations

import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from featmagic.planes.dtypes import Pixels

_MEMORY = 9  # the most, for long blocks: each has a Huffman code of its own
# zlib moves its window of 64 KiB, and two tables of the same size, whenever the window is full.
# For runs of one byte that takes most of the time; a compressor that starts anew has room.
_ROOM = 65_000


class Strategy(NamedTuple):
    """How bytes are compressed.

    Attributes:
        level: zlib's, from 1 to 9.
        strategy: zlib's, `Z_RLE` for one.
        restarts: whether the compressor starts anew before its window has to be moved.
    """

    level: int
    strategy: int
    restarts: bool = True


RUNS = Strategy(1, zlib.Z_RLE)  # finds runs of one byte only
REPEATS = Strategy(1, zlib.Z_DEFAULT_STRATEGY)  # finds whatever repeats nearby
PHOTOGRAPHS = Strategy(3, zlib.Z_DEFAULT_STRATEGY, restarts=False)  # looks for it longer


def zlib_stream(parts: Iterable[tuple[Pixels, Strategy]]) -> Iterator[bytes]:
    """Compress parts one after the other, each by its strategy, and yield a single stream.

    The stream is that of RFC 1950: two bytes of header, blocks as in RFC 1951, and the Adler-32
    checksum of all bytes. Each strategy has a compressor of its own. What a compressor has written
    at a full flush (`Z_FULL_FLUSH`) ends with a whole byte, and what it writes later refers to
    nothing before that, so the outputs of several compressors may follow each other.

    Example:
        >>> import numpy as np
        >>> ones = np.ones(3, np.uint8)
        >>> list(zlib.decompress(b"".join(zlib_stream([(ones, RUNS), (2 * ones, REPEATS)]))))
        [1, 1, 1, 2, 2, 2]
    """
    checksum = zlib.adler32(b"")
    packers: dict[Strategy, zlib._Compress] = {}
    strategy, taken = RUNS, 0
    yield b"\x78\x01"
    for part, wanted in parts:
        data = part.reshape(-1).data
        checksum = zlib.adler32(data, checksum)
        for piece in _pieces(data) if wanted.restarts else (data,):
            is_full = wanted.restarts and taken + len(piece) > _ROOM
            if taken and (wanted != strategy or is_full):
                yield packers[strategy].flush(zlib.Z_FULL_FLUSH)
                taken = 0
            if wanted not in packers:
                how = wanted.level, zlib.DEFLATED, -zlib.MAX_WBITS, _MEMORY, wanted.strategy
                packers[wanted] = zlib.compressobj(*how)
            strategy, taken = wanted, taken + len(piece)
            yield packers[strategy].compress(piece)
    packer = packers.get(strategy) or zlib.compressobj(wbits=-zlib.MAX_WBITS)
    yield packer.flush()
    yield checksum.to_bytes(4, "big")


def _pieces(data: memoryview) -> Iterator[memoryview]:
    """Yield the bytes in as few pieces as fit a compressor's room, all about as long."""
    count = -(-len(data) // _ROOM) or 1
    length = -(-len(data) // count) or 1
    for first in range(0, len(data), length):
        yield data[first : first + length]
