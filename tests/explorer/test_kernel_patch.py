"""Kernel × patch: sums that give values of convolutions, compared with torch's own in float64."""

from __future__ import annotations

import copy
import gc
import pickle
import weakref
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune

import featmagic
from featmagic import FeatmagicError
from featmagic.explorer.kernel_patch import kernel_patch
from featmagic.explorer.open import open_explorer
from featmagic.explorer.protocol import answer
from featmagic.explorer.session import open_session
from featmagic.options.view import View
from featmagic.render.palette import LEVELS, NAN, NEGATIVE_INF, POSITIVE_INF

FUNCTIONS = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}


def captured(model, x, *layers, **how):
    """The activations of a look that explores."""
    with featmagic.capture(model, *layers, **{"fields": True, **how}) as maps, torch.no_grad():
        model(x)
    return maps.kept.activations


def padded(layer, x):
    """The input with its padding, by torch, and a mask of what is padding; both float64."""
    ends = []
    for axis in reversed(range(len(layer.kernel_size))):
        total = layer.dilation[axis] * (layer.kernel_size[axis] - 1)
        own = {"same": (total // 2, total - total // 2), "valid": (0, 0)}
        is_text = isinstance(layer.padding, str)
        ends += own[layer.padding] if is_text else (layer.padding[axis],) * 2
    mode = "constant" if layer.padding_mode == "zeros" else layer.padding_mode
    inside = functional.pad(torch.ones_like(x, dtype=torch.float64), ends)
    return functional.pad(x.double(), ends, mode=mode), inside == 0


def windows(layer, x):
    """Every patch of the input: `(N, C, *out, *K)`."""
    for axis, (size, stride, step) in enumerate(
        zip(layer.kernel_size, layer.stride, layer.dilation, strict=True), 2
    ):
        x = x.unfold(axis, step * (size - 1) + 1, stride)[..., ::step]
    return x


def check(layer, x, weight, bias, activation, *, places=12, wide=1e-5, key="0"):
    """Compare what is told of some places with windows, weights and sums computed apart."""
    inputs = x if x.dim() == len(layer.kernel_size) + 2 else x[None]
    values, padding = padded(layer, inputs)
    patches, masks = windows(layer, values), windows(layer, padding)
    weight, bias = weight.detach(), None if bias is None else bias.detach()
    per_group = layer.in_channels // layer.groups
    every = np.ndindex(*activation.tensor.shape)
    indices = list(every)[:: max(1, activation.tensor.numel() // places)]
    for index in indices:
        full = index if x is inputs else (0, *index)
        sample, channel, *at = full
        first = channel // (layer.out_channels // layer.groups) * per_group
        own = patches[(sample, slice(first, first + per_group), *at)]
        sums = (own * weight[channel].double()).flatten(1).sum(1)
        source = first + sum(index) % per_group
        found = kernel_patch(activation, index, source)
        assert (found.first, found.source, found.key) == (first, source, None)
        assert torch.equal(torch.from_numpy(found.patch), own[source - first])
        assert torch.equal(torch.from_numpy(found.kernel), weight[channel, source - first].double())
        assert np.allclose(found.contributions, sums, rtol=1e-12, atol=1e-14)
        assert found.value == activation.tensor[index].item()
        assert (found.bias is None) == (bias is None)
        expected = sums.sum().item() + (0 if bias is None else bias[channel].item())
        assert found.total == pytest.approx(expected, rel=1e-12, abs=1e-13)
        assert found.total == pytest.approx(found.value, rel=wide, abs=wide)
        assert (found.padding == masks[(sample, source, *at)].numpy()).all()
        strongest = kernel_patch(activation, index)
        assert strongest.source == strongest.strongest == first + sums.abs().argmax().item()
    return indices


SHAPES = {
    "plain": (nn.Conv2d(3, 4, 3), (2, 3, 9, 8)),
    "no bias": (nn.Conv2d(3, 4, 3, bias=False), (2, 3, 9, 8)),
    "padding": (nn.Conv2d(3, 4, (3, 5), padding=(1, 2)), (2, 3, 9, 8)),
    "stride": (nn.Conv2d(3, 4, 3, stride=(2, 3), padding=1), (2, 3, 11, 10)),
    "dilation": (nn.Conv2d(3, 4, 3, dilation=(2, 3), padding=(2, 1)), (2, 3, 11, 12)),
    "groups": (nn.Conv2d(6, 9, 3, groups=3, padding=1), (2, 6, 7, 8)),
    "depthwise": (nn.Conv2d(5, 10, 3, groups=5, padding=1), (2, 5, 7, 8)),
    "pointwise": (nn.Conv2d(7, 4, 1), (2, 7, 5, 6)),
    "same": (nn.Conv2d(3, 4, (3, 5), padding="same"), (2, 3, 9, 8)),
    "same, even": (nn.Conv2d(3, 4, (2, 4), padding="same", dilation=(1, 3)), (2, 3, 9, 12)),
    "valid": (nn.Conv2d(3, 4, 3, padding="valid"), (2, 3, 9, 8)),
    "circular": (nn.Conv2d(3, 4, 3, padding=(2, 1), padding_mode="circular"), (2, 3, 9, 8)),
    "reflect": (nn.Conv2d(3, 4, 5, padding=(3, 2), padding_mode="reflect"), (2, 3, 9, 8)),
    "replicate": (nn.Conv2d(3, 4, 5, padding=(3, 2), padding_mode="replicate"), (2, 3, 9, 8)),
    "same, circular": (
        nn.Conv2d(3, 4, 4, padding="same", padding_mode="circular"),
        (2, 3, 9, 8),
    ),
    "patches": (nn.Conv2d(3, 8, 4, stride=4), (2, 3, 16, 12)),
    "larger than the input": (nn.Conv2d(2, 3, 9, padding=4), (1, 2, 3, 4)),
    "unbatched": (nn.Conv2d(3, 4, 3, padding=1), (3, 9, 8)),
    "signal": (nn.Conv1d(3, 4, 5, padding=2, stride=2), (2, 3, 17)),
    "unbatched signal": (nn.Conv1d(3, 4, 5, padding=2), (3, 17)),
    "volume": (nn.Conv3d(2, 3, (2, 3, 3), padding=1), (1, 2, 4, 6, 5)),
}


@pytest.mark.filterwarnings("ignore:Using padding")
@pytest.mark.parametrize(("layer", "shape"), SHAPES.values(), ids=list(SHAPES))
def test_the_sum_gives_the_value_and_patch_and_kernel_are_torchs_own(layer, shape):
    torch.manual_seed(0)
    x = torch.randn(shape)
    activation = captured(nn.Sequential(layer), x)["0"]
    expected = FUNCTIONS[len(layer.kernel_size)]
    if layer.padding_mode == "zeros":  # the windows of this test are right themselves
        y = expected(
            x.double(), layer.weight.double(), None if layer.bias is None else layer.bias.double(),
            layer.stride, layer.padding, layer.dilation, layer.groups,
        )  # fmt: skip
        assert torch.allclose(y.float(), activation.tensor, atol=1e-5)
    assert len(check(layer, x, layer.weight, layer.bias, activation)) >= 3


@pytest.mark.parametrize(
    ("dtype", "wide"), [(torch.float64, 1e-12), (torch.float16, 4e-3), (torch.bfloat16, 3e-2)]
)
def test_values_of_other_precision_are_told_as_they_are(dtype, wide):
    torch.manual_seed(1)
    layer, x = nn.Conv2d(16, 4, 3, padding=1).to(dtype), torch.randn(2, 16, 9, 8).to(dtype)
    activation = captured(nn.Sequential(layer), x)["0"]
    assert activation.tensor.dtype == dtype
    check(layer, x, layer.weight, layer.bias, activation, wide=wide, places=200)


def test_under_autocast_the_input_is_that_before_the_cast():
    torch.manual_seed(2)
    layer, x = nn.Conv2d(16, 4, 3, padding=1), torch.randn(2, 16, 9, 8)
    with torch.autocast("cpu", torch.bfloat16):
        activation = captured(nn.Sequential(layer), x)["0"]
    assert activation.tensor.dtype == torch.bfloat16
    check(layer, x, layer.weight, layer.bias, activation, wide=3e-2, places=200)


def test_memory_in_another_order_changes_nothing():
    layer = nn.Conv2d(6, 4, 3, padding=1).to(memory_format=torch.channels_last)
    x = torch.randn(2, 6, 9, 8).to(memory_format=torch.channels_last)
    activation = captured(nn.Sequential(layer), x)["0"]
    check(layer, x, layer.weight, layer.bias, activation)


def test_a_lazy_layer_counts_once_it_has_weights():
    model, x = nn.Sequential(nn.LazyConv2d(4, 3)), torch.randn(1, 3, 6, 6)
    activation = captured(model, x)["0"]
    check(model[0], x, model[0].weight, model[0].bias, activation)


def test_the_first_image_of_a_list_of_keywords_is_the_input():
    class Named(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 3, 3)

        def forward(self, x):
            return self.conv(input=x * 2)

    model, x = Named(), torch.randn(1, 2, 6, 6)
    activation = captured(model, x, "conv")["conv"]
    check(model.conv, 2 * x, model.conv.weight, model.conv.bias, activation)


def test_a_hook_that_changes_the_input_has_done_so():
    model, x = nn.Sequential(nn.Conv2d(2, 3, 3)), torch.randn(1, 2, 6, 6)
    model[0].register_forward_pre_hook(lambda _, args: (args[0] + 1,))
    activation = captured(model, x)["0"]
    check(model[0], x + 1, model[0].weight, model[0].bias, activation)


def new_weight_norm(layer):
    return parametrizations.weight_norm(layer)


def old_weight_norm(layer):
    return nn.utils.weight_norm(layer)


def pruned(layer):
    return prune.random_unstructured(layer, "weight", 0.5)


class Noisy(nn.Module):
    """A parametrization that draws random numbers and counts."""

    def __init__(self):
        super().__init__()
        self.calls = 0

    def forward(self, weight):
        self.calls += 1
        torch.rand(1)
        return weight * 2


def custom(layer):
    nn.utils.parametrize.register_parametrization(layer, "weight", Noisy())
    return layer


CHANGED = [new_weight_norm, old_weight_norm, pruned, custom, parametrizations.spectral_norm]
CHANGED += [nn.utils.spectral_norm, parametrizations.orthogonal]


@pytest.mark.filterwarnings("ignore::FutureWarning")
@pytest.mark.parametrize("change", CHANGED)
def test_a_computed_weight_is_that_of_the_pass_and_asking_changes_nothing(change):
    torch.manual_seed(3)
    layer = nn.Conv2d(3, 4, 3, padding=1)
    layer = change(layer)
    model, x = nn.Sequential(layer), torch.randn(2, 3, 6, 6)
    activation = captured(model, x)["0"]
    model.train()
    with torch.no_grad():
        weight = copy.deepcopy(model).eval()[0].weight
    state, random = copy.deepcopy(model.state_dict()), torch.random.get_rng_state()
    calls = [m.calls for m in model.modules() if isinstance(m, Noisy)]
    check(layer, x, weight, layer.bias, activation)
    assert torch.equal(random, torch.random.get_rng_state())
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert calls == [m.calls for m in model.modules() if isinstance(m, Noisy)]
    assert model.training


# Where no sum is shown


class Net(nn.Module):
    """A convolution, a layer that works in place, and another convolution of its result."""

    def __init__(self, second=None):
        super().__init__()
        self.first, self.act = nn.Conv2d(2, 3, 3, padding=1), nn.ReLU(inplace=True)
        self.second = second or nn.Conv2d(3, 4, 3, padding=1)

    def forward(self, x):
        return self.second(self.act(self.first(x)))


def refusal(activation, index=(0, 1, 2, 3)):
    with pytest.raises(FeatmagicError) as error:
        kernel_patch(activation, index)
    return str(error.value)


def test_after_a_training_step_the_weights_have_changed():
    model, x = Net(), torch.randn(1, 2, 6, 6)
    activations = captured(model, x)
    kernel_patch(activations["first"], (0, 1, 2, 3))
    model(x).sum().backward()
    torch.optim.SGD(model.parameters(), 1e-12).step()
    assert "The weights of first have changed since the pass" in refusal(activations["first"])


def test_weights_that_were_replaced_without_a_trace_are_found_by_the_sum():
    model, x = Net(), torch.randn(1, 2, 6, 6)
    activation = captured(model, x)["first"]
    model.first.weight.data = model.first.weight.data * 1.001
    assert "doesn't reproduce the captured value" in refusal(activation)


def test_weights_of_another_dtype_are_not_those_of_the_pass():
    model, x = Net(), torch.randn(1, 2, 6, 6)
    activation = captured(model, x)["first"]
    model.double()
    assert "have changed" in refusal(activation)


def test_an_input_that_was_changed_in_place_is_not_shown():
    model, x = Net(), torch.randn(1, 2, 6, 6)
    activation = captured(model, x)["first"]
    x[0, 0, 0, 0] += 1
    assert "The input of first was changed in place after the pass" in refusal(activation)


def test_an_input_that_the_model_changes_in_place_is_not_shown():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 3, 3)

        def forward(self, x):
            x = x + 1
            y = self.conv(x)
            x += 1
            return y, x

    model = Twice()
    activation = captured(model, torch.randn(1, 2, 6, 6), "conv")["conv"]
    assert "changed in place" in refusal(activation)


class Standardized(nn.Conv2d):
    """Another convolution than its weight says."""

    def forward(self, x):
        weight = self.weight - self.weight.mean((1, 2, 3), keepdim=True)
        return self._conv_forward(x, weight, self.bias)


class Cropped(nn.Conv2d):
    """Gives other shapes than a convolution does."""

    def forward(self, x):
        return super().forward(x)[..., 1:]


@pytest.mark.parametrize("kind", [Standardized, Cropped])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.float16, torch.bfloat16])
def test_a_layer_that_computes_something_else_shows_no_sum(kind, dtype):
    torch.manual_seed(4)
    model = Net(kind(3, 4, 3, padding=1)).to(dtype)
    activations = captured(model, torch.randn(1, 2, 8, 8, dtype=dtype))
    kernel_patch(activations["first"], (0, 1, 2, 3))
    assert "or the layer computes something else" in refusal(activations["second"])


def test_a_hook_that_replaces_the_output_is_found_by_the_sum():
    model, x = Net(), torch.randn(1, 2, 6, 6)
    model.first.register_forward_hook(lambda _, args, output: output * 2)
    assert "doesn't reproduce the captured value" in refusal(captured(model, x)["first"])


def test_a_transposed_convolution_is_refused_with_a_reason():
    model = Net(nn.ConvTranspose2d(3, 4, 3))
    activation = captured(model, torch.randn(1, 2, 6, 6))["second"]
    assert refusal(activation).startswith("second is a transposed convolution")


def test_no_convolution_no_sum():
    activation = captured(Net(), torch.randn(1, 2, 6, 6))["act"]
    assert refusal(activation) == "act is not a convolution."


@pytest.mark.parametrize("how", [{"fields": False}, {"fields": True, "as_is": True}])
def test_without_an_explorer_in_sight_no_input_is_kept(how):
    model = Net()
    activation = captured(model, torch.randn(1, 2, 6, 6), **how)["first"]
    said = refusal(activation)
    assert said.startswith("The input of first was not kept: %%featuremaps MODEL --explore")


def test_complex_values_have_no_sum_to_show():
    layer = nn.Conv2d(2, 3, 3, dtype=torch.complex64)
    activation = captured(nn.Sequential(layer), torch.randn(1, 2, 6, 6, dtype=torch.complex64))["0"]
    assert refusal(activation) == "The values of 0 are complex: no sum of them is shown."


def test_a_model_that_is_gone_is_not_kept_for_it():
    model = Net()
    activation = captured(model, torch.randn(1, 2, 6, 6))["first"]
    del model
    gc.collect()
    assert refusal(activation) == "The model of first no longer exists."


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda one: pickle.loads(pickle.dumps(one))])
def test_a_copy_of_feature_maps_holds_neither_model_nor_inputs(copied):
    model = Net()
    with featmagic.capture(model, "first", fields=True) as maps, torch.no_grad():
        model(torch.randn(1, 2, 6, 6))
    twin = copied(maps).kept.activations["first"]
    assert refusal(twin) == "The model of first no longer exists."
    assert not twin.keeps_input
    assert kernel_patch(maps.kept.activations["first"], (0, 1, 2, 3)).total


def test_a_channel_of_another_group_is_refused():
    layer = nn.Conv2d(4, 4, 3, groups=2)
    activation = captured(nn.Sequential(layer), torch.randn(1, 4, 6, 6))["0"]
    assert kernel_patch(activation, (0, 3, 0, 0), 2).first == 2
    with pytest.raises(FeatmagicError, match="No input channel 1 at this place: choose 2 to 3"):
        kernel_patch(activation, (0, 3, 0, 0), 1)


# Values that aren't finite


def test_a_value_beyond_the_largest_of_its_dtype_is_the_sum_all_the_same():
    layer = nn.Conv2d(1, 1, 3, bias=False).half()
    with torch.no_grad():
        layer.weight.fill_(200)
    activation = captured(nn.Sequential(layer), torch.full((1, 1, 3, 3), 100.0).half())["0"]
    found = kernel_patch(activation, (0, 0, 0, 0))
    assert (found.value, found.total) == (float("inf"), 180_000)


@pytest.mark.parametrize("strange", [float("nan"), float("inf"), -float("inf")])
def test_a_value_that_is_not_finite_comes_from_an_input_that_is_not(strange):
    torch.manual_seed(0)
    x = torch.randn(1, 2, 9, 9)
    x[0, 1, 2, 2] = strange
    layer = nn.Conv2d(2, 3, 3)
    activation = captured(nn.Sequential(layer), x)["0"]
    found = kernel_patch(activation, (0, 1, 1, 1))
    assert np.array_equal(found.value, found.total, equal_nan=True)
    assert found.source == 1  # by default, the channel from which it comes
    assert np.isfinite(kernel_patch(activation, (0, 1, 6, 6)).total)


# What is kept for it


def test_an_input_that_was_captured_itself_is_kept_once():
    model, x = Net(), torch.randn(1, 2, 6, 6)
    activations = captured(model, x)
    given = activations["second"].convolution.given
    assert given.tensor is activations["act"].tensor
    assert given.key == "act"
    assert activations["first"].convolution.given.tensor.data_ptr() == x.data_ptr()


def test_a_copy_from_before_a_change_in_place_is_not_taken_for_the_input():
    class Late(Net):
        def forward(self, x):
            y = self.act(self.first(x))
            y += 1
            return self.second(y)

    torch.manual_seed(0)
    model, x = Late(), torch.randn(1, 2, 6, 6)
    activations = captured(model, x)
    found = kernel_patch(activations["second"], (0, 1, 2, 3))
    patch = activations["act"].tensor[0, found.source, 1:4, 2:5] + 1
    assert found.key is None
    assert np.array_equal(found.patch, patch)


def test_under_inference_mode_a_copy_is_kept():
    model, x = Net(), torch.randn(1, 2, 6, 6)
    with torch.inference_mode():
        activations = captured(model, x * 1)
    first = activations["first"]
    check(model.first, x, model.first.weight, model.first.bias, first)


def test_each_call_of_a_layer_has_its_own_input():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(2, 2, 3, padding=1)

        def forward(self, x):
            return self.conv(self.conv(x))

    model, x = Twice(), torch.randn(1, 2, 6, 6)
    activations = captured(model, x, "conv")
    layer = model.conv
    check(layer, x, layer.weight, layer.bias, activations["conv"])
    second = kernel_patch(activations["conv:2"], (0, 1, 2, 3))
    assert second.key == "conv"
    assert np.array_equal(second.patch, activations["conv"].tensor[0, second.source, 1:4, 2:5])


def test_inputs_are_released_with_the_pass_that_they_are_of():
    model, held = Net(), []
    with featmagic.capture(model, "first", fields=True) as maps, torch.no_grad():
        for _ in range(2):
            x = torch.randn(1, 2, 6, 6)
            held.append(weakref.ref(x.untyped_storage()))
            model(x)
            del x
    gc.collect()
    assert maps.kept.activations["first"].keeps_input
    assert [one() is None for one in held] == [True, False]


def test_keeping_inputs_changes_no_value():
    torch.manual_seed(0)
    model, x = Net(), torch.randn(2, 2, 9, 9)
    plain, kept = captured(model, x, fields=False), captured(model, x)
    assert all(torch.equal(plain[key].tensor, kept[key].tensor) for key in plain)


# Asked by the front end


def asked(session, **question):
    """What is told of a patch: its text, sums and pictures, and a byte for each value of these."""
    text, files = answer(session, {"ask": "patch", "sample": 1, "source": None, **question})
    count, shape = text["last"] - text["first"] + 1, (3, len(text["rows"]), len(text["columns"]))
    end = 8 * (count + np.prod(shape))
    numbers = np.frombuffer(files["patch"][:end], "<f8")
    colors = np.frombuffer(files["patch"][end:], np.uint8).reshape(shape)
    return text, numbers[:count], numbers[count:].reshape(shape), colors


def test_the_front_end_is_told_numbers_and_where_they_lie():
    torch.manual_seed(0)
    model = Net(nn.Conv2d(3, 4, (3, 2), padding=1, bias=False))
    x = torch.randn(2, 2, 6, 6)
    activations = captured(model, x)
    session = open_session(list(activations.values()), View(explore=True))
    assert [layer["convolution"] for layer in session.shown.text["layers"]] == [True, False, True]
    place = {"layer": "second", "channel": 2, "position": [0, 4]}
    text, sums, pictures, colors = asked(session, **place, source=1)
    given, kernel = activations["act"].tensor[1].double(), model.second.weight[2].detach().double()
    patch = functional.pad(given, (1, 1, 1, 1))[:, 0:3, 4:6]
    expected = (patch * kernel).flatten(1).sum(1)
    total = activations["second"].tensor[1, 2, 0, 4].item()
    cells = text.pop("cells")
    assert text == {
        "words": f"sum over channel 1 of 3: {expected[1]:.4g} · total without a bias: {total:.4g}",
        "captions": ["act, channel 1", "kernel", "product (unit 0.01)"],
        "source": 1,
        "first": 0,
        "last": 2,
        "strongest": int(expected.abs().argmax()),
        "input": "act",
        "rows": ["-1, ", "0, ", "1, "],
        "columns": [3, 4],
        "padding": [1, 1, 0, 0, 0, 0],
        "signed": False,
    }
    assert np.allclose(sums, expected, rtol=1e-12)
    own = [patch[1].numpy(), kernel[1].numpy(), (patch[1] * kernel[1]).numpy()]
    assert np.array_equal(pictures, own)
    for numbers, values, unit in zip(cells, own, (1, 1, 0.01), strict=True):
        written = [float(number) * unit for number in numbers]
        assert np.allclose(written, values.ravel(), atol=6e-4)
    ends = [
        (0, given[1].max().item()),
        *[(-np.abs(one).max(), np.abs(one).max()) for one in own[1:]],
    ]
    for drawn, values, (low, high) in zip(colors, own, ends, strict=True):
        assert np.abs(drawn - (values - low) / (high - low) * (LEVELS - 1)).max() <= 0.501


def test_a_patch_of_both_signs_is_centered_on_0_and_padding_lies_in_its_range():
    model = nn.Sequential(nn.Conv2d(2, 1, 3, padding=1))
    x = torch.full((1, 2, 3, 3), -2.0)
    session = open_session(list(captured(model, x).values()), View(explore=True))
    place = {"layer": "0", "sample": 0, "channel": 0, "position": [0, 0], "source": 0}
    text, _, _, colors = asked(session, **place)
    assert not text["signed"]
    assert colors[0].tolist() == [[LEVELS - 1] * 3, [LEVELS - 1, 0, 0], [LEVELS - 1, 0, 0]]
    x[0, 1] = 1.0
    session = open_session(list(captured(model, x).values()), View(explore=True))
    text, _, _, colors = asked(session, **place)
    assert text["signed"]
    assert colors[0, 0, 0] in (LEVELS // 2 - 1, LEVELS // 2)


def test_small_numbers_are_written_in_a_unit_and_large_pictures_have_none():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(1, 1, 5, bias=False), nn.Conv2d(1, 1, 9))
    with torch.no_grad():
        model[0].weight.mul_(0.01 / model[0].weight.abs().max() * 3)
    activations = captured(model, torch.full((1, 1, 20, 20), 1234.0))
    session = open_session(list(activations.values()), View(explore=True))
    place = {"sample": 0, "channel": 0, "position": [0, 0]}
    text, _, pictures, _ = asked(session, layer="0", **place)
    assert text["captions"] == ["input, channel 0 (unit 1000)", "kernel (unit 0.01)", "product"]
    assert text["cells"][0] == ["1.2"] * 25
    assert text["cells"][1] == [f"{100 * value:.1f}" for value in pictures[1].ravel()]
    assert max(len(cell) for cell in text["cells"][2]) <= 5
    text = asked(session, layer="1", **place)[0]
    assert text["cells"] == [[""] * 81] * 3
    assert text["captions"][1] == "kernel"


def test_what_is_not_finite_has_the_colors_of_it():
    model, x = nn.Sequential(nn.Conv2d(1, 1, (1, 3), bias=False)), torch.zeros(1, 1, 2, 3)
    x[0, 0, 0] = torch.tensor([torch.nan, torch.inf, -torch.inf])
    session = open_session(list(captured(model, x).values()), View(explore=True))
    text, _, _, colors = asked(session, layer="0", sample=0, channel=0, position=[0, 0])
    assert colors[0].tolist() == [[NAN, POSITIVE_INF, NEGATIVE_INF]]
    assert text["cells"][0] == ["nan", "inf", "-inf"]
    assert "total without a bias: nan" in text["words"]


def test_a_value_that_was_rounded_is_told_too():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 1, 3)).bfloat16()
    activations = captured(model, torch.randn(1, 3, 8, 8).bfloat16())
    session = open_session(list(activations.values()), View(explore=True))
    place = {"layer": "0", "sample": 0, "channel": 0, "source": 0}
    said = [asked(session, **place, position=[0, x])[0]["words"] for x in range(6)]
    values = activations["0"].tensor[0, 0, 0].tolist()
    told = [f"captured as {value:.4g}" in words for value, words in zip(values, said, strict=True)]
    totals = [f"{kernel_patch(activations['0'], (0, 0, 0, x)).total:.4g}" for x in range(6)]
    assert told == [f"{value:.4g}" != total for value, total in zip(values, totals, strict=True)]
    assert any(told)


def test_a_place_of_a_signal_and_of_a_slice_is_found_in_its_tensor():
    torch.manual_seed(0)
    signal, volume = nn.Conv1d(3, 4, 5, padding=2), nn.Conv3d(2, 3, 3, padding=1)
    x, y = torch.randn(2, 3, 30), torch.randn(2, 2, 5, 6, 7)
    activations = {
        **captured(nn.Sequential(signal), x),
        "1": captured(nn.Sequential(volume), y)["0"],
    }
    activations["1"] = replace(activations["1"], key="1")
    session = open_session(list(activations.values()), View(explore=True))
    text = asked(session, layer="0", channel=0, position=[2, 0])[0]
    assert f"{activations['0'].tensor[1, 2, 0].item():.4g}" in text["words"]
    assert (text["rows"], text["columns"]) == ([""], [-2, -1, 0, 1, 2])
    assert text["padding"] == [1, 1, 0, 0, 0]
    place = {"layer": "1", "channel": 2, "position": [4, 6]}
    text, _, pictures, _ = asked(session, **place, slice=3)
    value = activations["1"].tensor[1, 2, 3, 4, 6].item()
    assert f"{value:.4g}" in text["words"]
    assert text["rows"][:4] == ["2, 3, ", "2, 4, ", "2, 5, ", "3, 3, "]
    assert (text["columns"], len(text["rows"])) == ([5, 6, 7], 9)
    assert pictures.shape == (3, 9, 3)
    with pytest.raises(FeatmagicError, match="combines several values"):
        asked(session, **place, slice="mean")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        ({"position": None}, "needs a position"),
        ({"source": 1.5}, "needs layer, sample, channel, position, source"),
        ({"source": 2}, "No input channel 2"),
        ({"source": -1}, "No input channel -1"),
        ({"layer": "act"}, "act is not a convolution"),
        ({"position": [6, 0]}, r"Position \(6, 0\) is outside a plane of 6 × 6"),
    ],
)
def test_a_question_that_is_wrong_is_answered_by_a_line(more, said):
    model = Net()
    activations = captured(model, torch.randn(2, 2, 6, 6))
    session = open_session(list(activations.values()), View(explore=True))
    with pytest.raises(FeatmagicError, match=said):
        asked(session, **{"layer": "first", "channel": 1, "position": [2, 3], **more})


def test_of_an_input_that_is_picked_the_model_keeps_it_too():
    class Attends(Net):
        """With attention, of which no field is followed."""

        def __init__(self):
            super().__init__()
            self.attention = nn.MultiheadAttention(4, 1)

    torch.manual_seed(0)
    model, inputs = Attends(), torch.randn(3, 2, 6, 6)
    with featmagic.capture(model, "first", fields=True) as maps, torch.no_grad():
        model(inputs[:1])
    kept = list(maps.kept.activations.values())
    explorer = open_explorer(kept, View(explore=True), "feature_maps", model, inputs)
    explorer.input = 2
    place = {"layer": "first", "channel": 1, "sample": 0, "position": [2, 3], "source": 1}
    pictures = asked(explorer._session, **place)[2]
    assert np.array_equal(pictures[0], inputs[2, 1, 1:4, 2:5])
    explorer.close()
