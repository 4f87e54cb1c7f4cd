"""The important sizes of a module, in a few words: `3→64, 7×7, stride 2`."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from torch import nn

from featmagic.recording.model_tree import is_torchscript
from featmagic.recording.torch_private import CONVOLUTION, NORM, children_of, parameters_of

_WITHOUT_SIZES = ("Identity", "Flatten", "ReLU", "GELU", "SiLU")
_POOLING = ("MaxPool", "AvgPool", "LPPool")


def sizes_of(module: nn.Module) -> str:
    """Return the important sizes of a module; "" if there are none.

    Modules of other libraries are described by their own `extra_repr`, which may be long.

    Example:
        >>> sizes_of(nn.Conv2d(3, 64, 7, stride=2)), sizes_of(nn.Linear(512, 1000))
        ('3→64, 7×7, stride 2', '512→1,000')
    """
    with suppress(Exception):  # a class of the user's may lack attributes or raise anything
        words = _words(module)
        return ", ".join(filter(None, words))
    return ""


def _words(module: Any) -> Iterable[str]:
    if isinstance(module, CONVOLUTION):
        return _convolution(module)
    if isinstance(module, (nn.Linear, nn.Bilinear)):
        given = [getattr(module, name, None) for name in ("in_features", "in1_features")]
        second = [f"{module.in2_features:,}"] if isinstance(module, nn.Bilinear) else []
        first = _number(next((each for each in given if each is not None), 0))
        return [f"{'+'.join([first, *second])}→{module.out_features:,}"]
    if isinstance(module, NORM):
        return [_number(module.num_features)]
    if isinstance(module, nn.GroupNorm):
        return [f"{module.num_channels:,}", f"{module.num_groups} groups"]
    if hasattr(module, "normalized_shape"):
        return [_by(module.normalized_shape)]
    if isinstance(module, (nn.Embedding, nn.EmbeddingBag)):
        return [f"{module.num_embeddings:,}→{module.embedding_dim:,}"]
    if isinstance(module, nn.MultiheadAttention):
        return [f"{module.embed_dim:,}", f"{module.num_heads} heads"]
    if isinstance(module, nn.RNNBase):
        layers = f"{module.num_layers} layers" if module.num_layers > 1 else ""
        both = "bidirectional" if module.bidirectional else ""
        return [f"{module.input_size:,}→{module.hidden_size:,}", layers, both]
    if isinstance(module, nn.RNNCellBase):
        return [f"{module.input_size:,}→{module.hidden_size:,}"]
    return _others(module)


def _others(module: Any) -> Iterable[str]:
    name = type(module).__name__
    if name.startswith("Adaptive") and hasattr(module, "output_size"):
        return [f"→{_by(module.output_size)}"]
    if name.startswith(_POOLING) and hasattr(module, "kernel_size"):
        stride = getattr(module, "stride", None)
        is_usual = stride is None or stride == module.kernel_size
        return [_kernel(module.kernel_size, name), "" if is_usual else f"stride {_equal(stride)}"]
    if name.startswith("Dropout") or name in ("AlphaDropout", "FeatureAlphaDropout"):
        return [f"p={module.p:g}"]
    if name == "Conv1D" and hasattr(module, "nf"):  # GPT-2's linear layer
        return [f"{module.weight.shape[0]:,}→{module.nf:,}"]
    if is_torchscript(module):
        return [f"({module.original_name})"]
    if name in _WITHOUT_SIZES or children_of(module):
        return []
    if type(module).extra_repr is nn.Module.extra_repr:
        own = [parameter.shape for parameter in parameters_of(module)]
        return [" and ".join(map(_by, own[:2]))]
    return [module.extra_repr()]


def _convolution(module: Any) -> Iterable[str]:
    groups, outputs = module.groups, module.out_channels
    yield f"{_number(module.in_channels)}→{outputs:,}"
    yield _by(module.kernel_size)
    yield _unless_one("stride", module.stride)
    yield _unless_one("dilation", module.dilation)
    if groups > 1:
        yield "depthwise" if groups == module.in_channels else f"{groups} groups"


def _kernel(size: Any, name: str) -> str:
    """Return the size of a window, which one number may give for every axis."""
    axes = int(name[-2]) if name[-2:-1].isdigit() else 1
    return _by((size,) * axes if isinstance(size, int) else size)


def _unless_one(word: str, sizes: tuple[int, ...]) -> str:
    return "" if set(sizes) == {1} else f"{word} {_equal(sizes)}"


def _equal(sizes: Any) -> str:
    """Return sizes as one number if all of them are equal."""
    is_one = not isinstance(sizes, int) and len(set(sizes)) == 1
    return _by(sizes[0] if is_one else sizes)


def _by(sizes: Any) -> str:
    """Return sizes as `7×7`."""
    if isinstance(sizes, int):
        return f"{sizes:,}"
    return "×".join("?" if size is None else f"{size:,}" for size in sizes)


def _number(size: int) -> str:
    """Return a number of features; that of a lazy module isn't known yet."""
    return f"{size:,}" if size else "?"
