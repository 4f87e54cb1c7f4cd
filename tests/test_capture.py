"""`capture` takes names, modules and collections of them, and says how it is meant."""

from __future__ import annotations

import asyncio
import copy
import pickle
import re
from collections import OrderedDict
from contextlib import ExitStack

import pytest
import torch
from helpers.networks import DNN
from IPython.core.formatters import DisplayFormatter
from torch import nn

import featmagic
from featmagic import capture
from featmagic.support.errors import FeatmagicError


class Net(nn.Module):
    """A list of blocks, a module that has two names, and one that is in a dict."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Linear(4, 4)
        self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(4, 4), nn.ReLU()) for _ in range(3)])
        self.again = self.stem
        self.heads = nn.ModuleDict({"a": nn.Linear(4, 2), "b": nn.Linear(4, 3)})

    def forward(self, x):
        x = self.again(self.stem(x))
        for block in self.blocks:
            x = block(x)
        return [head(x) for head in self.heads.values()]


@pytest.fixture
def net():
    torch.manual_seed(0)
    return Net()


X = torch.linspace(-1, 1, 8).reshape(2, 4)


def taken(net, *layers):
    with capture(net, *layers) as maps:
        net(X)
    return list(maps)


@pytest.mark.parametrize(
    ("layers", "keys"),
    [
        (lambda net: [["stem", "heads.a"]], ["stem", "stem:2", "heads.a"]),
        (lambda net: [("blocks.0", "blocks.1")], ["blocks.0", "blocks.1"]),
        (lambda net: [f"blocks.{n}" for n in range(2)], ["blocks.0", "blocks.1"]),
        (lambda net: [(f"blocks.{n}" for n in range(2))], ["blocks.0", "blocks.1"]),
        (lambda net: [net.blocks[1]], ["blocks.1"]),
        (lambda net: [net.blocks[1], "heads.a"], ["blocks.1", "heads.a"]),
        (lambda net: [[net.blocks[0][1], "heads.b"]], ["blocks.0.1", "heads.b"]),
        (lambda net: [net.blocks], ["blocks.0", "blocks.1", "blocks.2"]),
        (lambda net: [net.blocks[1:]], ["blocks.1", "blocks.2"]),
        (lambda net: [net.heads], ["heads.a", "heads.b"]),
        (lambda net: [net.heads.values()], ["heads.a", "heads.b"]),
        (lambda net: [iter(net.blocks[0])], ["blocks.0.0", "blocks.0.1"]),
        (lambda net: [[["heads.a"], (net.heads["b"],)]], ["heads.a", "heads.b"]),
        (lambda net: [{net.heads["a"]}], ["heads.a"]),
        (lambda net: [["**.1"], "heads.*"], [*(f"blocks.{n}.1" for n in range(3)), "blocks.1"]),
        (lambda net: [m for m in net.modules() if isinstance(m, nn.ReLU)], None),
        (lambda net: [net.again], ["stem", "stem:2"]),  # by its first name
        (lambda net: [net], [".[0]", ".[1]"]),
        (lambda net: [["relu", "stem"][1:]], ["stem", "stem:2"]),
    ],
)
def test_layers_are_names_modules_and_collections_of_them(net, layers, keys):
    if keys is None:
        keys = [f"blocks.{n}.1" for n in range(3)]
    if keys[-1:] == ["blocks.1"] and len(keys) == 4:
        keys = ["blocks.0.1", "blocks.1.1", "blocks.1", "blocks.2.1", "heads.a", "heads.b"]
    assert taken(net, *layers(net)) == keys


def test_named_modules_may_be_given_as_torch_gives_them(net):
    assert taken(net, net.named_children()) == taken(net, "stem", net.blocks, net.heads)


def test_a_module_of_a_wrapped_model_is_found_behind_its_wrapper():
    inner = DNN()
    wrapped = nn.DataParallel(inner)
    with capture(wrapped, inner.cnn1, inner) as maps:
        wrapped(torch.zeros(1, 1, 28, 28))
    assert list(maps) == ["cnn1", "."]


def test_a_module_that_is_equal_to_another_one_is_told_from_it():
    class Equal(nn.Linear):
        def __eq__(self, other):
            return isinstance(other, Equal)

        def __hash__(self):
            return 1

    net = nn.Sequential(Equal(4, 4), Equal(4, 4))
    with capture(net, net[1]) as maps:
        net(X)
    assert list(maps) == ["1"]
    with pytest.raises(FeatmagicError, match="This Equal isn't a module of the"):
        capture(net, Equal(4, 4))


def test_a_module_that_is_not_in_the_model_is_refused_with_what_there_is(net):
    with pytest.raises(FeatmagicError) as caught:
        capture(net, nn.Linear(4, 4))
    assert str(caught.value) == (
        "This Linear isn't a module of the Net: pass one of its modules or "
        "their names, such as 'stem', 'blocks.0.0', 'blocks.1.0'."
    )
    with pytest.raises(FeatmagicError, match=r"This Tanh isn't .*, such as 'stem', 'blocks', "):
        capture(net, [nn.Tanh()])
    with pytest.raises(FeatmagicError, match=r"isn't a module of the Net"):
        capture(net, Net())


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        (0, "Layer names must be strings, not 0; use '0'."),
        (None, "Layer names must be strings, not None."),
        (2.5, "Layer names must be strings, not a float."),
        (b"stem", "Layer names must be strings, not a bytes."),
        (nn.Linear, "Layer names must be strings, not the class Linear; use 'Linear'."),
        (X, "Layer names must be strings, not a Tensor; run the model on it in the `with` block."),
        (["stem", 3], "Layer names must be strings, not 3; use '3'."),
        ([], "This list of layers is empty: omit it to capture the model's direct children."),
        ((n for n in ()), (
            "This generator of layers is empty: omit it to capture the model's direct "
            "children."
        )),
    ],
)  # fmt: skip
def test_what_is_no_layer_is_refused(net, layer, message):
    with pytest.raises(FeatmagicError) as caught:
        capture(net, layer)
    assert str(caught.value) == message


def test_a_list_that_contains_itself_has_an_end(net):
    endless = ["stem"]
    endless.append(endless)
    with pytest.raises(FeatmagicError, match="more than 100 collections"):
        capture(net, endless)


def test_an_error_in_a_generator_is_the_users_own(net):
    with pytest.raises(ZeroDivisionError):
        capture(net, (1 / 0 for _ in range(1)))


@pytest.mark.parametrize(
    ("model", "message"),
    [
        ("model", "model: expected an nn.Module, got a str; pass the model itself."),
        (DNN, "model: expected an nn.Module, got the class DNN; pass a model, such as DNN()."),
        (None, "model: expected an nn.Module, got a NoneType; pass the model itself."),
    ],
)
def test_what_is_no_model_is_refused(model, message):
    with pytest.raises(FeatmagicError) as caught:
        capture(model, "cnn1")
    assert str(caught.value) == message


# Misuse

USAGE = (
    'capture(...) is a context manager: write `with featmagic.capture(model, "stem") as '
    "feature_maps: model(x)`, then feature_maps"
)


async def asynchronous(maps):
    async with maps:
        pass


@pytest.mark.parametrize(
    ("misuse", "then"),
    [
        (lambda maps: maps(X), ".show()"),
        (lambda maps: maps(lambda: None), ".show()"),
        (lambda maps: maps.show(), ".show()"),
        (lambda maps: maps.save("a.png"), ".save()"),
        (lambda maps: maps.passes, ".passes"),
        (lambda maps: maps.keys(), ".keys()"),
        (lambda maps: maps.tensors, ".show()"),
        (lambda maps: maps["stem"], '["stem"]'),
        (lambda maps: maps[0], ".show()"),
        (lambda maps: list(maps), ".show()"),
        (lambda maps: dict(maps), ".show()"),
        (lambda maps: "stem" in maps, ".show()"),
        (lambda maps: asyncio.run(asynchronous(maps)), ".show()"),
    ],
)
def test_any_other_use_is_answered_with_how_it_is_meant(net, misuse, then):
    with pytest.raises(FeatmagicError) as caught:
        misuse(capture(net, "stem"))
    assert str(caught.value) == f"{USAGE}{then}."
    assert isinstance(caught.value, (TypeError, AttributeError))
    assert not any(module._forward_hooks for module in net.modules())


def test_a_function_is_not_decorated(net):
    with pytest.raises(FeatmagicError, match=re.escape("is a context manager")):

        @capture(net, "stem")
        def run():
            net(X)


@pytest.mark.parametrize(
    ("layers", "written"),
    [
        ((), "model"),
        (("stem", "heads.a"), 'model, "stem", "heads.a"'),
        ((["stem"],), "model, ..."),
        (("stem", "again", "heads.a", "heads.b"), 'model, "stem", "again", "heads.a", ...'),
    ],
)
def test_the_answer_has_the_layers_that_were_given(net, layers, written):
    assert f"`with featmagic.capture({written}) as feature_maps:" in repr(capture(net, *layers))


def test_what_python_and_front_ends_ask_of_any_object_is_answered_as_usual(net):
    made = capture(net, "stem")
    assert not hasattr(made, "show")
    assert not hasattr(made, "_repr_html_")
    assert not hasattr(made, "__array__")
    assert getattr(made, "shape", None) is None
    assert bool(made)
    assert repr(made) == f"<{USAGE}.show().>"
    bundle, _ = DisplayFormatter().format(made)
    assert bundle == {"text/plain": repr(made)}
    for twin in (copy.copy(made), copy.deepcopy(made), pickle.loads(pickle.dumps(made))):
        with twin as maps:
            twin._selection.model(X)
        assert list(maps) == ["stem", "stem:2"]


# One capture for several blocks


def test_each_block_of_a_capture_has_its_own_maps(net):
    again = capture(net, "stem")
    with again as first:
        net(X)
    kept = first["stem"].clone()
    with again as second:
        net(-X)
    assert torch.equal(first["stem"], kept)
    assert torch.equal(second["stem"], torch.nn.functional.linear(-X, *net.stem.parameters()))
    with again as third:
        pass
    assert list(third) == []
    assert list(second) == ["stem", "stem:2"]


def test_a_capture_may_be_used_again_after_an_error(net):
    again = capture(net, "stem")
    with pytest.raises(RuntimeError, match="shapes"), again:
        net(X[:, :3])
    assert not any(module._forward_hooks for module in net.modules())
    with again as maps:
        net(X)
    assert list(maps) == ["stem", "stem:2"]
    assert net.training


def test_a_block_in_a_block_of_the_same_capture_is_refused_and_the_outer_one_goes_on(net):
    outer = capture(net, "stem")
    with outer as maps:
        with pytest.raises(FeatmagicError, match="already in use: call capture"), outer:
            pass
        net(X)
        assert not net.training
    assert list(maps) == ["stem", "stem:2"]
    assert net.training
    assert not any(module._forward_hooks for module in net.modules())
    with outer as maps:
        net(X)
    assert list(maps) == ["stem", "stem:2"]


def test_blocks_of_two_captures_may_be_nested(net):
    with capture(net, "stem") as outer, capture(net, net.heads["a"]) as inner:
        net(X)
    assert [list(outer), list(inner)] == [["stem", "stem:2"], ["heads.a"]]


def test_an_exit_stack_may_enter_a_capture_more_than_once(net):
    again = capture(net, "stem")
    for _ in range(2):
        with ExitStack() as stack:
            maps = stack.enter_context(again)
            net(X)
        assert list(maps) == ["stem", "stem:2"]


def test_a_plain_with_works_in_async_code(net):
    async def run():
        with capture(net, "stem") as maps:
            await asyncio.sleep(0)
            net(X)
        return list(maps)

    assert asyncio.run(run()) == ["stem", "stem:2"]


def test_globs_of_what_was_captured_are_those_of_a_capture():
    net = nn.Sequential(OrderedDict(a=nn.Sequential(nn.ReLU(), nn.Tanh()), b=nn.ReLU()))
    with featmagic.capture(net, "**") as maps:
        net(X)
    assert list(maps) == ["a.0", "a.1", "a", "b"]
    assert [caption.split()[0] for caption, _ in maps.pictures("a.*")] == ["a.0", "a.1"]
    assert [caption.split()[0] for caption, _ in maps.pictures("*")] == ["a", "b"]
    with featmagic.capture(net, "a.*") as maps:
        net(X)
    with pytest.raises(KeyError, match=r"`\*0` matches nothing one level down; use `\*\*\.\*0`"):
        maps.show("*0")
    with pytest.raises(FeatmagicError, match=r"No 'b\.\*' was captured"):
        maps.show("b.*")  # and not all that is there
