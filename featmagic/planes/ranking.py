"""Which channels come first."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from featmagic.options.view import View
from featmagic.planes.planes import Planes
from featmagic.planes.similarity import correlations, similarity_order
from featmagic.recording.layer_cache import LayerCache
from featmagic.support.errors import FeatmagicError


def rank(
    stack: Planes, view: View, key: str = "", memory: LayerCache | None = None
) -> tuple[Planes, Tensor | None]:
    """The planes in the view's order, no more than it shows, and where each stood before.

    The order of the numbers stays on the device: it comes over with what is measured.

    Args:
        stack: all planes to choose from.
        view: its `sort`, `topk` and `max`.
        key: the activation's, under which an order by likeness is kept.
        memory: the layer's; it keeps that order for the next look.

    Example:
        >>> stack = Planes(torch.tensor([1.0, 3.0]).view(1, 2, 1, 1), (0, 1), 2, "channels")
        >>> rank(stack, View(sort="mean"))[1]
        tensor([1, 0])
    """
    if not view.sorts:
        return stack, None
    if stack.rows and not stack.samples[1:]:
        raise FeatmagicError("A montage has its slices in order: --sort and --topk have no place.")
    by = "absmean" if view.sort == "index" else view.sort
    said = f"by {by}"
    if by == "similar":
        places, kept = _similar(stack, key, memory or LayerCache())
        order = torch.tensor(places, device=stack.values.device)
        said = "those alike side by side" + ", in the order of an earlier look" * kept
    else:
        keys = _KEYS[by](stack.values.transpose(0, 1).flatten(1))
        order = keys.nan_to_num(-torch.inf).argsort(descending=True, stable=True)
    limited = view.topk or stack.form == "tiles" or view.max != View.max
    most = view.most if limited else None
    order = order[:most]
    prefix = None if stack.prefix is None else stack.prefix.index_select(1, order)
    values = stack.values.index_select(1, order)
    return replace(stack, values=values, prefix=prefix, words=(*stack.words, said)), order


_KEYS = {
    "mean": lambda rows: rows.mean(1),
    "absmean": lambda rows: torch.linalg.vector_norm(rows, 1, dim=1) / rows.shape[1],
    "max": lambda rows: rows.amax(1),
    "std": lambda rows: rows.std(1, correction=0),
    "sparsity": lambda rows: -torch.linalg.vector_norm(rows, 0, dim=1),
}


def _similar(stack: Planes, key: str, memory: LayerCache) -> tuple[list[int], bool]:
    """Places in the order by likeness that the layer's first look made, and whether that was it."""
    those = tuple(sorted(stack.indices))
    kept = memory.orders.get((key, those)) or memory.orders.get((key, tuple(range(stack.total))))
    is_kept = kept is not None
    if kept is None:
        # Over all samples shown: what is alike in one may not be in another.
        planes = stack.values.transpose(0, 1).flatten(2)
        kept = tuple(stack.indices[place] for place in similarity_order(correlations(planes)))
        memory.orders[key, those] = kept
    rank = {channel: place for place, channel in enumerate(kept)}
    places = sorted(range(len(stack.indices)), key=lambda place: rank[stack.indices[place]])
    return places, is_kept
