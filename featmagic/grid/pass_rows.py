"""Which activations are drawn as rows of one grid: those of one layer in several passes."""

from __future__ import annotations

from collections.abc import Sequence

from featmagic.options.view import View
from featmagic.planes.dtypes import undrawable
from featmagic.recording.records import Activation, names_apart


def pass_rows(activations: Sequence[Activation], view: View) -> list[tuple[Activation, ...]]:
    """Group the activations that are drawn as one grid with a row for each pass.

    These are consecutive activations of one layer with the same shape. If the rows of a grid are
    already samples or channels, each pass has a grid of its own.

    Example:
        >>> import torch
        >>> from featmagic.recording.pass_number import PassCounts
        >>> counts = PassCounts()
        >>> relu = [
        ...     Activation("relu", "relu", "ReLU", 1, torch.zeros(1, tokens, 4),
        ...                of_pass=counts.begin(is_whole=True))
        ...     for tokens in (7, 1, 1)
        ... ]
        >>> [len(rows) for rows in pass_rows(relu, View())]
        [1, 2]
    """
    grids: list[list[Activation]] = []
    for each in activations:
        if grids and _may_be_rows(grids[-1][-1], each, view):
            grids[-1].append(each)
        else:
            grids.append([each])
    return [tuple(rows) for rows in grids]


def drawn_names(activations: Sequence[Activation], view: View) -> list[str]:
    """Return a distinct name for each grid that is drawn."""
    return names_apart([rows[0] for rows in pass_rows(activations, view)])


def words_of_passes(rows: Sequence[Activation]) -> str:
    """Return which passes the rows of a grid are from, in words; "" if there was only one."""
    first = rows[0].of_pass
    if len(rows) == 1:
        return str(first)
    listed = ", ".join(str(each.of_pass.number) for each in rows[:8])
    return f"passes {listed}{', …' * (len(rows) > 8)} of {first.counts.total}"


def _may_be_rows(one: Activation, other: Activation, view: View) -> bool:
    """Return True if two activations are of one layer in two passes and can be rows of one grid."""
    first, second, tensors = one.of_pass, other.of_pass, (one.tensor, other.tensor)
    return (
        one.key == other.key
        and first.counts is second.counts
        and first.number < second.number
        and first.is_numbered
        and second.is_numbered
        and view.sample.lstrip("-").isdigit()
        and view.slice != "montage"
        and not any(undrawable(tensor) for tensor in tensors)
        and len({(t.shape, t.dtype, t.device, t.layout) for t in tensors}) == 1
    )
