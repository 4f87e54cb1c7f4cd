"""Cells that fail in every way a cell can, and interrupts: nothing is ever left behind."""

from __future__ import annotations

import random
import signal
import threading
import time

import torch
from helpers.networks import flags_of, hooks_on
from torch import nn
from torch.overrides import _get_current_function_mode_stack

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
