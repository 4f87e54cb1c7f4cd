"""An opening: tracks widgets from their creation, so that an interrupt loses none of them."""

from __future__ import annotations

import sys
from typing import Any
from uuid import uuid4


class Opening:
    """The widgets that one request opens.

    A widget and its comm are registered globally while the widget is created, before the caller has
    a reference to it. So the caller creates an `Opening` first, and undoes it on any failure.
    """

    def __init__(self) -> None:
        self._widgets: list[tuple[str, Any]] = []

    def note(self, widget: Any) -> str:
        """Note a widget that is about to open, and return the id of the widget and its comm."""
        name = uuid4().hex
        self._widgets.append((name, widget))
        return name

    def undo(self) -> None:
        """Close every widget, even a partly created one."""
        module = sys.modules.get("comm")
        comms = {} if module is None else module.get_comm_manager().comms
        for name, widget in self._widgets:
            widget.close()
            if (comm := comms.get(name)) is None:
                continue
            comm.close()  # the widget has no reference to it yet
            if name in comms:  # an interrupt came as it was announced: it counts as closed already
                comm.publish_msg("comm_close")
                comms.pop(name, None)
