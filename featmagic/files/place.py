"""The place of a file to write: where links lead, and whether writing is allowed."""

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

# Files that aren't regular, as messages call them.
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
        path: The file itself, with symbolic links resolved.
        found: The status of the existing file that is to be replaced; None if there is none.
    """

    path: Path
    found: os.stat_result | None


def place_of(file: Path, *, overwrite: bool) -> Place:
    """Check that a file may be written, and return where.

    A symbolic link to a file is followed: the file is replaced, and the link stays. Only regular
    files with a single name are replaced. One with several hard links would either be separated
    from its other names or be overwritten in place, where a failure would leave half a file; the
    user decides what to do about it.

    Raises:
        FeatmagicError: `file` exists and `overwrite` is False, it isn't a regular file, it has
            several hard links, it is a broken symbolic link, or its folder isn't writable.
    """
    with explained(file):
        path = _target(file) if file.is_symlink() else file
        found: os.stat_result | None
        try:
            found = path.stat()
            if stat.S_ISREG(found.st_mode) and found.st_nlink > 1:
                remove_leftovers(path.parent)  # a killed process may have left one of the links
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
    """Return the final target of a symbolic link."""
    try:
        return Path(os.path.realpath(link, strict=True))
    except FileNotFoundError:
        leads_to = shown(link.readlink())
        raise FeatmagicError(
            f"{shown(link)} is a symbolic link to {leads_to}, where there is nothing: "
            "remove the link, or save under another name."
        ) from None


def _check_folder(folder: Path) -> None:
    """Raise an OSError if a folder isn't writable: before the work rather than after it."""
    if os.name == "nt" or os.access(folder, os.W_OK | os.X_OK):
        return  # on Windows, os.access says nothing useful about folders
    read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
    reason = errno.EROFS if read_only else errno.EACCES
    raise OSError(reason, os.strerror(reason))


def _why_not(file: Path, found: os.stat_result, *, overwrite: bool) -> str | None:
    """Return why the existing file can't be replaced, or None if it can."""
    if stat.S_ISDIR(found.st_mode):
        return f"is a folder: name a file in it, such as {shown(file)}/maps.png."
    if not stat.S_ISREG(found.st_mode):
        kind = _KINDS.get(stat.S_IFMT(found.st_mode), "not a regular file")
        return f"is {kind}; only regular files can be replaced. Save under another name."
    if not overwrite:
        return "already exists; add --overwrite to replace it (in Python, overwrite=True)."
    if found.st_nlink > 1:
        return (
            f"has {found.st_nlink} hard links, and replacing it would separate them: delete it "
            "first, or save under another name."
        )
    return None
