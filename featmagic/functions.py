"""Which rule goes with which function of torch's."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from featmagic import rules
from featmagic.sights import Rule


def _names(text: str) -> tuple[str, ...]:
    return tuple(text.split())


_ELEMENTWISE = _names("""
    relu relu6 hardtanh hardswish hardsigmoid silu gelu elu selu celu leaky_relu rrelu mish sigmoid
    tanh logsigmoid softplus softsign tanhshrink hardshrink softshrink threshold prelu
    dropout dropout2d alpha_dropout feature_dropout feature_alpha_dropout
    abs neg exp log log1p expm1 sqrt rsqrt square reciprocal sign sin cos erf floor ceil round
    clamp clip nan_to_num positive bernoulli
    add sub mul div pow true_divide maximum minimum where lerp addcmul addcdiv rsub
    gt ge lt le eq ne logical_and logical_or logical_not
    clone detach contiguous to float half double bfloat16 type type_as cpu cuda
    local_response_norm
""")
_OPERATORS = _names("add radd sub rsub mul rmul truediv rtruediv div rdiv pow rpow neg abs pos")

_RULES: dict[Rule, Iterable[str]] = {
    rules.elementwise: [
        *_ELEMENTWISE,
        *(f"{name}_" for name in _ELEMENTWISE),
        *(f"__{name}__" for name in _OPERATORS),
        *(f"__i{name}__" for name in _OPERATORS),
    ],
    rules.norm: ["group_norm", "instance_norm"],
    rules.convolution: ["conv2d"],
    rules.pool: ["max_pool2d", "max_pool2d_with_indices"],
    rules.average_pool: ["avg_pool2d"],
    rules.power_pool: ["lp_pool2d"],
    rules.adaptive_pool: [
        "adaptive_avg_pool2d", "adaptive_max_pool2d", "adaptive_max_pool2d_with_indices"
    ],
    rules.pad: ["pad"],
    rules.joined: ["cat", "concat", "concatenate"],
    rules.reduced: ["mean", "sum", "amax", "amin", "max", "min"],
    rules.along: ["softmax", "log_softmax", "glu"],
    rules.parts: ["chunk", "split", "tensor_split"],
    rules.picked: ["narrow", "select", "index_select"],
    rules.item: ["__getitem__"],
    rules.reshaped: ["view", "reshape", "unflatten", "flatten"],
    rules.swapped: ["transpose", "swapaxes"],
    rules.permuted: ["permute"],
    rules.lengthened: ["unsqueeze"],
}  # fmt: skip


@lru_cache(maxsize=1)
def _by_function() -> dict[Any, Rule]:
    """A rule for each function that has one, wherever it is found."""
    holders = (functional, torch, Tensor, torch._C._nn)
    found = {
        getattr(holder, name): rule
        for rule, names in _RULES.items()
        for name in names
        for holder in holders
        if hasattr(holder, name)
    }
    # torch.batch_norm has its arguments in another order; nobody calls it.
    return found | {functional.batch_norm: rules.batch_norm}


def rule_of(function: object) -> Rule | None:
    """The rule for a function of torch's, or None.

    Example:
        >>> rule_of(torch.conv2d).__name__, rule_of(torch.sort)
        ('convolution', None)
    """
    return _by_function().get(function)
