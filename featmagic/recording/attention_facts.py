"""What an attention says of the axes inside it: heads, features per head, windows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any, NamedTuple

from torch import nn

# Attributes in which attention modules keep their number of heads, and that of keys and values.
_HEADS = dict.fromkeys(("num_heads", "num_attention_heads", "n_heads", "n_head", "heads", "nhead"))
_KEY_HEADS = ("num_key_value_heads", "num_kv_heads", "n_kv_heads", "kv_heads")
# Attributes in which they keep how many features a head has.
_HEAD_SIZES = ("head_dim", "attention_head_size", "head_size", "dim_head", "d_head")
# The end of names of modules between the projections and the product of queries and keys.
_OF_HEADS = re.compile(r"(?:^|_)(?:q|k|qk|query|key)_?(?:layer_?)?(?:norm|ln)$|norm_(?:q|k)$")


class Heads(NamedTuple):
    """What an attention says about tensors inside it that have an axis of heads.

    Attributes:
        counts: how many heads of queries, keys or values there may be.
        sizes: how many features a head may have.
        named: whether the name of the module says that it has queries or keys, such as `q_norm`.
    """

    counts: frozenset[int]
    sizes: frozenset[int]
    named: bool = False


def number_of_heads(module: nn.Module) -> int | None:
    """Return the number of heads of an attention, if an attribute of the module has it."""
    attributes = vars(module)
    if attributes.keys().isdisjoint(_HEADS.keys()):  # the usual case, in less time
        return None
    return next(filter(None, (_whole(attributes.get(name)) for name in _HEADS)), None)


def heads_inside(attention: nn.Module, children: Iterable[nn.Module]) -> Heads:
    """Return what an attention and the projections in it say about its heads.

    Example:
        >>> attention = nn.Module()
        >>> attention.num_heads, attention.proj = 4, nn.Linear(64, 64)
        >>> heads_inside(attention, [attention.proj])
        Heads(counts=frozenset({4}), sizes=frozenset({16}), named=False)
    """
    attributes = vars(attention)
    heads = number_of_heads(attention)
    stated = [heads, *(_whole(attributes.get(name)) for name in _KEY_HEADS)]
    counts = {count for count in stated if count}
    sizes = {size for size in (_whole(attributes.get(name)) for name in _HEAD_SIZES) if size}
    linear = [child for child in children if isinstance(child, nn.Linear)]
    widths = {width for child in linear for width in (child.out_features, child.in_features)}
    if not sizes and heads:  # a projection from or to all heads
        whole = {child.out_features for child in linear} & {child.in_features for child in linear}
        sizes = {width // heads for width in whole if width % heads == 0}
    if not counts:
        counts = {width // size for width in widths for size in sizes if width % size == 0}
    return Heads(frozenset(counts), frozenset(sizes))


def names_heads(name: str) -> bool:
    """Return True if a module of that name in an attention has the queries or keys of its heads.

    Example:
        >>> names_heads("q_norm"), names_heads("k_layernorm"), names_heads("norm1")
        (True, True, False)
    """
    return _OF_HEADS.search(name) is not None


def window_of(attention: nn.Module) -> tuple[int, int] | None:
    """Return the height and width of the windows that an attention works in, if it says so."""
    size: Any = vars(attention).get("window_size")
    pair = (size, size) if isinstance(size, int) else size
    if isinstance(pair, (tuple, list)) and len(pair) == 2 and all(map(_whole, pair)):
        height, width = pair
        return height, width
    return None


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else None
