"""All stages: from activations to captions and mosaics."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial

from featmagic.grid.arrange import arrange
from featmagic.grid.caption import caption, caption_of_undrawable
from featmagic.grid.compose import color_range_of, compose
from featmagic.grid.outline import check_sizes
from featmagic.grid.pass_rows import pass_rows
from featmagic.grid.prepare import Prepared, Undrawable, prepare_all
from featmagic.grid.strip import (
    StripDrawing,
    StripLayer,
    fits_strip,
    strip_drawing,
    strip_layer,
    strip_layouts,
)
from featmagic.options.view import View
from featmagic.recording.records import Activation
from featmagic.render.mosaic import Mosaic
from featmagic.render.viewport import PAGE, GridLayout, Viewport
from featmagic.support.memory import unless_out_of_memory
from featmagic.support.progress import Progress


@dataclass(frozen=True)
class Drawing:
    """A layer as it is shown.

    Attributes:
        caption: One line of words and figures.
        mosaic: The picture; None where there is none.
    """

    caption: str
    mosaic: Mosaic | None


def draw(activation: Activation, view: View, viewport: Viewport | None = PAGE) -> Drawing:
    """Draw one activation.

    Args:
        activation: On any device: only statistics and one byte for each pixel are copied from it.
        view: How to draw it.
        viewport: The space to draw in; None where no picture is wanted.

    Returns:
        The caption, and the mosaic if the activation can be drawn.

    Raises:
        FeatmagicError: The activation can't be drawn as the view says.

    Example:
        >>> import torch
        >>> draw(Activation("fc", "fc", "Linear", 1, torch.zeros(())), View()).caption
        'fc  Linear  () float32 cpu · the single value 0'
    """
    return next(draw_all([activation], view, viewport))


def draw_all(
    activations: Sequence[Activation],
    view: View,
    viewport: Viewport | None = PAGE,
) -> Generator[Drawing]:
    """Draw several activations: all are prepared before the first is drawn, so errors come first.

    Args:
        activations: As they were captured. One layer in several passes may become a single grid,
            with a row for each pass.
        view: How to draw them.
        viewport: The space to draw in; None where no picture is wanted.

    Yields:
        Each drawing as soon as it is made, so that an interrupt leaves those before it.

    Raises:
        FeatmagicError: An activation can't be drawn as the view says.
    """
    with closing(_draw(activations, view, viewport, strips=False)) as drawings:
        for drawing in drawings:
            assert isinstance(drawing, Drawing)
            yield drawing


def draw_together(
    activations: Sequence[Activation], view: View, viewport: Viewport | None = PAGE
) -> Generator[Drawing | StripDrawing]:
    """Do the same, but put layers with one picture each in a strip, which comes first.

    Raises:
        FeatmagicError: As for `draw_all`.
        KeyboardInterrupt: One came; what was drawn of a strip until then is yielded before.
    """
    return _draw(activations, view, viewport, strips=True)


def _draw(
    activations: Sequence[Activation], view: View, viewport: Viewport | None, *, strips: bool
) -> Generator[Drawing | StripDrawing]:
    check_sizes(activations, view, viewport)
    with Progress(3 * len(pass_rows(activations, view)), "Drawing") as progress:
        layers = prepare_all(activations, view, viewport, progress.step)
        drawable = [layer for layer in layers if isinstance(layer, Prepared)]
        together = [layer for layer in drawable if strips and fits_strip(layer)]
        if len(together) > 1:
            yield from _draw_strip(together, drawable, progress)
            layers = [layer for layer in layers if layer not in together]
        arranged = [(layer, arrange(layer)) for layer in layers]
        for layer, grid_layout in arranged:
            drawing = unless_out_of_memory(
                partial(_drawing, layer, grid_layout, drawable), partial(_without_picture, layer)
            )
            progress.step()
            progress.clear()
            yield drawing


def _draw_strip(
    layers: Sequence[Prepared], shown: Sequence[Prepared], progress: Progress
) -> Generator[Drawing | StripDrawing]:
    """Draw a strip of several layers, then say which of them have no picture, and why."""
    ncols, room, layouts = strip_layouts(layers)
    made: list[StripLayer] = []
    without: list[Drawing] = []
    try:
        for layer, grid_layout in zip(layers, layouts, strict=True):
            draw: Callable[[], StripLayer | Drawing] = partial(
                strip_layer, layer, grid_layout, shown
            )
            drawn = unless_out_of_memory(draw, partial(_without_picture, layer))
            if isinstance(drawn, StripLayer):
                made.append(drawn)
            else:
                without.append(drawn)
            progress.step()
    except KeyboardInterrupt:  # what was drawn until then is shown
        progress.clear()
        if made:
            yield strip_drawing(made, ncols, room, len(layers))
        raise
    progress.clear()
    if made:
        yield strip_drawing(made, ncols, room, len(layers))
    yield from without


def draw_prepared(layer: Prepared | Undrawable) -> Drawing:
    """Draw a single layer that is prepared already."""
    return _drawing(layer, arrange(layer))


def _drawing(
    layer: Prepared | Undrawable, grid_layout: GridLayout | None, shown: Sequence[Prepared] = ()
) -> Drawing:
    """Make the drawing of a layer; all layers shown may share its color range."""
    if isinstance(layer, Undrawable):
        return Drawing(caption_of_undrawable(layer), None)
    color_range = color_range_of(layer, shown)
    text = caption(layer, color_range, grid_layout)
    mosaic = compose(layer, color_range, grid_layout) if grid_layout else None
    return Drawing(text, mosaic)


def _without_picture(layer: Prepared | Undrawable, reason: str) -> Drawing:
    return Drawing(caption_of_undrawable(Undrawable(layer.activation, reason)), None)
