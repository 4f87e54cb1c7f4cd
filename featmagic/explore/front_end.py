"""What front ends make of a widget, and which cell made it."""

from __future__ import annotations

import struct
import zlib
from base64 import b64encode
from typing import Any, Protocol
from weakref import WeakSet

from featmagic.support.environment import running_shell

VIEW = "application/vnd.jupyter.widget-view+json"


TAIL = 128  # letters of base64 that hold the mark at the end of a PNG


class _Closes(Protocol):
    def close(self) -> None: ...


def marked(png: bytes, name: str) -> bytes:
    r"""The PNG with a name in it, by which it is told from others of the same pixels.

    Example:
        >>> import numpy as np
        >>> from featmagic.render.png import grey
        >>> png = marked(grey(np.zeros((1, 1), np.uint8)), "a1")
        >>> png[-29:-16]
        b'tEXtwidget\x00a1'
    """
    body, end = png[:-12], png[-12:]
    text = b"tEXt" + b"widget\0" + name.encode()
    size, check = struct.pack(">I", len(text) - 4), struct.pack(">I", zlib.crc32(text))
    return body + size + text + check + end


def tail(png: bytes) -> str:
    """The end of a PNG as base64 text: enough to know it by, where it is marked."""
    return b64encode(png).decode()[-TAIL:]


_made: dict[str, tuple[str, WeakSet[Any]]] = {}  # by cell: the run that made them, and what


def made_here(widget: _Closes) -> None:
    """Note that the cell made the widget; those of its earlier runs are closed."""
    kernel = getattr(running_shell(), "kernel", None)
    parent = (kernel.get_parent() if kernel is not None else None) or {}
    cell = (parent.get("metadata") or {}).get("cellId")
    if cell is None:
        return
    run = parent["header"]["msg_id"]
    before, widgets = _made.get(cell, (run, WeakSet()))
    if before != run:
        for old in list(widgets):
            old.close()
        widgets = WeakSet()
    widgets.add(widget)
    _made[cell] = run, widgets
