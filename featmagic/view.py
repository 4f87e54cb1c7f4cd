"""How to draw: every display option, once.

The options of the magics, the keyword arguments of `show`, `figure` and `save`, and the help are
all made from the fields of `View`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from typing import Any

from featmagic.colormaps import colormap
from featmagic.errors import FeatmagicError, did_you_mean


def _option(default: Any, metavar: str, help: str, **kwargs: Any) -> Any:
    return field(default=default, metadata={"metavar": metavar, "help": help, **kwargs})


@dataclass(frozen=True, kw_only=True)
class View:
    """How to draw activations.

    Raises:
        FeatmagicError: a value that can't be meant, such as `ncols=0` or an unknown colormap.

    Example:
        >>> View(channels="0:16,40", cmap="gray").max
        64
    """

    channels: str | None = _option(
        None, "0:16,40", "channels to show, as indices and Python slices; in that order"
    )
    max: int = _option(
        64, "N", "show the first N channels, where --channels names none; 0 shows all", type=int
    )
    sample: int = _option(0, "I", "which item of the batch; -1 is the last", type=int)
    ncols: int | None = _option(
        None, "N", "tiles in a row; by default as many as fit the width", type=int
    )
    cmap: str | None = _option(
        None,
        "NAME",
        "any matplotlib colormap; by default viridis, or RdBu_r centred on 0 for both signs",
    )
    scale: str = _option(
        "channel",
        "channel|layer",
        "whether each channel has a range of its own, or the layer one",
        choices=("channel", "layer"),
    )
    zoom: int | None = _option(
        None, "N", "pixels to a value, in each direction; by default by the room there is", type=int
    )

    def __post_init__(self) -> None:
        object.__setattr__(self, "channels", _channels_text(self.channels))
        for name, least in (("max", 0), ("ncols", 1), ("zoom", 1), ("sample", None)):
            _check_int(name, getattr(self, name), least, optional=name in ("ncols", "zoom"))
        if self.scale not in ("channel", "layer"):
            raise FeatmagicError(f"scale is channel or layer, not {self.scale!r}.")
        if self.cmap is not None:
            if not isinstance(self.cmap, str):
                raise FeatmagicError(f"cmap is the name of a colormap, not {self.cmap!r}.")
            colormap(self.cmap)

    def pick(self, count: int) -> list[int]:
        """The indices of the channels to show, of `count`.

        Raises:
            FeatmagicError: a single index that isn't there; slices are cut as Python's are.

        Example:
            >>> View(channels="0:3,-1").pick(10)
            [0, 1, 2, 9]
        """
        if self.channels is None:
            return list(range(min(count, self.max or count)))
        picked = [i for part in self.channels.split(",") for i in _indices(part, count)]
        if not picked:
            raise FeatmagicError(f"channels {self.channels} takes none of the {count} there are.")
        return picked


def view_of(**options: Any) -> View:
    """A `View` from keyword arguments.

    Raises:
        FeatmagicError: an option that there isn't; the nearest one is named.
    """
    names = [f.name for f in fields(View)]
    for name in options:
        if name not in names:
            raise FeatmagicError(
                f"No view option '{name}'.{did_you_mean(name, names, limit=1)} "
                f"There are: {', '.join(names)}."
            )
    return View(**options)


_PART = re.compile(r"-?\d+|(-?\d+)?:(-?\d+)?(:(-?0*[1-9]\d*)?)?")


def _channels_text(channels: object) -> str | None:
    """`channels` in slice syntax, whether it came as text, an int, a slice or several of them."""
    if channels is None:
        return None
    if isinstance(channels, str):
        parts = [part.strip() for part in channels.split(",")]
    elif isinstance(channels, Iterable):
        parts = [_part_text(part) for part in channels]
    else:
        parts = [_part_text(channels)]
    if not parts:
        raise FeatmagicError("channels names none: an index or a slice is needed, as in 0:16,40.")
    for part in parts:
        if not _PART.fullmatch(part):
            raise FeatmagicError(
                f"channels {part!r} is neither an index nor a slice: 0:16,40, without spaces."
            )
    return ",".join(parts)


def _part_text(part: Any) -> str:
    if isinstance(part, slice):
        ends = (part.start, part.stop, part.step)
        return ":".join("" if end is None else str(end) for end in ends)
    return str(part.__index__() if hasattr(part, "__index__") else part)


def _indices(part: str, count: int) -> Iterable[int]:
    if ":" in part:
        return range(count)[slice(*(int(end) if end else None for end in part.split(":")))]
    index = int(part)
    if not -count <= index < count:
        raise FeatmagicError(f"No channel {index}: there are {count}, 0 to {count - 1}.")
    return [index % count]


def _check_int(name: str, value: Any, least: int | None, *, optional: bool) -> None:
    if optional and value is None:
        return
    if isinstance(value, bool) or not hasattr(value, "__index__"):
        raise FeatmagicError(f"{name} is a whole number, not {value!r}.")
    if least is not None and value < least:
        raise FeatmagicError(f"{name} is {least} or more, not {value}.")
