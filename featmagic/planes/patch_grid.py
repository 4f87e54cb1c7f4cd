"""The patch grid that tokens lie on, and the prefix tokens before it."""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt

from featmagic.options.view import View
from featmagic.recording.inputs import Grid, PassInputs
from featmagic.support.errors import FeatmagicError

# No model known has more tokens before those of the patches: CLS, registers, prompts.
_MOST = 64


@dataclass(frozen=True)
class PatchGrid:
    """Where tokens lie.

    Attributes:
        grid: (height, width); None if they lie on no grid.
        prefix: the names of the tokens before those of the grid.
        words: what was assumed or couldn't be told, for the caption.
    """

    grid: Grid | None = None
    prefix: tuple[str, ...] = ()
    words: tuple[str, ...] = ()


def patch_grid_of(count: int, batch: int, inputs: PassInputs, view: View, key: str) -> PatchGrid:
    """Return the grid of `count` tokens a sample: the view's, or else one that fits the inputs.

    Of a larger batch than there are images, the samples are windows of the images.

    Raises:
        FeatmagicError: the view's grid or number of prefix tokens doesn't fit.
    """
    if view.grid is not None or view.prefix_tokens is not None:
        return _requested(count, inputs, view, key)
    if inputs.image is None:
        return PatchGrid()
    grid = _fitting(count, inputs.grids)
    if grid is not None and batch <= len(inputs.image):
        return _on(grid, count)
    if grid is None and (batch > len(inputs.image) or not inputs.grids):
        grid = _square(count)
    if grid is not None:
        return _on(grid, count, (f"{_spelled(grid)} grid assumed",))
    side = isqrt(count)
    if side < 2:
        return PatchGrid()
    rest = count - side * side
    words = f"{count} tokens fit no grid of the input: --grid {side}x{side} would leave {rest}"
    return PatchGrid(words=(words,))


def _on(grid: Grid, count: int, words: tuple[str, ...] = ()) -> PatchGrid:
    before = count - grid[0] * grid[1]
    names = ("CLS", *(f"R{n}" for n in range(1, before)))
    return PatchGrid(grid, names[:before], words)


def _fitting(count: int, grids: tuple[Grid, ...]) -> Grid | None:
    """Return the grid with exactly as many patches, or else the likeliest with prefix tokens."""
    for grid in grids:
        if grid[0] * grid[1] == count:
            return grid
    patches = grids[0][0] * grids[0][1] if grids else 0
    return grids[0] if 0 < count - patches <= min(_MOST, patches - 1) else None


def _square(count: int) -> Grid | None:
    """Return a square of at least 2 x 2, after no token, CLS, or CLS and four registers."""
    sides = (isqrt(count - before) for before in (0, 1, 5) if count - before >= 4)
    return next(((s, s) for s in sides if count - s * s in (0, 1, 5)), None)


def _requested(count: int, inputs: PassInputs, view: View, key: str) -> PatchGrid:
    """Return the view's grid, or the one that its number of prefix tokens leaves."""
    before, grid = view.prefix_tokens, view.grid
    if grid is None:
        patches = max(count - (before or 0), 0)
        candidates = (*inputs.grids, (isqrt(patches), isqrt(patches)))
        grid = next((g for g in candidates if g[0] * g[1] == patches > 0), None)
    rest = -1 if grid is None else count - grid[0] * grid[1]
    if grid is not None and 0 <= rest <= _MOST and before in (None, rest):
        return _on(grid, count)
    wanted = f"{_spelled(view.grid)} grid" if view.grid else "grid"
    wanted += "" if before is None else f" after {_prefix(before)}"
    raise FeatmagicError(
        f"{key}: {count} tokens don't form a {wanted}: {_what_fits(count, inputs)}."
    )


def _what_fits(count: int, inputs: PassInputs) -> str:
    near = _fitting(count, inputs.grids) or (isqrt(count), isqrt(count))
    rest = count - near[0] * near[1]
    return f"{count} = {_spelled(near)}" + (f" + {_prefix(rest)}" if rest else "")


def _prefix(count: int) -> str:
    return f"{count} prefix token{'s' * (count != 1)}"


def _spelled(grid: Grid) -> str:
    return f"{grid[0]} x {grid[1]}"
