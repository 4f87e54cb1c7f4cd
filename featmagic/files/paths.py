"""The names of files that are saved, and writing them whole or not at all."""

from __future__ import annotations

import importlib.util
import os
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, count
from pathlib import Path
from uuid import uuid4

from featmagic.support.errors import FeatmagicError, did_you_mean
from featmagic.support.text import printable, say, spelled_out

ARRAYS = (".npz", ".safetensors")
PAGE = ".html"
SUFFIXES = (".png", ".svg", ".pdf", PAGE, *ARRAYS)

_LONGEST_NAME = 250  # bytes: file systems take 255
_MOST_SAID = 8  # files


def target_files(
    path: str | os.PathLike[str], keys: Sequence[str], *, overwrite: bool = False
) -> list[Path]:
    """Return the files that layers would be saved in, having checked that they may be written.

    The arrays of all layers are in one file, as are the layers of a page. If several layers are
    saved as pictures, each has a file beside `path`: `maps-cnn1.png` for `maps.png`.

    Args:
        path: as it was given; its suffix says what is saved.
        keys: of the activations.
        overwrite: whether files that exist may be replaced.

    Raises:
        FeatmagicError: the suffix is unknown, the folder doesn't exist, there is a folder in the
            file's place, or the file exists and `overwrite` is False.

    Example:
        >>> [file.name for file in target_files("maps.png", ["cnn1", "relu:2"])]
        ['maps-cnn1.png', 'maps-relu_2.png']
    """
    file = _checked_path(path)
    alone = holds_arrays(file) or holds_page(file) or len(keys) == 1
    files = [file] if alone else [file.with_name(name) for name in _names(file, keys)]
    for file in files:
        _check_free(file, overwrite=overwrite)
    return files


def holds_arrays(file: Path) -> bool:
    """Return True if a file of that name holds whole tensors."""
    return file.suffix.lower() in ARRAYS


def holds_page(file: str | os.PathLike[str]) -> bool:
    """Return True if a file of that name is a page that holds an explorer."""
    return Path(file).suffix.lower() == PAGE


def write_whole(writers: Mapping[Path, Callable[[Path], object]]) -> list[Path]:
    """Write all files or none: each under another name beside its place, then all are renamed.

    Args:
        writers: for each file a function that writes it, given the path to write to.

    Returns:
        The files.

    Raises:
        FeatmagicError: a file can't be written.
    """
    beside = {file: _resolved(file).with_name(f".featmagic-{uuid4().hex}") for file in writers}
    try:
        for file, write in writers.items():
            with _explained(file):
                write(beside[file])
        for file, written in beside.items():
            with _explained(file):
                written.replace(_resolved(file))
    finally:
        for left in beside.values():
            left.unlink(missing_ok=True)
    return list(writers)


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
    return f"Saved {', '.join(names)} in {_shown(files[0].parent)}."


def _checked_path(path: str | os.PathLike[str]) -> Path:
    """Return the path with `~` filled in, having checked that a file can be there."""
    try:
        file = Path(path).expanduser()
    except RuntimeError as error:
        raise FeatmagicError(f"{_shown(path)}: {error}") from error
    with _explained(file):
        _check_free(file, overwrite=True)
        if "\0" in file.name or file.suffix.lower() not in SUFFIXES:
            raise FeatmagicError(_unknown_suffix(file))
        if not file.parent.is_dir():
            raise FeatmagicError(
                f"There is no folder {_shown(file.parent)} to save {printable(file.name)} in."
            )
    if file.suffix.lower() == ".safetensors" and not importlib.util.find_spec("safetensors"):
        raise FeatmagicError(
            ".safetensors files need a package that isn't here: pip install featmagic[safetensors]."
        )
    return file


def _check_free(file: Path, *, overwrite: bool) -> None:
    """Refuse a folder in the file's place, and a file that exists unless it may be replaced."""
    with _explained(file):
        if file.is_dir():
            name = _shown(file)
            raise FeatmagicError(f"{name} is a folder: name a file in it, as {name}/maps.png.")
        if file.exists() and not overwrite:
            raise FeatmagicError(
                f"{_shown(file)} is there already. overwrite=True (--overwrite) replaces it."
            )


def _unknown_suffix(file: Path) -> str:
    name, suffix = printable(file.name), file.suffix.lower()
    near = did_you_mean(suffix, SUFFIXES, limit=1) if suffix else f" Did you mean {name}.png?"
    return f"save writes {', '.join(SUFFIXES[:-1])} and {SUFFIXES[-1]} files, not '{name}'.{near}"


def _shown(path: str | os.PathLike[str]) -> str:
    return printable(str(path))


def _names(file: Path, keys: Sequence[str]) -> list[str]:
    """Return a file name for each key."""
    room = max(1, _LONGEST_NAME - len(os.fsencode(f"{file.stem}-{file.suffix}")))
    safe = [_safe(key).encode()[:room].decode(errors="ignore") for key in keys]
    return [f"{file.stem}-{name}{file.suffix}" for name in distinct(safe)]


def _safe(key: str) -> str:
    """Return the key without letters that can't be seen or that file systems refuse."""
    letters = ("_" if c in '<>:"/\\|?*' else c for c in spelled_out(key, lambda _: "_"))
    return "".join(letters).strip(" .") or "_"


def distinct(names: Iterable[str]) -> list[str]:
    """Return the names, numbered if two would be one on a case-insensitive file system.

    Example:
        >>> distinct(["relu_2", "ReLU_2", "fc"])
        ['relu_2', 'ReLU_2_2', 'fc']
    """
    taken: set[str] = set()
    unique = []
    for name in names:
        candidates = chain([name], (f"{name}_{number}" for number in count(2)))
        free = next(candidate for candidate in candidates if _folded(candidate) not in taken)
        taken.add(_folded(free))
        unique.append(free)
    return unique


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def _resolved(file: Path) -> Path:
    """Return where a symbolic link leads, so that it stays a link; or else the file."""
    return file.resolve() if file.is_symlink() else file


@contextmanager
def _explained(file: Path) -> Iterator[None]:
    """Raise an OSError as a FeatmagicError that names the file and the reason."""
    try:
        yield
    except OSError as error:
        reason = printable(error.strerror or str(error))
        raise FeatmagicError(f"{_shown(file)} can't be written: {reason}.") from error
