"""Color maps in 256 colors: ramps that rise and fall as the map does, in its hues."""

from __future__ import annotations

import matplotlib
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from featmagic.render.xterm_colors import lightness, nearest_colors, ramp

# The section "Perceptually Uniform Sequential" of matplotlib's documentation.
UNIFORM = ("viridis", "plasma", "inferno", "magma", "cividis")
MONOTONE = (*UNIFORM, "gray", "bone", "copper", "Blues_r", "Reds_r", "YlGn_r", "hot")
DIVERGING = ("RdBu_r", "RdBu", "PiYG", "PRGn", "BrBG", "PuOr", "coolwarm", "seismic", "bwr")
STEPS = 240


def steps(name, count=STEPS):
    return matplotlib.colormaps[name](np.linspace(0, 1, count), bytes=True)[:, :3]


def xterm(number):
    """The RGB of one of xterm's colors from 16 on, as its documentation computes it."""
    if number >= 232:
        return (8 + 10 * (number - 232),) * 3
    parts = (number - 16) // 36, (number - 16) // 6 % 6, (number - 16) % 6
    return tuple(55 + 40 * part if part else 0 for part in parts)


def cielab(rgb):
    """L*, a* and b* of sRGB, by the definitions of IEC 61966-2-1 and CIE 15, one by one."""
    found = []
    for color in np.asarray(rgb, float) / 255:
        light = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in color]
        xyz = np.array([
            [0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505],
        ]) @ light / [0.9505, 1.0, 1.0890]  # fmt: skip
        x, y, z = (t ** (1 / 3) if t > 0.008856 else 7.787 * t + 16 / 116 for t in xyz)
        found.append((116 * y - 16, 500 * (x - y), 200 * (y - z)))
    return np.array(found)


def drawn(name, count=STEPS):
    return np.array([xterm(number) for number in ramp(steps(name, count))])


@pytest.mark.parametrize("name", MONOTONE)
@pytest.mark.parametrize("count", [120, 240, 248])
def test_a_color_map_that_gets_lighter_does_so_in_256_colors(name, count):
    for way in (1, -1):
        rgb = steps(name, count)[::way]
        light = cielab([xterm(number) for number in ramp(np.ascontiguousarray(rgb))])[:, 0]
        assert (np.diff(light) * way >= -1e-6).all()
        assert np.ptp(light) > 60


@pytest.mark.parametrize("name", DIVERGING)
def test_both_halves_of_a_diverging_map_get_lighter_towards_its_middle(name):
    source, light = cielab(steps(name))[:, 0], cielab(drawn(name))[:, 0]
    # The lightest step is where the map has it, or as light a one beside it.
    lightest = int(np.flatnonzero(source == source.max()).mean())
    assert (np.diff(light[: lightest - 6]) >= -1e-6).all()
    assert (np.diff(light[lightest + 6 :]) <= 1e-6).all()
    assert light[lightest] > 85


@pytest.mark.parametrize("name", [*UNIFORM, "RdBu_r"])
def test_hues_are_those_of_the_map(name):
    wanted, found = cielab(steps(name)), cielab(drawn(name))
    chroma, own = (np.hypot(*lab[:, 1:].T) for lab in (wanted, found))
    colorful = (chroma > 30) & (own > 8)
    hues = [np.degrees(np.arctan2(lab[:, 2], lab[:, 1])) for lab in (wanted, found)]
    apart = np.abs((hues[0] - hues[1] + 180) % 360 - 180)
    assert apart[colorful].max() < 56  # half of the way from one of the cube's blues to the next
    assert apart[colorful].mean() < 20
    assert np.abs(wanted[:, 0] - found[:, 0]).mean() < 6


def test_no_step_of_viridis_is_gray_and_no_end_of_a_signed_map_is_of_another_color():
    red, green, blue = drawn("viridis").T
    assert (np.ptp([red, green, blue], axis=0) > 0).all()
    second = next(color for color in drawn("viridis").tolist() if color != [95, 0, 95])
    assert second == [95, 0, 135]
    low, high = drawn("RdBu_r")[[0, -1]].tolist()
    assert low[0] == low[1] == 0 < low[2]  # navy, no teal
    assert high[1] == high[2] == 0 < high[0]  # red, no wine
    reds = drawn("RdBu_r")[190:]
    assert (reds[:, 2] <= reds[:, 1]).all()  # no violet among them


def test_grays_are_all_used():
    assert len(set(ramp(steps("gray")))) >= 26


def test_a_map_without_an_order_of_lightness_is_drawn_step_by_step():
    for name in ("jet", "hsv", "turbo", "twilight"):
        wanted, found = cielab(steps(name)), cielab(drawn(name))
        assert np.abs(wanted[:, 0] - found[:, 0]).mean() < 9, name


@given(arrays.arrays("uint8", st.tuples(st.integers(1, 12), st.just(3))))
def test_any_colors_have_a_ramp_and_the_same_each_time(rgb):
    found = ramp(rgb)
    assert len(found) == len(rgb)
    assert all(16 <= number <= 255 for number in found)
    assert ramp(rgb) == found


def test_colors_that_the_terminal_has_stay_what_they_are():
    every = np.array([xterm(number) for number in range(16, 256)], np.uint8)
    found = [xterm(number) for number in nearest_colors(every)]
    assert np.array_equal(found, every)


def test_lightness_is_that_of_cielab():
    rgb = np.random.default_rng(0).integers(0, 256, (200, 3), np.uint8)
    np.testing.assert_allclose(lightness(rgb), cielab(rgb)[:, 0], atol=0.02)
