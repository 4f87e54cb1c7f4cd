"""The mutation tester: each mutant is another program, changed in one place that could matter."""

from __future__ import annotations

import ast
import os
import signal

import pytest

from mutants.__main__ import FOLDERS, modules_in, sample
from mutants.executions import files_that_name, files_to_record
from mutants.operators import is_another_program, mutants_of
from mutants.trees import HUNG, ROOT, run_apart


def lines_after(source):
    """Return, for each mutant, the one line that it changes, after the change."""
    changed = []
    for mutant in mutants_of(source):
        if not is_another_program(source, mutant):
            continue
        before, after = source.splitlines(), mutant.apply(source).splitlines()
        (line,) = [new for old, new in zip(before, after, strict=True) if old != new]
        assert before[mutant.line - 1] != line == after[mutant.line - 1]
        changed.append(line.strip())
    return changed


@pytest.mark.parametrize(
    ("line", "mutated"),
    [
        ("if a < b: c()", {"if a <= b: c()", "if True: c()", "if False: c()", "if a < b: pass"}),
        ("return (a) and not (b or c)", {"return (a) or not (b or c)", "return (a) and (b or c)",
                                         "return (a) and not (b and c)", "return None"}),
        ("return False", {"return True"}),
        ("return [a]", {"return []"}),
        ("return ä + 2", {"return ä - 2", "return ä + 3", "return ä + 1", "return None"}),
        ("x = min(a, b)", {"x = max(a, b)"}),
        ("f(a, b)", {"f(b, a)", "pass"}),
        ("x = a[b:c]", {"x = a[(b) + 1:c]", "x = a[b:(c) - 1]"}),
        ("x = [a for a in b if a is None]", {"x = [a for a in b if a is not None]",
                                             "x = [a for a in b if True]",
                                             "x = [a for a in b if False]"}),
        ("a.b = c", {"pass"}),
        ("raise Error(f'{a + 1}', a + 1)", {"pass"}),
        ("x: int = f'{a + 1}'", set()),
        ("x = zip(a, strict=True)", set()),
        ("'a < b'", set()),
    ],
)  # fmt: skip
def test_a_line_is_changed_in_one_place_where_it_could_matter(line, mutated):
    assert set(lines_after(f"def function():\n    {line}\n")) == mutated


def test_a_default_is_changed_and_what_is_defined_outside_of_functions_has_a_name():
    source = "MOST = 3\n\nclass A:\n    def f(self, x=True):\n        return x\n"
    found = {(m.is_static, m.names, m.text) for m in mutants_of(source)}
    assert found == {
        (True, ("MOST",), "2"),
        (True, ("MOST",), "4"),
        (True, ("f",), "False"),
        (False, ("f",), "None"),
    }


def test_what_is_defined_on_import_is_tried_with_tests_that_only_read_it():
    assert "tests/render/test_color.py" in files_that_name("options/view.py", {"norm"})
    assert "tests/render/test_png.py" not in files_that_name("options/view.py", {"norm"})
    assert "tests/render/test_color.py" not in files_that_name("options/view.py", {"no_such"})


def test_looks_that_overlap_are_among_the_tests_that_are_recorded():
    recorded = files_to_record()
    assert "tests/faults/test_overlaps.py" in recorded
    assert "tests/faults/test_interrupts_anywhere.py" not in recorded  # in a process of its own
    assert "tests/browser/test_tab.py" not in recorded
    assert recorded[0] == "featmagic"  # the examples in docstrings


def test_every_mutant_of_the_package_is_another_program():
    modules = modules_in(FOLDERS, ["ipython/"])
    assert "planes/layout.py" in modules
    assert not any(module.startswith("ipython/") for module in modules)
    chosen = sample(modules, 3, 20)
    assert chosen == sample(modules, 3, 20)
    assert chosen != sample(modules, 4, 20)
    for module, mutant in chosen:
        source = (ROOT / "featmagic" / module).read_text("utf-8")
        assert ast.dump(ast.parse(mutant.apply(source))) != ast.dump(ast.parse(source))


def test_tests_can_be_interrupted_even_where_the_tester_runs_in_the_background():
    def work():
        try:
            os.kill(os.getpid(), signal.SIGINT)
        except KeyboardInterrupt:
            return 3
        return 0

    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        assert run_apart(work, 60) == 3
    finally:
        signal.signal(signal.SIGINT, before)


def test_work_apart_tells_its_status_and_is_ended_when_it_takes_too_long():
    assert run_apart(lambda: 5, 60) == 5
    assert run_apart(lambda: signal.pause(), 0.1) == HUNG
