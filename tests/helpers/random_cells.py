"""Programs of random cells, run once with featmagic and once without, and compared."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import random
import re
import signal
import sys
import textwrap
import threading

import torch
from IPython.utils.capture import capture_output
from torch import nn
from torch.overrides import _get_current_function_mode_stack

import featmagic
from helpers.leftovers import TABLES, every_module

MODELS = ("a", "b", "c")
MAGIC = re.compile(r"^(\s*)%+(featuremaps|hook|unhook|load_ext|unload_ext|reload_ext).*$", re.M)


class Fickle(nn.Module):
    """Fails, or is interrupted, at some of its calls."""

    def __init__(self, plan):
        super().__init__()
        self.plan, self.calls = plan, 0

    def forward(self, x):
        self.calls += 1
        what = self.plan[self.calls % len(self.plan)]
        if what == "fails":
            raise ValueError("fickle")
        if what == "interrupted":
            if threading.current_thread() is not threading.main_thread():
                raise KeyboardInterrupt
            signal.raise_signal(signal.SIGINT)
        return x


def fresh(*plan):
    return nn.Sequential(
        nn.Linear(3, 3), nn.Sequential(nn.ReLU(), nn.Dropout()), Fickle(plan or ("",))
    )


def random_program(seed):
    """Return the cells of a random program."""
    draw = random.Random(seed)
    state = {"looks": 0, "blocks": 0, "hooks": 0}
    return [_cell(draw, state) for _ in range(draw.randint(4, 12))]


def _cell(draw, state):
    kind = draw.choice(["look", "look", "line look", "watch", "extension", *["plain"] * 4])
    model = draw.choice(MODELS)
    layers = draw.choice(["0", "1.0 2", ". 0", "", "0:2", "nope", "0 --explore", "0 --as-is"])
    if kind == "look":
        return f"%%featuremaps {model} {layers}\n{_body(draw, state, looks=True)}"
    if kind == "line look":
        return f"%featuremaps {model} {layers} -- {model}(x)\npass"
    if kind == "watch":
        magic = draw.choice([f"%hook {model} 0 --into watched_{model}", "%unhook", "%hook"])
        return f"{magic}\n{_body(draw, state)}"
    if kind == "extension":
        body = textwrap.indent(_body(draw, state), "    ")
        if draw.random() < 0.5:
            return f"%reload_ext featmagic\n{_body(draw, state)}"
        return f"try:\n    %unload_ext featmagic\n{body}\nfinally:\n    %load_ext featmagic"
    return _body(draw, state)


def _body(draw, state, *, looks=False, depth=0):
    """Return some statements.

    Inside of a look, what a look itself changes is left alone: flags and the grad mode.
    """
    lines = []
    for _ in range(draw.randint(1, 3)):
        model, other = draw.choice(MODELS), draw.choice(MODELS)
        choices = [
            f"{model}(x)",
            f"{model}(x)",
            f"{model}[0](x)",
            f"try:\n    {model}(x)\nexcept (ValueError, KeyboardInterrupt):\n    pass",
            f"in_thread(lambda: captured({model}))",
            f"in_thread(lambda: {model}(x))",
            f"in_tasks({model}, {other})",
            f"{model}[0].weight.requires_grad_({draw.choice([True, False])})",
            f"handles.append({model}[0].register_forward_hook(note))",
            f"handles.append({model}.register_forward_pre_hook(note_before))",
            "handles and handles.pop(0).remove()",
            f"{model}_copy = copy.deepcopy({model}); {model}_copy(x)",
        ]
        nested = [
            f"with capture({model}, '0', as_is={draw.random() < 0.2}):",
            f"with capture({model}, '1', fields=True), capture({other}, '.'):",
            "with torch.no_grad():",
            "with torch.enable_grad():",
            "with torch.inference_mode():",
        ]
        if draw.random() < 0.35 and depth < 2:
            head = draw.choice(nested)
            inside = looks or "capture" in head or depth > 0
            body = _body(draw, state, looks=inside or "grad" in head, depth=depth + 1)
            lines.append(f"{head}\n{textwrap.indent(body, '    ')}")
            continue
        # A block of the user's that begins inside of a look and ends after it keeps what it saw.
        if state["looks"] and depth == 0:
            choices += [f"looks.pop({draw.choice([0, -1])}).close() if looks else None"] * 2
        if state["blocks"] and depth == 0 and not looks:
            choices += ["if not looks and blocks: blocks.pop().close()"] * 2
        if not looks and depth == 0:
            choices += [f"looks.append(begun(looking({model})))"]
            choices += [f"if not looks: blocks.append(begun(blocking({model})))"]
            free = [
                f"{model}.train()",
                f"{model}.eval()",
                f"{model}[1].train({draw.choice([True, False])})",
                f"if not blocks: torch.set_grad_enabled({draw.choice([True, False])})",
                f"{model} = fresh({draw.choice(['', repr('fails'), repr('interrupted')])})",
                f"{model} = fresh('', '', {draw.choice([repr('fails'), repr('interrupted')])})",
                f"{model} = copy.deepcopy({other})",
                f"del {model}; {model} = fresh()",
            ]
            choices += [f"if not looks:\n    {line}" for line in free]
        line = draw.choice(choices)
        state["looks"] += "looks.append" in line
        state["blocks"] += "blocks.append" in line
        lines.append(line)
    return "\n".join(lines)


def without_featmagic(cell):
    """Return the cell with featmagic's magics replaced by nothing.

    A look at a layer that doesn't exist doesn't run its cell.
    """
    if "nope" in cell:
        return "pass"
    cell = re.sub(r"^%featuremaps .* -- ", "", cell)
    return MAGIC.sub(r"\1pass", cell)


def names_for(capture):
    """Return the namespace of a program: models, an input, and means to overlap."""

    def looking(model):
        with capture(model, "0"):
            yield

    def blocking(_):
        with torch.no_grad():
            yield

    def begun(generator):
        next(generator)
        return generator

    def captured(model):
        with contextlib.suppress(ValueError, KeyboardInterrupt), capture(model, "0"):
            model(torch.ones(2, 3))

    def in_thread(work):
        def run():
            with contextlib.suppress(ValueError, KeyboardInterrupt):
                work()

        thread = threading.Thread(target=run)
        thread.start()
        thread.join()

    def in_tasks(*models):
        async def one(model, turns):
            with contextlib.suppress(ValueError), capture(model, "0"):
                for _ in range(turns):
                    await asyncio.sleep(0)
                model[0](torch.ones(2, 3))
                await asyncio.sleep(0)

        async def run():
            await asyncio.gather(*(one(model, turns) for turns, model in enumerate(models)))

        asyncio.run(run())

    torch.manual_seed(0)
    own = {name: fresh() for name in MODELS}
    own["b"][1].eval()
    return {
        **own,
        "x": torch.ones(2, 3),
        "capture": capture,
        "looks": [],
        "blocks": [],
        "handles": [],
        "note": note,
        "note_before": note_before,
        **{each.__name__: each for each in (looking, blocking, begun, captured)},
        **{each.__name__: each for each in (in_thread, in_tasks, fresh)},
        "torch": torch,
        "copy": copy,
    }


def note(module, args, output):
    """Do nothing, as a hook of the user's."""


def note_before(module, args):
    """Do nothing, as a hook of the user's."""


def state_of(names):
    """What a look must leave alone, as plain values; None while a look is open."""
    if names["looks"]:
        return None
    models = [names[name] for name in MODELS if name in names]
    modules = [module for model in models for module in every_module(model)]
    stance = getattr(sys.modules.get("torch._dynamo.eval_frame"), "_stance", None)
    return {
        "flags": [module.training for module in modules],
        "requires_grad": [p.requires_grad for module in modules for p in module.parameters()],
        "hooks": [
            [getattr(hook, "__name__", type(hook).__name__) for hook in _hooks(module)]
            for module in modules
        ],
        "grad mode": torch.is_grad_enabled(),
        "inference mode": torch.is_inference_mode_enabled(),
        "modes": len(_get_current_function_mode_stack()),
        "stance": getattr(stance, "stance", "default"),
        "handler": signal.getsignal(signal.SIGINT),
    }


def _hooks(module):
    """The hooks and their flags, but for what a copy of a watched model has in place of ours."""
    tables = [vars(module)[table] for table in TABLES]
    inert = {
        number
        for table in tables
        for number, hook in table.items()
        if isinstance(getattr(hook, "__self__", None), contextlib.nullcontext)
    }
    return [value for table in tables for number, value in table.items() if number not in inert]


def states(cells, run, names):
    """Run the cells one after the other; return the state after each, and after the last look."""
    found = []
    torch.set_grad_enabled(True)
    for cell in cells:
        run(cell)
        found.append(state_of(names))
    for generator in [*names["looks"], *names["blocks"]]:
        generator.close()
    names["looks"].clear()
    run("pass")
    found.append(state_of(names))
    torch.set_grad_enabled(True)
    return found


def expected_states(cells):
    """Return the states that the program has without featmagic."""
    names = names_for(lambda *_, **__: contextlib.nullcontext())

    def run(cell):
        with contextlib.suppress(Exception, KeyboardInterrupt):
            # As in IPython, a cell may be indented.
            exec(compile(textwrap.dedent(without_featmagic(cell)), "<cell>", "exec"), names)

    return states(cells, run, names)


def states_in(shell, cells):
    """Return the states that the program has in a shell, with featmagic."""
    shell.ip.user_ns.clear()
    shell.ip.init_user_ns()
    names = shell.ip.user_ns
    names.update(names_for(featmagic.capture))

    def run(cell):
        with capture_output(), contextlib.suppress(KeyboardInterrupt):
            shell.ip.run_cell(cell)

    run("%reload_ext featmagic")
    return states(cells, run, names)


def difference(shell, cells):
    """Return where the program differs with and without featmagic, or None."""
    pairs = zip(expected_states(cells), states_in(shell, cells), strict=True)
    for number, (expected, found) in enumerate(pairs):
        if expected is not None and found is not None and found != expected:
            kinds = [kind for kind in found if found[kind] != expected[kind]]
            told = [f"{kind}: {found[kind]}, not {expected[kind]}" for kind in kinds]
            return f"after cell {number}: {'; '.join(told)}"
    return None


def shrunk(shell, cells):
    """Return fewer cells, of fewer lines, that still show a difference."""
    for _ in range(4):
        before = list(cells)
        for number in reversed(range(len(cells))):
            fewer = cells[:number] + cells[number + 1 :]
            if difference(shell, fewer):
                cells = fewer
        for number, cell in enumerate(cells):
            lines = cell.split("\n")
            for place in reversed(range(len(lines))):
                less = lines[:place] + lines[place + 1 :]
                tried = [*cells[:number], "\n".join(less), *cells[number + 1 :]]
                if difference(shell, tried):
                    lines, cells = less, tried
        if cells == before:
            break
    return cells
