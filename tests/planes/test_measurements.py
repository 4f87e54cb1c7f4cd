"""What is common to all measurements: steps that fall in with nothing, ranges that are finite."""

from __future__ import annotations

from math import gcd

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from featmagic.planes.measurements import constant_planes, coprime_step, range_or_zero


@given(st.integers(-3, 300), st.integers(1, 5000))
def test_a_step_is_the_first_that_shares_no_factor(step, count):
    found = coprime_step(step, count)
    assert found >= max(step, 1)
    assert found == 1 or gcd(found, count) == 1
    assert all(gcd(other, count) > 1 for other in range(max(step, 2), found))


def test_planes_without_a_finite_value_have_a_range_of_zero():
    low, high = np.array([0.0, 2.0, np.inf, 3.0]), np.array([1.0, 2.0, -np.inf, 2.0])
    told = range_or_zero(low, high)
    assert [ends.tolist() for ends in told] == [[0, 2, 0, 0], [1, 2, 0, 0]]


@pytest.mark.parametrize(
    ("low", "high", "is_constant"),
    [(1, 1, True), (0, 0, True), (1, 2, False), (np.inf, np.inf, False), (np.nan, np.nan, False)],
)
def test_a_plane_is_constant_if_its_range_is_one_finite_value(low, high, is_constant):
    ends = np.array([float(low)]), np.array([float(high)])
    assert constant_planes(*ends).tolist() == [is_constant]
