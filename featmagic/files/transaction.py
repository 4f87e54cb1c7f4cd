"""Writing files completely or not at all: in a temporary folder first, then put in place."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from featmagic.files.place import explained, place_of
from featmagic.files.temporary import make_temporary, remove_leftovers, remove_temporary
from featmagic.support.errors import FeatmagicError
from featmagic.support.text import printable

_RIGHTS = 0o777  # without setuid and setgid, which writing to a file clears


def write_whole(writers: Mapping[Path, Callable[[Path], object]], *, overwrite: bool) -> list[Path]:
    """Write files, each completely or not at all.

    All of them are complete before the first is put in place: whatever fails until then (a picture
    that can't be drawn, a full disk, an interrupt) leaves every file as it was. Putting a file in
    place is a single step, so that even a killed process leaves the old or the new file. If that
    fails for one file, the files before it have been written, and the message says so.

    A replaced file keeps its mode, its extended attributes and, as far as the system allows, its
    owner; a new file has the mode that `open` gives. Before an existing file is replaced, the new
    one is flushed to the disk (fsync), since otherwise a power failure could leave neither. Without
    an existing file there is no flush, which is faster.

    Args:
        writers: For each file, a function that writes it, given the path to write to.
        overwrite: Whether existing files may be replaced. If not, a file that another process
            creates meanwhile isn't replaced either.

    Returns:
        The files.

    Raises:
        FeatmagicError: A file can't be written, as `place_of` says or the system does.
    """
    places = {file: place_of(file, overwrite=overwrite) for file in writers}
    for folder in {place.path.parent for place in places.values()}:
        remove_leftovers(folder)
    temporary: list[Path] = []
    complete: dict[Path, Path] = {}
    try:
        for file, write in writers.items():
            with explained(file):
                temporary.append(make_temporary(places[file].path.parent))
                complete[file] = temporary[-1] / "complete"
                write(complete[file])
                if places[file].found:
                    _to_disk(complete[file])
        return _put_all(complete, overwrite=overwrite)
    finally:
        for made in temporary:
            remove_temporary(made)


def _put_all(complete: Mapping[Path, Path], *, overwrite: bool) -> list[Path]:
    """Put every file in its place, and return the files."""
    put: list[Path] = []
    for file, written in complete.items():
        try:
            with explained(file):
                _put(written, file, overwrite=overwrite)
        except FeatmagicError as error:
            if put:
                names = ", ".join(printable(each.name) for each in put)
                raise FeatmagicError(f"{error} Already written: {names}.") from error
            raise
        put.append(file)
    return put


def _put(written: Path, file: Path, *, overwrite: bool) -> None:
    """Put a file in its place, in one step."""
    place = place_of(file, overwrite=overwrite)
    if overwrite:
        if place.found:
            _keep_attributes(written, place.path, place.found)
        written.replace(place.path)
        return
    try:
        _add(written, place.path)
    except FileExistsError:
        place_of(file, overwrite=False)  # says what exists by now
        raise


def _add(written: Path, path: Path) -> None:
    """Put a file where there is none; raise an error if there is one by now."""
    if os.name == "nt":
        written.rename(path)  # raises if the name is taken
        return
    try:
        os.link(written, path)
    except FileExistsError:
        raise
    except OSError:  # a file system without hard links
        _claim_and_replace(written, path)


def _claim_and_replace(written: Path, path: Path) -> None:
    """Claim the name with an empty file, then replace it; a second process is refused.

    If the process is killed between these two steps, the empty file stays.
    """
    try:
        path.open("xb").close()
        written.replace(path)
    except FileExistsError:
        raise
    except BaseException:
        with suppress(OSError):
            if path.stat().st_size == 0:
                path.unlink()
        raise


def _to_disk(written: Path) -> None:
    """Wait until a file is on the disk."""
    mode = stat.S_IMODE(written.stat().st_mode)
    written.chmod(0o600)  # so that it can be opened, whatever the umask
    with written.open("r+b") as file:
        os.fsync(file.fileno())
    written.chmod(mode)


def _keep_attributes(written: Path, path: Path, found: os.stat_result) -> None:
    """Give a file the owner, the extended attributes and the mode of the one it replaces."""
    rights = found.st_mode & _RIGHTS
    if not _keep_owner(written, found):
        rights &= (
            ~0o070 | (rights & 0o007) << 3
        )  # the group differs: give it no more rights than others have
    _keep_extended_attributes(written, path)
    if stat.S_IMODE(written.stat().st_mode) != rights:
        written.chmod(rights)


def _keep_owner(written: Path, found: os.stat_result) -> bool:
    """Give a file another one's owner and group; return True if it then has the group."""
    made = written.stat()
    for owner, group in ((found.st_uid, found.st_gid), (-1, found.st_gid)):
        if (made.st_uid, made.st_gid) == (found.st_uid, found.st_gid):
            return True
        with suppress(OSError, AttributeError):
            os.chown(written, owner, group)
            return True
    return made.st_gid == found.st_gid


def _keep_extended_attributes(written: Path, path: Path) -> None:
    """Copy the extended attributes that can be copied, which include ACLs on Linux."""
    if not hasattr(os, "listxattr"):
        return
    with suppress(OSError):  # a file system without them
        kept, made = os.listxattr(path), os.listxattr(written)
        for name in set(made) - set(kept):
            with suppress(OSError):
                os.removexattr(written, name)
        for name in kept:
            with suppress(OSError):
                os.setxattr(written, name, os.getxattr(path, name))
