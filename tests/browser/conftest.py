from __future__ import annotations

import shutil

import pytest
from helpers.front_ends import Notebooks, Server
from playwright.sync_api import expect, sync_playwright


@pytest.fixture(scope="session")
def browser():
    """Debian's Chromium, or Chrome; never one that Playwright would fetch."""
    path = shutil.which("chromium") or shutil.which("google-chrome")
    assert path, "There is no Chromium here; `make test-browser` installs one"
    expect.set_options(timeout=30_000)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("jupyter"))
    yield server
    server.stop()


@pytest.fixture(scope="module", params=["lab", "notebook"])
def notebooks(request, server, browser):
    return Notebooks(server, browser, request.param)
