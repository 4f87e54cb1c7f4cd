"""The film strip of many layers, its pictures and figures compared with values computed apart."""

from __future__ import annotations

import io
import re
from dataclasses import replace

import matplotlib
import numpy as np
import pytest
import torch
import torchvision
from helpers.networks import DNN, Block, images
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

import featmagic
from featmagic.options.view import View
from featmagic.overview.filmstrip import filmstrip
from featmagic.overview.health import PARTS, SAMPLED
from featmagic.overview.image import (
    PITCH,
    TILES_TOP,
    WIDTH,
    columns_of,
    filmstrip_png,
    head_height,
    headed_image,
)
from featmagic.overview.table import conclusion, filmstrip_text
from featmagic.overview.text import filmstrip_lines
from featmagic.overview.thumbnails import HALF
from featmagic.recording.layout_hints import LayoutHint
from featmagic.recording.records import Activation
from featmagic.render.palette import CONSTANT, GAP, MARK, NAN, NEGATIVE_INF, POSITIVE_INF, SHADES
from featmagic.render.target import RENDERERS
from featmagic.render.viewport import PAGE, Viewport
from featmagic.support.errors import FeatmagicError
from featmagic.support.text import format_bytes

SIDE, WIDE = 28, 30  # a tile's side, and from one to the next
LEFT = 140  # of the first tile, where names are short


def terminal(columns):
    return Viewport(width=columns - 1, gap=1, smallest=8, largest=24, columns=2, strict=True)


def activation(tensor, key="conv", kind="Conv2d"):
    return Activation(key, key, kind, 1, tensor)


def film_of(*tensors, viewport=PAGE, **view):
    wanted = [activation(tensor, f"layer{n}") for n, tensor in enumerate(tensors)]
    return filmstrip(wanted, View(overview=True, **view), viewport)


def lines_of(film, colors, columns):
    """The film in half blocks of so many colors, or in plain letters where there are none."""
    renderer = RENDERERS["blocks" if colors else "ascii"]
    return filmstrip_lines(film, renderer.cells, colors, columns)


def leaves(model, *inputs):
    """Every activation of the modules that hold no others."""
    names = [name for name, module in model.named_modules() if not list(module.children())]
    with featmagic.capture(model.eval(), *names) as maps, torch.no_grad():
        model(*inputs)
    return list(maps.kept.activations.values())


def decoded(film):
    """The PNG's indices, one to a CSS pixel, a row each layer, and its palette."""
    with Image.open(io.BytesIO(filmstrip_png(film))) as picture:
        assert picture.mode == "P"
        assert picture.info["transparency"][GAP] == 0
        d = picture.width // WIDTH
        assert picture.width == d * WIDTH
        colors = np.array(picture.getpalette(), np.uint8).reshape(-1, 3)
        pixels = np.asarray(picture)[d * head_height(film) :]
    assert len(pixels) == d * PITCH * len(film.rows)
    rows = pixels.reshape(-1, d * PITCH, d * WIDTH)[:, ::d, ::d]
    # Without some of the room of the names, so that the tiles of all films begin at one place.
    apart = columns_of(film).tiles - LEFT
    return np.concatenate([rows[..., :10], rows[..., 10 + apart :]], 2), colors


def tiles_of(row, count, shape):
    """The tiles of a decoded row, of `shape` each, one pixel a value."""
    zoom = SIDE // max(shape)
    tall, wide = (side * zoom for side in shape)
    top, left = TILES_TOP + (SIDE - tall) // 2, LEFT + (SIDE - wide) // 2
    found = [row[top : top + tall, left + WIDE * n : left + WIDE * n + wide] for n in range(count)]
    for tile in found:
        assert (tile == tile[::zoom, ::zoom].repeat(zoom, 0).repeat(zoom, 1)).all()
    return np.stack([tile[::zoom, ::zoom] for tile in found])


def averaged(planes, factor):
    """Blocks averaged, those at the edges of what they have."""
    count, height, width = planes.shape
    tall, wide = (-(-side // factor) for side in (height, width))
    blocks = np.full((count, tall * factor, wide * factor), np.nan)
    blocks[:, :height, :width] = planes
    return np.nanmean(blocks.reshape(count, tall, factor, wide, factor), (2, 4))


def place_of(planes, layer):
    """Where the values lie in their half of the palette, and the planes of one value."""
    low, high = planes.min((1, 2)), planes.max((1, 2))
    constant = low == high
    start = 0
    if layer.min() < 0 < layer.max():
        high = np.maximum(abs(low), abs(high))
        low, start = -high, HALF
    small = averaged(planes, -(-max(planes.shape[1:]) // SIDE))
    span = np.where(high > low, high - low, 1)[:, None, None]
    return start + (small - low[:, None, None]) / span * (HALF - 1), constant


def assert_tiles(row, values, sample=0):
    layer = values.double().numpy()
    places, constant = place_of(layer[sample, :8], layer)
    drawn = tiles_of(row, len(places), places.shape[1:])
    for tile, place, dead in zip(drawn, places, constant, strict=True):
        if dead:
            assert set(tile.flatten().tolist()) == {GAP, CONSTANT}
        else:
            assert np.abs(tile - place).max() <= 0.76


NETWORKS = {
    "resnet18": (lambda: torchvision.models.resnet18(), (2, 3, 96, 80)),
    "squeezenet": (lambda: torchvision.models.squeezenet1_1(), (1, 3, 130, 130)),
    "mobilenet": (lambda: torchvision.models.mobilenet_v3_small(), (1, 3, 64, 64)),
}


@pytest.mark.parametrize("name", NETWORKS)
def test_every_layers_tiles_are_its_first_eight_channels_in_their_own_ranges(name):
    make, shape = NETWORKS[name]
    wanted = leaves(make(), torch.randn(shape))
    rows, _ = decoded(film := filmstrip(wanted, View()))
    assert len(rows) == len(wanted)
    drawn = 0
    for one, row, frame in zip(wanted, rows, film.rows, strict=True):
        if one.tensor.dim() == 4 and one.tensor[0, 0].numel() > 1:
            assert_tiles(row, one.tensor)
            drawn += 1
        assert frame.tiles is not None
    assert drawn > len(wanted) / 2


def test_a_row_is_the_same_alone_and_among_others():
    wanted = leaves(torchvision.models.resnet18(), torch.randn(1, 3, 64, 64))
    together, _ = decoded(filmstrip(wanted, View()))
    for place in (0, 3, 20, len(wanted) - 1):
        alone, _ = decoded(filmstrip([wanted[place]], View()))
        begin = LEFT - 1
        assert (alone[0][:, begin : begin + 240] == together[place][:, begin : begin + 240]).all()


def test_the_palette_is_both_color_maps_of_matplotlib():
    _, colors = decoded(film_of(torch.rand(1, 2, 8, 8)))
    for start, name in ((0, "viridis"), (HALF, "RdBu_r")):
        exact = matplotlib.colormaps[name](np.linspace(0, 1, HALF))[:, :3] * 255
        assert np.abs(colors[start : start + HALF] - exact).max() <= 1
    assert len({tuple(c) for c in colors[2 * HALF + 1 : 2 * HALF + 7].tolist()}) == 6


def test_zero_has_the_middle_color_of_the_diverging_map():
    film = film_of(torch.tensor([[[[-1.0, 0.0], [0.5, 3.0]]]]))
    assert film.rows[0].tiles[0, 0, 1] == HALF + HALF // 2


def test_the_view_chooses_sample_channels_and_colors():
    tensor = torch.rand(3, 20, 14, 14)
    film = film_of(tensor, sample=-1, channels="3,17", cmap="gray")
    rows, colors = decoded(film)
    assert_tiles(rows[0], tensor[:, [3, 17]], sample=2)
    assert (colors[:HALF, 0] == colors[:HALF, 2]).all()
    assert "sample -1, channels 3,17" in filmstrip_text(film)


@pytest.mark.parametrize("options", [{"zoom": 2}, {"scale": "layer"}, {"sort": "mean"}])
def test_an_option_that_would_change_nothing_is_refused(options):
    with pytest.raises(FeatmagicError, match=f"--{next(iter(options))} doesn't apply here"):
        film_of(torch.rand(1, 2, 4, 4), **options)


def test_several_samples_are_refused():
    with pytest.raises(FeatmagicError, match="An overview shows one sample"):
        film_of(torch.rand(2, 2, 4, 4), sample="all")


def test_single_values_are_lines_of_cells_in_their_order():
    values = torch.rand(1, 1000)
    rows, _ = decoded(film_of(values))
    cells = rows[0][TILES_TOP : TILES_TOP + SIDE, LEFT : LEFT + 238]
    first = next(n for n, line in enumerate(cells) if (line != GAP).any())
    lines = cells[first : first + 18 : 2, :238:2].reshape(-1)
    exact = (values - values.min()) / (values.max() - values.min()) * (HALF - 1)
    assert np.abs(lines[:1000] - exact[0].double().numpy()).max() <= 0.76
    assert (lines[1000:] == GAP).all()


def test_a_sequence_is_a_heat_map_over_the_whole_strip():
    lstm = nn.LSTM(8, 14, batch_first=True)
    wanted = leaves(nn.Sequential(lstm), torch.randn(1, 34, 8))
    output = wanted[0].tensor[0].double().numpy()  # steps, units
    rows, _ = decoded(filmstrip(wanted, View()))
    drawn = rows[0][TILES_TOP : TILES_TOP + SIDE : 2, LEFT : LEFT + 238 : 7]
    exact = HALF + (output.T / np.abs(output).max() + 1) / 2 * (HALF - 1)
    assert np.abs(drawn - exact).max() <= 0.76


def healths_of(*tensors):
    return [frame.health for frame in film_of(*tensors).rows]


def test_ranges_and_dead_channels_are_those_of_all_values():
    wanted = leaves(torchvision.models.resnet18(), torch.randn(2, 3, 64, 64))
    for frame in filmstrip(wanted, View()).rows:
        values = frame.activation.tensor.double().numpy()
        assert (frame.health.low, frame.health.high) == (values.min(), values.max())
        by_channel = values.swapaxes(0, 1).reshape(values.shape[1], -1)
        assert frame.health.channels == values.shape[1]
        assert frame.health.dead == sum(len(set(row)) == 1 for row in by_channel.tolist())


def test_small_layers_have_exact_shares_and_large_ones_say_that_theirs_are_not():
    small = torch.randn(1, 4, 15, 15).relu()
    large = torch.randn(4, 64, 32, 32).relu()
    film = film_of(small, large)
    values = small.double().numpy()
    exact = np.histogram(values, PARTS, (values.min(), values.max()))[0]
    assert np.abs(np.array(film.rows[0].health.histogram) - exact).sum() <= 2
    assert film.rows[0].health.zeros == (values == 0).mean()
    assert np.isclose(film.rows[0].health.mean, values.mean())
    told = film.rows[1].health
    assert told.sampled
    assert SAMPLED / 2 <= sum(told.histogram) <= SAMPLED
    assert abs(told.zeros - 0.5) < 0.06
    assert abs(told.mean - large.mean().item()) < 0.06
    lines = filmstrip_text(film).splitlines()
    told = "approximated from 1,024 values per layer; everything else uses all values"
    assert f"≈ and histograms: {told}" in lines
    assert "≈" not in lines[-2]
    assert "mean ≈" in lines[-1]
    assert "zeros ≈" in lines[-1]


def test_evenly_spaced_values_fall_in_with_no_column():
    """One column of every row is zero: a step of whole rows would see all of it or none."""
    tensor = torch.ones(1, 64, 64, 64)
    tensor[..., 0] = 0
    assert abs(healths_of(tensor)[0].zeros - 1 / 64) < 0.01


def test_a_channel_is_dead_that_is_one_value_in_all_samples():
    tensor = torch.rand(2, 5, 6, 6)
    tensor[:, 1] = 0.5
    tensor[0, 3] = 0.5  # alive in the other sample
    tensor[0, 4], tensor[1, 4] = 1, 2
    health = healths_of(tensor)[0]
    assert (health.dead, health.channels) == (1, 5)
    assert "dead 1 of 5" in filmstrip_text(film_of(tensor))
    told = ' · constant ("dead") channels in 1 layer'
    assert filmstrip_text(film_of(tensor)).splitlines()[0].endswith(told)


def test_single_values_are_never_called_dead():
    assert healths_of(torch.zeros(1, 10))[0].channels == 0
    assert "dead" not in filmstrip_text(film_of(torch.zeros(1, 10)))


@pytest.mark.parametrize("layout", ["NHWC", "NLC"])
def test_dead_channels_are_found_on_the_last_axis_too(layout):
    tensor = torch.rand((2, 4, 4, 6)[4 - len(layout) :])
    tensor[..., 2] = 0
    film = film_of(tensor, layout=layout)
    assert (film.rows[0].health.dead, film.rows[0].health.channels) == (1, 6)


class Spoils(nn.Module):
    def __init__(self, value):
        super().__init__()
        self.value = value

    def forward(self, x):
        x = x.clone()
        x[0, 1, 2, 3:5] = self.value
        return x


def test_the_first_layers_with_nan_and_with_infinities_are_named():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.ReLU(), Spoils(torch.inf), nn.Conv2d(4, 4, 3), Spoils(torch.nan)
    )
    model[3].weight.data.abs_()  # no inf - inf in here
    wanted = leaves(model, torch.randn(1, 3, 20, 20))
    film = filmstrip(wanted, View())
    text = filmstrip_text(film)
    for name, missing in (("NaN", np.isnan), ("inf", np.isinf)):
        having = [one for one in wanted if missing(one.tensor.numpy()).any()]
        line = f"first {name}: {having[0].key} ({len(having)} of 5 layers have it)"
        assert line in text.splitlines()
    assert "no NaN" not in text
    for frame in film.rows:
        values = frame.activation.tensor.double().numpy()
        finite = values[np.isfinite(values)]
        assert frame.health.nan == np.isnan(values).sum()
        assert frame.health.inf == np.isinf(values).sum()
        assert (frame.health.low, frame.health.high) == (finite.min(), finite.max())


def test_nan_and_infinities_are_loud_in_the_picture():
    tensor = torch.rand(1, 8, 20, 20)
    tensor[0, 0, 5, 5], tensor[0, 1, 5, 5], tensor[0, 2, 5, 5] = torch.nan, torch.inf, -torch.inf
    rows, _ = decoded(film_of(tensor, torch.rand(1, 8, 20, 20)))
    tiles = tiles_of(rows[0], 8, (20, 20))
    assert [tile[5, 5] for tile in tiles[:3]] == [NAN, POSITIVE_INF, NEGATIVE_INF]
    rest = np.ones((20, 20), bool)
    rest[5, 5] = False
    exact = tensor[0, :3].double().numpy()[:, rest]
    low, high = exact.min(1, keepdims=True), exact.max(1, keepdims=True)
    # The layer is of one sign, but for what is infinite.
    assert np.abs(tiles[:3, rest] - (exact - low) / (high - low) * (HALF - 1)).max() <= 0.76
    assert {NAN, MARK} == set(rows[0][: PITCH - 2, :4].ravel().tolist())  # a bar of marks
    words = rows[0][:, LEFT + 240 :]
    assert {NAN, MARK, SHADES[-1]} <= set(words.ravel().tolist())  # a mark before the words
    assert NAN not in rows[1]
    assert (rows[1][:, :4] == GAP).all()


def test_the_alarm_is_in_the_head_of_the_picture():
    film = film_of(torch.full((1, 2, 4, 4), torch.nan))
    with Image.open(io.BytesIO(filmstrip_png(film))) as picture:
        above = np.asarray(picture)[: 2 * head_height(film)]
    assert {NAN, MARK, SHADES[-1]} <= set(above.ravel().tolist())
    assert "no finite value" in filmstrip_text(film)


def test_names_have_the_room_they_need_and_columns_never_overlap():
    for length in (1, 20, 60, 400):
        film = filmstrip([activation(torch.rand(1, 2, 4, 4), "n" * length)], View())
        for width in (760, 820, 1000):
            columns = columns_of(film, width)
            assert columns.tiles + 238 < columns.histograms
            assert columns.histograms + 64 < columns.ranges < columns.shares < columns.end == width


def test_very_many_layers_have_a_picture_of_one_pixel_to_a_css_pixel():
    film = film_of(*[torch.rand(1, 2, 4, 4)] * 140)
    picture = headed_image(film)
    assert picture.density == 1
    assert picture.width == WIDTH
    assert headed_image(film_of(*[torch.rand(1, 2, 4, 4)] * 20)).density == 2


def test_memory_is_that_of_all_activations():
    wanted = leaves(torchvision.models.resnet18(), torch.randn(1, 3, 64, 64))
    film = filmstrip(wanted, View())
    assert [frame.nbytes for frame in film.rows] == [one.tensor.nbytes for one in wanted]
    total = sum(one.tensor.nbytes for one in wanted)
    assert filmstrip_text(film).startswith(
        f"{len(wanted)} layers · {total / 1e6:.3g} MB of activations"
    )


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (802_816, "803 kB"), (3_211_264, "3.21 MB")],
)
def test_bytes_are_said_in_the_unit_that_suits(count, text):
    assert format_bytes(count) == text


def test_the_text_has_a_line_for_each_layer_with_its_name_class_and_shape():
    model = Block()
    wanted = leaves(model, torch.randn(1, 4, 12, 12))
    lines = filmstrip_text(filmstrip(wanted, View())).splitlines()[-len(wanted) :]
    for one, line in zip(wanted, lines, strict=True):
        assert re.split(r"  +", line)[:3] == [one.key, one.kind, str(tuple(one.tensor.shape))]
    assert any(line.startswith("relu:2 ") for line in lines)
    assert len({line.index("(") for line in lines}) == 1


def test_which_call_of_its_layer_a_row_is_is_told():
    one = replace(activation(torch.rand(1, 2, 3, 3)), counts={"conv": 2})
    film = filmstrip([one], View())
    assert filmstrip_text(film).endswith("call 1 of 2")


def test_a_name_with_control_characters_can_do_nothing():
    one = activation(torch.rand(1, 2, 8, 8), "a\x1b[2J\nb", "Cl\x07ass")
    for viewport in (PAGE, terminal(80)):
        film = filmstrip([one], View(), viewport)
        assert r"a\x1b[2J\nb" in filmstrip_text(film)
        assert "\x07" not in filmstrip_text(film)
        assert "\x1b" not in filmstrip_text(film)
        filmstrip_png(film)
    assert "\x1b[2J" not in lines_of(film, 256, 79)


ODD = {
    "scalar": torch.tensor(2.5),
    "vector": torch.rand(7),
    "empty": torch.zeros(1, 0, 4),
    "sequence": torch.rand(2, 5, 9),
    "volume": torch.rand(1, 3, 4, 8, 8),
    "six axes": torch.rand(1, 2, 1, 2, 1, 2),
    "integers": torch.arange(48).view(1, 3, 4, 4),
    "complex": torch.rand(1, 2, 4, 4, dtype=torch.complex64),
    "bool": torch.rand(1, 2, 4, 4) > 0.5,
    "half": torch.rand(1, 2, 4, 4).half(),
    "bfloat16": torch.rand(1, 2, 4, 4).bfloat16(),
    "double": torch.rand(1, 2, 4, 4).double() * 1e300,
    "widest": torch.tensor([[[[-1.7e308, 1.7e308]]]], dtype=torch.float64),
    "meta": torch.zeros(1, 2, 4, 4, device="meta"),
    "sparse": torch.eye(6).to_sparse(),
    "nested": torch.nested.nested_tensor([torch.rand(2, 3), torch.rand(4, 3)]),
    "channels last": torch.rand(1, 9, 12, 12).to(memory_format=torch.channels_last),
    "expanded": torch.rand(1, 4, 1, 1).expand(1, 4, 50, 50),
    "wide": torch.rand(1, 3, 1, 900),
    "very large": torch.rand(1, 700, 5000),
}


def test_odd_activations_are_drawn_or_the_reason_is_said():
    wanted = [activation(tensor, name) for name, tensor in ODD.items()]
    for viewport in (PAGE, terminal(80), None):
        film = filmstrip(wanted, View(), viewport)
        lines = dict(zip(ODD, filmstrip_text(film).splitlines()[-len(ODD) :], strict=True))
        assert all(line.startswith(name) for name, line in lines.items())
        assert "all 2.5" in lines["scalar"]
        assert "empty, no picture" in lines["empty"]
        assert "no values on the meta device" in lines["meta"]
        assert "nested tensor" in lines["nested"]
        assert "72 B" in lines["nested"]
        assert "int64" in lines["integers"]
        by_name = {frame.activation.key: frame for frame in film.rows}
        assert (by_name["integers"].health.low, by_name["integers"].health.high) == (0, 47)
        assert by_name["complex"].health.high == pytest.approx(ODD["complex"].abs().max().item())
        assert by_name["expanded"].health.dead == 4
        if viewport is None:
            assert all(frame.tiles is None for frame in film.rows)
        elif viewport is PAGE:
            undrawn = {name for name, frame in by_name.items() if frame.tiles is None}
            assert undrawn == {"scalar", "empty", "meta", "nested", "six axes"}
            assert_tiles(decoded(film)[0][list(ODD).index("channels last")], ODD["channels last"])


def test_a_vision_transformers_tokens_are_on_their_grid():
    model = torchvision.models.VisionTransformer(
        image_size=32, patch_size=8, num_layers=1, num_heads=2, hidden_dim=16, mlp_dim=32
    )
    wanted = leaves(model, torch.randn(1, 3, 32, 32))
    rows, _ = decoded(filmstrip(wanted, View()))
    place = [one.key for one in wanted].index("encoder.ln")
    tokens = wanted[place].tensor
    assert_tiles(rows[place], tokens[:, 1:].reshape(1, 4, 4, 16).permute(0, 3, 1, 2))


shapes = st.lists(st.integers(0, 40), min_size=0, max_size=6).map(tuple)
kinds = st.sampled_from([torch.float32, torch.float64, torch.float16, torch.int32, torch.bool])


@given(data=st.lists(st.tuples(shapes, kinds), min_size=1, max_size=4), columns=st.integers(9, 120))
@settings(deadline=None, max_examples=60)
def test_any_shapes_make_a_film(data, columns):
    tensors = [
        torch.randn([min(side, 6) for side in shape] if len(shape) > 3 else shape).to(dtype)
        for shape, dtype in data
    ]
    film = film_of(*tensors)
    decoded(film)
    assert len(filmstrip_text(film).splitlines()) >= len(tensors)
    in_terminal = film_of(*tensors, viewport=terminal(columns))
    for line in lines_of(in_terminal, 2**24, columns - 1).split("\n"):
        assert len(re.sub(r"\x1b\[[0-9;]*m", "", line)) <= columns - 1


values = st.sampled_from([0.0, 1.0, -2.5, 3e38, np.nan, np.inf, -np.inf])


@given(st.lists(values, min_size=24, max_size=24))
@settings(deadline=None)
def test_counts_are_those_of_all_values_whatever_they_are(numbers):
    array = np.array(numbers, np.float32).reshape(1, 2, 3, 4)
    health = healths_of(torch.from_numpy(array))[0]
    finite = array[np.isfinite(array)].astype(np.float64)
    assert (health.nan, health.inf) == (np.isnan(array).sum(), np.isinf(array).sum())
    assert sum(health.histogram) == finite.size
    if finite.size:
        assert (health.low, health.high) == (finite.min(), finite.max())
        assert np.isclose(health.mean, finite.mean())


def screen_of(text, columns):
    """The terminal's cells after the text."""
    import pyte

    lines = text.split("\n")
    screen = pyte.Screen(columns, len(lines) + 1)
    pyte.Stream(screen).feed(text.replace("\n", "\r\n"))
    return screen


def test_half_blocks_are_the_tiles_in_the_colors_of_the_palette():
    tensor = torch.rand(1, 8, 6, 6)
    film = film_of(tensor, viewport=terminal(80))
    text = lines_of(film, 2**24, 79)
    screen = screen_of(text, 80)
    top = next(n for n, line in enumerate(screen.display) if line.startswith("layer0")) + 1
    colors = np.frombuffer(film.palette, np.uint8).reshape(256, 3)
    places, _ = place_of(tensor[0].double().numpy(), tensor.numpy())
    for (tile, row, column), place in np.ndenumerate(places):
        cell = screen.buffer[top + row // 2][tile * 7 + column]
        code = cell.bg if row % 2 else cell.fg
        near = [n for n in range(HALF) if abs(n - place) <= 0.76]
        assert code in {"".join(f"{part:02x}" for part in colors[n]) for n in near}
    assert "dead 0 of 8" in screen.display[top + 2]
    assert "1.15 kB" in screen.display[top + 2]


@pytest.mark.parametrize("low", [0.0, -1.0])
def test_letters_run_over_the_whole_ramp_whatever_the_signs(low):
    steps = torch.linspace(low, 1, 18).reshape(3, 6).repeat_interleave(2, 0)
    film = film_of(steps[None, None], viewport=terminal(80))

    lines = lines_of(film, 0, 79).split("\n")

    top = next(n for n, line in enumerate(lines) if line.startswith("layer0")) + 1
    found = [".:-=+*#%@".index(letter) for line in lines[top : top + 3] for letter in line[:6]]
    assert set(found) == set(range(9))
    # The middle of a letter's part of the range, which a level's rounding may pass.
    assert np.abs(np.array(found) + 0.5 - np.linspace(0, 9, 18)).max() <= 0.5 + 9 / 123


@pytest.mark.parametrize("colors", [0, 256])
def test_facts_stand_in_one_column_beside_whatever_tiles(colors):
    tensors = torch.rand(1, 8, 6, 6), torch.rand(1, 2, 6, 6), torch.rand(1, 5), torch.zeros(1, 1, 2)
    film = film_of(*tensors, viewport=terminal(80))

    display = screen_of(lines_of(film, colors, 79), 80).display

    left = film.band.width + 2
    for name in ("layer0", "layer1", "layer2", "layer3"):
        top = next(n for n, line in enumerate(display) if line.startswith(name)) + 1
        facts = [line[left:].rstrip() for line in display[top : top + 3]]
        assert all(line[left - 2 : left] == "  " for line in display[top : top + 3])
        assert re.fullmatch(r"(.* … .*|all 0)", facts[1])
        assert re.fullmatch(r"(dead \d of \d  )?[\d.]+ k?B", facts[2])


@pytest.mark.parametrize("columns", [17, 20, 24, 30])
def test_a_layer_with_nan_keeps_its_name_in_a_narrow_terminal(columns):
    tensor = torch.rand(1, 3, 9, 9)
    tensor[0, 0], tensor[0, 1, 0, :2] = torch.nan, torch.inf
    film = film_of(tensor, viewport=terminal(columns))

    lines = lines_of(film, 0, columns - 1).split("\n")

    at = next(n for n, line in enumerate(lines) if line.startswith("layer0"))
    assert any(line.endswith("  81 NaN, 2 inf") for line in lines[at : at + 2])
    assert max(map(len, lines)) < columns


def test_the_head_speaks_of_one_channel_where_there_is_room_for_one():
    assert "the first channel · " in filmstrip_text(
        film_of(torch.rand(1, 3, 9, 9), viewport=terminal(24))
    )
    assert "the first 8 channels" in filmstrip_text(film_of(torch.rand(1, 3, 9, 9)))


@pytest.mark.parametrize("columns", [20, 40, 60, 80, 200])
@pytest.mark.parametrize("colors", [256, 2**24])
def test_the_film_fits_the_terminal(columns, colors):
    spoilt = torch.rand(1, 12, 30, 30)
    spoilt[0, 0, 0, 0] = torch.nan
    wanted = [
        *leaves(DNN(), images()),
        activation(spoilt, "a.very.long.path." * 5, "NonDynamicallyQuantizableLinear"),
        activation(torch.rand(1, 3, 9, 9), "层" * 60),
    ]
    film = filmstrip(wanted, View(), terminal(columns))
    text = lines_of(film, colors, columns - 1)
    assert len(screen_of(text, columns).display) == text.count("\n") + 2
    plain = re.sub(r"\x1b\[[0-9;]*m", "", text)
    wide = [len(line) + line.count("层") for line in plain.split("\n")]
    assert max(wide) <= columns - 1
    assert "1 NaN" in plain
    assert "first NaN" in plain.replace("\n  ", " ")


@pytest.mark.parametrize("colors", [0, 256, 2**24])
def test_below_the_table_a_terminal_repeats_what_may_be_wrong(colors):
    spoilt, dying = torch.rand(1, 4, 9, 9), torch.rand(1, 6, 9, 9)
    spoilt[0, 0, 0, 0] = torch.nan
    dying[0, 2:4] = 0.5
    made = activation(torch.rand(1, 3, 9, 9)), activation(dying, "dying"), activation(spoilt, "bad")
    plain = re.sub(
        r"\x1b\[[0-9;]*m", "", lines_of(filmstrip(made, View(), terminal(80)), colors, 79)
    )
    assert plain.split("\n")[-3:] == [
        "",
        "layer with most dead channels: dying (2 of 6)",
        "first NaN: bad (1 of 3 layers have it)",
    ]
    well = lines_of(filmstrip(made[:1], View(), terminal(80)), colors, 79)
    assert "first" not in well.split("\n")[-1]


def test_the_layer_with_most_dead_channels_is_that_with_the_largest_share():
    few, many = torch.rand(1, 4, 9, 9), torch.rand(1, 12, 9, 9)
    few[0, :2], many[0, :3] = 0, 0
    made = filmstrip([activation(many, "many"), activation(few, "few")], View())
    assert conclusion(made) == ["layer with most dead channels: few (2 of 4)"]
    assert conclusion(film_of(torch.rand(1, 2, 5, 5))) == []


def test_a_picture_under_its_caption_has_no_head_and_one_that_stands_alone_has(tmp_path):
    with featmagic.capture(model := DNN(), "cnn1", "act1") as maps:
        model(images())
    ((text, png),) = maps.pictures(overview=True)
    assert text.startswith("2 layers · ")
    with Image.open(io.BytesIO(png)) as picture:
        assert picture.height == 2 * 2 * PITCH
    (file,) = maps.save(tmp_path / "all.png", overview=True)
    film = filmstrip(maps._request((), View()).activations, View())
    with Image.open(file) as picture:
        assert picture.height == 2 * (head_height(film) + 2 * PITCH)
        assert np.array_equal(np.asarray(picture)[2 * head_height(film) :], image_of(png))


def image_of(png):
    with Image.open(io.BytesIO(png)) as picture:
        return np.asarray(picture)


def test_a_layer_of_nothing_but_nan_has_no_share_of_zeros():
    text = filmstrip_text(film_of(torch.full((1, 2, 4, 4), torch.nan)))
    assert "no finite value" in text
    assert "zeros" not in text.splitlines()[-1]


def test_no_layers_make_an_empty_film():
    film = film_of()
    assert filmstrip_text(film).startswith("0 layers · 0 B of activations")
    assert filmstrip_png(film)[1:4] == b"PNG"
    assert lines_of(film_of(viewport=terminal(80)), 256, 79)


def test_recurrent_states_have_0_in_the_middle_even_if_all_have_one_sign():
    """A state lies between -1 and 1, whatever its values happen to be."""
    values = torch.rand(1, 6, 4) + 0.5
    hints = {"recurrent": "layer", "order": "NLC", "sure": True}
    recurrent, other = (
        replace(activation(values, key, kind="LSTM"), hint=LayoutHint(**hint))
        for key, hint in (("lstm", hints), ("linear", {}))
    )
    film = filmstrip([recurrent, other], View(overview=True, layout="NLC"))
    for row, start in zip(film.rows, (HALF, 0), strict=True):
        levels = row.tiles.astype(int) - start
        assert levels.min() >= 0
        assert levels.max() < HALF
    least = float(values.min() / values.max())
    assert film.rows[0].tiles.min() == pytest.approx(HALF + (1 + least) / 2 * HALF, abs=1)
    assert film.rows[1].tiles.min() == 0
