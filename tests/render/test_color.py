"""Norms, levels and palette indices, each apart from the others."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from featmagic.options.validators import words_taken
from featmagic.options.view import View
from featmagic.planes.statistics import measure
from featmagic.render.color import (
    NORMS,
    Range,
    apply_norm,
    check_norm,
    choose_range,
    clipped,
    levels,
    middle_of,
    palette_indices,
    scale_of,
)
from featmagic.render.palette import CONSTANT, GAP, LEVELS, NAN, NEGATIVE_INF, POSITIVE_INF
from featmagic.support.errors import FeatmagicError

ENDS = st.tuples(st.floats(0.01, 10), st.floats(11, 1000))


def shared_range(name, low, high, center=None):
    return Range("viridis", center, False, np.full(1, low), np.full(1, high), name)


def test_the_norms_are_the_choices_of_the_view():
    metadata = View.__dataclass_fields__["norm"].metadata
    assert words_taken(metadata["check"]) == tuple(NORMS)
    assert metadata["metavar"] == "|".join(NORMS)
    assert View().norm == next(iter(NORMS))


@pytest.mark.parametrize("name", NORMS)
@given(ENDS, st.floats(-5, 5), st.floats(0.01, 10))
@settings(deadline=None)
def test_the_inverse_of_a_norm_leads_back_to_the_values(name, ends, center, width):
    norm, values = NORMS[name], np.linspace(*ends, 50)
    back = norm.inverse(norm.forward(values, center, width), center, width)
    np.testing.assert_allclose(back, values, rtol=1e-9)


@pytest.mark.parametrize("name", NORMS)
def test_a_norm_takes_tensors_as_it_takes_arrays(name):
    values = np.linspace(0.01, 9, 50)
    tensor = NORMS[name].forward(torch.from_numpy(values), 0.0, 0.5)
    assert isinstance(tensor, torch.Tensor)
    np.testing.assert_allclose(tensor.numpy(), NORMS[name].forward(values, 0.0, 0.5), rtol=1e-12)


@pytest.mark.parametrize("name", NORMS)
@pytest.mark.parametrize("center", [None, 0.0, 5.0])
@given(ENDS)
@settings(deadline=None, max_examples=25)
def test_levels_lie_where_matplotlibs_norm_puts_them(name, center, ends):
    low, high = ends
    if center is not None:
        if NORMS[name].positive:
            return  # a logarithm has no center
        low = 2 * center - high
    color_range = shared_range(name, low, high, center)
    values = np.linspace(low, high, 40)
    placed = levels(*apply_norm(torch.from_numpy(values).reshape(1, 1, -1), color_range))
    norm = NORMS[name].matplotlib(low, high, center, float(color_range.width[0]))
    expected = np.asarray(norm(values), float) * (LEVELS - 1)
    np.testing.assert_allclose(placed.numpy().ravel(), expected, atol=1e-6)
    assert float(norm(middle_of(color_range))) == pytest.approx(0.5, abs=1e-6)


def test_a_logarithm_of_values_that_have_none_is_refused():
    below, above = measure(torch.tensor([[[-1.0, 0.0]]])), measure(torch.ones(1, 1, 2))
    check_norm(above, View(norm="log"), "relu")
    check_norm(below, View(norm="symlog"), "relu")
    with pytest.raises(FeatmagicError, match="relu has no value above 0 for --norm log"):
        check_norm(below, View(norm="log"), "relu")
    for options in ({"vmin": 0}, {"center": 1}):
        with pytest.raises(FeatmagicError, match="--norm log needs a range above 0"):
            check_norm(above, View(norm="log", **options), "relu")


def test_values_beyond_the_range_get_levels_beyond_and_indices_at_its_ends():
    placed = levels(torch.tensor([[[-1.0, 0.0, 1.0, 2.0]]]), np.zeros(1), np.ones(1))
    assert placed.tolist() == [[[-239.0, 0.0, 239.0, 478.0]]]
    assert palette_indices(placed, nonfinite=False).tolist() == [[[0, 0, 239, 239]]]


def test_each_plane_is_placed_in_its_own_range():
    values = torch.tensor([[[0.0, 1.0]], [[0.0, 1.0]]])
    placed = levels(values, np.zeros(2), np.array([1.0, 2.0]))
    assert placed.tolist() == [[[0.0, 239.0]], [[0.0, 119.5]]]


def test_nonfinite_values_have_indices_of_their_own_in_constant_planes_too():
    values = torch.tensor([[[torch.nan, torch.inf, -torch.inf, 0.0]]])
    drawn = palette_indices(values, nonfinite=True, constant=np.array([True]))
    assert drawn[0, 0, :3].tolist() == [NAN, POSITIVE_INF, NEGATIVE_INF]


@pytest.mark.parametrize("own_range", [True, False])
def test_constant_planes_alone_are_framed_and_hatched(own_range):
    drawn = palette_indices(
        torch.full((3, 7, 9), 40.0),
        nonfinite=False,
        constant=np.array([True, False, True]),
        own_range=own_range,
    )
    assert (drawn[1] == 40).all()
    assert torch.equal(drawn[0], drawn[2])
    frame = torch.cat([drawn[0][0], drawn[0][-1], drawn[0][:, 0], drawn[0][:, -1]])
    assert (frame == CONSTANT).all()
    # In a range of its own a single value has no color; in a shared one it keeps its own.
    expected = {CONSTANT, GAP} if own_range else {CONSTANT, GAP, 40}
    assert set(drawn[0].flatten().tolist()) == expected


def test_tiles_have_ranges_of_their_own_unless_a_range_is_given():
    assert scale_of(View()) == "channel"
    assert scale_of(View(vmax=3)) == scale_of(View(), "rows") == "layer"
    assert scale_of(View(scale="all"), "rows") == "all"


def ranges_of(*planes, shown=(), **options):
    """The range of planes of these values."""
    scale, signed = options.pop("scale", "channel"), options.pop("signed", False)
    values = torch.tensor(planes).float()[:, None]
    layers = [measure(torch.tensor(layer).float()[:, None]) for layer in shown]
    view = View(**options)
    return choose_range(measure(values), view, scale=scale, signed=signed, shown=layers)


@pytest.mark.parametrize(
    ("planes", "options", "cmap", "center", "low", "high"),
    [
        ([[0, 1], [2, 5]], {}, "viridis", None, [0, 2], [1, 5]),
        ([[-1, -3], [-2, 0]], {}, "viridis", None, [-3, -2], [-1, 0]),
        ([[-1, 3], [2, 5]], {}, "RdBu_r", 0, [-3, -5], [3, 5]),
        ([[-4, 3], [2, 5]], {"cmap": "gray"}, "gray", None, [-4, 2], [3, 5]),
        ([[-4, 3], [2, 5]], {"cmap": "coolwarm"}, "coolwarm", 0, [-4, -5], [4, 5]),
        ([[0, 3], [2, 5]], {"cmap": "coolwarm"}, "coolwarm", None, [0, 2], [3, 5]),
        ([[0, 1], [2, 5]], {"signed": True}, "RdBu_r", 0, [-1, -5], [1, 5]),
        ([[0, 1], [2, 5]], {"center": 2}, "RdBu_r", 2, [0, -1], [4, 5]),
        ([[0, 1], [2, 5]], {"scale": "layer"}, "viridis", None, [0, 0], [5, 5]),
        ([[-1, 1], [2, 5]], {"scale": "layer"}, "RdBu_r", 0, [-5, -5], [5, 5]),
        ([[0, 1], [2, 5]], {"vmin": 1}, "viridis", None, [1, 1], [1, 5]),
        ([[0, 1], [2, 5]], {"vmax": 3}, "viridis", None, [0, 2], [3, 3]),
        ([[4, 9], [2, 5]], {"vmax": 3}, "viridis", None, [3, 2], [3, 3]),
        ([[-1, 3], [2, 5]], {"vmin": -2}, "RdBu_r", 0, [-2, -2], [2, 2]),
        ([[-1, 3], [2, 5]], {"vmax": 4}, "RdBu_r", 0, [-4, -4], [4, 4]),
        ([[-1, 3], [2, 5]], {"vmin": 1}, "viridis", None, [1, 1], [3, 5]),
        ([[-1, 3], [2, 5]], {"vmin": -1, "vmax": 4}, "viridis", None, [-1, -1], [4, 4]),
        ([[-1, 3], [2, 5]], {"vmin": -4, "vmax": 4}, "RdBu_r", 0, [-4, -4], [4, 4]),
        ([[-1, 3], [2, 5]], {"norm": "symlog"}, "RdBu_r", 0, [-3, -5], [3, 5]),
        ([[1, 3], [2, 5]], {"norm": "log"}, "viridis", None, [1, 2], [3, 5]),
        ([[float("nan")] * 2, [2, 5]], {}, "viridis", None, [0, 2], [0, 5]),
        ([[float("nan")] * 2, [2, 5]], {"scale": "layer"}, "viridis", None, [2, 2], [5, 5]),
        ([[float("nan")] * 2], {"scale": "layer"}, "viridis", None, [0], [0]),
    ],
)
def test_the_range_and_the_colors_follow_the_values_and_what_was_asked_for(
    planes, options, cmap, center, low, high
):
    made = ranges_of(*planes, **options)
    assert (made.cmap, made.center) == (cmap, center)
    assert (made.low.tolist(), made.high.tolist()) == (low, high)
    assert made.own_range == (options.get("scale", "channel") == "channel")


def test_all_layers_shown_have_one_range_and_those_without_a_finite_value_count_in_none():
    first, second, nothing = [[0, 1]], [[-2, 7]], [[float("nan")] * 2]
    shown = [first, second, nothing]
    for planes in first, nothing:
        made = ranges_of(*planes, shown=shown, scale="all", cmap="gray")
        assert (made.low.tolist(), made.high.tolist()) == ([-2], [7])
    alone = ranges_of(*first, shown=shown, scale="layer")
    assert (alone.low.tolist(), alone.high.tolist()) == ([0], [1])
    assert ranges_of(*first, shown=shown, scale="all").center == 0


@pytest.mark.parametrize(
    ("low", "high", "center", "width"),
    [(0, 5, None, 0.05), (-7, 5, None, 0.07), (1, 5, 2.0, 0.03), (0, 0, None, 1), (3, 3, 3.0, 1)],
)
def test_symlog_and_asinh_are_linear_within_a_hundredth_of_the_largest(low, high, center, width):
    assert shared_range("symlog", low, high, center).width.tolist() == pytest.approx([width])


@pytest.mark.parametrize("own_range", [True, False])
@pytest.mark.parametrize("size", [(1, 9), (4, 4), (4, 9), (5, 5), (5, 9), (9, 9)])
def test_a_constant_plane_has_a_hatch_of_lines_and_a_frame_where_there_is_room(own_range, size):
    plane = torch.full((1, *size), 40.0)
    one = {"constant": np.array([True]), "own_range": own_range}
    drawn = palette_indices(plane, nonfinite=False, **one)[0].numpy()
    rows, columns = np.indices(size)
    lines = np.where((rows + columns) % 3 == 1, GAP, GAP if own_range else 40)
    lines[(rows + columns) % 3 == 0] = CONSTANT
    if min(size) > 4:
        lines[[0, -1]], lines[:, [0, -1]] = CONSTANT, CONSTANT
    np.testing.assert_array_equal(drawn, lines)


@pytest.mark.parametrize("factor", [1e-40, 1e-38, 1e-30, 1.0, 1e30, 1e36, 1e38])
def test_a_range_of_any_size_runs_over_all_levels(factor):
    values = torch.linspace(0, 3, 13, dtype=torch.float64).mul(factor).float().reshape(1, 1, -1)
    ends = values.double().numpy().min((1, 2)), values.double().numpy().max((1, 2))
    placed = levels(values, *ends)
    np.testing.assert_allclose(placed.ravel(), np.linspace(0, LEVELS - 1, 13), atol=0.05)


def test_what_lies_outside_is_counted_plane_by_plane():
    values = torch.tensor([[[0.0, 1.0, 2.0]], [[5.0, 6.0, 9.0]], [[torch.nan] * 3]])
    statistics = measure(values)

    def outside(low, high):
        ends = np.array(low, float), np.array(high, float)
        return clipped(values, Range("gray", None, True, *ends), statistics)

    assert outside([0, 5, 0], [2, 9, 0]) == 0
    assert outside([0, 5, 0], [1, 9, 0]) == 1
    assert outside([1, 6, 0], [1, 9, 0]) == 3
    assert outside([0, 6, 0], [2, 8, 0]) == 2
    assert outside([3, 0, 0], [4, 1, 0]) == 6


def test_infinities_stay_infinite_whether_a_planes_range_is_a_value_or_not():
    inf = float("inf")
    planes = torch.tensor([[[1.0, inf, 3.0]], [[2.0, -inf, 2.0]], [[2.0, 2.0, inf]]])
    placed = levels(planes, np.array([1.0, 2.0, 2.0]), np.array([3.0, 2.0, 2.0]))
    assert placed.tolist() == [[[0, inf, LEVELS - 1]], [[0, -inf, 0]], [[0, 0, inf]]]
