"""Programs that are interrupted at one place after the other, and what that leaves behind."""

from __future__ import annotations

import contextlib
import gc
import importlib
import io
import os
import pickle
import random
import select
import signal
import sys
import threading
import traceback
import weakref
from collections import Counter
from dataclasses import dataclass, field

import torch
from IPython.utils.capture import capture_output
from torch import nn

import featmagic
from helpers.explored import activation
from helpers.interrupts import interrupted, places
from helpers.leftovers import Before
from helpers.shells import Shell, added_to

SILENCE = 120  # seconds after which a run that says nothing is stuck


class Raises(nn.Module):
    def forward(self, x):
        raise ValueError("this layer fails")


def network(*, fails=False):
    """A network in training mode, with a part that the user has put into eval mode."""
    last = Raises() if fails else nn.Dropout()
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Sequential(nn.ReLU(), last)).train()
    model[1][0].eval()
    return model


@dataclass(frozen=True)
class Kind:
    """A program to interrupt.

    Attributes:
        name: how it is called in reports.
        code: a cell, or a program in plain Python. It displays no tensor: torch writes one as text
            inside of a `no_grad` of its own, which an interrupt can leave on.
        before: cells that run before it.
        fails: whether the model's forward fails.
        plain: whether it is plain Python.
    """

    name: str
    code: str
    before: tuple[str, ...] = ()
    fails: bool = False
    plain: bool = False


CAPTURE = """\
with capture(model, "0") as maps:
    model(x)
"""
NESTED = """\
with capture(model, "0") as maps:
    model(x)
    with capture(model, "1.0", fields=True) as inner:
        model(x)
    model(x)
"""
PICK = "explorer.input = 1\n"
KINDS = (
    Kind("look", "%%featuremaps model 0\ny = model(x)"),
    Kind("look, failing", "%%featuremaps model 0\ny = model(x)", fails=True),
    Kind("look, --explore", "%%featuremaps model 0 --explore\ny = model(x)"),
    Kind("look in one line", "%featuremaps model 0 -- y = model(x)"),
    Kind("look under a watch", "%%featuremaps model 0\ny = model(x)", ("%hook model 1",)),
    Kind("%hook", "%hook model 0"),
    Kind("watched cell", "y = model(x)", ("%hook model 0",)),
    Kind("%unhook", "%unhook", ("%hook model 0",)),
    Kind("%load_ext", "%load_ext featmagic", ("%unload_ext featmagic",)),
    Kind("%unload_ext", "%unload_ext featmagic", ("%hook model 0",)),
    Kind("%reload_ext", "%reload_ext featmagic", ("%hook model 0",)),
    Kind("capture", CAPTURE, plain=True),
    Kind("capture, failing", CAPTURE, fails=True, plain=True),
    Kind("captures, nested", NESTED, plain=True),
    Kind("explorer's next input", PICK, plain=True),
)


@dataclass
class Outcome:
    """What one interrupt left behind.

    Attributes:
        place: where it came, as text.
        reached: whether the program got there; it may take another way this time.
        after: what was left right after the cell.
        next: what was left after the next cell.
        later: what was wrong when the user went on.
    """

    place: str
    reached: bool = True
    after: list[str] = field(default_factory=list)
    next: list[str] = field(default_factory=list)
    later: list[str] = field(default_factory=list)

    @property
    def bad(self):
        return [f"{kind} after the next cell" for kind in self.next] + self.later


class World:
    """A process with an IPython shell in which one kind of program is interrupted again and again.

    What a run leaves must not be blamed on the next: `interrupt_all` gives up a world as soon as
    something is left in it.
    """

    def __init__(self, kind, *, dynamo):
        if dynamo:  # its stance and its callbacks are only touched where it is loaded
            importlib.import_module("torch._dynamo")

        self._kind = kind
        self._shell = Shell()
        with contextlib.redirect_stdout(io.StringIO()):
            self._shell.ip.run_line_magic("xmode", "Minimal")
        self._names = self._shell.names
        for _ in range(2):  # imports, caches and everything else that is made once
            bad = self.run(None, None).bad
        assert not bad, f"uninterrupted: {bad}"
        gc.collect()
        gc.freeze()

    def places(self):
        self._begin()
        with capture_output():
            found = places(self._act)
        self._finish()
        return found

    def run(self, place, way):
        """Interrupt the program at a place; without one, run it uninterrupted."""
        outcome = Outcome(str(place))
        before = self._begin()
        seen = ""
        with capture_output() as captured:
            try:
                if place is None:
                    self._act()
                else:
                    outcome.reached = interrupted(self._act, place, way)
            except KeyboardInterrupt:
                seen = "KeyboardInterrupt"
        outcome.after = sorted(before.left())
        seen += captured.stdout + captured.stderr
        if place is not None and outcome.reached and "Interrupt" not in seen:
            outcome.later.append("interrupt lost")
        with capture_output():
            self._next()
        outcome.next = sorted(before.left())
        del before  # it holds the model
        with capture_output():
            outcome.later += self._go_on()
        outcome.later += self._finish()
        return outcome

    def _begin(self):
        self._model, self._other = network(fails=self._kind.fails), network()
        self._alive = weakref.ref(self._model), weakref.ref(self._model[0])
        self._x = torch.ones(1, 1, 5, 5)
        own = {"model": self._model, "x": self._x, "capture": featmagic.capture}
        self._names.update(own)
        if self._kind.code == PICK:
            own["explorer"] = self._open_explorer()
        self._program = own
        self._code = (
            compile(self._kind.code, "<user program>", "exec") if self._kind.plain else None
        )
        with capture_output():
            for cell in self._kind.before:
                self._shell.ip.run_cell(cell)
        return Before(self._model, self._other, names=self._names)

    def _open_explorer(self):
        from featmagic.explorer.open import open_explorer
        from featmagic.options.view import View

        shown, inputs = activation("0", torch.ones(1, 2, 3, 3)), [self._x, self._x + 1]
        return open_explorer([shown], View(explore=True), "maps", self._model, inputs)

    def _act(self):
        if self._code is None:
            self._shell.ip.run_cell(self._kind.code)
        elif self._kind.fails:
            with contextlib.suppress(ValueError):
                exec(self._code, self._program)
        else:
            exec(self._code, self._program)

    def _next(self):
        if self._code is None:
            self._shell.ip.run_cell("pass")
        else:
            self._capture(self._other)

    def _capture(self, model):
        with contextlib.suppress(ValueError), featmagic.capture(model, "0"):
            model(self._x)

    def _go_on(self):
        """Do what the user does next; return what of it was undone or no longer works."""
        wrong = []
        if "_ext" in self._kind.name:
            wrong += self._load_again()
        model = self._model
        model.eval()
        model[1].train()
        model[0].weight.requires_grad = False
        handle = model[0].register_forward_hook(lambda *_: None)
        torch.set_grad_enabled(False)
        before = Before(self._model, self._other, names=self._names)
        if self._code is None:
            for cell in ("%%featuremaps model 0\ny = model(x)", "y = 1", "%unhook", "y = 2"):
                result = self._shell.ip.run_cell(cell)
                expected = ValueError if self._kind.fails and "model(x)" in cell else type(None)
                if type(result.error_in_exec or result.error_before_exec) is not expected:
                    wrong.append(f"{cell.split()[0]} no longer works")
        else:
            self._capture(self._model)
            self._capture(self._other)
        thread = threading.Thread(target=self._capture, args=(self._other,), daemon=True)
        thread.start()
        thread.join(20)
        if thread.is_alive():
            wrong.append("a look in another thread is stuck")
        wrong += [f"the user's {kind} changed" for kind in sorted(before.left())]
        torch.set_grad_enabled(True)
        handle.remove()
        return wrong

    def _load_again(self):
        shell, wrong = self._shell, []
        for magic in ("%reload_ext", "%unload_ext", "%unload_ext", "%load_ext", "%reload_ext"):
            if not shell.ip.run_cell(f"{magic} featmagic").success:
                wrong.append(f"{magic} fails")
            if magic == "%unload_ext" and (extra := added_to(shell.ip)):
                wrong.append(f"{magic} leaves {extra}")
        counts = Counter(added_to(shell.ip))
        if wrong == [] and max(counts.values()) > 1:
            wrong.append(f"loaded twice: {counts}")
        return wrong

    def _finish(self):
        """Let the user's names go; return what still holds the model."""
        if "explorer" in self._program:
            self._program["explorer"].close()
        for name in ("model", "x", "y", "maps", "inner", "explorer", "feature_maps", "capture"):
            self._names.pop(name, None)
        self._program.clear()
        self._model = self._other = None
        for name in ("last_type", "last_value", "last_traceback", "last_exc"):
            if hasattr(sys, name):
                delattr(sys, name)
        self._shell.ip.InteractiveTB.tb = None
        if all(alive() is None for alive in self._alive):
            return []
        gc.collect()
        return [] if all(alive() is None for alive in self._alive) else ["the model is held"]


def interrupt_all(kind, way, choose, *, dynamo=True):
    """Interrupt a program at every place that `choose` takes from the list of all of them.

    With `dynamo`, torch's compiler is loaded; that takes a while.

    The work is done in a copy of this process, which makes a copy of itself whenever something is
    left behind in the last one.
    """

    def work(tell):
        tell(_all_outcomes(World(kind, dynamo=dynamo), way, choose))

    told, end = in_a_copy(work, patience=None)
    assert not end, end
    return told[0]


def _all_outcomes(world, way, choose):
    outcomes = []
    plan = choose(world.places(), way)

    def work(tell):
        for place in plan[len(outcomes) :]:
            outcome = world.run(place, way)
            tell(outcome)
            if outcome.bad:
                break

    while len(outcomes) < len(plan):
        done, end = in_a_copy(work, patience=SILENCE)
        outcomes += done
        if end:
            outcomes.append(Outcome(str(plan[len(outcomes)]), later=[end]))
    return outcomes


def in_a_copy(work, *, patience):
    """Call `work(tell)` in a copy of this process; return what it told, and how it failed.

    Args:
        work: what to do.
        patience: seconds without a word after which the copy is stuck, or None.
    """
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reading)
        _work(work, writing)
    os.close(writing)
    told, data, end = [], b"", ""
    with os.fdopen(reading, "rb", buffering=0) as heard:
        while True:
            if not select.select([heard], [], [], patience)[0]:
                os.kill(child, signal.SIGKILL)
                end = "stuck"
                break
            if not (part := heard.read(1 << 16)):
                break
            data += part
            while len(data) >= 8 and len(data) >= 8 + (size := int.from_bytes(data[:8], "big")):
                told.append(pickle.loads(data[8 : 8 + size]))
                data = data[8 + size :]
    _, status = os.waitpid(child, 0)
    return told, end or ("" if status == 0 else "the process failed")


def _work(work, writing):
    status = 1
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        with os.fdopen(writing, "wb", buffering=0) as out:

            def tell(message):
                data = pickle.dumps(message)
                rest = memoryview(len(data).to_bytes(8, "big") + data)
                while rest:
                    rest = rest[out.write(rest) :]

            work(tell)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(status)


def shard(number, of):
    """Take every n-th place: those at which an interrupt can make a difference."""

    def choose(found, way):
        return [p for p in found if way == "raised" or not p.silent][number::of]

    return choose


def sample(size, seed):
    """Take some of the places at random."""

    def choose(found, way):
        taken = [p for p in found if way == "raised" or not p.silent]
        return random.Random(seed).sample(taken, min(size, len(taken)))

    return choose
