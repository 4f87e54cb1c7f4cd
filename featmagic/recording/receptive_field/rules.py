"""Rules: the receptive field of a torch function's output, from the fields of its arguments.

Rows and columns are the last two axes of every tensor whose field differs from place to place.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from featmagic.recording.receptive_field.field import NO_FIELD, Field, Pair, union
from featmagic.recording.receptive_field.graph import Rule, TracedTensor, traced_tensors_in
from featmagic.recording.torch_private import FUNCTIONS


def elementwise(output: TracedTensor, *args: Any, **kwargs: Any) -> Field:
    """Each value depends on those in the same place; a tensor with one row is in every row."""
    places = _places(output)
    fields = []
    for tensor in traced_tensors_in(args, kwargs):
        if (field := tensor.field) is None:
            return None
        if not field.is_same_everywhere:
            own = _places(tensor)
            if any(count not in (1, total) for count, total in zip(own, places, strict=True)):
                return None
            field = field.everywhere(own, [axis for axis in (0, 1) if own[axis] == 1])
        fields.append(field)
    return union(fields, places)


def batch_norm(
    output: TracedTensor,
    input: TracedTensor,
    mean: Any,
    var: Any,
    weight: Any = None,
    bias: Any = None,
    training: bool = False,
    *_: Any,
    **__: Any,
) -> Field:
    """In eval mode it works value by value; in training each value depends on whole maps."""
    if not training:
        return elementwise(output, input, mean, var, weight, bias)
    return norm(output, input, weight, bias)


def norm(output: TracedTensor, input: TracedTensor, *args: Any, **kwargs: Any) -> Field:
    """Statistics are those of whole maps: every place depends on all of them."""
    field = elementwise(output, input, *args, **kwargs)
    return None if field is None else field.everywhere(_places(input))


def convolution(
    output: TracedTensor,
    input: TracedTensor,
    weight: TracedTensor,
    bias: TracedTensor | None = None,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Field:
    """A window; unknown if the weights depend on the image, too."""
    field, parameters = input.field, [tensor for tensor in (weight, bias) if tensor is not None]
    if field is None or any(parameter.field != NO_FIELD for parameter in parameters):
        return None
    kernel, dilations = (weight.shape[-2], weight.shape[-1]), _pair(dilation)
    if isinstance(padding, str):  # an odd "same" padding has its extra place below or on the right
        same = [(k - 1) * d // 2 for k, d in zip(kernel, dilations, strict=True)]
        padding = same if padding == "same" else 0
    return field.windowed(kernel, _pair(stride), _pair(padding), dilations)


def pool(
    output: TracedTensor,
    input: TracedTensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    dilation: Any = 1,
    *_: Any,
    **__: Any,
) -> Field:
    """A window: any place in it may hold the maximum."""
    if (field := input.field) is None:
        return None
    step = kernel_size if stride is None or stride == [] else stride
    return field.windowed(_pair(kernel_size), _pair(step), _pair(padding), _pair(dilation))


def average_pool(
    output: TracedTensor,
    input: TracedTensor,
    kernel_size: Any,
    stride: Any = None,
    padding: Any = 0,
    *_: Any,
    **__: Any,
) -> Field:
    """A window without dilation."""
    return pool(output, input, kernel_size, stride, padding)


def power_pool(
    output: TracedTensor,
    input: TracedTensor,
    norm_type: float,
    kernel_size: Any,
    stride: Any = None,
    ceil_mode: bool = False,
) -> Field:
    """A window without padding and dilation."""
    return pool(output, input, kernel_size, stride)


def adaptive_pool(output: TracedTensor, input: TracedTensor, *_: Any, **__: Any) -> Field:
    """Windows of one size and step if they divide the input; otherwise they differ by place."""
    field = input.field
    (h, w), (rows, columns) = _places(input), _places(output)
    if field is None or h % rows or w % columns:
        return None
    kernel = h // rows, w // columns
    single = [axis for axis, count in enumerate((rows, columns)) if count == 1]
    return field.windowed(kernel, kernel).everywhere((1, 1), single)


def pad(
    output: TracedTensor, input: TracedTensor, pad: Any, mode: str = "constant", value: Any = None
) -> Field:
    """Constant padding depends on nothing; mirrored padding depends on places elsewhere."""
    field, pads = input.field, list(pad)
    if field is None or mode != "constant":
        return None
    left, top = (*pads, 0, 0, 0)[0:3:2] if len(pads) > 2 else (pads[0], 0)
    return field.windowed((1, 1), before=(top, left))


def concatenated(output: TracedTensor, tensors: Any, dim: int = 0, **kwargs: Any) -> Field:
    """Maps joined along any axis but rows and columns."""
    if kwargs or _is_spatial(dim, output):
        return None
    fields = [tensor.field for tensor in tensors]
    return union([f for f in fields if f is not None], _places(output)) if all(fields) else None


def reduced(
    output: TracedTensor, input: TracedTensor, dim: Any = None, *_: Any, **kwargs: Any
) -> Field:
    """Over rows and columns, all places count; over other axes, those in the same place."""
    field = input.field
    if isinstance(dim, TracedTensor):
        return elementwise(output, input, dim)
    if field is None or isinstance(dim, str) or kwargs.keys() - {"keepdim", "dtype"}:
        return None
    dims = (dim,) if isinstance(dim, int) else tuple(dim or range(-input.dim(), 0))
    spatial = sum(_is_spatial(axis, input) for axis in dims)
    return (field, None, field.everywhere(_places(input)))[spatial]


def along(output: TracedTensor, input: TracedTensor, dim: Any = None, *_: Any, **__: Any) -> Field:
    """Functions such as softmax mix the values along one axis."""
    return None if not isinstance(dim, int) or _is_spatial(dim, input) else input.field


def parts(output: TracedTensor, input: TracedTensor, size: Any, dim: int = 0, *_: Any) -> Field:
    """Parts along any axis but rows and columns, which stay whole."""
    return None if _is_spatial(dim, input) else input.field


def picked(output: TracedTensor, input: TracedTensor, dim: int, *_: Any) -> Field:
    """A choice along an axis that is neither rows nor columns."""
    return None if _is_spatial(dim, input) else input.field


def item(output: TracedTensor, input: TracedTensor, index: Any) -> Field:
    """Numbers and slices of the axes before rows and columns, which stay whole."""
    index = index if isinstance(index, tuple) else (index,)
    plain = all(type(part) in (int, slice) for part in index)
    spatial = index[max(input.dim() - 2, 0) :]
    return input.field if plain and all(part == slice(None) for part in spatial) else None


def reshaped(output: TracedTensor, input: TracedTensor, *_: Any, **__: Any) -> Field:
    """Values keep their order, so rows and columns of the same number hold the same values."""
    return input.field if _places(output) == _places(input) else None


def swapped(output: TracedTensor, input: TracedTensor, dim0: int, dim1: int) -> Field:
    """Axes other than rows and columns change places."""
    return None if _is_spatial(dim0, input) or _is_spatial(dim1, input) else input.field


def permuted(output: TracedTensor, input: TracedTensor, *dims: Any, **kwargs: Any) -> Field:
    """Rows and columns must stay the last axes."""
    flat = kwargs.get("dims") or (dims if isinstance(dims[0], int) else dims[0])
    last = [dim % input.dim() for dim in flat][-2:]
    return input.field if last == [input.dim() - 2, input.dim() - 1] else None


def lengthened(output: TracedTensor, input: TracedTensor, dim: int) -> Field:
    """One more axis before rows and columns."""
    return None if _is_spatial(dim, output) else input.field


def _places(tensor: TracedTensor) -> Pair:
    """Return the number of rows and columns."""
    shape = (1, 1, *tensor.shape)
    return shape[-2], shape[-1]


def _is_spatial(dim: int, tensor: TracedTensor) -> bool:
    return dim % tensor.dim() >= tensor.dim() - 2


def _pair(value: Any) -> Pair:
    if isinstance(value, int):
        return value, value
    sides = tuple(value)
    return (sides[0], sides[0]) if len(sides) == 1 else (sides[0], sides[1])


_ELEMENTWISE = """
    relu relu6 hardtanh hardswish hardsigmoid silu gelu elu selu celu leaky_relu rrelu mish sigmoid
    tanh logsigmoid softplus softsign tanhshrink hardshrink softshrink threshold prelu
    dropout dropout2d alpha_dropout feature_dropout feature_alpha_dropout
    abs neg exp log log1p expm1 sqrt rsqrt square reciprocal sign sin cos erf floor ceil round
    clamp clip nan_to_num positive bernoulli
    add sub mul div pow true_divide maximum minimum where lerp addcmul addcdiv rsub
    gt ge lt le eq ne logical_and logical_or logical_not
    clone detach contiguous to float half double bfloat16 type type_as cpu cuda
    local_response_norm
"""
_OPERATORS = "add radd sub rsub mul rmul truediv rtruediv div rdiv pow rpow neg abs pos"

_RULES: dict[Rule, Iterable[str]] = {
    elementwise: [
        *_ELEMENTWISE.split(),
        *(f"{name}_" for name in _ELEMENTWISE.split()),
        *(f"__{name}__" for name in _OPERATORS.split()),
        *(f"__i{name}__" for name in _OPERATORS.split()),
    ],
    norm: ["group_norm", "instance_norm"],
    convolution: ["conv2d"],
    pool: ["max_pool2d", "max_pool2d_with_indices"],
    average_pool: ["avg_pool2d"],
    power_pool: ["lp_pool2d"],
    adaptive_pool: [
        "adaptive_avg_pool2d",
        "adaptive_max_pool2d",
        "adaptive_max_pool2d_with_indices",
    ],
    pad: ["pad"],
    concatenated: ["cat", "concat", "concatenate"],
    reduced: ["mean", "sum", "amax", "amin", "max", "min"],
    along: ["softmax", "log_softmax", "glu"],
    parts: ["chunk", "split", "tensor_split"],
    picked: ["narrow", "select", "index_select"],
    item: ["__getitem__"],
    reshaped: ["view", "reshape", "unflatten", "flatten"],
    swapped: ["transpose", "swapaxes"],
    permuted: ["permute"],
    lengthened: ["unsqueeze"],
}


@lru_cache(maxsize=1)
def _by_function() -> dict[Any, Rule]:
    """Return the rule of each function that has one, in whichever namespaces it is found."""
    holders = (functional, torch, Tensor, FUNCTIONS)
    rules = {
        getattr(holder, name): rule
        for rule, names in _RULES.items()
        for name in names
        for holder in holders
        if hasattr(holder, name)
    }
    # torch.batch_norm takes its arguments in another order; nobody calls it.
    return rules | {functional.batch_norm: batch_norm}


def rule_of(function: object) -> Rule | None:
    """Return the rule of a torch function, or None."""
    return _by_function().get(function)
