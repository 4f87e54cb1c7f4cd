"""What a view's options are where nobody says otherwise: the defaults of the session."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Provider = Callable[[], Mapping[str, Any]]

_provider: Provider = dict


def provide_defaults(provider: Provider) -> None:
    """Ask `provider` for the session's defaults from now on.

    Args:
        provider: returns the options of `View` that are set for the session, by name. It is asked
            anew each time, as a setting may have changed meanwhile.
    """
    global _provider
    _provider = provider


def withdraw_defaults(provider: Provider) -> None:
    """Have no defaults any more, unless somebody else provides them by now."""
    global _provider
    if _provider == provider:
        _provider = dict


def session_defaults() -> Mapping[str, Any]:
    """Return the options that are set for the session, by name."""
    return _provider()
