"""The whole way from an activation to its caption and mosaic."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass

from featmagic.grid.arrange import arranged
from featmagic.grid.caption import caption, figures, how_drawn, shown
from featmagic.grid.compose import compose
from featmagic.grid.prepare import Prepared, Wordy, prepared_all
from featmagic.options.view import View
from featmagic.recording.records import Activation
from featmagic.render.color import choose
from featmagic.render.mosaic import Mosaic
from featmagic.render.viewport import PAGE, Arrangement, Room
from featmagic.support.progress import Progress


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
        FeatmagicError: what can't be drawn as the view says.

    Example:
        >>> import torch
        >>> draw(Activation("fc", "fc", "Linear", 1, torch.zeros(())), View()).caption
        'fc  Linear  () float32 cpu · the single value 0'
    """
    return next(draw_all([(activation, facts)], view, room))


def draw_all(
    wanted: Sequence[tuple[Activation, tuple[str, ...]]], view: View, room: Room | None = PAGE
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
    with Progress(3 * len(wanted), "Drawing") as progress:
        done = prepared_all(wanted, view, room, progress.step)
        together = [one for one in done if isinstance(one, Prepared)]
        ready = [(one, arranged(one)) for one in done]
        for one, arrangement in ready:
            drawing = _drawn(one, arrangement, together)
            progress.step()
            progress.clear()
            yield drawing


def drawing_of(ready: Prepared | Wordy) -> Drawing:
    """Draw a layer that is prepared, by itself.

    Example:
        >>> drawing_of(Wordy(Activation("fc", "fc", "Linear", 1, Tensor()), (), "empty")).caption
        'fc  Linear  (0,) float32 cpu · empty'
    """
    return _drawn(ready, arranged(ready), [ready] if isinstance(ready, Prepared) else [])


def _drawn(
    ready: Prepared | Wordy, arrangement: Arrangement | None, together: Sequence[Prepared]
) -> Drawing:
    if isinstance(ready, Wordy):
        return Drawing(caption(ready.activation, *ready.facts, ready.reason), None)
    stack = ready.stack
    sharing = together if ready.scale == "all" else [ready]
    colours = choose(
        ready.measured,
        ready.view,
        scale=ready.scale,
        signed=any(one.stack.signed for one in sharing),
        shown=[one.measured for one in sharing],
    )
    text = caption(
        ready.activation,
        *ready.facts,
        shown(stack, ready.letters),
        figures(ready.measured, stack),
        how_drawn(ready, colours, arrangement),
    )
    if arrangement is None:
        return Drawing(text, None)
    return Drawing(text, compose(ready, colours, arrangement))
