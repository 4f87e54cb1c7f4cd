"""The sdist and the wheel that `make wheel` has built: what is in them, and that the wheel works.

The wheel is installed into an environment that has nothing else. The packages that it requires are
several GB, so the environment finds those of the tests. `FEATMAGIC_PYTHON` names the Python of an
environment into which `pip` has installed the wheel and all that it requires, to be used instead.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
import sysconfig
import tarfile
import venv
import zipfile
from importlib.metadata import version
from pathlib import Path

import pytest
from helpers import TESTS
from packaging.metadata import Metadata

ROOT = TESTS.parent
PACKAGE = ROOT / "featmagic"

SESSION = """\
import sys
from pathlib import Path
from IPython.core.interactiveshell import InteractiveShell

shell = InteractiveShell.instance()
cells = Path(sys.argv[1]).read_text().split("# cell\\n")
for cell in cells:
    shell.run_cell(cell, store_history=True).raise_error()
"""
CELLS = """\
%load_ext featmagic
import torch
torch.manual_seed(0)
model = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.ReLU(inplace=True))
x = torch.rand(1, 1, 12, 12)
# cell
%hook model
# cell
%hook model 0
# cell
y = model(x)
assert feature_maps["0"].shape == (1, 4, 10, 10) and feature_maps["0"].min() < 0
# cell
%%featuremaps model 0 1 --save maps.png
model(x);
# cell
%%featuremaps model --overview
model(x);
# cell
%featuremaps model --save look.html -- model(x)
# cell
import featmagic
with featmagic.capture(model, "0") as maps:
    model(x)
maps.save("maps.npz")
print("package:", featmagic.__file__)
print("version:", featmagic.__version__)
"""


@pytest.fixture(scope="module")
def wheel():
    (path,) = (ROOT / "dist").glob("*.whl")
    return path


@pytest.fixture(scope="module")
def sdist():
    (path,) = (ROOT / "dist").glob("*.tar.gz")
    return path


@pytest.fixture(scope="module")
def metadata(wheel):
    with zipfile.ZipFile(wheel) as archive:
        (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        return Metadata.from_email(archive.read(name), validate=True)


@pytest.fixture(scope="module")
def python(wheel, tmp_path_factory):
    """The Python of an environment with the wheel, which finds its requirements elsewhere."""
    if "FEATMAGIC_PYTHON" in os.environ:
        return Path(os.environ["FEATMAGIC_PYTHON"]).absolute()
    folder = tmp_path_factory.mktemp("installed")
    venv.create(folder, with_pip=False)
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    base = {"base": str(folder), "platbase": str(folder), "installed_base": str(folder)}
    site = Path(sysconfig.get_path("purelib", vars=base))
    options = ["--quiet", "--no-deps", "--no-index", "--target", str(site)]
    subprocess.run([sys.executable, "-m", "pip", "install", *options, str(wheel)], check=True)
    (site / "requirements_of_featmagic.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return python


def packaged_files():
    """Return the files of the package that git knows or would add."""
    command = ["git", "ls-files", "--cached", "--others", "--exclude-standard", "featmagic"]
    listed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return {name for name in listed.stdout.splitlines() if (ROOT / name).is_file()}


def written_version():
    tree = ast.parse((PACKAGE / "__init__.py").read_text("utf-8"))
    (value,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__version__"
    )
    return ast.literal_eval(value)


def test_the_wheel_has_every_file_of_the_package_and_nothing_else(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    info = f"featmagic-{written_version()}.dist-info/"
    assert {name for name in names if not name.startswith(info)} == packaged_files()
    assert "featmagic/py.typed" in names
    static = "featmagic/explorer/static/explorer"
    assert {f"{static}.js", f"{static}.css"} < names
    assert f"{info}licenses/LICENSE" in names
    assert f"{info}licenses/featmagic/explorer/static/LICENSES.txt" in names


def test_the_wheel_is_for_every_python_3_and_every_system(wheel):
    assert wheel.name == f"featmagic-{written_version()}-py3-none-any.whl"
    assert wheel.stat().st_size < 1_000_000


def test_the_sdist_has_what_is_needed_to_test_and_document_the_package(sdist):
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    needed = {"pyproject.toml", "README.md", "CHANGELOG.md", "LICENSE", "Makefile", "docs/conf.py"}
    assert needed | {"tests/conftest.py", "frontend/src/main.js"} <= names
    folders = {name.split("/")[0] for name in names}
    assert not folders & {".venv", ".git", "dist", "node_modules"}
    assert not [name for name in names if "node_modules" in name or "_build" in name]


def test_the_metadata_is_valid_and_says_what_it_is(metadata):
    assert metadata.name == "featmagic"
    assert str(metadata.version) == written_version()
    assert metadata.summary.startswith("Inspect the feature maps of any PyTorch model")
    assert metadata.license_expression == "BSD-3-Clause"
    assert metadata.description_content_type == "text/markdown"
    assert metadata.description == (ROOT / "README.md").read_text("utf-8")
    assert "Development Status :: 4 - Beta" in metadata.classifiers
    minors = [c.rpartition(".")[2] for c in metadata.classifiers if re.search(r":: 3\.\d+$", c)]
    assert minors == ["10", "11", "12", "13"]
    assert str(metadata.requires_python) == ">=3.10"


def test_no_requirement_has_an_upper_bound_and_each_is_met_here(metadata):
    required = [each for each in metadata.requires_dist if each.marker is None]
    assert {each.name for each in required} >= {"torch", "numpy", "ipython", "anywidget"}
    for each in required:
        assert [bound.operator for bound in each.specifier] == [">="]
        assert each.specifier.contains(version(each.name), prereleases=True)


def test_the_installed_wheel_works_in_an_ipython_session(python, tmp_path):
    (tmp_path / "session.py").write_text(SESSION)
    (tmp_path / "cells.ipy").write_text(CELLS)
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    }
    done = subprocess.run(
        [str(python), "session.py", "cells.ipy"],
        cwd=tmp_path,
        env={**environment, "IPYTHONDIR": str(tmp_path / "ipython"), "PYTHONUTF8": "1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"package: {python.parent.parent}" in done.stdout
    assert f"version: {written_version()}" in done.stdout
    assert "0  Conv2d  (1, 4, 10, 10)" in done.stdout
    saved = {path.name for path in tmp_path.iterdir()}
    assert {"maps-0.png", "maps-1.png", "look.html", "maps.npz"} <= saved
    page = (tmp_path / "look.html").read_text("utf-8")
    script = (PACKAGE / "explorer" / "static" / "explorer.js").read_text("utf-8")
    assert script.strip()[:1000] in page


def test_the_extension_loads_without_torch_in_the_installed_wheel(python, tmp_path):
    code = (
        "import sys\n"
        "from IPython.core.interactiveshell import InteractiveShell\n"
        "InteractiveShell.instance().run_line_magic('load_ext', 'featmagic')\n"
        "assert 'torch' not in sys.modules and 'matplotlib' not in sys.modules\n"
    )
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("PYTHON")
    }
    done = subprocess.run(
        [str(python), "-c", code],
        cwd=tmp_path,
        env={**environment, "IPYTHONDIR": str(tmp_path / "ipython")},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
