"""The terminal explorer's screen in lines: layers, previews, the frame, captions and the status."""

import pytest
import torch

from featmagic.explorer.terminal.layer_table import layer_entries, layer_table
from featmagic.explorer.terminal.preview import (
    Canvas,
    Place,
    PreviewGrid,
    channel_statistics,
    enlarged_preview,
    preview,
)
from featmagic.explorer.terminal.screen import (
    compose_screen,
    cut,
    frame_chosen,
    status_lines,
    styled,
)
from featmagic.explorer.terminal.state import ExplorerState
from featmagic.options.view import View
from featmagic.recording.records import Activation
from featmagic.render.mosaic import tile
from featmagic.render.viewport import GridLayout

RELU = Activation("relu", "relu", "ReLU", 1, torch.tensor([[[[0.0, 2]], [[1, 3]]]]))
CONV = Activation("conv", "conv", "Conv2d", 1, torch.rand(1, 9, 8, 8))
CANVAS = Canvas(80, 20, 256)


def state_of(activation, colors=256):
    return ExplorerState(layer_entries([activation], View()), View(), colors)


def text_of(line):
    return "".join(text for _, text, *_ in line)


def test_a_layer_is_told_by_its_path_class_shape_and_share_of_dead_channels():
    relu = Activation("relu", "relu", "ReLU", 1, torch.tensor([[[[0.0, 0]], [[1, 3]]]]))
    assert layer_entries([relu], View())[0].cells == ("relu", "ReLU", "1×2×1×2", "50 %")


@pytest.mark.parametrize(
    ("columns", "lines"),
    [
        (40, ["layer  class  shape     dead", "relu   ReLU   1×2×1×2  100 %"]),
        (17, ["layer   dead", "relu   100 %"]),
        (9, ["layer", "relu "]),
    ],
)
def test_columns_that_have_no_room_are_left_out(columns, lines):
    relu = Activation("relu", "relu", "ReLU", 1, torch.zeros(1, 2, 1, 2))
    assert layer_table(layer_entries([relu], View()), columns) == lines


def test_a_screen_has_the_layers_at_the_left_and_the_grid_beside_them():
    lines = compose_screen(state_of(RELU, 0), 70, 8)
    assert len(lines) == 8
    first = text_of(lines[1]).split()
    assert first == [">", "relu", "1×2×1×2", "0", "%", "|", "0", "*", "1", "@"]


def test_a_caption_is_wrapped_to_the_lines_above_the_grid():
    state = state_of(Activation("fc", "fc", "Linear", 1, torch.zeros(())))
    state.mode = "large"
    above = [text_of(line).strip() for line in compose_screen(state, 41, 24)[:2]]
    assert above == ["fc  Linear  () float32 cpu", "the single value 0"]


def test_the_status_has_the_chosen_channels_statistics_and_every_setting():
    assert status_lines(state_of(RELU), 80, 2) == [
        "channel 0 of 2: 0 █▁▁▁▁▁▁█ 2, mean 1, std 1, zeros 50 %",
        "viridis (auto) · scale channel · sort index · zoom 12 (auto) · ? keys · q quit",
    ]


def test_the_frame_of_the_chosen_channel_stands_beside_it():
    line = frame_chosen(styled("ab cd"), 1, Place(1, 3, 1, 2, True), 9, plain=True)
    assert text_of(line) == " ab[cd]"


def test_a_line_becomes_cells_with_the_colors_of_its_escape_codes():
    assert styled("\x1b[38;5;196m▀") == (("#ff0000", "▀"),)


@pytest.mark.parametrize(
    ("text", "short"),
    [("layer1.0.conv1", "layer1.…"), ("short", "short"), ("層層層層層", "層層層…")],
)
def test_a_text_without_room_ends_in_an_ellipsis(text, short):
    assert cut(text, 8) == short


def test_a_preview_is_the_grid_of_a_look():
    drawn = preview(CONV, View(), CANVAS)
    assert (drawn.tiles, drawn.grid.ncols) == (9, 8)


def test_a_channel_is_enlarged_as_much_as_fits():
    assert enlarged_preview(preview(CONV, View(), CANVAS), 3, CANVAS).grid.zoom == 4


def test_the_statistics_are_those_of_one_channel():
    statistics = channel_statistics(preview(RELU, View(), CANVAS), 1)
    assert statistics == "channel 1 of 2: 1 █▁▁▁▁▁▁█ 3, mean 2, std 1"


def test_a_mosaic_as_lines_says_where_each_tile_is():
    tiles = torch.tensor([[[0, 120, 239]], [[239, 245, 0]]]).byte()
    grid = PreviewGrid(tile(tiles, ("0", "1"), bytes(768), GridLayout(2, 1, 1)), 0, 80)
    assert (grid.height, grid.line(1)) == (2, ".+@ @v.")
    assert grid.place(1) == Place(top=1, left=4, height=1, width=3, labeled=True)


def test_a_million_letters_are_cut_to_the_room_there_is():
    assert cut("界" * 10**6, 10) == "界界界界…"
    assert cut("a\u0301b" * 10**6, 3) == "a\u0301b…"


@pytest.mark.parametrize("mode", ["grid", "large", "help", "find"])
@pytest.mark.parametrize("columns", [1, 2, 3, 9, 40])
def test_a_screen_of_any_size_has_as_many_lines(mode, columns):
    for rows in (1, 2, 3, 12):
        state = state_of(CONV)
        state.mode, state.query = mode, "long" * 10
        assert len(compose_screen(state, columns, rows)) == rows
