"""The keys of the explorer, once: what they do and what the help says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from featmagic.explorer.terminal import actions
from featmagic.explorer.terminal.state import ExplorerState


@dataclass(frozen=True)
class Key:
    """A key.

    Attributes:
        name: as prompt_toolkit has it.
        does: what.
        shown: how the help calls it, or those that belong together; empty for the others of them.
        words: what it says of them.
    """

    name: str
    does: Callable[[ExplorerState], None]
    shown: str = ""
    words: str = ""


KEYS = (
    Key("up", actions.up, "arrows", "between layers; in the grid between channels"),
    Key("down", actions.down),
    Key("left", actions.left),
    Key("right", actions.right),
    Key("tab", actions.switch, "Tab", "from the layers to the grid, and back"),
    Key("s-tab", actions.switch),
    Key("[", actions.layer_before, "[ ]", "the layer before, the next layer"),
    Key("]", actions.layer_after),
    Key("/", actions.find, "/", "find a layer by its name"),
    Key("enter", actions.enter, "Enter", "the chosen channel large, and back"),
    Key("s", actions.sort, "s", "sort: the next order of the channels"),
    Key("c", actions.recolor, "c", "the next colour map"),
    Key("l", actions.rescale, "l", "a range for each channel, or one for the layer"),
    Key("+", actions.closer, "+ - 0", "larger, smaller, as large as there is room"),
    Key("=", actions.closer),
    Key("-", actions.farther),
    Key("0", actions.zoom_by_room),
    Key("pagedown", actions.page_down, "Page Up/Down", "scroll the grid"),
    Key("pageup", actions.page_up),
    Key("home", actions.first_one, "Home End", "the first, the last"),
    Key("end", actions.last_one),
    Key("n", actions.sample_after, "n p", "the next sample, the one before"),
    Key("p", actions.sample_before),
    Key("?", actions.show_keys, "?", "these keys"),
    Key("escape", actions.back, "Escape", "back"),
    Key("q", actions.leave, "q Ctrl-C", "back to the prompt"),
    Key("c-d", actions.leave),
)


ALWAYS = (Key("c-c", actions.leave), Key("<sigint>", actions.leave))


FINDING = (
    Key("enter", actions.take),
    Key("escape", actions.give_up),
    Key("backspace", actions.untype),
    Key("down", actions.next_found),
    Key("tab", actions.next_found),
    Key("up", actions.previous_found),
    Key("s-tab", actions.previous_found),
    Key("c-d", actions.give_up),
)


HELPING = (
    Key("<any>", actions.back),
    Key("q", actions.leave),
    Key("c-d", actions.leave),
    *(Key(name, actions.keys_up) for name in ("up", "pageup")),
    *(Key(name, actions.keys_down) for name in ("down", "pagedown")),
)


def help_lines() -> list[str]:
    """The keys, one or those that belong together in a line.

    Example:
        >>> help_lines()[1]
        'Tab           from the layers to the grid, and back'
    """
    wide = max(len(key.shown) for key in KEYS)
    return [f"{key.shown:<{wide}}  {key.words}" for key in KEYS if key.shown]
