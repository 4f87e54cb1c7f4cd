"""Expected values and colors of the tutorial's network, computed without featmagic."""

from __future__ import annotations

import re

import matplotlib
import numpy as np
import torch
from torch.nn import functional

from helpers.networks import DNN, images

HALF_A_LEVEL = 0.5 / 239  # a picture has 240 levels


def model_and_images():
    """Return a network and 501 images that are the same in every process."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        return DNN(), images(501)


def layers_of(model, image):
    """Return the layers' outputs for an image `(1, 28, 28)`, computed without calling a layer."""
    with torch.no_grad():
        cnn1 = functional.conv2d(image[None], model.cnn1.weight, model.cnn1.bias)
        act1 = torch.where(cnn1 > 0, cnn1, cnn1 * 0.01)
        pool1 = act1.unfold(2, 2, 2).unfold(3, 2, 2).amax((-1, -2))
        fc1 = pool1.reshape(1, -1) @ model.fc1.weight.T + model.fc1.bias
        act2 = fc1 * (fc1 > 0)
        fc2 = act2 @ model.fc2.weight.T + model.fc2.bias
    layers = {"cnn1": cnn1, "act1": act1, "pool1": pool1, "fc1": fc1, "act2": act2, "fc2": fc2}
    return {name: values[0].numpy() for name, values in layers.items()}


def ranges_of(planes):
    """Return the range of each plane."""
    return [(plane.min(), plane.max()) for plane in planes]


def centered(values):
    """Return the range around 0 that contains the values."""
    most = np.abs(values).max()
    return -most, most


def possible_colors(values, ends, cmap):
    """Return the colors within half a level of each value's color, `(3, ..., RGB)`."""
    low, high = ends
    table = matplotlib.colormaps[cmap](np.arange(256), bytes=True)[:, :3]
    place = (values.astype(np.float64) - low) / (high - low)
    slack = HALF_A_LEVEL + 1e-5
    first, last = (
        np.floor((place + shift) * 256).clip(0, 255).astype(int) for shift in (-slack, slack)
    )
    return np.stack([table[np.minimum(first + step, last)] for step in range(3)])


def wrong_pixels(pixels, possible):
    """Count the pixels `(..., RGB)` that have none of their possible colors."""
    return int((~(possible == pixels).all(-1).any(0)).sum())


# What begins a line of a caption but its first: the layout, the range, or what may be wrong.
_GOES_ON = r"[A-Z]{1,5}, \d+ of |no finite|\S+ [▁-█…]+ \S+, mean|\d+ (?:constant|NaN|inf|val|near)"


def unwrapped(text):
    """Return printed captions with each wrapped caption in one line."""
    text = text.replace("\r", "").replace(",\n    ", ", ").replace("\n  ", " · ")
    return re.sub(rf"\n(?={_GOES_ON})", " · ", text)
