"""The weights of an `nn.MultiheadAttention` that was called without them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from featmagic.recording.model_tree import unwrap
from featmagic.support.text import printable

_FORWARD = nn.MultiheadAttention.forward


_SIGNATURE = inspect.signature(_FORWARD)


class CallOutput(NamedTuple):
    """What a call returned, completed by the attention weights that were asked for.

    Attributes:
        output: the object that was returned, or a copy of it with the weights.
        asked: whether weights were asked for, and are in `output`.
        empty: the parts that the call couldn't give, as Python reaches them, each with the reason.
    """

    output: object
    asked: bool = False
    empty: Mapping[str, str] = MappingProxyType({})


def gives_weights(module: nn.Module) -> bool:
    """Whether the module is one that can be asked for its weights beside a call.

    Example:
        >>> gives_weights(nn.MultiheadAttention(8, 2)), gives_weights(nn.Linear(8, 2))
        (True, False)
    """
    inner = unwrap(module)[-1]
    is_torchs = isinstance(inner, nn.MultiheadAttention) and type(inner).forward is _FORWARD
    return is_torchs and "forward" not in vars(inner)


def with_attention_weights(module: nn.Module, args: tuple[Any, ...], *rest: Any) -> CallOutput:
    """The output of a call, with the weights of each head where the call returned None for them.

    Args:
        module: what was called.
        args: what it was called with.
        rest: the keyword arguments, if the module is one to ask, and the output.

    Example:
        >>> attention, x = nn.MultiheadAttention(8, 2), torch.ones(3, 1, 8)
        >>> output = attention(x, x, x, need_weights=False)
        >>> with_attention_weights(attention, (x, x, x), {}, output).output[1].shape
        torch.Size([1, 2, 3, 3])
    """
    output, inner = rest[-1], unwrap(module)[-1]
    if not isinstance(inner, nn.MultiheadAttention):
        return CallOutput(output)
    if not isinstance(output, tuple) or len(output) != 2 or output[1] is not None:
        return CallOutput(output)
    if len(rest) == 1:
        reason = "only a look asks for attention weights: %%featuremaps, or capture without as_is"
        return CallOutput(output, empty={"[1]": reason} if gives_weights(module) else {})
    # A second call would draw random numbers, or move what parametrizations keep.
    if inner.training and (inner.dropout > 0 or parametrize.is_parametrized(inner)):
        return CallOutput(output, empty={"[1]": "asking for attention weights is for eval mode"})
    try:
        return CallOutput((output[0], attention_weights(inner, args, rest[0])), asked=True)
    except Exception as error:  # such as too little memory: the call itself needed none for them
        reason = printable(str(error).partition("\n")[0])
        return CallOutput(output, empty={"[1]": f"its attention weights can't be had: {reason}"})


def attention_weights(
    module: nn.MultiheadAttention, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Tensor | None:
    """The weights of each head, `(N, heads, L, S)`, for the arguments of a call.

    A second call beside the user's: with `need_weights` theirs would take another kernel, and the
    last bits of what the model computes would change. No hook runs.

    Example:
        >>> attention, x = nn.MultiheadAttention(8, 2), torch.ones(3, 1, 8)
        >>> attention_weights(attention, (x, x, x), {}).shape
        torch.Size([1, 2, 3, 3])
    """
    call = _SIGNATURE.bind(module, *args, **kwargs)
    call.arguments.update(need_weights=True, average_attn_weights=False)
    with torch.no_grad():
        return _FORWARD(*call.args, **call.kwargs)[1]
