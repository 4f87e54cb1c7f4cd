"""A program that looks again and again while another process interrupts it (SIGINT).

Run as `python -m helpers.interrupted_child KIND`. A round: it writes `r`, does one look, and reads
a byte, which the other process writes once it has sent the signal. Then it writes a line of JSON:
how often the interrupt was seen, and what the look has left behind.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import select
import signal
import sys
import time

import torch

import featmagic
from helpers.interrupting import network
from helpers.leftovers import Before
from helpers.shells import Shell

CELLS = {
    "look": ["%%featuremaps model 0\ny = model(x)"],
    "explore": ["%%featuremaps model 0 --explore\ny = model(x)"],
    "watch": ["%hook model 0", "y = model(x)", "%unhook"],
    "reload": ["%reload_ext featmagic"],
    "capture": [],
}


def main(kind, handling):
    shell = Shell()
    with contextlib.redirect_stdout(io.StringIO()):
        shell.ip.run_line_magic("xmode", "Minimal")
    calls = 0

    def own(number, frame):
        nonlocal calls
        calls += 1
        if handling == "raising handler":
            raise KeyboardInterrupt

    handler = {
        "default": signal.default_int_handler,
        "ignored": signal.SIG_IGN,
        "handler": own,
        "raising handler": own,
    }[handling]
    signal.signal(signal.SIGINT, handler)
    talk, x, model = sys.stdin.buffer.raw, torch.ones(1, 1, 5, 5), network()
    out = os.fdopen(os.dup(1), "wb", buffering=0)
    before = Before(model)

    def look():
        shell.names.update(model=model, x=x)
        for cell in CELLS[kind]:
            shell.ip.run_cell(cell)
        if not CELLS[kind]:
            with featmagic.capture(model, "0"):
                model(x)

    for _ in range(3):
        with contextlib.redirect_stdout(io.StringIO()):
            look()
    while True:
        seen, calls, printed, errors = 0, 0, io.StringIO(), io.StringIO()
        stdout, stderr = sys.stdout, sys.stderr
        try:
            sys.stdout, sys.stderr = printed, errors
            out.write(b"r")
            look()
            # Only read outside of this block: an interrupt could lose the byte.
            select.select([talk], [], [])
            time.sleep(0.001)
        except KeyboardInterrupt:
            seen += 1
        answer = talk.read(1)
        sys.stdout, sys.stderr = stdout, stderr
        if answer != b"k":
            return
        text = printed.getvalue() + errors.getvalue()
        seen += text.count("KeyboardInterrupt") + text.count("Interrupted.")
        after = before.left()
        with contextlib.redirect_stdout(io.StringIO()):
            if CELLS[kind]:
                shell.ip.run_cell("pass")
            else:
                with featmagic.capture(network(), "0"):
                    pass
            left = before.left()
            if kind == "reload":
                left |= {} if shell.ip.run_cell("%reload_ext featmagic").success else {"reload": 1}
        report = {"seen": seen, "calls": calls, "after": sorted(after), "next": sorted(left)}
        report["text"] = text[-2000:]
        out.write(json.dumps(report).encode() + b"\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
