"""Copies of the working tree, and running code there in separate processes."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]

# Imported once, before processes are forked; nothing of the package itself.
PRELOADED = (
    "torch", "torchvision", "matplotlib.pyplot", "PIL.Image", "hypothesis", "pytest", "pexpect",
    "IPython.core.interactiveshell", "nbformat", "transformers",
)  # fmt: skip

HUNG = -1


def copy_tree(into: Path) -> Path:
    """Copy the working tree without what git ignores; nothing is changed in it."""
    listed = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    names = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    for name in filter(None, names.split("\0")):
        if (ROOT / name).is_file():
            (into / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, into / name)
    # Compiled with hashes: size and time can't tell a mutant from the original.
    compiling = ["-m", "compileall", "-q", "--invalidation-mode", "checked-hash", "featmagic"]
    subprocess.run([sys.executable, *compiling], cwd=into, check=True)
    return into


def preload() -> None:
    """Import what takes long to import, so that forked processes have it."""
    for name in PRELOADED:
        try:
            __import__(name)
        except ImportError:
            continue


def run_apart(work: Callable[[], int], timeout: float) -> int:
    """Run some work in a forked process group; return its exit status or `HUNG`."""
    process = os.fork()
    if process == 0:
        status = 70
        try:
            os.setsid()
            # A shell starts jobs in the background with interrupts ignored.
            signal.signal(signal.SIGINT, signal.default_int_handler)
            status = work()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            _kill(process)  # processes that the work left running
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.02)
    _kill(process)
    os.waitpid(process, 0)
    return HUNG


def run_pytest(tree: Path, args: Sequence[str], plugin: Any, log: Path, timeout: float) -> int:
    """Run pytest in a copy of the tree, in a forked process; return the exit status or `HUNG`."""

    def work() -> int:
        with log.open("wb") as output:
            for stream in (1, 2):
                os.dup2(output.fileno(), stream)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        os.chdir(tree)
        os.environ["PYTHONPATH"] = str(tree)
        sys.path[:] = [str(tree), *(path for path in sys.path if path not in (str(ROOT), ""))]
        import pytest

        options = ["-q", "-p", "no:cacheprovider", "--assert=plain", "--tb=line"]
        return int(pytest.main([*options, *args], plugins=[plugin]))

    return run_apart(work, timeout)


def _kill(group: int) -> None:
    try:
        os.killpg(group, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
