"""Layout hints: what a module, and the modules around it, tell about the axes of its output."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from featmagic.recording.layer_syntax import ROOT
from featmagic.recording.model_tree import ancestors, unwrap

# Torch's own modules in which sequences have an order.
_SEQUENCE_MODULES = (
    nn.RNNBase,
    nn.MultiheadAttention,
    nn.TransformerEncoderLayer,
    nn.TransformerDecoderLayer,
    nn.TransformerEncoder,
    nn.TransformerDecoder,
    nn.Transformer,
)

# Class names of modules without children whose output has channels first, with the number of
# spatial axes; 0 for any number.
_SPATIAL = {"PixelShuffle": 2, "PixelUnshuffle": 2, "Fold": 2, "Unfold": 1, "Upsample": 0}
# Class names of modules whose output has other axes than their input.
_RESHAPES = ("Flatten", "Unflatten", "Rearrange", "Reduce")
# Attributes in which attention modules keep their number of heads.
_HEADS = ("num_heads", "num_attention_heads", "n_heads", "n_head", "heads", "nhead")
_RMS_FORWARD = getattr(getattr(nn, "RMSNorm", None), "forward", None)


@dataclass(frozen=True)
class FeatureAxis:
    """The axis on which a module puts its features."""

    place: str  # "first" for axis 1 (axis 0 without a batch), or "last" for the last axis
    count: int | None = None  # the number of features; None for any number
    spatial: int = 0  # the number of axes that follow the channels; 0 for any number


@dataclass(frozen=True)
class LayoutHint:
    """What is known about the axes of a module's output before its shape is seen.

    Attributes:
        says: where the module and its children put features, in the order of registration; if they
            tell nothing, what the nearest module before it tells, or else those around it.
        around: what the modules around it tell, where `says` names no number of features.
        own: whether `says` is the module's own word, which needs no comparison with the shape.
        order: the axes of a sequence, "NLC" or "LNC"; "" if no module in it or near it tells.
        sure: whether `order` comes from torch's own module, or from one that contains this one.
        recurrent: "layer" for torch's LSTM, GRU or RNN, "cell" for a cell of one, else "".
        attention: "torch" for an `nn.MultiheadAttention`, "self" for another module whose class is
            called an attention, "inside" for a module in one, "around" for one that contains one.
        heads: the number of heads of that attention, or None.
        text: whether the module is in a branch of the model that embeds words and sees no image.
        asked: whether attention weights were asked for beside the user's call.
    """

    says: tuple[FeatureAxis, ...] = ()
    around: tuple[FeatureAxis, ...] = ()
    own: bool = False
    order: str = ""
    sure: bool = False
    recurrent: str = ""
    attention: str = ""
    heads: int | None = None
    text: bool = False
    asked: bool = False


def layout_hints_of(tree: Mapping[str, nn.Module], paths: Iterable[str]) -> dict[str, LayoutHint]:
    """Return the layout hints of the modules at `paths` of a model's tree."""
    reader = _Reader(tree)
    return {path: reader.hint(path) for path in paths}


class _Reader:
    """Reads a module in the light of the modules before it, around it and in it."""

    def __init__(self, tree: Mapping[str, nn.Module]) -> None:
        self._tree = {path: unwrap(module)[-1] for path, module in tree.items()}
        self._children: dict[str, list[str]] = {path: [] for path in tree}
        for path in tree:
            if path != ROOT:
                self._children[ancestors(path, tree)[0]].append(path)
        self._axes: dict[str, tuple[FeatureAxis, ...]] = {}
        self._with_images = self._ancestors_of(self._sees_pixels)
        self._with_text = self._ancestors_of(self._embeds_words)

    def hint(self, path: str) -> LayoutHint:
        module = self._tree[path]
        inside = self._axes_in(path)
        is_enough = any(axis.count for axis in inside) or path == ROOT or _reshapes(module)
        order, sure = self._order(path)
        attention, heads = self._attention(path)
        return LayoutHint(
            says=inside or self._axes_near(path),
            around=() if is_enough else self._axes_in(ancestors(path, self._tree)[0]),
            own=len(_own_axes(module)) == 1 or _reshapes(module),
            order=order,
            sure=sure,
            recurrent=_recurrence(module),
            attention=attention,
            heads=heads,
            text=self._is_text(path),
        )

    def _axes_in(self, path: str) -> tuple[FeatureAxis, ...]:
        """Return what the module tells; for a composite, what its children tell together."""
        if path not in self._axes:
            own = _own_axes(self._tree[path])
            below = (axis for child in self._children[path] for axis in self._axes_in(child))
            last_first = dict.fromkeys(reversed(own or tuple(below)))
            self._axes[path] = tuple(reversed(last_first))
        return self._axes[path]

    def _axes_near(self, path: str) -> tuple[FeatureAxis, ...]:
        """Return what the nearest module before it tells, or else those around it."""
        if path == ROOT or _reshapes(self._tree[path]):
            return ()
        parent = ancestors(path, self._tree)[0]
        siblings = self._children[parent]
        before = (self._axes_in(sibling) for sibling in reversed(siblings[: siblings.index(path)]))
        return next(filter(None, before), self._axes_in(parent) or self._axes_near(parent))

    def _order(self, path: str) -> tuple[str, bool]:
        """Return the order of a sequence's axes, and whether it is sure."""
        for up in (path, *ancestors(path, self._tree)):
            if isinstance(self._tree[up], _SEQUENCE_MODULES):
                return ("NLC" if _batch_first(self._tree[up]) else "LNC"), True
        inside = [m for m in self._tree[path].modules() if isinstance(m, _SEQUENCE_MODULES)]
        beside = (
            [self._tree[child] for child in self._children[up]]
            for up in ancestors(path, self._tree)
        )
        near = ([m for m in modules if isinstance(m, _SEQUENCE_MODULES)] for modules in beside)
        sequences = inside or next(filter(None, near), [])
        if not sequences:
            return "", False
        return ("NLC" if all(_batch_first(m) for m in sequences) else "LNC"), False

    def _attention(self, path: str) -> tuple[str, int | None]:
        """Return how the module belongs to an attention, and the number of its heads."""
        if isinstance(module := self._tree[path], nn.MultiheadAttention):
            return "torch", module.num_heads
        for role, up in zip(("self", "inside"), (path, *ancestors(path, self._tree)), strict=False):
            module = self._tree[up]
            if _is_attention(module):
                heads = _heads_of(module)
                over_pixels = any(isinstance(m, nn.Conv2d) for m in module.modules())
                return ("" if heads is None and over_pixels else role), heads
        heads = next((_heads_of(m) for m in self._tree[path].modules() if _is_attention(m)), None)
        return ("" if heads is None else "around"), heads

    def _is_text(self, path: str) -> bool:
        for up in (path, *ancestors(path, self._tree)):
            if up in self._with_images or up in self._with_text:
                return up not in self._with_images
        return False

    def _ancestors_of(self, is_wanted: Callable[[str], bool]) -> set[str]:
        return {up for path in filter(is_wanted, self._tree) for up in ancestors(path, self._tree)}

    def _sees_pixels(self, path: str) -> bool:
        module = self._tree[path]
        return isinstance(module, nn.Conv2d) and module.in_channels in (1, 3, 4)

    def _embeds_words(self, path: str) -> bool:
        """Return True for an embedding, except one of relative positions in an attention."""
        parent = self._tree[(ancestors(path, self._tree) or [path])[0]]
        return isinstance(self._tree[path], nn.Embedding) and not _is_attention(parent)


def _is_attention(module: nn.Module) -> bool:
    return "Attention" in type(module).__name__


def _recurrence(module: nn.Module) -> str:
    if isinstance(module, nn.RNNBase):
        return "layer"
    return "cell" if isinstance(module, nn.RNNCellBase) else ""


def _reshapes(module: nn.Module) -> bool:
    """Return True if what comes before the module tells nothing about its output."""
    return type(module).__name__ in _RESHAPES


def _batch_first(module: nn.Module) -> bool:
    """Return True if a sequence module has the batch before the sequence."""
    kinds = (nn.RNNBase, nn.MultiheadAttention)
    return all(bool(part.batch_first) for part in module.modules() if isinstance(part, kinds))


def _heads_of(module: nn.Module) -> int | None:
    """Return the number of heads of an attention, if it or a module in it tells."""
    counts = (_int(vars(part).get(name)) for part in module.modules() for name in _HEADS)
    return next(filter(None, counts), None)


def _own_axes(module: nn.Module) -> tuple[FeatureAxis, ...]:
    """Return where the module itself puts features; two axes where its class leaves it open."""
    if isinstance(module, _ConvNd):
        return (FeatureAxis("first", module.out_channels, len(module.kernel_size)),)
    if isinstance(module, (_NormBase, nn.GroupNorm)):
        count = module.num_features if isinstance(module, _NormBase) else module.num_channels
        spatial = 0 if isinstance(module, nn.BatchNorm1d) else _spatial_axes(module)
        return (FeatureAxis("first", count, spatial),)
    if (count_last := _count_on_last_axis(module)) is not None:
        return (FeatureAxis("last", count_last),)
    name, attributes = type(module).__name__, vars(module)
    if "normalized_shape" in attributes:
        return _axes_of_layer_norm(module)
    if name == "Permute" and "dims" in attributes:
        return _axes_of_permute(attributes["dims"])
    spatial = _spatial_axes(module)
    if name in _SPATIAL or (not module._modules and spatial):
        count_first = _int(attributes.get("num_features"))
        return (FeatureAxis("first", count_first, _SPATIAL.get(name, spatial)),)
    return _axes_of_weight(module) if "Norm" in name and not module._modules else ()


def _count_on_last_axis(module: nn.Module) -> int | None:
    """Return how many features the module puts on the last axis, if it puts them there."""
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
    if type(module).__name__ == "Conv1D":  # GPT-2's linear layer, which is not a convolution
        return _int(vars(module).get("nf"))
    # quantized linear layers
    return None if module._modules else _int(vars(module).get("out_features"))


def _axes_of_layer_norm(module: nn.Module) -> tuple[FeatureAxis, ...]:
    """Return the axes of a layer norm, or of a class derived from it that may norm channels."""
    attributes, spatial = vars(module), _spatial_axes(module)
    shape, data_format = tuple(attributes["normalized_shape"]), attributes.get("data_format")
    if len(shape) != 1:
        return ()
    first, last = FeatureAxis("first", shape[0], spatial), FeatureAxis("last", shape[0])
    is_torchs_own = type(module).forward in (nn.LayerNorm.forward, _RMS_FORWARD)
    if is_torchs_own or data_format == "channels_last":
        return (last,)
    return (first,) if data_format == "channels_first" or spatial else (last, first)


def _axes_of_permute(dims: Any) -> tuple[FeatureAxis, ...]:
    """Return the end to which `torchvision.ops.Permute` moves the channels."""
    order, last = tuple(dims), len(dims) - 1
    if order == (0, *range(2, last + 1), 1) and last > 2:
        return (FeatureAxis("last"),)
    return (FeatureAxis("first", None, last - 1),) if order == (0, last, *range(1, last)) else ()


def _axes_of_weight(module: nn.Module) -> tuple[FeatureAxis, ...]:
    """Return the axes of a norm of another library: it has one weight per feature."""
    weight = module._parameters.get("weight")
    if weight is None or weight.dim() != 1:
        return ()
    return FeatureAxis("first", len(weight)), FeatureAxis("last", len(weight))


def _spatial_axes(module: nn.Module) -> int:
    """Return the number of spatial axes that the names of the module's classes end with, or 0."""
    kind: Any = type(module)
    return _spatial_axes_in_name(kind)


@lru_cache(maxsize=1024)  # asked of every module at each look
def _spatial_axes_in_name(kind: type[object]) -> int:
    matches = (re.search(r"([123])d$", cls.__name__) for cls in kind.__mro__)
    return next((int(match[1]) for match in matches if match), 0)


def _int(value: object) -> int | None:
    return value if isinstance(value, int) else None
