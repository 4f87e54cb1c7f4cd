"""Streams of parts compressed in different ways: any decompressor gives all bytes back."""

from __future__ import annotations

import zlib
from itertools import chain

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from featmagic.render.zlib_stream import PHOTOGRAPHS, REPEATS, RUNS, zlib_stream

STRATEGIES = [RUNS, REPEATS, PHOTOGRAPHS]
NOISE = np.random.default_rng(0).integers(0, 256, 200_000).astype(np.uint8)

# So many bytes of so few values, and how to compress them. Some are longer than zlib's window.
lengths = st.one_of(st.integers(0, 300), st.integers(64_000, 66_500), st.integers(0, 200_000))
parts = st.tuples(lengths, st.sampled_from([2, 4, 256]), st.sampled_from(STRATEGIES))


def made(length, values, strategy):
    return NOISE[:length] // (256 // values), strategy


@given(st.lists(parts, max_size=6))
@settings(deadline=None)
def test_the_bytes_come_back_in_order_and_agree_with_the_checksum(rows):
    pieces = [made(*row) for row in rows]
    whole = b"".join(data.tobytes() for data, _ in pieces)
    stream = b"".join(zlib_stream(pieces))
    reader = zlib.decompressobj()
    assert reader.decompress(stream) == whole
    assert reader.eof  # zlib has compared the checksum
    assert reader.unused_data == b""
    assert stream[-4:] == zlib.adler32(whole).to_bytes(4, "big")


def test_parts_of_lines_are_taken_in_the_order_of_memory():
    lines = NOISE[:600].reshape(2, 3, 100)
    stream = b"".join(zlib_stream([(lines, RUNS)]))
    assert zlib.decompress(stream) == NOISE[:600].tobytes()


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_many_small_parts_take_no_more_than_one_large_one(strategy):
    data = NOISE[:40_000] % 4
    whole = b"".join(zlib_stream([(data, strategy)]))
    in_parts = b"".join(zlib_stream((each, strategy) for each in np.split(data, 400)))
    assert len(in_parts) == len(whole)


@pytest.mark.parametrize("strategy", STRATEGIES)
def test_starting_anew_costs_few_bytes(strategy):
    data = NOISE % 4
    packer = zlib.compressobj(strategy.level, zlib.DEFLATED, 15, 9, strategy.strategy)
    plain = packer.compress(data) + packer.flush()
    assert len(b"".join(zlib_stream([(data, strategy)]))) < 1.01 * len(plain) + 100


def test_what_repeats_far_apart_is_found_by_one_strategy_and_runs_by_all():
    again, zeros = np.tile(NOISE[:1000], 20), np.zeros(20_000, np.uint8)
    sizes = {
        how: [len(b"".join(zlib_stream([(data, how)]))) for data in (again, zeros)]
        for how in STRATEGIES
    }
    assert sizes[REPEATS][0] < 2000 < 19_000 < sizes[RUNS][0]
    assert all(of_zeros < 150 for _, of_zeros in sizes.values())


def test_a_stream_begins_before_its_last_part_is_known():
    asked = []

    def later():
        asked.append(True)
        yield made(10, 4, RUNS)

    stream = zlib_stream(chain([made(200_000, 256, RUNS)], later()))
    first = [next(stream) for _ in range(4)]
    assert sum(map(len, first)) > 60_000
    assert not asked
