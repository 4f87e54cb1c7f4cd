"""TorchScript in a model, and TorchScript made of a model while it is looked at."""

from __future__ import annotations

import re

import pytest
import torch
from helpers.networks import hooks_on
from torch import nn
from torch.jit import _recursive

import featmagic
from featmagic.recording.model_tree import has_own_forward
from featmagic.recording.selectors import select_all

pytestmark = pytest.mark.filterwarnings("ignore:.*torch.jit:FutureWarning")
ONE_PROGRAM = "it is inside TorchScript, which runs as one program"


class Mixed(nn.Module):
    """Modules of Python around scripted and traced ones."""

    def __init__(self):
        super().__init__()
        self.first = nn.Conv2d(1, 2, 3)
        self.scripted = torch.jit.script(nn.Sequential(nn.Conv2d(2, 2, 3), nn.ReLU()))
        self.traced = torch.jit.trace(nn.Sequential(nn.Conv2d(2, 2, 1)), torch.ones(1, 2, 4, 4))
        self.holder = torch.jit.script(nn.ModuleList([nn.ReLU()]))
        self.last = nn.Conv2d(2, 1, 1)

    def forward(self, x):
        return self.last(self.traced(self.scripted(self.first(x))))


@pytest.fixture
def mixed():
    return Mixed().eval()


@pytest.fixture
def image():
    return torch.rand(1, 1, 12, 12)


def in_torchscript(mixed):
    return {
        path for path, _ in mixed.named_modules()
        if path.split(".")[0] in ("scripted", "traced", "holder")
    }  # fmt: skip


def test_a_list_in_torchscript_only_holds_others(mixed):
    assert has_own_forward(mixed.scripted)
    assert has_own_forward(mixed.traced)
    assert not has_own_forward(mixed.holder)


@pytest.mark.parametrize(
    "layers", [(), ("*",), ("Module",), ("scripted", "first"), ("scripted.0", "last")], ids=str
)
def test_what_is_in_python_is_captured_and_the_rest_is_said_to_be_one_program(mixed, image, layers):
    if layers == ("Module",):
        layers = tuple(select_all(mixed).asked)
    with torch.no_grad():
        truth = {"first": mixed.first(image), "last": mixed(image)}
    with featmagic.capture(mixed, *layers) as maps:
        mixed(image)
    assert maps
    assert all(torch.equal(maps[key], truth[key]) for key in maps)
    assert maps.missing
    assert set(maps.missing) <= in_torchscript(mixed)
    assert set(maps.missing.values()) == {ONE_PROGRAM}
    assert hooks_on(mixed) == []


def test_the_overview_shows_the_others_and_says_so(shell, mixed, image):
    shell.names.update(mixed=mixed, image=image)
    printed = shell.run("%%featuremaps mixed --overview\nmixed(image);")
    assert "2 layers" in printed
    assert ONE_PROGRAM in printed
    listed = shell.run("%hook mixed")
    assert "RecursiveScriptModule" in listed


def test_a_model_of_torchscript_alone_says_that_there_is_nothing(shell, mixed, image):
    shell.names.update(mixed=nn.Sequential(mixed.scripted), image=torch.rand(1, 2, 8, 8))
    printed = shell.run("%%featuremaps mixed --overview\nmixed(image);")
    assert ONE_PROGRAM in printed


@pytest.mark.parametrize("as_is", [False, True], ids=["look", "watch"])
def test_a_model_is_scripted_while_it_is_looked_at_as_it_is_without(model, x, as_is):
    model.eval()
    model.register_buffer("scale", torch.ones(1))
    plain = torch.jit.script(model)
    with featmagic.capture(model, "cnn1", ".", as_is=as_is) as maps:
        hooks = hooks_on(model)
        scripted = torch.jit.script(model)
        assert hooks_on(model) == hooks
        y = model(x)
    assert str(scripted.inlined_graph) == str(plain.inlined_graph)
    assert scripted.code == plain.code
    assert list(maps) == ["cnn1", "."]
    assert torch.equal(scripted(x), plain(x))
    assert torch.equal(maps["."], y)
    assert hooks_on(model) == []


def test_a_pass_that_only_a_scripted_copy_ran_is_named(model, x):
    with featmagic.capture(model, "cnn1") as maps:
        torch.jit.script(model)(x)
    assert not maps
    assert "it was copied during the run" in maps.missing["cnn1"]


def test_a_model_is_traced_while_it_is_looked_at_as_it_is_without(model, x):
    model.eval()
    with torch.no_grad():
        plain = torch.jit.trace(model, x)
    with featmagic.capture(model, "cnn1") as maps:
        traced = torch.jit.trace(model, x)
    graphs = [re.sub(r"_mangle_\d+", "", str(made.inlined_graph)) for made in (traced, plain)]
    assert graphs[0] == graphs[1]
    assert not maps.missing


def test_a_part_of_the_model_may_be_scripted_and_the_users_hooks_keep_their_places(model, x):
    order = []

    def early(module, inputs):  # torch can't compile it: scripting fails as it does without us
        order.append("early")

    for number in range(2):
        model.register_forward_hook(lambda *_, number=number: order.append(number))
    model.cnn1.register_forward_pre_hook(early)
    with featmagic.capture(model, "cnn1", "."):
        hooks = hooks_on(model)
        torch.jit.script(model.act1)
        with pytest.raises(RuntimeError) as caught:
            torch.jit.script(model)
        assert "Hook" not in str(caught.value)
        assert hooks_on(model) == hooks
        model(x)
    assert order == ["early", 0, 1]


def test_torch_is_as_it_was_when_the_last_look_is_over(model):
    before = _recursive.create_script_module
    first, second = featmagic.capture(model, "cnn1"), featmagic.capture(model, "fc2")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    torch.jit.script(model)
    second.__exit__(None, None, None)
    torch.set_grad_enabled(True)  # closed in the wrong order
    assert _recursive.create_script_module is before


def test_hooks_that_come_off_meanwhile_are_not_put_back(model, monkeypatch):
    look = featmagic.capture(model, "cnn1")
    look.__enter__()
    plain = _recursive.create_script_module.__globals__["_create_script_module"]

    def end_the_look(*args, **kwargs):
        look.__exit__(None, None, None)
        return plain(*args, **kwargs)

    monkeypatch.setattr("featmagic.recording.scripting._create_script_module", end_the_look)
    torch.jit.script(model)
    assert hooks_on(model) == []
