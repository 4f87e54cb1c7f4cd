"""What `%hook MODEL` lists: every layer with its class and its parameters."""

from __future__ import annotations

from torch import nn


def listed(shell, model):
    shell.names["net"] = model
    rows = [line.split() for line in shell.run("%hook net").splitlines()]
    return {row[0]: (row[1], " ".join(row[2:])) for row in rows if row}


def test_each_layer_is_listed_with_its_own_class_and_all_of_its_parameters(shell):
    inner = nn.Sequential(nn.Conv2d(3, 8, 5), nn.ReLU())
    model = nn.Sequential(inner, nn.DataParallel(nn.Linear(1000, 3)), nn.LazyLinear(2))
    rows = listed(shell, model)
    assert list(rows) == ["0", "0.0", "0.1", "1", "2"]
    assert rows["0"] == ("Sequential", "608")
    assert rows["0.0"] == ("Conv2d", "608")
    assert rows["0.1"] == ("ReLU", "0")
    assert rows["1"] == ("Linear", "3,003")  # what a wrapper holds
    assert rows["2"] == ("LazyLinear", "not known yet")


def test_a_layer_alone_has_nothing_below_it(shell):
    shell.names["net"] = nn.DataParallel(nn.ReLU())
    assert "ReLU has no layers below it" in shell.run("%hook net")
