"""What of an explorer is cut off, overlaps, or can't be reached, in whatever room it has."""

from __future__ import annotations

from functools import cache
from html import escape
from pathlib import Path

from helpers.explorer_parts import CONTROLS, ROOT

WIDTHS = (400, 420, 540, 620, 760, 1000, 1400, 2000)


@cache
def _script() -> str:
    return Path(__file__).with_suffix(".js").read_text(encoding="utf-8")


def problems(frame, root: str = ROOT) -> list[str]:
    """Return a sentence for each thing that is wrong.

    Args:
        frame: A page or a frame of Playwright's, settled.
        root: The selector of the explorer.
    """
    return frame.evaluate(_script(), [root, CONTROLS])


def in_a_sandbox(page: str, width: int, height: int) -> str:
    """Return a page with that page in a frame, as viewers of notebooks show an output."""
    style = f"display: block; width: {width}px; height: {height}px; border: 0"
    frame = f'<iframe sandbox="allow-scripts" style="{style}" srcdoc="{escape(page)}"></iframe>'
    return f'<!doctype html><meta charset="utf-8"><body style="margin: 0">{frame}'
