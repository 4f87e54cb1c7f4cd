"""What featmagic does where torch lacks a private name that it uses."""

from __future__ import annotations

import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from helpers.networks import flags_of, hooks_on
from torch import nn

import featmagic
from featmagic.recording import torch_private
from featmagic.recording.model_tree import CAN_RUN_EAGER, unwrap

# Found when featmagic is imported.
NAMES = [
    "_C._is_tracing",
    "_C._get_dispatch_mode",
    "_C._TorchDispatchModeKey.PROXY",
    "_C._current_graph_task_id",
    "overrides._get_current_function_mode_stack",
    "_C.DisableTorchFunction",
    "_C._functorch.is_functorch_wrapped_tensor",
    "_C._functorch.is_batchedtensor",
    "_C._functorch.get_unwrapped",
    "_C._nn",
    "nn.modules.conv._ConvNd",
    "nn.modules.batchnorm._NormBase",
    "jit._recursive",
]

# Imports featmagic while one name of torch is deleted, and looks at a network.
PROGRAM = """
import functools, sys
import torch
from torch import nn

def check(path):
    *above, name = path.split(".")
    holder = functools.reduce(getattr, above, torch)
    kept = getattr(holder, name)
    for module in [module for module in sys.modules if module.split(".")[0] == "featmagic"]:
        del sys.modules[module]
    delattr(holder, name)
    try:
        import featmagic
        featmagic.capture
    finally:
        setattr(holder, name, kept)
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(inplace=True)).train()
    x = torch.rand(1, 1, 6, 6)
    with torch.no_grad():
        truth = nn.functional.conv2d(x, net[0].weight, net[0].bias)
    with featmagic.capture(net, "0", "1", fields=True) as maps:
        net(x)
    assert torch.equal(maps["0"], truth), path
    assert maps.kept.activations["0"].field is None or can_be_traced(path), path
    with featmagic.capture(net, "0", as_is=True) as maps:
        net(x).sum().backward()
    assert torch.equal(maps["0"], truth), path
    torch.jit.trace(net, x)
    assert maps.kept.activations["0"].hint.says[0].count == 2, path  # its channels are known
    assert all(module.training for module in net.modules()), path
    assert torch.is_grad_enabled(), path
    assert not torch.overrides._get_current_function_mode_stack(), path
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in net.modules())

def can_be_traced(path):
    return path not in ("overrides._get_current_function_mode_stack", "_C.DisableTorchFunction")

for path in sys.argv[1:]:
    check(path)
    print(path)
"""


def test_a_name_that_is_missing_costs_what_is_said_and_no_value():
    command = [sys.executable, "-W", "ignore", "-c", PROGRAM, *NAMES]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == NAMES


def look(model, x):
    """Look at a model whose hooks torch keeps elsewhere; return what came."""
    with featmagic.capture(model, "0") as maps:
        model(x)
    assert (hooks_on(model), flags_of(model)) == ([], [True] * 3)
    return maps


def test_hooks_that_torch_keeps_elsewhere_are_removed_by_their_handles(monkeypatch):
    model, x = nn.Sequential(nn.Linear(2, 2), nn.ReLU()).train(), torch.ones(1, 2)
    monkeypatch.setattr(torch_private, "_FORWARD", ("_gone",))
    monkeypatch.setattr(torch_private, "_BEFORE", ("_gone",))
    with torch.no_grad():
        assert torch.equal(look(model, x)["0"], model[0](x))


def test_hooks_of_the_users_and_of_a_look_never_take_each_others_place():
    model, x, seen = nn.Sequential(nn.Linear(2, 2), nn.ReLU()).eval(), torch.ones(1, 2), []

    def notes(what):
        return lambda *inputs: seen.append(what)

    def add(what):
        model[0].register_forward_pre_hook(notes(f"pre {what}"))
        model[0].register_forward_hook(notes(f"post {what}"))

    add("first")
    with featmagic.capture(model, "0", "1") as maps:
        add("second")
        with featmagic.capture(model, "0") as inner:
            add("third")
            model(x)
    order = [f"{when} {what}" for when in ("pre", "post") for what in ("first", "second", "third")]
    assert seen == order
    assert len(hooks_on(model)) == len(order)
    with torch.no_grad():
        truth = model[0](x)
    assert torch.equal(maps["0"], truth)
    assert torch.equal(inner["0"], truth)
    assert torch.equal(maps["1"], truth.relu())


def test_hooks_that_threads_put_on_at_the_same_time_never_take_each_others_place():
    module, meeting = nn.ReLU(), threading.Barrier(4)

    def add(_):
        meeting.wait()
        for _ in range(1000):
            torch_private.add_hook(module, lambda *_: None)
            module.register_forward_hook(lambda *_: None)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(4) as pool:
            list(pool.map(add, range(4)))
    finally:
        sys.setswitchinterval(before)
    assert len(hooks_on(module)) == 8000


@pytest.fixture
def compiled():
    if not CAN_RUN_EAGER:
        pytest.skip("this torch can't run compiled code eagerly")
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU()).train()
    compiled = torch.compile(model, backend="eager")
    compiled(torch.ones(1, 2))  # so that the compiler is loaded
    yield compiled
    torch.compiler.set_stance("default")


def test_a_stance_that_cannot_be_read_becomes_the_usual_one(compiled, monkeypatch):
    x, stance = torch.ones(1, 2), torch_private.stance
    monkeypatch.setattr(torch_private, "_STANCE", ("torch._dynamo.eval_frame", "_gone"))
    with featmagic.capture(compiled, "0") as maps:
        compiled(x)
    with torch.no_grad():
        assert torch.equal(maps["0"], compiled._orig_mod[0](x))
    monkeypatch.undo()
    assert stance().stance == "default"


@pytest.mark.parametrize("kind", ["default", "force_eager", "fail_on_recompile"])
def test_the_users_stance_comes_back_whichever_it_was(compiled, kind):
    torch.compiler.set_stance(kind)
    with featmagic.capture(compiled, "0"):
        assert torch_private.stance().stance == "force_eager"
    assert torch_private.stance().stance == kind


def test_a_stance_that_the_user_sets_in_the_block_stays(compiled):
    with featmagic.capture(compiled, "0"):
        torch.compiler.set_stance("fail_on_recompile")
    assert torch_private.stance().stance == "fail_on_recompile"


def test_without_callbacks_of_the_compiler_a_watch_still_gives_what_runs(compiled, monkeypatch):
    x = torch.ones(1, 2)
    monkeypatch.setattr(torch_private, "_CALLBACKS", ("torch._dynamo.callback", "_gone"))
    model = nn.Sequential(nn.Linear(2, 2))
    with featmagic.capture(model, "0", as_is=True) as maps:
        compiled(x)
        model(x)
    assert torch.equal(maps["0"], model(x))
    assert hooks_on(model) == []


class Elsewhere:
    """A module whose children, parameters and buffers can only be listed."""

    def __init__(self, module):
        self._module = module
        for name in ("named_children", "named_parameters", "buffers"):
            setattr(self, name, getattr(module, name))


def test_what_a_module_holds_is_listed_where_torch_keeps_it_elsewhere():
    module = nn.Sequential(nn.BatchNorm1d(3), nn.ReLU())
    elsewhere, norm = Elsewhere(module), Elsewhere(module[0])
    assert torch_private.children_of(elsewhere) == dict(torch_private.children_of(module))
    assert torch_private.parameter_of(norm, "weight") is module[0].weight
    assert torch_private.parameter_of(norm, "nothing") is None
    assert list(map(id, torch_private.buffers_of(norm))) == list(
        map(id, torch_private.buffers_of(module[0]))
    )


def test_without_versions_a_watch_copies_its_input_and_nothing_is_traced(monkeypatch, x):
    model = nn.Sequential(nn.Conv2d(1, 2, 3))
    for module in ("torch_private", "inputs"):
        monkeypatch.setattr(f"featmagic.recording.{module}.HAS_VERSIONS", False)
    given = x.clone()
    with featmagic.capture(model, "0", as_is=True) as maps:
        model(given)
    given.zero_()
    assert torch.equal(maps.kept.activations["0"].inputs.image, x)
    assert torch_private.version_of(x) == 0


def test_a_wrapper_without_its_attribute_is_a_module_like_any_other():
    wrapper = nn.DataParallel(nn.Sequential(nn.ReLU()))
    assert len(unwrap(wrapper)) == 2
    del wrapper._modules["module"]
    assert unwrap(wrapper) == [wrapper]


def test_marks_that_modules_lack_are_taken_for_unset():
    module = object()
    assert not torch_private.is_replica(nn.Identity())
    assert not torch_private.is_compiled_in_place(module)
    assert torch_private.has_one_projection(module)
    assert not torch_private.is_view_of(module, module)
