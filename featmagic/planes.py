"""From a tensor whose axes are known to planes, for the samples asked for."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from featmagic.axes import Axes
from featmagic.options.indexing import picked
from featmagic.options.view import View
from featmagic.sample import stack_of
from featmagic.stack import Planes
from featmagic.support.errors import FeatmagicError
from featmagic.support.text import printable


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


def planes(tensor: Tensor, axes: Axes, view: View, key: str = "the activation") -> Planes:
    """The planes of the samples asked for: sliced first, so that nothing else is computed.

    Args:
        tensor: of 1 to 5 axes.
        axes: what they are.
        view: its `sample`, `channels`, `max`, `slice` and `attn` choose.
        key: the activation's name, for messages.

    Returns:
        Real values; of complex ones the magnitude.

    Raises:
        FeatmagicError: a sample, channel, slice or token that isn't there.

    Example:
        >>> planes(torch.zeros(2, 5, 8, 6), Axes("NCHW"), View(channels="1:3")).values.shape
        torch.Size([1, 2, 8, 6])
    """
    tensor = tensor if tensor.layout is torch.strided else tensor.to_dense()
    tensor, letters = _without_points(tensor, axes.letters)
    samples = _samples(tensor, letters, view, key)
    if "N" in letters:
        place = letters.index("N")
        parts = [tensor.select(place, sample) for sample in samples]
    else:
        parts = [tensor]
    stacks = [stack_of(part, letters.replace("N", ""), axes, view) for part in parts]
    return _named(_together(stacks), samples, view)


def _without_points(tensor: Tensor, letters: str) -> tuple[Tensor, str]:
    """Pooled features are single values: without the axes of a plane of one pixel."""
    if {"H", "W"} <= set(letters) and "C" in letters:
        plane = [place for place, letter in enumerate(letters) if letter in "DHW"]
        if all(tensor.shape[place] == 1 for place in plane):
            left = "".join(letter for letter in letters if letter not in "DHW")
            return tensor.squeeze(tuple(plane)), left
    return tensor, letters


def _samples(tensor: Tensor, letters: str, view: View, key: str) -> tuple[int, ...]:
    """Which samples are shown; none where no axis holds them."""
    if "N" not in letters:
        return ()
    count = tensor.shape[letters.index("N")]
    if view.sample == "all":
        return tuple(range(count))
    try:
        return tuple(picked(view.sample, count, "sample"))
    except FeatmagicError as error:
        raise FeatmagicError(str(error).replace("there are", f"'{printable(key)}' has")) from None


def _together(stacks: list[Planes]) -> Planes:
    """One stack from each sample's."""
    first = stacks[0]
    if len(stacks) == 1:
        return first
    prefix = [stack.prefix for stack in stacks if stack.prefix is not None]
    return replace(
        first,
        values=torch.cat([stack.values for stack in stacks]),
        prefix=torch.cat(prefix) if prefix else None,
    )


def _named(stack: Planes, samples: tuple[int, ...], view: View) -> Planes:
    """The stack with words and names for its samples."""
    if not samples:
        if view.sample in ("0", "all"):
            return stack
        return replace(stack, words=(*stack.words, "no axis for samples"))
    if len(samples) == 1:
        words = (f"sample {samples[0]}", *stack.words)
        return replace(stack, words=words, samples=samples)
    if stack.rows:
        raise FeatmagicError(
            f"A montage shows one sample: --sample {samples[0]}, or another --slice."
        )
    listed = f"samples {', '.join(map(str, samples[:8]))}{', …' * (len(samples) > 8)}"
    words = (listed, *stack.words)
    if stack.form == "fold":  # a heat map: a row for each sample, a column for each value
        values = stack.values[:, :, 0].permute(2, 1, 0)[..., None]
        read = "samples down, values across"
        return replace(
            stack, values=values, form="columns", words=words, read=read, samples=samples
        )
    rows = tuple(f"s{sample}" for sample in samples)
    return replace(stack, words=words, rows=rows, samples=samples)
