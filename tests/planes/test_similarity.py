"""How a layer's channels relate, and the order that puts like ones side by side."""

from __future__ import annotations

import math
import sys
import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from torch.nn import functional

from featmagic.options.view import View
from featmagic.planes.pairwise import MOST_BYTES
from featmagic.planes.planes import Planes
from featmagic.planes.ranking import rank
from featmagic.planes.similarity import (
    MOST_ORDERED,
    correlations,
    near_duplicates,
    similarity_order,
)
from featmagic.support.errors import FeatmagicError


def gratings(count):
    """Stripes whose direction turns by a quarter, a little from one to the next."""
    y, x = torch.meshgrid(torch.linspace(-1, 1, 24), torch.linspace(-1, 1, 24), indexing="ij")
    angles = torch.linspace(0, math.pi / 2, count).tolist()
    return torch.stack([torch.sin(8 * (x * math.cos(a) + y * math.sin(a))) for a in angles])


def families(count, members):
    """Planes that go smoothly from one random picture to another, family by family."""
    ends = functional.interpolate(torch.randn(2, count, 4, 4), (14, 14), mode="bilinear")
    share = torch.linspace(0, 1, members)[None, :, None, None]
    return (ends[0, :, None] * (1 - share) + ends[1, :, None] * share).flatten(0, 1)


def likeness(r, order):
    """The sum of the correlations of neighbors."""
    return sum(float(r[a, b]) for a, b in pairwise(order))


def of_doubles(planes):
    """numpy's own correlations."""
    return torch.from_numpy(np.corrcoef(planes.flatten(1).double().numpy())).float()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("scale", "mean"), [(1, 0), (1e30, 0), (1e-30, 0), (1, 1e4), (3e37, 1e38)])
def test_correlations_are_numpys_whatever_the_magnitude_and_the_mean(dtype, scale, mean):
    planes = (families(4, 5) * scale + mean).to(dtype)
    r = correlations(planes)
    assert r.dtype == torch.float32
    assert torch.allclose(r, of_doubles(planes), atol=1e-5)


def test_each_channel_may_have_a_magnitude_and_a_mean_of_its_own():
    planes = torch.randn(4, 9, 9)
    expected = of_doubles(planes)
    factors, means = torch.tensor([1e-30, 1, -1e30, 10]), torch.tensor([0, 1e3, 0, -50])
    signs = factors.sign()
    found = correlations(planes * factors[:, None, None] + means[:, None, None])
    assert torch.allclose(found, expected * signs * signs[:, None], atol=1e-4)


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
def test_a_channel_that_is_not_finite_correlates_with_none(value):
    planes = torch.randn(5, 6, 6)
    planes[3, 2, 2] = value
    r = correlations(planes)
    assert not r[3].any()
    assert not r[:, 3].any()
    others = [0, 1, 2, 4]
    assert torch.allclose(r[others][:, others], of_doubles(planes[others]), atol=1e-5)


@pytest.mark.parametrize("value", [0.0, 0.1, 1e30, -7e-20])
def test_a_constant_channel_correlates_with_none(value):
    planes = torch.randn(3, 6, 6)
    planes[1] = value
    r = correlations(planes)
    assert not r[1].any()
    assert r.diagonal().tolist() == [1, 0, 1]


def test_the_planes_do_not_change():
    planes = torch.randn(3, 6, 6, requires_grad=True)
    before = planes.detach().clone()
    assert not correlations(planes).requires_grad
    assert torch.equal(planes, before)


def test_of_three_equal_channels_two_are_duplicates():
    one, other = torch.randn(2, 6, 6)
    planes = torch.stack([one, other, one, 3 * one + 5])
    count = near_duplicates(planes)
    assert count.shape == ()
    assert count.item() == 2


def test_a_channel_turned_to_its_negative_is_a_duplicate():
    one = torch.randn(6, 6)
    assert near_duplicates(torch.stack([one, -one])).item() == 1


def test_constant_channels_are_no_duplicates():
    assert near_duplicates(torch.ones(4, 6, 6)).item() == 0


@pytest.mark.parametrize("least", [0.2, 0.5, 0.9, 0.99])
@pytest.mark.parametrize("count", [2, 60, 700])
def test_duplicates_are_more_alike_than_the_least(least, count):
    few = torch.randn(count // 3 + 1, 6, 6)[torch.arange(count) % (count // 3 + 1)]
    planes = few + torch.rand(count, 1, 1) * torch.randn(count, 6, 6) / 2
    r = np.abs(np.corrcoef(planes.flatten(1).double().numpy()))
    expected = (np.tril(r, -1) > least).any(1).sum()
    assert near_duplicates(planes, least).item() == expected


def duplicates_by_hand(planes, least):
    """Count the planes with |r| above `least` to an earlier one, pair by pair."""
    rows = planes.flatten(1).double().numpy()
    alike = set()
    for later in range(len(rows)):
        for earlier in range(later):
            one, other = (rows[place] - rows[place].mean() for place in (later, earlier))
            lengths = np.linalg.norm(one) * np.linalg.norm(other)
            if lengths and abs(one @ other) / lengths > least:
                alike.add(later)
    return len(alike)


@pytest.mark.parametrize("least", [0.5, 0.9, 0.99])
@pytest.mark.parametrize("noise", [0.0, 0.05, 0.1, 0.3, 1.0])
def test_duplicates_among_large_planes_are_those_counted_pair_by_pair(noise, least):
    few = torch.randn(7, 36, 36)
    planes = few[torch.arange(40) % 7] + noise * torch.rand(40, 1, 1) * torch.randn(40, 36, 36)
    planes[[3, 8, 20]] = 1.0  # constant
    planes[[5, 30]] = torch.nan
    assert near_duplicates(planes, least).item() == duplicates_by_hand(
        planes.nan_to_num(0), least
    )  # a plane of zeros is constant


def test_a_plane_that_is_nearest_in_some_of_its_values_hides_no_duplicate():
    one, other = torch.randn(2, 64, 64)
    misleading = other.clone()
    misleading.view(-1)[::8] = one.view(-1)[::8]  # the values that are compared first
    near = one + 0.05 * torch.randn(64, 64)
    planes = torch.stack([misleading, near, one])
    assert near_duplicates(planes).item() == duplicates_by_hand(planes, 0.99) == 1


def planes_copied(planes):
    """Count how many planes are copied whole while duplicates are counted."""
    count = 0

    def add(frame, event, arg):
        nonlocal count
        if event == "call" and frame.f_code.co_name == "_unit_rows":
            count += len(frame.f_locals["planes"])

    sys.setprofile(add)
    try:
        near_duplicates(planes)
    finally:
        sys.setprofile(None)
    return count


@pytest.mark.parametrize("kind", ["equal", "dead", "different", "half dead"])
def test_twice_as_many_channels_take_twice_the_work_however_many_are_equal_or_dead(kind):
    planes = torch.rand(1, 32, 32).repeat(400, 1, 1) if kind == "equal" else torch.rand(400, 32, 32)
    planes[:: {"dead": 1, "half dead": 2}.get(kind, 400)] = 0
    assert planes_copied(planes) <= 2.2 * planes_copied(planes[:200])


@pytest.mark.parametrize("count", [12, 30, 100])
def test_gratings_that_turn_slowly_come_back_in_order(count):
    shuffled = torch.randperm(count)
    order = similarity_order(correlations(gratings(count)[shuffled]))
    found = shuffled[order].tolist()
    assert found in (list(range(count)), list(range(count))[::-1])


@pytest.mark.parametrize("members", [4, 16])
def test_members_of_a_family_are_put_side_by_side(members):
    planes = families(12, members)
    shuffled = torch.randperm(len(planes))
    r = correlations(planes[shuffled])
    order = similarity_order(r)
    family = (shuffled[order] // members).tolist()
    assert sum(a != b for a, b in pairwise(family)) < 2 * 12
    unsorted, sorted_, known = (
        likeness(r, o) for o in (range(len(r)), order, shuffled.argsort().tolist())
    )
    assert sorted_ > 3 * abs(unsorted)
    assert sorted_ > 0.98 * known


def test_neighbors_of_noise_are_more_alike_than_by_index():
    r = correlations(torch.randn(200, 6, 6))
    assert likeness(r, similarity_order(r)) > likeness(r, range(200)) + 20


def test_no_stretch_turned_around_makes_a_short_chain_better():
    r = correlations(torch.randn(12, 3, 3))
    order = similarity_order(r)
    turned = [order[:a] + order[a:b][::-1] + order[b:] for a in range(12) for b in range(a + 2, 13)]
    assert max(likeness(r, other) for other in turned) < likeness(r, order) + 1e-3


def test_channels_without_correlation_come_last_by_index():
    planes = gratings(30)[:6]
    planes[1], planes[4], planes[3, 0, 0] = 0.0, 5.0, float("nan")
    order = similarity_order(correlations(planes))
    assert order[3:] == [1, 3, 4]
    assert order[:3] in ([0, 2, 5], [5, 2, 0])


@pytest.mark.parametrize("count", [0, 1, 2])
def test_few_channels_have_an_order_too(count):
    assert similarity_order(torch.ones(count, count)) == list(range(count))


_any_planes = arrays.arrays(
    "float32",
    st.tuples(st.integers(1, 9), st.integers(1, 3), st.integers(1, 3)),
    elements=st.floats(width=32) | st.sampled_from([0.0, 1.0, float("nan"), 2.0**127, -(2.0**127)]),
)


@given(_any_planes)
def test_whatever_the_planes_the_order_is_a_permutation_and_the_same_each_time(planes):
    r = correlations(torch.from_numpy(planes))
    assert r.abs().le(1).all()
    order = similarity_order(r)
    assert sorted(order) == list(range(len(planes)))
    assert similarity_order(r.clone()) == order


_any_correlations = arrays.arrays(
    "float32",
    st.integers(0, 9).map(lambda n: (n, n)),
    elements=st.floats(-1, 1, width=32) | st.just(float("nan")),
)


@given(_any_correlations)
def test_whatever_the_correlations_the_order_is_a_permutation(r):
    assert sorted(similarity_order(torch.from_numpy(r))) == list(range(len(r)))


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("least", [0.3, 0.9, 0.99])
def test_large_planes_are_compared_as_exactly_as_small_ones(sparse, least):
    few = torch.randn(6, 40, 40)
    planes = few[torch.arange(40) % 6] * torch.tensor([1.0, -2.0])[torch.arange(40) % 2, None, None]
    planes = planes + torch.rand(40, 1, 1) * torch.randn(40, 40, 40) / 3
    if sparse:
        planes = torch.where(torch.rand(40, 40) < 0.01, planes, 0)
    r = np.abs(np.corrcoef(planes.flatten(1).double().numpy()))
    expected = (np.tril(r, -1) > least).any(1).sum()
    assert near_duplicates(planes, least).item() == expected


def test_an_order_of_more_channels_than_can_be_compared_is_refused_before_any_is():
    many = 100_000
    values = torch.zeros(1, 1, 1, 1).expand(1, many, 3, 3)
    planes = Planes(values, tuple(range(many)), many, "channels")
    with pytest.raises(FeatmagicError, match="compares 8,192 channels at most, and fc has 100,000"):
        rank(planes, View(sort="similar"), "fc")


def test_as_many_as_can_be_compared_take_a_gigabyte_at_most():
    """The plan, and the memory that ordering takes at the peak by the count of a smaller one."""
    assert 16 * MOST_ORDERED**2 <= MOST_BYTES == 2**30
    count = 1000
    r = correlations(torch.randn(count, 4, 4))
    tracemalloc.start()
    try:
        order = similarity_order(r)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert sorted(order) == list(range(count))
    assert peak + r.nbytes < 16 * count**2
