"""Compiled models, TorchScript and exported programs."""

from __future__ import annotations

import copy
import subprocess
import sys
import warnings
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from helpers.networks import Block, hooks_on
from torch import nn

import featmagic
from featmagic import FeatmagicError
from featmagic.recording import torch_private
from featmagic.recording.model_tree import CAN_RUN_EAGER
from featmagic.recording.receptive_field.tracer import constants_of

needs_stance = pytest.mark.skipif(not CAN_RUN_EAGER, reason="this torch can't run compiled eagerly")


class Counter:
    """A backend for `torch.compile` that runs the graph as it is and counts compilations."""

    def __init__(self):
        self.count = 0

    def __call__(self, graph, inputs):
        self.count += 1
        return graph.forward


def wrapped(model, backend):
    return torch.compile(model, backend=backend)


def in_place(model, backend):
    model.compile(backend=backend)
    return model


@pytest.fixture(autouse=True)
def _fresh_dynamo():
    torch._dynamo.reset()


@pytest.fixture
def block():
    return Block().eval()


@pytest.fixture
def z():
    return torch.randn(1, 4, 8, 8)


@needs_stance
@pytest.mark.parametrize("compiled", [wrapped, in_place])
def test_a_look_sees_into_a_model_compiled_and_run_before(block, z, compiled):
    plain, backend = copy.deepcopy(block), Counter()
    with featmagic.capture(plain, "conv1", "relu") as truth:
        plain(z)
    model = compiled(block, backend)
    with torch.no_grad():
        model(z)
        before = backend.count
        with featmagic.capture(model, "conv1", "relu") as maps:
            model(z)
        model(z)
    assert list(maps) == ["conv1", "relu", "relu:2"]
    assert all(torch.equal(maps[key], truth[key]) for key in truth)
    assert backend.count == before
    assert hooks_on(model) == []


@needs_stance
@pytest.mark.parametrize("first_ends_first", [True, False])
def test_of_two_looks_that_overlap_the_last_to_end_leaves_compiled_code_compiled(
    block, z, first_ends_first
):
    backend = Counter()
    model = wrapped(block, backend)
    with torch.no_grad():
        model(z)
        looks = [featmagic.capture(model, "conv1"), featmagic.capture(model, "conv1")]
        maps = [look.__enter__() for look in looks]
        ends, stays = (0, 1) if first_ends_first else (1, 0)
        looks[ends].__exit__(None, None, None)
        model(z)
        looks[stays].__exit__(None, None, None)
        model(z)
    assert list(maps[stays]) == ["conv1"]
    assert list(maps[ends]) == []
    assert backend.count == 1
    assert hooks_on(model) == []
    assert torch_private.stance().stance == "default"


@needs_stance
def test_a_look_sees_into_a_compiled_function_that_calls_the_model(block, z):
    step = torch.compile(lambda v: block(v) + 1, backend="eager")
    step(z)
    with featmagic.capture(block, "conv1") as maps:
        step(z)
    with torch.no_grad():
        assert torch.equal(maps["conv1"], block.conv1(z))


@pytest.mark.parametrize("compiled", [wrapped, in_place])
@pytest.mark.parametrize("runs_before", [0, 1])
def test_a_watch_leaves_compiled_code_compiled(block, z, compiled, runs_before):
    """A hook on a compiled module has it compiled anew, until torch gives up on it."""
    backend = Counter()
    model = compiled(block, backend)
    for _ in range(runs_before):
        model(z)
    for _ in range(12):
        with featmagic.capture(model, "conv1", as_is=True) as maps:
            model(z)
        model(z)
    assert backend.count == 1
    assert "the model is compiled" in maps.missing["conv1"]
    with pytest.raises(KeyError, match="compiled code runs no hook"):
        maps["conv1"]


def test_a_compiled_model_as_a_whole_is_seen_by_a_watch(block, z):
    model = wrapped(block, "eager")
    model(z)
    with featmagic.capture(model, ".", as_is=True) as maps:
        y = model(z)
    assert torch.equal(maps["."], y)


@pytest.mark.parametrize("compiled", [wrapped, in_place])
def test_hook_says_that_a_compiled_model_gives_nothing_and_names_the_look(shell, compiled, z):
    model = compiled(Block().eval(), "eager")
    model(z)
    shell.names.update(model=model, z=z)
    printed = shell.run("%hook model conv1")
    printed += shell.run("y = model(z)") + shell.run("y = model(z)")
    assert printed.count("Nothing captured from conv1 of model: the model is compiled") == 1
    assert "%%featuremaps" in printed or not CAN_RUN_EAGER
    if CAN_RUN_EAGER:
        assert "conv1  Conv2d" in shell.run("%%featuremaps\nmodel(z);")


def test_a_compiled_model_has_the_plain_names_and_class(shell):
    shell.names["model"] = torch.compile(Block(), backend="eager")
    assert shell.run("%hook model").split()[:2] == ["conv1", "Conv2d"]
    assert "Block has no layer 'conv3'" in str(shell.error("%hook model conv3"))


def test_training_flags_of_a_compiled_model_are_put_back(z):
    model = torch.compile(Block().train(), backend="eager")
    model._orig_mod.bn1.eval()
    with featmagic.capture(model, "conv1"):
        assert not model._orig_mod.training
    assert model._orig_mod.training
    assert not model._orig_mod.bn1.training


@pytest.mark.parametrize(
    "make", [torch.jit.script, lambda m: torch.jit.trace(m, torch.ones(1, 4, 8, 8))]
)
def test_torchscript_is_refused_at_once(shell, make):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        scripted = make(nn.Sequential(nn.Conv2d(4, 4, 3)))
    shell.names["scripted"] = scripted
    error = shell.error("%%featuremaps scripted 0\n1")
    assert isinstance(error, FeatmagicError)
    assert "scripted is TorchScript" in str(error)
    assert "feature_maps" not in shell.names


def test_a_part_that_is_torchscript_gives_the_reason(z):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = nn.Sequential(torch.jit.script(nn.Sequential(nn.Conv2d(4, 4, 3))), nn.ReLU())
    with featmagic.capture(model, "0.0", "1") as maps:
        model(z)
    assert list(maps) == ["1"]
    assert "TorchScript" in maps.missing["0.0"]


def test_an_exported_program_gives_the_reason(z):
    program = torch.export.export(nn.Sequential(nn.Conv2d(4, 4, 3), nn.ReLU()), (z,)).module()
    with featmagic.capture(program, "0") as maps:
        program(z)
    assert "exported program" in maps.missing["0"]


def exports(block, z, strict):
    return str(torch.export.export(block, (z,), strict=strict).graph)


@pytest.mark.parametrize("strict", [True, False])
def test_exporting_under_a_watch_gives_what_it_gives_without(block, z, strict):
    plain = exports(block, z, strict)
    try:
        with block.register_forward_hook(lambda *_: None):
            exports(block, z, strict)
    except AssertionError as error:
        pytest.skip(f"this torch exports no model that has a hook, whosoever's: {error}")
    with featmagic.capture(block, "conv1", as_is=True):
        watched = exports(block, z, strict)
    assert plain == watched


def test_tracing_under_a_watch_gives_what_it_gives_without(block):
    plain = torch.fx.symbolic_trace(block)
    with featmagic.capture(block, "conv1", as_is=True):
        watched = torch.fx.symbolic_trace(block)
    assert str(plain.graph) == str(watched.graph)


def function(model, backend):
    return torch.compile(lambda z: model(z) + 1, backend=backend)


@pytest.mark.parametrize("compiled", [function, wrapped])
@pytest.mark.parametrize("runs_before", [0, 1])
def test_compiling_what_calls_a_watched_model_happens_once(block, z, compiled, runs_before):
    """The watched model is the plain one; what runs it is compiled while it is watched."""
    backend = Counter()
    step = compiled(block, backend)
    for _ in range(runs_before):
        step(z)
    for _ in range(12):
        with featmagic.capture(block, "conv1", as_is=True):
            step(z)
        step(z)
    assert backend.count == 1
    assert hooks_on(block) == []
    with featmagic.capture(block, "conv1", as_is=True) as maps:
        block(z)
    assert list(maps) == ["conv1"]


def test_a_watch_sees_what_is_compiled_in_the_cell_or_says_that_it_does_not(shell, z):
    shell.names.update(block=Block().eval(), z=z)
    shell.run("%hook block conv1")
    printed = shell.run(
        "step = torch.compile(lambda z: block(z) + 1, backend='eager')\ny = step(z)"
    )
    if not list(shell.names["feature_maps"]):  # torch 2.4 calls what it is compiling
        assert "a pass of block in there can't be observed" in printed
        assert "%%featuremaps" in printed


def test_no_listener_for_compilations_is_left(block, z):
    from torch._dynamo.callback import callback_handler

    before = (list(callback_handler.start_callbacks), list(callback_handler.end_callbacks))
    with featmagic.capture(block, "conv1", as_is=True):
        block(z)
    assert (callback_handler.start_callbacks, callback_handler.end_callbacks) == before


@needs_stance
def test_the_first_compilation_in_a_look_says_to_run_the_cell_again():
    """A process of its own: elsewhere dynamo is loaded already."""
    program = (
        "import torch\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "ip = InteractiveShell.instance()\n"
        "ip.run_line_magic('load_ext', 'featmagic')\n"
        "ip.user_ns.update(torch=torch, model=torch.nn.Sequential(torch.nn.ReLU()))\n"
        "look = '%%featuremaps model 0\\nm = torch.compile(model, backend=\"eager\")\\n'\n"
        "look += 'm(torch.ones(1, 2, 3, 3));'\n"
        "print(ip.run_cell(look).error_in_exec)\n"
        "print(ip.run_cell(look).error_in_exec)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "torch compiled code for the first time" in done.stdout
    assert done.stdout.rstrip().endswith("None")
    assert "0  ReLU  (1, 2, 3, 3)" in done.stdout


@needs_stance
def test_captures_that_overlap_leave_compilation_as_it_was(block, z):
    first, second = featmagic.capture(block, "conv1"), featmagic.capture(block, "bn1")
    with torch.no_grad():
        first.__enter__()
        second.__enter__()
        first.__exit__(None, None, None)
        second.__exit__(None, None, None)

    def look(_):
        with featmagic.capture(block, "conv1"):
            block(z)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(look, range(40)))
    backend = Counter()
    torch.compile(block, backend=backend)(z)
    assert backend.count == 1
    assert torch.is_grad_enabled()


def test_what_torch_would_compile_anew_is_not_traced(block, monkeypatch):
    """As in torch before 2.6, which can't run compiled code as plain Python."""
    compiled = wrapped(block, Counter())
    assert constants_of([block]) is not None
    assert (constants_of([compiled]) is not None) is CAN_RUN_EAGER
    monkeypatch.setattr("featmagic.recording.receptive_field.tracer.CAN_RUN_EAGER", False)
    assert constants_of([block]) is not None
    assert constants_of([block, compiled]) is None
