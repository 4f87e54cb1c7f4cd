"""The inputs of a pass: its image, and the patch grids of tokens."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from math import ceil
from typing import Any

import torch
from torch import Tensor, nn

from featmagic.recording.model_tree import modules_of
from featmagic.recording.pytree import computes_itself, copied, tensors_in
from featmagic.recording.torch_private import HAS_VERSIONS, version_of
from featmagic.support.errors import FeatmagicError

Grid = tuple[int, int]

_PIXEL_DTYPES = (torch.uint8, torch.float16, torch.bfloat16, torch.float32, torch.float64)


@dataclass(frozen=True, eq=False)
class PassInputs:
    """What the model was given in a pass.

    Attributes:
        image: the first image in the model's arguments, `(N, C, H, W)`. A watch, which must not
            slow a training loop down, keeps the tensor itself; a look keeps a copy.
        grids: the patch grids (height, width) on which image tokens may lie, the likeliest first.
        version: the version that the tensor itself had when the model was called; if it has
            changed since, so have the values. None for a copy.
    """

    image: Tensor | None = None
    grids: tuple[Grid, ...] = ()
    version: int | None = None


def pass_inputs(model: nn.Module, args: Any, kwargs: Any, *, copy: bool = True) -> PassInputs:
    """Return what a call of the model is given; never fails, whatever the arguments are."""
    tensor = image_in(model, args, kwargs)
    if tensor is None:
        return PassInputs()
    try:
        is_copy = copy or tensor.is_inference() or not HAS_VERSIONS
        image = copied(tensor) if is_copy else tensor.detach()
        version = None if is_copy else version_of(image)
        convolution = _first_convolution(model, tensor.shape[-3])
        grids = () if convolution is None else _grids(convolution, *image.shape[-2:])
        return PassInputs(image if image.dim() == 4 else image[None], grids, version)
    except Exception:  # inside torch.vmap there is no whole tensor
        return PassInputs()


def image_of(inputs: PassInputs) -> Tensor | None:
    """Return the image with the values that it had when the model was called, or None.

    Raises:
        FeatmagicError: it was changed in place since, and no copy was kept.
    """
    image, version = inputs.image, inputs.version
    if image is not None and version is not None and version != version_of(image):
        raise FeatmagicError(
            "The input was changed in place after the pass, and %hook keeps no copy of it; "
            "%%featuremaps does."
        )
    return image


def image_in(model: nn.Module, args: Any, kwargs: Any) -> Tensor | None:
    """Return the first image in the arguments of a call of the model, not a copy; or None."""
    for name, tensor in tensors_in((args, kwargs)):
        # A tensor of the user's class may raise anything when asked for its shape.
        with suppress(Exception):
            if "mask" not in name and _has_pixels(tensor) and _is_image(tensor, model):
                return tensor
    return None


def _has_pixels(tensor: Tensor) -> bool:
    return (
        not computes_itself(tensor)
        and tensor.dtype in _PIXEL_DTYPES
        and tensor.layout is torch.strided
        and not tensor.is_meta
        and tensor.dim() in (3, 4)
        and tensor.shape[-3] in (1, 3, 4)
        and min(tensor.shape[-2:]) > 1
    )


def _is_image(tensor: Tensor, model: nn.Module) -> bool:
    """Return True for four axes; for three only if the model begins with a convolution of them."""
    fitting = _first_convolution(model, tensor.shape[-3])
    return tensor.dim() == 4 or (fitting is not None and fitting is _first_convolution(model))


def _first_convolution(model: nn.Module, channels: int | None = None) -> nn.Conv2d | None:
    convolutions = (module for module in modules_of(model) if isinstance(module, nn.Conv2d))
    return next((c for c in convolutions if channels in (None, c.in_channels)), None)


def _grids(convolution: nn.Conv2d, height: int, width: int) -> tuple[Grid, ...]:
    """Return the grid of the convolution's output, and those of hierarchical models: its halves.

    Where the patches don't divide the image, some models cut the rest off, as the convolution
    does, and others pad the image; both grids are returned.
    """
    sides = zip((height, width), convolution.stride, strict=True)
    padded = [ceil(side / stride) * stride for side, stride in sides]
    grids = [_output_grid(convolution, height, width), _output_grid(convolution, *padded)]
    while max(grids[-1]) > 1:
        grids += [(ceil(h / 2), ceil(w / 2)) for h, w in grids[-2:]]
    return tuple(grid for grid in dict.fromkeys(grids) if min(grid) > 0)


def _output_grid(convolution: nn.Conv2d, height: int, width: int) -> Grid:
    """Return the height and width of the convolution's output."""
    if convolution.padding == "same":
        return height, width
    padding = (0, 0) if isinstance(convolution.padding, str) else convolution.padding
    kernel, dilation = convolution.kernel_size, convolution.dilation
    windows = [dilation[axis] * (kernel[axis] - 1) + 1 for axis in (0, 1)]
    return (
        (height + 2 * padding[0] - windows[0]) // convolution.stride[0] + 1,
        (width + 2 * padding[1] - windows[1]) // convolution.stride[1] + 1,
    )
