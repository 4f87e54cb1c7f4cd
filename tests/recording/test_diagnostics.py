"""Why a layer has no output, in words."""

from __future__ import annotations

import contextlib

import pytest
import torch
from torch import nn

import featmagic
from featmagic.recording.diagnostics import missing_lines, why_missing
from featmagic.recording.records import Activation

EMPTY = torch.zeros(0)


def missing_in(model, *layers, run=lambda model: model(torch.rand(1, 4)), **options):
    with featmagic.capture(model, *layers, **options) as maps, contextlib.suppress(RuntimeError):
        run(model)
    return maps.missing


def test_a_layer_that_was_not_called_is_told_from_one_that_was_called_too_seldom():
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.unused = nn.Linear(4, 4), nn.Linear(4, 4)
            self.held = nn.ModuleList([nn.ReLU()])

        def forward(self, x):
            return self.held[0](self.used(self.used(x)))

    told = missing_in(Odd(), "used", "used:2", "unused", "held")
    assert set(told) == {"unused", "held"}
    assert told["unused"].startswith("it was not called in the last pass")
    assert told["held"].startswith("a ModuleList only holds other modules")
    seldom = missing_in(Odd(), "used:3", "used:7", "held.0:2")
    assert set(seldom) == {"used:3", "used:7", "held.0:2"}
    assert "called only 2 times" in seldom["used:3"]
    assert "called only once " in seldom["held.0:2"]
    wrapped = missing_in(nn.DataParallel(Odd()), "held")
    assert wrapped["held"].startswith("a ModuleList only holds other modules")


@pytest.mark.parametrize("as_is", [False, True])
@pytest.mark.parametrize("runs", [False, True])
def test_a_layer_that_is_taken_out_or_replaced_in_the_block_says_so(runs, as_is):
    def change(model):
        del model.last
        model.first = nn.Linear(4, 4)
        if runs:
            model(torch.rand(1, 4))

    model = nn.Sequential()
    for name in ("first", "middle", "last"):
        model.add_module(name, nn.Sequential(nn.Linear(4, 4)))
    told = missing_in(model, "**", run=change, as_is=as_is)
    assert set(told) == ({"first", "first.0", "last", "last.0"} if runs else set())
    assert all("removed from the model" in reason for reason in told.values())


def test_a_layer_behind_a_failure_and_one_whose_weights_are_used_have_their_own_reasons():
    failing = nn.Sequential(nn.Linear(4, 4), nn.Linear(5, 4), nn.ReLU())
    assert missing_in(failing, "0", "2") == {"2": "the pass failed before it returned"}
    attention = nn.MultiheadAttention(4, 2)
    model = nn.ModuleDict({"attention": attention})
    model.forward = lambda x: attention(x, x, x)
    told = missing_in(model, "attention.out_proj")
    assert "a MultiheadAttention, uses its weights" in told["attention.out_proj"]


def test_a_traced_part_and_an_exported_program_say_that_they_run_as_one():
    traced = torch.jit.trace(nn.Sequential(nn.ReLU()), torch.rand(1, 4))
    told = missing_in(nn.Sequential(nn.Linear(4, 4), traced), "0", "1.0")
    assert set(told) == {"1.0"}
    assert "TorchScript" in told["1.0"]
    plain = torch.fx.symbolic_trace(nn.Sequential(nn.Linear(4, 4), nn.ReLU()))
    assert missing_in(plain, "0", "1") == {}  # it calls its sub-modules


def test_lines_about_missing_layers_share_a_reason_and_name_eight():
    missing = {f"a{n}": "asleep" for n in range(8)} | {"b": "gone"}
    first, second = missing_lines(missing)
    assert first == f"Nothing captured from {', '.join(f'a{n}' for n in range(8))}: asleep."
    assert second == "Nothing captured from b: gone."
    (line,) = missing_lines({f"a{n}": "asleep" for n in range(10)})
    assert line.startswith(
        f"Nothing captured from {', '.join(f'a{n}' for n in range(8))} and 2 more: "
    )


def test_a_key_that_is_not_there_is_answered_with_what_is():
    keys = ["lstm[0]", "lstm[1][0]", "lstm2", "conv1"]
    captured = {key: Activation(key, key.partition("[")[0], "Some", 1, EMPTY) for key in keys}
    assert why_missing("lstm", captured, {}) == (
        "'lstm' returned several tensors: lstm[0], lstm[1][0]."
    )
    assert why_missing("act", captured, {"act": "asleep"}) == "Nothing captured from 'act': asleep."
    assert why_missing("act", {}, {}).startswith(
        "No 'act': no pass of the model has been captured yet"
    )
    near = why_missing("conv2", captured, {})
    assert near.startswith("No 'conv2' was captured. Did you mean conv1")
    assert near.endswith("Captured: lstm[0], lstm[1][0], lstm2, conv1.")
    for count, more in ((20, ""), (21, " and 1 more"), (30, " and 10 more")):
        keys = [f"k{n}" for n in range(count)]
        many = why_missing("zzz", {key: Activation(key, key, "Some", 1, EMPTY) for key in keys}, {})
        assert many.endswith(f"k18, k19{more}.")
