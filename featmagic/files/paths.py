"""The files that are saved: formats, paths for layers, and messages about them."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from pathlib import Path

from featmagic.files.names import file_names
from featmagic.files.place import Place, explained, place_of, shown
from featmagic.support.errors import FeatmagicError, did_you_mean
from featmagic.support.text import printable, say

ARRAYS = (".npz", ".safetensors")
PAGE = ".html"
SUFFIXES = (".png", ".svg", ".pdf", PAGE, *ARRAYS)

_MOST_SAID = 8  # files


def target_files(
    path: str | os.PathLike[str], keys: Sequence[str], *, overwrite: bool = False
) -> list[Path]:
    """Return the files in which layers would be saved, having checked that they may be written.

    The arrays of all layers are in one file, as are the layers of a page. If several layers are
    saved as pictures, each has a file beside `path`: `maps-cnn1.png` for `maps.png`.

    Args:
        path: as it was given; its suffix says what is saved.
        keys: the keys of the activations.
        overwrite: whether files that exist may be replaced.

    Raises:
        FeatmagicError: the suffix is unknown, the folder doesn't exist or can't be written to, or
            what exists there may not be replaced (`place_of`).

    Example:
        >>> [file.name for file in target_files("maps.png", ["cnn1", "relu:2"])]
        ['maps-cnn1.png', 'maps-relu_2.png']
    """
    file = _checked_path(path)
    alone = holds_arrays(file) or holds_page(file) or len(keys) == 1
    files = [file] if alone else [file.with_name(name) for name in file_names(file, keys)]
    _check_distinct(files, [place_of(file, overwrite=overwrite) for file in files])
    return files


def holds_arrays(path: str | os.PathLike[str]) -> bool:
    """Return True if a file of that name holds whole tensors."""
    return as_path(path).suffix.lower() in ARRAYS


def holds_page(path: str | os.PathLike[str]) -> bool:
    """Return True if a file of that name is a page that holds an explorer."""
    return as_path(path).suffix.lower() == PAGE


def as_path(path: str | os.PathLike[str]) -> Path:
    """Return the path with `~` expanded.

    Raises:
        FeatmagicError: it isn't a str or Path, isn't a valid name, or names an unknown user.
    """
    try:
        if b"\0" in os.fsencode(file := Path(path)):
            raise FeatmagicError(
                f"'{shown(file)}' isn't a valid file name: it has a NUL character."
            )
        return file.expanduser()
    except TypeError:
        raise FeatmagicError(
            f"A file name must be a str or a Path, not a value of type {type(path).__name__}."
        ) from None
    except UnicodeEncodeError:
        raise FeatmagicError(
            f"'{shown(path)}' isn't a valid file name: it has characters that can't be encoded."
        ) from None
    except RuntimeError as error:  # no such user
        raise FeatmagicError(f"{shown(path)}: {error}") from error


def report_unsaved(what: str, reasons: Sequence[str], *, refuse: bool) -> None:
    """Print what isn't saved, and why.

    Raises:
        FeatmagicError: `what` and the first reason, if `refuse` is True and there is a reason.
    """
    if reasons and refuse:
        raise FeatmagicError(f"{what}: {reasons[0]}")
    for reason in reasons:
        say(f"Not saved: {reason}")


def saved_line(files: Sequence[Path]) -> str:
    """Return what was saved, in one line.

    Example:
        >>> saved_line([Path("out/maps-cnn1.png"), Path("out/maps-fc.png")])
        'Saved maps-cnn1.png, maps-fc.png in out.'
    """
    names = [printable(file.name) for file in files]
    if len(names) > _MOST_SAID:
        names = [*names[: _MOST_SAID - 1], f"… {len(names) - _MOST_SAID + 1} more"]
    return f"Saved {', '.join(names)} in {shown(files[0].parent)}."


def _checked_path(path: str | os.PathLike[str]) -> Path:
    """Return the path with `~` expanded, having checked that a file can be written there."""
    file = as_path(path)
    with explained(file):
        file.absolute()  # raises if the working directory was removed
        if file.is_dir():
            place_of(file, overwrite=True)  # says what to do
        if file.suffix.lower() not in SUFFIXES:
            raise FeatmagicError(_unknown_suffix(file))
        if not file.parent.is_dir():
            raise FeatmagicError(
                f"There is no folder {shown(file.parent)} to save {printable(file.name)} in."
            )
    if file.suffix.lower() == ".safetensors" and not importlib.util.find_spec("safetensors"):
        raise FeatmagicError(
            ".safetensors files need a package: pip install featmagic[safetensors]."
        )
    return file


def _check_distinct(files: Sequence[Path], places: Sequence[Place]) -> None:
    """Refuse several links to one file, which would hold only what is written last."""
    taken: dict[tuple[int, int], Path] = {}
    for file, place in zip(files, places, strict=True):
        if place.found:
            other = taken.setdefault((place.found.st_dev, place.found.st_ino), file)
            if other is not file:
                raise FeatmagicError(
                    f"{shown(other)} and {shown(file)} lead to the same file: save under another "
                    "name."
                )


def _unknown_suffix(file: Path) -> str:
    name, suffix = printable(file.name), file.suffix.lower()
    near = did_you_mean(suffix, SUFFIXES, limit=1) if suffix else f" Did you mean {name}.png?"
    kinds = f"{', '.join(SUFFIXES[:-1])} or {SUFFIXES[-1]}"
    return f"can't save as '{name}': the file name must end with {kinds}.{near}"
