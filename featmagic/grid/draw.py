"""The whole way from an activation to its caption and mosaic."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from featmagic.grid.arrange import arrange
from featmagic.grid.caption import caption, describe_drawing, describe_planes, describe_values
from featmagic.grid.compose import compose
from featmagic.grid.prepare import Prepared, Undrawable, prepare_all
from featmagic.options.view import View
from featmagic.recording.records import Activation
from featmagic.render.color import choose_range
from featmagic.render.mosaic import Mosaic
from featmagic.render.viewport import PAGE, GridLayout, Viewport
from featmagic.support.progress import Progress


@dataclass(frozen=True)
class Drawing:
    """A caption and, where there is a picture, its mosaic."""

    caption: str
    mosaic: Mosaic | None


def draw(activation: Activation, view: View, viewport: Viewport | None = PAGE) -> Drawing:
    """Draw an activation.

    Args:
        activation: on any device: what leaves it is the figures and one byte a pixel.
        view: how to draw.
        viewport: how much room there is; None where no picture is wanted.

    Raises:
        FeatmagicError: what can't be drawn as the view says.

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
    """Draw several layers: first all are prepared, then drawn, so that an error comes before.

    Yields:
        Each drawing as soon as it is made, so that an interrupt leaves those before it.

    Raises:
        FeatmagicError: what can't be drawn as the view says.

    Example:
        >>> list(draw_all([], View()))
        []
    """
    with Progress(3 * len(activations), "Drawing") as progress:
        done = prepare_all(activations, view, viewport, progress.step)
        together = [one for one in done if isinstance(one, Prepared)]
        ready = [(one, arrange(one)) for one in done]
        for one, grid_layout in ready:
            drawing = _drawn(one, grid_layout, together)
            progress.step()
            progress.clear()
            yield drawing


def draw_prepared(ready: Prepared | Undrawable) -> Drawing:
    """Draw a layer that is prepared, by itself.

    Example:
        >>> import torch
        >>> fc = Activation("fc", "fc", "Linear", 1, torch.ones(0))
        >>> draw_prepared(Undrawable(fc, "empty")).caption
        'fc  Linear  (0,) float32 cpu · empty'
    """
    return _drawn(ready, arrange(ready), [ready] if isinstance(ready, Prepared) else [])


def _drawn(
    ready: Prepared | Undrawable, grid_layout: GridLayout | None, together: Sequence[Prepared]
) -> Drawing:
    if isinstance(ready, Undrawable):
        return Drawing(caption(ready.activation, ready.reason), None)
    stack = ready.stack
    sharing = together if ready.scale == "all" else [ready]
    colors = choose_range(
        ready.measured,
        ready.view,
        scale=ready.scale,
        signed=any(one.stack.signed for one in sharing),
        shown=[one.measured for one in sharing],
    )
    text = caption(
        ready.activation,
        describe_planes(stack, ready.dims),
        describe_values(ready.measured, stack),
        describe_drawing(ready, colors, grid_layout),
    )
    if grid_layout is None:
        return Drawing(text, None)
    return Drawing(text, compose(ready, colors, grid_layout))
