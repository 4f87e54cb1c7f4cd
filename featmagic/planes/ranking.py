"""The order of planes: which come first, by a statistic or by similarity."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from featmagic.options.view import View
from featmagic.planes.planes import Planes
from featmagic.planes.similarity import MOST_ORDERED, correlations, similarity_order
from featmagic.recording.layer_cache import LayerCache
from featmagic.support.errors import FeatmagicError
from featmagic.support.text import printable

_SORT_KEYS = {
    "mean": lambda rows: rows.mean(1),
    "absmean": lambda rows: torch.linalg.vector_norm(rows, 1, dim=1) / rows.shape[1],
    "max": lambda rows: rows.amax(1),
    "std": lambda rows: rows.std(1, correction=0),
    "sparsity": lambda rows: -torch.linalg.vector_norm(rows, 0, dim=1),
}


def rank(
    planes: Planes, view: View, key: str = "", cache: LayerCache | None = None
) -> tuple[Planes, Tensor | None]:
    """Order the planes by the view, and keep as many as it shows.

    Args:
        planes: all planes to choose from.
        view: its `sort`, `topk` and `max`.
        key: the activation's name, under which an order by similarity is kept.
        cache: of the layer; it keeps that order for the next look.

    Returns:
        The planes, and where each stood before. These numbers stay on the device, to be brought to
        the host with the statistics; None if the view doesn't sort.

    Raises:
        FeatmagicError: the planes are a montage, which has an order of its own, or there are too
            many to compare each with each.

    Example:
        >>> planes = Planes(torch.tensor([1.0, 3.0]).view(1, 2, 1, 1), (0, 1), 2, "channels")
        >>> rank(planes, View(sort="mean"))[1]
        tensor([1, 0])
    """
    if not view.sorts:
        return planes, None
    if planes.is_montage:
        raise FeatmagicError(
            "--sort and --topk don't apply here: a montage keeps its slices in order."
        )
    by = "absmean" if view.sort == "index" else view.sort
    words = f"by {by}"
    if by == "similar":
        places, is_kept = _similar(planes, key, cache or LayerCache())
        order = torch.tensor(places, device=planes.values.device)
        words = "similar ones side by side" + ", reusing an earlier order" * is_kept
    else:
        keys = _SORT_KEYS[by](planes.values.transpose(0, 1).flatten(1))
        order = keys.nan_to_num(-torch.inf).argsort(descending=True, stable=True)
    order = order[: most_ranked(planes, view)]
    prefix = None if planes.prefix is None else planes.prefix.index_select(1, order)
    values = planes.values.index_select(1, order)
    return replace(planes, values=values, prefix=prefix, words=(*planes.words, words)), order


def most_ranked(planes: Planes, view: View) -> int | None:
    """Return how many planes are kept of those that come first; None for all."""
    limited = view.topk or planes.form == "tiles" or view.max != View.max
    return view.most if limited else None


def _similar(planes: Planes, key: str, cache: LayerCache) -> tuple[list[int], bool]:
    """Return the places in an order by similarity, and whether that order was reused."""
    indices = tuple(sorted(planes.indices))
    order = cache.orders.get((key, indices)) or cache.orders.get((key, tuple(range(planes.total))))
    is_kept = order is not None
    if order is None:
        if len(planes.indices) > MOST_ORDERED:
            raise FeatmagicError(
                f"--sort similar compares {MOST_ORDERED:,} {planes.noun} at most, and "
                f"{printable(key)} has {len(planes.indices):,}: choose some, as in "
                f"--channels 0:{MOST_ORDERED}, or another --sort."
            )
        # Over all samples shown: channels alike in one may not be alike in another.
        r = correlations(planes.values.transpose(0, 1).flatten(2))
        order = tuple(planes.indices[place] for place in similarity_order(r))
        cache.orders[key, indices] = order
    positions = {channel: position for position, channel in enumerate(order)}
    places = sorted(range(len(planes.indices)), key=lambda n: positions[planes.indices[n]])
    return places, is_kept
