"""The first stage: from an activation to planes that are chosen, ranked and measured."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from torch import Tensor, cat, empty

from featmagic.grid.pass_rows import pass_rows
from featmagic.options.view import View
from featmagic.planes.dtypes import undrawable
from featmagic.planes.heat_map import assemble, assembled_axes, folded_width, form_of, page_fold
from featmagic.planes.input_image import InputImages, input_images
from featmagic.planes.layout import Layout, check_used, fitting, layout_of
from featmagic.planes.planes import Planes, in_rows, planes_of
from featmagic.planes.ranking import rank
from featmagic.planes.reduction import PCAImage, PCALayer, pca_images, reduce
from featmagic.planes.statistics import Statistics, StatisticsRequest, measure
from featmagic.recording.inputs import image_of
from featmagic.recording.records import Activation
from featmagic.render.color import NORMS, check_norm, scale_of
from featmagic.render.viewport import Viewport, most_columns
from featmagic.support.memory import unless_out_of_memory


@dataclass(frozen=True, eq=False)
class Undrawable:
    """An activation that can't be drawn, and the reason."""

    activation: Activation
    reason: str


@dataclass(frozen=True)
class Tiling:
    """How planes are put together in tiles, and what the tiles and their rows are called.

    Attributes:
        form: `tiles`, one plane each; or a heat map of all planes: `rows`, `columns` or `fold`.
        count: The number of tiles.
        size: Height and width of a tile, in values.
        labels: The label of each tile.
        ncols: Tiles per row, where each row is one sample or channel; else None.
        row_names: The name of each row of tiles, where a row means something.
        value_row_names: The name of each row of values in the heat map; empty if there are
            several heat maps.
        value_column_names: The name of each column of values in a heat map.
        axes: What runs down and what runs across a heat map, if there is but one.
        fold: How many values stand in a row of a fold.
    """

    form: str
    count: int
    size: tuple[int, int]
    labels: tuple[str, ...]
    ncols: int | None = None
    row_names: tuple[str, ...] = ()
    value_row_names: tuple[str, ...] = ()
    value_column_names: tuple[str, ...] = ()
    axes: tuple[str, str] = ("", "")
    fold: int | None = None

    @property
    def margin(self) -> int:
        """The letters that the names on the left take, with a space; 0 without names."""
        names = (*self.row_names, *self.value_row_names)
        return max((len(name) + 1 for name in names), default=0)


@dataclass(frozen=True, eq=False)
class Prepared:
    """An activation that is ready to be drawn.

    Attributes:
        activation: As it was captured.
        view: How to draw it.
        viewport: The space to draw in; None where no picture is wanted.
        dims: A letter for each dimension of the activation.
        planes: The planes to show, in order.
        tiling: How they are put together in tiles.
        measured: Their statistics.
        scale: What shares a color range: `channel`, `layer` or `all`.
        images: The input images, if they are shown.
        rgb: The principal components as an image, if they are shown in place of the planes.
        other_passes: The same layer in further passes, drawn as rows below.
    """

    activation: Activation
    view: View
    viewport: Viewport | None
    dims: str
    planes: Planes
    tiling: Tiling
    measured: Statistics
    scale: str
    images: InputImages | None = None
    rgb: PCAImage | None = None
    other_passes: tuple[Activation, ...] = ()

    @property
    def rows(self) -> tuple[Activation, ...]:
        """The activation of each pass that is shown."""
        return self.activation, *self.other_passes

    @property
    def overlays(self) -> bool:
        """Whether the tiles are drawn over the input image."""
        return self.view.overlay and self.planes.spatial


def prepare(
    activation: Activation,
    view: View,
    viewport: Viewport | None,
    step: Callable[[], None] = lambda: None,
    other_passes: tuple[Activation, ...] = (),
) -> Prepared | Undrawable:
    """Choose and measure the planes that the view shows of an activation.

    Where there is no viewport, no picture is wanted. `step` is called once halfway, for progress.
    `other_passes` has the same layer in further passes, equal in shape.

    Raises:
        FeatmagicError: The view asks for a sample, channel, layout, patch grid or norm that the
            activation doesn't have or can't be drawn with.
    """
    layer = _prepare(activation, view, viewport, step, other_passes)
    return layer if isinstance(layer, Undrawable) else _with_components([layer])[0]


def _prepare(
    activation: Activation,
    view: View,
    viewport: Viewport | None,
    step: Callable[[], None],
    other_passes: tuple[Activation, ...],
) -> Prepared | Undrawable:
    """Prepare all but the components of a PCA, which layers may share."""
    if reason := undrawable(activation.tensor):
        return Undrawable(activation, reason)
    layout = layout_of(activation, view)
    key, cache = activation.key, activation.cache
    rows = (activation, *other_passes)
    planes, order = rank(_planes_of_rows(rows, layout, view), view, key, cache)
    planes, order = first_in_a_row(planes, order, view, viewport)
    step()
    is_pca = view.reduce == "pca"
    if view.reduce:
        planes = replace(planes, read="", prefix=None) if is_pca else reduce(planes, view.reduce)
    scale = _scale(planes, view)
    values = planes.values.flatten(0, 1)
    if planes.form == "fold":  # measured as the one picture that it is
        values = values.reshape(1, 1, -1)
    request = _request(planes, view, scale)
    measured = measure(values, request, prefix=planes.prefix, order=order)
    check_norm(measured, view, key)
    measured = _with_ranges_by_channel(measured, planes)
    if measured.order:
        planes = replace(planes, indices=tuple(planes.indices[place] for place in measured.order))
    images, planes = _input_images(rows, planes, layout.dims, view)
    return Prepared(
        activation=activation,
        view=view,
        viewport=viewport,
        dims=view.layout or layout.dims,
        planes=planes,
        tiling=tiling_of_images(planes) if is_pca else tiling_of(planes, viewport),
        measured=measured,
        scale=scale,
        images=images,
        other_passes=other_passes,
    )


def _with_components(layers: Sequence[Prepared]) -> list[Prepared]:
    """Add the principal components to the layers that are drawn as such, in one basis a width."""
    if not any(layer.view.reduce == "pca" for layer in layers):
        return list(layers)
    made = [PCALayer(each.planes, each.activation.key, each.activation.cache) for each in layers]
    images = pca_images(made, layers[0].view.pca_basis)
    return [replace(each, rgb=image) for each, image in zip(layers, images, strict=True)]


def _planes_of_rows(rows: Sequence[Activation], layout: Layout, view: View) -> Planes:
    """Return the planes of an activation, or those of several passes, in a row each."""
    by_pass = [planes_of(each.tensor, layout, view, each.key) for each in rows]
    if len(by_pass) == 1:
        return by_pass[0]
    names = tuple(f"pass {each.of_pass.number}" for each in rows)
    return in_rows(by_pass, names, "passes")


def first_in_a_row(
    planes: Planes, order: Tensor | None, view: View, viewport: Viewport | None
) -> tuple[Planes, Tensor | None]:
    """Drop the planes, and their places in `order`, that don't fit in the row of a sample.

    Where each row of tiles is a sample or a channel, rows can't be broken.
    """
    has_rows = len(planes.values) > 1 and planes.form == "tiles"
    if not has_rows or viewport is None or view.reduce:
        return planes, order
    height, width = planes.values.shape[2:]
    margin = max(len(text) + 1 for text in planes.rows) * viewport.letter
    most = most_columns((height, width), view, replace(viewport, width=viewport.width - margin))
    is_wide = (view.channels is not None or view.topk is not None) and not viewport.strict
    if is_wide or most >= planes.values.shape[1]:
        return planes, order
    words = (*planes.words, f"{most} in a row: no room for more")
    prefix = None if planes.prefix is None else planes.prefix[:, :most]
    # The order is still on the device, and refers to the indices of all planes.
    indices = planes.indices[:most] if order is None else planes.indices
    values = planes.values[:, :most]
    fitting_planes = replace(planes, values=values, prefix=prefix, indices=indices, words=words)
    return fitting_planes, None if order is None else order[:most]


def _scale(planes: Planes, view: View) -> str:
    """Return what shares a color range; a single plane, or single values, share the layer's."""
    scale = scale_of(view, planes.form)
    alone = planes.form == "fold" or planes.values.shape[1] == 1
    return "layer" if alone and scale == "channel" else scale


def _request(planes: Planes, view: View, scale: str) -> StatisticsRequest:
    return StatisticsRequest(
        outside=view.robust,
        positive=NORMS[view.norm].positive,
        whole=scale != "channel",
        duplicates=view.reduce is None
        and len(planes.values) == 1
        and len(set(planes.indices)) == len(planes.indices),
    )


def _with_ranges_by_channel(measured: Statistics, planes: Planes) -> Statistics:
    """Give all tiles of a channel, which are its samples or its slices, the same range."""
    rows, count = planes.values.shape[:2]
    if rows == 1 or len(measured.low) == 1:
        return measured
    axis, shape = 1 if planes.is_montage else 0, (rows, count)
    low = measured.inner_low.reshape(shape).min(axis, keepdims=True)
    high = measured.inner_high.reshape(shape).max(axis, keepdims=True)
    low, high = (np.broadcast_to(ends, shape).reshape(-1) for ends in (low, high))
    return replace(measured, inner_low=low, inner_high=high)


def _input_images(
    rows: Sequence[Activation], planes: Planes, dims: str, view: View
) -> tuple[InputImages | None, Planes]:
    """Return the input images, and the planes, which say so if no image belongs to them.

    A layer may have other samples than the input, such as the windows of a Swin transformer.
    """
    if not (view.input or (view.overlay and planes.spatial)):
        return None, planes
    images, samples = [image_of(each.inputs) for each in rows], planes.samples
    count = rows[0].tensor.shape[dims.index("N")] if "N" in dims else None
    for image in images:
        if image is not None and count not in (None, len(image)):
            words = (
                f"not on the input: {count} {planes.batch}s, but {len(image)} "
                f"input{'s' * (len(image) > 1)}"
            )
            return None, replace(planes, spatial=False, words=(*planes.words, words))
    image, *others = images
    if others:
        by_pass = [each[list(samples or (0,))] for each in images if each is not None]
        if len({each.shape for each in by_pass}) > 1:
            words = "not on the input: its size differs from pass to pass"
            return None, replace(planes, spatial=False, words=(*planes.words, words))
        image = cat(by_pass) if len(by_pass) == len(images) else None
        samples = tuple(range(len(images)))
    return input_images(image, samples, view), planes


def tiling_of(planes: Planes, viewport: Viewport | None = None) -> Tiling:
    """Return how these planes are put together in tiles; folds have round rows on a page."""
    rows, count = planes.values.shape[:2]
    form = form_of(planes.form, count)
    is_heat_map = form in ("rows", "columns")
    axes = assembled_axes(form, planes.item, planes.axes)
    # Only the shape counts here: the meta device computes nothing else.
    is_page = viewport is not None and not viewport.strict
    fold = (page_fold if is_page else folded_width)(count) if form == "fold" else None
    assembled, _ = assemble(empty(planes.values.shape[1:], device="meta"), form, width=fold)
    per_row, height, width = assembled.shape
    if form == "tiles":
        labels = (planes.labels or tuple(map(str, planes.indices))) * rows
    else:
        labels = planes.rows or ("",)
    return Tiling(
        form=form,
        count=rows * per_row,
        size=(height, width),
        labels=labels,
        ncols=count if rows > 1 and form == "tiles" else None,
        row_names=planes.rows if form == "tiles" else (),
        value_row_names=() if form == "tiles" or rows > 1 else _value_row_names(planes, form, fold),
        value_column_names=_value_column_names(planes, form) if is_heat_map else (),
        axes=(axes.down if rows == 1 and not planes.down else "", axes.across)
        if is_heat_map
        else ("", ""),
        fold=fold,
    )


def tiling_of_images(planes: Planes) -> Tiling:
    """Return how the images that stand for all planes of a row are put together: one in a row."""
    rows, _, height, width = planes.values.shape
    ncols = 1 if rows > 1 else None
    return Tiling("tiles", rows, (height, width), ("",) * rows, ncols, planes.rows)


def _value_row_names(planes: Planes, form: str, fold: int | None) -> tuple[str, ...]:
    """Return the names of a heat map's rows: the indices of channels, samples or tokens."""
    if form == "rows":
        return tuple(map(str, planes.indices))
    if form == "columns":
        if planes.down:
            return planes.down
        return tuple(map(str, range(planes.values.shape[2])))
    return tuple(map(str, planes.indices[::fold]))


def _value_column_names(planes: Planes, form: str) -> tuple[str, ...]:
    """Return the names of a heat map's columns: steps or positions, or the indices of channels."""
    if form == "columns":
        return tuple(map(str, planes.indices))
    return tuple(map(str, range(planes.values.shape[3])))


def prepare_all(
    activations: Sequence[Activation],
    view: View,
    viewport: Viewport | None,
    step: Callable[[], None] = lambda: None,
) -> list[Prepared | Undrawable]:
    """Prepare several layers before any of them is drawn, so that errors come first.

    A layer in several passes may be one of them, as `pass_rows` puts them together.
    A layout applies to the layers that have as many dimensions. An option that would change no
    layer is refused. A layer for which memory runs out has no picture. `step` is called twice for
    each layer that can be drawn and once for others.

    Raises:
        FeatmagicError: As for `prepare`, or an option has an effect on none of the layers.
    """
    layers: list[Prepared | Undrawable] = []
    grids = pass_rows(activations, view)
    for activation, *others in grids:
        own_view = fitting(activation, view, len(grids))
        layers.append(
            unless_out_of_memory(
                partial(_prepare, activation, own_view, viewport, step, tuple(others)),
                partial(Undrawable, activation),
            )
        )
        step()
    if drawable := [layer for layer in layers if isinstance(layer, Prepared)]:
        _check_used(drawable, view)
        made: Iterator[Prepared | Undrawable] = iter(
            unless_out_of_memory(
                partial(_with_components, drawable),
                lambda reason: [Undrawable(layer.activation, reason) for layer in drawable],
            )
        )
        layers = [next(made) if isinstance(layer, Prepared) else layer for layer in layers]
    return layers


def _check_used(layers: list[Prepared], view: View) -> None:
    used = {group for layer in layers for group in layer.planes.used}
    used |= {"overlay"} if any(layer.planes.spatial for layer in layers) else set()
    used |= {"layout"} if any(layer.view.layout for layer in layers) else set()
    check_used(used, view)
