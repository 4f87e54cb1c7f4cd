"""The input images that an explorer lays channels over."""

from __future__ import annotations

from featmagic.images import Images, images, resized
from featmagic.mosaic import Pixels
from featmagic.options.view import View
from featmagic.recording.inputs import image_of
from featmagic.recording.records import Activation
from featmagic.support.errors import FeatmagicError

_LONGEST = 448  # pixels a side: more than an explorer has room for


def picture(activation: Activation, sample: int, view: View) -> tuple[Pixels | None, str]:
    """The input that the activation's sample came from, and what was done to it.

    Returns:
        Pixels `(h, w, 3)`, no side longer than 448; None where the pass had no input like an
        image, with the reason where that can be mended.

    Example:
        >>> import torch
        >>> picture(Activation("act", "act", "ReLU", 1, torch.zeros(1, 1, 2, 2)), 0, View())
        (None, '')
    """
    try:
        image = image_of(activation.given)
        if image is None or sample >= len(image):
            return None, ""
        found = images(image, (sample,), view)
    except FeatmagicError as error:
        return None, str(error)
    return _within(found), found.words


def size_of_input(activation: Activation) -> tuple[int, int] | None:
    """Height and width of the pass's image, or None.

    Example:
        >>> import torch
        >>> size_of_input(Activation("act", "act", "ReLU", 1, torch.zeros(1, 1, 2, 2)))
    """
    image = activation.given.image
    return None if image is None else (image.shape[-2], image.shape[-1])


def _within(found: Images) -> Pixels:
    height, width = found.pixels.shape[2:]
    scale = min(1.0, _LONGEST / max(height, width))
    sides = [max(1, round(side * scale)) for side in (height, width)]
    pixels: Pixels = resized(found, sides[0], sides[1])[0]
    return pixels
