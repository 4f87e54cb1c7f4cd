"""Measurements that alternate between two sides, and the table of their results."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from statistics import median
from time import perf_counter
from typing import NamedTuple

# A call that returns how many seconds count.
Work = Callable[[], float]
Pairs = list[tuple[float, float]]


class Row(NamedTuple):
    """A line of the table, as text."""

    what: str
    ours: str
    other: str
    ratio: str
    target: str
    met: str
    runs: str


HEAD = Row("what", "ours", "the other", "ratio", "target", "", "pairs or runs")


@dataclass(frozen=True)
class Effort:
    """How long to repeat.

    Attributes:
        pairs: the fewest pairs of a row; it gets more until `seconds` have passed.
        slow: the pairs of a row where one pair takes half a minute.
        processes: the processes of a row where each measurement needs one of its own.
        most_axes: the most axes in a figure of matplotlib's; rows that need more are left out.
    """

    pairs: int
    seconds: float
    slow: int
    processes: int
    most_axes: int


FULL = Effort(pairs=9, seconds=3, slow=2, processes=5, most_axes=2048)
QUICK = Effort(pairs=3, seconds=0, slow=1, processes=1, most_axes=64)


def timed(work: Callable[[], object]) -> float:
    """Return the seconds that a call takes, without collecting the garbage of the call before."""
    gc.collect()
    began = perf_counter()
    work()
    return perf_counter() - began


def in_turns(ours: Work, other: Work, least: int, seconds: float = 0) -> Pairs:
    """Return pairs of measurements, taking the two sides in turns."""
    pairs: Pairs = []
    end = perf_counter() + seconds
    while len(pairs) < least or perf_counter() < end:
        pairs.append((ours(), other()))
    return pairs


def row_at_most(what: str, pairs: Pairs, most: float) -> Row:
    """Return a row whose ratio, ours to the other, should be small."""
    ratio = median(a / b for a, b in pairs)
    return _row(what, pairs, f"{ratio:.3f}", f"<= {most:g}", ratio <= most)


def row_faster(what: str, pairs: Pairs, least: float) -> Row:
    """Return a row whose ratio, how many times faster ours is, should be large."""
    ratio = median(b / a for a, b in pairs)
    return _row(what, pairs, f"{ratio:.3g}x faster", f">= {least:g}x", ratio >= least)


def row_within(what: str, work: Callable[[], object], most: float, runs: int) -> Row:
    """Return a row whose time in seconds should be short."""
    work()
    took = [timed(work) for _ in range(runs)]
    cells = milliseconds(median(took)), "-", "-", f"<= {most * 1000:g} ms"
    return Row(what, *cells, said(median(took) <= most), str(runs))


def _row(what: str, pairs: Pairs, ratio: str, target: str, met: bool) -> Row:
    ours, other = (milliseconds(median(side)) for side in zip(*pairs, strict=True))
    return Row(what, ours, other, ratio, target, said(met), str(len(pairs)))


def milliseconds(seconds: float) -> str:
    """Return a duration as text."""
    return f"{seconds * 1000:.2f} ms"


def said(met: bool) -> str:
    """Say in a word or two whether a target was met."""
    return "met" if met else "NOT met"


def table(rows: Iterable[Row]) -> Iterator[str]:
    """Yield the lines of the table, each as soon as its row is measured."""
    widths = (66, 10, 12, 17, 9, 8, 0)
    for row in rows:
        first, *rest = (f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))
        yield "  ".join([first, *rest]).rstrip()
