"""The picture that a page shows where no script runs."""

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
    """Draw the grid of the layer that the explorer starts with, in at most so many bytes.

    Args:
        activations: The layers, at least one.
        view: The view of an explorer.
        most: The most bytes that the picture may have; a smaller one is drawn to keep that.
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
    """Yield the view, then the same with ever less to show."""
    yield view
    view = replace(view, zoom=1)
    yield view
    for most in (16, 4, 1):
        yield replace(view, max=most, topk=view.topk and min(view.topk, most))
