"""The documentation's pages, as far as the build doesn't check them. `make docs` runs the cells."""

from __future__ import annotations

import re
import sys
from dataclasses import fields

import pytest
from helpers import TESTS

import featmagic
from featmagic.explorer.words import KEYS
from featmagic.ipython.manual import option_usage
from featmagic.options.line_options import LineOptions
from featmagic.options.view import View

ROOT = TESTS.parent
DOCS = ROOT / "docs"
PAGES = sorted(path for path in DOCS.rglob("*.md") if "_build" not in path.parts)
FENCE = re.compile(r"^(`{3,}|:{3,})([^\n`]*)\n(.*?)^\1$", re.MULTILINE | re.DOTALL)
RUN_HERE = ("{code-block} ipython", "{code-block} python")
# Directives without code, code that another file has, and what is typed in a system's shell.
WITHOUT_CODE = re.compile(
    r"\{(toctree|grid|grid-item|grid-item-card|eval-rst|include|featmagic-[a-z]+)\}.*"
    r"|\{literalinclude\} .*|console|text|"
)


@pytest.fixture(scope="module")
def option_pages():
    sys.path.insert(0, str(DOCS / "_ext"))
    import option_pages

    yield option_pages
    sys.path.remove(str(DOCS / "_ext"))


def blocks(page):
    """Return the fenced blocks of a page, as what the fence says and what is in it."""
    text = page.read_text("utf-8")
    return [(info.strip(), body) for _, info, body in FENCE.findall(text)]


def name_of(page):
    return str(page.relative_to(DOCS))


def test_there_are_pages_with_cells():
    cells = [info for page in PAGES for info, _ in blocks(page) if info == "{code-cell}"]
    assert len(PAGES) > 25
    assert len(cells) > 100


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_every_code_block_is_run_by_the_build_or_here(page):
    known = {"{code-cell}", *RUN_HERE}
    infos = [info for info, _ in blocks(page)]
    assert [each for each in infos if each not in known and not WITHOUT_CODE.fullmatch(each)] == []
    if page.name not in ("architecture.md", "reliability.md"):
        assert "" not in infos


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_no_cell_is_left_out_of_the_build_or_may_fail(page):
    text = page.read_text("utf-8")
    assert "skip-execution" not in text
    assert "raises-exception" not in text
    assert ("{code-cell}" in text) == ("file_format: mystnb" in text)


def test_the_blocks_that_the_build_does_not_run_run(shell, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    ran = [body for page in PAGES for info, body in blocks(page) if info in RUN_HERE]
    assert len(ran) >= 3
    for body in ran:
        shell.run(body.replace("%load_ext featmagic\n", ""))
    assert (tmp_path / "explorer.html").exists()


def test_every_option_has_one_entry_on_the_page_of_options(option_pages):
    page = option_pages.options_page()
    entries = re.findall(r"^:::\{option\} (.*)$", page, re.MULTILINE)
    assert sorted(entries) == sorted(map(option_usage, (*fields(View), *fields(LineOptions))))
    titles = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert len(titles) == len(set(titles)) > 5


def test_a_group_of_options_that_no_section_names_is_not_lost(option_pages, monkeypatch):
    named = {**option_pages.SECTIONS}
    del named["Passes"]
    monkeypatch.setattr(option_pages, "SECTIONS", named)
    *_, (title, options) = option_pages.sections()
    assert (title, [option.name for option in options]) == (option_pages.OTHERS, ["passes"])


def entry_of(page, option):
    """Return what stands below an option on the page of options."""
    pattern = rf"^:::\{{option\}} {option}(?![\w-])[^\n]*\n(.*?)\n:::$"
    (entry,) = re.findall(pattern, page, re.MULTILINE | re.DOTALL)
    return entry


def test_an_entry_has_the_default_the_argument_and_the_views(option_pages):
    page = option_pages.options_page()
    assert entry_of(page, "--max").endswith("Default: `64`. Keyword argument: `max`. Views: grid.")
    assert entry_of(page, "--pass").endswith(
        "Keyword argument: `passes`. Views: grid, overview, explorer."
    )


def test_an_entry_names_other_options_as_links(option_pages):
    page = option_pages.options_page()
    text = re.sub(r"^:::.*$", "", page, flags=re.MULTILINE)
    assert "{option}`--sort`" in text
    assert re.findall(r"(?<!`)--[a-z-]+", text) == []


def test_the_page_of_keys_has_every_key(option_pages):
    page = option_pages.keys_page()
    for row in KEYS:
        for key in row["shown"].split():
            assert f"{{kbd}}`{key}`" in page


def test_the_settings_are_those_of_the_configuration(option_pages):
    names = re.findall(r"^`FeatMagic\.(\w+)`$", option_pages.settings_page(), re.MULTILINE)
    assert sorted(names) == ["cmap", "into", "max", "renderer", "scale", "zoom"]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_a_page_names_files_of_the_repository_that_exist(page):
    text = re.sub(r"^```\{code-cell\}.*?^```$", "", page.read_text("utf-8"), flags=re.M | re.S)
    named = re.findall(r"`((?:docs|examples|tests|frontend|featmagic)/[\w./-]+)`", text)
    assert [name for name in named if not (ROOT / name).exists()] == []


def test_the_citation_has_the_version_of_the_package():
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert f"\nversion: {featmagic.__version__}\n" in citation


def test_the_changelog_begins_with_the_version_of_the_package():
    changelog = (ROOT / "CHANGELOG.md").read_text("utf-8")
    first = re.search(r"^## (\S+)", changelog, re.MULTILINE)
    assert first[1] == featmagic.__version__
