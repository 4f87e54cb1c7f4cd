"""Planes as they travel: an 8-bit gray PNG, and text with the range and statistics of each."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any, TypedDict

import numpy as np
import torch
from torch import Tensor

from featmagic.explorer.budget import Share
from featmagic.explorer.planes import SamplePlanes
from featmagic.planes.dtypes import Pixels
from featmagic.planes.heat_map import block_average
from featmagic.planes.measurements import Array, range_or_zero, to_host
from featmagic.planes.statistics import PlaneStatistics, plane_statistics
from featmagic.render.color import levels, palette_indices
from featmagic.render.palette import GAP
from featmagic.render.png import encode_gray_png

_EXACT, _ROUGH = 9, 5  # digits: of the ends of a range, as float32 has them; of other figures


class PlanesText(TypedDict):
    """The planes of one layer and sample; the file with the given id holds their values.

    The file is an 8-bit gray PNG of all planes under each other, `height` by `width` pixels each,
    where `shrink` by `shrink` values of a plane of the size `full` are averaged to a pixel. The
    lists have an item for each plane: None stands for a statistic of no finite value. `reach` has
    the fields of a `PlaceIndex`; `prefix` has the `names` of the prefix tokens and their `values`.
    `slice` is the number of the slice of a volume, or "mip" or "mean", and `slice_words` says so;
    what is made of all slices has the `reach` of the first in `made_of`, and the `axis` of them.
    """

    id: str
    height: int
    width: int
    full: list[int]
    shrink: int
    channels: list[int]
    low: list[float | None]
    high: list[float | None]
    mean: list[float | None]
    std: list[float | None]
    absmean: list[float | None]
    zeros: list[float | None]
    nan: list[int]
    inf: list[int]
    order: list[int] | None
    reach: dict[str, tuple[int, ...]] | None
    prefix: dict[str, list[Any]] | None
    slice: int | str | None
    slice_words: str
    made_of: dict[str, Any] | None


def plate_key(sample: int, which: int | str | None) -> str:
    """Return the key of planes among those of their layer: of a sample, or a slice of it."""
    return str(sample) if which is None else f"{sample}/{which}"


def sample_in(key: str) -> int:
    """Return the sample in a `plate_key`."""
    return int(key.partition("/")[0])


def encode_planes(
    key: str, sample: int, planes: SamplePlanes, share: Share
) -> tuple[PlanesText, bytes]:
    """Encode the share of a layer's planes that travels: one byte a value leaves their device."""
    values = planes.values[: share.most]
    statistics = plane_statistics(values, planes.padding)
    pixels = _encode(values, statistics, planes.padding, share.shrink)
    height, width = pixels.shape[1:]
    exact = _EXACT if values.dtype == torch.float32 else None
    has_values = statistics.low <= statistics.high  # else no value is finite, and there is no mean
    prefix: dict[str, list[Any]] | None = None
    if planes.prefix is not None:
        (tokens,) = to_host({"values": planes.prefix[0][: share.most]})
        prefix = {"names": [*planes.prefix[1]], "values": _rounded(tokens["values"], _ROUGH)}
    shown = planes.slice
    text: PlanesText = {
        "id": f"{key}/{plate_key(sample, shown.which if shown else None)}",
        "height": height,
        "width": width,
        "full": [*values.shape[1:]],
        "shrink": share.shrink,
        "channels": [*planes.channels[: share.most]],
        "low": _rounded(statistics.low, exact),
        "high": _rounded(statistics.high, exact),
        "mean": _rounded(np.where(has_values, statistics.mean, np.nan), _ROUGH),
        "std": _rounded(np.where(has_values, statistics.std, np.nan), _ROUGH),
        "absmean": _rounded(np.where(has_values, statistics.absmean, np.nan), _ROUGH),
        "zeros": _rounded(statistics.zeros, _ROUGH),
        "nan": statistics.nan.astype(int).tolist(),
        "inf": statistics.inf.astype(int).tolist(),
        "order": None if planes.order is None else [*planes.order],
        "reach": None if planes.place_index is None else asdict(planes.place_index),
        "prefix": prefix,
        "slice": shown.which if shown else None,
        "slice_words": shown.words if shown else "",
        "made_of": None,
    }
    if planes.made_of is not None:
        first, axis = planes.made_of
        text["made_of"] = {"reach": asdict(first), "axis": axis}
    return text, encode_gray_png(pixels.reshape(-1, width))


def _encode(values: Tensor, statistics: PlaneStatistics, padding: int, shrink: int) -> Pixels:
    """Return a byte for each value, `(P, h, w)`."""
    encoded = levels(values, *range_or_zero(statistics.low, statistics.high))
    if padding:
        encoded.flatten(1)[:, -padding:] = 0  # `block_average` counts it in no average
    encoded, padding = block_average(encoded, shrink, padding)
    nonfinite = bool((statistics.nan + statistics.inf).any())
    codes: Pixels = palette_indices(encoded, nonfinite=nonfinite).cpu().numpy()
    if padding:
        codes.reshape(len(codes), -1)[:, -padding:] = GAP
    return codes


def _rounded(numbers: Array, digits: int | None) -> list[Any]:
    """Round numbers to some digits (to none if None), with None for those that aren't finite."""
    finite = np.isfinite(numbers)
    rounded = numbers if digits is None else _shortened(numbers, digits)
    if not finite.all():
        rounded = rounded.astype(object)
        rounded[~finite] = None
    items: list[Any] = rounded.tolist()
    return items


def _shortened(numbers: Array, digits: int) -> Array:
    """Round numbers to some digits, except those for which the factor is out of range."""
    with np.errstate(all="ignore"):
        places = digits - 1 - np.floor(np.log10(np.abs(np.where(numbers == 0, 1, numbers))))
        factor = 10.0**places
        short = np.round(numbers * factor) / factor
    return np.where(np.isfinite(short), short, numbers)
