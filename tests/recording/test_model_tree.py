"""The modules of a model by path, with wrappers looked through."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from featmagic.recording.model_tree import (
    ancestors,
    has_own_forward,
    is_compiled,
    is_torchscript,
    runs_compiled,
    unwrap,
    walk,
)


def paths(model):
    return [path for path, _ in walk(model)]


def test_every_module_comes_below_the_one_that_holds_it_and_under_each_of_its_names():
    shared = nn.Sequential(nn.ReLU())
    model = nn.Sequential(shared, nn.Sequential(shared, nn.Tanh()))
    assert paths(model) == [".", "0", "0.0", "1", "1.0", "1.0.0", "1.1"]
    tree = dict(walk(model))
    assert tree["."] is model
    assert tree["0"] is tree["1.0"] is shared


def test_a_place_without_a_module_and_a_child_that_refers_back_are_left_out():
    model = nn.Sequential(nn.ReLU())
    model.nothing = None
    model.register_module("empty", None)
    inner = nn.Sequential(nn.Tanh())
    inner.back = nn.DataParallel(model)
    model.inner = inner
    assert paths(model) == [".", "0", "inner", "inner.0"]


def test_wrappers_add_nothing_to_the_paths_in_them():
    core = nn.Sequential(nn.ReLU(), nn.Sequential(nn.Tanh()))
    wrapped = nn.DataParallel(nn.DataParallel(core))
    assert paths(wrapped) == paths(core)
    assert unwrap(wrapped) == [wrapped, wrapped.module, core]
    holding = nn.Sequential(nn.DataParallel(core))
    assert paths(holding) == [".", "0", "0.0", "0.1", "0.1.0"]
    assert dict(walk(holding))["0"] is holding[0]
    assert unwrap(core) == [core]


def test_a_class_of_the_users_is_no_wrapper_whatever_it_is_called():
    class DataParallel(nn.Module):
        def __init__(self):
            super().__init__()
            self.module = nn.ReLU()

    assert paths(DataParallel()) == [".", "module"]
    derived = type("Mine", (nn.DataParallel,), {})(nn.Sequential(nn.ReLU()))
    assert paths(derived) == [".", "0"]


def test_ancestors_lead_up_to_the_model():
    tree = {".", "a", "a.b", "a.b.c", "x.y", "x.y.z"}
    assert ancestors("a.b.c", tree) == ["a.b", "a", "."]
    assert ancestors("a", tree) == ["."]
    assert ancestors(".", tree) == []
    assert ancestors("x.y.z", tree) == ["x.y", "."]  # a name with a dot in it


def test_what_is_compiled_is_told_from_what_holds_it():
    inner = nn.Sequential(nn.ReLU())
    in_place = nn.Sequential(nn.Tanh())
    in_place.compile()
    model = nn.Sequential(torch.compile(inner), in_place, nn.Sequential(nn.ReLU()))
    tree = dict(walk(model))
    assert [is_compiled(tree[path]) for path in ("0", "1", "2", ".")] == [True, True, False, False]
    assert is_compiled(nn.DataParallel(torch.compile(nn.ReLU())))
    running = [path for path in tree if runs_compiled(path, tree)]
    # The wrapper of torch.compile is itself outside of what it compiles.
    assert running == ["0.0", "1", "1.0"]


def test_a_torchscript_module_is_one_whatever_made_it():
    plain = nn.Sequential(nn.ReLU())
    traced = torch.jit.trace(plain, torch.rand(2))
    assert [is_torchscript(m) for m in (traced, next(traced.children()), plain)] == [
        True,
        True,
        False,
    ]


@pytest.mark.parametrize("kind", [nn.ModuleList, nn.ModuleDict, nn.Module])
def test_what_only_holds_others_has_no_forward_of_its_own(kind):
    holder = kind()
    assert not has_own_forward(holder)
    holder.forward = lambda x: x
    assert has_own_forward(holder)
    assert has_own_forward(nn.ReLU())
    assert has_own_forward(nn.Sequential())
