"""Tensors of any dtype as real numbers."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

Pixels = NDArray[np.uint8]


def undrawable(tensor: Tensor) -> str | None:
    """Return why there is no picture of the tensor, or None."""
    if tensor.is_meta or type(tensor).__name__ == "FakeTensor":
        return "no values on the meta device, no picture"
    if tensor.is_nested:
        return "a nested tensor, no picture"
    if "float4" in str(tensor.dtype):
        return "two values to a byte, no picture"
    if tensor.numel() == 0:
        return "empty, no picture"
    if tensor.dim() == 0:
        return f"the single value {tensor.item():.4g}"
    if tensor.dim() > 5:
        return f"{tensor.dim()} axes, no picture"
    return None


def to_real(values: Tensor) -> tuple[Tensor, tuple[str, ...]]:
    """Convert values to float32, or float64 if they need it, and say what was done to them."""
    words: tuple[str, ...] = ()
    if values.is_quantized:
        values = values.dequantize()
    if values.is_complex():
        words = ("magnitude of complex values",)
        values = (values if values.dtype != torch.complex32 else values.to(torch.complex64)).abs()
    exact = (
        values.dtype in (torch.float64, torch.int32, torch.int64) and values.device.type != "mps"
    )
    return values.to(torch.float64 if exact else torch.float32), words


def real_rows(values: Tensor, indices: list[int]) -> tuple[Tensor, tuple[str, ...]]:
    """Convert the rows at `indices` to real numbers, and say what was done to them.

    Consecutive rows are a view. Others are converted before they are stacked, since torch can't
    index every dtype.
    """
    first = indices[0]
    if indices == list(range(first, first + len(indices))):
        return to_real(values[first : first + len(indices)])
    rows = [to_real(values[index]) for index in indices]
    return torch.stack([row for row, _ in rows]), rows[0][1]


def to_float64(values: Tensor) -> Tensor:
    """Convert values to float64, on the CPU if their device has no float64 (MPS)."""
    return (values.cpu() if values.device.type == "mps" else values).double()
