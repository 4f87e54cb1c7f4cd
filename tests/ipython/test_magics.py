"""What `%hook MODEL` lists: every layer with its class and its parameters."""

from __future__ import annotations

import re

from torch import nn


def listed(shell, model):
    shell.names["net"] = model
    *rows, _ = [re.split(r" {2,}", row.rstrip()) for row in shell.run("%hook net").splitlines()]
    return [(len(row) > 3 and not row[0], *row[-3:]) for row in rows]


def test_each_layer_is_listed_with_its_own_class_and_all_of_its_parameters(shell):
    inner = nn.Sequential(nn.Conv2d(3, 8, 5), nn.ReLU())
    model = nn.Sequential(inner, nn.DataParallel(nn.Linear(1000, 3)), nn.LazyLinear(2))
    assert listed(shell, model) == [
        (False, "0", "Sequential", "608"),
        (True, "0", "Conv2d 3→8, 5×5", "608"),
        (True, "1", "ReLU", "0"),
        (False, "1", "Linear 1,000→3", "3,003"),  # what a wrapper holds
        (False, "2", "LazyLinear ?→2", "not known yet"),
    ]


def test_a_layer_alone_has_nothing_below_it(shell):
    shell.names["net"] = nn.DataParallel(nn.ReLU())
    assert "ReLU has no layers below it" in shell.run("%hook net")
