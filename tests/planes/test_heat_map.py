"""Planes put together in one picture, and block averages in which padding never counts."""

from __future__ import annotations

from math import ceil

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from featmagic.planes.heat_map import assemble, block_average, folded_width, form_of, page_fold


def averages(plane, factor):
    """Return the mean of each block, NaN for one without a value; NaN counts nowhere."""
    height, width = (min(factor, side) for side in plane.shape)
    rows, columns = ceil(plane.shape[0] / height), ceil(plane.shape[1] / width)
    means = np.full((rows, columns), np.nan)
    for row, column in np.ndindex(rows, columns):
        block = plane[row * height : (row + 1) * height, column * width : (column + 1) * width]
        if not np.isnan(block).all():
            means[row, column] = np.nanmean(block)
    return means


@given(st.integers(2, 400), st.integers(1, 9), st.floats(-5, 50))
@settings(deadline=None)
def test_padding_of_a_fold_counts_in_no_average(count, factor, low):
    """The values lie far from the 0 that fills the last row."""
    values = torch.linspace(low, low + 1, count)
    folded, padding = assemble(values.reshape(-1, 1, 1), "fold")
    plane = np.full(folded.numel(), np.nan)
    plane[:count] = values.double().numpy()
    truth = averages(plane.reshape(folded.shape[1:]), factor)
    small, left = block_average(folded, factor, padding)
    flat, truth = small.double().numpy().ravel(), truth.ravel()
    assert np.isnan(truth[len(truth) - left :]).all()
    there = ~np.isnan(truth)
    assert left == (~there).sum()
    np.testing.assert_allclose(flat[there], truth[there], atol=1e-4)


@given(st.integers(1, 5), st.integers(1, 20), st.integers(1, 20), st.integers(1, 9))
@settings(deadline=None)
def test_a_block_at_the_edge_is_the_mean_of_what_it_has(count, height, width, factor):
    planes = torch.randn(count, height, width)
    small, left = block_average(planes, factor)
    assert left == 0
    for plane, averaged in zip(planes.double().numpy(), small.double().numpy(), strict=True):
        np.testing.assert_allclose(averaged, averages(plane, factor), atol=1e-5)


def test_a_fold_is_as_near_to_a_square_as_its_values_allow():
    assert [folded_width(count) for count in (1, 2, 4, 5, 99, 100, 101)] == [1, 2, 2, 3, 10, 10, 11]
    values = torch.arange(7.0)
    folded, padding = assemble(values.reshape(7, 1, 1), "fold")
    assert (folded.shape, padding) == ((1, 3, 3), 2)
    assert folded.flatten()[:7].tolist() == values.tolist()
    square, none = assemble(torch.rand(9, 1, 1), "fold")
    assert (square.shape, none) == ((1, 3, 3), 0)


def test_rows_of_a_fold_on_a_page_have_round_numbers_of_values():
    wide = {100: 25, 144: 32, 512: 64, 768: 64, 1000: 100, 2048: 128, 4096: 128}
    assert {count: page_fold(count) for count in wide} == wide
    values = torch.arange(512.0).reshape(512, 1, 1)
    folded, padding = assemble(values, "fold", width=64)
    assert padding == 0
    assert torch.equal(folded[0], torch.arange(512.0).reshape(8, 64))


@given(st.integers(65, 10**6))
def test_a_fold_on_a_page_is_wider_than_tall_and_has_several_rows(count):
    width = page_fold(count)
    rows = -(-count // width)
    assert rows >= 2
    assert width >= rows
    assert any(width % round_number == 0 for round_number in (16, 25, 50, 20))


def test_rows_lie_under_each_other_and_columns_beside_each_other():
    lines = torch.arange(12.0).reshape(4, 1, 3)
    rows, padding = assemble(lines, "rows", 2)
    assert (rows.tolist(), padding) == (lines.reshape(2, 2, 3).tolist(), 0)
    columns, padding = assemble(lines, "columns", 2)
    assert (columns.tolist(), padding) == (lines.reshape(2, 2, 3).transpose(1, 2).tolist(), 0)
    assert assemble(lines, "tiles") == (lines, 0)


@pytest.mark.parametrize(("count", "form"), [(1, "tiles"), (64, "tiles"), (65, "fold")])
def test_up_to_64_single_values_are_a_tile_each(count, form):
    assert form_of("fold", count) == form
    assert form_of("rows", count) == "rows"
