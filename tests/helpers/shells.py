"""An IPython shell as its user sees it."""

from __future__ import annotations

import atexit

from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output


class Shell:
    """A fresh IPython shell with the extension loaded."""

    def __init__(self):
        self.ip = InteractiveShell()
        # As in a real shell: without it, get_ipython() is another one, or none.
        self.ip.builtin_trap.activate()
        self.names = self.ip.user_ns
        self.ip.run_line_magic("load_ext", "featmagic")

    def close(self):
        """End the shell, and have it do nothing as the process ends."""
        self.ip.run_line_magic("unload_ext", "featmagic")
        self.ip.builtin_trap.deactivate()
        self.ip.history_manager.end_session()
        # Hundreds of shells would each collect garbage then, which takes minutes.
        atexit.unregister(self.ip.atexit_operations)

    def run(self, cell):
        """Run a cell that must not fail; return what it printed."""
        result, printed = self.attempt(cell)
        result.raise_error()
        return printed

    def attempt(self, cell):
        """Run a cell; return its result and what it printed."""
        with capture_output() as captured:
            result = self.ip.run_cell(cell, store_history=True)
        return result, captured.stdout

    def value(self, cell):
        """Run a cell that must not fail; return the value that it displays."""
        result, _ = self.attempt(cell)
        result.raise_error()
        return result.result

    def error(self, cell):
        """Run a cell; return the error that it ends with."""
        result, _ = self.attempt(cell)
        assert result.error_in_exec is not None
        return result.error_in_exec
