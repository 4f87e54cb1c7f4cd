"""How a layer's channels relate: correlations, near duplicates, and an order by likeness."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

_PASSES = 4  # of improvements: the first brings most


_GAIN = 1e-4  # in correlation, the least that is worth a change


def correlations(planes: Tensor) -> Tensor:
    """Pearson's r of every two planes `(P, H, W)`: `(P, P)` float32 on their device.

    Zeros for a plane that is constant or holds NaN or infinities, in its diagonal entry too.

    Example:
        >>> planes = torch.tensor([[0.0, 0.0, 1.0, 1.0], [5.0, 5.0, 3.0, 3.0], [2.0] * 4])
        >>> correlations(planes.reshape(3, 2, 2)).tolist()
        [[1.0, -1.0, 0.0], [-1.0, 1.0, 0.0], [0.0, 0.0, 0.0]]
    """
    rows, known = _unit_rows(planes)
    r = (rows @ rows.T).clamp_(-1, 1)
    r.diagonal().copy_(known)
    return r


def _unit_rows(planes: Tensor) -> tuple[Tensor, Tensor]:
    """Each plane as a row with mean 0 and length 1, float32, and which planes have such a row.

    Their products are correlations; the rows of the others are 0.
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


_BLOCK = 64  # planes to compare with those before them at once


def near_duplicates(planes: Tensor, least: float = 0.99) -> Tensor:
    """How many planes `(P, H, W)` are like an earlier one: |r| above `least`; on their device.

    Example:
        >>> near_duplicates(torch.eye(4).expand(3, 4, 4))
        tensor(2)
    """
    rows, _ = _unit_rows(planes)
    if rows.device.type == "cpu" and rows.shape[1] >= _LARGE:
        return _found_by_part(rows, least)
    found = []
    for first in range(0, len(rows), _BLOCK):
        block = rows[first : first + _BLOCK]
        like = (block @ rows[: first + len(block)].T).abs_() > least
        like[:, first:].tril_(-1)
        found.append(like.any(1).sum())
    return torch.stack(found).sum()


_LARGE = 1024  # values, from which on a part of them is worth a look first


_PART = 8  # one of so many values


def _found_by_part(rows: Tensor, least: float) -> Tensor:
    """`near_duplicates` of unit rows, of those alone that are near in a part of their values.

    |r| > least means that the rows, or one and the other's negative, are nearer than
    2 (1 - least), squared; so they are in any part of their values.
    """
    part = rows[:, ::_PART].contiguous()
    lengths = part.square().sum(1)
    near = (lengths[:, None] + lengths) / 2 - (1 - least) - _ROUNDING
    pairs = ((part @ part.T).abs_() > near).tril_(-1).nonzero()
    alike = [
        (rows[some[:, 0]] * rows[some[:, 1]]).sum(1).abs_() > least
        for some in torch.split(pairs, _BLOCK)
    ]
    return torch.tensor(torch.unique(pairs[torch.cat(alike), 0]).numel())


_ROUNDING = 1e-5  # of sums of products, in float32


def similarity_order(r: Tensor) -> list[int]:
    """An order of the channels that puts like ones side by side, from their correlations.

    A chain of nearest neighbors, in which stretches are turned around as long as that helps.
    Channels that correlate with none, not even with themselves, come last.

    Example:
        >>> similarity_order(torch.tensor([[1.0, 0.1, 0.8], [0.1, 1.0, 0.6], [0.8, 0.6, 1.0]]))
        [0, 2, 1]
    """
    values = np.nan_to_num(r.detach().float().cpu().numpy())
    correlates = values.diagonal() > 0
    known, unknown = np.flatnonzero(correlates), np.flatnonzero(~correlates)
    # One more, like nothing, comes before the first and after the last: so ends are like the rest.
    likeness = np.pad(values[np.ix_(known, known)], (1, 0))
    chain = _chain(likeness)
    for _ in range(_PASSES):
        if not _improve(chain, likeness):
            break
    order = [int(channel) for channel in known[chain[1:] - 1]]
    # Either way around is as good; one that doesn't depend on where the chain began.
    return min(order, order[::-1]) + [int(channel) for channel in unknown]


def _chain(likeness: NDArray[np.float32]) -> NDArray[np.intp]:
    """From each the most like of those left; first 0, then the least like all others."""
    chain = np.zeros(len(likeness), np.intp)
    left = np.zeros(len(likeness), np.float32)
    here = int(likeness[1:].sum(1).argmin()) + 1 if len(likeness) > 1 else 0
    left[0] = -np.inf
    for place in range(1, len(chain)):
        chain[place] = here
        left[here] = -np.inf
        here = int((likeness[here] + left).argmax())
    return chain


def _improve(chain: NDArray[np.intp], likeness: NDArray[np.float32]) -> bool:
    """From each place on, turn around the stretch that gains most, in place; whether any did."""
    changed = False
    bonds = likeness[chain, np.roll(chain, -1)]
    for place in range(len(chain) - 2):
        here, rest = chain[place], chain[place + 1 :]
        gains = likeness[here, rest] - bonds[place] - bonds[place + 1 :]
        gains += likeness[rest[0], np.append(rest[1:], 0)]
        end = int(gains.argmax())
        if gains[end] > _GAIN:
            rest[: end + 1] = rest[end::-1].copy()
            bonds[place:] = likeness[chain[place:], np.append(rest, 0)]
            changed = True
    return changed
