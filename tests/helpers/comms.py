"""Widgets in this process, whose comms keep what they send as a kernel's would send it."""

from __future__ import annotations

from typing import Any, ClassVar

import comm
from comm.base_comm import BaseComm
from ipykernel.jsonutil import json_clean
from jupyter_client.session import json_packer


class KeptComm(BaseComm):
    """A comm that keeps its messages; each is packed as a kernel packs it, so that JSON holds it.

    Attributes:
        sent: What every comm sent, in order: its id, the message's type, the data.
    """

    sent: ClassVar[list[tuple[str, str, Any]]] = []

    def publish_msg(self, msg_type, data=None, metadata=None, buffers=None, **keys):
        json_packer(json_clean(data))
        self.sent.append((self.comm_id, msg_type, data))


def keep_messages(monkeypatch):
    """From now on widgets open such comms; return the list of what they send."""
    monkeypatch.setattr(comm, "create_comm", KeptComm)
    monkeypatch.setattr(KeptComm, "sent", [])
    return KeptComm.sent


def deliver(widget, data, buffers=()):
    """Give a widget a message as the kernel does."""
    widget.comm.handle_msg(
        {"content": {"comm_id": widget.model_id, "data": data}, "buffers": [*buffers]}
    )
