"""The whole way from an activation to its caption and mosaic."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from dataclasses import dataclass, replace

from torch import Tensor

from featmagic.around import bars, ends, labels, longest_tick, shared_scale, strip, ticks
from featmagic.caption import caption, drawn, figures, shown
from featmagic.colour import choose, clipped, levels, paint
from featmagic.coloured import coloured
from featmagic.mosaic import Mosaic, tile
from featmagic.norms import Colours
from featmagic.options.view import View
from featmagic.overlay import overlaid
from featmagic.palette import GAP, palette
from featmagic.planes.dtypes import Pixels
from featmagic.planes.heat_map import joined, shrunk, size_of
from featmagic.planes.input_image import fitted, resized
from featmagic.planes.reduction import RGB
from featmagic.preparing import Prepared, Wordy, prepared_all
from featmagic.recording.records import Activation
from featmagic.room import PAGE, Arrangement, Room, arrange
from featmagic.shapes import letters_of
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
        arranged = [(one, _arranged(one)) for one in done]
        for one, arrangement in arranged:
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
    return _drawn(ready, _arranged(ready), [ready] if isinstance(ready, Prepared) else [])


def _arranged(ready: Prepared | Wordy) -> Arrangement | None:
    """How the tiles are laid out; an input image beside them takes its room first."""
    if isinstance(ready, Wordy) or ready.room is None:
        return None
    room, (rows, count, height, width) = ready.room, ready.stack.values.shape
    if ready.images and ready.view.input:
        room = room.with_input()
    room = replace(room, width=room.width - longest_tick(ready) * room.letter)
    if ready.overlays:
        room = replace(room, smallest=room.on_image)
    if ready.rgb is not None:
        columns = 1 if rows > 1 else None
        return arrange(rows, (height, width), ready.view, _roomier(room, rows), columns)
    columns = count if rows > 1 and ready.form == "tiles" else None
    number, *size = size_of(count, (height, width), ready.form)
    number *= rows
    flat = ready.form in ("rows", "columns") and size[1] > size[0]
    roomier = _roomier(room, number, flat=flat)
    return arrange(number, (size[0], size[1]), ready.view, roomier, columns)


def _roomier(room: Room, tiles: int, *, flat: bool = False) -> Room:
    """More room for a tile that is alone, and all there is for a wide heat map."""
    return room if tiles > 1 else replace(room, largest=room.width // (1 if flat else 2))


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
        _how_drawn(ready, colours, arrangement),
    )
    if arrangement is None:
        return Drawing(text, None)
    return Drawing(text, _mosaic(ready, colours, arrangement))


def _how_drawn(ready: Prepared, colours: Colours, arrangement: Arrangement | None) -> str:
    """Colours, ranges, what lies outside of them, and what was done to the input."""
    if ready.rgb is not None:
        words = [_components(ready.rgb)]
    else:
        values = ready.stack.values.flatten(0, 1)
        tiles = len(values) if ready.form == "tiles" else len(ready.stack.values)
        words = [drawn(colours, ready.stack, tiles, arrangement, ready.view)]
        if outside := clipped(values, colours, ready.measured):
            words.append(f"{outside} clipped")
    if ready.overlays:
        words.append(f"on the input, alpha {ready.view.alpha:g}")
    return ", ".join([*words, *([ready.images.words] if ready.images else [])])


def _components(rgb: RGB) -> str:
    if not rgb.count:
        return "no principal component: all positions alike, or none finite"
    colours = ", ".join(("red", "green", "blue")[: rgb.count])
    words = f"{rgb.count} principal component{'s' * (rgb.count > 1)} as {colours}"
    if not rgb.kept:
        return words
    clipped = f", {rgb.clipped} clipped" if rgb.clipped else ""
    return f"{words}, basis of an earlier look{clipped}"


def _mosaic(ready: Prepared, colours: Colours, arrangement: Arrangement) -> Mosaic:
    """The tiles and what stands around them."""
    if ready.rgb is not None:
        strange = bool(ready.measured.nan or ready.measured.inf)
        made = coloured(ready.rgb, palette(colours.cmap), arrangement, strange=strange)
    else:
        tiles = _painted(ready, colours, arrangement)
        made = tile(tiles, labels(ready), palette(colours.cmap), arrangement)
        scale = shared_scale(colours)
        made = replace(
            made,
            bars=bars(ready, colours),
            ends=ends(scale),
            scale=scale,
            strip=strip(ready, colours),
        )
        if ready.measured.nan or ready.measured.inf:
            letters = letters_of(made.indices)[: len(made.labels)]
            made = replace(made, strange=letters if any(letters) else ())
    made = replace(made, ticks=ticks(ready, arrangement))
    if ready.overlays and ready.images:
        height, width = (side * made.zoom for side in made.tile_size)
        pictures = resized(ready.images, height, width)
        by_row = len(ready.stack.values) > 1
        made = overlaid(
            made, pictures, None if ready.rgb else colours, ready.view.alpha, by_row=by_row
        )
    return replace(made, inputs=_inputs(ready, made))


def _painted(ready: Prepared, colours: Colours, arrangement: Arrangement) -> Tensor:
    """Palette indices of the tiles, `(P, h, w)`."""
    values = ready.stack.values.flatten(0, 1)
    found, padding = joined(levels(values, colours), ready.form, len(ready.stack.values))
    found, padding = shrunk(found, arrangement.shrink, padding)
    hatch = ready.form == "tiles" and found.shape[1:].numel() > 1
    indices = paint(found, colours, ready.measured, hatch=hatch)
    if padding:
        indices.flatten(1)[:, -padding:] = GAP
    return indices if arrangement.tall == 1 else indices.repeat_interleave(arrangement.tall, 1)


def _inputs(ready: Prepared, made: Mosaic) -> tuple[Pixels, ...]:
    """The input image as it stands beside the tiles: one, or one for each row of them."""
    if not (ready.images and ready.view.input and ready.room):
        return ()
    rows, height = len(made.indices), made.tile_size[0] * made.zoom
    highest = ready.room.of_input(height)
    if len(ready.stack.values) == 1:
        side = min(ready.room.beside, ready.room.width, max(96, rows * height))
        return tuple(fitted(ready.images, side, highest)[:1])
    there = ready.images.pixels.shape[2:]
    # As tall as the tiles, but no wider than there is room beside them.
    scale = min(height / there[0], ready.room.beside / there[1], (highest or height) / there[0])
    return tuple(resized(ready.images, *(max(1, round(side * scale)) for side in there)))
