"""The display settings of the explorer, once: a control is a row of `SETTINGS`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict

from featmagic.options.colormaps import DIVERGING, SEQUENTIAL
from featmagic.options.validators import choice, flag, number, whole, words_taken
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


# How a control looks: a list to choose from, a field for a number, a slider, or a box to tick.
Kind = Literal["choice", "number", "slider", "toggle"]

# When a control is there: always, or where there is
#   image     an input image, with the chosen layer over it
#   channels  more than one channel to sort or to leave out
#   order     an order by similarity of the layer's channels
#   pins      a pinned channel
# A new condition is a row of `CONDITIONS` in frontend/src/conditions.js, too.
Condition = Literal["", "image", "channels", "order", "pins"]

# Where a control stands: above the panels, under the input image, or above the pins.
Place = Literal["bar", "input", "pins"]


@dataclass(frozen=True)
class Setting:
    """A display setting that the user can change in the explorer.

    Python and the browser may set exactly what its control offers.

    Attributes:
        name: Its name in the document, in `Explorer.settings` and, where it is an option, in
            `View`.
        kind: What its control is.
        label: The label of its control.
        tooltip: What it does, in a sentence.
        start: Returns the value that a view asks for.
        choices: The values that a `choice` offers; those of the colormap are the document's.
        limits: The lowest and highest number that a `number` or `slider` offers, and its step:
            whole numbers, if it is 1.
        placeholder: What a number control shows in place of 0.
        key: The key that sets a choice to its next value; empty if there is none.
        cycle: The values of the `View` option through which that key goes in a terminal.
        applies: When its control is there.
        needs: When a choice is offered, by choice; the others always are.
        place: Where its control stands.
    """

    name: str
    kind: Kind
    label: str
    tooltip: str
    start: Callable[[View], Any]
    choices: tuple[str, ...] = ()
    limits: tuple[float, float, float] | None = None
    placeholder: str = ""
    key: str = ""
    cycle: tuple[str | None, ...] = ()
    applies: Condition = ""
    needs: Mapping[str, Condition] = field(default_factory=dict)
    place: Place = "bar"

    @property
    def help(self) -> str:
        """What the help says about its key."""
        return f"next value of {self.label}"

    def check(self, value: Any) -> Any:
        """Check a value and return it; colormaps are checked elsewhere.

        Raises:
            FeatmagicError: If the control doesn't offer the value.
        """
        if self.kind == "toggle":
            return flag(self.name, value)
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
        if self.kind == "toggle":
            return isinstance(value, bool)
        if self.limits is None:
            return isinstance(value, str)
        return is_whole(value) if self.limits[2] == 1 else is_number(value)


_ROWS = (
    Setting(
        "cmap",
        "choice",
        "Colors",
        "The colormap. auto: viridis, or RdBu_r around 0 where values have both signs.",
        lambda view: view.cmap or "auto",
        key="m",
        cycle=(None, *COLORMAPS[:-1]),
    ),
    Setting(
        "scale",
        "choice",
        "Scale",
        "What shares a color range: nothing (each channel has its own), the channels of the "
        "layer, or all layers.",
        lambda view: view.scale or "channel",
        choices=("channel", "layer", "all"),
        key="l",
        cycle=("channel", "layer"),
    ),
    Setting(
        "robust",
        "number",
        "Robust",
        "Clips this percentage of the values at each end of the color range, so that outliers "
        "don't hide the rest.",
        lambda view: view.robust or 0,
        limits=(0, 49, 0.5),
    ),
    Setting(
        "gamma",
        "number",
        "Gamma",
        "Bends the colors: below 1, small values stand out; above 1, large ones.",
        lambda _: 1,
        limits=(0.1, 5, 0.1),
    ),
    Setting(
        "sort",
        "choice",
        "Sort",
        "The order of the channels in the grid: by index, or the largest first.",
        lambda view: "absmean" if view.topk and view.sort == "index" else view.sort,
        choices=_ORDERS,
        key="s",
        cycle=_ORDERS,
        applies="channels",
        needs={"similar": "order"},
    ),
    Setting(
        "topk",
        "number",
        "Top",
        "Shows only this many channels, the first ones in the chosen order.",
        lambda view: view.topk or 0,
        limits=(0, 10**6, 1),
        placeholder="all",
        applies="channels",
    ),
    Setting(
        "alpha",
        "slider",
        "Opacity",
        "How opaque the channel is over the input image.",
        lambda view: view.alpha,
        limits=(0, 1, 0.05),
        applies="image",
        place="input",
    ),
    Setting(
        "zoom",
        "number",
        "Zoom",
        "Screen pixels per value. auto: as large as leaves all channels in sight.",
        lambda view: view.zoom or 0,
        limits=(0, 64, 1),
        placeholder="auto",
    ),
    Setting(
        "shared",
        "toggle",
        "Shared range",
        "Draws all pins in one color range, so that their colors can be compared.",
        lambda _: False,
        applies="pins",
        place="pins",
    ),
)


SETTINGS = {setting.name: setting for setting in _ROWS}


class ControlText(TypedDict):
    """A control of the front end: a row of `SETTINGS` as it travels.

    The limits are the lowest number, the highest, and the step. The choices of the colormap are the
    document's colormaps.
    """

    name: str
    kind: Kind
    label: str
    tooltip: str
    choices: list[str]
    limits: list[float] | None
    placeholder: str
    key: str
    help: str
    applies: Condition
    needs: dict[str, Condition]
    place: Place


def controls(colormaps: Iterable[str]) -> list[ControlText]:
    """Return the control of each setting, in the order in which they stand."""
    offered = {"cmap": ("auto", *colormaps)}
    return [
        {
            "name": name,
            "kind": setting.kind,
            "label": setting.label,
            "tooltip": setting.tooltip,
            "choices": list(offered.get(name, setting.choices)),
            "limits": None if setting.limits is None else list(setting.limits),
            "placeholder": setting.placeholder,
            "key": setting.key,
            "help": setting.help,
            "applies": setting.applies,
            "needs": dict(setting.needs),
            "place": setting.place,
        }
        for name, setting in SETTINGS.items()
    ]


def settings_of(view: View) -> dict[str, Any]:
    """Return the value of every setting that a view asks for."""
    return {name: setting.start(view) for name, setting in SETTINGS.items()}
