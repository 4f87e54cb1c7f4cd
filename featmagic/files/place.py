"""The place of a file that is to be written: where links lead, and whether it may be written."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from featmagic.files.temporary import remove_leftovers
from featmagic.support.errors import FeatmagicError
from featmagic.support.text import printable

# What else can have a name, as a message calls it.
_KINDS = {
    stat.S_IFBLK: "a device",
    stat.S_IFCHR: "a device",
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
}


@dataclass(frozen=True)
class Place:
    """Where a file is written.

    Attributes:
        path: The file itself, behind all symbolic links at its name.
        found: What is there already and is to be replaced; None if nothing is.
    """

    path: Path
    found: os.stat_result | None


def place_of(file: Path, *, overwrite: bool) -> Place:
    """Return where a file is written, having checked that it may be.

    A symbolic link to a file is followed: the file is replaced, and the link stays. Only plain
    files are replaced, and only those with a single name: a file with several hard links would
    either lose its other names or be overwritten in place, which isn't whole or not at all, so that
    is left to the user to decide.

    Raises:
        FeatmagicError: `file` exists and `overwrite` is False, it is no plain file, it has several
            hard links, or it is a symbolic link that leads to nothing; or nothing can be written in
            its folder.
    """
    with explained(file):
        path = _target(file) if file.is_symlink() else file
        found: os.stat_result | None
        try:
            found = path.stat()
            if (
                stat.S_ISREG(found.st_mode) and found.st_nlink > 1
            ):  # one may be in what a killed process left
                remove_leftovers(path.parent)
                found = path.stat()
        except FileNotFoundError:
            found = None
        if found and (reason := _why_not(file, found, overwrite=overwrite)):
            raise FeatmagicError(f"{shown(file)} {reason}")
        _check_folder(path.parent)
        return Place(path, found)


@contextmanager
def explained(file: Path) -> Iterator[None]:
    """Raise an OSError as a FeatmagicError that names the file and the reason."""
    try:
        yield
    except OSError as error:
        reason = printable(error.strerror or str(error))
        raise FeatmagicError(f"{shown(file)} can't be written: {reason}.") from error


def shown(path: str | os.PathLike[str]) -> str:
    """Return a path as messages show it."""
    return printable(str(path))


def _target(link: Path) -> Path:
    """Return what a symbolic link leads to in the end."""
    try:
        return Path(os.path.realpath(link, strict=True))
    except FileNotFoundError:
        leads_to = shown(link.readlink())
        raise FeatmagicError(
            f"{shown(link)} is a symbolic link to {leads_to}, where there is nothing: "
            "remove the link, or save under another name."
        ) from None


def _check_folder(folder: Path) -> None:
    """Raise an OSError if nothing can be written in a folder: before work, rather than after it."""
    if os.name == "nt" or os.access(folder, os.W_OK | os.X_OK):
        return  # what Windows says of folders is of no use
    read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
    reason = errno.EROFS if read_only else errno.EACCES
    raise OSError(reason, os.strerror(reason))


def _why_not(file: Path, found: os.stat_result, *, overwrite: bool) -> str | None:
    """Return why what is there can't be replaced, or None if it can."""
    if stat.S_ISDIR(found.st_mode):
        return f"is a folder: name a file in it, as {shown(file)}/maps.png."
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "no file")
        return f"is {kind}: only files are replaced. Save under another name."
    if not overwrite:
        return "is there already. overwrite=True (--overwrite) replaces it."
    if found.st_nlink > 1:
        return (
            f"is one of {found.st_nlink} names (hard links) of the same file, and replacing it "
            "would part them: delete it first, or save under another name."
        )
    return None
