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


def added_to(ip):
    """Return what featmagic has added to a shell, each thing as text; a thing twice is two."""

    def ours(thing):
        owner = getattr(thing, "__self__", thing)
        return "featmagic" in str(getattr(owner, "__module__", None) or type(owner).__module__)

    completer = ip.Completer
    lists = {
        "cleanup": ip.input_transformers_cleanup,
        "post": ip.input_transformers_post,
        "tokens": ip.input_transformer_manager.token_transformers,
        "ast": ip.ast_transformers,
        "configurables": ip.configurables,
        "matchers": getattr(completer, "custom_matchers", completer.magic_arg_matchers),
        **ip.events.callbacks,
        **{f"{kind} magics": found.values() for kind, found in ip.magics_manager.magics.items()},
        "registry": ip.magics_manager.registry.values(),
    }
    names = [f"attribute {name}" for name in vars(ip) if "feat" in name]
    return names + [
        f"{place}: {getattr(thing, '__qualname__', type(thing).__name__)}"
        for place, things in lists.items()
        for thing in things
        if ours(thing)
    ]
