"""A failing forward: the layer, what it was given and what it takes, read from the traceback."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial

import numpy as np
import pytest
import torch
from helpers.networks import DNN, Block, Failing, hooks_on
from torch import nn

import featmagic
from featmagic.recording.failure import failure_in, failure_line
from featmagic.recording.recorder import Recorder
from featmagic.recording.selectors import select

KEPT = "The layers before it are kept."


def told(model, *args, layers=(), as_is=False, error=Exception, **kwargs):
    """Run a model that fails, as a look does; return what is said of it."""
    recorder = Recorder(select(model, layers), as_is=as_is)
    with pytest.raises(error) as raised, recorder:
        model(*args, **kwargs)
    line = failure_line(recorder, raised.value, KEPT)
    assert line is None or "\n" not in line
    return line


class Joins(nn.Module):
    """Concatenates what it was given with what its convolution made of it."""

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 4, 3)

    def forward(self, x):
        y = self.conv(x)
        return torch.cat([x, y], 1)


def test_a_layer_says_what_it_was_given_and_what_it_takes():
    model = nn.Sequential(nn.Conv2d(1, 5, 5), nn.ModuleDict({"fc": nn.Linear(512, 2)})["fc"])
    assert told(model, torch.rand(1, 1, 28, 28)) == (
        "1 (Linear) failed: it received (1, 5, 24, 24) float32 cpu, but expects (…, 512) float32 "
        f"cpu. {KEPT}"
    )


def test_the_likely_fix_follows():
    model = nn.Sequential(nn.Conv2d(1, 5, 5), nn.Linear(5 * 24 * 24, 2))
    assert told(model, torch.rand(1, 1, 28, 28)) == (
        "1 (Linear) failed: it received (1, 5, 24, 24) float32 cpu, but expects (…, 2880) float32 "
        f"cpu. Flatten it first: torch.flatten(x, 1). {KEPT}"
    )


def test_the_first_layer_says_nothing_of_layers_before_it():
    line = told(nn.Sequential(nn.Conv2d(3, 5, 5)), torch.rand(1, 28, 28, 3))
    assert line == (
        "0 (Conv2d) failed: it received (1, 28, 28, 3) float32 cpu, but expects (N, 3, H, W) "
        "float32 cpu. Channels must come second: x.permute(0, 3, 1, 2)."
    )


def test_a_model_without_layers_is_called_by_its_class():
    assert told(nn.Linear(4, 2), torch.rand(1, 3)) == (
        "Linear failed: it received (1, 3) float32 cpu, but expects (…, 4) float32 cpu."
    )


def test_indices_are_told_with_their_range():
    assert told(nn.Sequential(nn.Embedding(10, 4)), torch.tensor([[3, 10]])) == (
        "0 (Embedding) failed: it received (1, 2) int64 cpu with values from 3 to 10, but expects "
        "integers from 0 to 9 on cpu."
    )


def test_several_tensors_go_by_the_names_of_the_arguments():
    query, key = torch.rand(3, 1, 8), torch.rand(3, 1, 7).double()
    line = told(nn.MultiheadAttention(8, 2), query, key=key, value=query)
    assert line == (
        "MultiheadAttention failed: it received query (3, 1, 8) float32 cpu, key (3, 1, 7) "
        "float64 cpu, value (3, 1, 8) float32 cpu, but expects query (L, N, 8), key (S, N, 8), "
        "value (S, N, 8) float32 cpu."
    )
    state = torch.zeros(1, 2, 5)
    line = told(nn.LSTM(8, 4), torch.rand(3, 2, 8), (state, state))
    assert (
        "it received input (3, 2, 8), hx[0] (1, 2, 5), hx[1] (1, 2, 5) float32 cpu, but expects"
    ) in line
    assert "(L, N, 8) and states (1, N, 4) float32 cpu" in line


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ((np.zeros((1, 4)),), "a NumPy array"),
        (([1.0],), "a list"),
        ((None,), "None"),
        ((), "nothing"),
        ((torch.zeros(1, 4),) * 2, "argument 1 (1, 4), argument 2 (1, 4) float32 cpu"),
    ],
)
def test_other_arguments_are_told_by_their_kind(args, words):
    line = told(nn.Linear(4, 2), *args)
    assert line.startswith(f"Linear failed: it received {words}, but expects (…, 4) float32 cpu.")


def test_between_layers_the_block_says_what_its_tensors_are_and_what_returned_last():
    line = told(nn.Sequential(Joins()), torch.rand(1, 1, 28, 28), layers=["0.conv"])
    assert line == (
        "0 (Joins) failed in its own code: it received (1, 1, 28, 28) float32 cpu. In the line "
        "that failed, x is (1, 1, 28, 28) and y is (1, 4, 26, 26). The last layer captured before "
        f"it, 0.conv, returned (1, 4, 26, 26). {KEPT}"
    )


def test_a_block_in_place_of_its_parameters_names_them():
    class Positions(nn.Module):
        def __init__(self):
            super().__init__()
            self.position = nn.Parameter(torch.zeros(1, 9, 4))

        def forward(self, x):
            return x + self.position

    line = told(nn.Sequential(nn.ReLU(), Positions()), torch.rand(1, 8, 4))
    assert "1 (Positions) failed in its own code: it received (1, 8, 4) float32 cpu. " in line
    assert "In the line that failed, x is (1, 8, 4) and self.position is (1, 9, 4)." in line
    assert f"The last layer captured before it, 0, returned (1, 8, 4). {KEPT}" in line


def test_parameters_of_a_blocks_own_that_do_not_fit_are_told():
    class Scaled(nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.Parameter(torch.zeros(4, 4).half())

        def forward(self, x):
            return x @ self.scale

    line = told(Scaled(), torch.rand(1, 4))
    assert line.startswith(
        "Scaled failed in its own code: it received (1, 4) float32 cpu, and its own parameters "
        "are float16 cpu."
    )


def test_a_module_that_is_none_of_the_submodules_is_told_apart():
    class Hidden(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = [nn.Linear(3, 4)]

        def forward(self, x):
            return self.layers[0](x)

    assert told(nn.Sequential(Hidden()), torch.rand(1, 5)) == (
        "A Linear in 0 (Hidden) failed: it received (1, 5) float32 cpu, but expects (…, 3) float32 "
        "cpu."
    )


def test_a_forward_that_was_called_directly_is_found():
    class Direct(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 4)

        def forward(self, x):
            return self.fc.forward(x)

    assert told(Direct(), torch.rand(1, 5)) == (
        "fc (Linear) failed: it received (1, 5) float32 cpu, but expects (…, 3) float32 cpu."
    )


def fails(*_):
    raise ValueError("a hook")


class Called:
    __call__ = fails


@pytest.mark.parametrize(
    "hook", [fails, lambda *_: fails(), partial(fails, 1), Called()], ids=lambda h: type(h).__name__
)
@pytest.mark.parametrize("before", [True, False])
def test_a_hook_of_the_users_is_told_from_the_layer(hook, before):
    model = nn.Sequential(nn.ReLU(), nn.Tanh())
    put = model[1].register_forward_pre_hook if before else model[1].register_forward_hook
    put(hook)
    assert told(model, torch.rand(1, 5)) == f"A hook on 1 (Tanh) failed. {KEPT}"


def test_an_interrupt_and_too_little_memory_have_their_own_words():
    model = nn.Sequential(nn.ReLU(), Failing(KeyboardInterrupt()))
    line = told(model, torch.rand(1, 5), error=KeyboardInterrupt)
    assert line == f"The forward pass was interrupted in 1 (Failing). {KEPT}"
    for error in (MemoryError(), RuntimeError("CUDA out of memory. Tried to allocate 20.00 GiB.")):
        line = told(nn.Sequential(nn.ReLU(), Failing(error)), torch.rand(1, 5))
        assert line == (f"Out of memory in 1 (Failing), which received (1, 5) float32 cpu. {KEPT}")


@pytest.mark.parametrize("error", [SystemExit, GeneratorExit, asyncio.CancelledError])
def test_what_ends_a_program_or_a_task_is_no_failure(error):
    assert told(nn.Sequential(Failing(error())), torch.rand(1), error=error) is None


def test_an_error_from_elsewhere_is_not_the_models():
    model = nn.Sequential(nn.ReLU())
    recorder = Recorder(select(model, ()))
    other = nn.Sequential(Failing(ValueError("another")))
    with pytest.raises(ValueError, match="another") as raised, recorder:
        other(model(torch.rand(1)))
    assert failure_line(recorder, raised.value, KEPT) is None


def test_an_error_that_the_users_code_wraps_is_found_as_its_cause():
    model = nn.Sequential(nn.Linear(3, 2))
    recorder = Recorder(select(model, ()))

    def predict(x):
        try:
            return model(x)
        except RuntimeError as error:
            raise OSError("wrapped") from error

    with pytest.raises(OSError, match="wrapped") as raised, recorder:
        predict(torch.rand(1, 4))
    assert failure_line(recorder, raised.value, KEPT).startswith("0 (Linear) failed: it received")
    raised.value.__cause__.__cause__ = raised.value
    raised.value.__cause__.__traceback__ = None
    assert failure_line(recorder, raised.value, KEPT) is None  # and the circle ends


def test_a_model_that_runs_layers_in_threads_of_its_own_is_read_as_well():
    class Threaded(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(3, 2)

        def forward(self, x):
            with ThreadPoolExecutor(1) as pool:
                return pool.submit(self.fc, x).result()

    line = told(Threaded(), torch.rand(1, 4))
    assert line.startswith("fc (Linear) failed: it received (1, 4) float32 cpu, but expects (…, 3)")


def test_the_innermost_layer_is_found_in_wrappers():
    class Broken(nn.Module):
        def forward(self, x):
            raise ValueError("no")

    inner = nn.Sequential(nn.ReLU(), Broken())
    model = nn.Sequential(nn.Linear(4, 4), nn.DataParallel(inner))
    for tried, name in ((model, "1.1 (Broken)"), (inner, "1 (Broken)"), (Broken(), "Broken")):
        with pytest.raises(ValueError, match="no") as caught:
            tried(torch.rand(1, 4))
        assert failure_in(tried, caught.value).name == name
        assert failure_in(nn.Linear(2, 2), caught.value) is None


def test_objects_that_raise_errors_when_asked_leave_the_name_of_the_layer():
    model = nn.Sequential(Failing(ValueError("mine")))

    class Odd(torch.Tensor):
        @property
        def shape(self):
            raise OSError

    line = told(model, torch.rand(1).as_subclass(Odd), as_is=True)
    assert line.startswith("0 (Failing) failed")


def test_a_forward_that_changes_its_arguments_does_not_change_what_is_told():
    class Rebinds(nn.Module):
        def forward(self, x):
            x = x.flatten()
            raise ValueError("mine")

    assert "it received (2, 3) float32 cpu" in told(Rebinds(), torch.rand(2, 3))


def test_capture_says_the_same_and_keeps_what_ran_before():
    model = DNN()
    with pytest.raises(RuntimeError) as raised, featmagic.capture(model, "cnn1", "fc1") as maps:
        model(torch.rand(1, 1, 28, 20))
    line = (
        "featmagic: fc1 (Linear) failed: it received (1, 480) float32 cpu, but expects (…, 720) "
        "float32 cpu. The layers captured before it are kept; .show() shows them."
    )
    if sys.version_info >= (3, 11):
        assert raised.value.__notes__ == [line]
    assert list(maps) == ["cnn1"]
    assert maps.missing == {"fc1": "the pass failed before it returned"}
    [(caption, png)] = maps.pictures()
    assert caption.startswith("cnn1")
    assert png
    assert hooks_on(model) == []


SCRIPT = """
import featmagic, torch
from torch import nn
model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Linear(3, 3))
with featmagic.capture(model{layers}{options}) as maps:
    {line}
"""


@pytest.mark.parametrize("options", ["", ", fields=True", ", as_is=True"])
def test_a_scripts_traceback_has_no_frame_of_featmagic(options, tmp_path):
    said = traceback_of(tmp_path, "", options, "model(torch.rand(1, 1, 8, 8))")
    assert "RuntimeError: mat1 and mat2" in said
    assert "1 (Linear) failed: it received (1, 2, 6, 6) float32 cpu" in said
    assert "/featmagic/" not in said.replace("\\", "/")


def test_a_mistake_in_a_script_ends_in_the_users_own_line(tmp_path):
    said = traceback_of(tmp_path, ", 'nope'", "", "pass")
    assert "FeatmagicError: Sequential has no layer 'nope'." in said
    if sys.version_info >= (3, 11):  # Python 3.10 shows one frame
        assert "/featmagic/" not in said.replace("\\", "/")


def traceback_of(folder, layers, options, line):
    script = folder / "script.py"
    script.write_text(SCRIPT.format(layers=layers, options=options, line=line))
    done = subprocess.run(
        [sys.executable, str(script)], capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 1
    return done.stdout + done.stderr


def test_a_residual_block_tells_both_sides_of_its_sum():
    block = Block(4)
    block.conv2 = nn.Conv2d(4, 4, 3)
    line = told(block, torch.rand(1, 4, 8, 8))
    assert "In the line that failed, out is (1, 4, 6, 6) and identity is (1, 4, 8, 8)." in line
    assert "The last layer captured before it, bn2, returned (1, 4, 6, 6)." in line
