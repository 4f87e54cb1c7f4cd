"""The input of a pass as an image."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import interpolate

from featmagic.options.view import View
from featmagic.planes.dtypes import Pixels
from featmagic.planes.measurements import Array, finite_range, to_host
from featmagic.recording.inputs import image_of
from featmagic.recording.records import Activation
from featmagic.support.errors import FeatmagicError

# ImageNet's, as torchvision's own weights were trained with (torchvision.transforms.Normalize).
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)

_SLACK = 0.01  # resampling exceeds the range of an image a little
_LONGEST = 448  # pixels a side: the explorer has no room for more


@dataclass(frozen=True, eq=False)
class InputImages:
    """Input images on their device, ready to be resized.

    Attributes:
        pixels: `(S, 3, H, W)` float32, 0 to 1.
        words: what was undone or stretched, for the caption.
    """

    pixels: Tensor
    words: str


def input_images(image: Tensor | None, samples: tuple[int, ...], view: View) -> InputImages:
    """Return the input images of the samples; of the first, if none is named.

    Args:
        image: the pass's input, `(N, C, H, W)`; None if none looks like an image.
        samples: which of them.
        view: its `mean` and `std` undo a normalization. Without them ImageNet's is undone if the
            values lie in its range; 0 to 1, -1 to 1 and uint8 are shown as they are, anything else
            is stretched.

    Raises:
        FeatmagicError: there is no image, or no such sample of it.
    """
    if image is None:
        raise FeatmagicError(
            "The pass had no image-like input (N, 1 or 3, H, W) for --input or --overlay, "
            "or the model itself wasn't called."
        )
    wanted = list(samples or (0,))
    if max(wanted) >= len(image):
        raise FeatmagicError(f"No input image {max(wanted)}: the pass was given {len(image)}.")
    unit, words = _unit(image[wanted][:, :3], image[:, :3], view)
    return InputImages(unit.clamp_(0, 1).expand(-1, 3, -1, -1), words)


def _unit(pixels: Tensor, batch: Tensor, view: View) -> tuple[Tensor, str]:
    """Scale the pixels to 0 to 1, and say how; the range of the whole batch decides."""
    if pixels.dtype == torch.uint8:
        return pixels.float() / 255, "input as it is"
    pixels = pixels.float()
    if view.mean is not None or view.std is not None:
        mean, std = view.mean or (0.0,), view.std or (1.0,)
        return _undone(pixels, mean, std), "input shown with --mean and --std undone"
    colors = pixels.shape[1]
    (ends,) = to_host(finite_range(batch, (0, 2, 3)))
    pixels, least, most = pixels.nan_to_num(0), ends["low"].min(), ends["high"].max()
    if least > most:
        return torch.zeros_like(pixels), "input without a finite value"
    if least >= -_SLACK and most <= 1 + _SLACK:
        return pixels, "input as it is"
    if least >= -1 - _SLACK and most <= 1 + _SLACK:
        return (pixels + 1) / 2, "input from -1 … 1"
    if colors == 3 and _is_imagenets(**ends):
        words = "input shown with ImageNet normalization undone"
        return _undone(pixels, IMAGENET_MEAN, IMAGENET_STD), words
    if least >= 0 and 32 < most <= 255:
        return pixels / 255, "input from 0 … 255"
    span = most - least if most > least else 1.0
    stretched = ((pixels - least) / span).nan_to_num(0)
    return stretched, f"input stretched from {least:.3g} … {most:.3g}"


def _is_imagenets(low: Array, high: Array) -> bool:
    """Return True if every color is within what ImageNet's normalization makes of 0 to 1."""
    mean, std = np.array(IMAGENET_MEAN), np.array(IMAGENET_STD)
    undone = np.stack([low, high]) * std + mean
    return bool(undone.min() >= -_SLACK and undone.max() <= 1 + _SLACK)


def _undone(pixels: Tensor, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    factor, offset = (pixels.new_tensor(part).view(1, -1, 1, 1) for part in (std, mean))
    return pixels * factor + offset


def resize(images: InputImages, height: int, width: int) -> Pixels:
    """Resize the images to `(S, height, width, 3)`, by averages if smaller, else by repetition."""
    smaller = height < images.pixels.shape[2] or width < images.pixels.shape[3]
    if smaller:
        resized = interpolate(images.pixels, (height, width), mode="bilinear", antialias=True)
    else:
        resized = interpolate(images.pixels, (height, width), mode="nearest")
    pixels = (resized.clamp(0, 1) * 255).round().to(torch.uint8).permute(0, 2, 3, 1)
    result: Pixels = pixels.contiguous().cpu().numpy()
    return result


def fit(images: InputImages, side: int, highest: int | None = None) -> Pixels:
    """Resize the images as large as fits, `(S, h, w, 3)`; small ones by a whole number.

    No side is longer than `side`, and none is taller than `highest`.
    """
    height, width = images.pixels.shape[2:]
    scale = min(side / max(height, width), (highest or side) / height)
    scale = int(scale) if scale >= 1 else scale
    return resize(images, max(1, round(height * scale)), max(1, round(width * scale)))


def explorer_image(activation: Activation, sample: int, view: View) -> tuple[Pixels | None, str]:
    """Return the input image `(h, w, 3)` of the activation's sample, and what was done to it.

    It is None if the pass had no input like an image, with the reason if the user can do something
    about it.
    """
    try:
        image = image_of(activation.inputs)
        if image is None or sample >= len(image):
            return None, ""
        images = input_images(image, (sample,), view)
    except FeatmagicError as error:
        return None, str(error)
    return fit(images, min(_LONGEST, max(images.pixels.shape[2:])))[0], images.words
