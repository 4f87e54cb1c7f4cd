"""Small networks, and what is attached to a model."""

from __future__ import annotations

import torch
from torch import nn


class DNN(nn.Module):
    """The tutorial's network for 28 x 28 gray images of five characters."""

    def __init__(self):
        super().__init__()
        self.cnn1 = nn.Conv2d(1, 5, kernel_size=5)
        self.act1 = nn.LeakyReLU(0.01)
        self.pool1 = nn.MaxPool2d(2, 2)
        self.flat = nn.Flatten()
        self.fc1 = nn.Linear(5 * 12 * 12, 100)
        self.act2 = nn.ReLU()
        self.fc2 = nn.Linear(100, 5)

    def forward(self, x):
        x = self.pool1(self.act1(self.cnn1(x)))
        return self.fc2(self.act2(self.fc1(self.flat(x))))


class Block(nn.Module):
    """A residual block as in ResNet: one in-place ReLU called twice, and an in-place sum."""

    def __init__(self, channels=4):
        super().__init__()
        self.conv1 = nn.Conv2d(channels, channels, 3, padding=1)
        self.bn1 = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)
        self.conv2 = nn.Conv2d(channels, channels, 3, padding=1)
        self.bn2 = nn.BatchNorm2d(channels)

    def forward(self, x):
        identity = x
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.bn2(self.conv2(out))
        out += identity
        return self.relu(out)


class Failing(nn.Module):
    """Raise the given error in `forward`."""

    def __init__(self, error):
        super().__init__()
        self.error = error

    def forward(self, x):
        raise self.error


def hooks_on(model):
    """Return every hook on the model, including torch's tables about hooks."""
    tables = (
        "_forward_hooks",
        "_forward_pre_hooks",
        "_forward_hooks_with_kwargs",
        "_forward_hooks_always_called",
        "_forward_pre_hooks_with_kwargs",
        "_backward_hooks",
    )
    return [hook for m in model.modules() for name in tables for hook in vars(m)[name].values()]


def flags_of(model):
    return [module.training for module in model.modules()]


def images(n=1, seed=0):
    return torch.randn(n, 1, 28, 28, generator=torch.Generator().manual_seed(seed))
