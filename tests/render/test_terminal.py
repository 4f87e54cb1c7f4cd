"""Through a real IPython terminal: what the screen shows, cell by cell, read by a terminal."""

from __future__ import annotations

import base64
import fcntl
import io
import re
import struct
import subprocess
import sys
import termios
from dataclasses import dataclass
from itertools import pairwise

import IPython
import numpy as np
import pytest
from helpers import TESTS
from helpers.expected import (
    centered,
    layers_of,
    model_and_images,
    possible_colors,
    ranges_of,
    unwrapped,
    wrong_pixels,
)
from helpers.terminals import COLORS_256, NO_COLOR, TRUECOLOR, end, environment, rgb
from helpers.tiles import tiles_in
from PIL import Image

from featmagic.render.palette import LEVELS, palette
from featmagic.render.xterm_colors import ramp

pexpect = pytest.importorskip("pexpect")
if not hasattr(pexpect, "spawn"):
    pytest.skip("no pseudo-terminals here", allow_module_level=True)
pyte = pytest.importorskip("pyte")

SECONDS = 120  # a terminal that is silent for so long is stuck
ROWS, COLUMNS = 60, 130
SETUP = """\
import torch
from helpers import expected
model, x = expected.model_and_images()
image = x[500].unsqueeze(0)
"""
# Every escape sequence or other control code, but for the end of a line.
CONTROL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|.)?|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]", re.S)
COLOR = re.compile(r"\x1b\[[0-9;]*m")


class Terminal:
    """An IPython in a terminal of its own."""

    def __init__(self, folder, **variables):
        self._child = pexpect.spawn(
            sys.executable,
            ["-m", "IPython", "--simple-prompt", "--no-banner", "--colors=NoColor"],
            cwd=str(TESTS),
            env=environment(folder, **variables),
            dimensions=(ROWS, COLUMNS),
            encoding="utf-8",
            timeout=SECONDS,
        )
        self.columns = COLUMNS
        self._number = 0
        self._prompt()
        (folder / "setup.py").write_text(SETUP)
        self.run(f"%run {folder / 'setup.py'}")
        self.run("%load_ext featmagic")

    def resize(self, columns, rows=ROWS):
        self._child.setwinsize(rows, columns)
        self.columns = columns

    def resize_pixels(self, columns, width, height=ROWS * 16):
        """A window of so many pixels, as terminals that show images tell the system."""
        size = struct.pack("HHHH", ROWS, columns, width, height)
        fcntl.ioctl(self._child.child_fd, termios.TIOCSWINSZ, size)
        self.columns = columns

    def run(self, *lines):
        """Type the lines; what the terminal then got, up to the next prompt."""
        for line in lines:
            self._child.sendline(line)
        self._prompt()
        return self._child.before

    def close(self):
        end(self._child)

    def _prompt(self):
        self._number += 1
        self._child.expect(rf"In \[{self._number}\]: ")


@pytest.fixture(scope="module")
def terminals(tmp_path_factory):
    """`terminals(TERM=..., ...)`: the terminal with that environment; each is started once."""
    started = {}

    def terminal(**variables):
        key = tuple(variables.items())
        if key not in started:
            started[key] = Terminal(tmp_path_factory.mktemp("ipython"), **variables)
        started[key].resize(COLUMNS)
        return started[key]

    yield terminal
    for one in started.values():
        one.close()


both = pytest.mark.parametrize("colors", [TRUECOLOR, COLORS_256], ids=["24-bit", "256 colours"])
LINE = "%featuremaps model {} -- model(image);"


@pytest.fixture(scope="module")
def layers():
    """What the layers give for the image."""
    model, x = model_and_images()
    return layers_of(model, x[500])


# The screen


@dataclass
class Band:
    """A row of tiles on the screen: where they begin, their labels, and its lines of cells."""

    labels: dict[int, str]
    lines: list


def screen_of(received, columns):
    """A terminal's screen, as wide as that and tall enough for everything it received."""
    screen = pyte.Screen(columns, 400)
    pyte.Stream(screen).feed(received)
    return screen


def bands_of(screen, layer):
    """The rows of tiles below the layer's caption."""
    lines = screen.display
    (at,) = [y for y, line in enumerate(lines) if re.match(rf"{layer}  \w+(  \(|\s*$)", line)]
    bands = []
    for y in range(at, len(lines)):
        line = lines[y].rstrip()
        if re.fullmatch(r"\d+( [▁-█])?( +\d+( [▁-█])?)*", line):
            bands.append(Band({m.start(): m[0] for m in re.finditer(r"\d+", line)}, []))
        elif bands and line and set(line) <= set("▀▄ "):
            bands[-1].lines.append(screen.buffer[y])
        elif bands:
            break
    return bands


def tile_at(band, left, shape):
    """The colors `(H, W, RGB)` of the tile that begins there; each value a square of one."""
    edge, rest = divmod(2 * len(band.lines), shape[0])
    assert rest == 0
    halves = []
    for line in band.lines:
        cells = [line[left + step] for step in range(shape[1] * edge)]
        assert {cell.data for cell in cells} == {"▀"}
        halves += [[rgb(cell.fg) for cell in cells], [rgb(cell.bg) for cell in cells]]
        assert line[left + shape[1] * edge].data == " "
        assert line[left + shape[1] * edge].bg == "default"
    squares = np.array(halves).reshape(shape[0], edge, shape[1], edge, 3)
    assert (squares == squares[:, :1, :, :1]).all()
    return squares[:, 0, :, 0]


def in_256_colors(colors, cmap):
    """The colors of the map's ramp among the 240 that xterm has besides the user's own 16."""
    table = np.array([rgb(color) for color in pyte.graphics.FG_BG_256[16:]])
    steps = np.frombuffer(palette(cmap), np.uint8).reshape(256, 3)[:LEVELS]
    place = ((colors[..., None, :].astype(int) - steps) ** 2).sum(-1).argmin(-1)
    return table[np.array(ramp(steps))[place] - 16]


def assert_holds(screen, layer, planes, cmap, ranges, colors, channels=None):
    """Below the caption stand these planes, each under its label, in the right colors."""
    bands = bands_of(screen, layer)
    found = [(band, left, label) for band in bands for left, label in band.labels.items()]
    channels = range(len(planes)) if channels is None else channels
    assert [label for _, _, label in found] == [str(channel) for channel in channels]
    for (band, left, _), plane, ends in zip(found, planes, ranges, strict=True):
        possible = possible_colors(plane, ends, cmap)
        if colors is COLORS_256:
            possible = in_256_colors(possible, cmap)
        assert wrong_pixels(tile_at(band, left, plane.shape), possible) == 0


# Colors


@both
@pytest.mark.parametrize("layer", ["cnn1", "act1", "pool1"])
def test_the_screen_shows_every_value_in_its_color(terminals, colors, layer, layers):
    terminal = terminals(**colors)

    received = terminal.run(LINE.format(f"{layer} --cmap gray"))

    planes = layers[layer]
    screen = screen_of(received, COLUMNS)
    assert_holds(screen, layer, planes, "gray", ranges_of(planes), colors)


@both
def test_a_cell_shows_all_its_layers_one_below_the_other(terminals, colors, layers):
    terminal = terminals(**colors)

    received = terminal.run("%%featuremaps model cnn1 act1 pool1", "model(image);", "", "")

    screen = screen_of(received, COLUMNS)
    captions = [line.split()[0] for line in screen.display if " float32 cpu " in line]
    assert captions == ["cnn1", "act1", "pool1"]
    for layer in captions:
        ranges = [centered(plane) for plane in layers[layer]]
        assert_holds(screen, layer, layers[layer], "RdBu_r", ranges, colors)


@both
def test_channels_stand_under_their_own_index(terminals, colors, layers):
    terminal = terminals(**colors)

    received = terminal.run(LINE.format("cnn1 --channels 3,1 --cmap viridis --scale layer"))

    planes = layers["cnn1"][[3, 1]]
    ends = planes.min(), planes.max()
    screen = screen_of(received, COLUMNS)
    assert_holds(screen, "cnn1", planes, "viridis", [ends] * 2, colors, channels=[3, 1])


def test_half_a_cell_may_hold_the_last_row_of_a_tile(terminals):
    terminal = terminals(**TRUECOLOR)

    terminal.run("odd = torch.nn.Sequential(torch.nn.Identity())")
    terminal.run("three = torch.arange(9.0).reshape(1, 1, 3, 3)")
    received = terminal.run("%featuremaps odd 0 --zoom 1 --cmap gray -- odd(three);")

    screen = screen_of(received, COLUMNS)
    (band,) = bands_of(screen, "0")
    (left,) = band.labels
    assert len(band.lines) == 2
    cells = [[line[left + step] for step in range(3)] for line in band.lines]
    assert [[cell.data for cell in line] for line in cells] == [["▀"] * 3] * 2
    assert [cell.bg for cell in cells[1]] == ["default"] * 3
    shown = [[cell.fg for cell in cells[0]], [cell.bg for cell in cells[0]]]
    shown.append([cell.fg for cell in cells[1]])
    pixels = np.array([[rgb(color) for color in line] for line in shown])
    possible = possible_colors(np.arange(9.0).reshape(3, 3), (0, 8), "gray")
    assert wrong_pixels(pixels, possible) == 0


# The width


@both
@pytest.mark.parametrize("columns", [60, 80, 130])
def test_the_grid_fits_the_width(terminals, colors, columns, layers):
    terminal = terminals(**colors)
    terminal.resize(columns)

    received = terminal.run(LINE.format("cnn1 --cmap gray"))

    lines = [COLOR.sub("", line).rstrip("\r") for line in received.split("\n")]
    assert max(map(len, lines)) <= columns
    screen = screen_of(received, columns)
    assert_holds(screen, "cnn1", layers["cnn1"], "gray", ranges_of(layers["cnn1"]), colors)


def test_a_wider_terminal_has_more_tiles_in_a_row(terminals):
    terminal = terminals(**TRUECOLOR)
    in_a_row = []
    for columns in (40, 80, 130):
        terminal.resize(columns)
        received = terminal.run(LINE.format("cnn1"))
        in_a_row.append(len(bands_of(screen_of(received, columns), "cnn1")[0].labels))

    assert all(few < more for few, more in pairwise(in_a_row))


def test_values_are_averaged_where_a_tile_is_wider_than_the_terminal(terminals):
    terminal = terminals(**TRUECOLOR)
    terminal.resize(80)

    terminal.run("wide = torch.nn.Sequential(torch.nn.Identity())")
    terminal.run("ramp = torch.arange(200.0 * 100).reshape(1, 1, 100, 200)")
    received = terminal.run("%featuremaps wide 0 --cmap gray -- wide(ramp);")

    shrink = int(re.search(r"(\d+) × \1 values averaged", " ".join(received.split()))[1])
    plane = np.arange(200.0 * 100).reshape(100, 200)
    means = np.array(
        [
            [
                plane[top : top + shrink, left : left + shrink].mean()
                for left in range(0, 200, shrink)
            ]
            for top in range(0, 100, shrink)
        ]
    )
    rows, columns = means.shape
    (band,) = bands_of(screen_of(received, 80), "0")
    assert columns <= 80
    assert len(band.lines) == -(-rows // 2)
    pixels = np.array([[rgb(line[c].fg) for c in range(columns)] for line in band.lines])
    possible = possible_colors(means[::2], (0, plane.max()), "gray")
    assert wrong_pixels(pixels, possible) == 0


# What is sent besides


@both
def test_nothing_but_colors_is_sent_so_nothing_is_asked_of_the_terminal(terminals, colors):
    terminal = terminals(**colors)

    received = terminal.run("%%featuremaps model cnn1 act1 pool1", "model(image);", "", "")
    received += terminal.run(LINE.format("cnn1"))
    received += terminal.run("%featuremaps pool1 --cmap gray")
    received += terminal.run("%hook model cnn1")
    received += terminal.run("%unhook")

    assert COLOR.search(received)
    assert CONTROL.findall(COLOR.sub("", received)) == []


@both
def test_every_line_ends_in_the_terminals_own_colors(terminals, colors):
    received = terminals(**colors).run(LINE.format("cnn1 pool1"))

    last = [COLOR.findall(line)[-1] for line in received.split("\n") if COLOR.search(line)]
    assert last
    assert set(last) == {"\x1b[0m"}


def test_24_bit_colors_are_sent_only_where_the_environment_says_so(terminals):
    received = {
        name: terminals(**variables).run(LINE.format("cnn1"))
        for name, variables in {"24-bit": TRUECOLOR, "256": COLORS_256}.items()
    }

    kinds = {
        name: set(re.findall(r"\x1b\[(?:0;)?[34]8;(\d)", text)) for name, text in received.items()
    }
    assert kinds == {"24-bit": {"2"}, "256": {"5"}}


@pytest.mark.parametrize(
    "variables",
    [NO_COLOR, {"TERM": "dumb", "COLORTERM": "truecolor"}],
    ids=["NO_COLOR", "a dumb terminal"],
)
def test_without_colors_there_are_captions_alone(terminals, variables):
    terminal = terminals(**variables)

    received = terminal.run("%%featuremaps model cnn1 act1 pool1", "model(image);", "", "")
    received += terminal.run("%featuremaps pool1 --cmap gray")

    assert CONTROL.findall(received) == []
    lines = [line.strip() for line in unwrapped(received).splitlines()]
    captions = [line for line in lines if " float32 cpu · " in line]
    assert [line.split()[0] for line in captions] == ["cnn1", "act1", "pool1", "pool1"]
    assert captions[-1].endswith("gray, color range per channel")
    echoed = re.compile(r"(In \[\d+\]: |\.\.\.: ?)*(%?%featuremaps .*|model\(image\);)?")
    assert [line for line in lines if line not in captions and not echoed.fullmatch(line)] == []


@pytest.mark.parametrize("script", ["captions.ipy", "captions.ipynb"])
def test_in_a_pipe_there_are_captions_alone(tmp_path, script):
    (tmp_path / "setup.py").write_text(SETUP)
    (tmp_path / "captions.ipy").write_text(
        f"%run {tmp_path / 'setup.py'}\n%load_ext featmagic\n"
        + LINE.format("cnn1 pool1")
        + "\nfeature_maps.show('cnn1', cmap='gray')\n"
    )
    import nbformat

    cells = [
        f"%run {tmp_path / 'setup.py'}",
        "%load_ext featmagic",
        "%%featuremaps model cnn1 pool1\nmodel(image);",
        "feature_maps.show('cnn1', cmap='gray')",
    ]
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(c) for c in cells])
    nbformat.write(notebook, tmp_path / "captions.ipynb")

    plain = ["--colors=NoColor", "--no-term-title"]  # older ones set a title even in a pipe
    done = subprocess.run(
        [sys.executable, "-m", "IPython", *plain, str(tmp_path / script)],
        cwd=TESTS,
        env=environment(tmp_path, **TRUECOLOR),
        capture_output=True,
        encoding="utf-8",
    )

    assert (done.returncode, done.stderr) == (0, "")
    captions = unwrapped(done.stdout).splitlines()
    assert [line.split()[0] for line in captions] == ["cnn1", "pool1", "cnn1"]
    assert all(" float32 cpu · " in line for line in captions)
    assert CONTROL.findall(done.stdout) == []


# The line form


def test_the_line_form_is_a_statement_of_the_users(terminals):
    terminal = terminals(**COLORS_256)

    received = terminal.run("%featuremaps model fc2 -- y = model(image)")
    told = terminal.run("print(torch.equal(y, feature_maps['fc2']), model.training)")
    value = terminal.run("%featuremaps model fc2 -- model(image).shape")
    silent = terminal.run("%featuremaps model fc2 -- model(image).shape;")

    assert "fc2  Linear  (1, 5)" in received
    assert "True True" in told
    assert re.search(r"Out\[\d+\]: torch.Size\(\[1, 5\]\)", value)
    assert "Out[" not in silent


def test_an_error_is_said_in_one_line(terminals):
    terminal = terminals(**COLORS_256)

    received = terminal.run("%featuremaps model con1 -- model(image)")

    lines = [line.strip() for line in received.splitlines() if line.strip()]
    assert lines[-1].startswith("FeatmagicError: DNN has no layer 'con1'. Did you mean cnn1?")
    assert "Traceback" not in received
    assert CONTROL.findall(received) == []


# Renderers


def shown_by(text, layer):
    """The lines between the layer's caption and the next prompt."""
    lines = [line.rstrip("\r") for line in text.split("\n")]
    (at,) = [number for number, line in enumerate(lines) if line.startswith(f"{layer}  ")]
    while lines[at + 1].startswith("  "):  # the caption goes on
        at += 1
    return [line for line in lines[at + 1 :] if line.strip()]


def letters_of(plane, ends):
    """The letters of a plane of values: of two rows at a time their mean, from . to @."""
    level = (plane - ends[0]) / (ends[1] - ends[0])
    if len(level) % 2:
        level = np.concatenate([level, level[-1:]])
    means = (level[::2] + level[1::2]) / 2
    return means * 9


@pytest.mark.parametrize("variables", [NO_COLOR, {"TERM": "dumb"}, TRUECOLOR])
def test_plain_letters_show_every_value_where_they_are_asked_for(terminals, variables, layers):
    terminal = terminals(**variables)

    received = terminal.run(LINE.format("cnn1 --renderer ascii --scale layer --cmap gray"))

    assert CONTROL.findall(received) == []
    planes = layers["cnn1"]
    lines = shown_by(received, "cnn1")
    assert lines[0].split() == ["0", "1", "2", "3", "4"]
    tiles = [[line.split()[n] for line in lines[1:13]] for n in range(5)]
    for plane, tile in zip(planes, tiles, strict=True):
        expected = letters_of(plane, (planes.min(), planes.max()))
        found = np.array([[".:-=+*#%@".index(letter) for letter in line] for line in tile])
        # A mean of two of 250 levels may fall beside a boundary.
        assert (np.abs(found + 0.5 - expected) <= 0.5 + 2 * 9 / 250).all()
    low, *_, high = lines[13].split()
    assert (float(low), float(high)) == pytest.approx((planes.min(), planes.max()), rel=1e-2)


def test_plain_letters_have_a_shape_for_what_is_no_number(terminals):
    terminal = terminals(**NO_COLOR)
    terminal.run("odd = torch.nn.Sequential(torch.nn.Identity())")
    terminal.run("v = torch.arange(16.0).reshape(1, 1, 4, 4).repeat(1, 2, 1, 1)")
    terminal.run("v[0, 0, :2, :3] = torch.tensor([float('nan'), float('inf'), -float('inf')])")
    terminal.run("v[0, 1] = 3")

    received = terminal.run("%featuremaps odd 0 --zoom 2 --renderer ascii -- odd(v);")

    rows = shown_by(received, "0")[1:5]
    assert rows[0].startswith("??^^vv")
    assert rows[2].split()[0] == rows[2][:8]
    assert all(set(row[9:]) <= set("/ ") and "/" in row[9:] for row in rows)


@pytest.mark.parametrize("variables", [TRUECOLOR, NO_COLOR])
def test_none_shows_captions_alone(terminals, variables):
    received = terminals(**variables).run(LINE.format("cnn1 --renderer none"))
    assert CONTROL.findall(received) == []
    assert "cnn1  Conv2d" in received
    assert "▀" not in received


def test_blocks_are_drawn_on_demand_where_the_environment_wants_no_color(terminals, layers):
    received = terminals(**NO_COLOR).run(LINE.format("cnn1 --renderer blocks --cmap gray"))
    screen = screen_of(received, COLUMNS)
    assert_holds(screen, "cnn1", layers["cnn1"], "gray", ranges_of(layers["cnn1"]), TRUECOLOR)


def test_a_png_where_nothing_shows_one_is_refused_before_the_cell_runs(terminals):
    terminal = terminals(**TRUECOLOR)
    terminal.run("ran = False")
    received = terminal.run("%featuremaps model cnn1 --renderer png -- exec('ran = True')")
    assert "FeatmagicError: This terminal shows no PNG: IPython 9.13 and newer does" in received
    assert "False" in terminal.run("print(ran)")


@pytest.mark.parametrize("variables", [TRUECOLOR, NO_COLOR])
def test_an_overview_is_drawn_in_plain_letters_too(terminals, variables):
    terminal = terminals(**variables)
    received = terminal.run(LINE.format("--overview --renderer ascii"))
    assert CONTROL.findall(received) == []
    assert re.search(r"^cnn1 +Conv2d", received, re.MULTILINE)
    assert re.search(r"[.:=+*#%@-]{6} [.:=+*#%@-]{6}", received)


def test_a_renderer_can_be_set_for_the_session(tmp_path):
    terminal = Terminal(tmp_path, **TRUECOLOR)
    terminal.run("%config FeatMagic.renderer = 'ascii'")
    received = terminal.run(LINE.format("cnn1"))
    terminal.close()
    assert CONTROL.findall(received) == []
    assert "@" in received


def test_a_terminal_whose_encoding_has_no_blocks_gets_letters(terminals):
    received = terminals(**TRUECOLOR, PYTHONIOENCODING="ascii").run(LINE.format("cnn1"))
    assert CONTROL.findall(received) == []
    assert "▀" not in received
    assert "@" in "".join(shown_by(received, "cnn1"))


# The height


def test_a_grid_taller_than_the_screen_says_how_many_rows_there_are_more(terminals):
    terminal = terminals(**TRUECOLOR)
    terminal.resize(80, rows=24)
    terminal.run("many = torch.nn.Sequential(torch.nn.Conv2d(1, 60, 5))")

    received = terminal.run("%featuremaps many 0 -- many(image);")
    bands = bands_of(screen_of(received, 80), "0")
    everything = terminal.run("%featuremaps 0 --rows 0")

    every_band = bands_of(screen_of(everything, 80), "0")
    shown = [label for band in bands for label in band.labels.values()]
    assert [label for band in every_band for label in band.labels.values()] == [
        str(channel) for channel in range(60)
    ]
    assert shown == [str(channel) for channel in range(len(shown))]
    more = len(every_band) - len(bands)
    assert f"{more} more rows; --rows 0 shows all" in received
    assert "more row" not in everything
    text = COLOR.sub("", received)
    assert len(text[text.index("0  Conv2d") :].splitlines()) <= 24


@pytest.mark.parametrize("columns", [20, 80])
def test_the_hint_at_more_rows_fits_the_width_and_stands_apart(terminals, columns):
    terminal = terminals(**TRUECOLOR)
    terminal.resize(columns, rows=24)
    terminal.run("pair = torch.nn.Sequential(torch.nn.Conv2d(1, 60, 5), torch.nn.ReLU())")

    received = terminal.run("%featuremaps pair 0 1 -- pair(image);")

    lines = [COLOR.sub("", line).rstrip() for line in received.split("\n")]
    first, _ = [n for n, line in enumerate(lines) if re.search(r"\d more rows?", line)]
    (caption,) = [n for n, line in enumerate(lines) if line.startswith("1  ReLU")]
    hint = " ".join(" ".join(lines[first:caption]).split())
    assert re.fullmatch(r"\d+ more rows?; --rows 0 shows all", hint)
    assert max(map(len, lines[first:caption])) < columns
    assert lines[caption - 1] == ""
    assert lines[caption - 2] != ""


def test_the_input_and_a_row_of_tiles_fit_the_screen(terminals):
    terminal = terminals(**TRUECOLOR)
    terminal.resize(80, rows=24)

    received = terminal.run(LINE.format("cnn1 --input"))

    text = COLOR.sub("", received)
    assert len(text[text.index("cnn1  Conv2d") :].splitlines()) <= 24
    assert len(bands_of(screen_of(received, 80), "cnn1")) >= 1


def test_so_many_rows_are_shown_as_are_asked_for(terminals):
    terminal = terminals(**TRUECOLOR)
    terminal.resize(80, rows=24)
    terminal.run("many = torch.nn.Sequential(torch.nn.Conv2d(1, 60, 5))")
    terminal.run("%featuremaps many 0 --renderer none -- many(image);")

    bands = bands_of(screen_of(terminal.run("%featuremaps 0 --rows 2"), 80), "0")

    assert len(bands) == 2


@pytest.mark.parametrize("rows", [12, 24, 60])
def test_one_tile_is_no_taller_than_the_screen(terminals, rows):
    terminal = terminals(**TRUECOLOR)
    terminal.resize(130, rows=rows)
    terminal.run("tall = torch.nn.Sequential(torch.nn.Identity())")

    received = terminal.run("%featuremaps tall 0 -- tall(torch.randn(1, 1, 120, 60));")

    text = COLOR.sub("", received)
    assert len(text[text.index("0  Identity") :].splitlines()) <= rows
    assert "more row" not in received


def test_a_taller_window_is_seen_at_the_next_look(terminals):
    terminal = terminals(**TRUECOLOR)
    terminal.run("many = torch.nn.Sequential(torch.nn.Conv2d(1, 60, 5))")
    terminal.run("%featuremaps many 0 --renderer none -- many(image);")
    shown = []
    for rows in (24, 50, 100):
        terminal.resize(80, rows=rows)
        shown.append(len(bands_of(screen_of(terminal.run("%featuremaps 0"), 80), "0")))
    assert shown == sorted(set(shown))


# Terminals that show images


KITTY = {"TERM": "xterm-kitty", "COLORTERM": "truecolor", "IPYTHON_KITTY_GRAPHICS": "1"}
shows_images = pytest.mark.skipif(
    IPython.version_info < (9, 13), reason="IPython draws no images in terminals before 9.13"
)


def pictures_in(received):
    """The PNGs that came by kitty's protocol: base64 in pieces, the last with m=0."""
    found, pieces = [], []
    for keys, data in re.findall(r"\x1b_G([^;\x1b]*);([^\x1b]*)\x1b\\", received):
        pieces.append(data)
        if "m=0" in keys:
            found.append(base64.b64decode("".join(pieces)))
            pieces = []
    return found


@shows_images
def test_a_terminal_that_shows_images_gets_the_picture_of_a_notebook(terminals, layers):
    terminal = terminals(**KITTY)

    received = terminal.run(LINE.format("cnn1 --cmap gray"))

    (data,) = pictures_in(received)
    picture = Image.open(io.BytesIO(data)).convert("RGBA")
    tiles = tiles_in(np.asarray(picture), (24, 24), density=1)  # there are no CSS pixels
    for tile, plane in zip(tiles, layers["cnn1"], strict=True):
        ends = plane.min(), plane.max()
        assert wrong_pixels(tile.colors, possible_colors(plane, ends, "gray")) == 0
    assert "cnn1  Conv2d" in received
    assert "▀" not in received


@shows_images
def test_a_picture_is_no_wider_than_the_terminals_window(terminals):
    terminal = terminals(**KITTY)
    terminal.run("many = torch.nn.Sequential(torch.nn.Conv2d(1, 60, 5))")
    widths = []
    for pixels in (400, 1600):
        terminal.resize_pixels(80, pixels)
        (data,) = pictures_in(terminal.run("%featuremaps many 0 -- many(image);"))
        widths.append(Image.open(io.BytesIO(data)).width)
    assert widths[0] <= 400 < widths[1] <= 1000


@shows_images
def test_a_picture_is_no_taller_than_the_terminals_window(terminals):
    terminal = terminals(**KITTY)
    terminal.run("many = torch.nn.Sequential(torch.nn.Conv2d(1, 60, 5))")
    terminal.run("%featuremaps many 0 --renderer none -- many(image);")
    heights = []
    for pixels in (400, 600, 2400):
        terminal.resize_pixels(80, 800, pixels)
        received = terminal.run("%featuremaps 0")
        (data,) = pictures_in(received)
        heights.append(Image.open(io.BytesIO(data)).height)
        assert ("; --rows 0 shows all" in received) == (pixels < 2400)
    (data,) = pictures_in(terminal.run("%featuremaps 0 --rows 0"))
    assert 100 < heights[0] <= 400 < heights[1] <= 600
    assert heights[2] == Image.open(io.BytesIO(data)).height > 600


@shows_images
def test_half_blocks_are_drawn_on_demand_where_images_are_shown(terminals, layers):
    received = terminals(**KITTY).run(LINE.format("cnn1 --renderer blocks --cmap gray"))
    assert pictures_in(received) == []
    screen = screen_of(received, COLUMNS)
    assert_holds(screen, "cnn1", layers["cnn1"], "gray", ranges_of(layers["cnn1"]), TRUECOLOR)


# Long drawing


def test_a_bar_of_long_drawing_is_gone_when_it_is_done(terminals):
    terminal = terminals(**TRUECOLOR)
    terminal.run("from featmagic.support import progress; progress.PATIENCE = 0")

    received = terminal.run("%featuremaps model -- model(image);")
    terminal.run("progress.PATIENCE = 1.0")

    assert "Drawing:" in received
    display = screen_of(received, COLUMNS).display
    assert not [line for line in display if "Drawing" in line]
    captions = [line for line in display if " float32 cpu" in line]
    assert [line.split()[0] for line in captions] == [
        "cnn1",
        "act1",
        "pool1",
        "flat",
        "fc1",
        "act2",
        "fc2",
    ]
