"""`make mutants`: change lines of the package one at a time, and see whether a test notices.

Tests run in a copy of the tree, those nearest to the line first; the first failure counts.
"""

from __future__ import annotations

import argparse
import difflib
import multiprocessing
import random
import tempfile
from collections.abc import Sequence
from itertools import islice
from multiprocessing.queues import SimpleQueue
from pathlib import Path

from mutants.executions import PACKAGE, Executions, record
from mutants.operators import Mutant, is_another_program, mutants_of
from mutants.trees import ROOT, copy_tree, preload
from mutants.trials import Outcome, Trial, try_all

FOLDERS = ("recording", "planes", "options", "grid", "render", "ipython")


def sample(modules: Sequence[str], seed: int, count: int) -> list[tuple[str, Mutant]]:
    """Return `count` mutants of the modules, drawn by the seed."""
    sources = {module: (ROOT / PACKAGE / module).read_text("utf-8") for module in modules}
    every = [(module, mutant) for module in modules for mutant in mutants_of(sources[module])]
    random.Random(seed).shuffle(every)
    others = (each for each in every if is_another_program(sources[each[0]], each[1]))
    return list(islice(others, count))


def modules_in(paths: Sequence[str], skipped: Sequence[str]) -> list[str]:
    """Return the modules given by their own paths or by folders of the package."""
    package, found = ROOT / PACKAGE, []
    for path in paths:
        whole = package / path
        files = [whole] if whole.suffix else sorted(whole.rglob("*.py"))
        found += [file.relative_to(package).as_posix() for file in files]
    return [module for module in found if not any(module.startswith(each) for each in skipped)]


def trial_of(executions: Executions, module: str, mutant: Mutant, budget: float) -> Trial:
    """Choose the tests that execute the line, or functions that use what the line defines."""
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


def described(outcome: Outcome) -> str:
    """Return where the mutant is, what noticed it, and the lines that it changes."""
    trial = outcome.trial
    place = f"{PACKAGE}/{trial.module}:{trial.mutant.line}"
    end = f"noticed by {outcome.by}" if outcome.by else f"survived {len(trial.tests)} tests"
    source = (ROOT / PACKAGE / trial.module).read_text("utf-8").splitlines()
    mutated = trial.mutant.apply("\n".join(source)).splitlines()
    changes = [line for line in difflib.ndiff(source, mutated) if line[:2] in ("- ", "+ ")]
    return "\n    ".join([f"{place}: {end}", *changes])


def _try_share(folder: Path, trials: Sequence[Trial], queue: SimpleQueue) -> None:
    try_all(copy_tree(folder), trials, queue.put)
    queue.put(None)


def main(arguments: Sequence[str] | None = None) -> None:
    """Try a sample of mutants, and print those that no test notices."""
    parser = argparse.ArgumentParser(prog="mutants", description=__doc__.splitlines()[0])
    parser.add_argument("--seed", type=int, default=0, help="draw other mutants (0)")
    parser.add_argument("--count", type=int, default=200, help="number of mutants (200)")
    parser.add_argument("--jobs", type=int, default=1, help="number of processes (1)")
    parser.add_argument("--budget", type=float, default=60, help="seconds of tests per mutant (60)")
    parser.add_argument("--record", action="store_true", help="record again what the tests execute")
    parser.add_argument("--skip", nargs="*", default=[], help="modules not to mutate")
    parser.add_argument(
        "--verbose", action="store_true", help="show which test noticed each mutant"
    )
    parser.add_argument("paths", nargs="*", default=FOLDERS, help="folders or modules to mutate")
    options = parser.parse_args(arguments)

    preload()
    record(anew=options.record)
    executions = Executions()
    chosen = sample(modules_in(options.paths, options.skip), options.seed, options.count)
    trials = [trial_of(executions, *each, options.budget) for each in chosen]
    context, outcomes = multiprocessing.get_context("fork"), []
    queue = context.SimpleQueue()
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        shares = [trials[first :: options.jobs] for first in range(options.jobs)]
        workers = [
            context.Process(target=_try_share, args=(Path(folder) / f"tree{n}", share, queue))
            for n, share in enumerate(shares)
        ]
        for worker in workers:
            worker.start()
        working = len(workers)
        while working:
            outcome = queue.get()
            if outcome is None:
                working -= 1
                continue
            outcomes.append(outcome)
            if options.verbose or not outcome.by:
                print(described(outcome), flush=True)
        for worker in workers:
            worker.join()
    noticed = sum(bool(outcome.by) for outcome in outcomes)
    print(f"{noticed} of {len(outcomes)} mutants were noticed: {noticed / len(outcomes):.0%}")


if __name__ == "__main__":
    main()
