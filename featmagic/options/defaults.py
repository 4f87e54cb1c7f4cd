"""Session defaults: the options of `View` that hold unless a call says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

from featmagic.options.groups import SCREEN
from featmagic.options.view import View, options_in, view_with_defaults
from featmagic.support.errors import FeatmagicError

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


def picture_view(options: Mapping[str, Any]) -> View:
    """Return the view of a picture that isn't shown on a screen."""
    _refuse_options_of_a_screen(options)
    if options.get("explore"):
        raise FeatmagicError("An explorer is saved as a page: use save('explorer.html').")
    return view_with_defaults(options, session_defaults())


def page_view(options: Mapping[str, Any]) -> View:
    """Return the view of an explorer that is saved as a page."""
    _refuse_options_of_a_screen(options)
    if options.get("overview"):
        raise FeatmagicError("An .html file holds an explorer: save an overview as .png.")
    return view_with_defaults({**options, "explore": True}, session_defaults())


def _refuse_options_of_a_screen(options: Mapping[str, Any]) -> None:
    for option in options_in(SCREEN):
        if option.name in options:
            raise FeatmagicError(
                f"{option.name} doesn't apply here: it changes only what show() displays."
            )
