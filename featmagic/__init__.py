"""Inspect the feature maps of any PyTorch model, in a notebook or in the IPython terminal.

    %load_ext featmagic
    %hook model cnn1 act1 pool1

or, without IPython,

    with featmagic.capture(model, "cnn1", "act1") as feature_maps:
        y = model(x)
    feature_maps.show()
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from featmagic.api import capture
    from featmagic.feature_maps import FeatureMaps
    from featmagic.options.view import View
    from featmagic.support.errors import FeatmagicError

__version__ = "0.1.0"
__all__ = ["FeatmagicError", "FeatureMaps", "View", "capture"]

_HOMES = {
    "capture": "api",
    "FeatmagicError": "support.errors",
    "FeatureMaps": "feature_maps",
    "View": "options.view",
}


def __getattr__(name: str) -> Any:
    """Import a public name when it is first used: loading the extension must not load torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'featmagic' has no attribute {name!r}")
    value = getattr(import_module(f"featmagic.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])


def load_ipython_extension(shell: Any) -> None:
    """Load the magics: `%load_ext featmagic`."""
    from featmagic.ipython.extension import load

    load(shell)


def unload_ipython_extension(shell: Any) -> None:
    """Remove everything that loading added to the shell: `%unload_ext featmagic`."""
    from featmagic.ipython.extension import unload

    unload(shell)
