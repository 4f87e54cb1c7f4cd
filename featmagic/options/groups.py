"""The groups of options, and which view takes which of them."""

from __future__ import annotations

from collections.abc import Mapping

# Options that say which dimension of an activation is what, and how it is reduced to 2-D planes.
AXES = frozenset({"layout", "tokens", "volume", "attention"})

# Options of what is shown on a screen; files take none of them.
SCREEN = frozenset({"renderer", "rows"})

GROUPS = (
    AXES
    | SCREEN
    | {"passes", "selection", "order", "tiles", "zoom", "color", "range", "limits", "reduction"}
    | {"input", "overlay", "input image", "overview", "explorer", "title"}
)

# The groups of options that each view takes; all others are refused.
TAKEN: Mapping[str, frozenset[str]] = {
    "grid": GROUPS - {"overview", "explorer"},
    "overview": AXES | {"overview", "passes", "selection", "color", "renderer", "title"},
    "explorer": AXES
    | {
        "explorer",
        "passes",
        "selection",
        "order",
        "zoom",
        "color",
        "range",
        "input image",
        "renderer",
        "title",
    },
}
