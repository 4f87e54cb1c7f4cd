"""Colormaps by name: matplotlib's own and those that users register with it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from featmagic.support.errors import FeatmagicError, did_you_mean, short

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

SEQUENTIAL = "viridis"
DIVERGING = "RdBu_r"

# The section "Diverging" of matplotlib's documentation: matplotlib keeps no such list itself.
_DIVERGING_FAMILIES = frozenset((
    "PiYG", "PRGn", "BrBG", "PuOr", "RdGy", "RdBu", "RdYlBu", "RdYlGn", "Spectral", "coolwarm",
    "bwr", "seismic", "berlin", "managua", "vanimo",
))  # fmt: skip

# Completed where matplotlib isn't loaded: completion must not wait for it.
_WELL_KNOWN = (
    SEQUENTIAL, "magma", "inferno", "plasma", "cividis", "gray", "gray_r", "bone", "hot", "turbo",
    DIVERGING, "coolwarm", "seismic", "PiYG", "Spectral", "twilight",
)  # fmt: skip


def colormap(name: str) -> Colormap:
    """Return the colormap of that name.

    Raises:
        FeatmagicError: matplotlib knows no such name; the message lists the nearest ones.

    Example:
        >>> colormap("gray").N
        256
    """
    import matplotlib  # takes a quarter of a second: only when something is drawn or checked

    if name in matplotlib.colormaps:
        return matplotlib.colormaps[name]
    raise FeatmagicError(
        f"There is no colormap {short(name)}.{did_you_mean(name, matplotlib.colormaps)} "
        "list(matplotlib.colormaps) lists all of them."
    )


def well_known() -> tuple[str, ...]:
    """Return all colormap names if matplotlib is loaded, and a few common ones otherwise."""
    return tuple(getattr(sys.modules.get("matplotlib"), "colormaps", _WELL_KNOWN))


def is_diverging(name: str) -> bool:
    """Return True if the colormap is made for values on both sides of a center.

    Example:
        >>> is_diverging("RdBu_r"), is_diverging("gray")
        (True, False)
    """
    return name.removesuffix("_r") in _DIVERGING_FAMILIES
