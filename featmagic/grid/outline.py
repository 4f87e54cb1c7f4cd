"""The outline of a drawing: its size, computed from the shape of the tensor alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import ceil

import torch

from featmagic.grid.arrange import MOST_PIXELS, lay_out_tiles, viewport_of
from featmagic.grid.prepare import first_in_a_row, tiling_of, tiling_of_images
from featmagic.options.view import View
from featmagic.planes.dtypes import undrawable
from featmagic.planes.layout import fitting, layout_of
from featmagic.planes.planes import Planes, planes_of
from featmagic.planes.ranking import most_ranked
from featmagic.planes.reduction import reduce
from featmagic.recording.records import Activation
from featmagic.render.figure import MOST_FIGURE_TILES, check_figure_size
from featmagic.render.viewport import Viewport

_USUAL_ZOOM = 32  # CSS pixels to a value, of tiles that don't fill a page otherwise


def check_sizes(
    activations: Sequence[Activation],
    view: View,
    viewport: Viewport | None,
    *,
    figures: bool = False,
) -> None:
    """Refuse pictures that would be too large, before any value is read or copied.

    Args:
        activations: What is drawn.
        view: How it is drawn.
        viewport: The space to draw in; None where no picture is wanted.
        figures: Whether the pictures are for figures, which may have fewer pixels and tiles.

    Raises:
        FeatmagicError: A picture would be larger than 100 million pixels, or too large for a
            figure; or as for `planes_of`.
    """
    if viewport is None:
        return
    zoom, fits = view.zoom or _USUAL_ZOOM, MOST_FIGURE_TILES if figures else MOST_PIXELS
    for activation in activations:
        tensor = activation.tensor
        if undrawable(tensor) or tensor.numel() * (zoom * viewport.density) ** 2 <= fits:
            continue  # the usual case, far below the limits
        own_view = fitting(activation, view, len(activations))
        planes = _outline(activation, own_view, viewport)
        tiling = tiling_of_images(planes) if view.reduce == "pca" else tiling_of(planes, viewport)
        room = viewport_of(tiling, viewport)
        grid_layout = lay_out_tiles(tiling.count, tiling.size, own_view, room, tiling.ncols)
        if figures:
            height, width = (ceil(side / grid_layout.shrink) for side in tiling.size)
            values = tiling.count * height * grid_layout.tall * width
            pixels = values * grid_layout.zoom**2 // grid_layout.density**2
            check_figure_size(pixels, tiling.count)


def _outline(activation: Activation, view: View, viewport: Viewport) -> Planes:
    """Return the planes that would be shown, on the meta device, which computes only shapes.

    The order of the planes is ignored, since it makes no difference to their number.
    """
    tensor = activation.tensor
    dtype = torch.float32 if tensor.is_quantized else tensor.dtype
    blank = torch.empty(tensor.shape, dtype=dtype, device="meta")
    planes = planes_of(blank, layout_of(activation, view), view, activation.key)
    if view.sorts:
        most = most_ranked(planes, view)
        planes = replace(planes, values=planes.values[:, :most], indices=planes.indices[:most])
    planes, _ = first_in_a_row(planes, None, view, viewport)
    return planes if view.reduce in (None, "pca") else reduce(planes, view.reduce)
