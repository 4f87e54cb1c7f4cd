"""The fonts that matplotlib brings along."""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any


@cache
def load_font(name: str, size: int) -> Any:
    """Load a font that matplotlib brings along, with the letters of most European languages.

    What a system has doesn't matter. Of Pillow's two layout engines the basic one is always there.
    """
    import matplotlib
    from PIL import ImageFont

    file = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / f"{name}.ttf"
    return ImageFont.truetype(str(file), size, layout_engine=ImageFont.Layout.BASIC)
