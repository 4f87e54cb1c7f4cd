"""Open the explorer of a terminal: a full screen of layers and channels, moved through by keys."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from featmagic.grid.show import show
from featmagic.options.groups import TAKEN
from featmagic.options.view import View
from featmagic.recording.records import Activation, Request
from featmagic.render.target import Target
from featmagic.support.environment import is_terminal
from featmagic.support.text import say


def browse(activations: Sequence[Activation], view: View, where: Target) -> None:
    """Open the explorer of some layers, and return when the user leaves it.

    What was on the screen before is there again afterwards, even after an error. Where no explorer
    can be shown, the grids are shown as still pictures, and a line says why.

    Args:
        activations: The layers, in the order in which they ran.
        view: How to draw them at first.
        where: Where to show the grids.

    Raises:
        FeatmagicError: As for an overview or, where grids are shown, as for those.
    """
    if not activations:
        return
    if reason := _why_not():
        show(Request(activations), view.only(*TAKEN["grid"]), where)
        say(f"Showing still pictures instead of an explorer: {reason}.")
        return
    # prompt_toolkit takes a while to import.
    from featmagic.explorer.terminal.app import explore
    from featmagic.explorer.terminal.layer_table import layer_entries

    try:
        every = view.only(*TAKEN["grid"], max=0)
        explore(layer_entries(activations, view), every, where.colors)
    except KeyboardInterrupt:
        say("Interrupted.")


def _why_not() -> str:
    """Return why no explorer can be shown, or an empty text."""
    for name, stream in (("input", sys.stdin), ("output", sys.stdout)):
        if not is_terminal(stream):
            return f"it needs a terminal, and the standard {name} isn't one"
    if os.environ.get("TERM") in (None, "", "dumb") and not os.environ.get("WT_SESSION"):
        return "this terminal (TERM=dumb) has no full screen"
    return ""
