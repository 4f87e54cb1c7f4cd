"""Hostile texts in a real terminal around the explorer: every letter that arrives."""

from __future__ import annotations

import re
import sys
import unicodedata

import pytest
from helpers import TESTS
from helpers.hostile import FORGED, TEXTS, assert_harmless, joined
from helpers.terminals import TRUECOLOR, end, environment

from featmagic.support.text import printable

pexpect = pytest.importorskip("pexpect")
pyte = pytest.importorskip("pyte")

SECONDS = 120  # a terminal that doesn't come to show something for so long never will
ROWS, COLUMNS = 30, 120
SCRIPT = """\
import torch, featmagic
from helpers.hostile import TEXTS, class_named

def gives(self, x):
    return {self.text: x * 2}

def gives_six_axes(self, x):
    return {self.text: x[..., None, None]}

def gives_nothing(self, x):
    return class_named(self.text, object)()

def each_child(self, x):
    for child in self._modules.values():
        child(x)

for texts in (["plain"], list(TEXTS.values())):
    model = class_named(texts[-1], forward=each_child)()
    for text in texts:
        for forward in (gives, gives_six_axes, gives_nothing):
            layer = class_named(text, forward=forward)()
            layer.text = text
            model._modules[text + " " * len(model._modules)] = layer
    with featmagic.capture(model) as maps:
        model(torch.rand(1, 1, 6, 6))
    maps.explore()
    print(maps, maps.shapes(), maps.save(f"{len(texts)}.png", list(maps)[0]), sep="\\n")
    for text in texts:
        key = text + "?"
        get_ipython().run_cell("maps[key]")
    print("Done.")
"""
ABOVE, BELOW = slice(0, 1), slice(-2, None)
NEXT = "]"  # through all layers, whatever is folded
FULL_SCREEN = re.compile(r"\x1b\[\?1049h(.*?)\x1b\[\?1049l", re.DOTALL)
CONTROL = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|[\r\n\b]")


class Screen(pyte.Screen):
    def draw(self, data):
        """Draw each letter by itself: pyte drops what follows one that takes up no column."""
        for letter in data:
            super().draw(letter)


class Terminal:
    """A terminal in which the script runs; everything that arrives is kept."""

    def __init__(self, folder):
        (folder / "script.py").write_text(SCRIPT)
        self.child = pexpect.spawn(
            sys.executable,
            ["-m", "IPython", "--no-term-title", "--colors=NoColor", "script.py"],
            cwd=str(folder),
            env=environment(folder, PYTHONPATH=f"{TESTS}:{TESTS.parent}", **TRUECOLOR),
            dimensions=(ROWS, COLUMNS),
            encoding="utf-8",
            timeout=SECONDS,
        )
        self.screen, self.received = Screen(COLUMNS, ROWS), ""
        self.stream = pyte.Stream(self.screen)

    def press(self, keys):
        self.child.send(keys.encode(errors="ignore").decode())

    def until(self, holds, why):
        while not holds():
            try:
                text = self.child.read_nonblocking(65536, timeout=SECONDS)
            except (pexpect.TIMEOUT, pexpect.EOF):
                pytest.fail("\n".join([f"never came: {why}", *self.screen.display]))
            self.received += text
            self.stream.feed(text)

    def shows(self, *texts):
        self.until(lambda: all(text in "\n".join(self.screen.display) for text in texts), texts)

    def says(self, name, where):
        """Wait until a line above or below begins with the name of a layer."""
        start = f" {start_of(name)}"
        self.until(lambda: any(row.startswith(start) for row in self.screen.display[where]), start)

    def table(self):
        """Return the lines of the layers; none unless one border separates all from the grid."""
        rows = [[self.screen.buffer[y][x].data for x in range(COLUMNS)] for y in range(ROWS - 2)]
        border = next((x for x, letter in enumerate(rows[0]) if letter in ("│", "|")), 0)
        whole = border and len({row[border] for row in rows}) == 1
        return ["".join(row[:border]) for row in rows] if whole else []

    def shows_chosen(self, text, shape):
        """Wait until a layer with that name is chosen, and every line is as it has to be."""
        start = start_of(text)
        # In the tree, a name lacks what the header above it says: all up to its last dot.
        in_tree = start_of(text.rpartition(".")[2]).lstrip()  # as `named` leaves it

        def is_there():
            head, *lines = self.table() or [""]
            chosen = [line for line in lines if line[0] == ">" and named(line).startswith(in_tree)]
            return (
                [shape in line.split() for line in chosen] == [True]
                and start in self.screen.display[0][len(head) :]
                and all(re.search(r" 0 % $| 1×1×6×6×1×1 +$|^ +$", line) for line in lines)
            )

        self.until(is_there, (start, shape))
        assert not [line for line in self.table() if named(line).startswith(FORGED)]


def named(line):
    """Return a line of the layers from its name on."""
    return line[1:].lstrip(" ▸▾")


def start_of(text):
    """Return the visible beginning of a name, as a terminal shows it."""
    return unicodedata.normalize("NFC", printable(text)[:8])


def control_sequences(received):
    """Return the control sequences in a text, without their colors and numbers of columns."""
    varying = re.compile(r"\d+(?=[ABCD]$)|(?<=[34]8;2;)\d+;\d+;\d+")
    return {varying.sub("…", sequence) for sequence in CONTROL.findall(received)}


def explore(terminal, texts):
    """Go through every layer and every screen of the explorer, and leave it."""
    for text in texts:
        terminal.shows_chosen(text, "1×1×6×6")
        terminal.press("n")
        terminal.says(text, BELOW)  # that it has one sample
        terminal.press(NEXT)
        terminal.shows_chosen(text, "1×1×6×6×1×1")
        terminal.press("\r")
        terminal.says(text, BELOW)  # that it has no picture
        terminal.press(NEXT)
    terminal.press("[\r")  # its only channel, large
    terminal.says(text, ABOVE)
    terminal.press("\r")
    for pasted in joined(TEXTS).values():
        terminal.press(f"/\x1b[200~{pasted}\x1b[201~")
        terminal.shows(f"of {2 * len(texts)} layers")
        terminal.press("\r?")
        terminal.shows("find layers by path")
        terminal.press("\x1b")
        terminal.until(terminal.table, "the layers")
    terminal.press("q")
    terminal.shows("Done.")


def test_hostile_texts_arrive_in_a_terminal_as_visible_letters_alone(tmp_path):
    terminal = Terminal(tmp_path)
    try:
        explore(terminal, ["plain"])
        usual, terminal.received = control_sequences(terminal.received), ""
        explore(terminal, TEXTS.values())
        terminal.child.expect(pexpect.EOF)
        terminal.received += terminal.child.before
        terminal.child.wait()
    finally:
        end(terminal.child)

    assert terminal.child.signalstatus is None
    assert control_sequences(terminal.received) <= usual
    # Only what changes on a full screen is sent: a line's part may begin anywhere.
    (shown,) = FULL_SCREEN.findall(terminal.received)
    assert_harmless(CONTROL.sub("", shown), whole=True)
    lines = FULL_SCREEN.sub("", terminal.received).replace("\r\n", "\n")
    assert_harmless(CONTROL.sub("", lines), whole=True)
