"""The display settings of the explorer, once: a control is a row of `SETTINGS`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from featmagic.options.colormaps import DIVERGING, SEQUENTIAL
from featmagic.options.validators import Check, choice, number, whole, words_taken
from featmagic.options.view import View

# The colormaps to choose from; a document also holds the one that the user names.
COLORMAPS = (SEQUENTIAL, "magma", "cividis", "gray", DIVERGING, "coolwarm", "PuOr_r")

_check_sort: Check = View.__dataclass_fields__["sort"].metadata["check"]


@dataclass(frozen=True)
class Cycle:
    """A key of the explorer in a terminal that sets an option to the next of some values.

    Attributes:
        key: The key.
        help: What the help says about it.
        values: The values of the `View` option, in their order.
    """

    key: str
    help: str
    values: tuple[str | None, ...]


@dataclass(frozen=True)
class Setting:
    """A display setting that the user can change in the explorer.

    Attributes:
        name: Its name in the document, in `Explorer.settings` and, where it is an option, in
            `View`.
        label: The label of its control.
        start: Returns the value that a view asks for.
        check: Validates a value; None for the colormap, which has to be one of the document's.
        choices: The values that a select control offers; those of the colormap are the document's.
        limits: The lowest and highest number that a number control offers, and its step.
        placeholder: What a number control shows in place of 0.
        cycle: Its key in a terminal, if it has one.
    """

    name: str
    label: str
    start: Callable[[View], Any]
    check: Check | None = None
    choices: tuple[str, ...] = ()
    limits: tuple[float, float, float] | None = None
    placeholder: str = ""
    cycle: Cycle | None = None


_ROWS = (
    Setting(
        "cmap",
        "Colours",
        lambda view: view.cmap or "auto",
        cycle=Cycle("c", "the next colour map", (None, *COLORMAPS[:-1])),
    ),
    Setting(
        "scale",
        "Scale",
        lambda view: view.scale or "channel",
        choice("channel", "layer"),
        choices=("channel", "layer", "all"),
        cycle=Cycle("l", "a range for each channel, or one for the layer", ("channel", "layer")),
    ),
    Setting("robust", "Robust", lambda view: view.robust or 0, number(0, 49), limits=(0, 49, 0.5)),
    Setting("gamma", "Gamma", lambda _: 1, number(0.01, 100), limits=(0.1, 5, 0.1)),
    Setting(
        "sort",
        "Sort",
        lambda view: "absmean" if view.topk and view.sort == "index" else view.sort,
        _check_sort,
        choices=words_taken(_check_sort),
        cycle=Cycle("s", "sort: the next order of the channels", words_taken(_check_sort)),
    ),
    Setting(
        "topk",
        "Top",
        lambda view: view.topk or 0,
        whole(0),
        limits=(0, 10**6, 1),
        placeholder="all",
    ),
    Setting("alpha", "Opacity", lambda view: view.alpha, number(0, 1), limits=(0, 1, 0.05)),
    Setting(
        "zoom", "Zoom", lambda view: view.zoom or 0, whole(0), limits=(0, 64, 1), placeholder="auto"
    ),
)


SETTINGS = {setting.name: setting for setting in _ROWS}

CYCLES = {setting.name: setting.cycle for setting in _ROWS if setting.cycle is not None}


def settings_of(view: View) -> dict[str, Any]:
    """Return the value of every setting that a view asks for."""
    return {name: setting.start(view) for name, setting in SETTINGS.items()}
