"""Interrupts at a place of our choosing: before the n-th time that an instruction is run.

`places` runs a program once and lists where it could be interrupted; `interrupted` runs it again
and interrupts it at one of these places. There are two ways:

- `arrives`: SIGINT arrives there, and CPython delivers it when it looks for signals next, through
  the handler that is installed. That is what Ctrl-C does.
- `raised`: KeyboardInterrupt is raised there and then. CPython would not do it at most of these
  places; nothing can defer it.
"""

from __future__ import annotations

import _thread
import contextlib
import dis
import signal
import sys
from collections import Counter
from pathlib import Path
from typing import NamedTuple

import IPython
import torch

import featmagic

WAYS = ("arrives", "raised")

_PACKAGE = str(Path(featmagic.__file__).parent)
_TORCH = str(Path(torch.__file__).parent)
_AROUND = (
    contextlib.__file__,
    *(
        f"{_TORCH}/{name}"
        for name in (
            "nn/modules/module.py",
            "utils/hooks.py",
            "utils/_contextlib.py",
            "autograd/grad_mode.py",
            "overrides.py",
            "_dynamo/eval_frame.py",
            "_dynamo/callback.py",
        )
    ),
    *(f"{Path(IPython.__file__).parent}/core/{name}.py" for name in ("events", "extensions")),
)

_STATELESS = ("ipython/completion", "ipython/parser", "ipython/tokenizer", "recording/layout_hints")
_LIFE = (
    "cell",
    *_AROUND,
    *(
        str(file)
        for part in ("api.py", "ipython/**/*.py", "recording/**/*.py", "support/interrupts.py")
        for file in Path(_PACKAGE).glob(part)
        if not str(file.relative_to(_PACKAGE)).startswith(_STATELESS)
    ),
)

# With these, it makes no difference whether a signal arrives before or after them: they run
# no other code, and CPython doesn't look for signals at their end.
_SILENT = {
    dis.opmap[name]
    for name in dis.opmap
    if name.startswith(("LOAD_FAST", "STORE_FAST", "LOAD_CONST", "POP_JUMP", "JUMP_IF", "BUILD_"))
    or name
    in {
        "LOAD_GLOBAL", "LOAD_DEREF", "STORE_DEREF", "LOAD_CLOSURE", "PUSH_NULL", "PRECALL", "NOP",
        "KW_NAMES", "SWAP", "COPY", "DUP_TOP", "ROT_TWO", "ROT_THREE", "IS_OP", "EXTENDED_ARG",
        "JUMP_FORWARD", "MAKE_CELL", "COPY_FREE_VARS", "MAKE_FUNCTION", "LOAD_SMALL_INT",
        "PUSH_EXC_INFO", "POP_EXCEPT", "CHECK_EXC_MATCH", "RETURN_GENERATOR",
    }
}  # fmt: skip
_JUMP_BACKWARD = {"JUMP_BACKWARD", "JUMP_ABSOLUTE"}


class Place(NamedTuple):
    """Before the n-th time that an instruction of a function is run."""

    file: str
    function: str
    line: int  # where the function begins
    offset: int  # of the instruction
    nth: int
    silent: bool  # whether an interrupt that arrives here is as one that arrives at the next

    def __str__(self) -> str:
        file = self.file.removeprefix(_PACKAGE)
        return f"{file}:{self.function}:{self.line}+{self.offset}#{self.nth}"


def places(program):
    """Run a program; return where it can be interrupted, in the order in which it gets there.

    Of an instruction that is run many times, these are the first and the last time. Drawing, and
    whatever else holds no state, is interrupted once a function.
    """
    seen, silent, order, first = Counter(), {}, [], {}

    def instruction(frame, event, _):
        if event == "opcode":
            key = (*named[frame.f_code], frame.f_lasti)
            if key not in silent:
                silent[key] = frame.f_code.co_code[frame.f_lasti] in _SILENT
                if not key[0].startswith(_LIFE):
                    first.setdefault(key[:3], key)
            seen[key] += 1
            order.append((key, seen[key]))
        return instruction

    named = {}

    def call(frame, event, _):
        code = frame.f_code
        if code not in named:
            named[code] = _name(code)
        if named[code] is None:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return instruction

    _trace(program, call)
    once = set(first.values())
    return [
        Place(*key, nth, silent[key])
        for key, nth in order
        if (nth in (1, seen[key]) if key[0].startswith(_LIFE) else key in once and nth == 1)
    ]


def interrupted(program, place, way):
    """Run a program that is interrupted at a place; return whether it got there."""
    times = 0
    there = False

    def instruction(frame, event, _):
        nonlocal times, there
        if event == "opcode" and frame.f_lasti == place.offset:
            times += 1
            if times == place.nth:
                there = True
                sys.settrace(None)
                frame.f_trace = None
                if way == "raised":
                    raise KeyboardInterrupt
                # Not a call: CPython would look for signals right after it, in this function.
                _sigint.arrive  # noqa: B018
                return None
        return instruction

    named = {}

    def call(frame, event, _):
        code = frame.f_code
        if code not in named:
            named[code] = _name(code) == place[:3]
        if not named[code]:
            return None
        frame.f_trace_opcodes, frame.f_trace_lines = True, False
        return instruction

    _trace(program, call)
    return there


class _Signal(int):
    arrive = property(_thread.interrupt_main)


_sigint = _Signal(signal.SIGINT)


def _trace(program, call):
    before = sys.gettrace()
    sys.settrace(call)
    try:
        program()
    finally:
        sys.settrace(before)


def _name(code):
    """Name a function that is ours, runs on our behalf, or is the user's cell; None for others."""
    file = code.co_filename
    if file.startswith(("<ipython-input", "<user")) or "ipykernel" in file:
        file = "cell"
    elif not (file.startswith(_PACKAGE) or file in _AROUND):
        return None
    return file, getattr(code, "co_qualname", code.co_name), code.co_firstlineno
