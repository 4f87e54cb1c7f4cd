"""The sizes of a module in the words of the field."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from featmagic.recording.module_sizes import sizes_of

CASES = [
    (nn.Conv2d(3, 64, 7, stride=2), "3→64, 7×7, stride 2"),
    (nn.Conv2d(3, 64, (3, 5), stride=(1, 2)), "3→64, 3×5, stride 1×2"),
    (nn.Conv2d(8, 8, 3, groups=8, dilation=11), "8→8, 3×3, dilation 11, depthwise"),
    (nn.Conv2d(8, 16, 3, groups=2), "8→16, 3×3, 2 groups"),
    (nn.Conv1d(2, 3, 5), "2→3, 5"),
    (nn.ConvTranspose3d(4, 2, 2, stride=2), "4→2, 2×2×2, stride 2"),
    (nn.LazyConv2d(4, 3), "?→4, 3×3"),
    (nn.Linear(25088, 4096), "25,088→4,096"),
    (nn.LazyLinear(3), "?→3"),
    (nn.Bilinear(2, 3, 4), "2+3→4"),
    (nn.BatchNorm2d(64), "64"),
    (nn.LazyBatchNorm1d(), "?"),
    (nn.LayerNorm((8, 6)), "8×6"),
    (nn.GroupNorm(8, 64), "64, 8 groups"),
    (nn.Embedding(30522, 768), "30,522→768"),
    (nn.MultiheadAttention(64, 8), "64, 8 heads"),
    (nn.LSTM(4, 3, 2, bidirectional=True), "4→3, 2 layers, bidirectional"),
    (nn.GRUCell(2, 3), "2→3"),
    (nn.MaxPool2d(3, 2), "3×3, stride 2"),
    (nn.AvgPool1d(4), "4"),
    (nn.AdaptiveAvgPool2d((None, 7)), "→?×7"),
    (nn.Dropout2d(0.25), "p=0.25"),
    (nn.ReLU(inplace=True), ""),
    (nn.LeakyReLU(0.1), "negative_slope=0.1"),
    (nn.Sequential(nn.Linear(1, 1)), ""),
]


@pytest.mark.parametrize(("module", "sizes"), CASES, ids=lambda value: type(value).__name__)
def test_the_sizes_that_matter_are_told_in_a_few_words(module, sizes):
    assert sizes_of(module) == sizes


def test_a_class_of_the_users_is_described_by_itself_or_by_its_parameters():
    class Scale(nn.Module):
        def __init__(self):
            super().__init__()
            self.gamma = nn.Parameter(torch.ones(4, 3))

    class Told(Scale):
        def extra_repr(self):
            return "gain=4"

    class Fails(Scale):
        def extra_repr(self):
            raise RuntimeError

    assert [sizes_of(kind()) for kind in (Scale, Told, Fails)] == ["4×3", "gain=4", ""]
