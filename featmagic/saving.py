"""Drawings and activations in files."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import fields
from functools import partial
from pathlib import Path

from featmagic.arrays import valueless, write_arrays
from featmagic.drawing import Drawing
from featmagic.files import holds_arrays, targets, write_whole
from featmagic.mosaic import Mosaic
from featmagic.options.view import View, spelled
from featmagic.recording.records import Activation
from featmagic.render.figure import write_figure
from featmagic.render.png import png
from featmagic.support.errors import FeatmagicError
from featmagic.support.text import printable, say


def check_whole(path: str | os.PathLike[str], view: View) -> None:
    """Refuse options of pictures where tensors are saved whole.

    Raises:
        FeatmagicError: an option that the file would have no place for.

    Example:
        >>> check_whole("maps.png", View(cmap="gray"))
    """
    if not holds_arrays(Path(path)):
        return
    asked = [spelled(f.name) for f in fields(View) if getattr(view, f.name) != f.default]
    if asked:
        have = "have" if len(asked) > 1 else "has"
        suffix = Path(path).suffix
        raise FeatmagicError(f"{suffix} holds whole tensors: {', '.join(asked)} {have} no place.")


def overview_target(path: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """The file that an overview would be written to.

    Raises:
        FeatmagicError: as for any picture, or a suffix that isn't .png.

    Example:
        >>> overview_target("overview.png", overwrite=True).name
        'overview.png'
    """
    (target,) = targets(path, ["overview"], overwrite=overwrite)
    if target.suffix.lower() != ".png":
        raise FeatmagicError(f"An overview is saved as .png, not '{target.name}'.")
    return target


def save_pictures(
    places: Sequence[Path], drawings: Sequence[Drawing], *, named: bool
) -> list[Path]:
    """Write a picture for each drawing that has one.

    Args:
        places: a file for each drawing.
        drawings: what to write.
        named: whether the layers were asked for one by one: each has to have a picture then.

    Returns:
        The files that were written.

    Raises:
        FeatmagicError: nothing to draw, or a file that can't be written.
    """
    writers: dict[Path, Callable[[Path], object]] = {}
    without = []
    for target, drawing in zip(places, drawings, strict=True):
        if drawing.mosaic is None:
            without.append(drawing.caption)
        else:
            writers[target] = partial(_write, drawing.mosaic, drawing.caption, target.suffix)
    _check_some("Nothing to draw", without, some=bool(writers) and not named)
    return write_whole(writers)


def _write(mosaic: Mosaic, caption: str, suffix: str, path: Path) -> None:
    if suffix.lower() == ".png":
        path.write_bytes(png(mosaic))
    else:
        write_figure(mosaic, caption, path, suffix.lower().removeprefix("."))


def save_arrays(target: Path, activations: Sequence[Activation], *, named: bool) -> list[Path]:
    """Write every tensor that has values into one file, by its key.

    Args:
        target: the file.
        activations: what to write.
        named: whether they were asked for one by one: each has to have values then.

    Returns:
        The file.

    Raises:
        FeatmagicError: a tensor without values, or one that the format doesn't take.
    """
    reasons = {one.key: valueless(one.tensor) for one in activations}
    without = [f"{printable(key)}: {reason}" for key, reason in reasons.items() if reason]
    tensors = {one.key: one.tensor for one in activations if not reasons[one.key]}
    _check_some("No array to save", without, some=bool(tensors) and not named)
    changes: list[str] = []
    suffix = target.suffix.lower()
    written = write_whole(
        {target: lambda path: changes.extend(write_arrays(path, tensors, suffix))}
    )
    for line in changes:
        say(line)
    return written


def _check_some(what: str, without: list[str], *, some: bool) -> None:
    """Say what can't be saved; or refuse, where nothing else is there or it was asked for."""
    if without and not some:
        raise FeatmagicError(f"{what}: {without[0]}")
    for line in without:
        say(f"Not saved: {line}")


def saved_line(written: Sequence[Path]) -> str:
    """What was written, in one line.

    Example:
        >>> saved_line([Path("out/maps-cnn1.png"), Path("out/maps-fc.png")])
        'Saved maps-cnn1.png, maps-fc.png in out.'
    """
    names = [printable(path.name) for path in written]
    if len(names) > 8:
        names = [*names[:7], f"… {len(names) - 7} more"]
    return f"Saved {', '.join(names)} in {printable(str(written[0].parent))}."
