"""A table of how often interrupts left something behind, printed after the tests."""

from __future__ import annotations

from collections import defaultdict

import pytest

WORDS = {"arrives": "SIGINT", "raised": "raised"}


@pytest.fixture
def report_interrupts(record_property):
    """Return a function that adds outcomes to the table."""

    def report(kind, way, outcomes):
        counts = [len(outcomes)]
        for list_name in ("after", "next", "later"):
            counts.append(sum(bool(getattr(outcome, list_name)) for outcome in outcomes))
        record_property("interrupts", [kind.name, way, *counts])

    return report


def pytest_terminal_summary(terminalreporter):
    table = defaultdict(lambda: [0, 0, 0, 0])
    for outcome in ("passed", "failed", "xfailed", "xpassed"):
        for report in terminalreporter.stats.get(outcome, []):
            for name, value in getattr(report, "user_properties", ()):
                if name == "interrupts":
                    kind, way, *counts = value
                    row = table[kind, way]
                    row[:] = [old + new for old, new in zip(row, counts, strict=True)]
    if not table:
        return
    terminalreporter.section("interrupts")
    terminalreporter.line(
        f"{'program':<22} {'way':<8} {'runs':>7} {'left right after':>17} "
        f"{'left after the next':>20} {'wrong later':>12}"
    )
    for (kind, way), counts in table.items():
        runs, after, next_, later = counts
        line = f"{kind:<22} {WORDS[way]:<8} {runs:>7,} {after:>17,} {next_:>20,} {later:>12,}"
        terminalreporter.line(line)
