"""The tutorial's session, as cells of a notebook."""

from __future__ import annotations

NETWORK = """\
import asyncio, time
import torch
from torch import nn

class DNN(nn.Module):
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

from helpers.expected import model_and_images
like, x = model_and_images()
model = DNN()
model.load_state_dict(like.state_dict())
"""
LOOK = "%%featuremaps model {}\nmodel(x[500].unsqueeze(0));"
