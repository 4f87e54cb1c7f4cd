"""What stands around the tiles: labels, bars, ticks, prefix tokens, the figures of the colours."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from featmagic.colour import levels, paint
from featmagic.mosaic import Scale, Strip
from featmagic.norms import Colours, middle_of
from featmagic.planes.heat_map import folded_width
from featmagic.preparing import Prepared
from featmagic.room import Arrangement, step_of_labels
from featmagic.shapes import letters_of


def labels(ready: Prepared) -> tuple[str, ...]:
    """What stands above each tile: the channel's own index.

    The sample, where all channels are in one picture; nothing, where there is only one of those.
    """
    stack = ready.stack
    if ready.form != "tiles":
        return stack.rows or ("",)
    one_row = stack.labels or tuple(map(str, stack.indices))
    return one_row * len(stack.values)


def bars(ready: Prepared, colours: Colours) -> tuple[float, ...]:
    """How strong each channel is against the strongest shown, where each has its own range."""
    strength = ready.measured.strength
    if not colours.own_range or ready.form != "tiles" or not strength.max() > 0:
        return ()
    with np.errstate(over="ignore"):
        return tuple((strength / strength.max()).tolist())


def shared_scale(colours: Colours) -> Scale | None:
    """The range that all tiles share, if they do: one value is no range, nor is none."""
    low, high, width = (float(one[0]) for one in (colours.low, colours.high, colours.width))
    if colours.own_range or low == high:
        return None
    return Scale(low, middle_of(colours), high, colours.norm, colours.center, width)


def ends(scale: Scale | None) -> tuple[str, ...]:
    """The values at the low end, the middle and the high end of a range that all share."""
    if scale is None:
        return ()
    return tuple(f"{value:.3g}" for value in (scale.low, scale.middle, scale.high))


def ticks(ready: Prepared, arrangement: Arrangement) -> tuple[tuple[int, int, str], ...]:
    """What stands left of the tiles: the samples' rows, or the rows of one large picture."""
    stack = ready.stack
    if ready.form == "tiles" or ready.rgb is not None:
        return tuple((row, 0, text) for row, text in enumerate(stack.rows))
    if ready.room is None or len(stack.values) > 1:
        return ()
    shrink, tall = arrangement.shrink, arrangement.tall
    step = shrink * step_of_labels(arrangement.zoom * tall, ready.room)
    rows = range(0, _rows(ready), step)
    return tuple((0, row // shrink * tall, _row_name(ready, row)) for row in rows)


def longest_tick(ready: Prepared) -> int:
    """How many letters the longest of the ticks may have, and one apart; 0 where there are none."""
    if ready.form == "tiles" or ready.rgb is not None:
        return max((len(text) + 1 for text in ready.stack.rows), default=0)
    if len(ready.stack.values) > 1:
        return 0
    return max(len(_row_name(ready, row)) for row in range(_rows(ready))) + 1


def _rows(ready: Prepared) -> int:
    """How many rows of values the picture has before it is shrunk."""
    count, height = ready.stack.values.shape[1:3]
    if ready.form == "columns":
        return height
    return count if ready.form == "rows" else -(-count // folded_width(count))


def _row_name(ready: Prepared, row: int) -> str:
    """The index of a row of values: the channel's, the sample's or the token's."""
    stack = ready.stack
    if ready.form == "rows":
        return str(stack.indices[row])
    if ready.form == "columns":
        return f"s{stack.samples[row]}" if len(stack.samples) > 1 else str(row)
    return str(stack.indices[row * folded_width(len(stack.indices))])


def strip(ready: Prepared, colours: Colours) -> Strip | None:
    """The prefix tokens, a line each, in the colours of the channels' own ranges."""
    stack = ready.stack
    if stack.prefix is None:
        return None
    rows, count, tokens = stack.prefix.shape
    found = levels(stack.prefix.reshape(rows * count, tokens, 1), colours)
    # Prefix tokens may hold NaN where the patches don't.
    strange = replace(ready.measured, nan=1)
    indices = paint(found, colours, strange, hatch=False).view(rows, count, tokens)
    lines = indices.transpose(1, 2).reshape(rows * tokens, count).cpu().numpy()
    names = [f"{row} {name}".strip() for row in stack.rows or ("",) for name in stack.names]
    marks = letters_of(lines[:, None, None])
    return Strip(tuple(f"{n} {m}".rstrip() for n, m in zip(names, marks, strict=True)), lines)
