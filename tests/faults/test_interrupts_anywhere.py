"""Interrupts at every place in a program where one can arrive, one after the other."""

from __future__ import annotations

import os

import pytest
from helpers.interrupting import KINDS, Kind, interrupt_all, sample, shard
from helpers.interrupts import WAYS

SEED = int(os.environ.get("FAULTS_SEED", "0"))
SHARDS = 4

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs copies of the process")


PROGRAMS = [pytest.param(kind, id=kind.name) for kind in KINDS]


def check(outcomes):
    """Check that nothing is left after the next cell, and nothing the user does later is undone."""
    assert sum(outcome.reached for outcome in outcomes) > 0.8 * len(outcomes)
    wrong = [f"{outcome.place}: {', '.join(outcome.bad)}" for outcome in outcomes if outcome.bad]
    assert wrong == []


@pytest.mark.parametrize("kind", PROGRAMS)
def test_an_interrupt_leaves_nothing_behind(kind, report_interrupts):
    dynamo = kind.name in ("look", "capture")
    outcomes = interrupt_all(kind, "arrives", sample(20, SEED), dynamo=dynamo)
    report_interrupts(kind, "arrives", outcomes)
    check(outcomes)


@pytest.mark.faults
@pytest.mark.parametrize("number", range(SHARDS))
@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("kind", PROGRAMS)
def test_an_interrupt_at_any_place_leaves_nothing_behind(kind, way, number, report_interrupts):
    outcomes = interrupt_all(kind, way, shard(number, SHARDS))
    report_interrupts(kind, way, outcomes)
    check(outcomes)


def test_places_are_found_and_an_interrupt_there_is_seen_if_it_leaves_something():
    """A test of the test itself: a program that does leave something behind is found."""
    leaving = Kind(
        "leaving",
        "import torch\n"
        "before = torch.is_grad_enabled()\n"
        "torch.set_grad_enabled(False)\n"
        "sum([1, 2])\n"
        "torch.set_grad_enabled(before)\n",
        plain=True,
    )
    outcomes = interrupt_all(leaving, "arrives", shard(0, 1), dynamo=False)
    left = {kind for outcome in outcomes for kind in outcome.next}
    assert left == {"grad mode"}
    assert 0 < sum(bool(outcome.next) for outcome in outcomes) < len(outcomes)
