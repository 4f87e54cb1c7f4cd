"""Save an explorer as a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from featmagic.explorer.budget import within
from featmagic.explorer.document import DocumentText, ImageText, grid_view, image_text
from featmagic.explorer.encoding import PlanesText
from featmagic.explorer.html.page import Still, page
from featmagic.explorer.session import Session, open_session
from featmagic.files.transaction import write_whole
from featmagic.grid.draw import draw
from featmagic.options.indexing import picked
from featmagic.options.view import View
from featmagic.planes.dtypes import undrawable
from featmagic.recording.records import Activation
from featmagic.render.image import mosaic_png
from featmagic.render.viewport import PAGE
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
    written = page(session.shown.text, session.shown.files, picture)
    return write_whole({target: lambda path: path.write_bytes(written)}, overwrite=overwrite)


def _still(activations: Sequence[Activation], view: View, most: int) -> Still:
    """Draw the grid of the layer that the explorer starts with, in at most so many bytes."""
    first = next((each for each in activations if not undrawable(each.tensor)), activations[0])
    whole = grid_view(first, view, len(activations))
    small = replace(whole, zoom=1)
    fewer = [
        replace(small, max=count, topk=small.topk and min(small.topk, count))
        for count in (16, 4, 1)
    ]
    for how in (whole, small, *fewer):
        drawing = draw(first, how, PAGE)
        picture = mosaic_png(drawing.mosaic) if drawing.mosaic else b""
        if len(picture) <= most:
            return Still(drawing.caption, picture)
    return Still(drawing.caption, b"")


def _add_samples(session: Session) -> None:
    """Add as many further samples to the document as fit its `max_bytes`: a page has no kernel.

    A sample is in all layers or in none; those that the view names come first. Where some are left
    out, the words of the document say so.
    """
    text, files, most = session.shown.text, session.shown.files, session.view.max_bytes
    numbers = _further_samples(text, session.view)
    spent = len(json.dumps(text)) + sum(map(len, files.values()))
    added = 0
    with Progress(len(numbers), "Samples") as progress:
        for number in numbers:
            planes, images, pngs = _sample(session, number)
            spent += len(json.dumps(planes)) + len(json.dumps(images))
            spent += sum(map(len, pngs.values()))
            if spent > most:
                break
            for key, each in planes.items():
                session.layers[key]["plates"][str(number)] = each
            text["images"] |= images
            files |= pngs
            added += 1
            progress.step()
    if added < len(numbers):
        text["words"].append(f"{added + 1} of {len(numbers) + 1} samples {within(most)}")


def _sample(
    session: Session, number: int
) -> tuple[dict[str, PlanesText], dict[str, ImageText], dict[str, bytes]]:
    """Return one sample: its planes by the keys of the layers, its input image, and the files."""
    planes, files = {}, {}
    for key, layer in session.layers.items():
        if layer["plates"] and number < layer["samples"]:
            planes[key], png = session.encoded_planes(key, number)
            files[planes[key]["id"]] = png
    first = next(iter(session.activations.values()))
    images, image_files, _ = image_text(first, number, session.view)
    return planes, images, files | image_files


def _further_samples(text: DocumentText, view: View) -> list[int]:
    """Return the samples of any layer that aren't in the document, in the order to add them."""
    count = max((layer["samples"] for layer in text["layers"]), default=1)
    held = {int(number) for layer in text["layers"] for number in layer["plates"]}
    named = picked(view.sample, count, "sample") if view.sample != "all" and count > 1 else []
    return [number for number in dict.fromkeys([*named, *range(count)]) if number not in held]
