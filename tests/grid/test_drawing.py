"""Colors, mosaics and captions, compared with values computed apart."""

from __future__ import annotations

import io
import math
import re

import matplotlib
import numpy as np
import pytest
import torch
from helpers.tiles import page_image
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from featmagic.grid.arrange import lay_out_tiles
from featmagic.grid.draw import draw
from featmagic.options.view import View
from featmagic.planes.statistics import measure
from featmagic.recording.inputs import PassInputs
from featmagic.recording.records import Activation
from featmagic.render.ascii import AsciiCells
from featmagic.render.color import apply_norm, choose_range, levels, palette_indices
from featmagic.render.image import mosaic_png, page_metrics
from featmagic.render.mosaic import tile
from featmagic.render.page_geometry import page_geometry
from featmagic.render.palette import (
    CONSTANT,
    GAP,
    LEVELS,
    NAN,
    NEGATIVE_INF,
    POSITIVE_INF,
    SHADES,
    palette,
)
from featmagic.render.png import encode_png
from featmagic.render.raster import raster_of
from featmagic.render.text import mosaic_lines
from featmagic.render.viewport import PAGE, GridLayout, Viewport, terminal_viewport
from featmagic.support.errors import FeatmagicError


def activation(tensor, key="cnn1", kind="Conv2d"):
    return Activation(key, key, kind, 1, tensor)


def painted(values, statistics, color_range):
    """Palette indices of planes `(P, H, W)`, constant ones marked."""
    return palette_indices(
        levels(*apply_norm(values, color_range)),
        nonfinite=statistics.has_nonfinite,
        constant=statistics.constant,
        own_range=color_range.own_range,
    )


def indices_of(tensor, **options):
    """The tiles of a drawing, `(P, h, w)`, in the order of the labels."""
    mosaic = draw(activation(tensor), View(**options)).mosaic
    rows, height, ncols, width = mosaic.indices.shape
    tiles = mosaic.indices.transpose(0, 2, 1, 3).reshape(rows * ncols, height, width)
    return tiles[: len(mosaic.labels)]


def test_each_channel_runs_over_the_whole_color_map():
    tensor = torch.rand(1, 3, 6, 6)
    for plane, drawn in zip(tensor[0].double().numpy(), indices_of(tensor), strict=True):
        exact = (plane - plane.min()) / (plane.max() - plane.min()) * (LEVELS - 1)
        assert np.abs(drawn - exact).max() <= 0.5 + 1e-3
        assert (drawn.min(), drawn.max()) == (0, LEVELS - 1)


def test_a_layers_range_is_one_for_all_channels():
    tensor = torch.rand(1, 3, 6, 6) * torch.tensor([1.0, 2.0, 4.0])[:, None, None]
    values = tensor[0].double().numpy()
    exact = (values - values.min()) / (values.max() - values.min()) * (LEVELS - 1)
    assert np.abs(indices_of(tensor, scale="layer") - exact).max() <= 0.5 + 1e-3


def test_both_signs_are_centered_on_zero():
    tensor = torch.tensor([[[[-1.0, 0.0, 3.0]]]])
    drawing = draw(activation(tensor), View())
    drawn = indices_of(tensor)[0, 0].astype(float)
    assert abs(drawn[1] - (LEVELS - 1) / 2) <= 0.5
    assert drawn[2] == LEVELS - 1
    assert abs(drawn[0] - (LEVELS - 1) / 3) <= 0.5
    assert "RdBu_r centered on 0" in drawing.caption


@pytest.mark.parametrize(
    ("values", "cmap", "words"),
    [
        ([0.0, 1.0], None, "viridis"),
        ([-2.0, -1.0], None, "viridis"),
        ([-1.0, 1.0], None, "RdBu_r centered on 0"),
        ([-1.0, 1.0], "gray", "gray"),
        ([-1.0, 1.0], "coolwarm_r", "coolwarm_r centered on 0"),
        ([0.0, 1.0], "coolwarm", "coolwarm"),
    ],
)
def test_the_color_map_follows_the_signs_unless_one_is_named(values, cmap, words):
    caption = draw(activation(torch.tensor([[[values]]])), View(cmap=cmap)).caption
    assert caption.split(" · ")[-1] == words


def test_the_palette_is_matplotlibs_color_map():
    colors = np.frombuffer(palette("magma"), np.uint8).reshape(256, 3)
    exact = matplotlib.colormaps["magma"](np.linspace(0, 1, LEVELS))[:, :3] * 255
    assert np.abs(colors[:LEVELS] - exact).max() <= 1
    assert len({tuple(c) for c in colors[LEVELS:].tolist()}) == 256 - LEVELS - len(SHADES) + 1


def test_a_color_map_that_the_user_registered_is_known(request):
    name = "users_own"
    matplotlib.colormaps.register(
        matplotlib.colors.LinearSegmentedColormap.from_list(name, ["red", "blue"]), name=name
    )
    request.addfinalizer(lambda: matplotlib.colormaps.unregister(name))
    assert palette(View(cmap=name).cmap)[:3] == b"\xff\0\0"


def test_nan_and_infinities_have_colors_of_their_own_and_are_counted():
    inf, nan = torch.inf, torch.nan
    tensor = torch.tensor([[[[0.0, 1.0, nan], [inf, -inf, 0.5]]]])
    drawn = indices_of(tensor)[0]
    assert drawn[0].tolist() == [0, LEVELS - 1, NAN]
    assert drawn[1, :2].tolist() == [POSITIVE_INF, NEGATIVE_INF]
    assert abs(drawn[1, 2] - (LEVELS - 1) / 2) <= 0.5
    *_, figures, findings = draw(activation(tensor), View()).caption.splitlines()
    assert "1, mean 0.5, std 0.408, zeros 17 % ·" in figures
    assert findings == "1 NaN, 2 inf"


def test_a_channel_of_nothing_but_nan_is_not_called_constant():
    tensor = torch.stack([torch.full((3, 3), torch.nan), torch.rand(3, 3)])[None]
    assert (indices_of(tensor)[0] == NAN).all()
    assert "dead" not in draw(activation(tensor), View()).caption
    assert "no finite value" in draw(activation(tensor[:, :1]), View()).caption


def test_a_constant_channel_is_marked_and_never_stretched():
    tensor = torch.rand(1, 4, 6, 6)
    tensor[0, 1], tensor[0, 3] = 0.0, 7.0
    drawing = draw(activation(tensor), View())
    for place, plane in enumerate(indices_of(tensor)):
        if place in (1, 3):
            assert set(plane.flatten().tolist()) == {GAP, CONSTANT}
        else:
            assert CONSTANT not in plane
    assert '2 constant ("dead") channels: 1, 3' in drawing.caption


def test_a_constant_channel_keeps_its_own_index_in_the_caption():
    tensor = torch.rand(1, 8, 4, 4)
    tensor[0, 6] = 1
    assert (
        '1 constant ("dead") channel: 6' in draw(activation(tensor), View(channels="5:8")).caption
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@given(data=st.data())
@settings(max_examples=60, deadline=None)
def test_any_finite_values_are_painted_in_their_order(dtype, data):
    """Whatever the range, a larger value never gets a lower level, and the ends get the ends."""
    floats = st.floats(
        allow_nan=False, allow_infinity=False, width=32 if dtype == torch.float32 else 64
    )
    array = data.draw(
        hnp.arrays(np.float64, hnp.array_shapes(min_dims=3, max_dims=3), elements=floats)
    )
    values = torch.from_numpy(array).to(dtype)
    measured = measure(values)
    colors = choose_range(measured, View(cmap="gray"))
    drawn = painted(values, measured, colors).numpy()
    assert (measured.nan, measured.inf) == (0, 0)
    for plane, there in zip(values.numpy(), drawn, strict=True):
        if plane.min() == plane.max():
            assert set(there.flatten().tolist()) <= {GAP, CONSTANT}
            continue
        order = np.argsort(plane, axis=None, kind="stable")
        assert (np.diff(there.flatten()[order].astype(int)) >= 0).all()
        assert there.flat[plane.argmin()] == 0
        assert there.flat[plane.argmax()] == LEVELS - 1


@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=3, max_dims=3, max_side=4),
        elements=st.sampled_from([0.0, 1.0, -2.5, np.nan, np.inf, -np.inf]),
    )
)
@settings(deadline=None)
def test_figures_are_those_of_the_finite_values(array):
    measured = measure(torch.from_numpy(array))
    finite = array[np.isfinite(array)].astype(np.float64)
    assert measured.nan == np.isnan(array).sum()
    assert measured.inf == np.isinf(array).sum()
    if finite.size:
        assert measured.low.min() == finite.min()
        assert measured.high.max() == finite.max()
        assert math.isclose(measured.mean, finite.mean(), abs_tol=1e-5)
        assert math.isclose(measured.std, finite.std(), abs_tol=1e-5)


def test_mean_and_deviation_hold_out_where_float32_would_overflow():
    measured = measure(torch.tensor([[[3e38, 3e38, -3e38, -3e38]]]))
    assert math.isclose(measured.std, 3e38, rel_tol=1e-6)


rooms = st.builds(
    Viewport,
    density=st.sampled_from([1, 2]),
    width=st.integers(20, 800),
    gap=st.integers(1, 3),
    smallest=st.integers(1, 24),
    largest=st.integers(24, 200),
    columns=st.sampled_from([1, 2, 4]),
    strict=st.booleans(),
)


@given(
    count=st.integers(1, 3000),
    size=st.tuples(st.integers(1, 900), st.integers(1, 900)),
    ncols=st.none() | st.integers(1, 80),
    zoom=st.none() | st.integers(1, 9),
    viewport=rooms,
)
def test_a_layout_always_fits_the_room(count, size, ncols, zoom, viewport):
    try:
        layout = lay_out_tiles(count, size, View(ncols=ncols, zoom=zoom), viewport)
    except FeatmagicError:  # only what was asked for can be too large
        assert zoom or ncols or count * size[0] * size[1] > 10**6
        return
    assert layout.ncols >= 1
    assert layout.zoom >= 1
    assert layout.ncols <= count
    wide = math.ceil(size[1] / layout.shrink) * layout.zoom
    if viewport.strict:
        assert layout.ncols * (wide + viewport.gap) + viewport.gap <= viewport.width
        return
    d = layout.density
    assert d in (1, viewport.density)
    total = layout.ncols * wide + (layout.ncols - 1) * viewport.gap * d
    if zoom is None and layout.ncols * (viewport.gap + 1) <= viewport.width:
        assert total <= viewport.width * d
    assert layout.page in (0, viewport.width * d)
    assert layout.ncols == min(ncols or layout.ncols, count)
    assert layout.zoom == (zoom * d if zoom else layout.zoom)
    assert zoom is None or layout.shrink == 1


@pytest.mark.parametrize(
    ("shape", "ncols"),
    [((5, 24, 24), 5), ((64, 24, 24), 8), ((256, 14, 14), 16), ((64, 112, 112), 8)],
)
def test_grids_are_about_as_wide_as_tall(shape, ncols):
    count, *size = shape
    assert lay_out_tiles(count, tuple(size), View(), PAGE).ncols == ncols


@given(
    array=hnp.arrays(np.uint8, hnp.array_shapes(min_dims=3, max_dims=3, max_side=12)),
    ncols=st.integers(1, 12),
    zoom=st.integers(1, 6),
)
@settings(deadline=None)
def test_every_tile_stands_in_its_place_enlarged_by_whole_numbers(array, ncols, zoom):
    count, height, width = array.shape
    labels = tuple(map(str, range(count)))
    layout = GridLayout(min(ncols, count), zoom, 1)
    mosaic = tile(torch.from_numpy(array), labels, bytes(768), layout)
    canvas = page_image(mosaic)
    strip = page_geometry(mosaic, page_metrics(1)).header
    rest = np.ones(canvas.shape, bool)
    for place, plane in enumerate(array):
        row, column = divmod(place, layout.ncols)
        top = strip + row * (strip + height * zoom + 7)
        left = column * (width * zoom + 5)
        box = np.s_[top : top + height * zoom, left : left + width * zoom]
        assert (canvas[box] == np.kron(plane, np.ones((zoom, zoom), np.uint8))).all()
        rest[box] = False
    assert set(canvas[rest].tolist()) <= {GAP, *SHADES}
    if not strip:
        assert (canvas[rest] == GAP).all()


def test_labels_are_left_out_where_a_tile_has_no_room_for_them():
    narrow = tile(torch.zeros(1, 5, 5).byte(), ("0",), bytes(768), GridLayout(1, 1, 1))
    wide = tile(torch.zeros(1, 7, 7).byte(), ("0",), bytes(768), GridLayout(1, 1, 1))
    assert page_geometry(narrow, page_metrics(1)).header == 0
    assert page_geometry(wide, page_metrics(1)).header > 0
    assert (page_image(wide) >= SHADES.start).any()


class CountedLetters(AsciiCells):
    """Letters that count the lines of tiles they were asked for."""

    lines = 0

    def line(self, upper, lower):
        self.lines += 1
        return super().line(upper, lower)


@pytest.mark.parametrize("height", [1, 9, 30, 10**6])
def test_only_rows_of_tiles_that_are_shown_are_made(height):
    tensor = torch.rand(1, 300, 6, 6)
    mosaic = draw(activation(tensor), View(max=0, ncols=2, zoom=1), terminal_viewport(40)).mosaic
    ink = CountedLetters(mosaic)
    lines = mosaic_lines(mosaic, ink, 40)

    shown = lines.fitting(height)

    assert ink.lines <= 3 * (shown + 1)
    assert len(lines.first(shown)) <= max(height, 4)  # a row of tiles: labels, three lines
    assert shown == max(1, min(150, height // 4))
    assert len(lines.all()) == 150 * 4
    assert ink.lines == 150 * 3


@pytest.mark.parametrize("lines", [20, 24, 40, 100])
@pytest.mark.parametrize("size", [(24, 24), (12, 30), (112, 112)])
@pytest.mark.parametrize("shape", [(28, 28), (224, 224), (40, 120)])
@pytest.mark.parametrize("options", [{}, {"sample": "all"}, {"reduce": "pca"}])
def test_the_input_and_a_row_of_tiles_fit_a_terminals_screen(lines, size, shape, options):
    seen = PassInputs(torch.rand(2, 3, *shape))
    one = Activation("cnn1", "cnn1", "Conv2d", 1, torch.rand(2, 5, *size), inputs=seen)
    mosaic = draw(one, View(input=True, **options), terminal_viewport(80, lines)).mosaic

    made = mosaic_lines(mosaic, AsciiCells(mosaic), 79)

    # Four lines of caption, and three below, with the next prompt.
    assert len(made.first(1)) <= lines - 7
    height, width, _ = mosaic.inputs[0].shape
    assert height >= 4
    assert width <= 79
    if max(height, width) > 12:
        assert height / width == pytest.approx(shape[0] / shape[1], rel=0.15)


def test_the_png_has_a_palette_with_transparent_gaps_and_two_pixels_to_a_css_pixel():
    mosaic = draw(activation(torch.rand(1, 5, 24, 24)), View()).mosaic
    data = mosaic_png(mosaic)
    with Image.open(io.BytesIO(data)) as picture:
        assert picture.format == "PNG"
        assert picture.mode == "P"
        assert (np.asarray(picture) == page_image(mosaic)).all()
        assert picture.width == 2000
        colors = np.frombuffer(mosaic.palette, np.uint8).reshape(256, 3)
        assert picture.getpalette()[: 3 * LEVELS] == colors[:LEVELS].ravel().tolist()
        alpha = list(picture.info["transparency"])
        assert alpha[GAP] == 0
        assert set(alpha[:GAP]) == {255}


@settings(max_examples=60, deadline=None)
@given(
    pixels=hnp.arrays(
        np.uint8,
        st.one_of(hnp.array_shapes(min_dims=2, max_dims=2, max_side=9), st.just((3, 4, 3))),
        elements=st.sampled_from([0, 1, 7, 255]),
    ),
    density=st.integers(1, 3),
)
def test_an_encoded_png_is_the_pixels(pixels, density):
    raster = raster_of(pixels, bytes(range(256)) * 3).enlarged(density)
    with Image.open(io.BytesIO(encode_png(raster))) as picture:
        assert picture.mode == ("RGB" if pixels.ndim == 3 else "P")
        drawn = np.asarray(picture)
    assert np.array_equal(drawn, pixels.repeat(density, 0).repeat(density, 1))


@pytest.mark.parametrize("density", [1, 2])
def test_a_png_of_many_lines_is_the_pixels(density):
    pixels = torch.randint(0, 256, (700, 5)).byte().numpy().repeat(2, 0)
    raster = raster_of(pixels, bytes(range(256)) * 3).enlarged(density)
    with Image.open(io.BytesIO(encode_png(raster))) as picture:
        assert np.array_equal(np.asarray(picture), pixels.repeat(density, 0).repeat(density, 1))


def test_a_plane_too_large_for_the_page_is_averaged_and_says_so():
    tensor = torch.rand(1, 64, 256, 256)
    drawing = draw(activation(tensor), View())
    assert drawing.mosaic.tile_size == (86, 86)
    assert "shrunk: 3 × 3 values averaged" in drawing.caption
    plane = tensor[0, 3].double().numpy()
    padded = np.full((258, 258), np.nan)
    padded[:256, :256] = plane
    exact = np.nanmean(padded.reshape(86, 3, 86, 3).swapaxes(1, 2).reshape(86, 86, 9), 2)
    levels = (exact - plane.min()) / (plane.max() - plane.min()) * (LEVELS - 1)
    assert np.abs(indices_of(tensor)[3] - levels).max() <= 0.5 + 1e-2


def test_zoom_one_draws_every_value_of_a_large_plane():
    mosaic = draw(activation(torch.rand(1, 4, 500, 500)), View(zoom=1)).mosaic
    assert mosaic.tile_size == (500, 500)


@pytest.mark.parametrize(
    ("tensor", "expected"),
    [
        (
            torch.tensor([[[[0.0, 2.0]], [[1.0, 4.0]]]]),
            "cnn1  Conv2d  (1, 2, 1, 2) float32 cpu\nNCHW, 2 of 2 channels, sample 0"
            " · 0 █▁█▁█▁▁█ 4, mean 1.75, std 1.48, zeros 25 %"
            " · viridis, color range per channel",
        ),
        (torch.tensor(2.0), "cnn1  Conv2d  () float32 cpu · the single value 2"),
        (
            torch.zeros(1, 0, 2, 2).half(),
            "cnn1  Conv2d  (1, 0, 2, 2) float16 cpu · empty, no picture",
        ),
    ],
)
def test_a_caption_is_what_it_is_in_one_line_and_what_is_shown_in_another(tensor, expected):
    assert draw(activation(tensor), View()).caption == expected


def test_the_caption_says_how_many_channels_there_are():
    assert "64 of 100 channels" in draw(activation(torch.rand(1, 100, 2, 2)), View()).caption


def test_control_characters_in_a_name_are_spelled_out():
    caption = draw(activation(torch.rand(1, 1, 2, 2), key="a\x1b[2Jb"), View()).caption
    assert caption.startswith(r"a\x1b[2Jb  Conv2d")


def test_a_channel_out_of_range_draws_nothing():
    with pytest.raises(FeatmagicError, match="No channel 9: there are 5"):
        draw(activation(torch.rand(1, 5, 2, 2)), View(channels="0,9"))


def test_ranges_at_the_ends_of_float64_are_painted_too():
    rows = [[0.0, 2.2e-309], [-1.7e308, 1.7e308], [5e-324, 1e-323], [1e308, 1e308], [0.0, 1.0]]
    values = torch.tensor(rows, dtype=torch.float64)[:, None]
    measured = measure(values)
    colors = choose_range(measured, View(cmap="gray"))
    drawn = painted(values, measured, colors)
    ends = [0, LEVELS - 1]
    assert [plane[0].tolist() for plane in drawn] == [ends, ends, ends, [CONSTANT, GAP], ends]


@pytest.mark.parametrize("count", [25_088, 25_500])  # the second's last row is a row of blocks
def test_what_only_fills_a_folded_vector_is_never_averaged_into_a_value(count):
    """Many values in a narrow room: shrunk, with the last row not full."""
    values = torch.rand(1, count) + 5
    viewport = Viewport(width=79, gap=1, smallest=8, largest=24, columns=2, strict=True)
    drawing = draw(activation(values), View(), viewport)
    mosaic = drawing.mosaic
    width = math.ceil(math.sqrt(count))
    rows = math.ceil(count / width)
    factor = int(re.search(r"shrunk: (\d+) ×", drawing.caption)[1])
    assert factor > 1
    plane = np.full(rows * width, np.nan)
    plane[:count] = values[0].double().numpy()
    plane = plane.reshape(rows, width)
    low, high = values.min().item(), values.max().item()
    for (row, column), index in np.ndenumerate(mosaic.indices[0, :, 0]):
        block = plane[row * factor : (row + 1) * factor, column * factor : (column + 1) * factor]
        if np.isnan(block).all():
            assert index == GAP
        else:
            level = (np.nanmean(block) - low) / (high - low) * (LEVELS - 1)
            assert abs(index - level) <= 0.5 + 1e-2


def test_the_histogram_of_many_values_is_that_of_all_of_them_to_a_letter():
    tensor = torch.randn(1, 64, 112, 112)
    blocks = re.search(r"[▁-█]{8}", draw(activation(tensor), View()).caption)[0]
    counts = np.histogram(tensor.numpy(), bins=8)[0]
    heights = 7 * counts / counts.max()
    assert all(abs("▁▂▃▄▅▆▇█".index(b) - h) < 0.6 for b, h in zip(blocks, heights, strict=True))
