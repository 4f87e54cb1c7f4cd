"""Kernel × patch as it travels: words, numbers, and a byte for the color of each value."""

from __future__ import annotations

from itertools import product
from math import floor, log10
from typing import TypedDict

import numpy as np
import torch

from featmagic.explorer.kernel_patch import Doubles, KernelPatch
from featmagic.planes.dtypes import Pixels
from featmagic.render.color import levels, palette_indices

_MOST_NUMBERS = 7  # values a side of a picture with a number in each
_FEW = 3  # columns of a picture with room for three digits


class PatchText(TypedDict):
    """What the front end reads beside the numbers.

    The pictures are patch, kernel and product. They have a row for each of `rows`, the index in the
    input up to its last axis, and a column for each of `columns`, the index along it. `padding` has
    1 where a value of the patch is padding. `captions` and `cells` have an item for each picture;
    `cells` are the numbers in it, none if it is too large for them. `input` is the layer that
    returned the input, if it is shown, and `source` its channel; `first` to `last` are the channels
    that have a sum, of which `strongest` is the largest. `signed` says that the patch has colors
    around 0.
    """

    words: str
    captions: list[str]
    cells: list[list[str]]
    source: int
    first: int
    last: int
    strongest: int
    input: str | None
    rows: list[str]
    columns: list[int]
    padding: list[int]
    signed: bool


def text_of_patch(patch: KernelPatch, shown: str | None) -> PatchText:
    """Return the text for the front end, given the layer that shows the input, if there is one."""
    *leading, columns = patch.places
    rows = ["".join(f"{place}, " for place in row) for row in product(*leading)]
    units, cells = [""] * 3, [[""] * patch.patch.size] * 3
    if max(len(rows), len(columns)) <= _MOST_NUMBERS:
        digits = 3 if len(columns) <= _FEW else 2
        written = [_numbers(values, digits) for values in _pictures(patch)]
        units, cells = [unit for unit, _ in written], [numbers for _, numbers in written]
    names = f"{shown or 'input'}, channel {patch.source}", "kernel", "product"
    return {
        "words": words_of(patch),
        "captions": [name + unit for name, unit in zip(names, units, strict=True)],
        "cells": cells,
        "source": patch.source,
        "first": patch.first,
        "last": patch.first + len(patch.contributions) - 1,
        "strongest": patch.strongest,
        "input": shown,
        "rows": rows,
        "columns": [*columns],
        "padding": patch.padding.astype(int).ravel().tolist(),
        "signed": patch.signed,
    }


def bytes_of_patch(patch: KernelPatch) -> bytes:
    """Return the contributions and the three pictures as little-endian float64, then their colors.

    A color is the palette index of a value: that of the patch in the range of its channel, around 0
    where the input has both signs; those of kernel and product around 0.
    """
    pictures = _pictures(patch)
    numbers = [np.asarray(part, "<f8").tobytes() for part in (patch.contributions, *pictures)]
    low, high = patch.span
    ends = [max(-low, high) or 1.0 if patch.signed else high]
    ends += [_largest(values) or 1.0 for values in pictures[1:]]
    starts = [-ends[0] if patch.signed else low, -ends[1], -ends[2]]
    return b"".join([*numbers, _colors(pictures, starts, ends).tobytes()])


def words_of(patch: KernelPatch) -> str:
    """Return the sum in one line.

    Example:
        >>> one, place = np.full((1, 1), 0.5), ((4,), (7,))
        >>> words_of(KernelPatch(
        ...     0.75, 0.5, np.array([0.25]), 0, 0, one, one, place, (8, 8), (0, 1), False, None
        ... ))
        'sum over channel 0 of 1: 0.25 · total with bias 0.5: 0.75'
    """
    first, count = patch.first, len(patch.contributions)
    channel = f"{patch.source} of {count}"
    if first:
        channel = f"{patch.source} (of {first} to {first + count - 1})"
    own = patch.contributions[patch.source - first]
    bias = "without a bias" if patch.bias is None else f"with bias {patch.bias:.4g}"
    words = f"sum over channel {channel}: {own:.4g} · total {bias}: {patch.total:.4g}"
    rounded = f"{patch.value:.4g}"
    return words if rounded == f"{patch.total:.4g}" else f"{words} · captured as {rounded}"


def _pictures(patch: KernelPatch) -> tuple[Doubles, Doubles, Doubles]:
    with np.errstate(all="ignore"):
        return patch.patch, patch.kernel, patch.patch * patch.kernel


def _largest(values: Doubles) -> float:
    """Return the largest finite magnitude, or 0."""
    return float(np.abs(values[np.isfinite(values)]).max(initial=0))


def _numbers(values: Doubles, digits: int) -> tuple[str, list[str]]:
    """Return the unit for a caption, and each number in a few letters.

    Example:
        >>> _numbers(np.array([0.0213, -0.00451, 0]), 2)
        (' (unit 0.01)', ['2.1', '-0.5', '0'])
    """
    most = _largest(values)
    power = floor(log10(most)) if most else 0
    scale = 0 if -1 <= power <= digits else power
    decimals = max(0, digits - 1 - (power - scale))
    unit = float(f"1e{scale}")
    numbers = [
        f"{value / unit:.{decimals}f}" if value else "0" for value in values.ravel().tolist()
    ]
    return f" (unit {unit:g})" if scale else "", numbers


def _colors(pictures: tuple[Doubles, ...], low: list[float], high: list[float]) -> Pixels:
    values = torch.from_numpy(np.stack([values.reshape(1, -1) for values in pictures]))
    placed = levels(values, np.array(low), np.array(high))
    colors: Pixels = palette_indices(placed, nonfinite=True).numpy()
    return colors
