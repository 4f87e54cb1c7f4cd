"""Cells that fail in every way a cell can, and interrupts: nothing is ever left behind."""

from __future__ import annotations

import contextlib
import random
import signal
import threading
import time

import pytest
import torch
from helpers.networks import flags_of, hooks_on
from torch import nn
from torch.overrides import _get_current_function_mode_stack

import featmagic
from featmagic.recording.diagnostics import failing_layer, missing_lines, why_missing

GOOD = ["0", "1", "2", "*", "ReLU", ".", "2.0"]
BAD_LINES = [
    "model nope",
    "modle 0",
    "model 0 --nope",
    "model '0",
    "model 0 --sample x",
    "x 0",
    "model 0:0",
]
ENDINGS = [
    "await nothing()",
    "1 / 0",
    "raise KeyboardInterrupt",
    "model(broken)",
    "raise SystemError",
    "model(x)[99]",
]


STARTS = ["%%featuremaps ", "%%featuremaps --as-is ", "%hook ", "%featuremaps "]


def failing_cells(rng):
    """Yield cells that fail: each start with each line and each ending, in a random order."""
    lines = [*BAD_LINES, *(f"model {layer}" for layer in GOOD)]
    cells = [(start, line, rng.choice(ENDINGS)) for start in STARTS for line in lines]
    cells += [(start, f"model {rng.choice(GOOD)}", end) for start in STARTS for end in ENDINGS * 5]
    for start, line, ending in rng.sample(cells, len(cells)):
        if start == "%featuremaps ":
            yield f"{start}{line} -- {ending}"
        else:
            yield "\n".join([start + line, *["model(x)"] * rng.randrange(3), ending])


def test_cells_that_fail_in_every_way_leave_nothing(shell):
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True), nn.Sequential(nn.BatchNorm2d(2))
    )
    model[2].eval()
    flags = flags_of(model)
    shell.names.update(model=model, x=torch.ones(1, 1, 5, 5), broken=torch.ones(1))
    names = set(shell.names)
    statistics = {k: v.clone() for k, v in model.state_dict().items()}
    for cell in failing_cells(random.Random(0)):
        result, _ = shell.attempt(cell)
        assert not result.success, cell
        assert hooks_on(model) == [], cell
        assert flags_of(model) == flags, cell
        assert _get_current_function_mode_stack() == [], cell
        assert torch.is_grad_enabled()
    new = {name for name in set(shell.names) - names if not name.startswith("_")}
    assert new <= {"feature_maps"}
    assert all(torch.equal(v, statistics[k]) for k, v in model.state_dict().items())


def test_interrupts_at_any_moment_leave_nothing(shell, model):
    """Real signals, at moments of their own: while hooks go on, in the forward, while drawing."""
    rng = random.Random(1)
    flags, names = flags_of(model), set(shell.names)
    main = threading.main_thread().ident
    looks = {"interrupted": 0, "done": 0}
    for _ in range(150):
        timer = threading.Timer(rng.uniform(0, 0.02), signal.pthread_kill, (main, signal.SIGINT))
        try:
            timer.start()
            result, _ = shell.attempt("%%featuremaps model\nfor _ in range(3): model(x)")
            stopped = isinstance(result.error_in_exec, KeyboardInterrupt)
            looks["interrupted" if stopped else "done"] += 1
            timer.join()
            time.sleep(0.001)  # a signal on its way arrives here at the latest
        except KeyboardInterrupt:  # it hit IPython or this test
            timer.join()
        shell.attempt("pass")
        assert hooks_on(model) == []
        assert flags_of(model) == flags
        assert _get_current_function_mode_stack() == []
        assert torch.is_grad_enabled()
    assert looks["interrupted"] > 5, looks
    new = {name for name in set(shell.names) - names if not name.startswith("_")}
    assert new <= {"feature_maps"}
    shell.run("y = model(x)")


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
    assert "called 2 times" in seldom["used:3"]
    assert "called 1 time " in seldom["held.0:2"]
    wrapped = missing_in(nn.DataParallel(Odd()), "held")
    assert wrapped["held"].startswith("a ModuleList only holds other modules")


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
    assert first == f"{', '.join(f'a{n}' for n in range(8))}: nothing to show: asleep."
    assert second == "b: nothing to show: gone."
    (line,) = missing_lines({f"a{n}": "asleep" for n in range(10)})
    assert line.startswith(f"{', '.join(f'a{n}' for n in range(8))} and 2 more: ")


def test_a_key_that_is_not_there_is_answered_with_what_is():
    captured = {"lstm[0]": 0, "lstm[1][0]": 0, "lstm2": 0, "conv1": 0}
    assert why_missing("lstm", captured, {}) == "'lstm' gave several tensors: lstm[0], lstm[1][0]."
    assert why_missing("act", captured, {"act": "asleep"}) == "'act' gave nothing: asleep."
    assert why_missing("act", {}, {}).startswith("No 'act': no pass of the model was seen yet")
    near = why_missing("conv2", captured, {})
    assert near.startswith("No 'conv2' was captured. Did you mean conv1")
    assert near.endswith("There are: lstm[0], lstm[1][0], lstm2, conv1.")
    for count, more in ((20, ""), (21, " and 1 more"), (30, " and 10 more")):
        many = why_missing("zzz", {f"k{n}": 0 for n in range(count)}, {})
        assert many.endswith(f"k18, k19{more}.")


def test_the_innermost_layer_that_was_running_is_the_one_that_failed():
    class Broken(nn.Module):
        def forward(self, x):
            raise ValueError("no")

    inner = nn.Sequential(nn.ReLU(), Broken())
    model = nn.Sequential(nn.Linear(4, 4), nn.DataParallel(inner))
    for tried, name in ((model, "1.1 (Broken)"), (inner, "1 (Broken)"), (Broken(), "Broken")):
        with pytest.raises(ValueError, match="no") as caught:
            tried(torch.rand(1, 4))
        assert failing_layer(tried, caught.tb) == name
        assert failing_layer(nn.Linear(2, 2), caught.tb) is None
