"""Values of any dtype as real numbers."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


def undrawable(tensor: Tensor) -> str | None:
    """Why there is no picture of the tensor, or None.

    Example:
        >>> undrawable(torch.zeros(1, 0, 4, 4))
        'empty, no picture'
    """
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
    """The values as float32, or float64 where they need it, and what had to be done.

    Example:
        >>> to_real(torch.tensor([3 + 4j]))
        (tensor([5.]), ('magnitude of complex values',))
    """
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


def real_rows(stack: Tensor, indices: list[int]) -> tuple[Tensor, tuple[str, ...]]:
    """The rows at `indices` as real numbers, and what had to be done to them.

    A view where the rows follow on each other. Elsewhere they become numbers before they are put
    together, since torch can't index every dtype.

    Example:
        >>> real_rows(torch.arange(4), [3, 0])[0]
        tensor([3., 0.], dtype=torch.float64)
    """
    first = indices[0]
    if indices == list(range(first, first + len(indices))):
        return to_real(stack[first : first + len(indices)])
    rows = [to_real(stack[index]) for index in indices]
    return torch.stack([row for row, _ in rows]), rows[0][1]


def to_float64(values: Tensor) -> Tensor:
    """The values as float64, on the CPU where their device has none (MPS)."""
    return (values.cpu() if values.device.type == "mps" else values).double()


Pixels = NDArray[np.uint8]
