"""The whole way from an activation to its caption and mosaic."""

from __future__ import annotations

from dataclasses import dataclass

from featmagic.activations import Activation
from featmagic.caption import caption, drawn, figures, shown
from featmagic.colour import choose, measure, paint
from featmagic.layout import PAGE, Room, lay_out
from featmagic.mosaic import Mosaic, tile
from featmagic.palette import palette
from featmagic.planes import planes, shrunk, undrawable
from featmagic.view import View


@dataclass(frozen=True)
class Drawing:
    """A caption and, where there is a picture, its mosaic."""

    caption: str
    mosaic: Mosaic | None


def draw(activation: Activation, view: View, room: Room | None = PAGE, *facts: str) -> Drawing:
    """Draw an activation.

    Args:
        activation: on any device: what leaves it is the figures and one byte a pixel.
        view: how to draw.
        room: how much room there is; None where no picture is wanted.
        facts: more words for the caption.

    Raises:
        FeatmagicError: a sample or a channel that isn't there.

    Example:
        >>> import torch
        >>> draw(Activation("fc", "fc", "Linear", 1, torch.zeros(())), View()).caption
        'fc  Linear  () float32 cpu · the single value 0'
    """
    if reason := undrawable(activation.tensor):
        return Drawing(caption(activation, *facts, reason), None)
    stack = planes(activation.tensor, view, activation.key)
    count, height, width = stack.values.shape
    layout = lay_out(count, (height, width), view, room) if room else None
    measured = measure(stack.values, stack.padding)
    colours = choose(measured, view)
    text = caption(
        activation,
        *facts,
        shown(stack),
        figures(measured, stack),
        drawn(colours, stack, layout, view),
    )
    if layout is None:
        return Drawing(text, None)
    small, padding = shrunk(stack.values, layout.shrink, stack.padding)
    indices = paint(small, colours, measured, padding)
    labels = tuple(map(str, stack.indices)) if stack.noun != "values" else ("",) * count
    return Drawing(text, tile(indices, labels, palette(colours.cmap), layout))
