"""The picture that stands in a page where no script runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from featmagic.explorer.document import grid_view
from featmagic.explorer.html.page import Still
from featmagic.grid.draw import draw
from featmagic.options.view import View
from featmagic.planes.dtypes import undrawable
from featmagic.recording.records import Activation
from featmagic.render.image import mosaic_png
from featmagic.render.viewport import PAGE


def still(activations: Sequence[Activation], view: View, most: int) -> Still:
    """The grid of the layer that an explorer begins with, smaller where that is too much.

    Args:
        activations: as they were captured; one at least.
        view: an explorer's.
        most: how many bytes there may be.

    Example:
        >>> import torch
        >>> act = Activation("act", "act", "ReLU", 1, torch.rand(1, 3, 8, 8))
        >>> made = still([act], View(explore=True, layout="NCHW"), 10**6)
        >>> made.picture[1:4], made.caption[:22]
        (b'PNG', 'act  ReLU  (1, 3, 8, 8')
    """
    first = next((one for one in activations if not undrawable(one.tensor)), activations[0])
    how = grid_view(first, view, len(activations))
    if undrawable(first.tensor):
        return Still(draw(first, how, PAGE).caption, b"")
    caption = ""
    for smaller in _smaller(how):
        drawing = draw(first, smaller, PAGE)
        picture = mosaic_png(drawing.mosaic) if drawing.mosaic else b""
        if len(picture) <= most:
            return Still(drawing.caption, picture)
        caption = drawing.caption
    return Still(caption, b"")


def _smaller(view: View) -> Iterator[View]:
    """The view, then with less and less to show."""
    yield view
    view = replace(view, zoom=1)
    yield view
    for most in (16, 4, 1):
        yield replace(view, max=most, topk=view.topk and min(view.topk, most))
