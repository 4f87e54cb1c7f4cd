"""From an activation to planes that are chosen and measured; nothing is drawn yet."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from featmagic.options.view import View
from featmagic.planes.dtypes import undrawable
from featmagic.planes.heat_map import form_of
from featmagic.planes.input_image import InputImages, input_images
from featmagic.planes.layout import check_used, fitting, layout_of
from featmagic.planes.planes import Planes, planes_of
from featmagic.planes.ranking import rank
from featmagic.planes.reduction import PCAImage, pca_image, reduce
from featmagic.planes.statistics import Statistics, StatisticsRequest, measure
from featmagic.recording.inputs import image_of
from featmagic.recording.records import Activation
from featmagic.render.color import NORMS, check_norm, scale_of
from featmagic.render.viewport import Viewport, most_columns


@dataclass(frozen=True, eq=False)
class Undrawable:
    """An activation of which there is no picture, with the reason."""

    activation: Activation
    reason: str


@dataclass(frozen=True, eq=False)
class Prepared:
    """An activation, ready to draw.

    Attributes:
        activation: as it was captured.
        view: how to draw it.
        viewport: how much room there is; None where no picture is wanted.
        dims: what its axes are.
        stack: the planes to show, in order.
        measured: what they hold.
        scale: who shares a range: `channel`, `layer` or `all`.
        images: the input, where it is shown.
        rgb: principal components, where they are asked for.
    """

    activation: Activation
    view: View
    viewport: Viewport | None
    dims: str
    stack: Planes
    measured: Statistics
    scale: str
    images: InputImages | None = None
    rgb: PCAImage | None = None

    @property
    def form(self) -> str:
        """The form that the planes take: `tiles`, `rows`, `columns` or `fold`."""
        return form_of(self.stack.form, self.stack.values.shape[1])

    @property
    def overlays(self) -> bool:
        """Whether the tiles lie on the input image."""
        return self.view.overlay and self.stack.spatial


def prepare(
    activation: Activation,
    view: View,
    viewport: Viewport | None,
    step: Callable[[], None] = lambda: None,
) -> Prepared | Undrawable:
    """Choose and measure what the view shows of an activation.

    Args:
        activation: as it was captured.
        view: how to draw it.
        viewport: how much room there is; None where no picture is wanted.
        step: is called when it is half done: many samples take their time.

    Raises:
        FeatmagicError: a sample, channel, layout, grid or norm that can't be.

    Example:
        >>> import torch
        >>> prepare(Activation("fc", "fc", "Linear", 1, torch.zeros(())), View(), None).reason
        'the single value 0'
    """
    if reason := undrawable(activation.tensor):
        return Undrawable(activation, reason)
    layout = layout_of(activation, view)
    key, memory = activation.key, activation.cache
    stack, order = rank(planes_of(activation.tensor, layout, view, key), view, key, memory)
    stack, order = _cut(stack, order, view, viewport)
    step()
    rgb = pca_image(stack, key, memory, view.pca_basis) if view.reduce == "pca" else None
    if view.reduce:
        stack = replace(stack, read="", prefix=None) if rgb else reduce(stack, view.reduce)
    scale = _scale(stack, view)
    request = _request(stack, view, scale)
    values = stack.values.flatten(0, 1)
    if stack.form == "fold":  # measured as the one picture it is
        values = values.reshape(1, 1, -1)
    measured = measure(values, request, prefix=stack.prefix, order=order)
    check_norm(measured, view, key)
    measured = _by_channel(measured, stack)
    if measured.order:
        stack = replace(stack, indices=tuple(stack.indices[place] for place in measured.order))
    shown, stack = _images(activation, stack, layout.dims, view)
    dims = view.layout or layout.dims
    return Prepared(activation, view, viewport, dims, stack, measured, scale, shown, rgb)


def _scale(stack: Planes, view: View) -> str:
    """Who shares a range: a channel that is alone, or a value of a fold, has none of its own."""
    scale = scale_of(view, stack.form)
    alone = stack.form == "fold" or stack.values.shape[1] == 1
    return "layer" if alone and scale == "channel" else scale


def _cut(
    stack: Planes, order: Tensor | None, view: View, viewport: Viewport | None
) -> tuple[Planes, Tensor | None]:
    """The planes that fit in a row, where each row is a sample or a channel, and their order."""
    several = len(stack.values) > 1 and stack.form == "tiles"
    if not several or viewport is None or view.reduce:
        return stack, order
    height, width = stack.values.shape[2:]
    margin = max(len(text) + 1 for text in stack.rows) * viewport.letter
    most = most_columns((height, width), view, replace(viewport, width=viewport.width - margin))
    asked_for = (view.channels is not None or view.topk is not None) and not viewport.strict
    if asked_for or most >= stack.values.shape[1]:
        return stack, order
    words = (*stack.words, f"{most} in a row: no room for more")
    prefix = None if stack.prefix is None else stack.prefix[:, :most]
    # In an order, which is still on the device, the indices are those of all.
    indices = stack.indices[:most] if order is None else stack.indices
    cut = replace(stack, values=stack.values[:, :most], prefix=prefix, indices=indices, words=words)
    return cut, None if order is None else order[:most]


def _request(stack: Planes, view: View, scale: str) -> StatisticsRequest:
    return StatisticsRequest(
        outside=view.robust,
        positive=NORMS[view.norm].positive,
        whole=scale != "channel",
        duplicates=view.reduce is None
        and len(stack.values) == 1
        and len(set(stack.indices)) == len(stack.indices),
    )


def _by_channel(measured: Statistics, stack: Planes) -> Statistics:
    """With one range for all tiles of a channel: its samples, or its slices."""
    rows, count = stack.values.shape[:2]
    if rows == 1 or len(measured.low) == 1:
        return measured
    axis = 0 if stack.samples[1:] else 1

    def shared(ends: NDArray[np.float64], of: np.ufunc) -> NDArray[np.float64]:
        grid = ends.reshape(rows, count)
        together: NDArray[np.float64] = of.reduce(grid, axis=axis, keepdims=True)
        return np.broadcast_to(together, grid.shape).reshape(-1)

    low, high = shared(measured.inner_low, np.minimum), shared(measured.inner_high, np.maximum)
    return replace(measured, inner_low=low, inner_high=high)


def _images(
    activation: Activation, stack: Planes, dims: str, view: View
) -> tuple[InputImages | None, Planes]:
    """The input images beside or under the planes, unless the samples are others: windows, say."""
    if not (view.input or (view.overlay and stack.spatial)):
        return None, stack
    image = image_of(activation.inputs)
    count = activation.tensor.shape[dims.index("N")] if "N" in dims else None
    if image is not None and count not in (None, len(image)):
        words = (*stack.words, f"not on the input: {count} samples of {len(image)} inputs")
        return None, replace(stack, spatial=False, words=words)
    return input_images(image, stack.samples, view), stack


def prepare_all(
    activations: Sequence[Activation],
    view: View,
    viewport: Viewport | None,
    step: Callable[[], None] = lambda: None,
) -> list[Prepared | Undrawable]:
    """Prepare several layers, before any is drawn: what is wrong with one is said first.

    A layout goes to the layers that have as many axes; an option that would change no layer is
    refused.

    Args:
        activations: as they were captured.
        view: how to draw.
        viewport: how much room there is.
        step: is called twice for each that has a picture, and once for others.

    Raises:
        FeatmagicError: as `prepare`, or an option that none of the layers has a use for.

    Example:
        >>> prepare_all([], View(), None)
        []
    """
    done = []
    for activation in activations:
        how = fitting(activation, view, len(activations))
        done.append(prepare(activation, how, viewport, step))
        step()
    if drawable := [one for one in done if isinstance(one, Prepared)]:
        _check_used(drawable, view)
    return done


def _check_used(done: list[Prepared], view: View) -> None:
    used = {option for one in done for option in one.stack.used}
    used |= {"overlay"} if any(one.stack.spatial for one in done) else set()
    used |= {"layout"} if any(one.view.layout for one in done) else set()
    check_used(used, view)
