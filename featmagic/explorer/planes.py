"""An activation's planes as an explorer has them: all channels of one sample."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import torch
from torch import Tensor

from featmagic.options.view import AXES, View
from featmagic.planes.heat_map import assemble, folded_width, form_of
from featmagic.planes.layout import Layout, layout_of
from featmagic.planes.planes import Planes, planes_of
from featmagic.planes.ranking import rank
from featmagic.recording.records import Activation


@dataclass(frozen=True)
class PlaceIndex:
    """Which value of a tensor the place (y, x) of a channel's plane is.

    Attributes:
        shape: the tensor's.
        steps: in its values, row by row: where they begin, then how many from one channel, row and
            column to the next.

    Example:
        >>> PlaceIndex((2, 5, 8, 6), (240, 48, 6, 1)).index(4, 7, 5)
        (1, 4, 7, 5)
    """

    shape: tuple[int, ...]
    steps: tuple[int, ...]

    def index(self, channel: int, y: int, x: int) -> tuple[int, ...]:
        """The index of that place in the tensor."""
        start, *steps = self.steps
        flat = start + sum(n * step for n, step in zip((channel, y, x), steps, strict=True))
        return tuple(int(place) for place in np.unravel_index(flat, self.shape))


@dataclass(frozen=True, eq=False)
class SamplePlanes:
    """All planes of one sample, on the activation's device.

    Attributes:
        values: `(P, H, W)`, float32 or float64. A heat map is one plane, and so are more single
            values than stand apart.
        channels: which channel each is.
        of: how many there are in the activation.
        noun: what a plane is, in the plural.
        words: what was done to the values, and what was assumed.
        padding: how many places at the end of the plane are none of the tensor's.
        reach: which value of the tensor a place is; None where it is no single one.
        lines: `(C, ...)`, the values of each channel, whatever a plane is: some may be dead.
        prefix: what the prefix tokens have in each plane, `(P, T)`, and their names.
        order: the channels by their likeness, where that was asked for.
        spatial: whether the planes lie over the input.
        signed: whether 0 is in the middle, whatever the values.
        used: the groups of options that made a difference.
    """

    values: Tensor
    channels: tuple[int, ...]
    of: int
    noun: str
    words: tuple[str, ...]
    padding: int
    reach: PlaceIndex | None
    lines: Tensor
    prefix: tuple[Tensor, tuple[str, ...]] | None = None
    order: tuple[int, ...] | None = None
    spatial: bool = False
    signed: bool = False
    used: frozenset[str] = frozenset()


def sample_planes(activation: Activation, view: View, sample: int = 0) -> SamplePlanes:
    """All planes of that sample; those that the view's `channels` names, where it does.

    Args:
        activation: one of which there is a picture.
        view: its `channels`, `layout`, `grid`, `prefix_tokens`, `slice` and `attn` choose.
        sample: which item of the batch; of no meaning where no axis holds them.

    Raises:
        FeatmagicError: a sample, channel, layout or grid that isn't there.

    Example:
        >>> import torch
        >>> act = Activation("act", "act", "ReLU", 1, torch.zeros(2, 5, 8, 6))
        >>> one = sample_planes(act, View(layout="NCHW"), 1)
        >>> one.values.shape, one.reach.index(4, 7, 5)
        (torch.Size([5, 8, 6]), (1, 4, 7, 5))
    """
    whole = view.only("selection", *AXES, sample=str(sample), max=0)
    layout = layout_of(activation, whole)
    stack = planes_of(activation.tensor, layout, whole, activation.key)
    flat = stack.values[0]
    form = form_of(stack.form, len(flat))
    values, padding = assemble(flat, form)
    alone = form != "tiles"
    noun = {"fold": "values"}.get(form, "heat map") if alone else stack.noun
    return SamplePlanes(
        values=values,
        channels=(0,) if alone else stack.indices,
        of=1 if alone else stack.total,
        noun=noun,
        words=_words(stack, form),
        padding=padding,
        reach=_reach(activation.tensor, layout, stack, form, whole),
        lines=flat,
        prefix=None if alone or stack.prefix is None else (stack.prefix[0], stack.names),
        order=_likeness(stack, view, activation) if not alone else None,
        spatial=stack.spatial,
        signed=stack.signed,
        used=stack.used,
    )


def samples_in(activation: Activation, view: View) -> int:
    """How many samples there are; 1 where no axis holds them.

    Example:
        >>> import torch
        >>> samples_in(Activation("a", "a", "ReLU", 1, torch.zeros(3, 5)), View(layout="NC"))
        3
    """
    dims = layout_of(activation, view).dims
    return activation.tensor.shape[dims.index("N")] if "N" in dims else 1


def _words(stack: Planes, form: str) -> tuple[str, ...]:
    """What is said of the planes: not of a strip, which an explorer hasn't, nor of the sample."""
    words = [word.replace(" in a strip", "") for word in stack.words]
    picked = [f"{len(stack.indices)} of {stack.total} {stack.noun}"] * (form != "tiles")
    words = [word for word in words if not word.startswith("sample ")]
    return (*picked, *filter(None, [stack.read if form != "fold" else ""]), *words)


def _likeness(stack: Planes, view: View, activation: Activation) -> tuple[int, ...] | None:
    """The channels in the order that `--sort similar` has."""
    if view.sort != "similar":
        return None
    every = view.only("order", topk=None, max=0)
    _, order = rank(stack, every, activation.key, activation.cache)
    return None if order is None else tuple(stack.indices[place] for place in order.tolist())


def _reach(
    tensor: Tensor, layout: Layout, stack: Planes, form: str, view: View
) -> PlaceIndex | None:
    """Which value of the tensor a place is, by the strides of the very planes, without values."""
    averaged = "D" in layout.dims and view.slice in ("mip", "mean")
    averaged |= "K" in layout.dims and view.attn == "mean"
    if averaged or (form != "tiles" and stack.indices != tuple(range(stack.total))):
        return None
    blank = torch.empty(tensor.shape, device="meta")
    laid = planes_of(blank, layout, replace(view, channels=None)).values
    if laid._base is not blank:  # a copy: its strides are its own
        return None
    _, channel, down, across = laid.stride()
    width = folded_width(stack.total)
    steps = {
        "tiles": (channel, down, across),
        "rows": (0, channel, across),
        "columns": (0, down, channel),
        "fold": (0, width * channel, channel),
    }
    return PlaceIndex(tuple(tensor.shape), (int(laid.storage_offset()), *steps[form]))
