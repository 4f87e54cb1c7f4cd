"""What an explorer shows, and the tensors behind it: exact values, single planes, more samples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from torch import Tensor, strided

from featmagic.explorer.document import (
    Document,
    Json,
    document,
    encoded_planes_of,
    image_text,
    plate_text,
)
from featmagic.explorer.planes import SamplePlanes, sample_planes
from featmagic.options.view import View
from featmagic.planes.layout import fitting
from featmagic.planes.statistics import plane_statistics
from featmagic.recording.records import Activation
from featmagic.support.errors import FeatmagicError, did_you_mean
from featmagic.support.text import printable


@dataclass(frozen=True, eq=False)
class Session:
    """What an explorer shows, with the activations that it is made of.

    Attributes:
        activations: by key, in the order in which they ran.
        view: as the explorer was asked for.
        shown: what of them the script has.
    """

    activations: Mapping[str, Activation]
    view: View
    shown: Document

    @cached_property
    def layers(self) -> dict[str, Json]:
        """The layers as the script reads them, by key."""
        return {layer["key"]: layer for layer in self.shown.text["layers"]}

    def layer(self, key: Any) -> Json:
        """The layer of that key.

        Raises:
            FeatmagicError: there is none; the nearest keys are named.
        """
        if isinstance(key, str) and key in self.layers:
            return self.layers[key]
        near = did_you_mean(key, self.layers) if isinstance(key, str) else ""
        listed = ", ".join([*self.layers][:20]) + ", ..." * (len(self.layers) > 20)
        said = f"The explorer has no layer {key!r}.{near} There are: {listed}."
        raise FeatmagicError(printable(said))

    def plane(self, key: str, sample: int, channel: int) -> Tensor:
        """One channel of one sample, `(H, W)`, where the activation is.

        The tensor's own values, without a copy, wherever a plane is made of single ones of them.
        """
        tensor, one = self._activation(key).tensor, self._spread(key, sample, channel)
        place = one.channels.index(channel)
        if one.reach is None or one.padding or tensor.layout != strided:
            return one.values[place]
        start, step, *strides = one.reach.steps
        own = tensor.detach().contiguous()
        begin = int(own.storage_offset()) + start + channel * step
        return own.as_strided(one.values.shape[1:], strides, begin)

    def value(self, key: str, sample: int, channel: int, y: int, x: int) -> float:
        """The value at that place, as exactly as the tensor has it.

        Raises:
            FeatmagicError: no such layer, sample, channel or place.
        """
        tensor, one = self._activation(key).tensor, self._spread(key, sample, channel)
        height, width = one.values.shape[1:]
        if not (0 <= y < height and 0 <= x < width):
            raise FeatmagicError(f"There is no place ({y}, {x}) in a plane of {height} × {width}.")
        if one.reach is None or tensor.is_complex():
            return float(one.values[one.channels.index(channel), y, x].item())
        return float(tensor[one.reach.index(channel, y, x)].item())

    def figures(self, key: str, sample: int, channel: int) -> dict[str, float]:
        """Range, mean, deviation and share of zeros of one channel, of all its values."""
        one = self._spread(key, sample, channel)
        place = one.channels.index(channel)
        found = plane_statistics(one.values[place : place + 1], one.padding)
        names = ("low", "high", "mean", "std", "zeros")
        return {name: float(getattr(found, name)[0]) for name in names}

    def plate(self, key: str, sample: int) -> tuple[Json, Json, dict[str, bytes]]:
        """A sample that the script hasn't got: its plate, its input image, and their bytes.

        Raises:
            FeatmagicError: no such layer or sample, or no picture of it.
        """
        activation = self._activation(key)
        one = sample_planes(activation, self._view(key), sample)
        (made,) = encoded_planes_of(one, sample, self.shown.plan[key])
        text = plate_text(key, one, made)
        images, files, _ = image_text(activation, sample, self.view)
        return text, images, {text["id"]: made.png, **files}

    def _activation(self, key: str) -> Activation:
        layer = self.layer(key)
        if layer["reason"] or key not in self.activations:
            raise FeatmagicError(f"There is no picture of {key}: {layer['reason']}.")
        return self.activations[key]

    def _view(self, key: str) -> View:
        return fitting(self.activations[key], self.view, len(self.activations))

    def _spread(self, key: str, sample: int, channel: int) -> SamplePlanes:
        """That channel alone, where each is a plane of its own."""
        view = self._view(key)
        if self.layers[key]["of"] > 1:
            view = replace(view, channels=str(channel))
        return sample_planes(self.activations[key], view, sample)


def open_session(
    activations: Sequence[Activation],
    view: View,
    maps: str = "feature_maps",
    inputs: int = 0,
) -> Session:
    """What an explorer of those activations shows.

    Args:
        activations: in the order in which they ran.
        view: what is shown at the start, and how much may travel.
        maps: the name of the user's variable, for code that is copied.
        inputs: how many inputs can be picked.

    Raises:
        FeatmagicError: nothing to show, or a sample, channel or layout that isn't there.

    Example:
        >>> import torch
        >>> act = Activation("act", "act", "ReLU", 1, torch.arange(12.0).reshape(1, 3, 2, 2))
        >>> one = open_session([act], View(explore=True, layout="NCHW"))
        >>> one.plane("act", 0, 2), one.value("act", 0, 2, 1, 0)
        (tensor([[ 8.,  9.],
                [10., 11.]]), 10.0)
    """
    made = document(activations, view, maps=maps)
    made.text["inputs"] = inputs
    return Session({one.key: one for one in activations}, view, made)


def changed(old: Document, new: Document) -> tuple[Json, dict[str, bytes]]:
    """What the script needs to get from one to the other: text, and bytes that are different.

    Example:
        >>> import torch
        >>> def act(key, value):
        ...     values = torch.tensor([[[[0.0, value]]]])
        ...     return Activation(key, key, "ReLU", 1, values)
        >>> view = View(explore=True, layout="NCHW")
        >>> one = document([act("a", 1.0), act("b", 1.0)], view)
        >>> other = document([act("a", 1.0), act("b", 2.0)], view)
        >>> text, files = changed(one, other)
        >>> [layer["key"] for layer in text["changed"]], list(files)
        (['b'], [])
    """
    files = {name: png for name, png in new.files.items() if old.files.get(name) != png}
    before = {layer["key"]: layer for layer in old.text["layers"]}
    layers = [
        layer
        for layer in new.text["layers"]
        if layer != before.get(layer["key"])
        or any(plate["id"] in files for plate in layer["plates"].values())
    ]
    return {"changed": layers, "images": new.text["images"]}, files
