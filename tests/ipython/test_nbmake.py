"""Notebooks that pytest runs with nbmake: a look that fails is reported with its reason."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from helpers.runners import LOOKS, REASONS, assert_ends_with, run, write_notebook


@pytest.fixture(scope="module")
def by_nbmake(tmp_path_factory):
    """What pytest reports for each notebook: the failure, or None for one that passed."""
    folder = tmp_path_factory.mktemp("nbmake")
    for name in LOOKS:
        (folder / name).mkdir()
        write_notebook(folder / name, name)

    pytest_options = ("--nbmake", "--junitxml=report.xml", "-p", "no:cacheprovider")
    status, said = run(folder, "pytest", *pytest_options)

    assert status == 1, said
    cases = ElementTree.parse(folder / "report.xml").iter("testcase")
    return folder, {
        name: case.find("failure") for name, case in zip(sorted(LOOKS), cases, strict=True)
    }


def test_nbmake_passes_a_notebook_with_a_look(by_nbmake):
    folder, failures = by_nbmake

    assert failures["good"] is None
    assert (folder / "good" / "after.txt").exists()


@pytest.mark.parametrize("name", REASONS)
def test_nbmake_fails_a_notebook_whose_look_fails_and_reports_its_one_line(by_nbmake, name):
    folder, failures = by_nbmake

    assert_ends_with(REASONS[name], failures[name].text)
    assert not (folder / name / "after.txt").exists()
