"""Which axis of an activation is what."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import torch

from featmagic.options.view import View, spelled
from featmagic.planes.dtypes import undrawable
from featmagic.planes.patch_grid import PatchGrid, patch_grid_of
from featmagic.recording.inputs import Grid, PassInputs
from featmagic.recording.layout_hints import FeatureAxis, LayoutHint
from featmagic.recording.records import Activation, shape_of
from featmagic.support.errors import FeatmagicError

_LAYOUTS = {
    1: ("C", "L"),
    2: ("NC", "LC", "CL", "HW", "QK"),
    3: ("CHW", "HWC", "NLC", "NCL", "NCW", "LNC", "NHW", "NQK", "AQK", "SNC"),
    4: ("NCHW", "NHWC", "CDHW", "DHWC", "NAQK"),
    5: ("NCDHW", "NDHWC", "NDCHW"),
}


class LayoutMismatch(FeatmagicError):
    """A layout with more or fewer axes than the activation has."""


@dataclass(frozen=True)
class Layout:
    """What the axes of an activation are.

    Attributes:
        dims: one a dimension: N batch, C channels, features or units, H height, W width, D depth
            or time of a volume, L length, time or tokens, A attention heads, Q queries, K keys,
            S stacked states (layers x directions).
        words: what was assumed or couldn't be told, for the caption.
        grid: the patch grid (height, width) that the tokens, or the keys, lie on.
        prefix: the names of the tokens before those of the grid: "CLS", "R1", "R2" and so on.
        signed: centered on 0 whatever the values.
    """

    dims: str
    words: tuple[str, ...] = ()
    grid: tuple[int, int] | None = None
    prefix: tuple[str, ...] = ()
    signed: bool = False


def layout_of(activation: Activation, view: View) -> Layout:
    """What the axes of the activation are: by the view's layout, else by the module it came from.

    Raises:
        LayoutMismatch: the view's layout has another number of axes.
        FeatmagicError: its grid or its number of prefix tokens doesn't fit.

    Example:
        >>> from torch import zeros
        >>> act = Activation("act", "act", "ReLU", 1, zeros(5, 8, 8))
        >>> layout_of(act, View()).words
        ('CHW assumed',)
        >>> layout_of(act, View(layout="NLC")).dims
        'NLC'
    """
    dims, words = dims_of(activation)
    if view.layout is not None:
        dims, words = _laid_out(activation, view.layout), ()
    tokens = _tokens(activation, view, dims)
    signed = bool(activation.hint.recurrent)
    return Layout(dims, (*words, *tokens.words), tokens.grid, tokens.prefix, signed)


def layouts_for(rank: int) -> tuple[str, ...]:
    """The layouts that would fit a tensor of so many axes, the most usual first.

    Example:
        >>> layouts_for(5)
        ('NCDHW', 'NDHWC', 'NDCHW')
    """
    return _LAYOUTS.get(rank, ())


def _laid_out(activation: Activation, layout: str) -> str:
    rank = activation.tensor.dim()
    if len(layout) != rank:
        axes, those = f"{rank} ax{'i' if rank == 1 else 'e'}s", ", ".join(layouts_for(rank))
        raise LayoutMismatch(
            f"{activation.key} has {axes} {shape_of(activation.tensor)}, and layout {layout} has "
            f"{len(layout)}. These would fit: {those}."
        )
    return layout.replace("T", "D" if "H" in layout and "W" in layout else "L")


def _tokens(activation: Activation, view: View, dims: str) -> PatchGrid:
    """Where the tokens, or the keys of attention, lie."""
    axis = "K" if "K" in dims else "L"
    wanted = view.grid is not None or view.prefix_tokens is not None
    is_tokens = axis == "K" or dims in ("NLC", "LC", "LNC") or ("L" in dims and wanted)
    if not is_tokens or activation.hint.recurrent:
        return PatchGrid()
    shape = activation.tensor.shape
    batch = shape[dims.index("N")] if "N" in dims else 1
    of_text = activation.hint.text or "'text" in suffix_of(activation)
    given = PassInputs() if of_text else activation.inputs
    return patch_grid_of(shape[dims.index(axis)], batch, given, view, activation.key)


def fitting(activation: Activation, view: View, layers: int) -> View:
    """The view, without a layout that is for other layers."""
    if view.layout is None or layers == 1 or undrawable(activation.tensor):
        return view
    try:
        layout_of(activation, view)
    except LayoutMismatch:
        return view.without("layout")
    return view


_USES = {  # by the group of the option
    "layout": "no layer shown has as many axes",
    "tokens": "no tokens are shown",
    "volume": "no volume is shown",
    "attention": "no attention weights are shown",
    "overlay": "no layer shown lies over the input image",
}


def check_used(used: Collection[str], view: View) -> None:
    """Refuse an option of a group that none of the layers has a use for.

    Example:
        >>> check_used({"tokens"}, View(slice="mip"))
        Traceback (most recent call last):
        featmagic.support.errors.FeatmagicError: --slice has nothing to act on: no volume is shown.
    """
    for group, why in _USES.items():
        for option in view.changed(group) if group not in used else ():
            raise FeatmagicError(f"--{spelled(option)} has nothing to act on: {why}.")


Dims = tuple[str, tuple[str, ...]]  # one letter an axis; what was assumed

_UNKNOWN = ("", "C", "NC", "CHW", "NCHW", "NCDHW")


_LAST = {2: "NC", 3: "NLC", 4: "NHWC", 5: "NDHWC"}


_FIRST: dict[int, dict[int, str]] = {  # by the number of spatial axes
    0: {2: "NC", 3: "NCL", 4: "NCHW", 5: "NCDHW"},
    1: {2: "CL", 3: "NCL"},
    2: {3: "CHW", 4: "NCHW"},
    3: {4: "CDHW", 5: "NCDHW"},
}


# Where features may also be that a composite has moved by itself, as from pixels to tokens.
_MOVED = {2: ("NC",), 3: ("NLC", "NCL"), 4: ("NCHW",), 5: ("NCDHW",)}


# What fields of Hugging Face's outputs hold.
_FIELDS = {"attentions'": "NAQK", "reshaped_hidden_states'": "NCHW", "feature_maps'": "NCHW"}


_STATES = {"[1]": "hidden state", "[1][0]": "hidden state", "[1][1]": "cell state"}


def dims_of(activation: Activation) -> Dims:
    """What each axis of the activation is, and what was assumed.

    Example:
        >>> from torch import zeros
        >>> dims_of(Activation("x", "x", "Conv2d", 1, zeros(1, 5, 8, 8)))
        ('NCHW', ())
    """
    hint, shape = activation.hint, tuple(activation.tensor.shape)
    suffix = suffix_of(activation)
    if len(shape) == 1:
        return "C", ()
    if hint.recurrent:
        return _recurrent(hint, suffix, len(shape))
    field = next((dims for name, dims in _FIELDS.items() if name in suffix), None)
    if field is not None and len(shape) == 4:
        return field, ()
    if attention := _attention(hint, suffix, shape):
        return attention
    if _is_an_image_each(activation, shape):
        return "NHW", ("NHW assumed",)
    if activation.tensor.dtype in (torch.bool, torch.int64):  # a mask or indices, no features
        return _assumed((), len(shape))
    dims, words = _features(hint, shape, activation.inputs.grids)
    if dims == "NLC" and hint.order == "LNC":
        return ("LNC", words) if hint.sure else _length_first(activation)
    return ("LC" if dims == "NC" and hint.sure else dims), words


def _is_an_image_each(activation: Activation, shape: tuple[int, ...]) -> bool:
    """Whether it is one plane as large as the input for each image, such as a depth map."""
    image = activation.inputs.image
    if image is None or len(shape) != 3 or activation.hint.own:
        return False
    return shape == (len(image), *image.shape[2:])


def suffix_of(activation: Activation) -> str:
    """The Python that reaches the tensor in what the module returned.

    Example:
        >>> from torch import zeros
        >>> suffix_of(Activation("lstm:2[1][0]", "lstm", "LSTM", 2, zeros(1, 2)))
        '[1][0]'
    """
    name = activation.path if activation.call == 1 else f"{activation.path}:{activation.call}"
    return activation.key.removeprefix(name)


def _recurrent(hint: LayoutHint, suffix: str, rank: int) -> Dims:
    if hint.recurrent == "cell":
        return _UNKNOWN[rank], ("cell state" if suffix == "[1]" else "hidden state",)
    if suffix in _STATES:
        return {2: "SC", 3: "SNC"}.get(rank, _UNKNOWN[rank]), (_STATES[suffix],)
    if suffix != "[0]" and suffix.startswith("[0]"):
        return "LC", ("packed sequences",)
    return {2: "LC", 3: hint.order}.get(rank, _UNKNOWN[rank]), ()


def _attention(hint: LayoutHint, suffix: str, shape: tuple[int, ...]) -> Dims | None:
    """The letters of attention weights, if that is what it is."""
    rank = len(shape)
    if hint.attention == "torch" and suffix == "[1]":
        if rank == 3 and not hint.asked:
            unsure = shape[0] == hint.heads
            return "NQK", ("NQK assumed, AQK would fit too",) if unsure else ()
        return {2: "QK", 3: "AQK", 4: "NAQK"}.get(rank, _UNKNOWN[rank]), ()
    main = suffix in ("", "[0]")
    if rank != 4 or shape[2] != shape[3] or hint.own or (hint.attention == "around" and main):
        return None
    # Swin's attention returns features, on a last axis that may be as long as the one before it.
    last = {says.count for says in hint.says if says.place == "last"}
    features = hint.attention == "self" and main and shape[3] in last
    fits = hint.attention and not features and hint.heads in (None, shape[1])
    return ("NAQK", ()) if fits else None


def _features(hint: LayoutHint, shape: tuple[int, ...], grids: tuple[Grid, ...]) -> Dims:
    """The letters of features, by who says where they are."""
    says, around, rank = hint.says, hint.around, len(shape)
    if hint.own and says:
        return _direct(says[0], rank), ()
    return (
        _agreed(says, shape, grids)
        or _agreed(around, shape, grids)
        or _moved(says, shape)
        or _moved(around, shape)
        or _turned(says, shape, grids)
        or _assumed(says, rank)
    )


def _direct(says: FeatureAxis, rank: int) -> str:
    """Where a module puts its features that says so."""
    layouts = _LAST if says.place == "last" else _FIRST[says.spatial]
    return layouts.get(rank, _UNKNOWN[rank])


def _agreed(
    says: tuple[FeatureAxis, ...], shape: tuple[int, ...], grids: tuple[Grid, ...]
) -> Dims | None:
    """The layout in which an axis has as many features as a module says; or as a Permute says."""
    rank = len(shape)
    fitting = {_direct(one, rank) for one in says if _fits(_direct(one, rank), one, shape)}
    if rank == 2 and len(fitting) > 1:
        return "NC", ()
    on_grid = {layout for layout in fitting if _sides(layout, shape) in grids}
    if len(on_grid) == 1:
        fitting = on_grid
    ends = [one for one in says if one.count is None] if rank > 3 and not fitting else []
    said = [_direct(one, rank) for one in ends or says]
    # The one said last decides, among those that fit.
    found = [layout for layout in said if ends or layout in fitting]
    return _with_others(found[-1], fitting) if found else None


def _sides(layout: str, shape: tuple[int, ...]) -> Grid | None:
    if "H" not in layout or "W" not in layout:
        return None
    return shape[layout.index("H")], shape[layout.index("W")]


def _moved(says: tuple[FeatureAxis, ...], shape: tuple[int, ...]) -> Dims | None:
    """The layout in which any axis has as many features as a module says."""
    layouts = _MOVED[len(shape)]
    found = [layout for layout in layouts if any(_fits(layout, one, shape) for one in says)]
    return _with_others(found[0], set(found)) if found else None


def _turned(
    says: tuple[FeatureAxis, ...], shape: tuple[int, ...], grids: tuple[Grid, ...]
) -> Dims | None:
    """Channels last after a convolution that was turned around, if the input says so too."""
    if len(shape) != 4 or shape[1:3] not in grids or shape[2:] in grids:
        return None
    return ("NHWC", ("NHWC assumed",)) if shape[3] in {one.count for one in says} else None


def _fits(layout: str, says: FeatureAxis, shape: tuple[int, ...]) -> bool:
    return len(layout) == len(shape) and shape[layout.index("C")] == says.count


def _with_others(layout: str, fitting: set[str]) -> Dims:
    others = " and ".join(sorted(fitting - {layout}))
    return layout, (f"{layout} assumed, {others} would fit too",) if others else ()


def _assumed(says: tuple[FeatureAxis, ...], rank: int) -> Dims:
    """The usual layout; in words, but where all around puts features at the same place."""
    if says and all(_is_usual(one, rank) for one in says):
        return _direct(says[-1], rank), ()
    last = rank == 3 and any(one.place == "last" for one in says)
    layout = "NLC" if last else _UNKNOWN[rank]
    return layout, (f"{layout} assumed",) if rank == 3 or (says and rank > 3) else ()


def _is_usual(says: FeatureAxis, rank: int) -> bool:
    return says.place == "first" and says.spatial in (0, rank - 2)


def _length_first(activation: Activation) -> Dims:
    """A sequence beside a module that has the length before the batch, which it needn't have."""
    image, shape = activation.inputs.image, activation.tensor.shape
    batch = None if image is None else len(image)
    if batch in shape[:2] and shape[0] != shape[1]:
        return ("NLC" if shape[0] == batch else "LNC"), ()
    return "LNC", ("LNC assumed, NLC would fit too",)
