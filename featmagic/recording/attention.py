"""Attention weights of an `nn.MultiheadAttention` that was called with `need_weights=False`."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

from featmagic.recording.model_tree import unwrap
from featmagic.support.errors import text_of
from featmagic.support.text import format_bytes

_FORWARD = nn.MultiheadAttention.forward
_SIGNATURE = inspect.signature(_FORWARD)

# The user didn't ask for the weights, whose size grows with the square of the number of tokens.
# This limit allows 34 images in ViT-B/16; torch needs as much again while it computes the weights.
MOST_BYTES = 64_000_000


class CallOutput(NamedTuple):
    """What a call returned, with attention weights if a look added them."""

    output: object  # what the call returned, or a copy with the weights
    asked: bool = False  # whether a look added the weights
    empty: Mapping[str, str] = MappingProxyType(
        {}
    )  # why parts are missing, by the expression that reaches them


def gives_weights(module: nn.Module) -> bool:
    """Return True if the module's attention weights can be computed in a second call."""
    inner = unwrap(module)[-1]
    is_torchs_own = isinstance(inner, nn.MultiheadAttention) and type(inner).forward is _FORWARD
    return is_torchs_own and "forward" not in vars(inner)


def with_attention_weights(module: nn.Module, args: tuple[Any, ...], *rest: Any) -> CallOutput:
    """Add the weights of each head to the output of a call that returned None in their place.

    `rest` holds the keyword arguments, if `gives_weights(module)` and this is a look, and then the
    output.
    """
    output = rest[-1]
    if type(output) is Tensor:  # the usual case, in less time
        return CallOutput(output)
    inner = unwrap(module)[-1]
    if not isinstance(inner, nn.MultiheadAttention):
        return CallOutput(output)
    if not isinstance(output, tuple) or len(output) != 2 or output[1] is not None:
        return CallOutput(output)
    if len(rest) == 1:
        reason = "attention weights are captured only by %%featuremaps or capture(), without as_is"
        return CallOutput(output, empty={"[1]": reason} if gives_weights(module) else {})
    # A second call would draw random numbers or change the state of parametrizations.
    if inner.training and (inner.dropout > 0 or parametrize.is_parametrized(inner)):
        return CallOutput(output, empty={"[1]": "attention weights are captured only in eval mode"})
    try:
        if (too_large := _too_large(inner, args, rest[0])) is not None:
            return CallOutput(output, empty={"[1]": too_large})
        return CallOutput((output[0], attention_weights(inner, args, rest[0])), asked=True)
    except (
        Exception
    ) as error:  # such as too little memory, which the user's own call doesn't need for weights
        reason = text_of(error).partition("\n")[0]
        return CallOutput(
            output, empty={"[1]": f"its attention weights can't be computed: {reason}"}
        )


def _too_large(
    module: nn.MultiheadAttention, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> str | None:
    """Return why the weights of a call are too large to compute, or None if they aren't."""
    call = _SIGNATURE.bind(module, *args, **kwargs).arguments
    query, key = call["query"], call["key"]
    if query.is_nested or key.is_nested:
        return None
    per_query = key.shape[1] if module.batch_first and key.dim() == 3 else key.shape[0]
    queries = query.numel() // query.shape[-1]
    size = queries * per_query * module.num_heads * query.element_size()
    if size <= MOST_BYTES:
        return None
    return (
        f"its attention weights would take {format_bytes(size)}, more than the "
        f"{format_bytes(MOST_BYTES)} allowed: use fewer tokens or samples, or have the "
        "model call it with need_weights=True"
    )


def attention_weights(
    module: nn.MultiheadAttention, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Tensor | None:
    """Return the weights of each head, `(N, heads, L, S)`, for the arguments of a call.

    They come from a second call, which runs no hook: with `need_weights=True`, the user's own call
    would use another kernel, and the last bits of what the model computes would change.
    """
    call = _SIGNATURE.bind(module, *args, **kwargs)
    call.arguments.update(need_weights=True, average_attn_weights=False)
    with torch.no_grad():
        return _FORWARD(*call.args, **call.kwargs)[1]
