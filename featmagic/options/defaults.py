"""The session's defaults for options that a call or a line doesn't give."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

Provider = Callable[[], Mapping[str, Any]]

_provider: Provider = dict


def provide_defaults(provider: Provider) -> None:
    """Ask `provider` for the session's defaults from now on.

    Args:
        provider: Returns the options of `View` that are set for the session, by name. It is called
            each time defaults are needed, as the settings may have changed since.
    """
    global _provider
    _provider = provider


def withdraw_defaults(provider: Provider) -> None:
    """Stop asking `provider` for defaults, unless another one has replaced it already."""
    global _provider
    if _provider == provider:
        _provider = dict


def session_defaults() -> Mapping[str, Any]:
    """Return the options that are set for the session, by name."""
    return _provider()
