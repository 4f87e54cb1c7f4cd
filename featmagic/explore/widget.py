"""`Explorer`: layers and channels to click through, as a widget that Python can read and steer."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import traitlets
from torch import Tensor

from featmagic.explore.choosing import CHECKS, NoSuchChoice, channels_of, number_of
from featmagic.explore.front_end import VIEW, made_here, marked, tail
from featmagic.explore.source import Source
from featmagic.explore.talking import Talking
from featmagic.support.environment import nobody_watches, stands_in
from featmagic.support.errors import FeatmagicError


def _choice(default: Any) -> Any:
    """A synced trait that the explorer checks itself; `traitlets.Any` has None go unchecked."""
    return traitlets.TraitType(default).tag(sync=True)


class Explorer(Talking):
    """An explorer of feature maps: what `FeatureMaps.explore()` makes.

    Its traits can be read, set, observed, and linked to those of other widgets; a click in the
    browser sets them too. A value that can't be is refused, and nothing changes.

    Attributes:
        layer: key of the chosen layer.
        channel: number of the chosen channel.
        sample: number of the chosen item of the batch.
        position: the chosen place `(y, x)` in the channel, in the tensor's own pixels, or None.
        input: number of the input that was picked, or None for what was captured. Setting it runs
            the model, as a look; an error of the model's is raised, and nothing changes.
        settings: how it is drawn: cmap, scale, robust, gamma, sort, topk, alpha, zoom. Those that
            aren't named when it is set keep their values.

    The activations, and the model and inputs where they were given, are held until `close()`.

    Raises:
        FeatmagicError: a trait is set to a value that can't be, or anything used after `close()`.
    """

    layer = _choice("")
    channel = _choice(0)
    sample = _choice(0)
    position = _choice(None)
    input = _choice(None)
    settings = _choice({})
    _picture = traitlets.Unicode().tag(sync=True)  # the end of the picture that it stands in for

    def __init__(
        self,
        source: Source,
        again: Callable[[int], Source] | None = None,
        picture: tuple[bytes, dict[str, Any]] = (b"", {}),
        words: str = "",
    ) -> None:
        """Open it.

        Args:
            source: what it shows.
            again: what it shows of the input of a number; None where there are no inputs.
            picture: the grid, as a PNG with what front ends are told of it.
            words: the grid in words.
        """
        self._again = again
        self._picked: int | None = None
        name, start = uuid4().hex, source.shown.text
        self._png = marked(picture[0], name) if picture[0] else b""
        self._size, self._words = picture[1], words
        chosen = {**start["start"], "settings": start["settings"], "_picture": tail(self._png)}
        super().__init__(source, model_id=name, **chosen)
        made_here(self)

    def __repr__(self) -> str:
        if self._source is None:
            return "<Explorer: closed>"
        return f"<Explorer: {len(self._source.layers)} layers, at {self.layer}>"

    @property
    def selection(self) -> Tensor:
        """The chosen channel of the chosen sample, `(H, W)`, on the model's device.

        Raises:
            FeatmagicError: there is no picture of the layer, or the explorer is closed.
        """
        source = self._there()
        sample = min(self.sample, source.layer(self.layer)["samples"] - 1)
        return source.plane(self.layer, sample, self.channel)

    def close(self) -> None:
        """Let go of every tensor; a notebook shows the grid in its place."""
        super().close()
        self._again = None

    def _there(self) -> Source:
        if self._source is None:
            raise FeatmagicError("This explorer is closed: feature_maps.explore() opens another.")
        return self._source

    @traitlets.validate(*CHECKS)
    def _checked(self, proposal: Any) -> Any:
        try:
            check = CHECKS[proposal["trait"].name]
            return check(self._there(), self, proposal["value"])
        except FeatmagicError as error:
            raise NoSuchChoice(str(error)) from None

    @traitlets.observe("layer", "input")
    def _moved(self, _: Any) -> None:
        """Choose what there is, where what was chosen isn't there any more."""
        source = self._there()
        channels = channels_of(source.layer(self.layer))
        for name, other in (("channel", channels[0]), ("sample", 0), ("position", None)):
            try:
                CHECKS[name](source, self, getattr(self, name))
            except FeatmagicError:
                setattr(self, name, other)

    @traitlets.validate("input")
    def _shown(self, proposal: Any) -> int | None:
        """Show the input, unless it is shown; what fails leaves everything as it was."""
        number = self._number_of_input(proposal["value"])
        if number == self._picked:
            return number
        if number is None or self._again is None:
            self._show(self._opened or self._there())
        else:
            self._show(self._run(self._again, number))
        self._picked = number
        return number

    def _number_of_input(self, value: Any) -> int | None:
        if value is None:
            return None
        there = self._there().shown.text["inputs"]
        if not there:
            raise NoSuchChoice("There are no inputs: explore(model=model, inputs=xs) brings some.")
        try:
            return number_of("input", value, range(there))
        except FeatmagicError as error:
            raise NoSuchChoice(str(error)) from None

    def _run(self, again: Callable[[int], Source], number: int) -> Source:
        self.send({"busy": True})
        try:
            return again(number)
        finally:
            self.send({"busy": False})

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        """The grid, for all who show no widgets; and the widget, but where its script stands in."""
        data, told = super()._repr_mimebundle_() or ({}, {})
        data["text/plain"] = self._words or repr(self)
        if self._png:
            data["image/png"] = b64encode(self._png).decode()
            told = {**told, "image/png": self._size}
            if nobody_watches() or stands_in():
                data.pop(VIEW, None)
                told.pop(VIEW, None)
        return data, told
