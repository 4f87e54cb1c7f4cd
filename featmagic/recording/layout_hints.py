"""Layout hints: what a module and the modules around it imply about the axes of its output."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple

from torch import nn

from featmagic.recording.attention_facts import (
    Heads,
    heads_inside,
    names_heads,
    number_of_heads,
    window_of,
)
from featmagic.recording.model_tree import parents_of, unwrap
from featmagic.recording.torch_private import CONVOLUTION, NORM, children_of, parameter_of

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
_RMS_FORWARD = getattr(getattr(nn, "RMSNorm", None), "forward", None)


@dataclass(frozen=True)
class FeatureAxis:
    """The axis on which a module puts its features."""

    place: str  # "first" for axis 1 (axis 0 without a batch), or "last" for the last axis
    count: int | None = None  # the number of features; None for any number
    spatial: int = 0  # the number of axes that follow the channels; 0 for any number


class LayoutHint(NamedTuple):
    """What is known about the axes of a module's output before its shape is seen.

    Attributes:
        says: where the module and its children put features, in the order of registration; if that
            is unknown, where the nearest module before it, or else around it, puts them.
        around: where the modules around it put features, if `says` has no number of features.
        own: whether `says` comes from the module itself, so that it needn't be checked against the
            shape.
        order: the axes of a sequence, "NLC" or "LNC"; "" if no module in it or near it implies one.
        sure: whether `order` comes from a torch module that is this one or contains it.
        recurrent: "layer" for torch's LSTM, GRU or RNN, "cell" for a cell of one, else "".
        attention: "torch" for an `nn.MultiheadAttention`, "self" for another module whose class is
            called an attention, "inside" for a module in one, "around" for one that contains one.
        heads: the number of heads of that attention, or None.
        per_head: what that attention says of tensors with an axis of heads, of a module in it.
        window: the height and width of the windows that an attention works in, of itself and of the
            modules in it and beside it.
        text: whether the module is in a branch of the model that embeds words and sees no image.
        asked: whether a look added the attention weights.
        dims: what each dimension is, a letter each, if that is known; "" if it isn't.
        words: what has to be said about that.
    """

    says: tuple[FeatureAxis, ...] = ()
    around: tuple[FeatureAxis, ...] = ()
    own: bool = False
    order: str = ""
    sure: bool = False
    recurrent: str = ""
    attention: str = ""
    heads: int | None = None
    per_head: Heads | None = None
    window: tuple[int, int] | None = None
    text: bool = False
    asked: bool = False
    dims: str = ""
    words: tuple[str, ...] = ()


def layout_hints_of(tree: Mapping[str, nn.Module], paths: Iterable[str]) -> dict[str, LayoutHint]:
    """Return the layout hints of the modules at `paths` of a model's tree.

    Every module is read once, so the time is proportional to the size of the tree.
    """
    nodes = _nodes_of(tree)
    hints = {path: _hint(nodes[path]) for path in paths}
    for node in nodes.values():  # the nodes form cycles, which would keep the model alive
        if node.children or node.attention is not None:
            node.parent = node.attention = None
            node.children.clear()
    return hints


class _Kind(NamedTuple):
    """Facts about the class of a module."""

    is_sequence: bool
    has_batch_first: bool
    is_attention: bool
    is_conv2d: bool
    is_embedding: bool
    reshapes: bool  # whether the modules before it imply nothing about its output
    recurrent: str  # as in `LayoutHint`


@lru_cache(maxsize=1024)  # needed for every module in each look
def _kind_of(kind: type[object]) -> _Kind:
    is_layer, is_cell = issubclass(kind, nn.RNNBase), issubclass(kind, nn.RNNCellBase)
    return _Kind(
        is_sequence=issubclass(kind, _SEQUENCE_MODULES),
        has_batch_first=is_layer or issubclass(kind, nn.MultiheadAttention),
        is_attention="Attention" in kind.__name__,
        is_conv2d=issubclass(kind, nn.Conv2d),
        is_embedding=issubclass(kind, nn.Embedding),
        reshapes=kind.__name__ in _RESHAPES,
        recurrent="layer" if is_layer else "cell" if is_cell else "",
    )


@dataclass(eq=False, slots=True)
class _Node:
    """A module in its tree, with facts from the modules inside and around it.

    An order is True if sequences have the batch first, False if not, None if unknown.
    """

    name: str
    module: nn.Module  # without wrappers
    kind: _Kind
    parent: _Node | None
    children: list[_Node] = field(default_factory=list)

    # Facts from the module itself and the modules inside it.
    own_axes: tuple[FeatureAxis, ...] = ()
    axes: tuple[FeatureAxis, ...] = ()  # of a composite, those of its children combined
    batch_first: bool = True  # whether all recurrent modules and torch's attentions in it are
    order_in: bool | None = None  # of the sequence modules in it
    order_of_children: bool | None = None  # of those that are its children
    attention: _Node | None = None  # the first attention: itself, or one in it
    heads: int | None = None  # the first number of heads
    window: tuple[int, int] | None = None  # of the attention that it is, or around it or beside it
    window_in: tuple[int, int] | None = None  # of the first attention that is its child
    has_conv2d: bool = False
    sees_pixels: bool = False  # whether a module in it does
    embeds_words: bool = False  # whether a module in it does

    # Facts from the modules around it.
    axes_near: tuple[FeatureAxis, ...] = ()  # of the nearest module before it, or else around it
    order_around: bool | None = None  # of the nearest sequence module: itself, or one around it
    order_beside: bool | None = None  # of the nearest sequence modules beside it, or those around
    text: bool = False


def _nodes_of(tree: Mapping[str, nn.Module]) -> dict[str, _Node]:
    """Read all modules, first from the innermost to the model and then the other way."""
    nodes: dict[str, _Node] = {}
    parents = parents_of(tree)
    for path, module in tree.items():  # a module comes after the modules around it
        parent = nodes.get(parents.get(path, ""))
        inner = unwrap(module)[-1]
        kind: Any = type(inner)
        nodes[path] = node = _Node(path.rpartition(".")[2], inner, _kind_of(kind), parent)
        if parent is not None:
            parent.children.append(node)
    for node in reversed(nodes.values()):
        _read_inside(node)
    for node in nodes.values():
        _read_around(node)
    return nodes


def _read_inside(node: _Node) -> None:
    """Read the module and combine the facts of its children, which have been read."""
    module, kind, children = node.module, node.kind, node.children
    node.own_axes = node.axes = _own_axes(module)
    node.heads = number_of_heads(module)
    node.attention = node if kind.is_attention else None
    node.window = window_of(module) if kind.is_attention else None
    node.has_conv2d = kind.is_conv2d
    if kind.has_batch_first:
        node.batch_first = bool(module.batch_first)
    if not children:
        return
    node.axes = node.own_axes or _together([child.axes for child in children if child.axes])
    for child in children:
        node.batch_first &= child.batch_first
        order = child.batch_first if child.kind.is_sequence else child.order_in
        node.order_in = _both(node.order_in, order)
        if child.kind.is_sequence:
            node.order_of_children = _both(node.order_of_children, order)
        node.attention = node.attention or child.attention
        node.heads = node.heads or child.heads
        if kind.is_attention:
            node.window = node.window or child.window or window_of(child.module)
        elif child.kind.is_attention:  # the block around it may keep the size
            node.window_in = node.window_in or child.window or window_of(module)
        node.has_conv2d |= child.has_conv2d
        node.sees_pixels |= child.sees_pixels or _sees_pixels(child)
        # An embedding inside an attention embeds relative positions, not words.
        has_words = child.kind.is_embedding and not kind.is_attention
        node.embeds_words |= child.embeds_words or has_words


def _read_around(node: _Node) -> None:
    """Read the modules around the module, and set what each child gets from the one before it."""
    above = node.parent
    if above is not None:
        node.order_around, node.text = above.order_around, above.text
        node.order_beside = above.order_of_children
        node.window = node.window or above.window or above.window_in
        if node.order_beside is None:
            node.order_beside = above.order_beside
    if node.kind.is_sequence:
        node.order_around = node.batch_first
    if node.sees_pixels or node.embeds_words:
        node.text = not node.sees_pixels
    before: tuple[FeatureAxis, ...] = ()
    for child in node.children:
        if not child.kind.reshapes:
            child.axes_near = before or node.axes or node.axes_near
        before = child.axes or before


def _together(axes: list[tuple[FeatureAxis, ...]]) -> tuple[FeatureAxis, ...]:
    """Combine the axes of several modules, each at its last occurrence."""
    if len(axes) < 2:
        return axes[0] if axes else ()
    last_first = dict.fromkeys(axis for each in reversed(axes) for axis in reversed(each))
    return tuple(reversed(last_first))


def _both(first: bool | None, second: bool | None) -> bool | None:
    """Return whether both orders have the batch first; if one is unknown, the other."""
    if first is None or second is None:
        return second if first is None else first
    return first and second


def _hint(node: _Node) -> LayoutHint:
    """Return the layout hint of a module after all modules were read."""
    parent, reshapes = node.parent, node.kind.reshapes
    is_enough = parent is None or reshapes or any(axis.count for axis in node.axes)
    order, sure = node.order_around, node.order_around is not None
    if order is None:
        order = node.order_beside if node.order_in is None else node.order_in
    attention, heads = _attention(node)
    return LayoutHint(
        says=node.axes or node.axes_near,
        around=() if is_enough or parent is None else parent.axes,
        own=len(node.own_axes) == 1 or reshapes,
        order="" if order is None else "NLC" if order else "LNC",
        sure=sure,
        recurrent=node.kind.recurrent,
        attention=attention,
        heads=heads,
        per_head=_per_head(node),
        window=node.window,
        text=node.text,
    )


def _attention(node: _Node) -> tuple[str, int | None]:
    """Return how the module is related to an attention, and the attention's number of heads."""
    if isinstance(node.module, nn.MultiheadAttention):
        return "torch", node.module.num_heads
    for role, up in (("self", node), ("inside", node.parent)):
        if up is not None and up.kind.is_attention:
            over_pixels = up.heads is None and up.has_conv2d
            return ("" if over_pixels else role), up.heads
    heads = None if node.attention is None else node.attention.heads
    return ("" if heads is None else "around"), heads


def _per_head(node: _Node) -> Heads | None:
    """Return what the attention that a module is in says about tensors with an axis of heads."""
    parent = node.parent
    if parent is None or not parent.kind.is_attention:
        return None
    heads = heads_inside(parent.module, (child.module for child in parent.children))
    return heads._replace(named=names_heads(node.name)) if heads.sizes else None


def _sees_pixels(node: _Node) -> bool:
    return node.kind.is_conv2d and node.module.in_channels in (1, 3, 4)


def _own_axes(module: nn.Module) -> tuple[FeatureAxis, ...]:
    """Return where the module itself puts features; two axes if its class leaves that open."""
    if isinstance(module, CONVOLUTION):
        return (FeatureAxis("first", module.out_channels, len(module.kernel_size)),)
    if isinstance(module, (NORM, nn.GroupNorm)):
        count = module.num_features if isinstance(module, NORM) else module.num_channels
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
    if name in _SPATIAL or (not children_of(module) and spatial):
        count_first = _int(attributes.get("num_features"))
        return (FeatureAxis("first", count_first, _SPATIAL.get(name, spatial)),)
    return _axes_of_weight(module) if "Norm" in name and not children_of(module) else ()


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
    return None if children_of(module) else _int(vars(module).get("out_features"))


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
    weight = parameter_of(module, "weight")
    if weight is None or weight.dim() != 1:
        return ()
    return FeatureAxis("first", len(weight)), FeatureAxis("last", len(weight))


def _spatial_axes(module: nn.Module) -> int:
    """Return the number of spatial axes that the names of the module's classes end with, or 0."""
    kind: Any = type(module)
    return _spatial_axes_in_name(kind)


@lru_cache(maxsize=1024)  # needed for every module in each look
def _spatial_axes_in_name(kind: type[object]) -> int:
    matches = (re.search(r"([123])d$", cls.__name__) for cls in kind.__mro__)
    return next((int(match[1]) for match in matches if match), 0)


def _int(value: object) -> int | None:
    return value if isinstance(value, int) else None
