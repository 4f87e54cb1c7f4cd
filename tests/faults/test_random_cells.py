"""Random cells: with featmagic, the user's state is the same as without it."""

from __future__ import annotations

import contextlib
import os

import pytest
import torch
from helpers.random_cells import difference, random_program, shrunk

import featmagic

SEED = int(os.environ.get("FAULTS_SEED", "0"))
SHARDS = 8


def check(shell, cells, first_seed):
    """Run random programs with so many cells in total; show a difference as a short program."""
    shell.ip.run_line_magic("xmode", "Minimal")
    done, seed = 0, first_seed
    while done < cells:
        program = random_program(seed)
        if difference(shell, program):
            short = shrunk(shell, program)
            text = "\n\n".join(f"In [{number}]:\n{cell}" for number, cell in enumerate(short))
            pytest.fail(f"seed {seed}: {difference(shell, short)}\n\n{text}", pytrace=False)
        done, seed = done + len(program), seed + 1


def test_random_cells_leave_the_users_state_as_it_is_without_featmagic(shell):
    check(shell, 500, SEED)


@pytest.mark.faults
@pytest.mark.parametrize("number", range(SHARDS))
def test_many_random_cells_leave_the_users_state_as_it_is_without_featmagic(shell, number):
    check(shell, 10_000 // SHARDS, SEED + 1_000_000 * (number + 1))


def test_a_program_that_leaves_something_behind_is_found_and_made_short(shell, monkeypatch):
    """A test of the test itself: a look that forgets to switch gradients on again is found."""

    @contextlib.contextmanager
    def forgetful(*_, **__):
        torch.set_grad_enabled(False)
        yield

    monkeypatch.setattr(featmagic, "capture", forgetful)
    program = ["a.eval()", "with capture(a, '0'):\n    a(x)\n    b(x)", "b(x)"]
    assert "grad mode" in difference(shell, program)
    (cell,) = shrunk(shell, program)
    assert cell.startswith("with capture")
    assert cell.count("\n") == 1
