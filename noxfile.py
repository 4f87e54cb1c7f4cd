"""The versions that featmagic is tested with: `make matrix`.

Each row is an environment of several GB: made from scratch, tested, and removed before the next.
Arguments after `--` go to pytest: `nox --session lowest -- tests/ipython/test_kernel.py`.
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
    """The requirements, with those of featmagic's own extras in the place of the extras."""
    for requirement in map(Requirement, requirements):
        if requirement.name != PROJECT["name"]:
            yield requirement
            continue
        for extra in requirement.extras:
            yield from required(PROJECT["optional-dependencies"][extra])


def lowest() -> list[str]:
    """Every lower bound in pyproject.toml as the one version to have: torch>=2.4 as torch==2.4."""
    pins = []
    for requirement in required([*PROJECT["dependencies"], "featmagic[test]"]):
        bounds = [each.version for each in requirement.specifier if each.operator == ">="]
        if not bounds:
            raise ValueError(f"pyproject.toml has no lower bound for {requirement.name}")
        pins.append(f"{requirement.name}=={bounds[0]}")
    return pins


# Name of a row: its Python, and the versions that aren't simply the newest that go together.
ROWS = {
    "lowest": ("3.10", lowest()),
    "between": ("3.11", ["ipython==8.*", "ipykernel==6.*", "torch==2.7.*", "matplotlib==3.9.*"]),
    "colab": ("3.12", ["ipython==7.34", "ipykernel==6.17.*", "torch==2.9.*", "matplotlib==3.10.*"]),
    "newest": ("3.13", []),
}
SHOWN = "ipython ipykernel torch torchvision matplotlib numpy pillow transformers"


def offer_every_python() -> None:
    """Have pyenv, where there is one, offer each Python that it has, not only the one in use."""
    if shutil.which("pyenv"):
        versions = subprocess.check_output(["pyenv", "versions", "--bare"], text=True).split()
        os.environ.setdefault("PYENV_VERSION", ":".join(versions))


def installed(session: nox.Session) -> dict[str, str]:
    """The version of each package in the session's environment."""
    listed = session.run("python", "-m", "pip", "list", "--format=json", silent=True, log=False)
    return {canonicalize_name(each["name"]): each["version"] for each in json.loads(str(listed))}


def test(session: nox.Session) -> None:
    """Install the row's versions, run the tests, remove the environment, however they end."""
    environment = Path(session.virtualenv.location)
    _, pins = ROWS[session.name]
    try:
        session.install("--no-cache-dir", "--no-compile", "--editable", ".[test]", *pins)
        versions = installed(session)
        session.log(", ".join(f"{name} {versions[name]}" for name in SHOWN.split()))
        for pin in map(Requirement, pins):
            found = versions[canonicalize_name(pin.name)]
            if not pin.specifier.contains(found):
                session.error(f"{pin} was asked for and {pin.name} {found} installed")
        session.run("python", "-m", "pytest", *session.posargs)
    finally:
        shutil.rmtree(environment)


offer_every_python()
FOUND = [python for python, _ in ROWS.values() if shutil.which(f"python{python}")]
# A row whose Python isn't there is skipped, and named at the end; CI has to have it.
nox.options.error_on_missing_interpreters = "CI" in os.environ or not FOUND
nox.options.download_python = "never"
for name, (python, _) in ROWS.items():
    nox.session(name=name, python=python)(test)
