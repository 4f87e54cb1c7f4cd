"""From a tensor of any rank to a stack of 2-D planes."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, sqrt

import torch
from torch import Tensor
from torch.nn import functional

from featmagic.errors import FeatmagicError
from featmagic.view import View


@dataclass(frozen=True)
class Planes:
    """The planes to draw, on the activation's device.

    Attributes:
        values: `(P, H, W)`, float32 or float64, in the model's own units.
        indices: of each plane, among the `total` there are.
        total: how many planes the sample has.
        noun: what a plane is, in the plural.
        words: what was done to the values and what was left out, for the caption.
        padding: how many values at the end of each plane are only there to fill it.
    """

    values: Tensor
    indices: tuple[int, ...]
    total: int
    noun: str
    words: tuple[str, ...] = ()
    padding: int = 0


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


def planes(tensor: Tensor, view: View, key: str = "the activation") -> Planes:
    """The planes of one sample: sliced first, so that nothing else is computed or copied.

    Args:
        tensor: `(N, C, H, W)`: one plane a channel. `(N, C, D, H, W)`: the same, of the middle of
            D. `(A, H, W)`: one plane an index of the first axis. `(N, F)`, `(F,)` and
            `(N, C, 1, 1)`: the values folded into one plane. See `undrawable` for the rest.
        view: its `sample`, `channels` and `max` choose.
        key: the activation's name, for the message.

    Returns:
        Real values; of complex ones the magnitude.

    Raises:
        FeatmagicError: a sample or channel that isn't there.

    Example:
        >>> planes(torch.zeros(2, 5, 8, 6), View(channels="1:3")).values.shape
        torch.Size([2, 8, 6])
    """
    words: tuple[str, ...] = ()
    stack = tensor = tensor if tensor.layout is torch.strided else tensor.to_dense()
    if tensor.dim() == 3:
        noun = "planes along the first axis"
        if view.sample:
            words += ("no axis for samples",)
    else:
        noun, words = "channels", (f"sample {view.sample}",)
        stack = _sample(tensor, view.sample, key)
    if stack.dim() == 4:
        middle = stack.shape[1] // 2
        words += (f"slice {middle} of {stack.shape[1]} along depth",)
        stack = stack[:, middle]
    if stack.dim() == 1 or stack.shape[1:].numel() == 1:
        return _folded(stack.reshape(-1), view, words)
    indices = view.pick(len(stack))
    values, more = _chosen(stack, indices)
    return Planes(values, tuple(indices), len(stack), noun, words + more)


def _sample(tensor: Tensor, sample: int, key: str) -> Tensor:
    if tensor.dim() == 1:
        tensor = tensor[None]
    count = len(tensor)
    if not -count <= sample < count:
        raise FeatmagicError(f"No sample {sample}: {key} has {count}, 0 to {count - 1}.")
    return tensor[sample]


def _chosen(stack: Tensor, indices: list[int]) -> tuple[Tensor, tuple[str, ...]]:
    """The rows at `indices` as real numbers, and what had to be done to them.

    A view where the rows follow on each other. Elsewhere they become numbers before they are put
    together, since torch can't index every dtype.
    """
    first = indices[0]
    if indices == list(range(first, first + len(indices))):
        return _real(stack[first : first + len(indices)])
    rows = [_real(stack[index]) for index in indices]
    return torch.stack([row for row, _ in rows]), rows[0][1]


def _folded(values: Tensor, view: View, words: tuple[str, ...]) -> Planes:
    """One plane that holds the values row by row, as near to a square as they allow."""
    indices = list(range(len(values))) if view.channels is None else view.pick(len(values))
    row, words_of = _chosen(values, indices)
    width = ceil(sqrt(len(row)))
    padding = -len(row) % width
    plane = functional.pad(row, (0, padding)).reshape(1, -1, width)
    folded = (f"folded in rows of {width}",) if plane.shape[1] > 1 else ()
    return Planes(plane, tuple(indices), len(values), "values", words + words_of + folded, padding)


def _real(values: Tensor) -> tuple[Tensor, tuple[str, ...]]:
    """The values as float32, or float64 where they need it, and what had to be done."""
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


def shrunk(values: Tensor, factor: int, padding: int = 0) -> tuple[Tensor, int]:
    """Planes with every `factor` x `factor` values averaged, and how much of the end is padding.

    An axis shorter than the factor is averaged whole. Padding counts in no average.

    Example:
        >>> shrunk(torch.ones(3, 5, 4), 2)[0].shape
        torch.Size([3, 3, 2])
    """
    if factor == 1:
        return values, padding
    kernel = tuple(min(factor, side) for side in values.shape[1:])
    small = functional.avg_pool2d(values[None], kernel, ceil_mode=True)[0]
    if not padding:
        return small, 0
    real = torch.ones_like(values)
    real.flatten(1)[:, -padding:] = 0
    share = functional.avg_pool2d(real[None], kernel, ceil_mode=True)[0]
    # A block of nothing but padding can only stand in a last row of blocks that is one value tall.
    alone = values.shape[1] % kernel[0] == 1 or kernel[0] == 1
    with_values = ceil((values.shape[2] - padding) / kernel[1])
    left = small.shape[2] - with_values if alone else 0
    return small / share.where(share > 0, 1), left
