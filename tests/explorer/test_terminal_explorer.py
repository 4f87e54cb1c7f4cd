"""The explorer in a real terminal: an IPython, its screen read cell by cell, keys pressed."""

from __future__ import annotations

import re
import subprocess
import sys

import numpy as np
import prompt_toolkit
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
from helpers.terminal_sessions import COLUMNS, ROWS, pyte, sessions_of
from helpers.terminals import COLORS_256, NO_COLOR, TRUECOLOR, environment, rgb

SETUP = """\
import asyncio, time
import torch, featmagic
from helpers import expected
from featmagic.explorer.terminal import preview
from featmagic.explorer.terminal.open import browse
from featmagic.render.target import current_target
from featmagic.options.view import View
model, x = expected.model_and_images()
image = x[500].unsqueeze(0)

def look(model, given, *layers, **view):
    with featmagic.capture(model, *layers) as maps:
        model(given)
    explore(maps, **view)

def explore(maps, **view):
    wanted = list(maps.kept.activations.values())
    browse(wanted, View(**view), current_target(view.get("renderer", "auto")))

class Odd(torch.nn.Module):
    def __init__(self):
        super().__init__()
        for name in ("nans", "deep", "dead"):
            setattr(self, name, torch.nn.Identity())
    def forward(self, x):
        spoilt = x.repeat(1, 2, 1, 1)
        spoilt[0, 1, 0, 0] = float("nan")
        half = x.repeat(1, 4, 1, 1)
        half[:, 1:] = 3
        return self.nans(spoilt), self.deep(torch.zeros(1, 1, 1, 1, 1, 1)), self.dead(half)

odd, ramp = Odd(), torch.arange(64.0).reshape(1, 1, 8, 8)
"""

# Whatever a terminal would answer: where the cursor is, what it is, which colors it has ...
QUESTION = re.compile(r"\x1b\[[0-9;?>=]*[nc]|\x1b\][0-9;]*\?|\x1bP[+$]q|\x1b\[\?[0-9;]*\$p")


@pytest.fixture(scope="module")
def sessions(tmp_path_factory):
    yield from sessions_of(tmp_path_factory, SETUP)


both = pytest.mark.parametrize("colors", [TRUECOLOR, COLORS_256], ids=["24-bit", "256 colours"])
LOOK = "look(model, image, 'cnn1', 'act1', 'pool1', 'fc1')"


@pytest.fixture(scope="module")
def layers():
    """What the layers give for the image."""
    model, x = model_and_images()
    return layers_of(model, x[500])


def nearest(colors):
    """The nearest of 256 colors that this prompt_toolkit knows: before 3.0.53 some are missing."""
    version = [int(part) for part in prompt_toolkit.__version__.split(".")]
    table = [rgb(color) for color in pyte.graphics.FG_BG_256[16:]]
    if version < [3, 0, 53]:
        table = [one for one in table if one not in ([8] * 3, [228] * 3, [238] * 3)]
    distance = ((colors[..., None, :].astype(int) - np.array(table)) ** 2).sum(-1)
    return np.array(table)[distance.argmin(-1)]


def small(pixels, shape):
    """One pixel a value, of a tile whose values are squares; None where they aren't."""
    edge = len(pixels) // shape[0]
    if pixels.shape[:2] != (edge * shape[0], edge * shape[1]):
        return None
    squares = pixels.reshape(shape[0], edge, shape[1], edge, 3)
    return squares[:, 0, :, 0] if (squares == squares[:, :1, :, :1]).all() else None


def holds(tiles, planes, cmap, ranges, colors=TRUECOLOR):
    """Whether the tiles are these planes in the colors they must have."""
    if list(tiles) != [str(n) for n in planes]:
        return False
    for tile, plane, ends in zip(tiles.values(), planes.values(), ranges, strict=True):
        possible = possible_colors(plane, ends, cmap)
        if colors is COLORS_256:
            possible = nearest(possible)
        pixels = small(tile, plane.shape)
        if pixels is None or wrong_pixels(pixels, possible):
            return False
    return True


def numbered(planes):
    return dict(enumerate(planes))


# Layers


def test_the_layers_are_listed_with_class_shape_and_dead_share(sessions):
    session = sessions(**TRUECOLOR)

    session.explore("look(odd, ramp, 'nans', 'deep', 'dead')")

    rows = [line.split("│")[0].replace(">", " ").split() for line in session.lines()[:4]]
    assert rows == [
        ["layer", "class", "shape", "dead"],
        ["nans", "Identity", "1×2×8×8", "NaN"],
        ["deep", "Identity", "1×1×1×1×1×1"],
        ["dead", "Identity", "1×4×8×8", "75", "%"],
    ]
    ends = {line.split("│")[0].rstrip().__len__() for line in session.lines()[:4] if "%" in line}
    assert ends == {len(session.lines()[0].split("│")[0].rstrip())}
    session.leave()


@both
def test_moving_shows_the_grid_of_another_layer(sessions, layers, colors):
    session = sessions(**colors)
    session.explore(LOOK)
    first, second = numbered(layers["cnn1"]), numbered(layers["pool1"])
    of_first = [centered(plane) for plane in first.values()]
    of_second = [centered(plane) for plane in second.values()]

    session.until(lambda: holds(session.tiles(), first, "RdBu_r", of_first, colors))
    session.press("down", "down")
    session.until(lambda: session.chosen()[0] == "pool1")
    session.until(lambda: holds(session.tiles(), second, "RdBu_r", of_second, colors))
    session.press("[", "[")
    session.until(lambda: holds(session.tiles(), first, "RdBu_r", of_first, colors))
    session.leave()


def test_arrows_move_between_channels_in_the_grid(sessions, layers):
    session = sessions(**TRUECOLOR)
    session.explore(LOOK)

    for keys, channel in ((["right", "right"], 1), (["down"], 4), (["up", "left"], 0)):
        session.press(*keys)
        plane = layers["cnn1"][channel]
        session.shows(f"channel {channel} of 5: {plane.min():.3g} ")
        session.shows(f", std {plane.std():.3g}")
    session.press("left", "down")
    session.until(lambda: session.chosen()[0] == "act1")
    session.leave()


def test_a_layer_is_found_by_a_part_of_its_name(sessions):
    session = sessions(**TRUECOLOR)
    session.explore(LOOK)

    session.press("/", "OL")
    session.shows("/OL_", "1 of 4 layers")
    session.press("enter")
    session.until(lambda: "q quit" in session.status())
    assert session.chosen()[0] == "pool1"
    session.press("/", "xyz", "enter")
    session.shows("No layer matches 'xyz'.")
    assert session.chosen()[0] == "pool1"
    session.press("/", "cnn")
    session.until(lambda: session.chosen()[0] == "cnn1")
    session.press("escape")
    session.until(lambda: session.chosen()[0] == "pool1")
    session.leave()


# Settings


def test_sorting_changes_the_order_and_the_status(sessions, layers):
    session = sessions(**TRUECOLOR)
    session.explore(LOOK)
    means = [str(n) for n in np.argsort([-plane.mean() for plane in layers["cnn1"]])]

    session.press("s")

    session.shows("sort mean", f"channel {means[0]} of 5")
    session.until(lambda: list(session.tiles()) == means)
    session.leave()


def test_colors_and_range_change_the_picture_and_the_status(sessions, layers):
    session = sessions(**TRUECOLOR)
    session.explore(LOOK)
    planes = numbered(layers["cnn1"])
    whole = layers["cnn1"].min(), layers["cnn1"].max()

    session.shows("RdBu_r (auto) · scale channel")
    session.press("c")
    session.shows("viridis · scale channel")
    session.until(lambda: holds(session.tiles(), planes, "viridis", ranges_of(planes.values())))
    session.press("l")
    session.shows("viridis · scale layer")
    session.until(lambda: holds(session.tiles(), planes, "viridis", [whole] * 5))
    session.leave()


def test_the_zoom_changes_by_a_step_and_comes_back(sessions):
    session = sessions(**TRUECOLOR)
    session.explore("look(model, image, 'pool1')")
    before = re.search(r"zoom (\d+) \(auto\)", session.status())[1]

    session.press("-")
    session.shows(f"zoom {max(1, int(before) - 1)} ·")
    session.press("0")
    session.shows(f"zoom {before} (auto)")
    session.leave()


def test_samples_come_one_after_the_other(sessions):
    model, x = model_and_images()
    session = sessions(**TRUECOLOR)
    session.explore("look(model, x[:3], 'cnn1')")

    for key, sample in (("n", 1), ("n", 2), ("n", 0), ("p", 2)):
        session.press(key)
        session.shows(f"sample {sample} of 3")
        planes = numbered(layers_of(model, x[sample])["cnn1"])
        ends = [centered(plane) for plane in planes.values()]
        session.until(lambda p=planes, e=ends: holds(session.tiles(), p, "RdBu_r", e))
    session.leave()


def test_a_channel_is_shown_large_in_the_colors_of_its_grid(sessions, layers):
    session = sessions(**TRUECOLOR)
    session.explore(LOOK)

    session.press("l", "right", "right", "enter")

    plane, whole = layers["cnn1"][1], centered(layers["cnn1"])
    session.shows("1 of 5 channels")
    session.until(lambda: holds(session.tiles(), {1: plane}, "RdBu_r", [whole]))
    assert len(session.tiles()["1"]) > 24
    session.press("right")
    session.until(lambda: holds(session.tiles(), {2: layers["cnn1"][2]}, "RdBu_r", [whole]))
    session.press("escape")
    session.shows("5 of 5 channels", "channel 2 of 5")
    session.leave()


def test_what_is_taller_than_the_screen_scrolls(sessions):
    session = sessions(**TRUECOLOR)
    session.explore("look(torch.nn.Sequential(torch.nn.Conv2d(1, 200, 3)), image, '0')")
    session.until(lambda: "0" in session.tiles())

    session.press("page down")
    session.until(lambda: session.tiles() and "0" not in session.tiles())
    session.press("tab", "\x1b[F")
    session.until(lambda: "199" in session.tiles() and "channel 199 of 200" in session.lines()[-2])
    session.press("\x1b[H")
    session.until(lambda: "0" in session.tiles() and "channel 0 of 200" in session.lines()[-2])
    session.leave()


def test_the_keys_are_said(sessions):
    session = sessions(**TRUECOLOR)
    session.explore(LOOK)

    session.press("?")
    session.shows("find layers by path, class or glob", "quit to the prompt")
    session.press("x")
    session.until(lambda: session.chosen()[0] == "cnn1" if "│" in session.lines()[0] else False)
    session.leave()


# There and back


@pytest.mark.parametrize("key", ["q", "escape", "ctrl-c", "ctrl-d"])
def test_leaving_brings_back_what_stood_on_the_screen(sessions, key):
    session = sessions(**TRUECOLOR)
    session.run("print('stands here')")
    before = [line for line in session.lines() if line]

    session.explore(LOOK)
    assert "stands here" not in "\n".join(session.lines())
    session.leave(key)

    after = [line for line in session.lines() if line]
    at = len(before)
    assert after[: at - 1] == before[: at - 1]
    assert after[at - 1].startswith(before[-1])
    assert "Traceback" not in "\n".join(after)
    assert "still 42" in session.run("print('still', 6 * 7)")


@pytest.mark.parametrize("prompt", ["--simple-prompt", "--autocall=0"])
def test_nothing_is_asked_of_the_terminal_which_never_answers(sessions, prompt):
    session = sessions(prompt, **TRUECOLOR)

    session.explore(LOOK)
    session.press("down", "right", "s", "enter")
    session.shows("sort mean")
    opened = session.received[session.received.index("\x1b[?1049h") :]
    session.leave()

    assert QUESTION.findall(opened) == []
    assert "still 42" in session.run("print('still', 6 * 7)")


@pytest.mark.parametrize(
    "line",
    [
        "await asyncio.sleep(0); look(model, image, 'cnn1')",
        "%run -i {folder}/script.py",
        "%time look(model, image, 'cnn1')",
    ],
)
@pytest.mark.parametrize("prompt", ["--simple-prompt", "--autocall=0"])
def test_it_works_wherever_a_cell_runs(sessions, prompt, line, tmp_path):
    session = sessions(prompt, **TRUECOLOR)
    (tmp_path / "script.py").write_text("look(model, image, 'cnn1')\n")

    session.explore(line.format(folder=tmp_path))
    session.press("s")
    session.shows("sort mean")
    session.leave()

    assert "still 42" in session.run("await asyncio.sleep(0); print('still', 6 * 7)")


def test_the_model_carries_no_hook_while_it_is_explored_and_the_loop_is_the_users(sessions):
    session = sessions(**TRUECOLOR)
    session.run("loop = asyncio.new_event_loop(); asyncio.set_event_loop(loop)")
    session.run("hooks = lambda: sum(len(m._forward_hooks) for m in model.modules())")

    session.explore(LOOK)
    session.leave()

    told = session.run("print(hooks(), 'hooks', asyncio.get_event_loop() is loop)")
    assert "0 hooks True" in told
    session.run("asyncio.set_event_loop(None); loop.close()")


def test_a_look_opens_it_and_leaves_the_model_as_it_was(sessions, layers):
    session = sessions(**TRUECOLOR)
    session.run("%load_ext featmagic")
    session.run(
        "model.train(); hooks = lambda: sum(len(m._forward_hooks) for m in model.modules())"
    )
    planes = numbered(layers["pool1"])

    session.explore("%featuremaps model cnn1 pool1 --explore --cmap gray -- model(image);")
    session.press("down")
    session.until(lambda: holds(session.tiles(), planes, "gray", ranges_of(planes.values())))
    session.leave()

    assert "0 hooks True" in session.run("print(hooks(), 'hooks', model.training)")
    session.explore("%featuremaps pool1 --explore")
    session.leave()
    session.explore("feature_maps.explore('cnn1', scale='layer')")
    session.shows("scale layer")
    session.leave()


def test_the_explorer_follows_the_size_of_the_screen(sessions, layers):
    session = sessions(**TRUECOLOR)
    session.explore(LOOK)
    planes = numbered(layers["cnn1"])
    ends = [centered(plane) for plane in planes.values()]

    session.resize(200, 50)
    session.until(lambda: "q quit" in session.status() and "cnn1" in session.lines()[1])
    session.until(lambda: holds(session.tiles(), planes, "RdBu_r", ends))
    session.resize(40, 12)
    session.until(lambda: "RdBu_r" in session.status())
    session.until(lambda: session.chosen()[0] == "cnn1")
    session.press("down")
    session.until(lambda: session.chosen()[0] == "act1")
    assert max(map(len, session.screen.display)) == 40
    session.leave()


def test_a_small_screen_has_room_for_both(sessions):
    session = sessions(**TRUECOLOR)
    session.resize(40, 12)

    session.open(LOOK)
    session.until(lambda: "RdBu_r (auto)" in session.status())

    assert session.chosen() == ["cnn1", "0", "%"]
    assert session.tiles()
    assert all(line.count("│") == 1 for line in session.screen.display[:10])
    session.press("?")
    session.shows("arrows")
    session.press(*["down"] * 12)
    session.shows("quit to the prompt")
    session.leave()


# What may be in the way


def test_what_is_no_number_is_marked(sessions):
    session = sessions(**TRUECOLOR)

    session.explore("look(odd, ramp, 'nans', 'deep', 'dead')")
    session.press("right", "right")

    session.shows("channel 1 of 2", "1 NaN")
    labels = [line for line in session.screen.display if re.search(r"│ *0 .*1 ", line)]
    assert "×" in labels[0]
    assert any("×" in line for line in session.screen.display[4:])
    session.leave()


def test_a_layer_without_a_picture_says_why(sessions):
    session = sessions(**TRUECOLOR)

    session.explore("look(odd, ramp, 'nans', 'deep', 'dead')")
    session.press("down")

    session.shows("6 axes, no picture")
    session.press("enter")
    session.shows("deep has no picture.")
    session.press("down")
    session.until(lambda: session.chosen()[0] == "dead")
    session.leave()


def test_a_terminal_that_shows_images_has_all_its_colors(sessions):
    session = sessions(**TRUECOLOR)

    session.explore("explore = lambda maps: maps.explore(); ip = get_ipython(); "
                    "ip.mime_renderers = {'image/png': print}; look(model, image)")  # fmt: skip

    assert re.search(r"\x1b\[[0-9;]*38;2;", session.received)
    session.leave()


def test_without_colors_the_grid_is_in_letters(sessions, layers):
    session = sessions(**NO_COLOR)

    session.explore(LOOK.replace(")", ", cmap='gray', scale='layer')"))

    assert re.findall(r"\x1b\[[0-9;]*[34][0-8;][0-9;]*m", session.received) == []
    planes = layers["cnn1"]
    rows = [line.split("|")[1] for line in session.screen.display if "|" in line]
    at = next(n for n, row in enumerate(rows) if re.match(r" *0 ", row))
    width = planes.shape[2]
    text = [
        row.replace("[", " ").replace("]", " ")[1 : 1 + width] for row in rows[at + 1 : at + 13]
    ]
    found = np.array([[".:-=+*#%@".index(letter) for letter in row] for row in text])
    level = (planes[0] - planes.min()) / (planes.max() - planes.min())
    expected = (level[::2] + level[1::2]) / 2 * 9
    assert (np.abs(found + 0.5 - expected) <= 0.5 + 2 * 9 / 250).all()
    session.leave()


def test_an_error_inside_ends_it_with_the_screen_restored(sessions):
    session = sessions(**TRUECOLOR)
    session.run("print('stands here'); kept = preview.draw_prepared")
    session.run("boom = lambda one: 1 / 0 if one.activation.key == 'act1' else kept(one)")
    session.run("preview.draw_prepared = boom")

    session.explore(LOOK)
    session.leave("down")

    told = "\n".join(session.lines())
    assert "ZeroDivisionError: division by zero" in told
    assert "Press ENTER" not in told
    session.run("preview.draw_prepared = lambda ready: 1 / 0")
    session.run(LOOK)
    assert "ZeroDivisionError: division by zero" in "\n".join(session.lines())
    session.run("preview.draw_prepared = kept")
    assert "still 42" in session.run("print('still', 6 * 7)")


def test_ctrl_c_ends_a_drawing_that_takes_long(sessions):
    session = sessions(**TRUECOLOR)
    session.run("kept = preview.draw_prepared")
    session.run(
        "preview.draw_prepared = lambda ready:"
        " (open('/dev/tty', 'w').write('\\a'), time.sleep(900))"
        " if ready.activation.key == 'act1' else kept(ready)"
    )

    session.explore(LOOK)
    session.press("down")
    session.until(lambda: "\a" in session.received)
    session.leave("ctrl-c")

    told = "\n".join(session.lines())
    assert "Interrupted." in told
    assert "Traceback" not in told
    session.run("preview.draw_prepared = kept")
    session.explore(LOOK)
    session.leave()


MODE = "import sys, termios; print('mode', termios.tcgetattr(0)[:4])"


def is_restored(session):
    """Whether the terminal is as a shell expects it: its screen, its cursor, how it pastes."""
    last = {}
    for mode, on in re.findall(r"\x1b\[\?(25|1|1049|2004|1000|1003)([hl])", session.received):
        last[mode] = on
    return last.pop("25") == "h" and "h" not in last.values()


def test_a_million_letters_pasted_into_the_search_find_nothing_and_do_no_harm(sessions):
    session = sessions(**TRUECOLOR)
    mode = re.search("mode .*", session.run(MODE))[0]
    session.explore(LOOK)

    session.press("\x1b[200~" + "界q\r\x1b[A" * 10**5 + "\x1b[201~")  # not in the search: nothing
    session.press("/", "\x1b[200~" + "界q\r\x1b[A\n" * 10**5 + "\x1b[201~")
    session.shows("/界q[A界q[A", "…")
    session.press("ol")
    session.press("escape")
    session.until(lambda: session.chosen()[0] == "cnn1" and "q quit" in session.status())
    session.press("/", "ol")
    session.until(lambda: session.chosen()[0] == "pool1")
    session.press("enter")
    session.until(lambda: "q quit" in session.status())
    session.leave()

    assert is_restored(session)
    assert mode in session.run(MODE)


def test_a_storm_of_sizes_down_to_a_single_cell_does_no_harm(sessions):
    session = sessions(**TRUECOLOR)
    mode = re.search("mode .*", session.run(MODE))[0]
    session.explore(LOOK)

    for columns, rows in [(1, 1), (1, 60), (300, 1), (2, 2), (9, 3), (500, 200), (1, 1)] * 5:
        session.child.setwinsize(rows, columns)
        session.press("down", "enter", "?", "up")
    session.press("escape", "escape")
    session.until(lambda: session.screen.first is None and is_restored(session))
    session.resize(COLUMNS, ROWS)
    session.until(session.at_prompt)

    assert mode in session.run(MODE)
    assert "Traceback" not in session.received


def test_without_a_terminal_the_grids_are_shown_and_a_line_says_why(tmp_path):
    (tmp_path / "script.py").write_text(SETUP + LOOK + "\n")

    done = subprocess.run(
        [sys.executable, str(tmp_path / "script.py")],
        cwd=TESTS,
        env={**environment(tmp_path, **TRUECOLOR), "PYTHONPATH": f"{TESTS}:{TESTS.parent}"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
    )

    assert (done.returncode, done.stderr) == (0, "")
    *captions, last = unwrapped(done.stdout).splitlines()
    assert [line.split()[0] for line in captions] == ["cnn1", "act1", "pool1", "fc1"]
    assert last == (
        "Showing still pictures instead of an explorer: "
        "it needs a terminal, and the standard input isn't one."
    )


def test_in_a_dumb_terminal_the_captions_are_shown_and_a_line_says_why(sessions):
    session = sessions(TERM="dumb", COLORTERM="truecolor")

    told = session.run(LOOK)

    assert "instead of an explorer: this terminal (TERM=dumb) has no full screen." in told
    assert "\x1b[?1049h" not in session.received
