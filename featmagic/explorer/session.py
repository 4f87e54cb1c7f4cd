"""A session: what an explorer shows, and the tensors behind it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from math import nan
from typing import Any

import torch
from torch import Tensor

from featmagic.explorer.document import Document, document
from featmagic.explorer.encoding import PlanesText, encode_planes
from featmagic.explorer.kernel_patch import kernel_patch
from featmagic.explorer.patch_text import PatchText, bytes_of_patch, text_of_patch
from featmagic.explorer.planes import SamplePlanes, sample_planes
from featmagic.explorer.schema import LayerText
from featmagic.options.view import View
from featmagic.planes.dtypes import sliceable
from featmagic.planes.layout import fitting
from featmagic.planes.statistics import plane_statistics
from featmagic.recording.records import Activation
from featmagic.support.errors import FeatmagicError, did_you_mean
from featmagic.support.text import printable, truncate

_LONGEST_NAME = 200  # letters of a name in a message


@dataclass(frozen=True, eq=False)
class Session:
    """What an explorer shows, with the activations that it is made of.

    Attributes:
        activations: The activations by key, in the order in which they ran.
        view: The view that the explorer was opened with.
        shown: What the front end has.
    """

    activations: Mapping[str, Activation]
    view: View
    shown: Document

    @cached_property
    def layers(self) -> dict[str, LayerText]:
        """The layers as the front end reads them, by key."""
        return {layer["key"]: layer for layer in self.shown.text["layers"]}

    def layer(self, key: Any) -> LayerText:
        """Return the layer with a key.

        Raises:
            FeatmagicError: If there is none; the nearest keys are named.
        """
        if isinstance(key, str) and key in self.layers:
            return self.layers[key]
        near = did_you_mean(key, self.layers) if isinstance(key, str) else ""
        listed = ", ".join([*self.layers][:20]) + ", ..." * (len(self.layers) > 20)
        named = truncate(repr(key), _LONGEST_NAME)
        message = f"The explorer has no layer {named}.{near} It has: {listed}."
        raise FeatmagicError(printable(message))

    def plane(self, key: str, sample: int, channel: int, which: int | str | None = None) -> Tensor:
        """Return one channel of one sample, `(H, W)`, on the device of the activation.

        Here and below, `which` is the slice of a volume, as the `slice` of a `View` names it; if
        None, the one that the view of the session names.

        It is a view of the tensor, without a copy, if the tensor lies in memory without gaps and no
        value is made of several.
        """
        tensor, planes = self._activation(key).tensor, self._planes(key, sample, channel, which)
        place = planes.channels.index(channel)
        is_plain = tensor.layout is torch.strided and not tensor.is_quantized
        if planes.place_index is None or planes.padding or not is_plain:
            return planes.values[place]
        start, step, down, across = planes.place_index.steps
        start, (height, width) = start + channel * step, planes.values.shape[1:]
        own = tensor.detach()
        if own.is_contiguous():
            offset = int(own.storage_offset()) + start
            return own.as_strided((height, width), (down, across), offset)
        rows, columns = (torch.arange(n, device=own.device) for n in (height, width))
        places = start + rows[:, None] * down + columns * across
        return own[torch.unravel_index(places, own.shape)]

    def value(
        self, key: str, sample: int, channel: int, y: int, x: int, which: int | str | None = None
    ) -> float:
        """Return the value at a position, as exactly as the tensor has it.

        Raises:
            FeatmagicError: If the layer, sample, channel, position or slice doesn't exist.
        """
        tensor, planes = self._activation(key).tensor, self._planes(key, sample, channel, which)
        _check_value(planes, y, x)
        if planes.place_index is None or tensor.is_complex():
            return float(planes.values[planes.channels.index(channel), y, x].item())
        return float(sliceable(tensor)[planes.place_index.index(channel, y, x)].item())

    def patch(
        self,
        key: str,
        sample: int,
        channel: int,
        y: int,
        x: int,
        source: int | None,
        which: int | str | None = None,
    ) -> tuple[PatchText, bytes]:
        """Return the sum that gives the value at a position, if the layer is a convolution.

        Raises:
            FeatmagicError: As `value`, and if that sum isn't known.
        """
        activation, planes = self._activation(key), self._planes(key, sample, channel, which)
        _check_value(planes, y, x)
        if planes.place_index is None:
            raise FeatmagicError(
                "Each value shown combines several values, so no single sum produces it."
            )
        patch = kernel_patch(activation, planes.place_index.index(channel, y, x), source)
        names = (name for name, each in self.activations.items() if each.key == patch.key)
        return text_of_patch(patch, next(names, None)), bytes_of_patch(patch)

    def figures(
        self, key: str, sample: int, channel: int, which: int | str | None = None
    ) -> dict[str, float]:
        """Return the range, mean, deviation and share of zeros of the finite values of a channel.

        The mean and the deviation are NaN if no value is finite.
        """
        planes = self._planes(key, sample, channel, which)
        place = planes.channels.index(channel)
        figures = plane_statistics(planes.values[place : place + 1], planes.padding)
        names = ("low", "high", "mean", "std", "zeros")
        found = {name: float(getattr(figures, name)[0]) for name in names}
        if not found["low"] <= found["high"]:  # no value is finite
            found |= {"mean": nan, "std": nan}
        return found

    def encoded_planes(
        self, key: str, sample: int, which: int | str | None = None
    ) -> tuple[PlanesText, bytes]:
        """Return the text and the file of the planes of a further sample or slice.

        Raises:
            FeatmagicError: If the layer, sample or slice doesn't exist, or has no picture.
        """
        planes = sample_planes(self._activation(key), self._view(key, which), sample)
        return encode_planes(key, sample, planes, self.shown.plan[key])

    def _activation(self, key: str) -> Activation:
        layer = self.layer(key)
        if layer["reason"] or key not in self.activations:
            raise FeatmagicError(f"There is no picture of {key}: {layer['reason']}.")
        return self.activations[key]

    def _view(self, key: str, which: int | str | None) -> View:
        view = fitting(self.activations[key], self.view, len(self.activations))
        return view if which is None else replace(view, slice=which)

    def _planes(self, key: str, sample: int, channel: int, which: int | str | None) -> SamplePlanes:
        """Return the planes of the sample: of that channel alone, if each is a plane."""
        activation, count = self._activation(key), self.layers[key]["of"]
        if not 0 <= channel < count:
            raise FeatmagicError(printable(f"No channel {channel} in {key}: it has {count}."))
        view = self._view(key, which)
        if count > 1:
            view = replace(view, channels=str(channel))
        return sample_planes(activation, view, sample)


def _check_value(planes: SamplePlanes, y: int, x: int) -> None:
    """Raise an error if there is no value at a position."""
    height, width = planes.values.shape[1:]
    check_inside(y, x, height, width)
    if y * width + x >= height * width - planes.padding:
        raise FeatmagicError(f"There is no value at ({y}, {x}): it is beyond the last value.")


def check_inside(y: int, x: int, height: int, width: int) -> None:
    """Raise an error if a position is outside of a plane of that size."""
    if not (0 <= y < height and 0 <= x < width):
        raise FeatmagicError(f"Position ({y}, {x}) is outside a plane of {height} × {width}.")


def open_session(
    activations: Sequence[Activation], view: View, maps: str = "feature_maps", inputs: int = 0
) -> Session:
    """Open a session of some activations; the arguments and errors are those of `document`."""
    shown = document(activations, view, maps=maps, inputs=inputs)
    names = [layer["key"] for layer in shown.text["layers"]]
    return Session(dict(zip(names, activations, strict=True)), view, shown)


def changes(old: Document, new: Document) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Return the layers that are different in a new document, all input images, and new files."""
    files = {name: png for name, png in new.files.items() if old.files.get(name) != png}
    before = {layer["key"]: layer for layer in old.text["layers"]}
    layers = [
        layer
        for layer in new.text["layers"]
        if layer != before.get(layer["key"])
        or any(planes["id"] in files for planes in layer["plates"].values())
    ]
    text = {"changed": layers, "images": new.text["images"], "input": new.text["input"]}
    return text, files
