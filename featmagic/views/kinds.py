"""The views: what each can do, and running one within the memory that there is."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NoReturn, Protocol, TypeVar

from featmagic.explorer import show as explorer
from featmagic.grid import show as grid
from featmagic.options.view import View
from featmagic.overview import show as overview
from featmagic.recording.records import Request
from featmagic.render.target import Target
from featmagic.support.errors import FeatmagicError
from featmagic.support.memory import unless_out_of_memory

T = TypeVar("T")


class Shows(Protocol):
    """What every view can do; `View.kind` names the view that is asked for."""

    def show(self, request: Request, view: View, target: Target, /) -> None:
        """Show the activations."""

    def targets(
        self, path: str | os.PathLike[str], keys: Sequence[str], /, *, overwrite: bool
    ) -> list[Path]:
        """Return the files that `save` would write."""

    def save(
        self, request: Request, view: View, files: Sequence[Path], /, *, overwrite: bool
    ) -> list[Path]:
        """Write these files, and return those that were written."""


class Still(Shows, Protocol):
    """A view that consists of pictures."""

    def pictures(self, request: Request, view: View, /) -> list[tuple[str, bytes]]:
        """Return captions and PNGs."""


STILLS: Mapping[str, Still] = {"grid": grid, "overview": overview}
VIEWS: Mapping[str, Shows] = {**STILLS, "explorer": explorer}


def in_memory(what: str, action: Callable[[], T]) -> T:
    """Run an action; raise a FeatmagicError that says what to do if memory runs out."""

    def refuse(reason: str) -> NoReturn:
        raise FeatmagicError(
            f"Can't {what} this: {reason}. The feature maps are kept: choose fewer layers or "
            "channels."
        )

    return unless_out_of_memory(action, refuse)
