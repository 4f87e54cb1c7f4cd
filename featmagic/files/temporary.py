"""Folders for files that are still being written, and what killed processes left of them."""

from __future__ import annotations

import os
import platform
import re
import shutil
import sys
import threading
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path
from uuid import uuid4

_NAME = re.compile(r"\.featmagic-([0-9a-f]{8})-(\d+)-(\d+)-[0-9a-f]{32}")


def make_temporary(folder: Path) -> Path:
    """Make a folder, in another one, that nobody else may look into.

    Its name says on which host, in which process and in which thread it is used, so that
    `remove_leftovers` finds it if this process is killed.

    Raises:
        OSError: It can't be made.
    """
    name = f".featmagic-{_host()}-{os.getpid()}-{threading.get_ident()}-{uuid4().hex}"
    made = folder / name
    made.mkdir(mode=0o700)
    made.chmod(0o700)  # whatever the umask
    return made


def remove_temporary(folder: Path) -> None:
    """Remove a folder with what is in it, as far as that is possible."""
    shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove the folders that were made in `folder` and that nobody uses any more.

    These are the ones of processes of this host that have ended, and of threads of this process
    that have ended or, like the calling one, are about to make new ones. What another host made, or
    another container, is left alone, since nobody here knows who runs there.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(".featmagic-")]
        for name in names:
            match = _NAME.fullmatch(name)
            if match and match[1] == _host() and not _is_used(int(match[2]), int(match[3])):
                remove_temporary(folder / name)


def _is_used(process: int, thread: int) -> bool:
    if process == os.getpid():
        return thread != threading.get_ident() and thread in sys._current_frames()
    return _runs(process)


def _runs(process: int) -> bool:
    """Return True if there is such a process, or it can't be found out."""
    if os.name == "nt":
        return True  # os.kill would end it
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except PermissionError:  # another user's
        return True
    return True


@cache
def _host() -> str:
    """Return a short name for this host and, in a container, its numbering of processes."""
    with suppress(OSError):
        return _short(f"{platform.node()} {Path('/proc/self/ns/pid').stat().st_ino}")
    return _short(platform.node())


def _short(text: str) -> str:
    return blake2b(text.encode(errors="backslashreplace"), digest_size=4).hexdigest()
