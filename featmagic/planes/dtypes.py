"""Tensors of any dtype as real numbers."""

from __future__ import annotations

from functools import cache

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featmagic.recording.pytree import computes_itself
from featmagic.support.text import printable

Pixels = NDArray[np.uint8]

_COMPLEX = (torch.complex64, torch.complex128)  # those with an absolute value
_PER_TENSOR = (torch.per_tensor_affine, torch.per_tensor_symmetric)


def undrawable(tensor: Tensor) -> str | None:
    """Return why there is no picture of the tensor, or None."""
    if tensor.is_meta or type(tensor).__name__ == "FakeTensor":
        return "no values on the meta device, no picture"
    if tensor.is_nested:
        return "a nested tensor, no picture"
    if computes_itself(tensor):
        return f"a {printable(type(tensor).__name__)}, no picture"
    if "float4" in str(tensor.dtype):
        return "two values per byte, no picture"
    if not is_number(tensor.dtype):
        return f"{str(tensor.dtype).removeprefix('torch.')} values aren't numbers, no picture"
    if tensor.numel() == 0:
        return "empty, no picture"
    if tensor.dim() == 0:
        return f"the single value {tensor.item():.4g}"
    if tensor.dim() > 5:
        return f"{tensor.dim()} axes, no picture"
    return None


@cache
def is_number(dtype: torch.dtype) -> bool:
    """Return True if torch can read values of the dtype as numbers."""
    try:
        torch.empty(1, dtype=dtype).to(torch.complex64 if dtype.is_complex else torch.float32)
    except Exception:  # torch has dtypes without any operation
        return str(dtype).startswith(("torch.qint", "torch.quint"))  # those are dequantized
    return True


def sliceable(tensor: Tensor) -> Tensor:
    """Return a tensor that can be sliced along any axis: dense, and not quantized by channel."""
    if tensor.layout is not torch.strided:
        tensor = tensor.to_dense()
    if tensor.is_quantized and tensor.qscheme() not in _PER_TENSOR:
        tensor = tensor.dequantize()
    return tensor


def to_real(values: Tensor) -> tuple[Tensor, tuple[str, ...]]:
    """Convert values to float32, or float64 if they need it, and say what was done to them."""
    words: tuple[str, ...] = ()
    if values.is_quantized:
        values = values.dequantize()
    if values.is_complex():
        words = ("magnitude of complex values",)
        values = (values if values.dtype in _COMPLEX else values.to(torch.complex64)).abs()
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
