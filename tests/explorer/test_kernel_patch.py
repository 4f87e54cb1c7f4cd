"""Kernel × patch: sums that give values of convolutions, compared with torch's own in float64."""

from __future__ import annotations

import copy
import gc

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional
from torch.nn.utils import parametrizations, prune

import featmagic
from featmagic import FeatmagicError
from featmagic.explorer.kernel_patch import kernel_patch
from featmagic.explorer.protocol import answer
from featmagic.explorer.session import open_session
from featmagic.options.view import View

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
        outside = np.zeros(found.patch.shape, bool)
        for axis, own_places in enumerate(found.places):
            one = np.array([not 0 <= place < found.sizes[axis] for place in own_places])
            outside |= np.expand_dims(one, [n for n in range(outside.ndim) if n != axis])
        assert (outside == masks[(sample, source, *at)].numpy()).all()
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
