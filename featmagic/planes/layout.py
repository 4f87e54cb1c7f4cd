"""The layout of an activation: which dimension is what, as the view says or as inferred."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch

from featmagic.options.option import spelled
from featmagic.options.view import View
from featmagic.planes.dtypes import undrawable
from featmagic.planes.patch_grid import PatchGrid, patch_grid_of
from featmagic.recording.attention_facts import Heads
from featmagic.recording.inputs import Grid, PassInputs
from featmagic.recording.layout_hints import FeatureAxis, LayoutHint
from featmagic.recording.records import Activation, shape_of
from featmagic.support.errors import FeatmagicError


@dataclass(frozen=True)
class KnownLayout:
    """A layout that is suggested where another doesn't fit, and that may be inferred.

    Attributes:
        dims: a letter for each dimension, as in `Layout`.
        first: whether torch's modules that have their features first return it.
        last: whether those that have their features last do.
        moved: whether composites turn other layouts into it, as pixels into tokens.
    """

    dims: str
    first: bool = False
    last: bool = False
    moved: bool = False

    @property
    def spatial(self) -> int:
        """How many dimensions are spatial; the length of a sequence counts as one."""
        return sum(letter in "DHWL" for letter in self.dims)


# Of each rank the most usual comes first: it is assumed where nothing tells.
LAYOUTS = (
    KnownLayout("C"),
    KnownLayout("L"),
    KnownLayout("NC", first=True, last=True, moved=True),
    KnownLayout("LC"),
    KnownLayout("CL", first=True),
    KnownLayout("HW"),
    KnownLayout("QK"),
    KnownLayout("CHW", first=True),
    KnownLayout("HWC"),
    KnownLayout("NLC", last=True, moved=True),
    KnownLayout("NCL", first=True, moved=True),
    KnownLayout("NCW"),
    KnownLayout("LNC"),
    KnownLayout("NHW"),
    KnownLayout("NQK"),
    KnownLayout("AQK"),
    KnownLayout("SNC"),
    KnownLayout("NCHW", first=True, moved=True),
    KnownLayout("NHWC", last=True),
    KnownLayout("CDHW", first=True),
    KnownLayout("DHWC"),
    KnownLayout("NAQK"),
    KnownLayout("NALC"),
    KnownLayout("NLAC"),
    KnownLayout("NCDHW", first=True, moved=True),
    KnownLayout("NDHWC", last=True),
    KnownLayout("NDCHW"),
)


def layouts_for(rank: int) -> tuple[str, ...]:
    """Return the layouts that fit a tensor of that many dimensions, the most usual first."""
    return tuple(layout.dims for layout in LAYOUTS if len(layout.dims) == rank)


_Dims = tuple[str, tuple[str, ...]]  # a letter for each dimension; what was assumed

_USUAL = ("", *(layouts_for(rank)[0] for rank in range(1, 6)))  # by rank
_LAST = {len(layout.dims): layout.dims for layout in LAYOUTS if layout.last}
_FIRST = {  # by the module's number of spatial dimensions, 0 for any, and by rank
    spatial: {
        len(layout.dims): layout.dims
        for layout in LAYOUTS
        if layout.first and ("N" in layout.dims if spatial == 0 else layout.spatial == spatial)
    }
    for spatial in range(4)
}

# Fields of the outputs of Hugging Face's models.
_FIELDS = {"attentions'": "NAQK", "reshaped_hidden_states'": "NCHW", "feature_maps'": "NCHW"}

# What a recurrent module returns beside the sequence.
_STATES = {"[1]": "hidden state", "[1][0]": "hidden state", "[1][1]": "cell state"}

_USES = {  # by the group of the option
    "layout": "no layer shown has as many axes",
    "tokens": "no tokens are shown",
    "volume": "no volume is shown",
    "attention": "no attention weights are shown",
    "overlay": "no layer shown lies over the input image",
}


class LayoutMismatch(FeatmagicError):
    """A layout with more or fewer dimensions than the activation has."""


@dataclass(frozen=True)
class Layout:
    """What the dimensions of an activation are.

    Attributes:
        dims: a letter for each: N batch, C channels, features or units, H height, W width, D depth
            or time of a volume, L length, time or tokens, A attention heads, Q queries, K keys,
            S stacked states (layers x directions).
        words: what was assumed or couldn't be told, for the caption.
        grid: the patch grid (height, width) that the tokens, or the keys, lie on.
        prefix: the names of the tokens before those of the grid: "CLS", "R1", "R2" and so on.
        signed: whether the values are centered on 0, whatever they are.
        batch: what an item of the batch is: "sample", or "window" of a sample.
    """

    dims: str
    words: tuple[str, ...] = ()
    grid: tuple[int, int] | None = None
    prefix: tuple[str, ...] = ()
    signed: bool = False
    batch: str = "sample"


def layout_of(activation: Activation, view: View) -> Layout:
    """Return the layout that the view names, or else the one inferred from the module.

    Args:
        activation: with the layout hint of its module.
        view: its `layout`, `grid` and `prefix_tokens` overrule.

    Raises:
        LayoutMismatch: the view's layout has another number of dimensions.
        FeatmagicError: its grid or its number of prefix tokens doesn't fit.

    Example:
        >>> from torch import zeros
        >>> act = Activation("act", "act", "ReLU", 1, zeros(5, 8, 8))
        >>> layout_of(act, View()).words, layout_of(act, View(layout="NLC")).dims
        (('CHW assumed',), 'NLC')
    """
    dims, words = _infer_dims(activation)
    if view.layout is not None:
        dims, words = _requested_dims(activation, view.layout), ()
    windows = _are_windows(activation, dims)
    tokens = _patch_grid(activation, view, dims, windows=windows)
    signed = bool(activation.hint.recurrent)
    batch = "window" if windows else "sample"
    return Layout(dims, (*words, *tokens.words), tokens.grid, tokens.prefix, signed, batch)


def _are_windows(activation: Activation, dims: str) -> bool:
    """Return True if the batch consists of windows: an attention in windows has as many tokens."""
    window, shape, image = activation.hint.window, activation.tensor.shape, activation.inputs.image
    axis = "Q" if "Q" in dims else "L"
    if window is None or "N" not in dims or axis not in dims:
        return False
    batch, samples = shape[dims.index("N")], 1 if image is None else len(image)
    is_more = batch > samples and batch % samples == 0
    return is_more and shape[dims.index(axis)] == window[0] * window[1]


def _requested_dims(activation: Activation, layout: str) -> str:
    rank = activation.tensor.dim()
    if len(layout) != rank:
        axes, fitting = f"{rank} ax{'i' if rank == 1 else 'e'}s", ", ".join(layouts_for(rank))
        raise LayoutMismatch(
            f"{activation.key} has {axes} {shape_of(activation.tensor)}, and layout {layout} has "
            f"{len(layout)}. These would fit: {fitting}."
        )
    return layout.replace("T", "D" if "H" in layout and "W" in layout else "L")


def _patch_grid(activation: Activation, view: View, dims: str, *, windows: bool) -> PatchGrid:
    """Return the grid that the tokens, or the keys of attention, lie on."""
    axis = "K" if "K" in dims else "L"
    requested = view.grid is not None or view.prefix_tokens is not None
    is_tokens = axis == "K" or dims in ("NLC", "LC", "LNC") or ("L" in dims and requested)
    if not is_tokens or activation.hint.recurrent:
        return PatchGrid()
    if windows and not requested:
        return PatchGrid(activation.hint.window)
    shape = activation.tensor.shape
    batch = shape[dims.index("N")] if "N" in dims else 1
    of_text = activation.hint.text or "'text" in _suffix(activation)
    inputs = PassInputs() if of_text else activation.inputs
    return patch_grid_of(shape[dims.index(axis)], batch, inputs, view, activation.key)


def fitting(activation: Activation, view: View, layers: int) -> View:
    """Return the view, without a layout that is for others of several layers."""
    if view.layout is None or layers == 1 or undrawable(activation.tensor):
        return view
    is_for_it = len(view.layout) == activation.tensor.dim()
    return view if is_for_it else view.without("layout")


def check_used(used: Collection[str], view: View) -> None:
    """Refuse an option of a group that none of the layers has a use for."""
    for group, why in _USES.items():
        for option in view.changed(group) if group not in used else ():
            raise FeatmagicError(f"--{spelled(option)} doesn't apply here: {why}.")


def _infer_dims(activation: Activation) -> _Dims:
    """Infer what each dimension of the activation is."""
    hint, shape = activation.hint, tuple(activation.tensor.shape)
    suffix = _suffix(activation)
    if len(shape) == 1:
        return "C", ()
    if hint.dims:
        return hint.dims, hint.words
    if hint.recurrent:
        return _recurrent(hint, suffix, len(shape))
    field = next((dims for name, dims in _FIELDS.items() if name in suffix), None)
    if field is not None and len(shape) == 4:
        return field, ()
    if heads := _per_head(hint.per_head, suffix, shape):
        return heads
    if attention := _attention(hint, suffix, shape):
        return attention
    if _is_plane_per_image(activation, shape):
        return "NHW", ("NHW assumed",)
    if activation.tensor.dtype in (torch.bool, torch.int64):  # a mask or indices, no features
        return _assumed((), len(shape))
    dims, words = _features(hint, shape, activation.inputs.grids)
    if dims == "NLC" and hint.order == "LNC":
        return ("LNC", words) if hint.sure else _length_first(activation)
    return ("LC" if dims == "NC" and hint.sure else dims), words


def _suffix(activation: Activation) -> str:
    """Return the Python that reaches the tensor in the module's output, such as `[1][0]`."""
    name = activation.path if activation.call == 1 else f"{activation.path}:{activation.call}"
    return activation.key.removeprefix(name)


def _is_plane_per_image(activation: Activation, shape: tuple[int, ...]) -> bool:
    """Return True for one plane of the size of the input for each image, such as a depth map."""
    image = activation.inputs.image
    if image is None or len(shape) != 3 or activation.hint.own:
        return False
    return shape == (len(image), *image.shape[2:])


def _recurrent(hint: LayoutHint, suffix: str, rank: int) -> _Dims:
    """Infer the dimensions of what a recurrent module or cell returned."""
    if hint.recurrent == "cell":
        return _USUAL[rank], ("cell state" if suffix == "[1]" else "hidden state",)
    if suffix in _STATES:
        return {2: "SC", 3: "SNC"}.get(rank, _USUAL[rank]), (_STATES[suffix],)
    if suffix != "[0]" and suffix.startswith("[0]"):
        return "LC", ("packed sequences",)
    return {2: "LC", 3: hint.order}.get(rank, _USUAL[rank]), ()


def _per_head(heads: Heads | None, suffix: str, shape: tuple[int, ...]) -> _Dims | None:
    """Infer the dimensions of features of each head; None if the tensor has no axis of heads."""
    if heads is None or suffix not in ("", "[0]") or len(shape) != 4:
        return None
    is_square = shape[2] == shape[3]  # attention weights, unless the name says otherwise
    if shape[3] not in heads.sizes or (is_square and not heads.named):
        return None
    places = {"NALC": shape[1] in heads.counts, "NLAC": shape[2] in heads.counts}
    fitting = [dims for dims, fits in places.items() if fits]
    return _with_others(fitting[0], set(fitting)) if fitting else None


def _attention(hint: LayoutHint, suffix: str, shape: tuple[int, ...]) -> _Dims | None:
    """Infer the dimensions of attention weights; None if the tensor doesn't hold any."""
    rank = len(shape)
    if hint.attention == "torch" and suffix == "[1]":
        if rank == 3 and not hint.asked:
            unsure = shape[0] == hint.heads
            return "NQK", ("NQK assumed, AQK would fit too",) if unsure else ()
        return {2: "QK", 3: "AQK", 4: "NAQK"}.get(rank, _USUAL[rank]), ()
    main = suffix in ("", "[0]")
    if rank != 4 or shape[2] != shape[3] or hint.own or (hint.attention == "around" and main):
        return None
    # Swin's attention returns features, on a last axis that may be as long as the one before it.
    last = {axis.count for axis in hint.says if axis.place == "last"}
    features = hint.attention == "self" and main and shape[3] in last
    fits = hint.attention and not features and hint.heads in (None, shape[1])
    return ("NAQK", ()) if fits else None


def _features(hint: LayoutHint, shape: tuple[int, ...], grids: tuple[Grid, ...]) -> _Dims:
    """Infer the dimensions of features, by the modules that say where they are."""
    inside, around, rank = hint.says, hint.around, len(shape)
    if hint.own and inside:
        return _direct(inside[0], rank), ()
    return (
        _agreed(inside, shape, grids)
        or _agreed(around, shape, grids)
        or _moved(inside, shape)
        or _moved(around, shape)
        or _permuted(inside, shape, grids)
        or _assumed(inside, rank)
    )


def _direct(axis: FeatureAxis, rank: int) -> str:
    """Return the layout in which a module returns its features."""
    layouts = _LAST if axis.place == "last" else _FIRST[axis.spatial]
    return layouts.get(rank, _USUAL[rank])


def _agreed(
    axes: tuple[FeatureAxis, ...], shape: tuple[int, ...], grids: tuple[Grid, ...]
) -> _Dims | None:
    """Find a module's own layout in which there are as many features as it says; or a Permute's."""
    rank = len(shape)
    fitting = {_direct(axis, rank) for axis in axes if _fits(_direct(axis, rank), axis, shape)}
    if rank == 2 and len(fitting) > 1:
        return "NC", ()
    on_grid = {layout for layout in fitting if _sides(layout, shape) in grids}
    if len(on_grid) == 1:
        fitting = on_grid
    permuted = [axis for axis in axes if axis.count is None] if rank > 3 and not fitting else []
    layouts = [_direct(axis, rank) for axis in permuted or axes]
    candidates = [layout for layout in layouts if permuted or layout in fitting]
    # The module registered last decides, among those that fit.
    return _with_others(candidates[-1], fitting) if candidates else None


def _sides(layout: str, shape: tuple[int, ...]) -> Grid | None:
    """Return the height and width of the planes; None if there are none."""
    if "H" not in layout or "W" not in layout:
        return None
    return shape[layout.index("H")], shape[layout.index("W")]


def _moved(axes: tuple[FeatureAxis, ...], shape: tuple[int, ...]) -> _Dims | None:
    """Find a layout in which a composite may have moved as many features as a module says."""
    layouts = [layout.dims for layout in LAYOUTS if layout.moved and len(layout.dims) == len(shape)]
    candidates = [layout for layout in layouts if any(_fits(layout, axis, shape) for axis in axes)]
    return _with_others(candidates[0], set(candidates)) if candidates else None


def _permuted(
    axes: tuple[FeatureAxis, ...], shape: tuple[int, ...], grids: tuple[Grid, ...]
) -> _Dims | None:
    """Find channels last after a convolution that was permuted, if the input agrees."""
    if len(shape) != 4 or shape[1:3] not in grids or shape[2:] in grids:
        return None
    return ("NHWC", ("NHWC assumed",)) if shape[3] in {axis.count for axis in axes} else None


def _fits(layout: str, axis: FeatureAxis, shape: tuple[int, ...]) -> bool:
    return len(layout) == len(shape) and shape[layout.index("C")] == axis.count


def _with_others(layout: str, fitting: set[str]) -> _Dims:
    others = " and ".join(sorted(fitting - {layout}))
    return layout, (f"{layout} assumed, {others} would fit too",) if others else ()


def _assumed(axes: tuple[FeatureAxis, ...], rank: int) -> _Dims:
    """Assume the usual layout, without a word if all modules around have their features there."""
    is_usual = (axis.place == "first" and axis.spatial in (0, rank - 2) for axis in axes)
    if axes and all(is_usual):
        return _direct(axes[-1], rank), ()
    last = rank == 3 and any(axis.place == "last" for axis in axes)
    layout = "NLC" if last else _USUAL[rank]
    return layout, (f"{layout} assumed",) if rank == 3 or (axes and rank > 3) else ()


def _length_first(activation: Activation) -> _Dims:
    """Infer the order of a sequence beside a module that has the length before the batch."""
    image, shape = activation.inputs.image, activation.tensor.shape
    batch = None if image is None else len(image)
    if batch in shape[:2] and shape[0] != shape[1]:
        return ("NLC" if shape[0] == batch else "LNC"), ()
    return "LNC", ("LNC assumed, NLC would fit too",)
