"""The keys of the explorer, once: what they do and what the help says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from featmagic.explorer.settings import CYCLES
from featmagic.explorer.terminal import actions
from featmagic.explorer.terminal.state import ExplorerState


@dataclass(frozen=True)
class Key:
    """A key.

    Attributes:
        name: Its name in prompt_toolkit.
        does: What it does.
        shown: What the help calls it, or the keys that belong together; empty for the others of
            them.
        words: What the help says about them.
    """

    name: str
    does: Callable[[ExplorerState], None]
    shown: str = ""
    words: str = ""


def _cycle_key(name: str) -> Key:
    """Return the key that changes a setting to its next value."""
    cycle = CYCLES[name]
    does = partial(actions.cycle, name=name, values=cycle.values)
    return Key(cycle.key, does, cycle.key, cycle.help)


KEYS = (
    Key("up", actions.up, "arrows", "between layers; in the grid between channels"),
    Key("down", actions.down),
    Key("left", actions.left),
    Key("right", actions.right),
    Key("tab", actions.switch, "Tab", "from the layers to the grid, and back"),
    Key("s-tab", actions.switch),
    Key("[", actions.previous_layer, "[ ]", "the layer before, the next layer"),
    Key("]", actions.next_layer),
    Key("/", actions.find, "/", "find a layer by its name"),
    Key("enter", actions.enter, "Enter", "the chosen channel large, and back"),
    *map(_cycle_key, ("sort", "cmap", "scale")),
    Key("+", actions.zoom_in, "+ - 0", "larger, smaller, as large as there is room"),
    Key("=", actions.zoom_in),
    Key("-", actions.zoom_out),
    Key("0", actions.zoom_to_fit),
    Key("pagedown", actions.page_down, "Page Up/Down", "scroll the grid"),
    Key("pageup", actions.page_up),
    Key("home", actions.go_to_first, "Home End", "the first, the last"),
    Key("end", actions.go_to_last),
    Key("n", actions.next_sample, "n p", "the next sample, the one before"),
    Key("p", actions.previous_sample),
    Key("?", actions.show_help, "?", "these keys"),
    Key("escape", actions.back, "Escape", "back"),
    Key("q", actions.leave, "q Ctrl-C", "back to the prompt"),
    Key("c-d", actions.leave),
)


KEYS_OF_ALL_MODES = (Key("c-c", actions.leave), Key("<sigint>", actions.leave))


KEYS_OF_SEARCH = (
    Key("enter", actions.accept_match),
    Key("escape", actions.cancel_search),
    Key("backspace", actions.delete_last),
    Key("down", actions.next_match),
    Key("tab", actions.next_match),
    Key("up", actions.previous_match),
    Key("s-tab", actions.previous_match),
    Key("c-d", actions.cancel_search),
)


KEYS_OF_HELP = (
    Key("<any>", actions.back),
    Key("q", actions.leave),
    Key("c-d", actions.leave),
    *(Key(name, actions.help_up) for name in ("up", "pageup")),
    *(Key(name, actions.help_down) for name in ("down", "pagedown")),
)


def help_lines() -> list[str]:
    """Return the help: a line for each key, or for keys that belong together."""
    width = max(len(key.shown) for key in KEYS)
    return [f"{key.shown:<{width}}  {key.words}" for key in KEYS if key.shown]
