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
    {
        "shown": "arrows",
        "help": "go from channel to channel; in the tree, from layer to layer",
        "keys": {},
    },
    {"shown": "Shift arrows", "help": "move the position in the channel", "keys": {}},
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
    {
        "shown": "f",
        "help": "enlarge the channel to the full width; again: restore it",
        "keys": {"f": ("full", 0)},
    },
    {
        "shown": "c",
        "help": "copy Python code for this channel",
        "keys": {"c": ("copy", 0)},
    },
    {
        "shown": "k",
        "help": "kernel × patch: how the value of a convolution is computed",
        "keys": {"k": ("patch", 0)},
    },
    {"shown": "i", "help": "describe the focused control", "keys": {"i": ("explain", 0)}},
    {"shown": "?", "help": "show this help", "keys": {"?": ("help", 0)}},
    {"shown": "Escape", "help": "close, or clear the position", "keys": {}},
)

TIPS = {
    "find": (
        "Part of a path or class, or a glob such as layer1.*.conv? in which * is one level and ** "
        "any number of levels. All words must match."
    ),
    "order": "The order of the layers: a tree of modules, in execution order, or by dead channels.",
    "dead": "The bar is the share of dead channels: those whose values are all equal.",
    "module": "A module whose output is that of a layer inside it",
    "strength": (
        "The bar is the largest absolute value, as a share of that of the strongest channel."
    ),
    "best": "The channel of this layer with the largest absolute value.",
    "divider": (
        "Drag, or use the arrow keys, to give the channel more space; double-click or Enter: full "
        "width."
    ),
    "pin": "Pin this channel beside the grid; again: unpin it. (Enter)",
    "copy": "Copy Python code for this channel. (c)",
    "full": "Enlarge the channel to the full width; again: restore it. (f)",
    "histogram": "Histogram of the values (square-root scale), with the color bar below.",
    "heads": "What the query attends to in every head, side by side.",
    "cursor": "The value at the position of the cursor.",
    "patch": "How the value at the chosen position is computed: input × kernel. (k)",
    "source": "The input channel whose part of the sum is shown.",
    "largest": "The channel of the input that contributes most to the value.",
    "on page": "This page doesn't contain the weights: kernel × patch needs a notebook.",
    "gone": "The notebook's kernel has stopped or released the tensors: run the cell again.",
    "place": "Choose a position: click on a map, or press Shift and an arrow key.",
    "keys": "Show the keyboard shortcuts. (?)",
}
