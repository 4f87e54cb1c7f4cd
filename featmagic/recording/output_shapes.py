"""The output shapes of a model's layers, as last captured."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from torch import nn

from featmagic.recording.layer_cache import layer_cache_of
from featmagic.recording.model_tree import unwrap
from featmagic.recording.records import Activation


def remember_shapes(model: nn.Module, activations: Iterable[Activation]) -> None:
    """Keep the shapes of what a model's layers returned, unless no pass of it ran."""
    shapes: dict[str, list[tuple[int, ...]]] = {}
    calls: dict[str, int] = {}
    for each in activations:
        is_first = calls.setdefault(each.path, each.call) == each.call
        if is_first and not each.tensor.is_nested:  # those have no shape
            shapes.setdefault(each.path, []).append(tuple(each.tensor.shape))
    if shapes:
        layer_cache_of(unwrap(model)[-1]).shapes = shapes


def shapes_of(model: nn.Module) -> Mapping[str, Sequence[tuple[int, ...]]]:
    """Return the shapes that were kept last, by path: those of the tensors of one call.

    Example:
        >>> import torch
        >>> net = nn.Sequential(nn.ReLU())
        >>> remember_shapes(net, [Activation("0", "0", "ReLU", 1, torch.zeros(2, 3))])
        >>> shapes_of(net)
        {'0': [(2, 3)]}
    """
    return layer_cache_of(unwrap(model)[-1]).shapes
