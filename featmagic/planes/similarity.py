"""The similarity of a layer's channels: correlations, near-duplicates, and an order by them."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featmagic.planes.pairwise import most_compared

# How many channels can be ordered: the correlations of each pair take four bytes, a copy of them
# another four, and what is computed on the way as much again.
MOST_ORDERED = most_compared(16)
_BLOCK = 64  # planes to compare with those before them at once
_LARGE = 1024  # values of a plane, from which comparing a part of them first is faster
_PART = 8  # one of how many values that part takes
_SHORTEST = 1e-12  # of rows whose lengths need no scaling first
_AT_ONCE = 2**16  # values to copy at once
_ROUNDING = 1e-5  # of sums of products, in float32
_PASSES = 4  # of improvements of an order: the first brings most
_GAIN = 1e-4  # in correlation, the least that is worth a change of an order


def correlations(planes: Tensor) -> Tensor:
    """Return Pearson's r of every two planes `(P, H, W)`: `(P, P)` float32 on their device.

    It is 0 for a plane that is constant or holds NaN or infinities, on the diagonal too.
    """
    rows, known = _unit_rows(planes)
    r = (rows @ rows.T).clamp_(-1, 1)
    r.diagonal().copy_(known)
    return r


def _unit_rows(planes: Tensor) -> tuple[Tensor, Tensor]:
    """Return each plane as a row with mean 0 and length 1, float32, and which planes have one.

    Products of the rows are correlations; the rows of other planes are 0.
    """
    rows = planes.detach().flatten(1)
    # Halves can't overflow. From a value, not from zero: what a plane's values share is then gone
    # exactly, however large.
    rows = (rows * 0.5).sub_(rows[:, :1] * 0.5)
    most = torch.maximum(rows.amax(1), -rows.amin(1))
    known = (most > 0) & torch.isfinite(most)
    rows = rows.div_(most[:, None])
    rows = rows.sub_(rows.mean(1, keepdim=True)).float()
    rows = rows.div_(torch.linalg.vector_norm(rows, dim=1, keepdim=True))
    if rows.device.type != "cpu" or not known.all():
        rows = rows.masked_fill_(~known[:, None], 0)
    return rows, known


def near_duplicates(planes: Tensor, least: float = 0.99) -> Tensor:
    """Count the planes `(P, H, W)` with |r| above `least` to an earlier one, on their device."""
    if planes.device.type == "cpu" and planes[0].numel() >= _LARGE:
        return _count_by_part(planes, least)
    rows, _ = _unit_rows(planes)
    counts = []
    for first in range(0, len(rows), _BLOCK):
        block = rows[first : first + _BLOCK]
        r = block @ rows[: first + len(block)].T
        r[:, first:].tril_(-1)
        counts.append((torch.maximum(r.amax(1), -r.amin(1)) > least).sum())
    return torch.stack(counts).sum()


def _count_by_part(planes: Tensor, least: float) -> Tensor:
    """Count `near_duplicates` among planes that are near in a part of their values.

    |r| > least means that the unit rows, or one and the other's negative, are nearer than
    2 (1 - least), squared; so they are in any part of their values. Only some planes at a time
    are copied whole.
    """
    at_once = max(1, _AT_ONCE // planes[0].numel())
    parts = map(_unit_parts, torch.split(planes, at_once))
    part, known = (torch.cat(each) for each in zip(*parts, strict=True))
    lengths = part.square().sum(1)
    near = (lengths[:, None] + lengths) / 2 - (1 - least) - _ROUNDING
    nearer = ((part @ part.T).abs_() - near).tril_(-1)
    nearer[~known] = nearer[:, ~known] = 0
    # One earlier plane is enough; the nearest in the part will do for nearly all, if any does.
    nearest = torch.stack([torch.arange(len(nearer)), nearer.argmax(1)], 1)[nearer.amax(1) > 0]
    found = nearest[_are_alike(planes, nearest, least), 0]
    others = (nearer > 0).nonzero()
    others = others[~torch.isin(others[:, 0], found)]
    more = torch.unique(others[_are_alike(planes, others, least), 0])
    return torch.tensor(len(found) + len(more))


def _unit_parts(planes: Tensor) -> tuple[Tensor, Tensor]:
    """Return a part of the values of each unit row, and which planes have one; on the CPU."""
    rows = planes.detach().flatten(1)
    rows = rows - rows[:, :1]
    rows = rows.sub_(rows.mean(1, keepdim=True))
    lengths = torch.linalg.vector_norm(rows, dim=1, keepdim=True)
    # In float32's reach, squared too; so no value was NaN or infinite, and no plane constant.
    if ((lengths > _SHORTEST) & (lengths < 1 / _SHORTEST)).all():
        known = torch.ones(len(rows), dtype=torch.bool)
        return (rows[:, ::_PART] / lengths).float(), known
    rows, known = _unit_rows(planes)
    return rows[:, ::_PART].clone(), known


def _are_alike(planes: Tensor, pairs: Tensor, least: float) -> Tensor:
    """Return for each pair of planes, by their places `(N, 2)`, whether |r| is above `least`."""
    at_once = max(1, min(_BLOCK, _AT_ONCE // planes[0].numel()))
    blocks = torch.split(pairs, at_once)
    units = ([_unit_rows(planes[places])[0] for places in block.T] for block in blocks)
    return torch.cat([(one * other).sum(1).abs_() > least for one, other in units])


def similarity_order(r: Tensor) -> list[int]:
    """Order channels by their correlations, so that similar ones stand side by side.

    A chain of nearest neighbors, in which stretches are reversed as long as that helps. Channels
    that correlate with none, not even with themselves, come last.
    """
    values = r.detach().float().cpu().numpy()
    correlates = values.diagonal() > 0
    known, unknown = np.flatnonzero(correlates), np.flatnonzero(~correlates)
    # One more, similar to none, stands before the first and after the last, so that the ends need
    # no special case.
    similarity = np.zeros((len(known) + 1, len(known) + 1), np.float32)
    for row, channel in zip(similarity[1:], known, strict=True):  # without further copies of all
        row[1:] = np.nan_to_num(values[channel, known])
    chain = _chain(similarity)
    for _ in range(_PASSES):
        if not _improve(chain, similarity):
            break
    order = known[chain[1:] - 1].tolist()
    # Both directions are as good; the choice must not depend on where the chain began.
    return [*min(order, order[::-1]), *unknown.tolist()]


def _chain(similarity: NDArray[np.float32]) -> NDArray[np.intp]:
    """Go from each to the most similar of those left; first 0, then the least similar to all."""
    chain = np.zeros(len(similarity), np.intp)
    left = np.zeros(len(similarity), np.float32)
    here = int(similarity[1:].sum(1).argmin()) + 1 if len(similarity) > 1 else 0
    left[0] = -np.inf
    for place in range(1, len(chain)):
        chain[place] = here
        left[here] = -np.inf
        here = int((similarity[here] + left).argmax())
    return chain


def _improve(chain: NDArray[np.intp], similarity: NDArray[np.float32]) -> bool:
    """Reverse the stretch that gains most after each place; return True if any was reversed."""
    changed = False
    bonds = similarity[chain, np.roll(chain, -1)]
    for place in range(len(chain) - 2):
        here, rest = chain[place], chain[place + 1 :]
        gains = similarity[here, rest] - bonds[place] - bonds[place + 1 :]
        gains += similarity[rest[0], np.append(rest[1:], 0)]
        end = int(gains.argmax())
        if gains[end] > _GAIN:
            rest[: end + 1] = rest[end::-1].copy()
            bonds[place:] = similarity[chain[place:], np.append(rest, 0)]
            changed = True
    return changed
