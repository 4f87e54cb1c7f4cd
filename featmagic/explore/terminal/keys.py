"""The keys of the explorer, once: what they do and what the help says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from featmagic.explore.terminal import finding, moving, settings
from featmagic.explore.terminal.browser import Browser


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
    does: Callable[[Browser], None]
    shown: str = ""
    words: str = ""


KEYS = (
    Key("up", moving.up, "arrows", "between layers; in the grid between channels"),
    Key("down", moving.down),
    Key("left", moving.left),
    Key("right", moving.right),
    Key("tab", moving.switch, "Tab", "from the layers to the grid, and back"),
    Key("s-tab", moving.switch),
    Key("[", moving.layer_before, "[ ]", "the layer before, the next layer"),
    Key("]", moving.layer_after),
    Key("/", finding.find, "/", "find a layer by its name"),
    Key("enter", moving.enter, "Enter", "the chosen channel large, and back"),
    Key("s", settings.sort, "s", "sort: the next order of the channels"),
    Key("c", settings.recolour, "c", "the next colour map"),
    Key("l", settings.rescale, "l", "a range for each channel, or one for the layer"),
    Key("+", settings.closer, "+ - 0", "larger, smaller, as large as there is room"),
    Key("=", settings.closer),
    Key("-", settings.farther),
    Key("0", settings.zoom_by_room),
    Key("pagedown", moving.page_down, "Page Up/Down", "scroll the grid"),
    Key("pageup", moving.page_up),
    Key("home", moving.first_one, "Home End", "the first, the last"),
    Key("end", moving.last_one),
    Key("n", settings.sample_after, "n p", "the next sample, the one before"),
    Key("p", settings.sample_before),
    Key("?", moving.show_keys, "?", "these keys"),
    Key("escape", moving.back, "Escape", "back"),
    Key("q", moving.leave, "q Ctrl-C", "back to the prompt"),
    Key("c-d", moving.leave),
)
ALWAYS = (Key("c-c", moving.leave), Key("<sigint>", moving.leave))
FINDING = (
    Key("enter", finding.take),
    Key("escape", finding.give_up),
    Key("backspace", finding.untype),
    Key("down", finding.next_found),
    Key("tab", finding.next_found),
    Key("up", finding.previous_found),
    Key("s-tab", finding.previous_found),
    Key("c-d", finding.give_up),
)
HELPING = (
    Key("<any>", moving.back),
    Key("q", moving.leave),
    Key("c-d", moving.leave),
    *(Key(name, moving.keys_up) for name in ("up", "pageup")),
    *(Key(name, moving.keys_down) for name in ("down", "pagedown")),
)


def help_lines() -> list[str]:
    """The keys, one or those that belong together in a line.

    Example:
        >>> help_lines()[1]
        'Tab           from the layers to the grid, and back'
    """
    wide = max(len(key.shown) for key in KEYS)
    return [f"{key.shown:<{wide}}  {key.words}" for key in KEYS if key.shown]
