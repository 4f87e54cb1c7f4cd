"""What one module says about where it puts its features, and about sequences and attention."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd


@dataclass(frozen=True)
class Says:
    """Where a module puts its features.

    Attributes:
        place: "first" is axis 1, or axis 0 without a batch; "last" is the last axis.
        count: how many features, or None for any number.
        spatial: how many axes follow the channels, or 0 for any number.
    """

    place: str
    count: int | None = None
    spatial: int = 0


# Torch's own modules in which sequences have an order.
SEQUENTIAL = (
    nn.RNNBase,
    nn.MultiheadAttention,
    nn.TransformerEncoderLayer,
    nn.TransformerDecoderLayer,
    nn.TransformerEncoder,
    nn.TransformerDecoder,
    nn.Transformer,
)
_SPATIAL = {"PixelShuffle": 2, "PixelUnshuffle": 2, "Fold": 2, "Unfold": 1, "Upsample": 0}
_RESHAPES = ("Flatten", "Unflatten", "Rearrange", "Reduce")
_HEADS = ("num_heads", "num_attention_heads", "n_heads", "n_head", "heads", "nhead")


def own_says(module: nn.Module) -> tuple[Says, ...]:
    """Where the module itself puts its features; two places where its class leaves that open.

    Example:
        >>> own_says(nn.Conv1d(2, 8, 3)), own_says(nn.LayerNorm(8)), own_says(nn.GELU())
        ((Says(place='first', count=8, spatial=1),), (Says(place='last', count=8, spatial=0),), ())
    """
    if isinstance(module, _ConvNd):
        return (Says("first", module.out_channels, len(module.kernel_size)),)
    if isinstance(module, (_NormBase, nn.GroupNorm)):
        count = module.num_features if isinstance(module, _NormBase) else module.num_channels
        return (Says("first", count, 0 if isinstance(module, nn.BatchNorm1d) else _named(module)),)
    if (last := _last(module)) is not None:
        return (Says("last", last),)
    name, parts = type(module).__name__, vars(module)
    if "normalized_shape" in parts:
        return _normalised(module, parts)
    if name == "Permute" and "dims" in parts:
        return _permuted(parts["dims"])
    if name in _SPATIAL or (not module._modules and _named(module)):
        return (Says("first", _int(parts.get("num_features")), _SPATIAL.get(name, _named(module))),)
    return _of_weight(module) if "Norm" in name and not module._modules else ()


def _last(module: nn.Module) -> int | None:
    """How many features the module puts on the last axis, if it puts them there."""
    if isinstance(module, (nn.Linear, nn.Bilinear)):
        return module.out_features
    if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
        return module.embedding_dim
    if isinstance(module, nn.MultiheadAttention):
        return _int(module.embed_dim)
    if isinstance(module, nn.RNNCellBase):
        return module.hidden_size
    if isinstance(module, nn.RNNBase):
        units: int = module.proj_size or module.hidden_size
        return 2 * units if module.bidirectional else units
    parts = vars(module)
    # GPT-2's linear layer, which is no convolution; quantized linear layers
    if type(module).__name__ == "Conv1D":
        return _int(parts.get("nf"))
    return None if module._modules else _int(parts.get("out_features"))


def _normalised(module: nn.Module, parts: dict[str, Any]) -> tuple[Says, ...]:
    """A layer norm, or what is derived from one to work on channels, as its class may not tell."""
    shape = tuple(parts["normalized_shape"])
    if len(shape) != 1:
        return ()
    first, last = Says("first", shape[0], _named(module)), Says("last", shape[0])
    if type(module).forward in (nn.LayerNorm.forward, _RMS_FORWARD):
        return (last,)
    layout = parts.get("data_format")
    if layout == "channels_last":
        return (last,)
    return (first,) if layout == "channels_first" or _named(module) else (last, first)


_RMS_FORWARD = getattr(getattr(nn, "RMSNorm", None), "forward", None)


def _permuted(dims: Any) -> tuple[Says, ...]:
    """The end to which `torchvision.ops.Permute` moves the channels."""
    order, last = tuple(dims), len(dims) - 1
    if order == (0, *range(2, last + 1), 1) and last > 2:
        return (Says("last"),)
    return (Says("first", None, last - 1),) if order == (0, last, *range(1, last)) else ()


def _of_weight(module: nn.Module) -> tuple[Says, ...]:
    """A norm of a class of its own: one weight a feature, on one axis or the other."""
    weight = module._parameters.get("weight")
    if weight is None or weight.dim() != 1:
        return ()
    return Says("first", len(weight)), Says("last", len(weight))


def _named(module: nn.Module) -> int:
    """The number of spatial axes that the names of the module's classes end with, or 0."""
    kind: Any = type(module)
    return _axes_in_name(kind)


@lru_cache(maxsize=1024)  # asked of every module at each look
def _axes_in_name(kind: type[object]) -> int:
    names = (cls.__name__ for cls in kind.__mro__)
    found = (re.search(r"([123])d$", name) for name in names)
    return next((int(match[1]) for match in found if match), 0)


def _int(value: object) -> int | None:
    return value if isinstance(value, int) else None


def reshapes(module: nn.Module) -> bool:
    """Whether what is before the module says nothing of what it returns.

    Example:
        >>> reshapes(nn.Flatten())
        True
    """
    return type(module).__name__ in _RESHAPES


def batch_first(module: nn.Module) -> bool:
    """Whether a module of `SEQUENTIAL` has the batch before the sequence.

    Example:
        >>> batch_first(nn.TransformerEncoderLayer(8, 2))
        False
    """
    kinds = (nn.RNNBase, nn.MultiheadAttention)
    return all(bool(part.batch_first) for part in module.modules() if isinstance(part, kinds))


def heads_of(module: nn.Module) -> int | None:
    """How many heads an attention has, where it or what is in it tells.

    Example:
        >>> heads_of(nn.MultiheadAttention(8, 2))
        2
    """
    told = (_int(vars(part).get(name)) for part in module.modules() for name in _HEADS)
    return next(filter(None, told), None)
