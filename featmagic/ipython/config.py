"""What `%config FeatMagic` sets: options that hold where a line doesn't say otherwise."""

from __future__ import annotations

import sys
from dataclasses import fields
from typing import Any

from traitlets import TraitError, TraitType
from traitlets.config import Configurable

from featmagic.ipython.parser import DEFAULT_NAME, variable
from featmagic.options.view import View, spelled, view_of
from featmagic.support.environment import running_shell, takes_png
from featmagic.support.errors import FeatmagicError
from featmagic.support.text import say

_OPTIONS = {option.name: option for option in fields(View)}


class ViewOption(TraitType[Any, Any]):
    """A field of `View` as a trait, with its default, its help and its check."""

    def __init__(self, field: str) -> None:
        option = _OPTIONS[field]
        self._check, self.info_text = option.metadata["check"], option.metadata["metavar"]
        super().__init__(option.default, help=option.metadata["help"], config=True)

    def validate(self, obj: Any, value: Any) -> Any:
        """The value as a `View` has it.

        Raises:
            TraitError: one that can't be meant, with the words of the option itself.
        """
        if self.name == "cmap" and "matplotlib" not in sys.modules and isinstance(value, str):
            return value  # loading the extension must not load it: `view` checks the name
        try:
            return self._check(spelled(self.name or ""), value)
        except FeatmagicError as error:
            raise TraitError(str(error)) from None

    def from_string(self, s: str) -> str:
        """From the command line: the option's check reads text."""
        return s


class Variable(TraitType[str, str]):
    """The name of a variable."""

    info_text = "NAME"

    def validate(self, obj: Any, value: Any) -> str:
        """The name, if it can be one.

        Raises:
            TraitError: it can't.
        """
        try:
            return variable(value, "FeatMagic.into")
        except FeatmagicError as error:
            raise TraitError(str(error)) from None

    def from_string(self, s: str) -> str:
        """From the command line, as it stands there."""
        return s


def settings_of(shell: Any) -> FeatMagic:
    """The settings that the shell's configuration asks for; the defaults, if one can't be meant."""
    try:
        return FeatMagic(parent=shell)
    except TraitError as error:
        say(f"The configuration's FeatMagic is left out: {error}")
        return FeatMagic()


class FeatMagic(Configurable):
    """Options that hold where a line doesn't say otherwise."""

    cmap = ViewOption("cmap")
    max = ViewOption("max")
    scale = ViewOption("scale")
    zoom = ViewOption("zoom")
    renderer = ViewOption("renderer")
    into = Variable(DEFAULT_NAME, help="the variable that holds the feature maps", config=True)

    def view(self) -> dict[str, Any]:
        """The view options that aren't at their defaults.

        Raises:
            FeatmagicError: a color map that there isn't.
        """
        names = [name for name in self.trait_names(config=True) if name in _OPTIONS]
        found = {name: getattr(self, name) for name in names}
        try:
            view_of(**found)
        except FeatmagicError as error:
            raise FeatmagicError(f"%config FeatMagic: {error}") from None
        if found["renderer"] == "png" and not takes_png(running_shell()):
            found["renderer"] = "auto"  # one configuration is for notebooks and terminals
        return {name: value for name, value in found.items() if value != _OPTIONS[name].default}
