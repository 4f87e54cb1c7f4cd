"""Kernel × patch: the sum that gives one value of a convolution, checked against that value."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, isinf, isnan, sqrt
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.utils import parametrize

from featmagic.planes.dtypes import sliceable, to_float64
from featmagic.recording.convolution import Convolution, GivenTensor
from featmagic.recording.records import Activation
from featmagic.support.errors import FeatmagicError
from featmagic.support.text import readable

Doubles = NDArray[np.float64]

_PADDINGS = ("zeros", "reflect", "replicate", "circular")

_TF32 = 2.0**-11  # the roundoff of float32 on CUDA, where torch may use TensorFloat-32


@dataclass(frozen=True, eq=False)
class KernelPatch:
    """The sum over C input channels of kernel times patch, and the bias, that gives one value.

    A kernel has the shape K, such as (3, 3); `patch` and `kernel` are those of one input channel.

    Attributes:
        value: The value as captured.
        bias: The bias of the output channel; None if the layer has none.
        contributions: The sum of each input channel, float64 `(C,)`.
        first: The number of the first of these channels in the input: 0, unless there are groups.
        source: The number in the input of the channel that `patch` and `kernel` are of.
        patch: The values of the input under the kernel, float64 of the shape K.
        kernel: The weights, float64 of the shape K.
        places: Along each axis of K, the index in the input of each value of the patch; one outside
            of the input is padding.
        sizes: The size of the input along each of these axes.
        span: The range of the finite values of that channel of the input and of the patch; 0 to 0
            if there are none.
        signed: Whether the input has values of both signs, in any channel.
        key: The captured activation that the input is; None if it is none of them.
    """

    value: float
    bias: float | None
    contributions: Doubles
    first: int
    source: int
    patch: Doubles
    kernel: Doubles
    places: tuple[tuple[int, ...], ...]
    sizes: tuple[int, ...]
    span: tuple[float, float]
    signed: bool
    key: str | None

    @property
    def total(self) -> float:
        """The sum of all contributions and the bias."""
        return float(self.contributions.sum()) + (self.bias or 0.0)

    @property
    def padding(self) -> NDArray[np.bool_]:
        """Which values of the patch are padding, of the shape K."""
        inside = np.ones((), bool)
        for own, size in zip(self.places, self.sizes, strict=True):
            at = np.array(own)
            inside = np.logical_and.outer(inside, (at >= 0) & (at < size))
        return ~inside

    @property
    def strongest(self) -> int:
        """The number in the input of the channel that contributes most, of either sign."""
        return self.first + _strongest(self.contributions)


def kernel_patch(
    activation: Activation, index: Sequence[int], source: int | None = None
) -> KernelPatch:
    """Return the sum that gives a value of a convolution's output.

    Args:
        activation: What a convolution returned.
        index: The index of the value in its tensor.
        source: The channel of the input to give patch and kernel of; by default, the one that
            contributes most.

    Raises:
        FeatmagicError: If that sum isn't known: the layer is no convolution or a transposed one,
            its input wasn't kept, its input or weights have changed since, or it computes something
            else.

    Example:
        >>> import featmagic
        >>> net = nn.Sequential(nn.Conv2d(3, 5, 3, padding=1))
        >>> with featmagic.capture(net, fields=True) as feature_maps:
        ...     y = net(torch.rand(1, 3, 8, 8))
        >>> patch = kernel_patch(feature_maps.kept.activations["0"], (0, 4, 0, 7), source=2)
        >>> patch.places, patch.contributions.shape, abs(patch.total - float(y[0, 4, 0, 7])) < 1e-5
        (((-1, 0, 1), (6, 7, 8)), (3,), True)
    """
    name = readable(activation.key)
    module, given = _layer_and_input(activation.convolution, name)
    weight, bias = _parameter(module, "weight"), _parameter(module, "bias")
    output, axes = activation.tensor, len(module.kernel_size)
    if weight is None or not _fits(module, weight, given.tensor, output):
        raise FeatmagicError(_computes_else(name))
    if output.is_complex() or weight.is_complex():
        raise FeatmagicError(f"The values of {name} are complex: no sum of them is shown.")
    *batch, channel = index[:-axes]
    sample = given.tensor[batch[0]] if batch else given.tensor
    per_group = module.in_channels // module.groups
    first = channel // (module.out_channels // module.groups) * per_group
    last = first + per_group - 1
    if source is not None and not first <= source <= last:
        listed = f"{first} to {last}" if per_group > 1 else f"only {first}"
        raise FeatmagicError(f"No input channel {source} at this place: choose {listed}.")
    places = _places(module, index[-axes:])
    patches = _patches(sample[first : last + 1], places, module.padding_mode)
    kernels = to_float64(weight[channel]).cpu().numpy()
    products = patches * kernels
    with np.errstate(all="ignore"):
        contributions = products.reshape(per_group, -1).sum(1)
    chosen = _strongest(contributions) if source is None else source - first
    found = KernelPatch(
        value=float(sliceable(output)[tuple(index)].item()),
        bias=None if bias is None else float(bias[channel].item()),
        contributions=contributions,
        first=first,
        source=first + chosen,
        patch=patches[chosen],
        kernel=kernels[chosen],
        places=places,
        sizes=tuple(sample.shape[1:]),
        span=_span(sample[first + chosen], patches[chosen]),
        signed=bool((sample < 0).any() and (sample > 0).any()),
        key=given.key,
    )
    rounded = _roundoff_of_factors(output, sample, weight)
    if not _agrees(found, _Sums(products, kernels, _largest(sample), rounded), output):
        raise FeatmagicError(_computes_else(name))
    return found


def _computes_else(name: str) -> str:
    return (
        f"The kernel of {name} doesn't reproduce the captured value here: its weights or input "
        "have changed since the pass, or the layer computes something else."
    )


def _layer_and_input(convolution: Convolution | None, name: str) -> tuple[Any, GivenTensor]:
    """Return the module and its input, or raise an error that says why there is no sum."""
    if convolution is None:
        raise FeatmagicError(f"{name} is not a convolution.")
    module, given = convolution.module(), convolution.given
    if module is None:
        raise FeatmagicError(f"The model of {name} no longer exists.")
    if getattr(module, "transposed", False):
        raise FeatmagicError(
            f"{name} is a transposed convolution: it spreads each value of its input over several "
            "values, so that no output value is a sum over one patch."
        )
    if module.padding_mode not in _PADDINGS:
        raise FeatmagicError(_computes_else(name))
    if given is None:
        raise FeatmagicError(
            f"The input of {name} was not kept: %%featuremaps MODEL --explore keeps it, or "
            "capture(..., fields=True)."
        )
    if given.is_changed:
        raise FeatmagicError(
            f"The input of {name} was changed in place after the pass: run the cell again."
        )
    if convolution.has_changed:
        raise FeatmagicError(
            f"The weights of {name} have changed since the pass: run the cell again."
        )
    return module, given


def _parameter(module: nn.Module, name: str) -> Tensor | None:
    """Return the weight or the bias as the layer in eval mode uses it, detached."""
    if not parametrize.is_parametrized(module, name):
        tensor = getattr(module, name)
        return None if tensor is None else tensor.detach()
    # Of a copy, since computing it may change the state of the parametrization.
    parametrizations: Any = module.parametrizations
    own = copy.deepcopy(parametrizations[name]).eval()
    devices = [tensor.device for tensor in own.parameters() if tensor.is_cuda]
    with torch.no_grad(), torch.random.fork_rng(devices[:1]):
        computed: Tensor = own()
        return computed.detach()


def _fits(module: Any, weight: Tensor, given: Tensor, output: Tensor) -> bool:
    """Return True if the shapes are those of a convolution with this kernel."""
    kernel, axes = tuple(module.kernel_size), len(module.kernel_size)
    if tuple(weight.shape) != (module.out_channels, module.in_channels // module.groups, *kernel):
        return False
    if output.dim() not in (axes + 1, axes + 2) or given.dim() != output.dim():
        return False
    if given.shape[:-axes][:-1] != output.shape[:-axes][:-1]:
        return False
    if (given.shape[-axes - 1], output.shape[-axes - 1]) != (
        module.in_channels,
        module.out_channels,
    ):
        return False
    sizes = []
    for axis, size in enumerate(given.shape[-axes:]):
        window = module.dilation[axis] * (kernel[axis] - 1) + 1
        sizes.append((size + sum(_padding(module, axis)) - window) // module.stride[axis] + 1)
    return tuple(output.shape[-axes:]) == tuple(sizes)


def _padding(module: Any, axis: int) -> tuple[int, int]:
    """Return how many values are added before and after the input along an axis."""
    if module.padding == "valid":
        return 0, 0
    if module.padding == "same":
        total = module.dilation[axis] * (module.kernel_size[axis] - 1)
        return total // 2, total - total // 2
    return module.padding[axis], module.padding[axis]


def _places(module: Any, position: Sequence[int]) -> tuple[tuple[int, ...], ...]:
    """Return, along each axis, the index in the input of each value under the kernel."""
    return tuple(
        tuple(
            at * module.stride[axis] - _padding(module, axis)[0] + n * module.dilation[axis]
            for n in range(module.kernel_size[axis])
        )
        for axis, at in enumerate(position)
    )


def _patches(channels: Tensor, places: Sequence[Sequence[int]], mode: str) -> Doubles:
    """Return the values of the input under the kernel, float64 `(C, *K)`."""
    patches, is_inside = channels.detach(), np.ones((), bool)
    for axis, own in enumerate(places, 1):
        size, at = channels.shape[axis], np.array(own)
        is_inside = np.logical_and.outer(is_inside, (at >= 0) & (at < size))
        if mode == "circular":
            at %= size
        elif mode == "reflect":
            at = np.abs(at)
            at = np.where(at >= size, 2 * (size - 1) - at, at)
        at = at.clip(0, size - 1)
        patches = patches.index_select(axis, torch.from_numpy(at).to(patches.device))
    values: Doubles = to_float64(patches).cpu().numpy()
    return np.where(is_inside, values, 0.0) if mode == "zeros" else values


def _strongest(contributions: Doubles) -> int:
    """Return the place of the largest magnitude; the first that isn't a number, if any."""
    return int(np.abs(contributions).argmax())


def _span(channel: Tensor, patch: Doubles) -> tuple[float, float]:
    """Return the range of the finite values, 0 to 0 if there are none."""
    of_patch = patch[np.isfinite(patch)]
    finite = channel.detach()[channel.isfinite()]
    ends = [
        float(end) for each in (finite, of_patch) if len(each) for end in (each.min(), each.max())
    ]
    return min(ends, default=0.0), max(ends, default=0.0)


# The check


def _roundoff(tensor: Tensor) -> float:
    """Return the largest relative error of a number that is rounded to the tensor's dtype."""
    return float(torch.finfo(tensor.dtype).eps) / 2 if tensor.is_floating_point() else 0.0


def _roundoff_of_factors(output: Tensor, sample: Tensor, weight: Tensor) -> float:
    """Return the largest relative error of the factors, which autocast and GPUs round."""
    of_output, *of_factors = map(_roundoff, (output, sample, weight))
    if output.is_cuda:
        return max(of_output, *of_factors, _TF32 if output.dtype == torch.float32 else 0.0)
    return of_output if of_output > min(of_factors) else 0.0


@dataclass(frozen=True, eq=False)
class _Sums:
    """What a total is computed from, over all C input channels, float64 `(C, *K)`.

    Attributes:
        products: The products of patch and kernel.
        kernels: The weights.
        largest: The largest finite magnitude in the input.
        roundoff: The largest relative error of these factors in the layer's own computation.
    """

    products: Doubles
    kernels: Doubles
    largest: float
    roundoff: float


def _largest(sample: Tensor) -> float:
    """Return the largest finite magnitude."""
    magnitudes = sample.detach().abs()
    return float(torch.where(magnitudes.isfinite(), magnitudes, 0).max().item())


def _agrees(found: KernelPatch, sums: _Sums, output: Tensor) -> bool:
    """Return True if the total is the captured value, within the rounding of its computation."""
    total, value, of_output = found.total, found.value, _roundoff(output)
    if not isfinite(total):
        return value == total or (isnan(value) and isnan(total))
    if not isfinite(value):  # the sum may be beyond the largest number of the dtype
        most = torch.finfo(output.dtype).max * (1 - 2 * of_output)
        return isinf(value) and abs(total) >= most and (value > 0) == (total > 0)
    bias, products = abs(found.bias or 0.0), sums.products
    adding = 2.0**-53 if output.dtype == torch.float64 else 2.0**-24  # half precision adds so, too
    tolerance = (
        2 * of_output * abs(total)
        + 6 * sums.roundoff * (_norm(products) + bias)
        + adding * (4 + sqrt(products.size)) * (float(np.abs(products).sum()) + bias)
        # Fast algorithms round by what lies nearby, too.
        + 32 * adding * sums.largest * _norm(sums.kernels)
    )
    return abs(total - value) <= tolerance


def _norm(values: Doubles) -> float:
    most = float(np.abs(values).max(initial=0)) or 1.0
    return most * sqrt(float(((values / most) ** 2).sum()))
