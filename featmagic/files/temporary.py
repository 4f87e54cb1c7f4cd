"""Folders for files that are still being written, and removing those of killed processes."""

from __future__ import annotations

import os
import platform
import re
import shutil
import threading
from contextlib import suppress
from functools import cache
from hashlib import blake2b
from pathlib import Path
from uuid import uuid4

from featmagic.support.thread_frames import current_frames

_NAME = re.compile(r"\.featmagic-([0-9a-f]{8})-(\d+)-(\d+)-[0-9a-f]{32}")


def make_temporary(folder: Path) -> Path:
    """Make a private folder inside another one.

    Its name contains the host, process and thread that use it, so that `remove_leftovers` finds it
    if this process is killed.

    Raises:
        OSError: It can't be made.
    """
    name = f".featmagic-{_host()}-{os.getpid()}-{threading.get_ident()}-{uuid4().hex}"
    made = folder / name
    made.mkdir(mode=0o700)
    made.chmod(0o700)  # whatever the umask
    return made


def remove_temporary(folder: Path) -> None:
    """Remove a folder and its contents, as far as possible."""
    shutil.rmtree(folder, ignore_errors=True)


def remove_leftovers(folder: Path) -> None:
    """Remove the temporary folders in `folder` that are no longer used.

    These belong to processes on this host that have ended, to threads of this process that have
    ended, or to the calling thread. Folders of another host or container are left alone, because it
    can't be known here which processes run there.
    """
    with suppress(OSError), os.scandir(folder) as entries:
        names = [entry.name for entry in entries if entry.name.startswith(".featmagic-")]
        for name in names:
            match = _NAME.fullmatch(name)
            if match and match[1] == _host() and not _is_used(int(match[2]), int(match[3])):
                remove_temporary(folder / name)


def _is_used(process: int, thread: int) -> bool:
    if process == os.getpid():
        return thread != threading.get_ident() and thread in current_frames()
    return _runs(process)


def _runs(process: int) -> bool:
    """Return True if there is such a process, or that is unknown."""
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
    """Return a short name for this host and its namespace of process ids."""
    with suppress(OSError):
        return _short(f"{platform.node()} {Path('/proc/self/ns/pid').stat().st_ino}")
    return _short(platform.node())


def _short(text: str) -> str:
    return blake2b(text.encode(errors="backslashreplace"), digest_size=4).hexdigest()
