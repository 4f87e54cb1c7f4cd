"""Kernels, notebooks that run in one, and what their cells send."""

from __future__ import annotations

from dataclasses import dataclass, field

import nbformat
from jupyter_client.manager import start_new_kernel
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from helpers import TESTS
from helpers.streams import joined

SECONDS = 120  # a kernel that is silent for so long is stuck
WIDGET = "application/vnd.jupyter.widget-view+json"
OUTPUTS = ("stream", "display_data", "execute_result", "error")


@dataclass
class Ran:
    """What a cell sent, in order, and how it ended.

    Attributes:
        outputs: as a notebook stores them.
        status: `ok` or `error`.
        number: the execution count.
        messages: type and content of everything that was sent.
    """

    outputs: list
    status: str
    number: int
    messages: list = field(default_factory=list)

    @property
    def text(self):
        """The printed text."""
        return "".join(o.text for o in self.outputs if o.output_type == "stream")

    @property
    def pictures(self):
        """What was displayed, other than the value."""
        return [o for o in self.outputs if o.output_type == "display_data"]

    @property
    def values(self):
        """The displayed value: a list of one or none."""
        return [o for o in self.outputs if o.output_type == "execute_result"]

    @property
    def errors(self):
        return [o for o in self.outputs if o.output_type == "error"]

    @property
    def widgets(self):
        """The MIME bundles of displayed widgets."""
        return [o.data for o in self.pictures if WIDGET in o.data]


class RunningKernel:
    """A kernel in the folder of the tests, where it can import `helpers`."""

    def __init__(self):
        self._manager, self._client = start_new_kernel(cwd=str(TESTS))

    def stop(self):
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)


class Kernel(RunningKernel):
    """A kernel that runs one cell after another.

    Args:
        stdin: whether somebody is there who could answer a question, as in a notebook; a program
            that runs notebooks answers none.
    """

    def __init__(self, *, stdin=False):
        super().__init__()
        self._stdin = stdin

    def run(self, code, *, interrupt_at=None):
        """Run a cell; interrupt the kernel when the cell prints `interrupt_at`."""
        messages, outputs = [], []

        def hook(message):
            messages.append((message["msg_type"], message["content"]))
            if message["msg_type"] in OUTPUTS:
                outputs.append(nbformat.v4.output_from_msg(message))
            if interrupt_at and interrupt_at in message["content"].get("text", ""):
                self._manager.interrupt_kernel()

        # ipykernel 6.17 would for a moment refuse what comes after a cell that failed.
        reply = self._client.execute_interactive(
            code,
            output_hook=hook,
            timeout=SECONDS,
            allow_stdin=self._stdin,
            stop_on_error=False,
        )["content"]
        return Ran(joined(outputs), reply["status"], reply["execution_count"], messages)

    def good(self, code):
        """Run a cell that must not fail."""
        ran = self.run(code)
        assert ran.status == "ok", ran.outputs
        return ran

    def complete(self, cell, cursor):
        """Return the content of the kernel's answer to Tab."""
        content = self._client.complete(cell, cursor, reply=True, timeout=SECONDS)["content"]
        assert content["status"] == "ok"
        return content


def executed(*cells):
    """Run a new notebook of these cells; return it and the error that ended it, or None.

    nbclient runs it, as papermill and nbconvert --execute do.
    """
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    client = NotebookClient(notebook, timeout=SECONDS, resources={"metadata": {"path": str(TESTS)}})
    try:
        client.execute()
    except CellExecutionError as error:
        return notebook, error
    return notebook, None
