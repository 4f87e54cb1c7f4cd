"""The versions that featmagic is tested with: `make matrix`.

Each row is an environment of several GB that is created, tested and removed before the next one.
Arguments after `--` are passed to pytest: `nox --session lowest -- tests/ipython/test_kernel.py`.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import nox
from nox.project import load_toml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT = load_toml("pyproject.toml")["project"]


def required(requirements: list[str]) -> Iterator[Requirement]:
    """Yield the requirements, with featmagic's own extras replaced by what they require."""
    for requirement in map(Requirement, requirements):
        if requirement.name != PROJECT["name"]:
            yield requirement
            continue
        for extra in requirement.extras:
            yield from required(PROJECT["optional-dependencies"][extra])


def lowest() -> list[str]:
    """Return every lower bound in pyproject.toml as a pin: torch>=2.4 becomes torch==2.4."""
    pins = []
    for requirement in required([*PROJECT["dependencies"], "featmagic[test]"]):
        bounds = [spec.version for spec in requirement.specifier if spec.operator == ">="]
        if not bounds:
            raise ValueError(f"pyproject.toml has no lower bound for {requirement.name}")
        pins.append(f"{requirement.name}=={bounds[0]}")
    return pins


# By the name of a row: its Python, and the versions to pin; everything else is the newest.
ROWS = {
    "lowest": ("3.10", lowest()),
    "between": ("3.11", ["ipython==8.*", "ipykernel==6.*", "torch==2.7.*", "matplotlib==3.9.*"]),
    "colab": ("3.12", ["ipython==7.34", "ipykernel==6.17.*", "torch==2.9.*", "matplotlib==3.10.*"]),
    "newest": ("3.13", []),
}
# As in `make test`: a file is the smallest part that a process of its own runs.
IN_PARALLEL = ("--numprocesses", "auto", "--dist", "loadfile")
SHOWN = "ipython ipykernel torch torchvision matplotlib numpy pillow transformers"


def offer_every_python() -> None:
    """Make all Pythons of pyenv available, not only the one in use, if pyenv is installed."""
    if shutil.which("pyenv"):
        versions = subprocess.check_output(["pyenv", "versions", "--bare"], text=True).split()
        os.environ.setdefault("PYENV_VERSION", ":".join(versions))


def installed(session: nox.Session) -> dict[str, str]:
    """Return the version of each package in the session's environment."""
    listed = session.run("python", "-m", "pip", "list", "--format=json", silent=True, log=False)
    packages = json.loads(str(listed))
    return {canonicalize_name(package["name"]): package["version"] for package in packages}


def test(session: nox.Session) -> None:
    """Install the row's versions, run the tests, and remove the environment in any case."""
    environment = Path(session.virtualenv.location)
    _, pins = ROWS[session.name]
    try:
        session.install("--no-cache-dir", "--no-compile", "--editable", ".[test]", *pins)
        versions = installed(session)
        session.log(", ".join(f"{name} {versions[name]}" for name in SHOWN.split()))
        for pin in map(Requirement, pins):
            version = versions[canonicalize_name(pin.name)]
            if not pin.specifier.contains(version):
                session.error(f"{pin} was asked for and {pin.name} {version} installed")
        session.run("python", "-m", "pytest", *IN_PARALLEL, *session.posargs)
    finally:
        shutil.rmtree(environment)


offer_every_python()
AVAILABLE = [python for python, _ in ROWS.values() if shutil.which(f"python{python}")]
# A row whose Python is missing is skipped and reported at the end; in CI it is an error.
nox.options.error_on_missing_interpreters = "CI" in os.environ or not AVAILABLE
nox.options.download_python = "never"
for name, (python, _) in ROWS.items():
    nox.session(name=name, python=python)(test)
