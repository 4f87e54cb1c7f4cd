"""Trying mutants: all those in functions in one pytest session, each other one in its own.

A function gets its mutated code in a forked copy of the session, so nothing has to be imported or
collected again. A mutant of code that runs on import needs a process that imports the module.
"""

from __future__ import annotations

import gc
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from mutants.executions import PACKAGE, Test
from mutants.operators import Mutant
from mutants.trees import HUNG, run_apart, run_pytest

_FIRST_BATCH = 6.0  # seconds of tests to run before the others
_NOTICED, _SURVIVED, _NO_CODE = 1, 0, 9


@dataclass(frozen=True)
class Trial:
    """A mutant of a module, and the tests to run on it, in order."""

    module: str
    mutant: Mutant
    tests: Sequence[Test]

    @property
    def patience(self) -> float:
        """The number of seconds after which the tests are considered hung."""
        return 60 + 5 * sum(test.seconds for test in self.tests)


@dataclass(frozen=True)
class Outcome:
    """What noticed the mutant of a trial; "" if nothing did."""

    trial: Trial
    by: str


def try_all(tree: Path, trials: Sequence[Trial], done: Callable[[Outcome], None]) -> None:
    """Try each mutant in a copy of the tree, and call `done` with each outcome."""
    in_functions = [trial for trial in trials if not trial.mutant.is_static]
    left = [trial for trial in trials if trial.mutant.is_static]
    files = sorted({test.file for trial in in_functions for test in trial.tests})
    if files:
        unanswered = tree.with_suffix(".unanswered")
        unanswered.write_text(json.dumps(list(range(len(in_functions)))))
        session = _Session(tree, in_functions, unanswered, done)
        seconds = sum(trial.patience for trial in in_functions) + 600
        run_pytest(tree, files, session, tree.with_suffix(".log"), seconds)
        left += [in_functions[place] for place in json.loads(unanswered.read_text())]
    for trial in left:
        done(Outcome(trial, _try_imported(tree, trial)))


class _Session:
    """A pytest plugin that runs the tests of each trial in a forked copy of the session."""

    def __init__(
        self,
        tree: Path,
        trials: Sequence[Trial],
        unanswered: Path,
        done: Callable[[Outcome], None],
    ) -> None:
        self._tree, self._trials = tree, trials
        self._unanswered, self._done = unanswered, done
        self._failed = ""

    def pytest_runtest_logreport(self, report: Any) -> None:
        if report.failed and not self._failed:
            self._failed = report.nodeid

    def pytest_runtestloop(self, session: Any) -> bool:
        items = {item.nodeid: item for item in session.items}
        left = list(range(len(self._trials)))
        for place, trial in enumerate(self._trials):
            by = self._try(trial, _items_of(trial, items))
            if by is not None:
                self._done(Outcome(trial, by))
                left.remove(place)
                self._unanswered.write_text(json.dumps(left))
        return True

    def _try(self, trial: Trial, chosen: list[Any]) -> str | None:
        """Return what notices the mutant, "" for nothing; None if the session can't try it."""
        path, notice = self._tree / PACKAGE / trial.module, self._tree.with_suffix(".failed")
        source = path.read_text("utf-8")
        mutated = trial.mutant.apply(source)
        notice.write_text("")

        def work() -> int:
            if not _swap_code(path, source, mutated):
                return _NO_CODE
            for item, following in pairwise([*chosen, None]):
                item.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
                if self._failed:
                    notice.write_text(self._failed)
                    return _NOTICED
            return _SURVIVED

        path.write_text(mutated, "utf-8")  # for processes started by tests
        try:
            status = run_apart(work, trial.patience)
        finally:
            path.write_text(source, "utf-8")
        if status == HUNG:
            return "a hang"
        named = notice.read_text() or f"status {status}"
        return {_SURVIVED: "", _NO_CODE: None}.get(status, named)


def _items_of(trial: Trial, items: dict[str, Any]) -> list[Any]:
    """Return the collected items of the tests; all items of a file for a test without a name."""
    chosen = []
    for test in trial.tests:
        if test.name:
            chosen += [items[test.name]] if test.name in items else []
        else:
            chosen += [item for name, item in items.items() if name.startswith(f"{test.file}::")]
    return chosen


def _swap_code(path: Path, source: str, mutated: str) -> bool:
    """Give a module's functions the code of the mutated source; return False if impossible."""
    before = dict(_functions_in(compile(source, str(path), "exec")))
    after = dict(_functions_in(compile(mutated, str(path), "exec")))
    changed = {
        place
        for place, code in before.items()
        if place in after
        and (code.co_code, code.co_consts, code.co_names)
        != (after[place].co_code, after[place].co_consts, after[place].co_names)
    }
    swapped = False
    for function in gc.get_objects():
        if type(function) is FunctionType and function.__code__.co_filename == str(path):
            place = function.__code__.co_firstlineno, function.__code__.co_name
            if place in changed:
                try:
                    function.__code__ = after[place]
                except ValueError:  # it uses other variables of its enclosing function
                    return False
                swapped = True
    return swapped


def _functions_in(code: CodeType) -> Iterator[tuple[tuple[int, str], CodeType]]:
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield (part.co_firstlineno, part.co_name), part
            yield from _functions_in(part)


class _Chosen:
    """A pytest plugin that runs the chosen tests in their order."""

    def __init__(self, trial: Trial) -> None:
        self._trial = trial
        self.failed = ""

    def pytest_collection_modifyitems(self, items: list[Any]) -> None:
        items[:] = _items_of(self._trial, {item.nodeid: item for item in items})


def _try_imported(tree: Path, trial: Trial) -> str:
    """Apply the mutant in the copy of the tree, run its tests, and undo it."""
    path, log = tree / PACKAGE / trial.module, tree.with_suffix(".log")
    source = path.read_text("utf-8")
    path.write_text(trial.mutant.apply(source), "utf-8")
    try:
        for tests in _batches(trial.tests):
            batch = Trial(trial.module, trial.mutant, tests)
            files = list(dict.fromkeys(test.file for test in tests))
            status = run_pytest(tree, ["-x", *files], _Chosen(batch), log, batch.patience)
            if status == HUNG:
                return "a hang"
            if status not in (0, 5):  # all tests passed, or there were none
                return _failed_in(log.read_text("utf-8", "replace")) or f"status {status}"
        return ""
    finally:
        path.write_text(source, "utf-8")


def _failed_in(log: str) -> str:
    lines = (line.split() for line in log.splitlines())
    return next((words[1] for words in lines if words[:1] in (["FAILED"], ["ERROR"])), "")


def _batches(tests: Sequence[Test]) -> list[Sequence[Test]]:
    """Split off the first tests, which notice most mutants and need few files to be collected."""
    seconds, first = 0.0, 0
    while first < len(tests) and (seconds := seconds + tests[first].seconds) <= _FIRST_BATCH:
        first += 1
    first = max(first, 1)
    return [batch for batch in (tests[:first], tests[first:]) if batch]
