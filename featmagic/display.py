"""Where a picture goes: to the IPython that is running, or to the standard output."""

from __future__ import annotations

import shutil
import sys
from base64 import b64encode
from typing import Any

from featmagic.drawing import Drawing
from featmagic.mosaic import PAGE, Room
from featmagic.render.png import png, png_size
from featmagic.render.terminal import colours_of, half_blocks, terminal_room


def room() -> Room:
    """The room there is where `show` shows: a notebook's page or the terminal's window."""
    return PAGE if _takes_png(_shell()) else terminal_room()


def show(drawing: Drawing) -> None:
    """Show the caption, then the mosaic: a PNG in a notebook, half blocks in a terminal.

    Where there is neither a terminal nor colour, the caption alone.

    Example:
        >>> show(Drawing("fc  Linear", None))
        fc  Linear
    """
    shell = _shell()
    print(drawing.caption if _takes_png(shell) else _wrapped(drawing.caption))
    if drawing.mosaic is None:
        return
    if _takes_png(shell):
        data, metadata = bundle(drawing)
        shell.display_pub.publish(data=data, metadata=metadata)
    elif colours := colours_of(sys.stdout):
        print(half_blocks(drawing.mosaic, colours))


def _wrapped(caption: str) -> str:
    """The caption in lines no wider than the window, broken between its parts if need be."""
    if not sys.stdout.isatty():
        return caption
    width = shutil.get_terminal_size().columns - 1
    lines = [""]
    for part in caption.split(" · "):
        longer = f"{lines[-1]} · {part}" if lines[-1] else part
        if len(longer) <= width or not lines[-1]:
            lines[-1] = longer
        else:
            lines.append(f"  {part}")
    return "\n".join(lines)


def bundle(drawing: Drawing) -> tuple[dict[str, str], dict[str, Any]]:
    """The mosaic for a notebook: a PNG with its size, the caption as its text and alt text."""
    if drawing.mosaic is None:
        return {"text/plain": drawing.caption}, {}
    picture = png(drawing.mosaic)
    width, height = png_size(picture)
    data = {"image/png": b64encode(picture).decode(), "text/plain": drawing.caption}
    return data, {"image/png": {"width": width, "height": height, "alt": drawing.caption}}


def _shell() -> Any:
    """The running IPython, or None; it is never imported, only found."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython else None


def _takes_png(shell: Any) -> bool:
    """Whether the shell is a kernel's, or a terminal's that draws PNGs (IPython 9.13, kitty)."""
    if shell is None:
        return False
    return hasattr(shell, "kernel") or "image/png" in (getattr(shell, "mime_renderers", None) or {})
