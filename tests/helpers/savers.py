"""Processes that save: killed, racing, without rights, without room. Run in a process of their own.

`outcome` starts a fresh Python that calls one of the functions below and returns what it returned.
They fork, which needs a process without threads.
"""

from __future__ import annotations

import importlib.util
import json
import os
import random
import signal
import subprocess
import sys
import time
from contextlib import suppress
from functools import partial
from pathlib import Path

from helpers import TESTS

SUFFIXES = [".png", ".svg", ".pdf", ".html", ".npz"]
if importlib.util.find_spec("safetensors"):
    SUFFIXES.append(".safetensors")


def outcome(function, *arguments, prefix=(), **settings):
    """Return what a function of this module returns in a Python of its own."""
    program = (
        "import json, sys; from helpers import savers; name, *arguments = json.loads(sys.argv[1]); "
        "print('\\n' + json.dumps(getattr(savers, name)(*arguments)))"
    )
    words = [sys.executable, "-c", program, json.dumps([function, *map(_plain, arguments)])]
    paths = [str(TESTS), str(TESTS.parent)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(paths), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [*prefix, *words], capture_output=True, text=True, env=environment, check=False, **settings
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def _plain(value):
    return str(value) if isinstance(value, Path) else value


def maps_of(number):
    """Maps of one layer whose values are all made from a number."""
    import torch
    from torch import nn

    import featmagic

    net = nn.Sequential(nn.Identity())
    values = torch.Generator().manual_seed(number)
    with featmagic.capture(net, "0", as_is=True) as maps:
        net(torch.randn(1, 3, 12, 12, generator=values))
    return maps


def names_in(folder):
    return sorted(path.name for path in Path(folder).iterdir())


def forked(act):
    """Start a child that calls `act` and ends with its result, at most 255, or 255 on an error."""
    child = os.fork()
    if child:
        return child
    code = 255
    with suppress(BaseException):
        code = act() or 0
    os._exit(code)


def ended(child):
    """Wait for a child; its result, or the negative number of the signal that ended it."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def kill_at_random(folder, times):
    """Kill processes that save over a file, again and again, at random moments: for each format.

    Returns at how many moments the file was the old one, the new one, and something else; how many
    left a temporary folder; and what is there after one more save.
    """
    found = {}
    for suffix in SUFFIXES:
        (place := Path(folder) / suffix[1:]).mkdir()
        found[suffix] = _kill_at_random(place, suffix, times)
    return found


def _kill_at_random(folder, suffix, times):
    target = folder / f"maps{suffix}"
    maps = [maps_of(number) for number in range(2)]
    whole = []
    maps[0].save(target)  # imports what takes time
    for each in maps:
        began = time.perf_counter()
        each.save(target, overwrite=True)
        needed = time.perf_counter() - began
        whole.append(target.read_bytes())
    seen, left = [0, 0, 0], 0

    def save_for_ever():
        while True:
            for each in maps:
                each.save(target, overwrite=True)

    moments = random.Random(0)
    for _ in range(times):
        child = forked(save_for_ever)
        time.sleep(moments.uniform(0, 2.5 * needed))
        os.kill(child, signal.SIGKILL)
        assert ended(child) == -signal.SIGKILL
        found = target.read_bytes()
        seen[whole.index(found) if found in whole else 2] += 1
        left += len(names_in(folder)) > 1
    maps[0].save(target, overwrite=True)
    return {"seen": seen, "left": left, "there": names_in(folder)}


def kill_at_every_step(folder, overwrite, step):
    """Kill processes at every so many instructions of the package while they write two files."""
    names = ("a.png", "b.png")
    states, left, number = set(), 0, 0
    while True:
        for name in names:
            with suppress(FileNotFoundError):
                (Path(folder) / name).unlink()
            if overwrite:
                (Path(folder) / name).write_bytes(b"old" * 1000)
        if ended(forked(partial(_write, folder, names, overwrite, kill_at=number))) == 0:
            break
        contents = [_state(Path(folder) / name) for name in names]
        states.add(" ".join(contents))
        left += any(name.startswith(".featmagic-") for name in names_in(folder))
        _write(folder, names, True, None)
        assert [_state(Path(folder) / name) for name in names] == ["new", "new"]
        assert names_in(folder) == list(names)
        number += step
    return {"states": sorted(states), "left": left, "kills": number // step}


def interrupt_at_every_step(folder, overwrite, step, without_links=False):
    """Interrupt the writing of two files at every so many instructions of the package."""
    if without_links:
        refuse_links()
    names = ("a.png", "b.png")
    states, left, number = set(), 0, 0
    while True:
        for name in names:
            with suppress(FileNotFoundError):
                (Path(folder) / name).unlink()
            if overwrite:
                (Path(folder) / name).write_bytes(b"old" * 1000)
        try:
            _write(folder, names, overwrite, interrupt_at=number)
            break
        except KeyboardInterrupt:
            pass
        states.add(" ".join(_state(Path(folder) / name) for name in names))
        left += any(name.startswith(".featmagic-") for name in names_in(folder))
        _write(folder, names, True, None)
        assert names_in(folder) == list(names)
        number += step
    return {"states": sorted(states), "left": left, "interrupts": number // step}


def _state(file):
    if not file.exists():
        return "none"
    return {b"old" * 1000: "old", b"new" * 1000: "new"}.get(file.read_bytes(), "broken")


def _write(folder, names, overwrite, kill_at=None, interrupt_at=None):
    from featmagic.files.transaction import write_whole

    def write(path):
        with path.open("wb") as file:
            file.write(b"new" * 500)
            file.write(b"new" * 500)

    count = 0

    def trace(frame, event, _):
        nonlocal count
        package = f"{os.sep}featmagic{os.sep}files{os.sep}"
        if package not in frame.f_code.co_filename and frame.f_code is not write.__code__:
            return None
        frame.f_trace_opcodes = True
        if event == "opcode":
            count += 1
            if count - 1 == kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
            if count - 1 == interrupt_at:
                raise KeyboardInterrupt
        return trace

    if kill_at is not None or interrupt_at is not None:
        sys.settrace(trace)
    try:
        write_whole({Path(folder) / name: write for name in names}, overwrite=overwrite)
    finally:
        sys.settrace(None)


def refuse_links():
    """Make hard links fail as on a file system that has none."""

    def link(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    os.link = link


def race(folder, suffix, rounds, without_links=False):
    """Two processes save under the same new name at the same moment, round after round.

    They wait for each other before they save, and once more when both have found the name free.
    Returns for each round what both said: "saved", or the message of the error.
    """
    import multiprocessing

    from featmagic import FeatmagicError
    from featmagic.files import transaction

    if without_links:
        refuse_links()
    context = multiprocessing.get_context("fork")
    barrier = context.Barrier(2)
    maps_of(0).save(Path(folder) / f"warm{suffix}")  # imports what takes time

    def save(number, said):
        maps, looked, look = maps_of(number), 0, transaction.place_of

        def look_and_wait(*arguments, **options):
            nonlocal looked
            place = look(*arguments, **options)
            looked += 1
            if looked == 2:  # before it writes, and before it puts what it wrote in its place
                barrier.wait()
            return place

        transaction.place_of = look_and_wait
        for each in range(rounds):
            file, looked = Path(folder) / f"{each}{suffix}", 0
            barrier.wait()
            try:
                maps.save(file)
                said.send(f"saved {number}")
            except FeatmagicError as error:
                said.send(str(error))
        said.close()

    pipes = [context.Pipe() for _ in range(2)]
    savers = [
        context.Process(target=save, args=(number, pipe[1])) for number, pipe in enumerate(pipes)
    ]
    for saver in savers:
        saver.start()
    said = [[pipe[0].recv() for pipe in pipes] for _ in range(rounds)]
    for saver in savers:
        saver.join()
    return said


def save_as_nobody(folder, read_only, umask=0o022):
    """Save a new and an old file as a user without rights; what is said of each."""
    os.chdir(folder)
    maps = maps_of(0)
    os.umask(0)
    if not Path("old.npz").exists():
        Path("old.npz").touch(0o644)
        if os.geteuid() == 0:
            os.chown("old.npz", 65534, 65534)
    Path().chmod(0o555 if read_only else 0o777)
    os.umask(umask)
    if os.geteuid() == 0:
        os.setgroups([])
        os.setgid(65534)
        os.setuid(65534)
    return {name: _said(maps, Path(f"{name}.npz")) for name in ("new", "old")}


def save_in_little_room(folder):
    """Save over a file where none may be as large; what is said and there, and if it's the same."""
    import resource

    found = {}
    for suffix in SUFFIXES:
        (place := Path(folder) / suffix[1:]).mkdir()
        target, maps = place / f"maps{suffix}", maps_of(0)
        maps.save(target)
        whole = target.read_bytes()
        resource.setrlimit(resource.RLIMIT_FSIZE, (len(whole) // 2, -1))
        said = _said(maps, target)
        resource.setrlimit(resource.RLIMIT_FSIZE, (-1, -1))
        found[suffix] = (said, names_in(place), target.read_bytes() == whole)
    return found


def fill_the_disk(folder):
    """Save over files on a disk that is full, and in the end on one that can't be written to."""
    maps, found = maps_of(0), {}
    filling = Path(folder) / "filling"
    for suffix in SUFFIXES:
        target = Path(folder) / f"maps{suffix}"
        maps.save(target)
        whole = target.read_bytes()
        with suppress(OSError), filling.open("wb", buffering=0) as file:
            while True:
                file.write(bytes(1024))
        said = _said(maps, target)
        found[suffix] = (said, names_in(folder), target.read_bytes() == whole)
        filling.unlink()
        target.unlink()
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    found["read-only"] = _said(maps, target.with_name("maps.npz"))
    return found


def _said(maps, target):
    """What is said of saving over a file."""
    from featmagic import FeatmagicError

    try:
        maps.save(target, overwrite=True)
    except FeatmagicError as error:
        return str(error)
    return "saved"
