"""Save an explorer as a page."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from featmagic.explorer.budget import within
from featmagic.explorer.document import grid_view, image_text
from featmagic.explorer.encoding import plate_key, sample_in
from featmagic.explorer.html.page import Still, page
from featmagic.explorer.schema import DocumentText, ImageText, LayerText
from featmagic.explorer.session import Session, open_session
from featmagic.files.transaction import write_whole
from featmagic.grid.draw import draw
from featmagic.options.indexing import picked
from featmagic.options.view import View
from featmagic.planes.dtypes import undrawable
from featmagic.recording.records import Activation
from featmagic.render.image import mosaic_png
from featmagic.render.title import title_lines
from featmagic.render.viewport import SMALL_PAGE
from featmagic.support.progress import Progress


def save_page(
    target: Path, activations: Sequence[Activation], view: View, *, maps: str, overwrite: bool
) -> list[Path]:
    """Write a page that explores some activations, within the `max_bytes` of the view.

    Args:
        target: The file to write.
        activations: The layers, in the order in which they ran.
        view: The view of an explorer.
        maps: The name of the user's variable, for code that is copied.
        overwrite: Whether an existing file may be replaced.

    Returns:
        The file that was written.

    Raises:
        FeatmagicError: If a layer can't be read as the view says, or the file can't be written.
    """
    picture = _still(activations, view, view.max_bytes // 8)
    rest = replace(view, max_bytes=max(1, view.max_bytes - len(picture.picture)))
    session = open_session(activations, rest, maps)
    _add_samples(session)
    _add_slices(session)
    title = " ".join(title_lines(view.title or ""))
    written = page(session.shown.text, session.shown.files, picture, title)
    return write_whole({target: lambda path: path.write_bytes(written)}, overwrite=overwrite)


def _still(activations: Sequence[Activation], view: View, most: int) -> Still:
    """Draw the grid of the layer that the explorer starts with, within a limit in bytes."""
    first = next((each for each in activations if not undrawable(each.tensor)), activations[0])
    whole = grid_view(first, view, len(activations))
    small = replace(whole, zoom=1)
    fewer = [
        replace(small, max=count, topk=small.topk and min(small.topk, count))
        for count in (16, 4, 1)
    ]
    for how in (whole, small, *fewer):
        drawing = draw(first, how, SMALL_PAGE)
        picture = mosaic_png(drawing.mosaic) if drawing.mosaic else b""
        if len(picture) <= most:
            return Still(drawing.caption, picture)
    return Still(drawing.caption, b"")


# A sample, the slice of it (None for the one that is shown first), and the keys of the layers.
_Part = tuple[int, int | str | None, list[str]]


def _add_samples(session: Session) -> None:
    """Add as many further samples to the document as fit its `max_bytes`: a page has no kernel.

    A sample is in all layers or in none; those that the view names come first. Where some are left
    out, the words of the document say so.
    """
    text = session.shown.text
    numbers = _further_samples(text, session.view)
    keys = [key for key, layer in session.layers.items() if layer["plates"]]
    parts: list[_Part] = [
        (number, None, [key for key in keys if number < session.layers[key]["samples"]])
        for number in numbers
    ]
    added = _add(session, parts, "Samples")
    if added < len(numbers):
        most = within(session.view.max_bytes)
        text["words"].append(f"{added + 1} of {len(numbers) + 1} samples {most}")


def _add_slices(session: Session) -> None:
    """Add as many further slices of the samples in the document as fit its `max_bytes`.

    The slices nearest to the one that is shown first come first, those made of all slices last.
    """
    text = session.shown.text
    volumes = {key: layer for key, layer in session.layers.items() if layer["slices"]}
    deepest = max((layer["slices"] for layer in volumes.values()), default=0)
    begin = text["start"]["slice"]
    middle = begin if isinstance(begin, int) else deepest // 2
    order = sorted(range(deepest), key=lambda number: abs(number - middle))
    slices: list[int | str] = [*order, "mean", "mip"]
    held = sorted({sample_in(key) for layer in volumes.values() for key in layer["plates"]})
    every: list[_Part] = [
        (sample, which, _without(volumes, sample, which)) for sample in held for which in slices
    ]
    parts = [part for part in every if part[2]]
    added = _add(session, parts, "Slices")
    if added < len(parts):
        most = within(session.view.max_bytes)
        text["words"].append(f"{added} of {len(parts)} further slices {most}")


def _without(volumes: Mapping[str, LayerText], sample: int, which: int | str) -> list[str]:
    """Return the keys of the layers that have such a slice, which isn't in the document."""
    return [
        key
        for key, layer in volumes.items()
        if sample < layer["samples"]
        and (isinstance(which, str) or which < layer["slices"])
        and plate_key(sample, which) not in layer["plates"]
    ]


def _add(session: Session, parts: Sequence[_Part], noun: str) -> int:
    """Add planes and their input images as long as they fit, and return how many parts did."""
    text, files = session.shown.text, session.shown.files
    spent = len(json.dumps(text)) + sum(map(len, files.values()))
    first = next(iter(session.activations.values()))
    with Progress(len(parts), noun) as progress:
        for done, (sample, which, keys) in enumerate(parts):
            images: dict[str, ImageText] = {}
            pngs: dict[str, bytes] = {}
            planes = {}
            if str(sample) not in text["images"]:
                images, pngs, _ = image_text(first, sample, session.view)
            for key in keys:
                planes[key], png = session.encoded_planes(key, sample, which)
                pngs[planes[key]["id"]] = png
            spent += len(json.dumps(planes)) + len(json.dumps(images))
            spent += sum(map(len, pngs.values()))
            if spent > session.view.max_bytes:
                return done
            for key, each in planes.items():
                session.layers[key]["plates"][plate_key(sample, each["slice"])] = each
            text["images"] |= images
            files |= pngs
            progress.step()
    return len(parts)


def _further_samples(text: DocumentText, view: View) -> list[int]:
    """Return the samples of any layer that aren't in the document, in the order to add them."""
    count = max((layer["samples"] for layer in text["layers"]), default=1)
    held = {sample_in(key) for layer in text["layers"] for key in layer["plates"]}
    named = picked(view.sample, count, "sample") if view.sample != "all" and count > 1 else []
    return [number for number in dict.fromkeys([*named, *range(count)]) if number not in held]
