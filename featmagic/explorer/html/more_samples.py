"""More samples than the one that an explorer begins with, for where there is no kernel to ask."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from featmagic.explorer.budget import Share, within
from featmagic.explorer.document import (
    Document,
    Json,
    encoded_planes_of,
    image_text,
    plate_id,
    plate_text,
)
from featmagic.explorer.planes import sample_planes
from featmagic.options.indexing import picked
from featmagic.options.view import View
from featmagic.planes.layout import fitting
from featmagic.recording.records import Activation
from featmagic.support.progress import Progress


def with_samples(made: Document, activations: Sequence[Activation], view: View) -> Document:
    """The contents, with as many more samples as there is room for within the view's `max_bytes`.

    A sample is there in all layers or in none; those that the view names come first.

    Args:
        made: what there is of the first sample.
        activations: what it was made of, in that order.
        view: as it was made by.

    Returns:
        New contents; a word says how many samples there are, where some are left out.
    """
    text, files = _copied(made.text), dict(made.files)
    spent = len(json.dumps(text)) + sum(map(len, files.values()))
    wanted = _others(text, view)
    taken = 0
    with Progress(len(wanted), "Samples") as progress:
        for number in wanted:
            one = _sample(number, text["layers"], activations, view, made.plan)
            spent += one.size
            if spent > view.max_bytes:
                break
            one.join(text, files)
            taken += 1
            progress.step()
    if taken < len(wanted):
        text["words"].append(f"{taken + 1} of {len(wanted) + 1} samples {within(view.max_bytes)}")
    return replace(made, text=text, files=files)


def _copied(text: Json) -> Json:
    layers = [{**layer, "plates": dict(layer["plates"])} for layer in text["layers"]]
    return {**text, "layers": layers, "images": dict(text["images"]), "words": [*text["words"]]}


@dataclass(frozen=True, eq=False)
class _Sample:
    """One sample of all layers that have it."""

    number: int
    plates: dict[str, Json]
    images: Json
    files: dict[str, bytes]

    @property
    def size(self) -> int:
        text = len(json.dumps(self.plates)) + len(json.dumps(self.images))
        return text + sum(map(len, self.files.values()))

    def join(self, text: Json, files: dict[str, bytes]) -> None:
        """Put it into the contents' text and files."""
        for layer in text["layers"]:
            if layer["key"] in self.plates:
                layer["plates"][str(self.number)] = self.plates[layer["key"]]
        text["images"] |= self.images
        files |= self.files


def _others(text: Json, view: View) -> list[int]:
    """The samples that aren't there yet, of those that any layer has."""
    count = max((layer["samples"] for layer in text["layers"]), default=1)
    there = {int(number) for layer in text["layers"] for number in layer["plates"]}
    named = picked(view.sample, count, "sample") if view.sample != "all" and count > 1 else []
    return [number for number in dict.fromkeys([*named, *range(count)]) if number not in there]


def _sample(
    number: int,
    layers: Sequence[Json],
    activations: Sequence[Activation],
    view: View,
    plan: Mapping[str, Share],
) -> _Sample:
    plates: dict[str, Json] = {}
    files: dict[str, bytes] = {}
    for activation, layer in zip(activations, layers, strict=True):
        if number >= layer["samples"] or not layer["plates"]:
            continue
        key = activation.key
        one = sample_planes(activation, fitting(activation, view, len(activations)), number)
        for plate in encoded_planes_of(one, number, plan[key]):
            plates[key] = plate_text(key, one, plate)
            files[plate_id(key, number)] = plate.png
    images, pictures, _ = image_text(activations[0], number, view)
    return _Sample(number, plates, images, files | pictures)
