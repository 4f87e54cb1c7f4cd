"""Load the extension in a shell of a fresh process, and print the time it took as JSON."""

from __future__ import annotations

import json
import sys
from time import perf_counter

from IPython.core.interactiveshell import InteractiveShell
from traitlets.config import Config


def load() -> dict[str, float]:
    """Time `%load_ext featmagic`, and count the modules of torch and matplotlib that it imports.

    `matplotlib_inline` is IPython's own and isn't matplotlib.
    """
    without_history = Config({"HistoryManager": {"enabled": False}})
    shell = InteractiveShell.instance(config=without_history)
    before = set(sys.modules)
    began = perf_counter()
    problem = shell.extension_manager.load_extension("featmagic")
    seconds = perf_counter() - began
    if problem is not None:
        raise RuntimeError(problem)
    packages = [name.partition(".")[0] for name in set(sys.modules) - before]
    return {"seconds": seconds, "heavy": sum(p in ("torch", "matplotlib") for p in packages)}


if __name__ == "__main__":
    print(json.dumps(load()))
