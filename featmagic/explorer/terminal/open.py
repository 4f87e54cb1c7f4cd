"""The explorer of a terminal: a full screen to walk through layers and channels with keys."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from featmagic.grid.show import show
from featmagic.options.view import TAKEN, View
from featmagic.recording.records import Activation, Request
from featmagic.render.target import Target
from featmagic.support.environment import is_terminal
from featmagic.support.text import say


def browse(activations: Sequence[Activation], view: View, where: Target) -> None:
    """Open the explorer on these layers, and come back when the user leaves it.

    What stood on the screen before is there again afterwards, whatever happens meanwhile. Where
    there is no room for an explorer, the grids are shown as by an ordinary look, and a line says
    why.

    Args:
        activations: the activations, each with more words for its caption.
        view: how to draw them at first.
        where: what there is to show on.

    Raises:
        FeatmagicError: as an overview or, where the grids are shown, as a look.

    Example:
        >>> from featmagic.render.target import RENDERERS
        >>> browse([], View(), Target(RENDERERS["none"], 80))
    """
    if not activations:
        return
    if reason := _without():
        show(Request(activations), view.only(*TAKEN["grid"]), where)
        say(f"Shown without an explorer: {reason}.")
        return
    # prompt_toolkit takes a while to import: only where it is used.
    from featmagic.explorer.terminal.app import explore
    from featmagic.explorer.terminal.layer_table import layer_entries

    try:
        every = view.only(*TAKEN["grid"], max=0)
        explore(layer_entries(activations, view), every, where.colors)
    except KeyboardInterrupt:
        say("Interrupted.")


def _without() -> str:
    """Why there can be no explorer; empty where there can."""
    for name, stream in (("input", sys.stdin), ("output", sys.stdout)):
        if not is_terminal(stream):
            return f"its keys and its screen need a terminal, and the standard {name} is none"
    if os.environ.get("TERM") in (None, "", "dumb") and not os.environ.get("WT_SESSION"):
        return "this terminal (TERM=dumb) has no full screen"
    return ""
