"""What the front end says of its own: its keys with their help, and its tooltips."""

from __future__ import annotations

from typing import TypedDict


class KeysText(TypedDict):
    """Keys that belong together.

    `keys` has, by key, the name of an action in frontend/src/explorer.js and a number for it;
    arrows have their actions in frontend/src/keymap.js.
    """

    shown: str
    help: str
    keys: dict[str, tuple[str, int]]


KEYS: tuple[KeysText, ...] = (
    {
        "shown": "[ ]",
        "help": "previous, next layer",
        "keys": {"[": ("layer", -1), "]": ("layer", 1)},
    },
    {"shown": "arrows", "help": "between channels; in the tree, between layers", "keys": {}},
    {"shown": "Shift arrows", "help": "move the place in the channel", "keys": {}},
    {
        "shown": "/",
        "help": "find layers by path, class or glob",
        "keys": {"/": ("seek", 0)},
    },
    {
        "shown": "+ -",
        "help": "larger, smaller tiles",
        "keys": {"+": ("zoom", 1), "=": ("zoom", 1), "-": ("zoom", -1)},  # = is + without Shift
    },
    {
        "shown": "n p",
        "help": "next, previous sample",
        "keys": {"n": ("sample", 1), "p": ("sample", -1)},
    },
    {"shown": "Enter", "help": "pin or unpin the channel", "keys": {"Enter": ("pin", 0)}},
    {"shown": "f", "help": "the channel in full width, and back", "keys": {"f": ("full", 0)}},
    {
        "shown": "c",
        "help": "copy the code that reaches the channel",
        "keys": {"c": ("copy", 0)},
    },
    {
        "shown": "k",
        "help": "kernel × patch: the sum that gives the value of a convolution",
        "keys": {"k": ("patch", 0)},
    },
    {"shown": "i", "help": "explain the layer, channel or control", "keys": {"i": ("explain", 0)}},
    {"shown": "?", "help": "these keys", "keys": {"?": ("help", 0)}},
    {"shown": "Escape", "help": "close, or let go of the place", "keys": {}},
)

TIPS = {
    "find": "Part of a path or class, or a glob such as layer1.*.conv? Several words must all fit.",
    "order": "The order of the layers.",
    "dead": "The bar is the share of dead channels: those of one value throughout.",
    "module": "A module without an output of its own",
    "strength": (
        "The bar is the largest absolute value, as a share of that of the strongest channel."
    ),
    "best": "The channel of this layer with the largest absolute value.",
    "divider": (
        "Drag, or use the arrow keys, to give the channel more room; double-click or Enter: full "
        "width."
    ),
    "pin": "Keep the channel in sight beside the grid. (Enter)",
    "copy": "Copy the Python code that reaches the channel. (c)",
    "full": "The channel in full width, and back. (f)",
    "histogram": "How many values are where in the range, as square roots; below, their colors.",
    "heads": "What the query attends to in every head, side by side.",
    "cursor": "The value at the place of the cursor.",
    "patch": "The sum that gives the value at the chosen place: input times kernel. (k)",
    "source": "The channel of the layer's input of which the part of the sum is shown.",
    "largest": "The channel of the input that contributes most to the value.",
    "on page": "A saved page has no kernel to ask: open the explorer in a notebook.",
    "gone": "The kernel is gone, or has released the tensors: run the cell again.",
    "place": "Choose a place: click on a map, or press Shift and an arrow.",
    "keys": "What the keys do. (?)",
}
