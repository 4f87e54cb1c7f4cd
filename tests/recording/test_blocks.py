"""Looks without names: what blocks return is recorded, except where a layer gave the same."""

from __future__ import annotations

import copy
import pickle
import threading

import pytest
import torch
import torchvision
from helpers.looks import assert_same_rows, look_at_all, rows_by_hand
from helpers.networks import Block, Failing, flags_of, hooks_on
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

import featmagic
from featmagic.explorer.open import open_explorer
from featmagic.options.view import View
from featmagic.recording.attention import attention_weights
from featmagic.recording.given import GivenTensors
from featmagic.recording.recorder import Recorder
from featmagic.recording.rerun import rerun_of
from featmagic.recording.selectors import select_all
from featmagic.recording.sinks import KeepPasses
from featmagic.support.errors import MissingMap


def small_transformer():
    vit = torchvision.models.VisionTransformer(
        image_size=32, patch_size=8, num_layers=2, num_heads=2, hidden_dim=16, mlp_dim=32
    )
    nn.init.normal_(vit.heads.head.weight)
    return vit.eval()


def convolution():
    return nn.Conv2d(3, 3, 3, padding=1)


class Calls(nn.Module):
    """A block whose forward is the given function of itself and the input."""

    def __init__(self, function, **children):
        super().__init__()
        self.function = function
        for name, child in children.items():
            self.add_module(name, child)

    def forward(self, x):
        return self.function(self, x)


def block_of(function, **children):
    """A model with such a block in it, followed by a layer."""
    return nn.Sequential(Calls(function, **(children or {"conv": convolution()})), nn.Tanh()).eval()


def image(side=16):
    return torch.randn(1, 3, side, side)


NETWORKS = {
    "resnet": (lambda: torchvision.models.resnet18(), 64),
    "resnet with bottlenecks": (lambda: torchvision.models.resnet50(), 32),
    "vision transformer": (small_transformer, 32),
    "swin": (lambda: torchvision.models.swin_t(), 32),
    "squeezenet": (lambda: torchvision.models.squeezenet1_1(), 64),
    "mobilenet": (lambda: torchvision.models.mobilenet_v3_small(), 64),
    "densenet": (lambda: torchvision.models.densenet121(), 32),
    "googlenet": (lambda: torchvision.models.googlenet(init_weights=False), 64),
    "shufflenet": (lambda: torchvision.models.shufflenet_v2_x0_5(), 64),
    "convnext": (lambda: torchvision.models.convnext_tiny(), 32),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_the_rows_are_those_of_hooks_set_by_hand_bit_for_bit(name):
    make, side = NETWORKS[name]
    model, x = make().eval(), image(side)
    rows = rows_by_hand(model, x)
    maps = look_at_all(model, x)
    assert_same_rows(maps, rows)
    assert hooks_on(model) == []
    assert not any(list(model.get_submodule(path).children()) for path in maps.missing)


def test_a_residual_block_of_a_resnet_is_left_out_and_that_of_a_transformer_is_there():
    resnet = look_at_all(torchvision.models.resnet18().eval(), image(64))
    assert "layer1.0.relu:2" in resnet
    assert "layer1.0" not in resnet
    assert "layer1" not in resnet
    transformer = look_at_all(small_transformer(), image(32))
    assert "encoder.layers.encoder_layer_0" in transformer
    assert "encoder.layers" not in transformer  # what its last block gave


def test_an_output_of_a_layer_that_the_block_changes_in_place_is_there():
    def adds(self, x):
        y = self.conv(x)
        y += x
        return y

    model, x = block_of(adds), image()
    maps = look_at_all(model, x)
    assert list(maps) == ["0.conv", "0", "1"]
    with torch.no_grad():
        assert torch.equal(maps["0.conv"], model[0].conv(x))
        assert torch.equal(maps["0"], model[0].conv(x) + x)


def test_so_is_one_that_a_layer_changes_in_place_after_another_gave_it():
    model, x = block_of(lambda self, x: self.conv(x).clamp_(0)), image()
    assert_same_rows(look_at_all(model, x), rows := rows_by_hand(model, x))
    assert list(rows) == ["0.conv", "0", "1"]
    relu = block_of(lambda self, x: self.act(self.conv(x)), conv=convolution(), act=nn.ReLU(True))
    assert_same_rows(look_at_all(relu, x), rows := rows_by_hand(relu, x))
    assert list(rows) == ["0.conv", "0.act", "1"]


SAME = {
    "itself": lambda y: y,
    "a view of it": lambda y: y.view(y.shape),
    "all of it": lambda y: y[...],
    "detached": lambda y: y.detach(),
}
OTHER = {
    "transposed": lambda y: y.transpose(2, 3),
    "a part": lambda y: y[:, 1:],
    "flat": lambda y: y.flatten(1),
    "a copy": lambda y: y.clone(),
    "repeated": lambda y: y[:, :1].expand(-1, 3, -1, -1),
    "as doubles": lambda y: y.double(),
}


@pytest.mark.parametrize("returns", SAME.values(), ids=list(SAME))
def test_what_is_the_same_memory_in_the_same_shape_is_left_out(returns):
    model, x = block_of(lambda self, x: returns(self.conv(x))), image()
    maps = look_at_all(model, x)
    assert list(maps) == ["0.conv", "1"]
    assert not maps.missing


@pytest.mark.parametrize("returns", OTHER.values(), ids=list(OTHER))
def test_what_differs_in_anything_is_there(returns):
    model, x = block_of(lambda self, x: returns(self.conv(x))), image()
    maps = look_at_all(model, x)
    assert list(maps) == ["0.conv", "0", "1"]
    with torch.no_grad():
        assert torch.equal(maps["0"], returns(model[0].conv(x)))


def test_a_conjugated_view_of_what_a_layer_gave_is_there():
    def conjugated(self, x):
        return self.same(torch.complex(x, x + 1)).conj()

    model = nn.Sequential(Calls(conjugated, same=nn.Identity()))
    maps = look_at_all(model, x := torch.randn(1, 2, 4))
    assert list(maps) == ["0.same", "0"]
    assert torch.equal(maps["0"].resolve_conj(), torch.complex(x, -(x + 1)))


@pytest.mark.parametrize("is_gone", [True, False])
def test_a_new_tensor_in_the_memory_of_another_is_there(is_gone):
    memory = torch.zeros(4).numpy()
    held = []

    def reuses(self, x):
        memory[:] = 1
        first = self.same(torch.from_numpy(memory))
        if not is_gone:
            held.append(first)
        place = first.data_ptr()
        del first
        memory[:] = 7
        again = torch.from_numpy(memory)
        assert again.data_ptr() == place
        return again

    maps = look_at_all(nn.Sequential(Calls(reuses, same=nn.Identity())), image())
    assert list(maps) == ["0.same", "0"]
    assert (maps["0.same"] == 1).all()
    assert (maps["0"] == 7).all()


def test_of_a_block_with_several_outputs_only_new_ones_are_there():
    def several(self, x):
        first = self.first(x)
        second = self.second(first)
        return first, second, first + second

    model = nn.Sequential(Calls(several, first=convolution(), second=nn.Tanh()))
    maps = look_at_all(model, x := image())
    assert_same_rows(maps, rows_by_hand(model, x))
    assert list(maps) == ["0.first", "0.second", "0[2]"]


def test_a_backbone_that_returns_what_its_layers_gave_has_no_row():
    def features(self, x):
        first = self.first(x)
        return {"low": first, "high": self.second(first)}

    model = nn.Sequential(Calls(features, first=convolution(), second=nn.Tanh()))
    maps = look_at_all(model, image())
    assert list(maps) == ["0.first", "0.second"]
    assert not maps.missing
    with pytest.raises(MissingMap, match=r"it returned the same tensor as '0\.first', '0\.second'"):
        maps["0"]


@pytest.mark.parametrize("output", [None, 3, "text", [], {"a": 1}])
def test_a_block_without_a_tensor_is_no_finding(output):
    def odd(self, x):
        self.conv(x)
        return output

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner = Calls(odd, conv=convolution())

        def forward(self, x):
            self.inner(x)
            return x

    maps = look_at_all(Model(), image())
    assert list(maps) == ["inner.conv"]
    assert not maps.missing


# What is not missed


def test_blocks_that_never_ran_are_not_listed_but_their_layers_are():
    model = nn.Sequential(nn.Tanh())
    model.spare = nn.Sequential(nn.Sequential(nn.ReLU()))
    model.forward = lambda x: model[0](x)
    maps = look_at_all(model, torch.ones(1, 2))
    assert list(maps) == ["0"]
    assert list(maps.missing) == ["spare.0.0"]


def test_a_pass_that_fails_has_the_blocks_that_returned_before():
    def adds(self, x):
        return self.conv(x) + x

    first, second = Calls(adds, conv=convolution()), Calls(adds, conv=convolution())
    failing = nn.Sequential(convolution(), Failing(ValueError("no")))
    model, kept = nn.Sequential(nn.Sequential(first, second), failing).eval(), KeepPasses()
    recorder = Recorder(select_all(model), kept)
    with pytest.raises(ValueError, match="no"), recorder:
        model(x := image())
    found = {key: each.tensor for key, each in recorder.last.activations.items()}
    assert list(found) == ["0.0.conv", "0.0", "0.1.conv", "0.1", "1.0"]
    with torch.no_grad():
        assert torch.equal(found["0.1"], second(first(x)))
    assert hooks_on(model) == []


def test_a_look_at_a_left_out_block_says_which_layer_gave_its_output():
    maps = look_at_all(nn.Sequential(nn.Sequential(nn.Tanh(), nn.ReLU())), torch.ones(1, 2))
    with pytest.raises(MissingMap) as error:
        maps["0"]
    assert "'0' wasn't kept again: it returned the same tensor as '0.1'." in str(error.value)
    with pytest.raises(featmagic.FeatmagicError, match=r"it returned the same tensor as '0\.1'"):
        maps.show("0")


# Names


@pytest.mark.parametrize(
    "names", [("0",), ("0", "0.relu"), ("Block",), ("*",), (".",), ()], ids=str
)
def test_a_block_that_is_named_is_there_whatever_gave_its_output(names):
    model, x = nn.Sequential(Block(3)).eval(), image()
    with featmagic.capture(model, *names) as maps:
        output = model(x)
    key = "." if names == (".",) else "0"
    assert torch.equal(maps[key], output)
    assert all(each.same_as == "" for each in maps.kept.activations.values())


def test_the_model_itself_is_no_row_unless_it_holds_nothing():
    def root(self, x):
        return self.conv(x).softmax(1)

    assert list(look_at_all(Calls(root, conv=convolution()), image())) == ["conv"]
    assert list(look_at_all(nn.ReLU(), torch.ones(1, 2))) == ["."]
    assert list(look_at_all(nn.DataParallel(Calls(root, conv=convolution())), image())) == ["conv"]


# Calls, passes, threads


def test_a_block_called_twice_and_under_two_names_has_a_row_for_each_call():
    shared = Calls(lambda self, x: self.act(x) + 1, act=nn.Tanh())
    model = nn.Sequential(shared, nn.Sequential(shared))
    maps = look_at_all(model, x := torch.randn(2, 3))
    assert list(maps) == ["0.act", "0", "0.act:2", "0:2"]
    assert torch.equal(maps["0"], x.tanh() + 1)
    assert torch.equal(maps["0:2"], (x.tanh() + 1).tanh() + 1)


def test_nothing_is_remembered_of_what_an_earlier_pass_repeated():
    switch = [False]
    model = nn.Sequential(
        Calls(lambda self, x: self.act(x) + 1 if switch[0] else self.act(x), act=nn.Tanh()),
        nn.Tanh(),
    )
    maps = featmagic.FeatureMaps()
    with Recorder(select_all(model), KeepPasses(maps.kept)) as recorder:
        model(torch.ones(1, 2))
        assert maps.kept.repeated == {"0": "0.act"}
        assert recorder.last.given is None  # the pass is over
        switch[0] = True
        model[0](torch.ones(1, 2))  # a part alone, so that the pass stays for the other layer
        assert list(maps) == ["0.act", "1", "0"]
        assert maps.kept.repeated == {}


def test_no_row_of_an_earlier_pass_stays_where_the_block_gave_nothing_new_since():
    switch = [True]
    model = nn.Sequential(
        Calls(lambda self, x: self.act(x) + 1 if switch[0] else self.act(x), act=nn.Tanh())
    )
    maps = featmagic.FeatureMaps()
    with Recorder(select_all(model), KeepPasses(maps.kept)):
        model(torch.ones(1, 2))
        assert list(maps) == ["0.act", "0"]
        switch[0] = False
        model(x := torch.full((1, 2), 3.0))
    assert list(maps) == ["0.act"]
    assert torch.equal(maps["0.act"], x.tanh())
    assert maps.kept.repeated == {"0": "0.act"}


@pytest.mark.parametrize("passes", [1, -1, "all"])
def test_passes_are_chosen_as_ever(passes):
    model = nn.Sequential(Calls(lambda self, x: self.act(x) + 1, act=nn.Tanh()), nn.Identity())
    maps, xs = featmagic.FeatureMaps(passes), torch.randn(3, 1, 2)
    with Recorder(select_all(model), KeepPasses(maps.kept)):
        for x in xs:
            model(x)
    kept = xs if passes == "all" else xs[[passes if passes < 0 else passes - 1]]
    for each, x in zip(maps.passes if passes == "all" else [maps], kept, strict=True):
        assert list(each) == ["0.act", "0", "1"]
        assert torch.equal(each["0"], x.tanh() + 1)


def test_an_output_of_an_earlier_pass_that_comes_back_is_no_repetition():
    model = nn.Sequential(Calls(lambda self, x: x, act=nn.Tanh()), nn.Tanh())
    maps = featmagic.FeatureMaps()
    with Recorder(select_all(model), KeepPasses(maps.kept)):
        first = model(torch.randn(1, 2))
        model(first)
    assert list(maps) == ["0", "1"]
    assert torch.equal(maps["0"], first)


def test_parts_called_on_their_own_have_their_blocks():
    inner = Calls(lambda self, x: self.act(x) + 1, act=nn.Tanh())
    model = nn.Sequential(nn.Sequential(inner, nn.ReLU()), nn.Linear(2, 2))
    maps = featmagic.FeatureMaps("all")
    with Recorder(select_all(model), KeepPasses(maps.kept)):
        for x in (xs := torch.randn(3, 1, 2)):
            model[0](x)
    assert [list(each) for each in maps.passes] == [["0.0.act", "0.0", "0.1"]] * 3
    for each, x in zip(maps.passes, xs, strict=True):
        assert torch.equal(each["0.0"], x.tanh() + 1)


def test_a_block_whose_layers_run_in_threads_is_judged_by_what_they_gave():
    def in_thread(self, x):
        found = []
        grad = torch.is_grad_enabled()

        def work():
            with torch.set_grad_enabled(grad):
                found.append(self.act(x))

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        return found[0] if self.same else found[0] + 1

    for same, keys in ((True, ["0.act"]), (False, ["0.act", "0"])):
        block = Calls(in_thread, act=nn.Tanh())
        block.same = same
        maps = look_at_all(nn.Sequential(block), x := torch.randn(1, 2))
        assert list(maps) == keys
        assert torch.equal(maps[keys[-1]], x.tanh() + (not same))


# Modes, compilation, memory


@pytest.mark.parametrize("name", ["resnet", "vision transformer", "squeezenet"])
def test_inference_mode_gives_the_same_rows(name):
    make, side = NETWORKS[name]
    model, x = make().eval(), image(side)
    outside = look_at_all(model, x)
    with torch.inference_mode():
        inside = look_at_all(model, x)
    assert_same_rows(inside, outside)
    same_as = [
        [each.same_as for each in maps.kept.activations.values()] for maps in (inside, outside)
    ]
    assert same_as[0] == same_as[1]


def test_in_inference_mode_too_a_change_in_place_is_seen():
    def adds(self, x):
        y = self.conv(x)
        y += 1
        return y

    model, x = block_of(adds), image()
    with torch.inference_mode():
        maps = look_at_all(model, x)
    assert list(maps) == ["0.conv", "0", "1"]
    assert torch.equal(maps["0"], maps["0.conv"] + 1)


@pytest.mark.parametrize("as_is", [False, True])
def test_gradients_and_training_flags_are_as_they_were(as_is):
    model, x = (
        nn.Sequential(Block(3), Calls(lambda self, x: self.act(x) * 2, act=nn.Tanh())),
        image(),
    )
    model[0].eval()
    flags = flags_of(model)
    maps = look_at_all(model, x, as_is=as_is)
    assert list(maps)[-2:] == ["1.act", "1"]
    assert "0" not in maps
    assert flags_of(model) == flags
    model(x).sum().backward()
    assert all(parameter.grad is not None for parameter in model.parameters())


def test_a_compiled_model_has_the_same_rows():
    model, x = (
        nn.Sequential(Block(3), Calls(lambda self, x: self.conv(x) + x, conv=convolution())),
        image(),
    )
    rows = rows_by_hand(model.eval(), x)
    assert_same_rows(look_at_all(torch.compile(model, backend="eager"), x), rows)


def test_receptive_fields_are_traced_as_without_blocks():
    model, x = torchvision.models.resnet18().eval(), image(64)
    maps = look_at_all(model, x, follow=True)
    names = [each.path for each in maps.kept.activations.values()]
    with featmagic.capture(model, *names, fields=True) as named:
        model(x)
    fields = {key: each.field for key, each in named.kept.activations.items()}
    assert {key: each.field for key, each in maps.kept.activations.items()} == fields
    assert any(fields.values())
    assert_same_rows(maps, {key: named[key] for key in maps})


class Copies(TorchDispatchMode):
    """Counts the copies that are made."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        self.count += func is torch.ops.aten.clone.default
        return func(*args, **(kwargs or {}))


def test_what_is_left_out_is_never_copied():
    model, x = torchvision.models.resnet18().eval(), image(64)
    with Copies() as copies:
        maps = look_at_all(model, x)
    assert copies.count == len(maps) + 1  # and the input


def counted_weights(monkeypatch):
    """A list that grows by one each time a look computes attention weights."""
    calls = []

    def counted(*args):
        calls.append(1)
        return attention_weights(*args)

    monkeypatch.setattr("featmagic.recording.attention.attention_weights", counted)
    return calls


def test_an_attention_is_a_block_whose_weights_are_not_computed(monkeypatch):
    model, x = small_transformer(), image(32)
    calls = counted_weights(monkeypatch)
    maps = look_at_all(model, x)
    attention = "encoder.layers.encoder_layer_0.self_attention"
    assert f"{attention}[0]" in maps
    assert f"{attention}[1]" not in maps
    assert f"{attention}[1]" not in maps.missing
    assert calls == []
    with featmagic.capture(model, "**.self_attention"):
        model(x)
    assert len(calls) == 2


def test_neither_are_they_for_the_next_input_of_an_explorer():
    model, xs = small_transformer(), torch.randn(2, 3, 32, 32)
    first = look_at_all(model, xs[:1])
    paths = [each.path for each in first.kept.activations.values()]
    for weights in (False, True):
        run = rerun_of(model, xs, paths, weights=weights).run(1)
        expected = look_at_all(model, xs[1:])
        assert all(torch.equal(run.activations[key].tensor, expected[key]) for key in first)
        assert any(key.endswith("[1]") for key in run.activations) == weights


@pytest.mark.parametrize("named", [False, True])
def test_an_explorer_asks_for_weights_of_the_next_input_if_it_shows_weights(monkeypatch, named):
    model, xs = small_transformer(), torch.randn(2, 3, 32, 32)
    if named:
        with featmagic.capture(model, "MultiheadAttention") as maps:
            model(xs[:1])
    else:
        maps = look_at_all(model, xs[:1])
    activations = list(maps.kept.activations.values())
    explorer = open_explorer(activations, View(explore=True), model=model, items=xs)
    calls = counted_weights(monkeypatch)
    explorer.input = 1
    explorer.close()
    assert len(calls) == 2 * named  # two blocks have an attention each


def test_a_look_may_be_copied_and_pickled_while_it_runs():
    model, maps = nn.Sequential(nn.Sequential(nn.Tanh()), nn.ReLU()), featmagic.FeatureMaps()
    with Recorder(select_all(model), KeepPasses(maps.kept)) as recorder:
        model(torch.ones(1, 2))
        recorder.last.given = GivenTensors()
        for copied in (copy.deepcopy(maps), pickle.loads(pickle.dumps(maps))):
            assert list(copied) == ["0.0", "1"]
