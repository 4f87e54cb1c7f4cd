"""The display settings of the explorer, once: a control is a row of `SETTINGS`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypedDict

from featmagic.options.colormaps import DIVERGING, SEQUENTIAL
from featmagic.options.validators import choice, number, whole, words_taken
from featmagic.options.view import View
from featmagic.support.errors import FeatmagicError

# The colormaps to choose from; a document also holds the one that the user names.
COLORMAPS = (SEQUENTIAL, "magma", "cividis", "gray", DIVERGING, "coolwarm", "PuOr_r")

_ORDERS = words_taken(View.__dataclass_fields__["sort"].metadata["check"])


_LARGEST = 2**53  # above it, JavaScript's whole numbers aren't exact


def is_whole(value: object) -> bool:
    """Return True if a value from JSON is a whole number."""
    return type(value) is int and abs(value) <= _LARGEST


def is_number(value: object) -> bool:
    """Return True if a value from JSON is a finite number."""
    return is_whole(value) or (type(value) is float and abs(value) <= _LARGEST)


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

    Python and the browser may set exactly what its control offers.

    Attributes:
        name: Its name in the document, in `Explorer.settings` and, where it is an option, in
            `View`.
        label: The label of its control.
        start: Returns the value that a view asks for.
        choices: The values that a select control offers; those of the colormap are the document's.
        limits: The lowest and highest number that a number control offers, and its step: whole
            numbers, if it is 1.
        placeholder: What a number control shows in place of 0.
        slider: Whether a number control is a slider.
        cycle: Its key in a terminal, if it has one.
    """

    name: str
    label: str
    start: Callable[[View], Any]
    choices: tuple[str, ...] = ()
    limits: tuple[float, float, float] | None = None
    placeholder: str = ""
    slider: bool = False
    cycle: Cycle | None = None

    def check(self, value: Any) -> Any:
        """Check a value and return it; colormaps are checked elsewhere.

        Raises:
            FeatmagicError: If the control doesn't offer the value.
        """
        if self.limits is None:
            return choice(*self.choices)(self.name, value)
        low, high, step = self.limits
        if step != 1:
            return number(low, high)(self.name, value)
        count: int = whole()(self.name, value)
        if not low <= count <= high:
            raise FeatmagicError(f"{self.name} is from {low:g} to {high:g}, not {count}.")
        return count

    def travels_as(self, value: object) -> bool:
        """Return True if a value from JSON has the type of this setting."""
        if self.limits is None:
            return isinstance(value, str)
        return is_whole(value) if self.limits[2] == 1 else is_number(value)


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
        choices=("channel", "layer", "all"),
        cycle=Cycle("l", "a range for each channel, or one for the layer", ("channel", "layer")),
    ),
    Setting("robust", "Robust", lambda view: view.robust or 0, limits=(0, 49, 0.5)),
    Setting("gamma", "Gamma", lambda _: 1, limits=(0.1, 5, 0.1)),
    Setting(
        "sort",
        "Sort",
        lambda view: "absmean" if view.topk and view.sort == "index" else view.sort,
        choices=_ORDERS,
        cycle=Cycle("s", "sort: the next order of the channels", _ORDERS),
    ),
    Setting("topk", "Top", lambda view: view.topk or 0, limits=(0, 10**6, 1), placeholder="all"),
    Setting("alpha", "Opacity", lambda view: view.alpha, limits=(0, 1, 0.05), slider=True),
    Setting("zoom", "Zoom", lambda view: view.zoom or 0, limits=(0, 64, 1), placeholder="auto"),
)


SETTINGS = {setting.name: setting for setting in _ROWS}

CYCLES = {setting.name: setting.cycle for setting in _ROWS if setting.cycle is not None}


class ControlText(TypedDict):
    """A control of the front end: one choice of several, or a number between limits.

    The limits are the lowest number, the highest, and the step. The choices of the colormap are the
    document's colormaps.
    """

    name: str
    label: str
    choices: list[str]
    limits: list[float] | None
    placeholder: str
    slider: bool


def controls(colormaps: Iterable[str]) -> list[ControlText]:
    """Return the control of each setting, in the order in which they stand."""
    offered = {"cmap": ("auto", *colormaps)}
    return [
        {
            "name": name,
            "label": setting.label,
            "choices": list(offered.get(name, setting.choices)),
            "limits": None if setting.limits is None else list(setting.limits),
            "placeholder": setting.placeholder,
            "slider": setting.slider,
        }
        for name, setting in SETTINGS.items()
    ]


def settings_of(view: View) -> dict[str, Any]:
    """Return the value of every setting that a view asks for."""
    return {name: setting.start(view) for name, setting in SETTINGS.items()}
