"""Color maps by name: matplotlib's, and those that the user registered with it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from featmagic.support.errors import FeatmagicError, did_you_mean

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

SEQUENTIAL = "viridis"


DIVERGING = "RdBu_r"

# "Diverging" in matplotlib's documentation of color maps; matplotlib itself keeps no such list.
# fmt: off
_DIVERGING_FAMILIES = frozenset((
    "PiYG", "PRGn", "BrBG", "PuOr", "RdGy", "RdBu", "RdYlBu", "RdYlGn", "Spectral", "coolwarm",
    "bwr", "seismic", "berlin", "managua", "vanimo",
))


# fmt: on


# Where matplotlib isn't loaded and what is asked for can't wait for it.
_WELL_KNOWN = (
    SEQUENTIAL, "magma", "inferno", "plasma", "cividis", "gray", "gray_r", "bone", "hot", "turbo",
    DIVERGING, "coolwarm", "seismic", "PiYG", "Spectral", "twilight",
)  # fmt: skip


def colormap(name: str) -> Colormap:
    """The color map of that name.

    Raises:
        FeatmagicError: matplotlib knows no such name; the nearest ones are named.

    Example:
        >>> colormap("gray").N
        256
    """
    import matplotlib  # a quarter of a second: only when something is drawn or checked

    if name in matplotlib.colormaps:
        return matplotlib.colormaps[name]
    raise FeatmagicError(
        f"No colormap '{name}'.{did_you_mean(name, matplotlib.colormaps)} "
        "list(matplotlib.colormaps) has them all."
    )


def well_known() -> tuple[str, ...]:
    """Names of color maps: all that matplotlib has, if it is loaded, or else the best known.

    Example:
        >>> "viridis" in well_known()
        True
    """
    return tuple(getattr(sys.modules.get("matplotlib"), "colormaps", _WELL_KNOWN))


def is_diverging(name: str) -> bool:
    """Whether the middle of the color map stands for zero.

    Example:
        >>> is_diverging("RdBu_r"), is_diverging("gray")
        (True, False)
    """
    return name.removesuffix("_r") in _DIVERGING_FAMILIES
