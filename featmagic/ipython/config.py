"""What `%config FeatMagic` sets: view options for a whole session."""

from __future__ import annotations

import sys
from dataclasses import fields
from typing import Any

from traitlets import TraitError, TraitType
from traitlets.config import Configurable

from featmagic.ipython.parser import DEFAULT_NAME
from featmagic.options.line_options import variable
from featmagic.options.option import spelled
from featmagic.options.view import View, view_of
from featmagic.support.errors import FeatmagicError
from featmagic.support.text import say

_OPTIONS = {option.name: option for option in fields(View)}


def settings_of(shell: Any) -> FeatMagic:
    """Return the settings of the shell's configuration, or the defaults if one is invalid."""
    try:
        return FeatMagic(parent=shell)
    except TraitError as error:
        say(f"The FeatMagic settings in the configuration are ignored: {error}")
        return FeatMagic()


class _Checked(TraitType[Any, Any]):
    """A trait whose value is checked as an option's is, with the option's own message."""

    def validate(self, obj: Any, value: Any) -> Any:
        """Return the checked value, or raise a `TraitError`."""
        try:
            return self.checked(value)
        except FeatmagicError as error:
            raise TraitError(str(error)) from None

    def from_string(self, s: str) -> str:
        """Return the command line's text as it is: options read text."""
        return s

    def checked(self, value: Any) -> Any:
        """Return the value as the option holds it, or raise our error."""
        raise NotImplementedError


class ViewOption(_Checked):
    """A field of `View` as a trait, with the field's default, help and validator."""

    def __init__(self, field: str) -> None:
        option = _OPTIONS[field]
        self._check, self.info_text = option.metadata["check"], option.metadata["metavar"]
        super().__init__(option.default, help=option.metadata["help"], config=True)

    def checked(self, value: Any) -> Any:
        """Return the value as a `View` holds it."""
        if self.name == "cmap" and "matplotlib" not in sys.modules and isinstance(value, str):
            return value  # `view` checks it later: loading the extension doesn't import matplotlib
        return self._check(spelled(self.name or ""), value)


class Variable(_Checked):
    """The name of a variable."""

    info_text = "NAME"

    def checked(self, value: Any) -> str:
        """Return the name if it can be that of a variable."""
        return variable("FeatMagic.into", value)


class FeatMagic(Configurable):
    """Defaults for a whole session; options on a magic's line take precedence."""

    cmap = ViewOption("cmap")
    max = ViewOption("max")
    scale = ViewOption("scale")
    zoom = ViewOption("zoom")
    renderer = ViewOption("renderer")
    into = Variable(
        DEFAULT_NAME, help="name of the variable that holds the feature maps", config=True
    )

    def view(self) -> dict[str, Any]:
        """Return the view options that differ from their defaults, if the colormap exists."""
        names = [name for name in self.trait_names(config=True) if name in _OPTIONS]
        options = {name: getattr(self, name) for name in names}
        try:
            view_of(**options)
        except FeatmagicError as error:
            raise FeatmagicError(f"%config FeatMagic: {error}") from None
        if options["renderer"] != "auto" and _is_refused(options["renderer"]):
            options["renderer"] = "auto"  # one configuration serves notebooks and terminals
        return {name: value for name, value in options.items() if value != _OPTIONS[name].default}


def _is_refused(renderer: str) -> bool:
    """Return True if the renderer would refuse to draw in this environment."""
    from featmagic.render.target import RENDERERS  # keeps loading the extension fast

    return bool(RENDERERS[renderer].refusal) and not RENDERERS[renderer].is_supported()
