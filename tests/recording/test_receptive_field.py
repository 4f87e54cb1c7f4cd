"""A field is what a place depends on, as autograd says; where that can't be told there is none."""

from __future__ import annotations

import contextlib
import contextvars
import copy
import gc
import pickle
import subprocess
import sys
import threading
import traceback
import weakref

import pytest
import torch
import torchvision
from helpers.networks import DNN, Failing, hooks_on
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional
from torch.overrides import TorchFunctionMode, _get_current_function_mode_stack

import featmagic
from featmagic.recording.receptive_field.field import NO_FIELD, ReceptiveField, union


def fields_of(model, x, *layers, **kwargs):
    """The field of each activation of a look, by key."""
    with featmagic.capture(model, *layers, **kwargs, fields=True) as maps:
        model(x)
    return {key: one.field for key, one in maps.kept.activations.items()}


def linear(model):
    """A copy in double precision in which every value that can matter does: nothing cancels out.

    Weights are positive, and the largest of a window becomes the average of it.
    """
    model = copy.deepcopy(model).double().eval()
    for module in model.modules():
        for name, child in module.named_children():
            if isinstance(child, nn.MaxPool2d):
                size, step, pad = child.kernel_size, child.stride, child.padding
                setattr(module, name, nn.AvgPool2d(size, step, pad, child.ceil_mode))
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.constant_(module.weight, 1 / module.weight[0].numel())
    return model


def seen_by(maps, x, y, column):
    """The first and the last row and column on which a place's value depends, by autograd."""
    (slope,) = torch.autograd.grad(maps[0, :, y, column].sum(), x, retain_graph=True)
    plane = slope[0].abs().sum(0) > 0
    rows, columns = plane.any(1).nonzero().flatten(), plane.any(0).nonzero().flatten()
    return [(int(ends[0]), int(ends[-1])) for ends in (rows, columns)] if len(rows) else []


def outputs_with_slopes(model, x, paths):
    """What the layers return, with a graph; each call in turn."""
    found = {}
    handles = [
        model.get_submodule(path).register_forward_hook(
            lambda _, __, out, path=path: found.setdefault(path, []).append(out.clone())
        )
        for path in paths
    ]
    model(x)
    for handle in handles:
        handle.remove()
    return {f"{path}:{n}" if n > 1 else path: one for path in found
            for n, one in enumerate(found[path], 1)}  # fmt: skip


def span(field, place, axis, length):
    """The first and last row or column that a place sees of the image, and whether it is all."""
    first = field.start[axis] + place * field.step[axis]
    last = first + field.size[axis] - 1
    return (max(first, 0), min(last, length - 1)), first >= 0 and last < length


def check(field, maps, x, *, exact=True):
    """The field is never too small; where it lies in the image it is the least that will do."""
    height, width = maps.shape[-2:]
    whole = 0
    for y, column in {(0, 0), (height // 2, width // 2), (height - 1, width - 1)}:
        truth = seen_by(maps, x, y, column)
        for axis, place in enumerate((y, column) if truth else ()):  # padding sees nothing
            ours, inside = span(field, place, axis, x.shape[2 + axis])
            assert ours[0] <= truth[axis][0], (field, y, column, truth)
            assert ours[1] >= truth[axis][1], (field, y, column, truth)
            if exact and inside:
                assert ours == truth[axis], (field, y, column, truth)
                whole += 1
    return whole


def check_all(model, x, paths, *, exact=True):
    fields = fields_of(model, x, *paths)
    plain = linear(model)
    x = x.double().requires_grad_()
    maps = outputs_with_slopes(plain, x, paths)
    assert set(fields) == set(maps)
    inside = sum(check(fields[key], maps[key], x, exact=exact) for key in fields if fields[key])
    return fields, inside


def leaves(model):
    return [path for path, m in model.named_modules() if path and not list(m.children())]


def test_every_layer_of_vggs_features_sees_what_autograd_says():
    vgg = torchvision.models.vgg11().features.eval()
    fields, inside = check_all(vgg, torch.rand(1, 3, 160, 160), leaves(vgg))
    assert None not in fields.values()
    assert inside > 25


def test_residual_blocks_see_what_autograd_says():
    """Their sums are in place, and their ReLU is called twice."""
    resnet = torchvision.models.resnet18(norm_layer=nn.Identity).eval()
    paths = [path for path in leaves(resnet) if path != "fc"]
    fields, inside = check_all(resnet, torch.rand(1, 3, 128, 128), paths)
    assert None not in fields.values()
    assert inside > 25
    assert fields["layer4.1.relu:2"].size == (435, 435)  # the published figure
    assert fields["layer2.0.downsample.0"].size == (43, 43)


def test_batch_norm_in_eval_mode_sees_only_its_place():
    net = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    assert fields_of(net, torch.rand(2, 1, 9, 9))["1"] == ReceptiveField((3, 3))


def test_statistics_of_the_maps_themselves_make_every_place_see_the_whole():
    for norm in nn.BatchNorm2d(2, track_running_stats=False), nn.GroupNorm(1, 2):
        net = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), norm)
        field = fields_of(net, torch.rand(2, 1, 9, 9), "1")["1"]
        assert span(field, 0, 0, 9)[0] == span(field, 8, 0, 9)[0] == (0, 8)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even")
def test_strides_dilation_and_uneven_padding_are_counted():
    net = nn.Sequential(
        nn.ZeroPad2d((3, 0, 1, 2)),
        nn.Conv2d(1, 2, (3, 5), stride=(2, 1), padding=(0, 2), dilation=(3, 1)),
        nn.LeakyReLU(inplace=True),
        nn.Conv2d(2, 2, 4, padding="same"),
        nn.AvgPool2d((2, 3), (1, 2), padding=(1, 0), ceil_mode=True),
        nn.Dropout2d(),
        nn.Conv2d(2, 2, (1, 2), groups=2),
    )
    fields, inside = check_all(net, torch.rand(1, 1, 40, 50), leaves(net))
    assert None not in fields.values()
    assert inside > 10


@st.composite
def chains(draw):
    """Windows of any kind below each other, on maps of two channels."""
    sides = st.tuples(st.integers(1, 4), st.integers(1, 4))
    steps = st.tuples(st.integers(1, 3), st.integers(1, 3))
    layers = [nn.Conv2d(1, 2, 1)]
    for _ in range(draw(st.integers(1, 4))):
        kernel, step = draw(sides), draw(steps)
        pad = tuple(draw(st.integers(0, side // 2)) for side in kernel)
        kind = draw(st.sampled_from(["conv", "same", "average", "pad", "power", "relu"]))
        if kind == "conv":
            holes = draw(st.tuples(st.integers(1, 2), st.integers(1, 2)))
            layers.append(nn.Conv2d(2, 2, kernel, step, pad, holes))
        elif kind == "same":
            layers.append(nn.Conv2d(2, 2, kernel, padding="same", dilation=draw(steps)))
        elif kind == "average":
            layers.append(nn.AvgPool2d(kernel, step, pad, draw(st.booleans())))
        elif kind == "pad":
            layers.append(nn.ZeroPad2d(tuple(draw(st.integers(0, 3)) for _ in range(4))))
        elif kind == "power":
            layers.append(nn.LPPool2d(1, kernel, step))
        else:
            layers.append(nn.ReLU(inplace=draw(st.booleans())))
    return nn.Sequential(*layers)


@pytest.mark.filterwarnings("ignore:Using padding='same' with even")
@settings(max_examples=40, deadline=None)
@given(net=chains())
def test_any_chain_of_windows_sees_what_autograd_says(net):
    # A step larger than the kernel leaves rows out, so only that nothing is missed is sure.
    x = torch.rand(1, 1, 60, 60)
    with contextlib.suppress(RuntimeError):  # the maps may become too small
        net(x)
        fields, _ = check_all(net, x, leaves(net), exact=False)
        assert None not in fields.values()


def test_the_largest_of_a_window_may_be_any_of_it():
    net = nn.Sequential(nn.MaxPool2d(3, 2, 1, dilation=2), nn.MaxPool2d(2, ceil_mode=True))
    assert fields_of(net, torch.rand(1, 1, 30, 30)) == {
        "0": ReceptiveField((5, 5), (2, 2), (-1, -1)),
        "1": ReceptiveField((7, 7), (4, 4), (-1, -1)),
    }


class Functional(nn.Module):
    """Written as tutorials do: pooling and ReLU are functions."""

    def __init__(self):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 4, 5), nn.Conv2d(4, 8, 3)
        self.fc = nn.Linear(8 * 4 * 4, 5)

    def forward(self, x):
        x = functional.max_pool2d(functional.relu(self.conv1(x)), 2)
        x = functional.avg_pool2d(torch.relu(self.conv2(x)), 2)
        return self.fc(x[:, :, :4, :4].flatten(1))


def test_functions_between_modules_are_followed():
    fields = fields_of(Functional(), torch.rand(1, 1, 28, 28))
    assert fields == {
        "conv1": ReceptiveField((5, 5)),
        "conv2": ReceptiveField((10, 10), (2, 2)),
        "fc": None,
    }


def test_the_tutorials_network_has_fields_up_to_where_it_is_flattened(model, x):
    fields = fields_of(model, x)
    assert fields["pool1"] == ReceptiveField((6, 6), (2, 2))
    assert fields["flat"] is fields["fc1"] is None


NETWORKS = (
    "mobilenet_v2",
    "googlenet",
    "squeezenet1_1",
    "shufflenet_v2_x0_5",
    "efficientnet_b0",
    "mobilenet_v3_small",
)


@pytest.mark.parametrize("name", NETWORKS)
def test_no_network_has_a_field_that_is_too_small(name):
    """Sums, concatenations, shuffles, squeeze and excite."""
    torch.manual_seed(0)
    more = {"init_weights": False, "aux_logits": False} if name == "googlenet" else {}
    net = getattr(torchvision.models, name)(**more).double().eval()
    x = torch.rand(1, 3, 96, 96, dtype=torch.double)
    some = [path for path, m in net.named_modules() if isinstance(m, (nn.Conv2d, nn.AvgPool2d))]
    some = some[:: max(1, len(some) // 4)] + some[-1:]
    fields = fields_of(net, x, *some)
    x.requires_grad_()
    maps = outputs_with_slopes(net, x, some)
    for key in fields:
        assert fields[key] is not None, key
        check(fields[key], maps[key], x, exact=False)


class Runs(nn.Module):
    """Runs a function on what a convolution gave, then an identity that shows it."""

    def __init__(self, work):
        super().__init__()
        self.conv, self.last, self.work = nn.Conv2d(1, 4, 3, padding=1), nn.Identity(), work
        self.register_buffer("scale", torch.ones(1, 4, 1, 1))
        self.mix = nn.Parameter(torch.eye(4))

    def forward(self, x):
        return self.last(self.work(self, self.conv(x)))


def in_place(x, work):
    work(x)
    return x


KNOWN = ReceptiveField((3, 3), (1, 1), (-1, -1))
FOLLOWED = {
    "x * 2 + scale": lambda m, x: x * 2 + m.scale,
    "1 - x": lambda m, x: 1 - x,
    "x += x": lambda m, x: x.add_(x),
    "weights as factors": lambda m, x: x * m.conv.weight.abs().mean((1, 2, 3)).view(4, 1, 1),
    "made weights": lambda m, x: functional.conv2d(x, m.mix[:, :1, None, None], groups=4),
    "a shuffle": lambda m, x: x.view(1, 2, 2, 8, 8).transpose(1, 2).reshape(1, 4, 8, 8),
    "halves": lambda m, x: torch.cat(x.chunk(2, dim=1)[::-1], dim=1),
    "a channel": lambda m, x: x[:, 0].unsqueeze(1) * x,
    "beside another's .data": lambda m, x: (x * 1, (x * 2).data.add_(1))[0],
    "a copy made before": lambda m, x: (x * 1, x.data.add_(x.flip(2)))[0],
    "attention over channels": lambda m, x: x.softmax(1) * x.mean(1, keepdim=True),
}  # fmt: skip
UNKNOWN = {
    "rolled": lambda m, x: x.roll(1, 2),
    "sliced": lambda m, x: x[:, :, 1:],
    "turned": lambda m, x: x.transpose(2, 3),
    "permuted": lambda m, x: x.permute(0, 1, 3, 2),
    "flipped": lambda m, x: x.flip(-1),
    "reshaped": lambda m, x: x.view(1, 4, 4, 16),
    "over rows": lambda m, x: x.softmax(2),
    "mean of rows": lambda m, x: x.mean(2, keepdim=True),
    "mean by another name": lambda m, x: x - x.mean(axis=2, keepdim=True),
    "joined along rows": lambda m, x: torch.cat([x, x], 2),
    "plus what is unknown": lambda m, x: x + x.roll(1, 2),
    "in place": lambda m, x: in_place(x, lambda y: y.add_(y.roll(1, 2))),
    "+= in place": lambda m, x: x.__iadd__(x.flip(2)),
    "set": lambda m, x: in_place(x, lambda y: y.__setitem__((0, 0), y[0, 1].flip(0))),
    "copied over": lambda m, x: in_place(x, lambda y: y.copy_(y.flip(2))),
    "in place on a view": lambda m, x: in_place(x, lambda y: y.view(-1).add_(y.flip(2).view(-1))),
    "in place on a part": lambda m, x: in_place(x, lambda y: y[:, :, 0].add_(y[:, :, 5])),
    "by .data": lambda m, x: in_place(x, lambda y: y.data.add_(y.flip(2))),
    "new .data": lambda m, x: in_place(x, lambda y: setattr(y, "data", y.flip(2))),
    "by numpy": lambda m, x: in_place(x, lambda y: y.detach().numpy().__iadd__(y.flip(2).numpy())),
    "out": lambda m, x: torch.add(x, x.flip(2), out=torch.empty_like(m.scale.expand_as(x))),
    "filled": lambda m, x: torch.empty_like(m.conv(x[:, :1])).copy_(x.flip(2)),
    "mirrored": lambda m, x: functional.pad(x, (1, 1, 1, 1), mode="reflect"),
    "around the edge": lambda m, x: functional.pad(x, (1, 1, 1, 1), mode="circular"),
    "weights made of the image": lambda m, x: functional.conv2d(x, x.flip(2)[:, :, :1, :1]),
    "enlarged": lambda m, x: functional.interpolate(x, scale_factor=2),
    "transposed": lambda m, x: functional.conv_transpose2d(x, m.conv.weight, stride=2),
    "uneven windows": lambda m, x: functional.adaptive_avg_pool2d(x, 5),
    "numbers": lambda m, x: torch.tensor(x.flip(2).tolist()),
}  # fmt: skip


@pytest.mark.parametrize("name", FOLLOWED)
def test_what_stays_in_its_place_keeps_its_field(name):
    assert fields_of(Runs(FOLLOWED[name]), torch.rand(1, 1, 8, 8), "last")["last"] == KNOWN


@pytest.mark.parametrize("name", UNKNOWN)
def test_what_moves_or_is_changed_from_elsewhere_has_none(name):
    assert fields_of(Runs(UNKNOWN[name]), torch.rand(1, 1, 8, 8), "last")["last"] is None


WHOLE = {
    "squeeze and excite": lambda m, x: x * functional.adaptive_avg_pool2d(x, 1).sigmoid(),
    "by linear layers": lambda m, x: x * functional.linear(x.mean((2, 3)), m.mix).view(1, 4, 1, 1),
    "in place": lambda m, x: in_place(x, lambda y: y.mul_(y.mean((2, 3), keepdim=True))),
    "largest": lambda m, x: x - x.amax((-1, -2), keepdim=True),
    "all": lambda m, x: x / x.sum(),
}  # fmt: skip


@pytest.mark.parametrize("name", WHOLE)
def test_what_is_mixed_with_all_of_a_map_sees_all_of_it(name):
    field = fields_of(Runs(WHOLE[name]), torch.rand(1, 1, 8, 8), "last")["last"]
    assert field == ReceptiveField((10, 10), (0, 0), (-1, -1))
    assert field.is_same_everywhere


def test_maps_that_move_at_different_steps_have_none_together():
    assert union([ReceptiveField((3, 3)), ReceptiveField((3, 3), (2, 2))], (4, 4)) is None
    assert union([NO_FIELD, ReceptiveField((3, 3), (2, 2))], (4, 4)) == ReceptiveField(
        (3, 3), (2, 2)
    )


def test_a_field_is_six_numbers():
    assert ReceptiveField((3, 5), (1, 2), (-1, -2)).as_list() == [3, 5, 1, 2, -1, -2]


# A look still changes nothing.


@pytest.mark.parametrize("name", ["resnet18", "mobilenet_v3_small", "vit_b_16", "swin_t"])
def test_outputs_are_the_same_bit_for_bit(name):
    net = getattr(torchvision.models, name)().eval()
    x = torch.rand(1, 3, 224, 224)
    with torch.no_grad():
        alone = net(x)
    with featmagic.capture(net, fields=True):
        looked = net(x)
    assert torch.equal(alone, looked)


def test_a_transformers_fast_path_stays_the_one_it_takes():
    """Any mode of torch's turns it off, and then the last bits differ."""
    net = nn.Sequential(nn.Conv2d(3, 16, 4, 4), nn.Flatten(2), Swap(), nn.TransformerEncoder(
        nn.TransformerEncoderLayer(16, 2, batch_first=True), 2)).eval()  # fmt: skip
    x = torch.rand(2, 3, 32, 32)
    with torch.no_grad():
        alone = net(x)
    with featmagic.capture(net, "0", fields=True) as maps:
        assert torch.equal(net(x), alone)
    assert maps.kept.activations["0"].field is None


class Swap(nn.Module):
    def forward(self, x):
        return x.transpose(1, 2)


def test_nothing_follows_between_passes_or_afterwards(model, x):
    with featmagic.capture(model, fields=True) as maps:
        assert _get_current_function_mode_stack() == []
        model(x)
        assert _get_current_function_mode_stack() == []
    assert maps
    assert hooks_on(model) == []


def test_nothing_follows_where_the_inputs_and_modes_are_left_alone(model, x):
    assert set(fields_of(model, x, as_is=True).values()) == {None}


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt()])
def test_a_pass_that_fails_leaves_nothing_on(error):
    net = nn.Sequential(nn.Conv2d(1, 1, 3), Failing(error))
    with pytest.raises(type(error)), featmagic.capture(net, "0", fields=True) as maps:
        net(torch.rand(1, 1, 9, 9))
    assert _get_current_function_mode_stack() == []
    assert hooks_on(net) == []
    assert maps.kept.activations["0"].field == ReceptiveField((3, 3))


def test_a_cell_may_go_on_after_a_failed_pass():
    net = nn.Sequential(nn.Conv2d(1, 1, 3), nn.Conv2d(2, 1, 3))
    x = torch.rand(1, 1, 9, 9)
    with featmagic.capture(net, "0", fields=True):
        with pytest.raises(RuntimeError):
            net(x)
        assert _get_current_function_mode_stack() == []


class Counting(TorchFunctionMode):
    def __init__(self):
        super().__init__()
        self.names = []

    def __torch_function__(self, func, types, args=(), kwargs=None):
        self.names.append(getattr(func, "__name__", str(func)))
        return func(*args, **(kwargs or {}))


def test_an_interrupt_takes_no_mode_of_the_users_away():
    net = nn.Sequential(nn.Conv2d(1, 1, 3), Failing(KeyboardInterrupt()))
    with Counting() as outer:
        with pytest.raises(KeyboardInterrupt), featmagic.capture(net, "0", fields=True), Counting():  # noqa: SIM117
            with Counting():
                net(torch.rand(1, 1, 9, 9))
        assert _get_current_function_mode_stack() == [outer]
    assert _get_current_function_mode_stack() == []


@pytest.mark.parametrize("own", [contextlib.nullcontext, Counting])
def test_an_interrupt_while_torch_has_taken_our_mode_off_leaves_none_for_later(own):
    """As in `handle_torch_function`, if the interrupt comes before its `with` statement ends."""

    class Interrupted(nn.Module):
        def forward(self, x):
            aside = torch.overrides._pop_mode_temporarily()
            aside.__enter__()
            held.append(aside)
            raise KeyboardInterrupt

    model, held = nn.Sequential(nn.Conv2d(1, 1, 3), Interrupted()), []
    with own():
        before = _get_current_function_mode_stack()
        with pytest.raises(KeyboardInterrupt):
            fields_of(model, torch.ones(1, 1, 5, 5), "0")
        assert _get_current_function_mode_stack() == before
        held.clear()
        gc.collect()
        assert _get_current_function_mode_stack() == before


def test_a_mode_of_the_users_sees_no_call_more_while_a_model_runs():
    net, x = torchvision.models.resnet18().eval(), torch.rand(1, 3, 64, 64)
    with torch.no_grad(), Counting() as alone:
        net(x)
    with featmagic.capture(net, "fc", fields=True), Counting() as looked:
        net(x)
    ours = ["is_floating_point", "layout", "detach", "clone", "shape", "is_contiguous"]
    rest = [name for name in looked.names if name not in ours and name != "__get__"]
    assert [name for name in rest if name not in ("dim",)] == [
        name for name in alone.names if name not in ("dim", "__get__")
    ]


def test_a_traceback_holds_no_frame_of_the_following():
    class Wrong(nn.Module):
        def forward(self, x):
            return functional.relu(functional.linear(x, x[..., :1]))

    def frames(look):
        try:
            with look, torch.no_grad():
                net(torch.rand(1, 1, 9, 9))
        except RuntimeError as error:
            return [frame.name for frame in traceback.extract_tb(error.__traceback__)]

    net = nn.Sequential(nn.Conv2d(1, 1, 3), Wrong())
    alone, looked = (
        frames(contextlib.nullcontext()),
        frames(featmagic.capture(net, "0", fields=True)),
    )
    assert [
        name for name in looked if name in ("__torch_function__", "handle_torch_function")
    ] == []
    assert looked[-1] == alone[-1] == "forward"


def test_nothing_of_a_pass_is_kept_alive():
    net = nn.Sequential(nn.Conv2d(1, 1, 3), Keeping(), nn.ReLU())
    with featmagic.capture(net, "2", fields=True) as maps:
        net(torch.rand(1, 1, 9, 9))
        gc.collect()
        assert net[1].kept() is None
    assert maps.kept.activations["2"].field == ReceptiveField((3, 3))


class Keeping(nn.Module):
    def forward(self, x):
        self.kept = weakref.ref(x)
        return x * 2


def test_fields_outlive_the_model_and_are_pickled():
    net = nn.Sequential(nn.Conv2d(1, 1, 3), nn.ReLU())
    with featmagic.capture(net, fields=True) as maps:
        net(torch.rand(1, 1, 9, 9))
    del net
    gc.collect()
    again = pickle.loads(pickle.dumps(maps))
    for one in again, maps:
        assert one.kept.activations["1"].field == ReceptiveField((3, 3))


def test_a_copy_of_the_model_made_inside_a_look_runs_without_us():
    net = nn.Sequential(Copying())
    with featmagic.capture(net, "0", fields=True):
        net(torch.rand(1, 1, 9, 9))
    twin = Copying.made
    twin(torch.rand(1, 1, 9, 9))
    assert not any(type(hook).__module__.startswith("featmagic") for hook in hooks_on(twin))
    assert _get_current_function_mode_stack() == []


class Copying(nn.Module):
    made = None

    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(1, 1, 3)

    def forward(self, x):
        Copying.made = pickle.loads(pickle.dumps(self))
        return self.conv(x)


def test_what_is_first_compiled_inside_a_look_is_compiled_without_us():
    """Loading dynamo is what matters, so that it takes a process of its own."""
    program = """
import sys, warnings
import torch
from torch import nn
import featmagic

class Compiling(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.last = nn.Conv2d(1, 2, 3), nn.Identity()

    def forward(self, x):
        double = torch.compile(lambda x: torch.relu(x) * 2, backend="eager")
        return self.last(double(self.conv(x)))

net, x = Compiling(), torch.rand(1, 1, 9, 9)
assert "torch._dynamo" not in sys.modules
with warnings.catch_warnings(record=True) as said:
    with featmagic.capture(net, "conv", "last", fields=True) as maps:
        looked = net(x)
assert not [one for one in said if "featmagic" in str(one.message)], said
with torch.no_grad():
    assert torch.equal(net(x), looked)
assert maps.kept.activations["conv"].field is not None
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "featmagic" not in done.stderr


def test_very_deep_networks_have_fields():
    net = nn.Sequential(nn.Conv2d(1, 1, 3), *[nn.Tanh() for _ in range(3000)])
    assert fields_of(net, torch.rand(1, 1, 5, 5), "3000")["3000"] == ReceptiveField((3, 3))


def test_very_deep_networks_that_join_maps_have_fields():
    def join(x):
        for _ in range(1500):
            x = torch.cat([x, x.tanh()], 1)[:, :1]
        return x

    net = Runs(lambda _, x: join(x[:, :1]))
    assert fields_of(net, torch.rand(1, 1, 5, 5), "last")["last"] == KNOWN


def test_a_model_run_in_another_thread_has_no_field_and_leaves_nothing_there(model, x):
    left = []

    def run():
        model(x)
        left.append(_get_current_function_mode_stack())

    with featmagic.capture(model, "cnn1", fields=True) as maps:
        thread = threading.Thread(target=contextvars.copy_context().run, args=(run,))
        thread.start()
        thread.join()
    assert left == [[]]
    assert maps.kept.activations["cnn1"].field is None


def test_looks_in_each_other_both_have_fields():
    net, x = DNN(), torch.rand(1, 1, 28, 28)
    with (
        featmagic.capture(net, "pool1", fields=True) as outer,
        featmagic.capture(net, "pool1", fields=True) as inner,
    ):
        net(x)
    for maps in outer, inner:
        assert maps.kept.activations["pool1"].field == ReceptiveField((6, 6), (2, 2))


def test_under_inference_mode_there_is_none():
    """Its tensors don't tell whether they were changed."""
    with torch.inference_mode():
        fields = fields_of(DNN(), torch.rand(1, 1, 28, 28), "pool1")
    assert fields == {"pool1": None}


def test_buffers_without_a_version_are_looked_past():
    with torch.inference_mode():
        held = nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2))
    lazy = nn.Sequential(nn.Conv2d(1, 2, 3), nn.LazyBatchNorm2d())
    for net in held, lazy:
        fields = fields_of(net, torch.rand(1, 1, 9, 9))
        assert set(fields) == {"0", "1"}
        assert fields["1"] in (None, ReceptiveField((3, 3)))


def test_a_model_that_sees_no_image_has_none():
    assert fields_of(nn.Sequential(nn.Linear(3, 3)), torch.rand(2, 3)) == {"0": None}


@pytest.mark.parametrize(
    ("size", "field"),
    [
        ((8, 8), ReceptiveField((4, 4), (4, 4))),
        ((8, 7), None),
        ((7, 8), None),
        ((8, 6), ReceptiveField((4, 3), (4, 3))),
    ],
)
def test_adaptive_pooling_has_a_field_where_its_windows_are_all_alike(size, field):
    pooled = fields_of(nn.Sequential(nn.AdaptiveAvgPool2d(2)), torch.rand(1, 1, *size))["0"]
    assert pooled == field


def test_maps_of_one_place_can_be_joined_whatever_their_steps():
    class Joined(nn.Module):
        """Two branches that come down to a single place by different steps."""

        def __init__(self):
            super().__init__()
            self.coarse, self.fine = nn.Conv2d(1, 2, 4, 4), nn.Conv2d(1, 2, 2, 2)
            self.last, self.joined = nn.Conv2d(2, 2, 2, 2), nn.Identity()

        def forward(self, x):
            return self.joined(torch.cat([self.coarse(x), self.last(self.fine(x))], 1))

    class Uneven(Joined):
        def forward(self, x):
            return self.joined(torch.cat([self.coarse(x), self.fine(x[..., :2, :2])], 1))

    x = torch.rand(1, 1, 4, 4)
    assert fields_of(Joined(), x, "joined")["joined"] == ReceptiveField((4, 4), (0, 0))
    first, second = ReceptiveField((4, 4), (4, 4)), ReceptiveField((2, 2), (2, 2), (1, 0))
    assert union([first, second], (1, 1)) == ReceptiveField((4, 4), (0, 0))
    assert union([first, second], (1, 2)) is None
    assert union([first, second], (2, 1)) is None


EVERYWHERE = ReceptiveField((10, 10), (0, 0), (-1, -1))  # of an image of 8 x 8


def windows(size, step, start):
    return ReceptiveField((size, size), (step, step), (start, start))


FIELDS = {
    "permute(1, 0, 2, 3)": (lambda x: x.permute(1, 0, 2, 3), KNOWN),
    "permute(1, 0, -2, -1)": (lambda x: x.permute((1, 0, -2, -1)), KNOWN),
    "permute(dims=)": (lambda x: torch.permute(x, dims=(1, 0, 2, 3)), KNOWN),
    "permute(2, 0, 1, 3)": (lambda x: x.permute(2, 0, 1, 3), None),
    "permute(0, 2, 3, 1)": (lambda x: x.permute(0, 2, 3, 1), None),
    "transpose(0, 1)": (lambda x: x.transpose(0, 1), KNOWN),
    "swapaxes(-3, -4)": (lambda x: x.swapaxes(-3, -4), KNOWN),
    "transpose(1, 2)": (lambda x: x.transpose(1, 2), None),
    "transpose(-1, 0)": (lambda x: x.transpose(-1, 0), None),
    "unsqueeze(0)": (lambda x: x.unsqueeze(0), KNOWN),
    "unsqueeze(-3)": (lambda x: x[0].unsqueeze(-3), KNOWN),
    "unsqueeze(3)": (lambda x: x.unsqueeze(3), None),
    "unsqueeze(-1)": (lambda x: x.unsqueeze(-1), None),
    "select(1, 2)": (lambda x: x.select(1, 2), KNOWN),
    "select(-3, 2)": (lambda x: x.select(-3, 2), KNOWN),
    "select(2, 0)": (lambda x: x.select(2, 0), None),
    "narrow(1, 1, 2)": (lambda x: x.narrow(1, 1, 2), KNOWN),
    "narrow(-1, 0, 8)": (lambda x: x.narrow(-1, 0, 8), None),
    "split(2, 1)": (lambda x: x.split(2, 1)[1], KNOWN),
    "split(1)": (lambda x: x.split(1)[0], KNOWN),
    "tensor_split(2, -3)": (lambda x: x.tensor_split(2, -3)[1], KNOWN),
    "chunk(2, 3)": (lambda x: x.chunk(2, 3)[1], None),
    "flatten(0, 1)": (lambda x: x.flatten(0, 1), KNOWN),
    "flatten(2)": (lambda x: x.flatten(2), None),
    "unflatten(1, (2, 2))": (lambda x: x.unflatten(1, (2, 2)), KNOWN),
    "view(32, 8)": (lambda x: x.view(32, 8), None),
    "view(8, 8) of a channel": (lambda x: x[:, 1].view(8, 8), KNOWN),
    "view(64) of a channel": (lambda x: x[:, 1].reshape(64), None),
    "stack of means": (lambda x: torch.stack([x.mean((2, 3)), x.amax((2, 3))]), EVERYWHERE),
    "[0]": (lambda x: x[0], KNOWN),
    "[:, 1:3]": (lambda x: x[:, 1:3], KNOWN),
    "[0, 1]": (lambda x: x[0, 1], KNOWN),
    "[:, :, :, :]": (lambda x: x[:, :, :, :], KNOWN),
    "[0, 1, 2]": (lambda x: x[0, 1, 2], None),
    "[..., 1:]": (lambda x: x[..., 1:], None),
    "[:, :, :, 1:]": (lambda x: x[:, :, :, 1:], None),
    "[:, [0, 2]]": (lambda x: x[:, [0, 2]], None),
    "[x > 0]": (lambda x: x[x > 0], None),
    "softmax(-3)": (lambda x: x.softmax(-3), KNOWN),
    "softmax(0)": (lambda x: x.softmax(0), KNOWN),
    "softmax(-1)": (lambda x: x.softmax(-1), None),
    "softmax(3)": (lambda x: x.softmax(3), None),
    "log_softmax(1)": (lambda x: functional.log_softmax(x, 1), KNOWN),
    "glu(1)": (lambda x: functional.glu(x, 1), KNOWN),
    "glu()": (lambda x: functional.glu(x), None),
    "mean()": (lambda x: x.mean(), EVERYWHERE),
    "mean((2, 3))": (lambda x: x.mean((2, 3)), EVERYWHERE),
    "mean((-1, -2), keepdim)": (lambda x: x.mean((-1, -2), keepdim=True), EVERYWHERE),
    "amax((1, 2, 3))": (lambda x: x.amax((1, 2, 3)), EVERYWHERE),
    "mean(1)": (lambda x: x.mean(1), KNOWN),
    "sum((0, 1))": (lambda x: x.sum((0, 1)), KNOWN),
    "sum(1, dtype=)": (lambda x: x.sum(1, dtype=torch.double), KNOWN),
    "mean(3)": (lambda x: x.mean(3), None),
    "mean((1, 2))": (lambda x: x.mean((1, 2)), None),
    "max(1)": (lambda x: x.max(1)[0], KNOWN),
    "max()": (lambda x: x.max(), EVERYWHERE),
    "max(x, x)": (lambda x: torch.max(x, x), KNOWN),
    "max(x, x elsewhere)": (lambda x: torch.max(x, x.flip(2)), None),
    "cat(0)": (lambda x: torch.cat([x, x]), KNOWN),
    "cat() of channels": (lambda x: torch.cat([x[0], x[0]]), KNOWN),
    "cat() of rows": (lambda x: torch.cat([x[0, 0], x[0, 0]]), None),
    "cat(-3)": (lambda x: torch.cat([x, x * 2], -3), KNOWN),
    "cat(-1)": (lambda x: torch.cat([x, x], -1), None),
    "cat(3)": (lambda x: torch.cat([x, x], 3), None),
    "cat with what is unknown": (lambda x: torch.cat([x, x.flip(2)], 1), None),
    "cat with a mean": (lambda x: torch.cat([x, x.mean((2, 3), True).expand_as(x)], 1), None),
    "sum with a mean": (lambda x: x + x.mean((2, 3), keepdim=True), EVERYWHERE),
    "times a row": (lambda x: x * x.amax(2, keepdim=True), None),
    "group_norm": (lambda x: functional.group_norm(x, 2), EVERYWHERE),
    "pad(1, 2)": (lambda x: functional.pad(x, (1, 2)), ReceptiveField((3, 3), (1, 1), (-1, -2))),
    "pad(1, 0, 2, 0)": (
        lambda x: functional.pad(x, (1, 0, 2, 0)),
        ReceptiveField((3, 3), (1, 1), (-3, -2)),
    ),
    "pad(0, 3, 0, 3)": (lambda x: functional.pad(x, (0, 3, 0, 3)), KNOWN),
    "pad channels": (lambda x: functional.pad(x, (0, 0, 0, 0, 1, 1)), KNOWN),
    "pad(-1, -1)": (
        lambda x: functional.pad(x, (-1, -1)),
        ReceptiveField((3, 3), (1, 1), (-1, 0)),
    ),
    "avg_pool2d(3, 2, 1)": (lambda x: functional.avg_pool2d(x, 3, 2, 1), windows(5, 2, -2)),
    "avg_pool2d(2)": (lambda x: functional.avg_pool2d(x, 2), windows(4, 2, -1)),
    "max_pool2d((2,), [])": (lambda x: functional.max_pool2d(x, (2,), []), windows(4, 2, -1)),
    "max_pool2d(2, 1, 0, 3)": (lambda x: functional.max_pool2d(x, 2, 1, 0, 3), windows(6, 1, -1)),
    "lp_pool2d(2, 3)": (lambda x: functional.lp_pool2d(x, 2, 3, 2), windows(5, 2, -1)),
    "adaptive_max_pool2d(4)": (lambda x: functional.adaptive_max_pool2d(x, 4), windows(4, 2, -1)),
    "adaptive_avg_pool2d((8, 1))": (
        lambda x: functional.adaptive_avg_pool2d(x, (8, 1)),
        ReceptiveField((3, 10), (1, 0), (-1, -1)),
    ),
    "adaptive_avg_pool2d((1, 4))": (
        lambda x: functional.adaptive_avg_pool2d(x, (1, 4)),
        ReceptiveField((10, 4), (0, 2), (-1, -1)),
    ),
    "a function without a rule, of a mean": (
        lambda x: x.mean((2, 3)).cumsum(1).flip(1),
        EVERYWHERE,
    ),
    "the number of places": (lambda x: x * x.shape[2], KNOWN),
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_functions_keep_widen_or_lose_a_field_as_they_move_values(name):
    """Found in the traced tensor itself: only an activation of four axes has a field to show."""
    work, expected = FIELDS[name]
    net = Runs(lambda _, x: work(x))
    with featmagic.capture(net, "last", fields=True) as maps:
        net(torch.rand(1, 1, 8, 8))
    assert maps.kept.activations["last"].traced.field == expected


@pytest.mark.parametrize("name", [name for name, (_, field) in FIELDS.items() if field])
def test_a_field_is_never_smaller_than_what_autograd_sees(name):
    work, expected = FIELDS[name]
    net = linear(Runs(lambda _, x: work(x)))
    x = torch.rand(1, 1, 8, 8, dtype=torch.double, requires_grad=True)
    maps = net(x)
    has_rows = maps.dim() > 2 or maps.shape == x.shape[2:]
    maps = maps.reshape(1, -1, *(maps.shape[-2:] if has_rows else (1, 1)))
    check(expected, maps, x, exact=False)
