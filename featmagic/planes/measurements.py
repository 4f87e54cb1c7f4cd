"""Measurements: values reduced on their device, and the one way to the host.

Everybody who needs numbers of a tensor reduces it with these functions, and brings what they
return to the host together.
"""

from __future__ import annotations

from collections.abc import Mapping
from math import gcd

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Array = NDArray[np.float64]

Measurements = dict[str, Tensor]  # by name, still on the device of the values


def to_host(*measurements: Mapping[str, Tensor]) -> list[dict[str, Array]]:
    """Bring measurements to the host as float64 arrays, in one transfer from each device.

    They travel in the widest floating-point dtype among them; integers count as float64, or as
    float32 on MPS, which has no float64. Each dict keeps its names and shapes.
    """
    tensors = [tensor for named in measurements for tensor in named.values()]
    arrays: dict[int, Array] = {}
    for device in {tensor.device for tensor in tensors}:
        places = [place for place, tensor in enumerate(tensors) if tensor.device == device]
        together = torch.cat([_flat_floats(tensors[place]) for place in places])
        values = together.cpu().double().numpy()
        end = 0
        for place in places:
            start, end = end, end + tensors[place].numel()
            arrays[place] = values[start:end].reshape(tensors[place].shape)
    in_order = iter([arrays[place] for place in range(len(tensors))])
    return [{name: next(in_order) for name in named} for named in measurements]


def _flat_floats(tensor: Tensor) -> Tensor:
    if not tensor.is_floating_point():
        tensor = tensor.to(torch.float32 if tensor.device.type == "mps" else torch.float64)
    return tensor.reshape(-1)


def value_range(values: Tensor, dims: int | tuple[int, ...]) -> Measurements:
    """Reduce to `low` and `high`, the range over `dims`; a NaN makes both NaN."""
    # Two reductions are several times faster than torch's aminmax along rows.
    return {"low": values.amin(dims), "high": values.amax(dims)}


def finite_range(
    values: Tensor, dims: int | tuple[int, ...] = (), finite: Tensor | None = None
) -> Measurements:
    """Reduce to `low` and `high`, the range of the finite values; inf and -inf if there are none.

    All dimensions are reduced if `dims` is empty. `finite` tells which values are finite, where
    that is known already.
    """
    finite = torch.isfinite(values) if finite is None else finite
    low = torch.where(finite, values, torch.inf).amin(dims)
    return {"low": low, "high": torch.where(finite, values, -torch.inf).amax(dims)}


def count_nonfinite(values: Tensor, dims: int | tuple[int, ...] = ()) -> Measurements:
    """Reduce to `nan` and `inf`, how many values are NaN and infinite; over all `dims` if empty."""
    dims = tuple(range(values.dim())) if dims == () else dims
    return {"nan": values.isnan().sum(dims), "inf": values.isinf().sum(dims)}


def evenly_spaced(values: Tensor, most: int) -> Tensor:
    """Return at most `most` of the values, in the order in which they lie in memory."""
    count = values.numel()
    if not values.is_contiguous():
        values = values.permute(sorted(range(values.dim()), key=values.stride, reverse=True))
    step = coprime_step(-(-count // most), count)
    if values.is_contiguous() or count <= most:
        return values.reshape(-1)[::step]
    # To lay out the values of an expanded tensor or a part of one would copy them all.
    places = torch.arange(0, count, step, device=values.device)
    return values[torch.unravel_index(places, values.shape)]


def coprime_step(step: int, count: int) -> int:
    """Return the first step from `step` on with no factor in common with `count`.

    Other steps would read the same column of every row, or the same position of every plane.
    """
    while step > 1 and gcd(step, count) > 1:
        step += 1
    return max(step, 1)


def constant_planes(low: Array, high: Array) -> NDArray[np.bool_]:
    """Return which planes hold a single value, by their `value_range`; none that has NaN or inf."""
    constant: NDArray[np.bool_] = (low == high) & np.isfinite(low)
    return constant


def range_or_zero(low: Array, high: Array) -> tuple[Array, Array]:
    """Return the ranges by `finite_range`, 0 to 0 for planes without a finite value."""
    low, high = np.where(low <= high, [low, high], 0.0)
    return low, high
