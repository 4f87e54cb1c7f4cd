"""Attention weights of an `nn.MultiheadAttention` that was called without asking for them."""

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

# Nobody asked for the weights of a call, which take the square of its tokens. So many bytes are
# those of ViT-B/16 for 34 images; torch needs as much again while it computes them.
MOST_BYTES = 64_000_000


class CallOutput(NamedTuple):
    """What a call returned, completed by the attention weights that were asked for."""

    output: object  # what was returned, or a copy of it with the weights
    asked: bool = False  # whether weights were asked for, and are in the output
    empty: Mapping[str, str] = MappingProxyType({})  # why parts are missing, by the Python to them


def gives_weights(module: nn.Module) -> bool:
    """Return True if the module can be asked for its attention weights beside a call."""
    inner = unwrap(module)[-1]
    is_torchs_own = isinstance(inner, nn.MultiheadAttention) and type(inner).forward is _FORWARD
    return is_torchs_own and "forward" not in vars(inner)


def with_attention_weights(module: nn.Module, args: tuple[Any, ...], *rest: Any) -> CallOutput:
    """Complete the output of a call by the weights of each head, if the call returned None there.

    `rest` has the keyword arguments, if the module may be asked for weights; then the output.
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
        reason = "only a look asks for attention weights: %%featuremaps, or capture without as_is"
        return CallOutput(output, empty={"[1]": reason} if gives_weights(module) else {})
    # A second call would draw random numbers, or change the state of parametrizations.
    if inner.training and (inner.dropout > 0 or parametrize.is_parametrized(inner)):
        return CallOutput(output, empty={"[1]": "asking for attention weights is for eval mode"})
    try:
        if (too_large := _too_large(inner, args, rest[0])) is not None:
            return CallOutput(output, empty={"[1]": too_large})
        return CallOutput((output[0], attention_weights(inner, args, rest[0])), asked=True)
    except Exception as error:  # such as too little memory: the user's call needs none for weights
        reason = text_of(error).partition("\n")[0]
        return CallOutput(output, empty={"[1]": f"its attention weights can't be had: {reason}"})


def _too_large(
    module: nn.MultiheadAttention, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> str | None:
    """Return why the weights of a call aren't asked for, or None if they aren't too many."""
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
        f"{format_bytes(MOST_BYTES)} that a look takes for them: run it on fewer tokens or "
        "samples, or have the model call it with need_weights=True"
    )


def attention_weights(
    module: nn.MultiheadAttention, args: tuple[Any, ...], kwargs: Mapping[str, Any]
) -> Tensor | None:
    """Return the weights of each head, `(N, heads, L, S)`, for the arguments of a call.

    They come from a second call, which runs no hook: with `need_weights` the user's own call would
    take another kernel, which changes the last bits of what the model computes.
    """
    call = _SIGNATURE.bind(module, *args, **kwargs)
    call.arguments.update(need_weights=True, average_attn_weights=False)
    with torch.no_grad():
        return _FORWARD(*call.args, **call.kwargs)[1]
