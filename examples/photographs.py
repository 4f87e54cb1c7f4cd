"""Two photographs, and networks of torchvision to look at them.

The photographs are those that scikit-learn ships. The networks know ImageNet where its weights can
be downloaded; where they can't, they have random ones, the same each time.
"""

from __future__ import annotations

import io
import socket
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from http.client import HTTPException

import torch
from sklearn.datasets import load_sample_image
from torch import Tensor, nn
from torchvision.models import VGG16_Weights, get_model

NAMES = ("china.jpg", "flower.jpg")


def photographs() -> Tensor:
    """A temple and a flower, `(2, 3, 224, 224)`, as networks that know ImageNet take them."""
    prepare = VGG16_Weights.DEFAULT.transforms()
    pixels = (torch.from_numpy(load_sample_image(name).copy()) for name in NAMES)
    return torch.stack([prepare(one.permute(2, 0, 1)) for one in pixels])


def network(name: str) -> nn.Module:
    """A network of torchvision, ready to use; which weights it has is printed.

    Args:
        name: as torchvision has it, such as `resnet50`.
    """
    try:
        with _quiet(), _impatient(seconds=10):
            model = get_model(name, weights="DEFAULT", progress=False)
        print(f"{name}: weights trained on ImageNet")
    # a login page instead of the weights is a RuntimeError, because its hash is wrong
    except (OSError, HTTPException, RuntimeError) as error:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(0)
            model = get_model(name)
        print(f"{name}: random weights; the trained ones are out of reach ({type(error).__name__})")
    return model.eval()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch.hub's lines about what it downloads, and where to."""
    with redirect_stdout(io.StringIO()), redirect_stderr(io.StringIO()):
        yield


@contextmanager
def _impatient(seconds: float) -> Iterator[None]:
    """With a network that has to answer in time: torch.hub itself would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
