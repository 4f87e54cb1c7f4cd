"""The IPython that is running, if one is: found, never imported."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import Any

EXTENSION = "_featmagic"  # of the shell: the extension, while it is loaded


def running_shell() -> Any:
    """The running IPython, or None.

    Example:
        >>> running_shell() is None or hasattr(running_shell(), "user_ns")
        True
    """
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def takes_png(shell: Any) -> bool:
    """Whether the shell is a kernel's, or a terminal's that draws PNGs (IPython 9.13, kitty).

    Example:
        >>> takes_png(None)
        False
    """
    return is_kernel(shell) or "image/png" in (getattr(shell, "mime_renderers", None) or {})


def is_kernel(shell: Any) -> bool:
    """Whether the shell is a kernel's, behind a notebook.

    Example:
        >>> is_kernel(None)
        False
    """
    return hasattr(shell, "kernel")


def configured() -> Mapping[str, Any]:
    """The view options that `%config FeatMagic` has set, where the extension is loaded.

    Example:
        >>> dict(configured())
        {}
    """
    extension = getattr(running_shell(), EXTENSION, None)
    found: Mapping[str, Any] = extension.settings.view() if extension else {}
    return found


def name_of(value: object, usual: str) -> str:
    """The name of the user's variable that holds it; the usual name, where none does.

    Example:
        >>> name_of(object(), "feature_maps")
        'feature_maps'
    """
    names = getattr(running_shell(), "user_ns", {})
    if names.get(usual) is value:
        return usual
    found = (name for name, held in names.items() if held is value and name[0] != "_")
    return next(found, usual)


def is_engine(shell: object) -> bool:
    """Whether the shell is an engine's of ipyparallel, whose output is shown at its clients.

    Example:
        >>> is_engine(None)
        False
    """
    module = sys.modules.get("ipyparallel.engine.kernel")
    kernel = getattr(shell, "kernel", None)
    return module is not None and isinstance(kernel, module.IPythonParallelKernel)
