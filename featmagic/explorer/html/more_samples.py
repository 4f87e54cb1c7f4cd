"""Further samples for a saved page, which has no kernel to ask for them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from featmagic.explorer.budget import Share, within
from featmagic.explorer.document import (
    Document,
    DocumentText,
    ImageText,
    LayerText,
    PlanesText,
    image_text,
    planes_text,
)
from featmagic.explorer.encoding import encode_planes
from featmagic.explorer.planes import sample_planes
from featmagic.options.indexing import picked
from featmagic.options.view import View
from featmagic.planes.layout import fitting
from featmagic.recording.records import Activation
from featmagic.support.progress import Progress


def with_samples(document: Document, activations: Sequence[Activation], view: View) -> Document:
    """Return the document with as many further samples as fit the `max_bytes` of the view.

    A sample is in all layers or in none; those that the view names come first.

    Args:
        document: The document of the first sample.
        activations: What it was made of, in that order.
        view: The view that it was made with.

    Returns:
        A new document; its words say how many samples it holds if some are left out.
    """
    text, files = _copied(document.text), dict(document.files)
    spent = len(json.dumps(text)) + sum(map(len, files.values()))
    numbers = _further_samples(text, view)
    added = 0
    with Progress(len(numbers), "Samples") as progress:
        for number in numbers:
            sample = _sample(number, text["layers"], activations, view, document.plan)
            spent += sample.size
            if spent > view.max_bytes:
                break
            sample.add_to(text, files)
            added += 1
            progress.step()
    if added < len(numbers):
        text["words"].append(f"{added + 1} of {len(numbers) + 1} samples {within(view.max_bytes)}")
    return replace(document, text=text, files=files)


def _copied(text: DocumentText) -> DocumentText:
    layers: list[LayerText] = [
        {**layer, "plates": dict(layer["plates"])} for layer in text["layers"]
    ]
    return {**text, "layers": layers, "images": dict(text["images"]), "words": [*text["words"]]}


@dataclass(frozen=True, eq=False)
class _Sample:
    """One sample of all layers that have it; the planes are by the layers' keys."""

    number: int
    planes: dict[str, PlanesText]
    images: dict[str, ImageText]
    files: dict[str, bytes]

    @property
    def size(self) -> int:
        text = len(json.dumps(self.planes)) + len(json.dumps(self.images))
        return text + sum(map(len, self.files.values()))

    def add_to(self, text: DocumentText, files: dict[str, bytes]) -> None:
        for layer in text["layers"]:
            if layer["key"] in self.planes:
                layer["plates"][str(self.number)] = self.planes[layer["key"]]
        text["images"] |= self.images
        files |= self.files


def _further_samples(text: DocumentText, view: View) -> list[int]:
    """Return the samples of any layer that aren't in the document, in the order to add them."""
    count = max((layer["samples"] for layer in text["layers"]), default=1)
    held = {int(number) for layer in text["layers"] for number in layer["plates"]}
    named = picked(view.sample, count, "sample") if view.sample != "all" and count > 1 else []
    return [number for number in dict.fromkeys([*named, *range(count)]) if number not in held]


def _sample(
    number: int,
    layers: Sequence[LayerText],
    activations: Sequence[Activation],
    view: View,
    plan: Mapping[str, Share],
) -> _Sample:
    texts: dict[str, PlanesText] = {}
    files: dict[str, bytes] = {}
    for activation, layer in zip(activations, layers, strict=True):
        if number >= layer["samples"] or not layer["plates"]:
            continue
        key, share = activation.key, plan[activation.key]
        planes = sample_planes(activation, fitting(activation, view, len(activations)), number)
        encoded = encode_planes(planes, number, share.shrink, share.most)
        texts[key] = planes_text(key, planes, encoded)
        files[texts[key]["id"]] = encoded.png
    images, image_files, _ = image_text(activations[0], number, view)
    return _Sample(number, texts, images, files | image_files)
