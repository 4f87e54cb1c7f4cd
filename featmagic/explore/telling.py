"""Layers and plates in the words of the script: what JSON can hold."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from featmagic.explore.plates import Plate, dead_in
from featmagic.explore.spread import Spread, samples_in
from featmagic.options.view import View
from featmagic.planes.dtypes import undrawable
from featmagic.recording.records import Activation, shape_of

Json = dict[str, Any]


def layer_text(
    activation: Activation, one: Spread | None, plates: Iterable[Plate], calls: int, view: View
) -> Json:
    """A layer, as the script reads it.

    Args:
        activation: as it was captured.
        one: its planes; None where there is no picture of it.
        plates: what travels of them, a sample each.
        calls: how often its module was called in the pass.
        view: how its axes are read.

    Example:
        >>> import torch
        >>> act = Activation("fc", "fc", "Linear", 1, torch.zeros(()))
        >>> layer_text(act, None, [], 1, View())["reason"]
        'the single value 0'
    """
    tensor = activation.tensor
    text: Json = {
        "key": activation.key,
        "path": activation.path,
        "call": activation.call,
        "calls": calls,
        "kind": activation.kind,
        "shape": shape_of(tensor),
        "dtype": str(tensor.dtype).removeprefix("torch."),
        "device": str(tensor.device),
        "reason": undrawable(tensor),
        "plates": {},
    }
    if one is None:
        return text | {"words": [], "noun": "", "of": 0, "samples": 1, **HEALTHY}
    made = list(plates)
    dead, of = dead_in(one)
    nan, inf = _strange(one, made)
    return text | {
        "words": list(one.words),
        "noun": one.noun,
        "of": one.of,
        "samples": samples_in(activation, view),
        "dead": dead,
        "dead_of": of,
        "nan": nan,
        "inf": inf,
        "spatial": one.spatial,
        "signed": one.signed,
        "field": _field(activation, one),
        "plates": {str(plate.sample): plate_text(activation.key, one, plate) for plate in made},
    }


def _field(activation: Activation, one: Spread) -> list[int] | None:
    """What a place sees of the input, where the planes are as the module gave them."""
    as_given = activation.tensor.shape[-2:] == one.values.shape[-2:]
    field = activation.field if one.spatial and as_given else None
    return None if field is None else field.as_list()


def _strange(one: Spread, made: list[Plate]) -> tuple[int, int]:
    """How many values are NaN and infinite: in planes that don't travel too."""
    there = made[0].figures
    nan, inf = there.nan.sum(), there.inf.sum()
    rest = one.values[len(there.nan) :]
    if len(rest):
        nan, inf = nan + int(rest.isnan().sum()), inf + int(rest.isinf().sum())
    return int(nan), int(inf)


# Of a layer without a picture.
HEALTHY: Json = {
    **{"dead": 0, "dead_of": 0, "nan": 0, "inf": 0},
    **{"spatial": False, "signed": False, "field": None},
}


def plate_id(key: str, sample: int) -> str:
    """What a plate's PNG goes by.

    Example:
        >>> plate_id("layer1.0.conv1", 3)
        'layer1.0.conv1/3'
    """
    return f"{key}/{sample}"


def plate_text(key: str, one: Spread, plate: Plate) -> Json:
    """A plate, as the script reads it; its PNG travels beside.

    Args:
        key: the activation's.
        one: the planes that it was made of.
        plate: what travels of them.
    """
    figures, reach = plate.figures, one.reach
    exact = _EXACT if one.values.dtype == torch.float32 else None
    some = figures.low <= figures.high  # else no value is finite, and there is no mean
    return {
        "id": plate_id(key, plate.sample),
        "height": plate.size[0],
        "width": plate.size[1],
        "full": list(plate.full),
        "shrink": plate.shrink,
        "channels": list(plate.channels),
        "low": _rounded(figures.low, exact),
        "high": _rounded(figures.high, exact),
        "mean": _rounded(np.where(some, figures.mean, np.nan), _ROUGH),
        "std": _rounded(np.where(some, figures.std, np.nan), _ROUGH),
        "absmean": _rounded(np.where(some, figures.absmean, np.nan), _ROUGH),
        "zeros": _rounded(figures.zeros, _ROUGH),
        "nan": figures.nan.astype(int).tolist(),
        "inf": figures.inf.astype(int).tolist(),
        "order": None if one.order is None else list(one.order),
        "reach": None if reach is None else {"shape": reach.shape, "steps": reach.steps},
        "prefix": _prefix(plate),
    }


def _rounded(numbers: NDArray[np.float64], digits: int | None) -> list[Any]:
    """Numbers of so many digits (all, if None), short as text; None for what is no number."""
    finite = np.isfinite(numbers)
    exact = numbers if digits is None else _shortened(numbers, digits)
    if not finite.all():
        exact = exact.astype(object)
        exact[~finite] = None
    found: list[Any] = exact.tolist()
    return found


def _shortened(numbers: NDArray[np.float64], digits: int) -> NDArray[np.float64]:
    """Numbers of so many digits; those stay as they are that float64 can't shorten."""
    with np.errstate(all="ignore"):
        places = digits - 1 - np.floor(np.log10(np.abs(np.where(numbers == 0, 1, numbers))))
        factor = 10.0**places
        short = np.round(numbers * factor) / factor
    return np.where(np.isfinite(short), short, numbers)


_EXACT, _ROUGH = 9, 5  # digits: of the ends of a range, as float32 has them; of other figures


def _prefix(plate: Plate) -> Json | None:
    if plate.prefix is None:
        return None
    values, names = plate.prefix
    return {"names": list(names), "values": _rounded(values, _ROUGH)}
