"""What stood on a magic's line, as values."""

from __future__ import annotations

from dataclasses import dataclass, field

from featmagic.options.view import View


@dataclass(frozen=True)
class HookLine:
    """What stood behind `%hook`."""

    model: str | None
    layers: tuple[str, ...]
    into: str


@dataclass(frozen=True)
class Saving:
    """Where to save what is shown, whether over files that are there already, and drawn how."""

    path: str
    overwrite: bool
    view: View = field(default_factory=View)


@dataclass(frozen=True)
class LookLine:
    """What stood behind `%%featuremaps`, or behind `%featuremaps` with a statement."""

    model: str | None
    layers: tuple[str, ...]
    into: str | None
    as_is: bool
    view: View
    saving: Saving | None = None
    inputs: str | None = None


@dataclass(frozen=True)
class AgainLine:
    """What stood behind `%featuremaps` without a statement."""

    layers: tuple[str, ...]
    view: View
    saving: Saving | None = None
