"""Values are true, every call is kept, nothing is left behind."""

from __future__ import annotations

import contextlib
import contextvars
import copy
import gc
import io
import pickle
import re
import subprocess
import sys
import threading
import weakref
from collections import namedtuple
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field

import pytest
import torch
import torchvision
from helpers import TESTS
from helpers.networks import DNN, Block, Failing, flags_of, hooks_on, images
from torch import nn
from torch.utils.checkpoint import checkpoint
from torch.utils.data import DataLoader, Dataset

import featmagic


def without_in_place(model):
    """A copy of the network in which nothing works in place."""
    plain = copy.deepcopy(model)
    for module in plain.modules():
        if hasattr(module, "inplace"):
            module.inplace = False
    return plain


def outputs_by_hand(model, paths, x):
    """What the layers return, by the plainest of hooks; only right where nothing is in place."""
    found = {}
    handles = [
        model.get_submodule(path).register_forward_hook(
            lambda _, __, out, path=path: found.setdefault(path, []).append(out.clone())
        )
        for path in paths
    ]
    with torch.no_grad():
        model(x)
    for handle in handles:
        handle.remove()
    return found


def test_an_in_place_relu_does_not_rewrite_the_convolution_before_it():
    vgg = torchvision.models.vgg11().eval()
    x = torch.randn(1, 3, 64, 64)
    paths = [
        path for path, m in vgg.features.named_modules(prefix="features") if path != "features"
    ]
    truth = outputs_by_hand(without_in_place(vgg), paths, x)
    with featmagic.capture(vgg, *paths) as maps:
        vgg(x)
    assert list(maps) == paths
    for path in paths:
        assert torch.equal(maps[path], truth[path][0]), path
    assert maps["features.0"].min() < 0


def test_an_in_place_sum_does_not_rewrite_the_batch_norm_before_it():
    resnet = torchvision.models.resnet18().eval()
    x = torch.randn(1, 3, 64, 64)
    block = without_in_place(resnet).layer1[0]
    with torch.no_grad():
        before = resnet.maxpool(resnet.relu(resnet.bn1(resnet.conv1(x))))
        out = block.bn1(block.conv1(before)).relu()
        truth = block.bn2(block.conv2(out))
    with featmagic.capture(resnet, "layer1.0.bn2") as maps:
        resnet(x)
    assert torch.equal(maps["layer1.0.bn2"], truth)
    assert not torch.equal(truth, truth + before)


def test_both_calls_of_a_shared_relu_are_kept_with_the_values_of_each():
    resnet = torchvision.models.resnet18().eval()
    x = torch.randn(1, 3, 64, 64)
    truth = outputs_by_hand(without_in_place(resnet), ["layer1.0.relu"], x)["layer1.0.relu"]
    with featmagic.capture(resnet, "layer1.0.relu") as maps:
        resnet(x)
    assert list(maps) == ["layer1.0.relu", "layer1.0.relu:2"]
    assert torch.equal(maps["layer1.0.relu"], truth[0])
    assert torch.equal(maps["layer1.0.relu:2"], truth[1])


def test_one_call_may_be_asked_for_alone():
    block = Block()
    x = torch.randn(1, 4, 8, 8)
    with featmagic.capture(block, "relu") as both:
        block(x)
    with featmagic.capture(block, "relu:2") as second:
        block(x)
    assert list(second) == ["relu:2"]
    assert torch.equal(second["relu:2"], both["relu:2"])


def test_the_order_is_that_in_which_the_layers_ran(model, x):
    with featmagic.capture(model, "fc2", "cnn1", "pool1") as maps:
        model(x)
    assert list(maps) == ["cnn1", "pool1", "fc2"]


def test_a_loop_over_a_data_set_keeps_one_pass(model):
    with featmagic.capture(model) as maps:
        for seed in range(20):
            model(images(4, seed))
    assert list(maps) == [name for name, _ in model.named_children()]
    with torch.no_grad():
        assert torch.equal(maps["cnn1"], model.cnn1(images(4, 19)))


def test_a_loop_over_the_models_parts_keeps_one_pass(model, x):
    """`model.forward(x)` isn't seen as a call of the model; its layers are."""
    with featmagic.capture(model, "cnn1", "act1") as maps:
        for _ in range(5):
            model.forward(x)
    assert list(maps) == ["cnn1", "act1"]


def test_a_pass_cut_short_by_an_interrupt_does_not_swallow_the_next():
    model = nn.Sequential(nn.ReLU(), Failing(KeyboardInterrupt()))
    with featmagic.capture(model, "0") as maps:
        with contextlib.suppress(KeyboardInterrupt):
            model(torch.ones(1))
        with contextlib.suppress(KeyboardInterrupt):
            model(torch.ones(2))
    assert list(maps) == ["0"]
    assert maps["0"].shape == (2,)


@pytest.mark.parametrize("use_reentrant", [True, False])
def test_a_recomputation_in_backward_is_not_a_call(use_reentrant):
    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.part = nn.Sequential(nn.Linear(4, 4), nn.Tanh())

        def forward(self, x):
            return checkpoint(self.part, x, use_reentrant=use_reentrant)

    model = Checkpointed()
    x = torch.randn(2, 4, requires_grad=True)
    with featmagic.capture(model, "part.0", "part", as_is=True) as maps:
        y = model(x)
        y.sum().backward()
    assert list(maps) == ["part.0", "part"]
    assert x.grad is not None
    assert torch.equal(maps["part"], y)


def test_nested_outputs_come_under_the_python_that_reaches_them():
    lstm = nn.LSTM(3, 4, num_layers=2)
    x = torch.randn(5, 1, 3)
    with featmagic.capture(lstm, ".") as maps:
        out, (h, c) = lstm(x)
    assert list(maps) == [".[0]", ".[1][0]", ".[1][1]"]
    for key, truth in zip(maps, (out, h, c), strict=True):
        assert torch.equal(maps[key], truth)


def test_none_in_an_output_is_skipped():
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    model = nn.ModuleDict({"attention": attention})
    x = torch.randn(1, 3, 8)
    with featmagic.capture(model, "attention", as_is=True) as maps:
        out, weights = attention(x, x, x, need_weights=False)
    assert weights is None
    assert list(maps) == ["attention[0]"]
    assert torch.equal(maps["attention[0]"], out)


Pair = namedtuple("Pair", ["first", "second"])


@dataclass
class Record:
    hidden: torch.Tensor
    extra: object = None


class Returns(nn.Module):
    def __init__(self, make):
        super().__init__()
        self.make = make

    def forward(self, x):
        return self.make(x)


@pytest.mark.parametrize(
    ("make", "keys"),
    [
        (lambda x: {"hidden": x, "none": None}, ["enc['hidden']"]),
        (lambda x: {"a": {"b": [x, x]}}, ["enc['a']['b'][0]", "enc['a']['b'][1]"]),
        (lambda x: Pair(x, None), ["enc[0]"]),
        (lambda x: Record(x), ["enc['hidden']"]),
        (lambda x: {1: x}, ["enc[1]"]),
        (lambda x: (x, "text", 3), ["enc[0]"]),
    ],
)
def test_dicts_tuples_named_tuples_and_dataclasses(make, keys):
    model = nn.ModuleDict({"enc": Returns(make)})
    x = torch.randn(1, 2)
    with featmagic.capture(model, "enc") as maps:
        model["enc"](x)
    assert list(maps) == keys
    assert all(torch.equal(maps[key], x) for key in keys)


def test_a_model_output_of_transformers():
    transformers = pytest.importorskip("transformers")
    config = transformers.ViTConfig(
        hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=16,
        image_size=16, patch_size=4,
    )  # fmt: skip
    vit = transformers.ViTModel(config)
    with featmagic.capture(vit, ".", "**.attention") as maps:
        out = vit(pixel_values=torch.randn(1, 3, 16, 16))
    assert torch.equal(maps[".['last_hidden_state']"], out.last_hidden_state)
    assert torch.equal(maps[".['pooler_output']"], out.pooler_output)
    assert any("attention" in key for key in maps)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.randn(1, 2, 3, 3).bfloat16(),
        torch.randn(1, 2, 3, 3).half(),
        torch.arange(18).reshape(1, 2, 3, 3),
        torch.ones(1, 2, 3, 3, dtype=torch.bool),
        torch.randn(1, 2, 3, 3, dtype=torch.complex64),
        torch.full((1, 2, 3, 3), torch.nan),
        torch.zeros(1, 0, 3, 3),
        torch.tensor(3.0),
        torch.empty(1, 2, 3, 3, device="meta"),
        torch.eye(3).to_sparse(),
    ],
    ids=lambda t: f"{str(t.dtype)[6:]}-{t.dim()}d-{t.device}-{t.layout}",
)
def test_any_tensor_is_kept_as_it_is(tensor):
    model = nn.Sequential(Returns(lambda _: tensor))
    with featmagic.capture(model, "0") as maps:
        model(torch.ones(1))
    kept = maps["0"]
    assert (kept.dtype, kept.shape, kept.device, kept.layout) == (
        tensor.dtype, tensor.shape, tensor.device, tensor.layout,
    )  # fmt: skip
    if not tensor.is_meta:
        torch.testing.assert_close(kept, tensor, rtol=0, atol=0, equal_nan=True)
    assert kept is not tensor


def test_an_activation_is_detached_and_a_graph_is_left_whole(model, x):
    with featmagic.capture(model, "cnn1", as_is=True) as maps:
        model(x).sum().backward()
    assert not maps["cnn1"].requires_grad
    assert all(p.grad is not None for p in model.parameters())


def test_a_failing_forward_leaves_no_hook_and_keeps_what_ran_before():
    model = nn.Sequential(nn.ReLU(), Failing(ValueError("mine")), nn.ReLU()).train()
    flags = flags_of(model)
    with pytest.raises(ValueError, match="mine"), featmagic.capture(model, "0", "2") as maps:
        model(torch.ones(1))
    assert list(maps) == ["0"]
    assert hooks_on(model) == []
    assert flags_of(model) == flags


def test_a_wrong_name_leaves_no_hook(model):
    with pytest.raises(featmagic.FeatmagicError), featmagic.capture(model, "cnn1", "nope"):
        pytest.fail("the block must not run")
    assert hooks_on(model) == []


def test_the_users_own_hooks_are_never_touched(model, x):
    seen = []
    model.cnn1.register_forward_hook(lambda *_: seen.append("forward"))
    model.register_forward_pre_hook(lambda *_: seen.append("pre"))
    before = hooks_on(model)
    with featmagic.capture(model, "cnn1", "."):
        model(x)
    assert hooks_on(model) == before
    assert seen == ["pre", "forward"]


def test_batch_norm_statistics_do_not_move_and_frozen_layers_stay_frozen():
    block = Block().train()
    block.bn2.eval()
    flags, state = flags_of(block), copy.deepcopy(block.state_dict())
    with featmagic.capture(block) as maps:
        y = block(torch.randn(2, 4, 8, 8))
        assert flags_of(block) == [False] * len(flags)
        assert not y.requires_grad
    assert flags_of(block) == flags
    assert all(torch.equal(value, state[name]) for name, value in block.state_dict().items())
    assert torch.is_grad_enabled()
    assert len(maps) == 6


def test_as_is_leaves_mode_and_gradients_as_they_are():
    block = Block().train()
    with featmagic.capture(block, "bn1", as_is=True):
        y = block(torch.randn(2, 4, 8, 8))
        assert flags_of(block) == [True] * 6
    assert y.requires_grad
    assert block.bn1.num_batches_tracked == 1


def test_an_overridden_train_method_is_not_called():
    class Loud(nn.Module):
        def train(self, mode=True):
            raise AssertionError("a look is none of train()'s business")

    model = nn.Sequential(nn.ReLU())
    model.add_module("loud", Loud())
    with featmagic.capture(model, "0"):
        model[0](torch.ones(1))
    assert flags_of(model) == [True] * 3


def test_a_copy_made_while_watching_carries_nothing_that_runs(model, x):
    with featmagic.capture(model, "cnn1", ".") as maps:
        model(x)
        twin = copy.deepcopy(model)
        before = {key: value.clone() for key, value in maps.items()}
        twin(images(1, seed=5))
    assert all(torch.equal(maps[key], before[key]) for key in before)
    assert all(type(hook).__module__ == "builtins" for hook in hooks_on(twin))


def test_a_pickle_made_while_watching_loads_where_featmagic_is_not_installed(model, x, tmp_path):
    with featmagic.capture(model, "cnn1", "."):
        saved = io.BytesIO()
        torch.save(model, saved)
        pickled = pickle.dumps(model)
    assert b"featmagic" not in saved.getvalue()
    assert b"featmagic" not in pickled
    file = tmp_path / "model.pickle"
    file.write_bytes(pickled)
    program = (
        "import sys, pickle, pathlib, torch\n"
        "sys.modules['featmagic'] = None\n"
        f"sys.path.insert(0, {str(tmp_path / 'tests').__repr__()})\n"
        "model = pickle.loads(pathlib.Path(sys.argv[1]).read_bytes())\n"
        "print(tuple(model(torch.ones(1, 1, 28, 28)).shape))\n"
    )
    (tmp_path / "tests" / "helpers").mkdir(parents=True)
    for name in ("__init__.py", "networks.py"):
        source = (TESTS / "helpers" / name).read_text()
        (tmp_path / "tests" / "helpers" / name).write_text(source)
    done = subprocess.run(
        [sys.executable, "-c", program, str(file)], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "(1, 5)"


def test_tracing_while_watching_records_nothing_of_ours(model, x):
    model.eval()
    with featmagic.capture(model, "cnn1"):
        traced = torch.jit.trace(model, x)
    assert "aten::clone" not in str(traced.inlined_graph)


def steps_of(graph):
    """Return what a traced graph does, node for node, and what each node is made of."""
    made = [str(node).strip() for node in graph.nodes()]
    return [re.sub(r"\.___torch_mangle_\d+", "", node) for node in made]  # counts traces


@pytest.mark.parametrize(("layers", "as_is"), [(("cnn1",), True), (("act1", "fc2", "."), False)])
def test_a_trace_made_inside_a_capture_is_that_made_without_one(model, x, layers, as_is):
    from torch.fx.experimental.proxy_tensor import make_fx

    model.eval().requires_grad_(False)
    makers = (
        lambda: steps_of(torch.jit.trace(model, x).inlined_graph),
        lambda: str(make_fx(model)(x).graph).splitlines(),
        lambda: str(torch.fx.symbolic_trace(model).graph).splitlines(),
    )
    for make in makers:
        plain = make()
        assert len(plain) > 7
        with featmagic.capture(model, *layers, as_is=as_is) as maps:
            first = make()
            y = model(x)
            again = make()
        assert first == again == plain
        for key in layers:
            assert maps[key].shape
        assert torch.equal(maps["."] if "." in layers else model(x), y)


def test_threads_that_run_the_model_do_not_mix_their_passes(model):
    barrier = threading.Barrier(4)

    def run(seed):
        barrier.wait()
        for _ in range(10):
            model(images(seed + 1, seed))

    with featmagic.capture(model, "cnn1", "fc2") as maps:
        contexts = [contextvars.copy_context() for _ in range(4)]
        threads = [
            threading.Thread(target=context.run, args=(run, seed))
            for seed, context in enumerate(contexts)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert list(maps) == ["cnn1", "fc2"]
    n = len(maps["cnn1"])
    with torch.no_grad():
        torch.testing.assert_close(maps["cnn1"], model.cnn1(images(n, n - 1)))
        torch.testing.assert_close(maps["fc2"], model(images(n, n - 1)))


class Prepared(Dataset):
    """A data set whose items a watched network prepares, in worker processes."""

    def __init__(self, model):
        self.model = model

    def __len__(self):
        return 4

    def __getitem__(self, index):
        with torch.no_grad():
            return self.model.cnn1(images(1, index))[0]


@pytest.mark.parametrize("start", ["fork", "spawn"])
def test_workers_of_a_data_loader_may_hold_the_watched_model(model, start):
    with featmagic.capture(model, "cnn1") as maps:
        loader = DataLoader(
            Prepared(model), batch_size=2, num_workers=1, multiprocessing_context=start
        )
        batches = list(loader)
    assert torch.cat(batches).shape == (4, 5, 24, 24)
    assert len(maps) == 0  # what a worker ran, this process didn't
    assert hooks_on(model) == []


def test_data_parallel_is_looked_into_by_plain_names(x):
    inner = DNN()
    wrapped = nn.DataParallel(inner)
    with featmagic.capture(wrapped, "cnn1", "act1") as maps:
        wrapped(x)
    with torch.no_grad():
        assert torch.equal(maps["cnn1"], inner.cnn1(x))
    assert hooks_on(wrapped) == []


def test_distributed_data_parallel_is_looked_into_by_plain_names(x, tmp_path):
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{tmp_path}/meeting", rank=0, world_size=1
    )
    try:
        inner = DNN()
        wrapped = nn.parallel.DistributedDataParallel(inner)
        with featmagic.capture(wrapped, "cnn1", "act1") as maps:
            wrapped(x)
        with torch.no_grad():
            assert torch.equal(maps["cnn1"], inner.cnn1(x))
        with featmagic.capture(wrapped, "cnn1", as_is=True) as maps:
            wrapped(x).sum().backward()
        assert list(maps) == ["cnn1"]
        assert hooks_on(wrapped) == []
    finally:
        torch.distributed.destroy_process_group()


def test_layers_that_a_forward_runs_in_threads_belong_to_its_pass():
    class Threaded(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b, self.c = nn.Linear(3, 3), nn.Linear(3, 3), nn.Linear(3, 3)

        def forward(self, x):
            x = self.a(x)
            with ThreadPoolExecutor(2) as pool:
                parts = list(pool.map(self.b, [x, x + 1]))
            return self.c(parts[0] + parts[1])

    model = Threaded()
    for _ in range(5):
        with featmagic.capture(model) as maps:
            model(torch.ones(1, 3))
        assert sorted(maps) == ["a", "b", "b:2", "c"]
        assert not maps.missing


def test_a_part_called_on_its_own_keeps_all_its_calls():
    model = nn.Sequential(Block(), Block())
    x = torch.randn(1, 4, 8, 8)
    with featmagic.capture(model, "**.relu") as maps:
        for _ in range(3):
            model[1](model[0](x))
    assert list(maps) == ["0.relu", "0.relu:2", "1.relu", "1.relu:2"]
    with featmagic.capture(model, "**.relu") as whole:
        model(x)
    assert all(torch.equal(maps[key], whole[key]) for key in whole)


def test_a_failed_pass_is_not_called_one_in_which_nothing_was_called():
    model = nn.Sequential(nn.ReLU(), Failing(ValueError("mine")), nn.ReLU())
    with pytest.raises(ValueError, match="mine"), featmagic.capture(model) as maps:
        model(torch.ones(1))
    assert list(maps) == ["0"]
    assert maps.missing == dict.fromkeys(["1", "2"], "the pass failed before it returned")


@dataclass
class Unset:
    hidden: torch.Tensor
    later: object = field(init=False)


def a_list_that_holds_itself(x):
    result = [x]
    result.append(result)
    return result


class Stubborn(torch.Tensor):
    def clone(self, *args, **kwargs):
        raise RuntimeError("no copies")

    def detach(self):
        return self


@pytest.mark.parametrize(
    ("make", "keys", "missing"),
    [
        (Unset, ["0['hidden']"], {}),
        (a_list_that_holds_itself, ["0[0]"], {}),
        (lambda x: x.as_subclass(Stubborn), [], {"0": "its output can't be copied: no copies"}),
    ],
)
def test_nothing_that_a_layer_returns_breaks_the_forward(make, keys, missing):
    model = nn.Sequential(Returns(make), nn.Sequential(Returns(lambda _: torch.ones(1))))
    with featmagic.capture(model, "0", "1") as maps:
        model(torch.ones(2))
    assert list(maps) == [*keys, "1"]
    assert maps.missing == missing


def test_arguments_of_any_shape_pass_through():
    model = Returns(lambda v: torch.ones(1))
    looped = a_list_that_holds_itself(torch.ones(1))
    with featmagic.capture(model, ".") as maps:
        model(looped)
        model(Unset(torch.ones(1)))
    assert list(maps) == ["."]


def test_inside_vmap_there_is_a_reason_and_the_users_result():
    model = nn.Sequential(nn.Linear(3, 2))
    x = torch.randn(4, 3)
    with featmagic.capture(model, "0") as maps:
        y = torch.vmap(model)(x)
    with torch.no_grad():
        torch.testing.assert_close(y, model(x))
    assert "vmap" in maps.missing["0"]
    assert len(maps) == 0


def test_a_graph_written_down_while_watching_has_nothing_of_ours(model, x):
    from torch.fx.experimental.proxy_tensor import make_fx

    model.eval().requires_grad_(False)
    plain = make_fx(model)(x)
    with featmagic.capture(model, "cnn1", as_is=True):
        watched = make_fx(model)(x)
    assert str(watched.graph) == str(plain.graph)


def test_a_model_is_gone_when_its_last_name_is():
    model = DNN()
    with featmagic.capture(model) as maps:
        model(images())
    gone = weakref.ref(model)
    gc.disable()
    try:
        del model
        assert gone() is None
    finally:
        gc.enable()
    assert len(maps) == 7


def test_maps_are_gone_when_their_last_name_is(model, x):
    for as_is in (False, True):
        with featmagic.capture(model, "cnn1", as_is=as_is) as maps:
            model.cnn1(x)
            model(x)
        gone = weakref.ref(maps["cnn1"])
        gc.disable()
        try:
            del maps
            assert gone() is None
        finally:
            gc.enable()


def replica_of(module):
    """A replica as DataParallel makes one for each GPU; it shares the hooks of the module."""
    replica = module._replicate_for_data_parallel()
    replica._parameters = dict(module._parameters)
    replica._modules = {name: replica_of(child) for name, child in module._modules.items()}
    return replica


class OnTwoReplicas(nn.DataParallel):
    """What DataParallel does with two GPUs, on the CPU: half a batch each, in a thread each."""

    def forward(self, x):
        with ThreadPoolExecutor(2) as pool:
            return torch.cat(list(pool.map(lambda half: replica_of(self.module)(half), x.chunk(2))))


def test_every_replicas_part_of_the_batch_is_kept():
    inner, x = DNN(), images(4)
    wrapped = OnTwoReplicas(inner)
    with featmagic.capture(wrapped, "cnn1", "fc2") as maps:
        y = wrapped(x)
    assert sorted(maps) == ["cnn1", "cnn1:2", "fc2", "fc2:2"]
    halves = {tuple(half.flatten().tolist()) for half in y.chunk(2)}
    assert {tuple(maps[key].flatten().tolist()) for key in ("fc2", "fc2:2")} == halves
    assert hooks_on(wrapped) == []


def test_what_replicas_give_in_a_further_pass_replaces_all_of_the_pass_before():
    wrapped = OnTwoReplicas(DNN())
    with featmagic.capture(wrapped, "cnn1", "fc2", passes="all") as maps:
        wrapped(images(4))
        y = wrapped(images(2, seed=1))
    assert [len(each) for each in maps.passes] == [4, 4]
    assert [len(maps[key]) for key in sorted(maps)] == [1, 1, 1, 1]
    rows = {tuple(row.tolist()) for row in y}
    assert {tuple(maps[key][0].tolist()) for key in ("fc2", "fc2:2")} == rows


class Lazy(Mapping):
    """An output whose items are computed when they are read, by another layer."""

    def __init__(self, layer, x):
        self.layer, self.x = layer, x

    def __getitem__(self, key):
        return self.layer(self.x)

    def __iter__(self):
        return iter(["late"])

    def __len__(self):
        return 1


class Broken(Lazy):
    def __getitem__(self, key):
        raise RuntimeError("not now")


@pytest.mark.parametrize(("output", "key"), [(Lazy, "1['late']"), (Broken, None)])
def test_reading_an_output_may_run_layers_or_fail(output, key):
    inner = nn.ReLU()
    model = nn.Sequential(inner, Returns(lambda x: output(inner, x)))
    with featmagic.capture(model, "0", "1") as maps:
        model(torch.ones(2))
    assert "0" in maps
    assert (key in maps) == (key is not None)
    assert ("not now" in maps.missing.get("1", "")) == (output is Broken)


def test_gradients_of_each_sample_leave_the_maps_usable():
    model = nn.Sequential(nn.Linear(3, 1))
    parameters = dict(model.named_parameters())

    def loss(parameters, x):
        return torch.func.functional_call(model, parameters, (x,)).sum()

    x = torch.randn(4, 3)
    with featmagic.capture(model, "0", as_is=True) as maps:
        plain = torch.func.grad(loss)(parameters, x)
    assert plain["0.weight"].shape == (1, 3)
    with torch.no_grad():
        assert torch.equal(pickle.loads(pickle.dumps(maps))["0"], model(x))
    with featmagic.capture(model, "0", as_is=True) as maps:
        torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0))(parameters, x)
    assert "vmap" in maps.missing["0"]


def test_overlapping_captures_put_the_mode_back_when_the_last_one_ends(model, x):
    model.train()
    model.act1.eval()
    flags = flags_of(model)
    first, second = featmagic.capture(model, "cnn1"), featmagic.capture(model, "fc2")
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    assert flags_of(model) == [False] * len(flags)
    assert not torch.is_grad_enabled()
    second.__exit__(None, None, None)
    assert flags_of(model) == flags
    assert torch.is_grad_enabled()

    def look(_):
        with featmagic.capture(model, "cnn1"):
            model(x)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(look, range(40)))
    assert flags_of(model) == flags
    assert hooks_on(model) == []


def test_parts_called_after_a_pass_that_was_cut_short_do_not_pile_up():
    model = nn.Sequential(nn.ReLU(), Failing(KeyboardInterrupt()))
    with featmagic.capture(model, "0") as maps:
        with contextlib.suppress(KeyboardInterrupt):
            model(torch.ones(1))
        for _ in range(5):
            model[0](torch.ones(1))
    assert list(maps) == ["0"]
    assert not maps.missing


def test_a_layer_taken_out_of_the_model_does_not_pile_up():
    model = nn.Sequential(nn.ReLU(), nn.Tanh())
    with featmagic.capture(model, "0") as maps:
        layer = model[0]
        model[0] = nn.Identity()
        for _ in range(5):
            layer(torch.ones(1))
    assert list(maps) == ["0"]


def test_the_callers_variables_are_not_held():
    class Big:
        pass

    model = nn.Sequential(nn.Sequential(nn.ReLU()))

    def step():
        big = Big()
        model[0](torch.ones(1))
        return weakref.ref(big)

    gc.disable()
    try:
        with featmagic.capture(model, "0.0") as maps:
            gone = step()
            assert gone() is None
    finally:
        gc.enable()
    assert list(maps) == ["0.0"]


def test_tracing_symbolically_leaves_the_maps_alone(model, x):
    with featmagic.capture(model, "cnn1") as maps:
        model(x)
        torch.fx.symbolic_trace(model)
    assert list(maps) == ["cnn1"]
    assert not maps.missing


def test_a_thread_that_hooks_the_model_meanwhile_does_no_harm(model):
    stop = threading.Event()

    def busy():
        while not stop.is_set():
            model.cnn1.register_forward_hook(lambda *_: None).remove()

    thread = threading.Thread(target=busy)
    thread.start()
    try:
        for _ in range(300):
            with featmagic.capture(model, "cnn1"):
                pass
    finally:
        stop.set()
        thread.join()
    assert hooks_on(model) == []


@pytest.mark.parametrize("prepend", [False, True])
def test_a_hook_that_is_set_in_the_block_is_seen_in_the_value(model, x, prepend):
    """As in ablation and activation patching."""
    zeros = torch.zeros(1, 5, 24, 24)
    with featmagic.capture(model, "cnn1", "act1", "cnn1") as maps:
        handle = model.cnn1.register_forward_hook(lambda *_: zeros, prepend=prepend)
        model(x)
        handle.remove()
    assert not maps["cnn1"].any()
    assert not maps["act1"].any()


@pytest.mark.parametrize("run", ["model", "part", "layer"])
def test_a_hook_set_between_passes_is_seen_in_whatever_is_called(run):
    model = nn.Sequential(nn.Sequential(nn.ReLU(), nn.ReLU()))
    called = {"model": model, "part": model[0], "layer": model[0][0]}[run]
    with featmagic.capture(model, "0.0") as outer, featmagic.capture(model, "0.0") as inner:
        called(torch.ones(2))
        assert outer["0.0"].tolist() == inner["0.0"].tolist() == [1, 1]
        model[0][0].register_forward_hook(lambda module, args, output: output * 3)
        model[0][0].register_forward_hook(lambda module, args, output: output + 1)
        called(torch.ones(2))
        assert outer["0.0"].tolist() == inner["0.0"].tolist() == [4, 4]
    assert len(model[0][0]._forward_hooks) == 2


def test_hooks_of_the_users_keep_their_order(model, x):
    ran = []
    for name in "ab":
        model.cnn1.register_forward_hook(lambda *_, name=name: ran.append(name))
    with featmagic.capture(model, "cnn1"):
        for name in "cd":
            model.cnn1.register_forward_hook(lambda *_, name=name: ran.append(name))
        model(x)
    model(x)
    assert ran == list("abcd") * 2


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_pass_that_only_a_copy_ran_is_named(model, x, copied):
    with featmagic.capture(model, "cnn1") as maps:
        copied(model)(x)
    assert dict(maps) == {}
    assert "passes of the copy aren't captured" in maps.missing["cnn1"]
    with featmagic.capture(model, "cnn1") as maps:
        copied(model)(x)
        model(x)
    assert (list(maps), maps.missing) == (["cnn1"], {})


@pytest.mark.parametrize("as_is", [False, True])
def test_a_layer_whose_hooks_are_taken_off_in_the_block_says_so(model, x, as_is):
    model.act1.register_forward_hook(lambda *_: None)
    with featmagic.capture(model, "cnn1", "act1", "pool1", as_is=as_is) as maps:
        model(x)
        model.cnn1._forward_hooks.clear()
        model(x)
    assert list(maps) == ["cnn1", "act1", "pool1"]
    assert not maps.missing
    with featmagic.capture(model, "cnn1", "act1", "pool1", as_is=as_is) as maps:
        model.cnn1._forward_hooks.clear()
        model.act1._forward_hooks.clear()
        model(x)
    assert list(maps) == ["pool1"]
    assert set(maps.missing) == {"cnn1", "act1"}
    assert all("hooks were removed during the run" in reason for reason in maps.missing.values())
    assert not hooks_on(model)


class Twin(nn.Linear):
    """Equal to every other one of its size, as modules that are compared by configuration."""

    def __init__(self, n):
        super().__init__(n, n)

    def __eq__(self, other):
        return isinstance(other, Twin) and self.in_features == other.in_features

    def __hash__(self):
        return self.in_features


def test_modules_that_are_equal_are_told_apart():
    model = nn.Sequential(Twin(3), Twin(3), nn.Sequential(Twin(3))).train()
    modules = [model, *model, model[2][0]]
    with featmagic.capture(model, "0", "1", "2.0") as maps:
        assert not any(module.training for module in modules)
        model(torch.ones(1, 3))
    assert list(maps) == ["0", "1", "2.0"]
    assert not torch.equal(maps["0"], maps["1"])
    for module in modules:
        assert module.training
        assert not module._forward_hooks
        assert not module._forward_pre_hooks


class AnswersToAnyName(nn.Sequential):
    """A model that answers to names that it hasn't got."""

    def __getattr__(self, name):
        return lambda *_: name


class Refuses(nn.Sequential):
    """A model that fails when it is asked for names that it hasn't got."""

    def __getattr__(self, name):
        raise RuntimeError(f"no {name}")


class RegistersItsOwn(nn.Sequential):
    """A model with methods of the names of torch's, but of another meaning."""

    def register_forward_hook(self, name):
        raise AssertionError

    register_forward_pre_hook = register_forward_hook


@pytest.mark.parametrize("as_is", [False, True])
@pytest.mark.parametrize("kind", [AnswersToAnyName, Refuses, RegistersItsOwn])
def test_a_model_with_attributes_of_its_own_kind_is_a_model_like_any_other(kind, as_is):
    model = nn.Sequential(nn.Linear(2, 2), nn.ReLU())
    model.__class__ = kind  # adding layers asks for names
    xs = torch.ones(1, 2), torch.zeros(1, 2)
    with featmagic.capture(model, "0", ".", as_is=as_is, passes="all") as maps:
        expected = [model(x).detach() for x in xs]
    assert [each["."].tolist() for each in maps.passes] == [each.tolist() for each in expected]
    assert maps.kept.counts.whole == 2
    assert maps.kept.counts.of_parts == 0
    assert not any(module._forward_hooks for module in model.modules())
    assert not any(module._forward_pre_hooks for module in model.modules())
