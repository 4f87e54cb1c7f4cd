"""The keys of the explorer, once: what they do and what the help says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

from featmagic.explorer.finds import FINDS
from featmagic.explorer.settings import SETTINGS
from featmagic.explorer.terminal import actions
from featmagic.explorer.terminal.finds import FINDERS
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


def _setting_key(name: str) -> Key:
    """Return the key that changes a setting to its next value."""
    setting = SETTINGS[name]
    does = partial(actions.cycle, name=name, values=setting.cycle)
    return Key(setting.key, does, setting.key, setting.help)


KEYS = (
    Key(
        "up",
        partial(actions.move_down, step=-1),
        "arrows",
        "move between layers, or between channels in the grid",
    ),
    Key("down", partial(actions.move_down, step=1)),
    Key("tab", actions.switch, "Tab", "switch between layers and grid"),
    Key("s-tab", actions.switch),
    Key("right", actions.move_right, "Right Left", "expand, collapse; enter, leave the grid"),
    Key("left", actions.move_left),
    Key(
        "[",
        partial(actions.change_layer, step=-1),
        "[ ]",
        "previous, next layer, including collapsed ones",
    ),
    Key("]", partial(actions.change_layer, step=1)),
    Key("/", actions.find, "/", "find layers by path, class or glob, such as layer1.* or **.conv1"),
    *(
        Key(find.key, FINDERS[find.name], find.key, find.label[:1].lower() + find.label[1:])
        for find in FINDS
    ),
    Key("enter", actions.enter, "Enter", "enlarge the selected channel; again: restore it"),
    *(_setting_key(name) for name, setting in SETTINGS.items() if setting.cycle),
    replace(_setting_key("cmap"), name="c", shown=""),  # the key that it had at first
    Key("+", partial(actions.zoom, step=1), "+ - 0", "larger, smaller, fit to the screen"),
    Key("=", partial(actions.zoom, step=1)),
    Key("-", partial(actions.zoom, step=-1)),
    Key("0", actions.zoom_to_fit),
    Key("pagedown", partial(actions.scroll, pages=1), "Page Up/Down", "scroll the grid"),
    Key("pageup", partial(actions.scroll, pages=-1)),
    Key("home", actions.go_to_first, "Home End", "first, last"),
    Key("end", actions.go_to_last),
    Key("n", partial(actions.change_sample, step=1), "n p", "next, previous sample"),
    Key("p", partial(actions.change_sample, step=-1)),
    Key("?", actions.show_help, "?", "show this help"),
    Key("escape", actions.back, "Escape", "back"),
    Key("q", actions.leave, "q Ctrl-C", "quit to the prompt"),
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
    *(Key(name, partial(actions.scroll_help, lines=-1)) for name in ("up", "pageup")),
    *(Key(name, partial(actions.scroll_help, lines=1)) for name in ("down", "pagedown")),
)


def help_lines() -> list[str]:
    """Return the help: a line for each key, or for keys that belong together."""
    width = max(len(key.shown) for key in KEYS)
    return [f"{key.shown:<{width}}  {key.words}" for key in KEYS if key.shown]
