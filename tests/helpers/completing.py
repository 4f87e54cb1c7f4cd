"""A user's variables, and what completion suggests at a place in a line."""

from __future__ import annotations

from collections import OrderedDict

import pytest
import torch
from torch import nn

import featmagic
from featmagic.ipython.completion.matcher import HAS_MATCHERS
from featmagic.ipython.completion.suggest import Known, suggest
from helpers.networks import DNN, Block

needs_matchers = pytest.mark.skipif(
    not HAS_MATCHERS, reason="IPython before 8.6 has no matchers: no types, nobody kept silent"
)


def residual():
    """`layer1` with two blocks, as in torchvision's networks."""
    layer1 = nn.Sequential(Block(), Block())
    return nn.Sequential(OrderedDict(conv1=nn.Conv2d(4, 4, 3, padding=1), layer1=layer1))


class Trainer:
    ran = 0

    def __init__(self):
        self.model = residual()
        self.rate = 0.1
        self.stages = {"first": DNN(), "second.best": DNN(), 3: DNN(), "rate": 0.1}
        self.inner = Holder()
        self._private = DNN()

    @property
    def computed(self):
        type(self).ran += 1
        return self.model


class Holder:
    __slots__ = ("net",)
    of_class = nn.ReLU()

    def __init__(self):
        self.net = DNN()


def names():
    net = residual()
    return {
        "net": net,
        "parallel": nn.DataParallel(net),
        "trainer": Trainer(),
        "models": {"a": net, "my net": DNN(), "x": 1},
        "listed": [DNN(), net],
        "number": 3,
        "text": "model",
        "_hidden": DNN(),
    }


def at_cursor(line):
    """Return a line without the `|` that marks the cursor, and the cursor's position."""
    cursor = line.index("|")
    return line[:cursor] + line[cursor + 1 :], cursor


def suggested(line, **known):
    """Return the suggestions at the `|`, as types by text; None if it is left to IPython."""
    line, cursor = at_cursor(line)
    found = suggest(line, cursor, Known(**{"names": names(), **known}))
    if found is None:
        return None
    assert line[:cursor].endswith(found.fragment)
    return {item.text: item.type for item in found.items}


def captured():
    net = residual()
    wanted = ("conv1", "layer1.0.relu", "layer1")
    with featmagic.capture(net, *wanted) as maps:
        net(torch.zeros(1, 4, 8, 8))
    return maps
