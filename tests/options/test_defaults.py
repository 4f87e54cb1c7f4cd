"""Session defaults, with more than one shell that provides some."""

from __future__ import annotations

import pytest

from featmagic.options import defaults
from featmagic.options.defaults import provide_defaults, session_defaults, withdraw_defaults


@pytest.fixture(autouse=True)
def _no_providers(monkeypatch):
    monkeypatch.setattr(defaults, "_providers", [])


def gray():
    return {"cmap": "gray"}


def small():
    return {"max": 4}


def test_without_a_provider_nothing_is_set():
    assert session_defaults() == {}


def test_a_setting_that_changes_is_read_anew():
    settings = {"cmap": "gray"}
    provide_defaults(lambda: settings)
    settings["cmap"] = "magma"
    assert session_defaults() == {"cmap": "magma"}


def test_the_newest_shell_decides_and_the_one_before_it_when_it_is_gone():
    provide_defaults(gray)
    provide_defaults(small)
    assert session_defaults() == {"max": 4}
    withdraw_defaults(small)
    assert session_defaults() == {"cmap": "gray"}


def test_an_older_shell_may_go_first():
    provide_defaults(gray)
    provide_defaults(small)
    withdraw_defaults(gray)
    assert session_defaults() == {"max": 4}
    withdraw_defaults(gray)
    withdraw_defaults(small)
    assert session_defaults() == {}
