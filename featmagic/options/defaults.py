"""Session defaults: the options of `View` that hold unless a call says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

Provider = Callable[[], Mapping[str, Any]]

_providers: list[Provider] = []


def provide_defaults(provider: Provider) -> None:
    """Take the session's defaults from `provider` from now on.

    Args:
        provider: returns the options of `View` that are set for the session, by name. It is called
            each time, because a setting may have changed meanwhile.
    """
    _providers.append(provider)


def withdraw_defaults(provider: Provider) -> None:
    """Take the defaults no longer from `provider`, but from the one before it, if any."""
    with suppress(ValueError):
        _providers.remove(provider)


def session_defaults() -> Mapping[str, Any]:
    """Return the options that are set for the session, by name."""
    return _providers[-1]() if _providers else {}
