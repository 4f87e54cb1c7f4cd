"""What modules say about the axes of what they return."""

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


@dataclass(frozen=True)
class LayoutHint:
    """What a module says about the axes of what it returns.

    Attributes:
        says: by itself and the modules in it, in the order of their registration; of a module
            that says nothing, what the nearest before it says, or else those around it.
        around: what those around it say, of a module that knows no number of features.
        own: whether that is the module's own word, which needs no comparing with shapes.
        order: of a sequence's axes, "NLC" or "LNC", or "" where nothing in it or near it has one.
        sure: whether the order is that of torch's own module, or of one of its parts.
        recurrent: whether it is torch's LSTM, GRU or RNN ("layer"), or a "cell" of one.
        attention: "torch" for an `nn.MultiheadAttention`, "self" for another module that is called
            an attention, "inside" for a module in one, "around" for one that has one in it.
        heads: how many heads the attention has, or None.
        text: whether it is in a branch of the model that embeds words and sees no image.
        asked: whether its attention weights were asked for beside the user's call.
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
    """The traits of the modules at `paths`.

    Args:
        tree: every module of the model by path, as `tree.walk` gives them.
        paths: of the modules in question.

    Example:
        >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
        >>> layout_hints_of({".": net, "0": net[0], "1": net[1]}, ["1"])["1"].says
        (FeatureAxis(place='first', count=8, spatial=2),)
    """
    reader = _Reader(tree)
    return {path: reader.hint(path) for path in paths}


class _Reader:
    """Reads modules in the light of what is before, around and in them."""

    def __init__(self, tree: Mapping[str, nn.Module]) -> None:
        self._tree = {path: unwrap(module)[-1] for path, module in tree.items()}
        self._children: dict[str, list[str]] = {path: [] for path in tree}
        for path in tree:
            if path != ROOT:
                self._children[path.rpartition(".")[0] or ROOT].append(path)
        self._said: dict[str, tuple[FeatureAxis, ...]] = {}
        self._images = self._above(self._sees_pixels)
        self._texts = self._above(self._embeds_words)

    def hint(self, path: str) -> LayoutHint:
        module = self._tree[path]
        own = own_feature_axes(module)
        order, sure = self._order(path)
        attention, heads = self._attention(path)
        cell = "cell" if isinstance(module, nn.RNNCellBase) else ""
        recurrence = "layer" if isinstance(module, nn.RNNBase) else cell
        inside = self._in(path)
        return LayoutHint(
            inside or self._near(path),
            () if any(says.count for says in inside) else self._around(path),
            len(own) == 1 or reshapes(module),
            order,
            sure,
            recurrence,
            attention,
            heads,
            self._is_text(path),
        )

    def _in(self, path: str) -> tuple[FeatureAxis, ...]:
        """What the module says; of a composite, what its own modules say together."""
        if path not in self._said:
            own = own_feature_axes(self._tree[path])
            below = (says for child in self._children[path] for says in self._in(child))
            last_first = dict.fromkeys(reversed(own or tuple(below)))
            self._said[path] = tuple(reversed(last_first))
        return self._said[path]

    def _near(self, path: str) -> tuple[FeatureAxis, ...]:
        """What the nearest module before it says, or else those around it."""
        if path == ROOT or reshapes(self._tree[path]):
            return ()
        parent = ancestors(path)[0]
        siblings = self._children[parent]
        before = (self._in(sibling) for sibling in reversed(siblings[: siblings.index(path)]))
        return next(filter(None, before), self._in(parent) or self._near(parent))

    def _around(self, path: str) -> tuple[FeatureAxis, ...]:
        return () if path == ROOT or reshapes(self._tree[path]) else self._in(ancestors(path)[0])

    def _order(self, path: str) -> tuple[str, bool]:
        for up in (path, *ancestors(path)):
            if isinstance(self._tree[up], SEQUENCE_MODULES):
                return ("NLC" if batch_first(self._tree[up]) else "LNC"), True
        inside = [m for m in self._tree[path].modules() if isinstance(m, SEQUENCE_MODULES)]
        beside = ([self._tree[child] for child in self._children[up]] for up in ancestors(path))
        near = ([m for m in modules if isinstance(m, SEQUENCE_MODULES)] for modules in beside)
        found = inside or next(filter(None, near), [])
        if not found:
            return "", False
        return ("NLC" if all(batch_first(m) for m in found) else "LNC"), False

    def _attention(self, path: str) -> tuple[str, int | None]:
        if isinstance(module := self._tree[path], nn.MultiheadAttention):
            return "torch", module.num_heads
        for role, up in zip(("self", "inside"), (path, *ancestors(path)), strict=False):
            module = self._tree[up]
            if _is_attention(module):
                heads = heads_of(module)
                over_pixels = any(isinstance(m, nn.Conv2d) for m in module.modules())
                return ("" if heads is None and over_pixels else role), heads
        heads = next((heads_of(m) for m in self._tree[path].modules() if _is_attention(m)), None)
        return ("" if heads is None else "around"), heads

    def _is_text(self, path: str) -> bool:
        for up in (path, *ancestors(path)):
            if up in self._images or up in self._texts:
                return up not in self._images
        return False

    def _above(self, is_one: Callable[[str], bool]) -> set[str]:
        return {up for path in filter(is_one, self._tree) for up in ancestors(path)}

    def _sees_pixels(self, path: str) -> bool:
        module = self._tree[path]
        return isinstance(module, nn.Conv2d) and module.in_channels in (1, 3, 4)

    def _embeds_words(self, path: str) -> bool:
        """An embedding, but for one of relative positions, which is in an attention."""
        around = self._tree[(ancestors(path) or [path])[0]]
        return isinstance(self._tree[path], nn.Embedding) and not _is_attention(around)


def _is_attention(module: nn.Module) -> bool:
    return "Attention" in type(module).__name__


@dataclass(frozen=True)
class FeatureAxis:
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
SEQUENCE_MODULES = (
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


def own_feature_axes(module: nn.Module) -> tuple[FeatureAxis, ...]:
    """Where the module itself puts its features; two places where its class leaves that open.

    Example:
        >>> own_feature_axes(nn.Conv1d(2, 8, 3))
        (FeatureAxis(place='first', count=8, spatial=1),)
    """
    if isinstance(module, _ConvNd):
        return (FeatureAxis("first", module.out_channels, len(module.kernel_size)),)
    if isinstance(module, (_NormBase, nn.GroupNorm)):
        count = module.num_features if isinstance(module, _NormBase) else module.num_channels
        return (
            FeatureAxis(
                "first", count, 0 if isinstance(module, nn.BatchNorm1d) else _named(module)
            ),
        )
    if (last := _last(module)) is not None:
        return (FeatureAxis("last", last),)
    name, parts = type(module).__name__, vars(module)
    if "normalized_shape" in parts:
        return _normalized(module, parts)
    if name == "Permute" and "dims" in parts:
        return _permuted(parts["dims"])
    if name in _SPATIAL or (not module._modules and _named(module)):
        return (
            FeatureAxis(
                "first", _int(parts.get("num_features")), _SPATIAL.get(name, _named(module))
            ),
        )
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


def _normalized(module: nn.Module, parts: dict[str, Any]) -> tuple[FeatureAxis, ...]:
    """A layer norm, or what is derived from one to work on channels, as its class may not tell."""
    shape = tuple(parts["normalized_shape"])
    if len(shape) != 1:
        return ()
    first, last = FeatureAxis("first", shape[0], _named(module)), FeatureAxis("last", shape[0])
    if type(module).forward in (nn.LayerNorm.forward, _RMS_FORWARD):
        return (last,)
    layout = parts.get("data_format")
    if layout == "channels_last":
        return (last,)
    return (first,) if layout == "channels_first" or _named(module) else (last, first)


_RMS_FORWARD = getattr(getattr(nn, "RMSNorm", None), "forward", None)


def _permuted(dims: Any) -> tuple[FeatureAxis, ...]:
    """The end to which `torchvision.ops.Permute` moves the channels."""
    order, last = tuple(dims), len(dims) - 1
    if order == (0, *range(2, last + 1), 1) and last > 2:
        return (FeatureAxis("last"),)
    return (FeatureAxis("first", None, last - 1),) if order == (0, last, *range(1, last)) else ()


def _of_weight(module: nn.Module) -> tuple[FeatureAxis, ...]:
    """A norm of a class of its own: one weight a feature, on one axis or the other."""
    weight = module._parameters.get("weight")
    if weight is None or weight.dim() != 1:
        return ()
    return FeatureAxis("first", len(weight)), FeatureAxis("last", len(weight))


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
    """Whether a module of `SEQUENCE_MODULES` has the batch before the sequence.

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
