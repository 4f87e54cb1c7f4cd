"""Files that are saved: where they may go, and how they are written whole or not at all."""

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
from featmagic.support.text import printable

ARRAYS = (".npz", ".safetensors")


PAGE = ".html"


SUFFIXES = (".png", ".svg", ".pdf", PAGE, *ARRAYS)


def target_files(
    path: str | os.PathLike[str], keys: Sequence[str], *, overwrite: bool = False
) -> list[Path]:
    """The files that would hold what the keys stand for, once it is sure that they may be written.

    Arrays of all keys are in one file, and so are the layers of a page and the picture of one key.
    Of several keys each has a picture of its own beside `path`: `maps-cnn1.png` for `maps.png`.

    Raises:
        FeatmagicError: a suffix that isn't known, a folder that isn't there or that stands where
            the file would, a file that is there already, unless `overwrite`.

    Example:
        >>> [file.name for file in target_files("maps.png", ["cnn1", "relu:2"])]
        ['maps-cnn1.png', 'maps-relu_2.png']
    """
    target = _target(path)
    alone = holds_arrays(target) or holds_page(target) or len(keys) == 1
    files = [target] if alone else [target.with_name(name) for name in _names(target, keys)]
    for file in files:
        _check_free(file, overwrite=overwrite)
    return files


def holds_arrays(target: Path) -> bool:
    """Whether such a file holds tensors, and not a picture.

    Example:
        >>> holds_arrays(Path("maps.npz")), holds_arrays(Path("maps.png"))
        (True, False)
    """
    return target.suffix.lower() in ARRAYS


def holds_page(target: str | os.PathLike[str]) -> bool:
    """Whether such a file is a page that holds an explorer.

    Example:
        >>> holds_page("look.html"), holds_page("maps.png")
        (True, False)
    """
    return Path(target).suffix.lower() == PAGE


def _target(path: str | os.PathLike[str]) -> Path:
    """The path as it was given, `~` filled in, if a file of ours can be there."""
    try:
        target = Path(path).expanduser()
    except RuntimeError as error:
        raise FeatmagicError(f"{printable(str(path))}: {error}") from error
    with _in_words(target):
        _check_free(target, overwrite=True)
        if "\0" in target.name or target.suffix.lower() not in SUFFIXES:
            raise FeatmagicError(_unknown(target))
        if not target.parent.is_dir():
            raise FeatmagicError(
                f"There is no folder {_shown(target.parent)} to save {printable(target.name)} in."
            )
    if target.suffix.lower() == ".safetensors" and not importlib.util.find_spec("safetensors"):
        raise FeatmagicError(
            ".safetensors files need a package that isn't here: pip install featmagic[safetensors]."
        )
    return target


def _check_free(file: Path, *, overwrite: bool) -> None:
    with _in_words(file):
        if file.is_dir():
            name = _shown(file)
            raise FeatmagicError(f"{name} is a folder: name a file in it, as {name}/maps.png.")
        if file.exists() and not overwrite:
            raise FeatmagicError(
                f"{_shown(file)} is there already. overwrite=True (--overwrite) replaces it."
            )


def _unknown(target: Path) -> str:
    name, suffix = printable(target.name), target.suffix.lower()
    near = did_you_mean(suffix, SUFFIXES, limit=1) if suffix else f" Did you mean {name}.png?"
    return f"save writes {', '.join(SUFFIXES[:-1])} and {SUFFIXES[-1]} files, not '{name}'.{near}"


def _shown(path: Path) -> str:
    return printable(str(path))


_LONGEST_NAME = 250  # bytes: file systems take 255


def _names(target: Path, keys: Sequence[str]) -> list[str]:
    """A file name for each key."""
    viewport = max(1, _LONGEST_NAME - len(os.fsencode(f"{target.stem}-{target.suffix}")))
    safe = [_safe(key).encode()[:viewport].decode(errors="ignore") for key in keys]
    return [f"{target.stem}-{name}{target.suffix}" for name in distinct(safe)]


def _safe(key: str) -> str:
    """The key without what file systems refuse.

    Example:
        >>> _safe("enc['a/b']:2")
        "enc['a_b']_2"
    """
    letters = (c if c.isprintable() and c not in '<>:"/\\|?*' else "_" for c in key)
    return "".join(letters).strip(" .") or "_"


def distinct(names: Iterable[str]) -> list[str]:
    """The names, numbered where two would be one to a file system that knows no capitals.

    Example:
        >>> distinct(["relu_2", "ReLU_2", "fc"])
        ['relu_2', 'ReLU_2_2', 'fc']
    """
    taken: set[str] = set()
    found = []
    for name in names:
        numbered = chain([name], (f"{name}_{number}" for number in count(2)))
        free = next(one for one in numbered if _folded(one) not in taken)
        taken.add(_folded(free))
        found.append(free)
    return found


def _folded(name: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", name).casefold())


def write_whole(writers: Mapping[Path, Callable[[Path], object]]) -> list[Path]:
    """Write all files or none: each beside its place first, then all are moved there.

    Args:
        writers: by file, what writes one, given the path to write to.

    Raises:
        FeatmagicError: a file that can't be written.

    Example:
        >>> write_whole({})
        []
    """
    beside = {file: _real(file).with_name(f".featmagic-{uuid4().hex}") for file in writers}
    try:
        for file, write in writers.items():
            with _in_words(file):
                write(beside[file])
        for file, written in beside.items():
            with _in_words(file):
                written.replace(_real(file))
    finally:
        for left in beside.values():
            left.unlink(missing_ok=True)
    return list(writers)


def _real(file: Path) -> Path:
    """Where a link leads: it stays a link."""
    return file.resolve() if file.is_symlink() else file


@contextmanager
def _in_words(file: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = printable(error.strerror or str(error))
        raise FeatmagicError(f"{_shown(file)} can't be written: {reason}.") from error
