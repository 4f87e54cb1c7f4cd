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
#   samples   a batch of more than one sample
#   slices    a volume, of which one slice is shown
#   calls     more than one call of the layer
#   inputs    a choice of inputs, on which the model can run
#   image     an input image, with the chosen layer or its attention over it
#   channels  more than one channel to sort or to leave out
#   order     an order by similarity of the layer's channels
#   pins      a pinned channel
# A new condition is a row of `CONDITIONS` in frontend/src/conditions.js, too.
Condition = Literal[
    "", "samples", "slices", "calls", "inputs", "image", "channels", "order", "pins"
]

# Where a control stands: above the panels, under the input image, or above the pins.
Place = Literal["bar", "input", "pins"]


@dataclass(frozen=True)
class Control:
    """A control of the explorer.

    Attributes:
        name: Its name in the document.
        kind: What it is.
        label: Its label.
        tooltip: What it does, in a sentence.
        choices: The values that a `choice` offers; those of the colormap are the document's.
        limits: The lowest and highest number that a `number` or `slider` offers, and its step:
            whole numbers, if it is 1.
        placeholder: What a number control shows in place of 0.
        key: The key that sets a choice to its next value, or ticks a box; empty if there is none.
        applies: When it is there.
        needs: When a choice is offered, by choice; the others always are.
        place: Where it stands.
    """

    name: str
    kind: Kind
    label: str
    tooltip: str
    choices: tuple[str, ...] = ()
    limits: tuple[float, float, float] | None = None
    placeholder: str = ""
    key: str = ""
    applies: Condition = ""
    needs: Mapping[str, Condition] = field(default_factory=dict)
    place: Place = "bar"

    @property
    def help(self) -> str:
        """What the help says about its key."""
        return f"{self.label} on or off" if self.kind == "toggle" else f"next value of {self.label}"


# What is shown: the front end knows what it may be, and the protocol checks it.
SELECTORS = (
    Control(
        "sample",
        "number",
        "Sample",
        "The sample of the batch that is shown.",
        limits=(0, 0, 1),
        applies="samples",
    ),
    Control(
        "slice",
        "choice",
        "Slice",
        "The slice of the volume that is shown, or the mean or maximum of them all.",
        applies="slices",
    ),
    Control(
        "call",
        "choice",
        "Call",
        "Which call of the layer in the pass is shown.",
        applies="calls",
    ),
    Control(
        "input",
        "number",
        "Input",
        "The input on which the model runs; empty for the one that was captured.",
        limits=(0, 0, 1),
        placeholder="captured",
        applies="inputs",
    ),
)


@dataclass(frozen=True)
class Setting(Control):
    """A display setting that the user can change in the explorer.

    Python and the browser may set exactly what its control offers. Its name is also its name in
    `Explorer.settings` and, where it is an option, in `View`.

    Attributes:
        start: Returns the value that a view asks for.
        cycle: The values of the `View` option through which its key goes in a terminal.
    """

    start: Callable[[View], Any] = field(kw_only=True)
    cycle: tuple[str | None, ...] = field(default=(), kw_only=True)

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
            raise FeatmagicError(f"{self.name} must be from {low:g} to {high:g}, not {count}.")
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
        "The colormap. auto: viridis, or RdBu_r centered on 0 where values have both signs.",
        start=lambda view: view.cmap or "auto",
        key="m",
        cycle=(None, *COLORMAPS[:-1]),
    ),
    Setting(
        "scale",
        "choice",
        "Scale",
        "Share the color range per channel, per layer (all its channels), or across all layers.",
        start=lambda view: view.scale or "channel",
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
        start=lambda view: view.robust or 0,
        limits=(0, 49, 0.5),
    ),
    Setting(
        "gamma",
        "number",
        "Gamma",
        "Nonlinear color scale: below 1, small values stand out; above 1, large ones.",
        start=lambda _: 1,
        limits=(0.1, 5, 0.1),
    ),
    Setting(
        "sort",
        "choice",
        "Sort",
        "The order of the channels in the grid: by index, or the largest first.",
        start=lambda view: "absmean" if view.topk and view.sort == "index" else view.sort,
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
        start=lambda view: view.topk or 0,
        limits=(0, 10**6, 1),
        placeholder="all",
        applies="channels",
    ),
    Setting(
        "alpha",
        "slider",
        "Opacity",
        "How opaque the channel is over the input image.",
        start=lambda view: view.alpha,
        limits=(0, 1, 0.05),
        applies="image",
        place="input",
    ),
    Setting(
        "zoom",
        "number",
        "Zoom",
        "Screen pixels per value. auto: as large as possible while all channels fit, but never too "
        "small to tell apart.",
        start=lambda view: view.zoom or 0,
        limits=(0, 64, 1),
        placeholder="auto",
    ),
    Setting(
        "shared",
        "toggle",
        "Shared range",
        "Draws all pins in one color range, so that their colors can be compared.",
        start=lambda _: False,
        applies="pins",
        place="pins",
    ),
)


SETTINGS = {setting.name: setting for setting in _ROWS}


class ControlText(TypedDict):
    """A `Control` as it travels; the choices of the colormap are the document's colormaps."""

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


def selectors() -> list[ControlText]:
    """Return the controls of what is shown, in the order in which they stand."""
    return [_text(control, control.choices) for control in SELECTORS]


def controls(colormaps: Iterable[str]) -> list[ControlText]:
    """Return the control of each setting, in the order in which they stand."""
    offered = {"cmap": ("auto", *colormaps)}
    return [
        _text(setting, offered.get(name, setting.choices)) for name, setting in SETTINGS.items()
    ]


def _text(control: Control, choices: Iterable[str]) -> ControlText:
    return {
        "name": control.name,
        "kind": control.kind,
        "label": control.label,
        "tooltip": control.tooltip,
        "choices": [*choices],
        "limits": None if control.limits is None else [*control.limits],
        "placeholder": control.placeholder,
        "key": control.key,
        "help": control.help,
        "applies": control.applies,
        "needs": {**control.needs},
        "place": control.place,
    }


def settings_of(view: View) -> dict[str, Any]:
    """Return the value of every setting that a view asks for."""
    return {name: setting.start(view) for name, setting in SETTINGS.items()}
