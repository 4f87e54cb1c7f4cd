"""Whether an explorer can be shown in a cell's output."""

from __future__ import annotations

from importlib.util import find_spec

from featmagic.screen import Screen


def why_no_widget(where: Screen) -> str:
    """Why what a kernel sends can be no explorer here; nothing, where it can.

    Example:
        >>> why_no_widget(Screen("none", 80))
        '--renderer none is for grids'
    """
    if where.engine:
        return "an engine of ipyparallel has no widgets at its clients"
    if where.renderer != "png":
        return f"--renderer {where.renderer} is for grids"
    if find_spec("anywidget") is None:
        return "a package isn't here: pip install anywidget"
    return ""
