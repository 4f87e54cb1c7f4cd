"""`make mutants`: mutate lines of the package one at a time, and see whether a test notices.

Tests run in a copy of the tree, those first that lie nearest to the line; the first failure counts.
"""

from __future__ import annotations

import argparse
import difflib
import multiprocessing
import random
import re
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

from mutants.executions import PACKAGE, Executions, Test, record
from mutants.operators import Mutant, is_another_program, mutants_of
from mutants.trees import HUNG, ROOT, copy_tree, preload, run_pytest

FOLDERS = ("recording", "planes", "options", "grid", "render", "ipython")
_FIRST_BATCH = 6.0  # seconds of tests that are tried before all others
_SURVIVED = (0, 5)  # pytest's statuses: all passed, or no test was collected


@dataclass(frozen=True)
class Trial:
    """A mutant of a module, and the tests that may notice it."""

    module: str
    mutant: Mutant
    tests: Sequence[Test]


@dataclass(frozen=True)
class Outcome:
    trial: Trial
    by: str  # what noticed it; "" if nothing did
    tried: int  # how many tests ran, or could have run


class Chosen:
    """A pytest plugin that runs the chosen tests in their order; all of a file named without."""

    def __init__(self, tests: Sequence[Test]) -> None:
        self._places = {test.name: place for place, test in enumerate(tests)}
        self._files = {test.file for test in tests if not test.name}

    def pytest_collection_modifyitems(self, config: Any, items: list[Any]) -> None:
        def place(item: Any) -> int | None:
            is_whole = item.nodeid.partition("::")[0] in self._files
            return self._places.get(item.nodeid, -1 if is_whole else None)

        items[:] = sorted((item for item in items if place(item) is not None), key=place)


def sample(modules: Sequence[str], seed: int, count: int) -> list[tuple[str, Mutant]]:
    """Return so many mutants of the modules, chosen by the seed."""
    sources = {module: (ROOT / PACKAGE / module).read_text("utf-8") for module in modules}
    every = [(module, mutant) for module in modules for mutant in mutants_of(sources[module])]
    random.Random(seed).shuffle(every)
    others = (each for each in every if is_another_program(sources[each[0]], each[1]))
    return list(islice(others, count))


def modules_in(paths: Sequence[str], skipped: Sequence[str]) -> list[str]:
    package = ROOT / PACKAGE
    found = [
        path.relative_to(package).as_posix()
        for each in paths
        for path in sorted(
            [package / each] if each.endswith(".py") else (package / each).rglob("*.py")
        )
    ]
    return [module for module in found if not any(module.startswith(each) for each in skipped)]


def trial_of(executions: Executions, module: str, mutant: Mutant, budget: float) -> Trial:
    """Choose the tests: those that execute the line, or functions that use what it defines."""
    if mutant.is_static:
        found = executions.tests_of_names(module, mutant.names)
    else:
        found = executions.tests_of(module, [mutant.line])
    chosen, seconds = [], 0.0
    for test in found:
        if seconds + test.seconds <= budget or not chosen:
            chosen.append(test)
            seconds += test.seconds
    return Trial(module, mutant, chosen)


def try_mutant(tree: Path, trial: Trial) -> Outcome:
    """Apply the mutant in the copy of the tree, run its tests, and undo it."""
    path = tree / PACKAGE / trial.module
    source = path.read_text("utf-8")
    path.write_text(trial.mutant.apply(source), "utf-8")
    log = tree.with_suffix(".log")
    tried = 0
    try:
        for batch in _batches(trial.tests):
            seconds = sum(test.seconds for test in batch)
            files = list(dict.fromkeys(test.file for test in batch))
            status = run_pytest(tree, ["-x", *files], Chosen(batch), log, 90 + 8 * seconds)
            tried += len(batch)
            if status == HUNG:
                return Outcome(trial, "a hang", tried)
            if status not in _SURVIVED:
                failed = re.search(r"^(?:FAILED|ERROR) (\S+)", log.read_text("utf-8"), re.M)
                return Outcome(trial, failed[1] if failed else f"status {status}", tried)
        return Outcome(trial, "", tried)
    finally:
        path.write_text(source, "utf-8")


def _batches(tests: Sequence[Test]) -> list[Sequence[Test]]:
    """Split off the first tests: they notice most mutants, and few files are collected for them."""
    seconds, first = 0.0, 0
    while first < len(tests) and (seconds := seconds + tests[first].seconds) <= _FIRST_BATCH:
        first += 1
    first = max(first, 1)
    return [batch for batch in (tests[:first], tests[first:]) if batch]


_tree: Path  # of this process


def _begin(folder: Path) -> None:
    global _tree
    number = multiprocessing.current_process()._identity[-1]
    _tree = copy_tree(folder / f"tree{number}")


def _try(trial: Trial) -> Outcome:
    return try_mutant(_tree, trial)


def diff_of(trial: Trial) -> str:
    source = (ROOT / PACKAGE / trial.module).read_text("utf-8")
    lines = difflib.unified_diff(
        source.splitlines(), trial.mutant.apply(source).splitlines(), lineterm="", n=0
    )
    return "\n".join(f"    {line}" for line in lines if not line.startswith(("---", "+++", "@@")))


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="choose other mutants")
    parser.add_argument("--count", type=int, default=200, help="how many (200)")
    parser.add_argument("--jobs", type=int, default=1, help="how many at a time (1)")
    parser.add_argument("--budget", type=float, default=60, help="seconds of tests each (60)")
    parser.add_argument("--record", action="store_true", help="record anew what tests execute")
    parser.add_argument("--skip", nargs="*", default=[], help="modules that stay as they are")
    parser.add_argument("--verbose", action="store_true", help="show what noticed each mutant")
    parser.add_argument("paths", nargs="*", default=FOLDERS, help="folders or modules to mutate")
    options = parser.parse_args(arguments)

    preload()
    record(anew=options.record)
    executions = Executions()
    chosen = sample(modules_in(options.paths, options.skip), options.seed, options.count)
    trials = [trial_of(executions, *each, options.budget) for each in chosen]
    outcomes = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        pool = multiprocessing.get_context("fork").Pool(options.jobs, _begin, (Path(folder),))
        with pool:
            for outcome in pool.imap_unordered(_try, trials):
                outcomes.append(outcome)
                if options.verbose or not outcome.by:
                    print(described(outcome), flush=True)
    noticed = sum(bool(outcome.by) for outcome in outcomes)
    print(f"{noticed} of {len(outcomes)} mutants were noticed: {noticed / len(outcomes):.0%}")


def described(outcome: Outcome) -> str:
    """Return where the mutant is, what noticed it, and the lines that it changes."""
    trial = outcome.trial
    place = f"{PACKAGE}/{trial.module}:{trial.mutant.line}"
    end = f"noticed by {outcome.by}" if outcome.by else f"survived {outcome.tried} tests"
    return f"{place}: {end}\n{diff_of(trial)}"


if __name__ == "__main__":
    main()
