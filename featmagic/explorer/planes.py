"""The planes that an explorer shows: all channels of one sample."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from featmagic.options.groups import AXES
from featmagic.options.view import View
from featmagic.planes.heat_map import Axes, assemble, assembled_axes, folded_width, form_of
from featmagic.planes.layout import Layout, layout_of
from featmagic.planes.planes import Planes, Slice, planes_of
from featmagic.planes.ranking import rank
from featmagic.recording.records import Activation
from featmagic.recording.torch_private import is_view_of


@dataclass(frozen=True)
class PlaceIndex:
    """Which value of a tensor is at the position (y, x) of a channel's plane.

    Attributes:
        shape: The shape of the tensor.
        steps: The flat index, in row-major order, of the first value, then the steps from one
            channel, row and column to the next.

    Example:
        >>> PlaceIndex((2, 5, 8, 6), (240, 48, 6, 1)).index(4, 7, 5)
        (1, 4, 7, 5)
    """

    shape: tuple[int, ...]
    steps: tuple[int, ...]

    def index(self, channel: int, y: int, x: int) -> tuple[int, ...]:
        """Return the index in the tensor."""
        start, *steps = self.steps
        flat = start + sum(place * step for place, step in zip((channel, y, x), steps, strict=True))
        return tuple(int(axis) for axis in np.unravel_index(flat, self.shape))


@dataclass(frozen=True)
class Tokens:
    """What the queries and keys of attention weights stand for.

    Attributes:
        grid: The patch grid (height, width) that the keys lie on, after the prefix tokens.
        prefix: The names of the prefix tokens.
        on_input: Whether the grid covers the input image, not a window of it.
    """

    grid: tuple[int, int] | None
    prefix: tuple[str, ...]
    on_input: bool


@dataclass(frozen=True, eq=False)
class SamplePlanes:
    """All planes of one sample, on the activation's device.

    Attributes:
        values: The planes `(P, H, W)`, float32 or float64. A heat map is one plane, and so are
            single values if there are too many for a tile each.
        channels: The channel of each plane.
        total: The number of channels of the activation.
        noun: What a plane is, in the plural.
        item: What one of the channels is.
        axes: What runs down and across a plane; one of the names is the item's if a plane is made
            of all channels.
        items: The numbers of the channels that a plane is made of; empty if each is a plane.
        words: What was done to the values, and what was assumed.
        padding: The number of values at the end of the plane that don't come from the tensor.
        place_index: Where in the tensor each value lies; None if a value is made of several.
        made_of: For what is made of all slices of a volume, the place index in the first one, and
            which dimension of the tensor they lie along.
        channel_values: The values of each channel `(C, ...)`, whatever a plane is.
        prefix: The values of the prefix tokens in each plane `(P, T)`, and their names.
        order: The channels in order of similarity, if that was asked for.
        spatial: Whether the planes lie over the input image.
        signed: Whether 0 is in the middle of the colors, whatever the values.
        slice: What the planes show of a volume, if there is one.
        tokens: What queries and keys stand for, if the planes are attention weights.
        used: The groups of options that made a difference.
    """

    values: Tensor
    channels: tuple[int, ...]
    total: int
    noun: str
    item: str
    axes: Axes
    items: tuple[int, ...]
    words: tuple[str, ...]
    padding: int
    place_index: PlaceIndex | None
    channel_values: Tensor
    made_of: tuple[PlaceIndex, int] | None = None
    prefix: tuple[Tensor, tuple[str, ...]] | None = None
    order: tuple[int, ...] | None = None
    spatial: bool = False
    signed: bool = False
    slice: Slice | None = None
    tokens: Tokens | None = None
    used: frozenset[str] = frozenset()


def sample_planes(activation: Activation, view: View, sample: int = 0) -> SamplePlanes:
    """Return all planes of one sample, or those of the view's `channels`.

    Args:
        activation: An activation that can be drawn.
        view: Its `channels`, `layout`, `grid`, `prefix_tokens`, `slice` and `attn` are used.
        sample: The item of the batch; ignored if no axis is the batch.

    Raises:
        FeatmagicError: If the sample, a channel, the layout or the grid doesn't exist.
    """
    whole = view.only("selection", *AXES, sample=str(sample), max=0)
    layout = layout_of(activation, whole)
    planes = planes_of(activation.tensor, layout, whole, activation.key)
    values = planes.values[0]
    form = form_of(planes.form, len(values))
    pictures, padding = assemble(values, form)
    is_single = form != "tiles"  # all channels are in one picture
    noun = {"fold": "values"}.get(form, "heat map") if is_single else planes.noun
    axes = assembled_axes(form, planes.item, planes.axes)
    return SamplePlanes(
        values=pictures,
        channels=(0,) if is_single else planes.indices,
        total=1 if is_single else planes.total,
        noun=noun,
        item=planes.item or axes.down,  # tokens without features are all in one plane
        axes=axes,
        items=planes.indices if is_single else (),
        words=_words(planes, form),
        padding=padding,
        place_index=_place_index(activation.tensor, layout, planes, form, whole),
        channel_values=values,
        made_of=_made_of(activation.tensor, layout, planes, form, whole),
        prefix=None if is_single or planes.prefix is None else (planes.prefix[0], planes.names),
        order=None if is_single else _likeness(planes, view, activation),
        spatial=planes.spatial,
        signed=planes.signed,
        slice=planes.slice,
        tokens=_tokens(activation, layout) if planes.axes == ("query", "key") else None,
        used=planes.used,
    )


def samples_in(activation: Activation, view: View) -> int:
    """Return the number of samples; 1 if no axis is the batch."""
    dims = layout_of(activation, view).dims
    return activation.tensor.shape[dims.index("N")] if "N" in dims else 1


def _tokens(activation: Activation, layout: Layout) -> Tokens:
    """Return what the keys stand for; of a larger batch than there are images, they are windows."""
    image, shape = activation.inputs.image, activation.tensor.shape
    batch = shape[layout.dims.index("N")] if "N" in layout.dims else 1
    on_input = layout.grid is not None and image is not None and batch <= len(image)
    return Tokens(layout.grid, layout.prefix, on_input)


def _words(planes: Planes, form: str) -> tuple[str, ...]:
    """Return what is said about the planes of any sample and slice, without the strip of a grid."""
    words = [word.replace(" in a strip", "") for word in planes.words]
    chosen = planes.slice.words if planes.slice else None
    words = [word for word in words if not word.startswith(f"{planes.batch} ") and word != chosen]
    picked = [f"{len(planes.indices)} of {planes.total} {planes.noun}"] * (form != "tiles")
    return (*picked, *filter(None, [planes.read if form != "fold" else ""]), *words)


def _likeness(planes: Planes, view: View, activation: Activation) -> tuple[int, ...] | None:
    """Return the channels in the order of `--sort similar`."""
    if view.sort != "similar":
        return None
    every = view.only("order", topk=None, max=0)
    _, order = rank(planes, every, activation.key, activation.cache)
    return None if order is None else tuple(planes.indices[place] for place in order.tolist())


def _made_of(
    tensor: Tensor, layout: Layout, planes: Planes, form: str, view: View
) -> tuple[PlaceIndex, int] | None:
    """Find what planes that are made of all slices are made of; None for others."""
    if not planes.slice or isinstance(planes.slice.which, int) or tensor.is_complex():
        return None
    first = _place_index(tensor, layout, planes, form, replace(view, slice=0))
    return None if first is None else (first, layout.dims.index("D"))


def _place_index(
    tensor: Tensor, layout: Layout, planes: Planes, form: str, view: View
) -> PlaceIndex | None:
    """Find where the values lie in the tensor, by the strides of the planes of an empty one."""
    averaged = "D" in layout.dims and view.slice in ("mip", "mean")
    averaged |= "K" in layout.dims and view.attn == "mean"
    if averaged or (form != "tiles" and planes.indices != tuple(range(planes.total))):
        return None
    blank = torch.empty(tensor.shape, device="meta")
    views = planes_of(blank, layout, replace(view, channels=None)).values
    if not is_view_of(views, blank):  # a copy, whose strides say nothing about the tensor
        return None
    _, channel, down, across = views.stride()
    width = folded_width(planes.total)
    steps = {
        "tiles": (channel, down, across),
        "rows": (0, channel, across),
        "columns": (0, down, channel),
        "fold": (0, width * channel, channel),
    }
    return PlaceIndex(tuple(tensor.shape), (int(views.storage_offset()), *steps[form]))
