"""Receptive fields, and how windows and unions change them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

Pair = tuple[int, int]


@dataclass(frozen=True)
class ReceptiveField:
    """The part of the image that each place of a feature map depends on.

    Place y depends on `size` rows, of which the first is `start + y * step`; some may lie outside
    of the image. The step is 0 where every place depends on the same rows, as after a global
    pooling. A size of 0 belongs to what doesn't depend on the image, such as weights.

    Attributes:
        size: the number of rows and columns.
        step: the rows and columns of the image from one place to the next.
        start: the first row and column of the first place.

    Example:
        >>> ReceptiveField().windowed((3, 3), step=(2, 2), before=(1, 1))
        ReceptiveField(size=(3, 3), step=(2, 2), start=(-1, -1))
    """

    size: Pair = (1, 1)
    step: Pair = (1, 1)
    start: Pair = (0, 0)

    def as_list(self) -> list[int]:
        """Return size, step and start, each of rows and columns, in one list."""
        return [*self.size, *self.step, *self.start]

    @property
    def is_same_everywhere(self) -> bool:
        """True if all places depend on the same: so does whatever is computed from them alone."""
        return self.step == (0, 0)

    def windowed(
        self, kernel: Pair, step: Pair = (1, 1), before: Pair = (0, 0), dilation: Pair = (1, 1)
    ) -> ReceptiveField:
        """Return the field after a window that slides over places with this field.

        All numbers are in places; `before` is the padding above and on the left, negative if
        places are cut off there.
        """
        (ky, kx), (dy, dx), (sy, sx) = kernel, dilation, self.step
        return ReceptiveField(
            (self.size[0] + (ky - 1) * dy * sy, self.size[1] + (kx - 1) * dx * sx),
            (sy * step[0], sx * step[1]),
            (self.start[0] - before[0] * sy, self.start[1] - before[1] * sx),
        )

    def everywhere(self, places: Pair, axes: Sequence[int] = (0, 1)) -> ReceptiveField:
        """Return the field of all places together along the axes, 0 for rows and 1 for columns."""
        size, step = list(self.size), list(self.step)
        for axis in axes:
            size[axis] += (places[axis] - 1) * step[axis]
            step[axis] = 0
        return ReceptiveField((size[0], size[1]), (step[0], step[1]), self.start)


NO_FIELD = ReceptiveField((0, 0), (0, 0), (0, 0))

# A receptive field; None where it can't be told.
Field = ReceptiveField | None


def union(fields: Sequence[ReceptiveField], places: Pair) -> Field:
    """Return the field of a place that is computed from the same place of several maps.

    None if the maps have different steps, unless one has the same field everywhere and it contains
    all the others.
    """
    single = [axis for axis in (0, 1) if places[axis] == 1]  # a step to nowhere
    fields = [field.everywhere(places, single) for field in fields if field != NO_FIELD]
    if not fields:
        return NO_FIELD
    rows, columns = _along(fields, places, 0), _along(fields, places, 1)
    if rows is None or columns is None:
        return None
    return ReceptiveField((rows[0], columns[0]), (rows[1], columns[1]), (rows[2], columns[2]))


def _along(
    fields: Sequence[ReceptiveField], places: Pair, axis: int
) -> tuple[int, int, int] | None:
    """Return size, step and start of the union along one axis."""
    steps = {field.step[axis] for field in fields}
    if len(steps) == 1:
        size, start = _hull(fields, axis)
        return size, steps.pop(), start
    fixed = [field for field in fields if field.step[axis] == 0]
    everything = _hull([field.everywhere(places) for field in fields], axis)
    if not fixed or _hull(fixed, axis) != everything:
        return None
    return everything[0], 0, everything[1]


def _hull(fields: Sequence[ReceptiveField], axis: int) -> Pair:
    """Return size and start of the smallest range with the field of the first place of each."""
    start = min(field.start[axis] for field in fields)
    return max(field.start[axis] + field.size[axis] for field in fields) - start, start
