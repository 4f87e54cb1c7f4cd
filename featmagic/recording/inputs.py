"""What a pass was given: the image, and the patch grids that tokens of it may lie on."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass
from math import ceil
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import PackedSequence

from featmagic.recording.pytree import copied, parts_of, tensors_in
from featmagic.support.errors import FeatmagicError

Grid = tuple[int, int]


@dataclass(frozen=True, eq=False)
class PassInputs:
    """What a pass was given.

    Attributes:
        image: the first image in the model's arguments, `(N, C, H, W)`: a copy; the very tensor in
            a watch, which is to cost a training loop nothing.
        grids: the patch grids (height, width) that tokens of it may lie on, the likeliest first:
            that of the model's first convolution, then the coarser ones of hierarchical models.
        version: the very tensor's version as the model was called: a later one has other values.
    """

    image: Tensor | None = None
    grids: tuple[Grid, ...] = ()
    version: int | None = None


def pass_inputs(model: nn.Module, args: Any, kwargs: Any, *, copy: bool = True) -> PassInputs:
    """What a call of the model is given; whatever the arguments are, this never fails.

    Example:
        >>> patches = nn.Conv2d(3, 8, kernel_size=16, stride=16)
        >>> pass_inputs(patches, (torch.zeros(1, 3, 224, 320),), {}).grids[:2]
        ((14, 20), (7, 10))
    """
    image = image_in(model, args, kwargs)
    try:
        return PassInputs() if image is None else _given(image, model, copy=copy)
    except Exception:  # inside torch.vmap there is no whole tensor
        return PassInputs()


def image_in(model: nn.Module, args: Any, kwargs: Any) -> Tensor | None:
    """The first image in the arguments of a call of the model, the very tensor.

    Example:
        >>> image_in(nn.Conv2d(3, 8, 3), ([torch.zeros(2, 2), torch.ones(1, 3, 9, 9)],), {}).shape
        torch.Size([1, 3, 9, 9])
    """
    try:
        for name, tensor in tensors_in((args, kwargs)):
            if "mask" not in name and _has_pixels(tensor) and _is_image(tensor, model):
                return tensor
    except Exception:  # whatever a container of the user's raises when it is read
        return None
    return None


def _has_pixels(tensor: Tensor) -> bool:
    return (
        (tensor.is_floating_point() or tensor.dtype == torch.uint8)
        and tensor.layout is torch.strided
        and tensor.dim() in (3, 4)
        and tensor.shape[-3] in (1, 3, 4)
        and min(tensor.shape[-2:]) > 1
    )


def _is_image(tensor: Tensor, model: nn.Module) -> bool:
    """Three axes are an image if the model has a use for one."""
    first = _first_convolution(model, tensor.shape[-3])
    return tensor.dim() == 4 or (first is not None and first is _first_convolution(model))


def _given(tensor: Tensor, model: nn.Module, *, copy: bool) -> PassInputs:
    """The image with its grids."""
    first = _first_convolution(model, tensor.shape[-3])
    image = copied(tensor) if copy or tensor.is_inference() else tensor.detach()
    version = None if copy or tensor.is_inference() else image._version
    grids = () if first is None else _grids(first, image.shape[-2], image.shape[-1])
    return PassInputs(image if image.dim() == 4 else image[None], grids, version)


def image_of(given: PassInputs) -> Tensor | None:
    """The image as the pass was given it.

    Raises:
        FeatmagicError: it has been changed in place since, so that it can't be had any more.

    Example:
        >>> image_of(PassInputs(torch.zeros(1, 3, 8, 8))).shape
        torch.Size([1, 3, 8, 8])
    """
    if given.image is not None and given.version not in (None, given.image._version):
        raise FeatmagicError(
            "The input was changed in place after the pass, and a watch keeps no copy of it: "
            "%%featuremaps does."
        )
    return given.image


def _first_convolution(model: nn.Module, channels: int | None = None) -> nn.Conv2d | None:
    found = (module for module in model.modules() if isinstance(module, nn.Conv2d))
    return next((conv for conv in found if channels in (None, conv.in_channels)), None)


def _grids(conv: nn.Conv2d, height: int, width: int) -> tuple[Grid, ...]:
    """The grid that the convolution makes, and those of hierarchical models: halved, and again.

    Where patches don't divide the image, some models cut the rest off, as the convolution does, and
    others pad the image; both come.
    """
    steps = [int(step) for step in conv.stride]
    full = [ceil(side / step) * step for side, step in zip((height, width), steps, strict=True)]
    found = [_after(conv, height, width), _after(conv, *full)]
    while max(found[-1]) > 1:
        found += [(ceil(h / 2), ceil(w / 2)) for h, w in found[-2:]]
    return tuple(grid for grid in dict.fromkeys(found) if min(grid) > 0)


def _after(conv: nn.Conv2d, height: int, width: int) -> Grid:
    """The sides of what the convolution makes of an image."""
    if conv.padding == "same":
        return height, width
    pads = (0, 0) if isinstance(conv.padding, str) else conv.padding
    sides = zip((height, width), conv.kernel_size, conv.stride, pads, conv.dilation, strict=True)
    h, w = ((n + 2 * pad - hole * (k - 1) - 1) // step + 1 for n, k, step, pad, hole in sides)
    return h, w


def device_of(model: nn.Module) -> torch.device | None:
    """The one device of the model's parameters; of its buffers, where it has no parameters.

    Returns:
        None where there is none, or several (the model then places its own inputs), or "meta",
        where weights are only promised.

    Example:
        >>> device_of(nn.Linear(2, 2))
        device(type='cpu')
    """
    devices = {p.device for p in model.parameters()} or {b.device for b in model.buffers()}
    device = devices.pop() if len(devices) == 1 else None
    return None if device is None or device.type == "meta" else device


def move_to_device(
    device: torch.device, value: Any, moved: Counter[str], above: tuple[int, ...] = ()
) -> Any:
    """`value` with every tensor in it on `device`; the very same object where none had to move.

    Containers keep their type and the caller's own are never written to. `moved` counts what
    moved, by the device it came from.

    Example:
        >>> move_to_device(torch.device("cpu"), [torch.zeros(1)], Counter())
        [tensor([0.])]
    """
    if isinstance(value, (Tensor, PackedSequence)):
        source = value.device if isinstance(value, Tensor) else value.data.device
        if source == device:
            return value
        moved[str(source)] += 1
        tensor: Any = value
        return tensor.to(device)
    if id(value) in above:  # a list may hold itself
        return value
    above = (*above, id(value))
    parts = parts_of(value)
    there = {key: move_to_device(device, part, moved, above) for key, part in parts.items()}
    if all(there[key] is part for key, part in parts.items()):
        return value
    return _rebuilt(value, there)


def _rebuilt(value: Any, parts: dict[Any, Any]) -> Any:
    if isinstance(value, tuple):
        items = parts.values()
        return value._make(items) if hasattr(value, "_make") else type(value)(items)
    result = copy.copy(value)
    if isinstance(result, (MutableMapping, list)):
        for key, part in parts.items():
            result[key] = part
        return result
    if isinstance(result, Mapping):
        return type(value)(parts)
    for name, part in parts.items():
        object.__setattr__(result, name, part)
    return result
