"""Real interrupts: signals from another process, a notebook's Stop button, Ctrl-C."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time

import pexpect
import pytest
import torch
from helpers import TESTS
from helpers.interrupting import network
from helpers.kernels import Kernel
from helpers.leftovers import Before
from helpers.terminals import NO_COLOR, end, environment

import featmagic

SEED = int(os.environ.get("FAULTS_SEED", "0"))
KINDS = ("look", "explore", "watch", "reload", "capture")


class Child:
    """Another process that repeats a look."""

    def __init__(self, kind, handling="default"):
        self._random = random.Random(SEED)
        self._process = subprocess.Popen(
            [sys.executable, "-m", "helpers.interrupted_child", kind, handling],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=TESTS,
            env={**os.environ, "PYTHONPATH": os.pathsep.join([str(TESTS), *sys.path])},
            bufsize=0,
        )
        self._longest = 0.01

    def interrupt(self):
        """Interrupt one look at a random moment, and return the child's report."""
        assert self._process.stdout.read(1) == b"r"
        begun = time.perf_counter()
        time.sleep(self._random.random() * self._longest)
        self._process.send_signal(signal.SIGINT)
        self._process.stdin.write(b"k")
        line = b""
        while not line.endswith(b"\n"):
            part = self._process.stdout.read(1)
            assert part, "the process ended"
            line += part
        # How long a look takes depends on the machine.
        self._longest = 0.9 * self._longest + 0.1 * (time.perf_counter() - begun)
        return json.loads(line)

    def stop(self):
        self._process.stdout.read(1)
        self._process.stdin.write(b"q")
        self._process.stdin.close()
        assert self._process.wait(60) == 0


def interrupted_again_and_again(kind, rounds, handling="default"):
    child = Child(kind, handling)
    try:
        return [child.interrupt() for _ in range(rounds)]
    finally:
        child.stop()


def check(reports, *, seen):
    for report in reports:
        assert report["next"] == [], report
        assert report["seen"] == seen, report


def test_signals_of_another_process_leave_nothing_and_none_is_lost():
    check(interrupted_again_and_again("capture", 60), seen=1)


@pytest.mark.faults
@pytest.mark.parametrize("kind", KINDS)
def test_many_signals_of_another_process_leave_nothing_and_none_is_lost(kind):
    check(interrupted_again_and_again(kind, 600), seen=1)


@pytest.mark.parametrize("kind", ["look", "capture"])
@pytest.mark.parametrize("handling", ["handler", "raising handler", "ignored"])
def test_a_handler_of_the_users_hears_each_interrupt_once_and_stays(kind, handling):
    """The child's comparison of before and after includes the handler itself."""
    reports = interrupted_again_and_again(kind, 20, handling)
    check(reports, seen=1 if handling == "raising handler" else 0)
    assert [report["calls"] for report in reports] == [0 if handling == "ignored" else 1] * 20


def test_an_interrupt_of_the_main_thread_leaves_a_look_in_another_thread_alone():
    """Signals arrive only in the main thread; a look in another neither delays nor loses one."""
    model, maps, heard = network(), [], 0
    before, stop = Before(model), threading.Event()
    x = torch.ones(1, 1, 5, 5)

    def work():
        while not stop.is_set():
            with featmagic.capture(model, "0") as captured:
                model(x)
            maps.append(captured)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        for _ in range(50):
            try:
                signal.raise_signal(signal.SIGINT)
                time.sleep(1)
            except KeyboardInterrupt:
                heard += 1
            time.sleep(0.001)
    finally:
        stop.set()
        thread.join()
    assert heard == 50
    assert maps
    with torch.no_grad():
        assert all(torch.equal(captured["0"], model[0](x)) for captured in maps)
    assert before.left() == {}


PREPARE = """
import signal, torch, featmagic
from helpers.interrupting import network
from helpers.leftovers import Before
model, x = network(), torch.ones(1, 1, 5, 5)
before = Before(model, names=globals())
%load_ext featmagic
"""
ENDLESS = "print('go', flush=True)\nwhile True:\n    "
CELLS = (
    ENDLESS + "with featmagic.capture(model, '0'): model(x)",
    "%%featuremaps model 0\n" + ENDLESS + "model(x)",
    "%hook model 0\n" + ENDLESS + "model(x)",
    ENDLESS + "get_ipython().run_cell_magic('featuremaps', 'model 0', 'model(x)')",
)


def test_a_notebooks_stop_button_ends_the_cell_and_leaves_nothing():
    kernel = Kernel()
    try:
        kernel.good(PREPARE)
        for cell in CELLS:
            ran = kernel.run(cell, interrupt_at="go")
            assert ran.status == "error"
            assert [error.ename for error in ran.errors] == ["KeyboardInterrupt"], ran.errors
            kernel.good("%unhook")  # or the next cell is watched
            left = kernel.good("print(sorted(before.left()))").text
            assert left.splitlines()[-1] == "[]", cell
    finally:
        kernel.stop()


def test_ctrl_c_in_a_terminal_ends_the_cell_and_leaves_nothing(tmp_path):
    child = pexpect.spawn(
        sys.executable,
        ["-m", "IPython", "--simple-prompt", "--no-banner"],
        cwd=str(TESTS),
        env=environment(tmp_path, **NO_COLOR),
        encoding="utf-8",
        timeout=120,
    )
    try:
        for line in PREPARE.strip().splitlines():
            child.expect(r"In \[\d+\]: ")
            child.sendline(line)
        looks = (
            "while print('g' + 'o') or True: get_ipython().run_line_magic("
            "'featuremaps', 'model 0 -- model(x)')",
            "while print('g' + 'o') or True:\n    with featmagic.capture(model, '0'): model(x)\n",
        )
        for look in looks * 2:
            child.expect(r"In \[\d+\]: ")
            for line in look.split("\n"):
                child.sendline(line)
            child.expect("go\r\n")
            child.sendintr()
            child.expect("KeyboardInterrupt")
            child.expect(r"In \[\d+\]: ")
            child.sendline("print('left', sorted(before.left()))")
            child.expect(r"left (\[[^\r]*\])\r")
            assert child.match[1] == "[]"
    finally:
        end(child)
