"""The explorer of a terminal: a full screen to walk through layers and channels with keys."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace

from featmagic.grid.draw import draw_all
from featmagic.grid.show import show
from featmagic.options.view import View
from featmagic.recording.records import Activation
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
        plain = _ordinary(view)
        with closing(draw_all(activations, plain, where.viewport)) as drawings:
            for drawing in drawings:
                show(drawing, where, view.rows)
        say(f"Shown without an explorer: {reason}.")
        return
    # prompt_toolkit takes a while to import: only where it is used.
    from featmagic.explorer.terminal.app import explore
    from featmagic.explorer.terminal.layer_table import layer_entries

    try:
        explore(layer_entries(activations, view), replace(_ordinary(view), max=0), where.colors)
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


def _ordinary(view: View) -> View:
    """The view of an ordinary look that draws as the explorer was asked to."""
    return View(**{name: getattr(view, name) for name in _KEPT})


_KEPT = (
    *("channels", "sample", "sort", "topk", "zoom", "cmap", "scale", "robust", "renderer"),
    *("layout", "grid", "prefix_tokens", "slice", "attn"),
)
