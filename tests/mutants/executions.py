"""Which tests execute which lines: recorded once per test file, outside the working tree."""

from __future__ import annotations

import ast
import difflib
import hashlib
import json
import os
import re
import tempfile
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any

from mutants.trees import ROOT, copy_tree, run_pytest

PACKAGE = "featmagic"
_LONGEST_RECORDING = 1800  # seconds per test file

# Tests that run the package in kernels, terminals and child processes, where nothing is recorded;
# and random cells, of which a single long test runs nearly everything.
_IN_OTHER_PROCESSES = (
    "tests/test_examples.py",
    "tests/ipython/test_kernel",
    "tests/ipython/test_ipyparallel.py",
    "tests/ipython/test_nbmake.py",
    "tests/ipython/test_runners.py",
    "tests/ipython/test_converters.py",
    "tests/ipython/completion/test_completion_in_",
    "tests/render/test_terminal.py",
    "tests/faults/test_interrupts_anywhere.py",
    "tests/faults/test_real_interrupts.py",
    "tests/faults/test_random_cells.py",
)
_NOT_OF_THE_PACKAGE = ("tests/browser/", "tests/mutants/")

# The tests of modules whose lines run only in other processes.
ELSEWHERE = {
    "ipython/ipyparallel.py": ["tests/ipython/test_ipyparallel.py"],
}


def cache_folder() -> Path:
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "featmagic-mutants" / hashlib.sha1(str(ROOT).encode()).hexdigest()[:12]


@dataclass(frozen=True)
class Test:
    """A recorded test; `lines` has a bit for each line that it executed, by module."""

    name: str
    file: str
    seconds: float
    lines: dict[str, int]
    sources: dict[str, str]  # the hash of each module's text at that time

    @cached_property
    def breadth(self) -> int:
        return sum(bits.bit_count() for bits in self.lines.values())


class Recorder:
    """A pytest plugin that records which lines each test executes, and how long it takes."""

    def __init__(self, tree: Path, into: Path) -> None:
        self._tree, self._into = tree, into
        self._seconds: dict[str, float] = defaultdict(float)
        self._failed: set[str] = set()

    def pytest_configure(self, config: Any) -> None:
        import coverage

        own = str(self._tree / PACKAGE / "*")
        os.environ.setdefault("COVERAGE_CORE", "ctrace")  # other cores report a line only once
        self._coverage = coverage.Coverage(data_file=None, include=[own], config_file=False)
        self._coverage.start()

    def pytest_runtest_logstart(self, nodeid: str, location: Any) -> None:
        self._coverage.switch_context(nodeid)

    def pytest_runtest_logfinish(self, nodeid: str, location: Any) -> None:
        self._coverage.switch_context("")

    def pytest_runtest_logreport(self, report: Any) -> None:
        self._seconds[report.nodeid] += report.duration
        if report.outcome != "passed":
            self._failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        self._coverage.stop()
        data = self._coverage.get_data()
        lines: dict[str, dict[str, int]] = {name: {} for name in self._seconds}
        base = self._tree / PACKAGE
        for path in data.measured_files():
            module = Path(path).relative_to(base).as_posix()
            for line, contexts in data.contexts_by_lineno(path).items():
                for name in contexts:
                    if name in lines:
                        lines[name][module] = lines[name].get(module, 0) | 1 << line
        tests = {
            name: [round(self._seconds[name], 3), {m: f"{bits:x}" for m, bits in own.items()}]
            for name, own in lines.items()
            if name not in self._failed
        }
        self._into.write_text(json.dumps(tests))


def files_to_record() -> list[str]:
    """Return the test files whose executed lines are recorded, and the package for its examples."""
    tests = (path for path in (ROOT / "tests").rglob("test_*.py"))
    names = sorted(path.relative_to(ROOT).as_posix() for path in tests)
    skipped = (*_NOT_OF_THE_PACKAGE, *_IN_OTHER_PROCESSES)
    names = [name for name in names if not name.startswith(skipped)]
    # Tests of the explorer take longest and cover the mutated folders least.
    return [PACKAGE, *sorted(names, key=lambda name: name.startswith("tests/explorer/"))]


def _hash(text: str) -> str:
    return hashlib.sha1(text.encode()).hexdigest()


def record(*, anew: bool = False) -> None:
    """Record each test file that is new or has changed; all of them if `anew`."""
    folder = cache_folder()
    (folder / "sources").mkdir(parents=True, exist_ok=True)
    due = [name for name in files_to_record() if anew or not _is_recorded(folder, name)]
    if not due:
        return
    with tempfile.TemporaryDirectory() as scratch:
        tree = copy_tree(Path(scratch) / "tree")
        hashes = {}
        for path in (tree / PACKAGE).rglob("*.py"):
            text = path.read_text("utf-8")
            module = path.relative_to(tree / PACKAGE).as_posix()
            hashes[module] = _hash(text)
            (folder / "sources" / hashes[module]).write_text(text, "utf-8")
        for number, name in enumerate(due, 1):
            print(f"recording {number} of {len(due)}: {name}", flush=True)
            into, log = Path(scratch) / "tests.json", folder / f"{_hash(name)}.log"
            into.write_text("{}")
            run_pytest(tree, [name], Recorder(tree, into), log, _LONGEST_RECORDING)
            entry = {
                "file": name,
                "hash": _file_hash(tree / name),  # the file may have changed since it was copied
                "modules": hashes,
                "tests": json.loads(into.read_text()),
            }
            (folder / f"{_hash(name)}.json").write_text(json.dumps(entry))


def _file_hash(path: Path) -> str:
    return _hash(path.read_text("utf-8")) if path.is_file() else "doctests"


def _is_recorded(folder: Path, name: str) -> bool:
    path = folder / f"{_hash(name)}.json"
    return path.exists() and json.loads(path.read_text())["hash"] == _file_hash(ROOT / name)


class Executions:
    """Finds the tests that execute a line."""

    def __init__(self) -> None:
        self._folder = cache_folder()
        self._tests = list(self._load())
        package = ROOT / PACKAGE
        self._now = {
            path.relative_to(package).as_posix(): path.read_text("utf-8")
            for path in sorted(package.rglob("*.py"))
        }

    def _load(self) -> Iterator[Test]:
        for name in files_to_record():
            path = self._folder / f"{_hash(name)}.json"
            if not path.exists():
                continue
            entry = json.loads(path.read_text())
            for test, (seconds, lines) in entry["tests"].items():
                bits = {module: int(text, 16) for module, text in lines.items()}
                yield Test(test, name, seconds, bits, entry["modules"])

    def tests_of(self, module: str, lines: Iterable[int]) -> list[Test]:
        """Return the tests that execute one of the lines, the nearest to the module first."""
        return self._in_order(module, {module: set(lines)})

    def tests_of_names(self, module: str, names: Iterable[str]) -> list[Test]:
        """Return the tests that execute a line of a function that mentions one of the names.

        If a name is mentioned in another definition outside functions, that one's names count, too.
        Tests in files that mention one themselves may read what is defined without executing any.
        """
        wanted, seen, places = set(names), set(), defaultdict(set)
        readers = files_that_name(module, wanted)
        while wanted - seen:
            name = (wanted - seen).pop()
            seen.add(name)
            for other in self._now:
                lines, definitions = _mentions(self._now[other]).get(name, (set(), set()))
                places[other] |= lines
                if len(seen) < 8:
                    wanted |= definitions
        return self._in_order(module, places, readers)

    def _in_order(
        self, module: str, places: dict[str, set[int]], readers: Collection[str] = ()
    ) -> list[Test]:
        mirrored = f"tests/{Path(module).parent.as_posix()}/test_{Path(module).stem}"
        found = [
            test for test in self._tests if test.file in readers or self._executes(test, places)
        ]
        unseen = list(ELSEWHERE.get(module, ()))
        if not found and not unseen:  # perhaps in processes that the module's own tests start
            own = sorted(ROOT.glob(f"{mirrored}*.py"))
            unseen = [path.relative_to(ROOT).as_posix() for path in own]
        elsewhere = [Test("", file, 30.0, {}, {}) for file in unseen]
        near = f"tests/{Path(module).parts[0]}/"
        return elsewhere + sorted(
            found,
            key=lambda test: (
                not test.file.startswith(mirrored),
                not test.file.startswith(near),
                test.seconds * 1000 + test.breadth,
            ),
        )

    def _executes(self, test: Test, places: dict[str, set[int]]) -> bool:
        for module, lines in places.items():
            if lines and (bits := test.lines.get(module)):
                then = _lines_then(self._folder, test.sources[module], self._now[module])
                if any(bits >> old & 1 for line in lines for old in then[line]):
                    return True
        return False


def files_that_name(module: str, names: Iterable[str]) -> set[str]:
    """Return the test files that import the module and mention one of the names."""
    imported = f"{PACKAGE}.{module.removesuffix('.py').replace('/', '.')}"
    word = re.compile(rf"\b({'|'.join(map(re.escape, names))})\b")
    found = set()
    for path in (ROOT / "tests").rglob("test_*.py"):
        text = path.read_text("utf-8")
        if imported in text and word.search(text):
            found.add(path.relative_to(ROOT).as_posix())
    return found


@cache
def _lines_then(folder: Path, source_hash: str, now: str) -> list[list[int]]:
    """Return, for each line of a module, its lines at the time when the tests were recorded."""
    before = (folder / "sources" / source_hash).read_text("utf-8")
    old, new = before.splitlines(), now.splitlines()
    lines: list[list[int]] = [[] for _ in range(len(new) + 2)]
    if before == now:
        return [[line] for line in range(len(lines))]
    matcher = difflib.SequenceMatcher(None, old, new, autojunk=False)
    for kind, i1, i2, j1, j2 in matcher.get_opcodes():
        for place in range(j1, j2):
            same = [i1 + place - j1 + 1]
            lines[place + 1] = same if kind == "equal" else list(range(max(i1, 1), i2 + 2))
    return lines


@cache
def _mentions(source: str) -> dict[str, tuple[set[int], set[str]]]:
    """Return for each name the lines in functions that mention it, and the names defined by it."""
    found: dict[str, tuple[set[int], set[str]]] = defaultdict(lambda: (set(), set()))

    def visit(node: ast.AST, functions: tuple[ast.AST, ...], defined: tuple[str, ...]) -> None:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            body = {each.lineno for each in node.body}
            found[node.name][0].update(body)
            functions = (*functions, node)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and not functions:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            defined = tuple(n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name))
        name = getattr(node, "id", None) or getattr(node, "attr", None)
        name = name or (node.arg if isinstance(node, ast.keyword) else None)
        if name is not None:
            if functions:
                found[name][0].add(node.lineno if hasattr(node, "lineno") else node.value.lineno)
            else:
                found[name][1].update(set(defined) - {name})
        for child in ast.iter_child_nodes(node):
            visit(child, functions, defined)

    visit(ast.parse(source), (), ())
    return dict(found)
