"""The house: what lies where, and that its documents speak of files that exist."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from helpers import TESTS

ROOT = TESTS.parent
PACKAGE = ROOT / "featmagic"
SCRIPTS = ROOT / "frontend" / "src"
MODULES = sorted(PACKAGE.rglob("*.py"))
PACKAGES = sorted(each.parent for each in PACKAGE.rglob("__init__.py") if each.parent != PACKAGE)


def body_of(path: Path) -> list[ast.stmt]:
    return ast.parse(path.read_text("utf-8")).body


def test_only_what_is_public_lies_in_the_root():
    files = {path.name for path in PACKAGE.iterdir() if path.is_file()}
    assert files == {"__init__.py", "api.py", "feature_maps.py", "py.typed"}


@pytest.mark.parametrize("package", PACKAGES, ids=lambda path: path.name)
def test_a_package_begins_with_one_sentence_and_nothing_else(package):
    (sentence,) = body_of(package / "__init__.py")
    text = ast.literal_eval(sentence.value)
    assert "\n" not in text
    assert text.endswith(".")


def test_no_module_takes_a_private_name_from_another():
    taken = [
        f"{path.relative_to(ROOT)}: {alias.name} of {node.module}"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("featmagic")
        for alias in node.names
        if alias.name.startswith("_")
    ]
    assert taken == []


def private_names(tree: ast.AST) -> set[str]:
    """Return the private names that a module of ours defines itself."""
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
            names.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            names.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
            names.add(node.attr)
    return names


def test_private_names_of_torch_stand_in_one_module():
    trees = {path: ast.parse(path.read_text("utf-8")) for path in MODULES}
    ours = set().union(*map(private_names, trees.values()))
    others = {"_make", "_replace", "_current_frames", "_getframe"}  # those of Python
    taken = []
    for path, tree in trees.items():
        if path.name == "torch_private.py" or path.parent.name in ("ipython", "terminal"):
            continue
        text = path.read_text("utf-8")
        if "torch" not in text:
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("torch"):
                parts = [*(node.module or "").split("."), *(alias.name for alias in node.names)]
            elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                parts = [node.attr] if node.attr not in ours | others else []
            else:
                continue
            taken += [
                f"{path.relative_to(ROOT)}: {name}"
                for name in parts
                if name.startswith("_") and not name.endswith("__")
            ]
    assert taken == []


def test_no_file_grows_beyond_one_idea():
    assert [path.name for path in MODULES if len(path.read_text("utf-8").splitlines()) > 400] == []


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_the_documents_name_files_that_exist(document):
    text = (ROOT / document).read_text("utf-8")
    named = {
        name
        for name in re.findall(r"`([\w./*-]+)`", text)
        if "/" in name or name.endswith((".py", ".js", ".md"))
    }
    assert len(named) > 5
    missing = [
        name
        for name in sorted(named)
        if not any(list(base.glob(name.strip("/"))) for base in (ROOT, PACKAGE, SCRIPTS))
    ]
    assert missing == []


@pytest.mark.parametrize("document", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_the_documents_name_classes_and_tables_that_exist(document):
    text = (ROOT / document).read_text("utf-8")
    named = set(re.findall(r"`([A-Z]\w+|[A-Z_]{4,})`", text)) - {"NHWC", "NCDHW"}
    defined = {
        name
        for path in MODULES
        for node in body_of(path)
        for name in (
            [node.name]
            if isinstance(node, ast.ClassDef)
            else [each.id for each in ast.walk(node) if isinstance(each, ast.Name)]
        )
    }
    assert sorted(named - defined) == []
