"""Statistics are what NumPy computes, whatever the values, and come to the host together."""

from __future__ import annotations

import math

import hypothesis.extra.numpy as hnp
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from featmagic.planes.measurements import (
    constant_planes,
    count_nonfinite,
    evenly_spaced,
    finite_range,
    to_host,
    value_range,
)
from featmagic.planes.statistics import BINS, StatisticsRequest, measure, plane_statistics

ODD = [0.0, -0.0, 1.0, -2.5, 1e-30, 3e38, -3e38, np.nan, np.inf, -np.inf]
SHAPES = hnp.array_shapes(min_dims=3, max_dims=3, max_side=5)
PLANES = st.one_of(
    hnp.arrays(np.float32, SHAPES, elements=st.sampled_from(ODD)),
    hnp.arrays(np.float32, SHAPES, elements=st.floats(-8, 8, width=32)),
    hnp.arrays(np.float64, SHAPES, elements=st.sampled_from([*ODD, 1e308, -1e308, 1e-310])),
)


def moments(values):
    """Mean, deviation and mean magnitude of finite values, without squares out of reach."""
    if not values.size:
        return None
    unit = np.abs(values).max() or 1.0
    parts = values / unit
    return [float(of * unit) for of in (parts.mean(), parts.std(), np.abs(parts).mean())]


def is_near(told, true, values):
    return math.isclose(told, true, rel_tol=1e-4, abs_tol=1e-5 * float(np.abs(values).max()))


@given(PLANES)
@settings(deadline=None)
def test_a_planes_statistics_are_numpys(array):
    planes = array.astype(np.float64)
    told = plane_statistics(torch.from_numpy(array))
    for place, plane in enumerate(planes):
        finite = plane[np.isfinite(plane)]
        assert told.nan[place] == np.isnan(plane).sum()
        assert told.inf[place] == np.isinf(plane).sum()
        assert told.zeros[place] == pytest.approx((plane == 0).mean())
        if not finite.size:
            assert (told.low[place], told.high[place]) == (np.inf, -np.inf)
            continue
        assert (told.low[place], told.high[place]) == (finite.min(), finite.max())
        figures = told.mean[place], told.std[place], told.absmean[place]
        for figure, true in zip(figures, moments(finite), strict=True):
            assert is_near(figure, true, finite)


@given(PLANES)
@settings(deadline=None)
def test_a_layers_statistics_are_numpys(array):
    planes = array.astype(np.float64)
    told = measure(torch.from_numpy(array))
    finite = planes[np.isfinite(planes)]
    assert (told.nan, told.inf) == (np.isnan(planes).sum(), np.isinf(planes).sum())
    assert told.nonfinite.tolist() == (~np.isfinite(planes)).sum((1, 2)).tolist()
    assert told.zeros == pytest.approx((planes == 0).mean())
    assert sum(told.histogram) == finite.size
    for low, high, constant, plane in zip(told.low, told.high, told.constant, planes, strict=True):
        some = plane[np.isfinite(plane)]
        assert (low, high) == ((some.min(), some.max()) if some.size else (np.inf, -np.inf))
        assert constant == bool((plane == plane.flat[0]).all() and np.isfinite(plane).all())
    if finite.size:
        mean, std, _ = moments(finite)
        assert is_near(told.mean, mean, finite)
        assert is_near(told.std, std, finite)


@given(PLANES)
@settings(deadline=None)
def test_planes_and_layers_agree_on_every_range_and_count(array):
    values = torch.from_numpy(array)
    layer, planes = measure(values), plane_statistics(values)
    assert layer.low.tolist() == planes.low.tolist()
    assert layer.high.tolist() == planes.high.tolist()
    assert (layer.nan, layer.inf) == (planes.nan.sum(), planes.inf.sum())


@given(
    hnp.arrays(np.float32, hnp.array_shapes(max_dims=4, max_side=4), elements=st.sampled_from(ODD)),
    st.data(),
)
@settings(deadline=None)
def test_ranges_and_counts_may_be_taken_over_any_dimensions(array, data):
    dims = data.draw(st.sets(st.integers(0, array.ndim - 1)).map(sorted).map(tuple))
    axes = dims or tuple(range(array.ndim))
    values = torch.from_numpy(array)
    (told,) = to_host(finite_range(values, dims) | count_nonfinite(values, dims))
    finite = np.isfinite(array)
    np.testing.assert_array_equal(told["low"], np.where(finite, array, np.inf).min(axes))
    np.testing.assert_array_equal(told["high"], np.where(finite, array, -np.inf).max(axes))
    np.testing.assert_array_equal(told["nan"], np.isnan(array).sum(axes))
    np.testing.assert_array_equal(told["inf"], np.isinf(array).sum(axes))


@given(PLANES)
@settings(deadline=None)
def test_planes_are_constant_that_hold_one_finite_value(array):
    (ends,) = to_host(value_range(torch.from_numpy(array), (1, 2)))
    expected = [(plane == plane.flat[0]).all() and np.isfinite(plane).all() for plane in array]
    assert constant_planes(**ends).tolist() == expected


@pytest.mark.parametrize("outside", [0, 2, 10, 49])
@pytest.mark.parametrize("whole", [False, True])
@pytest.mark.parametrize("nonfinite", [False, True])
def test_an_inner_range_leaves_out_as_many_values_as_asked_for(outside, whole, nonfinite):
    values = torch.randn(3, 10, 10)
    if nonfinite:
        values[1, 2, :4] = torch.tensor([torch.nan, torch.inf, -torch.inf, torch.nan])
    told = measure(values, StatisticsRequest(outside=outside, whole=whole))
    rows = values.reshape(1, -1) if whole else values.flatten(1)
    for place in range(3):
        row = rows[0 if whole else place].numpy()
        row = np.sort(row[np.isfinite(row)])
        ranks = [round(share * (len(row) - 1)) for share in (outside / 100, 1 - outside / 100)]
        assert [told.inner_low[place], told.inner_high[place]] == row[ranks].tolist()


def test_a_positive_range_begins_at_the_least_value_above_0():
    told = measure(torch.tensor([[[-1.0, 0.0, 0.5, 2.0]]]), StatisticsRequest(positive=True))
    assert (told.inner_low[0], told.inner_high[0]) == (0.5, 2.0)
    assert told.low[0] == -1


def test_a_histogram_counts_equal_parts_of_the_range():
    values = torch.arange(8.0).repeat(5).reshape(1, 5, 8)
    assert measure(values).histogram == (5,) * BINS
    values[0, 0, 3] = torch.nan
    assert measure(values).histogram == (5, 5, 5, 4, 5, 5, 5, 5)


def test_a_histogram_of_many_values_counts_evenly_spaced_ones():
    values = torch.rand(64, 128, 128)
    counts = np.array(measure(values).histogram)
    assert counts.sum() < values.numel() / 4
    np.testing.assert_allclose(counts / counts.sum(), 1 / BINS, atol=0.01)


@pytest.mark.parametrize("width", [64, 96, 112, 128])
def test_a_histogram_of_many_values_falls_in_with_no_column_of_the_image(width):
    """Where every column holds a value of its own, each column has to be counted."""
    column = torch.arange(width) % BINS
    values = column.float().expand(64, 128, width).contiguous()
    counts = np.array(measure(values).histogram)
    expected = np.bincount(column, minlength=BINS) / width
    assert counts.sum() < values.numel()
    np.testing.assert_allclose(counts / counts.sum(), expected, atol=0.01)


def test_near_duplicates_are_counted_where_that_is_asked_for():
    values = torch.rand(1, 6, 6) * torch.tensor([1.0, 2.0, -3.0]).reshape(3, 1, 1)
    assert measure(values, StatisticsRequest(duplicates=True)).duplicates == 2
    assert measure(values).duplicates == 0
    many = torch.zeros(1, 1, 1).expand(2**12, 2**5, 2**5)
    assert measure(many, StatisticsRequest(duplicates=True)).duplicates is None


def test_prefix_tokens_are_measured_apart_and_an_order_comes_along():
    values = torch.rand(2, 3, 3)
    prefix = torch.tensor([[5.0, torch.nan], [-7.0, torch.inf]])
    told = measure(values, prefix=prefix, order=torch.tensor([4, 1]))
    assert told.prefix == (-7.0, 5.0, 1, 1)
    assert told.order == (4, 1)
    assert (told.nan, told.inf) == (0, 0)
    assert told.high.max() <= 1
    assert (measure(values).prefix, measure(values).order) == (None, ())


def test_a_constant_plane_deviates_by_nothing():
    assert plane_statistics(torch.full((1, 7, 7), 0.1)).std.tolist() == [0.0]
    assert plane_statistics(torch.full((1, 7, 7), 3e38)).std.tolist() == [0.0]


def test_padding_counts_in_no_statistic():
    values = torch.tensor([[[1.0, 2.0], [3.0, -100.0]]])
    told = plane_statistics(values, padding=1)
    assert (told.low[0], told.high[0], told.mean[0]) == (1.0, 3.0, 2.0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_measurements_come_to_the_host_with_their_names_shapes_and_values(dtype):
    first = {"low": torch.tensor([[0.5, -1.0]], dtype=dtype), "count": torch.tensor(2**40 + 1)}
    second = {"flag": torch.tensor([True, False]), "empty": torch.zeros(0)}
    told = to_host(first, {}, second)
    assert [list(each) for each in told] == [["low", "count"], [], ["flag", "empty"]]
    assert told[0]["low"].tolist() == [[0.5, -1.0]]
    assert told[0]["count"] == 2**40 + 1  # float32 would round it
    assert told[2]["flag"].tolist() == [1.0, 0.0]
    assert told[2]["empty"].shape == (0,)
    assert all(array.dtype == np.float64 for each in told for array in each.values())
    assert to_host() == []


@given(hnp.array_shapes(max_dims=4, max_side=40), st.integers(1, 200))
@settings(deadline=None)
def test_evenly_spaced_values_are_no_more_than_asked_for_and_from_all_over(shape, most):
    values = torch.arange(math.prod(shape)).reshape(shape)
    spaced = evenly_spaced(values, most)
    assert 0 < len(spaced) <= most
    steps = set(spaced.diff().tolist())
    assert len(steps) <= 1
    for step in steps:
        assert step == 1 or math.gcd(step, values.numel()) == 1
        assert len(spaced) == len(range(0, values.numel(), step))


def test_evenly_spaced_values_of_a_transposed_tensor_follow_its_memory():
    values = torch.arange(12).reshape(3, 4).T
    assert evenly_spaced(values, 12).tolist() == list(range(12))
