"""Loading and unloading: everything that featmagic puts into a shell, and its removal."""

from __future__ import annotations

from typing import Any

from featmagic.ipython import ipyparallel
from featmagic.ipython.cell import VALUE, Misplaced, WithLook, mark, mistaken, one_percent
from featmagic.ipython.completion.matcher import Completion
from featmagic.ipython.config import settings_of
from featmagic.ipython.magics import FeatMagics
from featmagic.options.defaults import provide_defaults, withdraw_defaults
from featmagic.support.environment import EXTENSION, is_engine


class Extension:
    """What is in a shell while the extension is loaded."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self.settings = settings_of(shell)
        self._magics = FeatMagics(shell, self.settings)
        self._wrap = WithLook(shell)
        self._transformers = (one_percent, mark)
        self._completion = Completion(shell, self._magics.watches)
        self.look, self.mistaken = self._magics.look, mistaken

    def load(self) -> None:
        """Put everything in."""
        shell = self._shell
        shell.register_magics(self._magics)
        shell.configurables.append(self.settings)
        shell.input_transformers_cleanup.extend(self._transformers)
        shell.input_transformer_manager.token_transformers.append(Misplaced)
        shell.ast_transformers.append(self._wrap)
        shell.events.register("pre_execute", self._magics.watches.begin_cell)
        shell.events.register("post_execute", self._end_cell)
        if is_engine(shell):
            ipyparallel.begin()
        self._completion.load()
        provide_defaults(self.settings.view)
        setattr(shell, EXTENSION, self)

    def unload(self) -> None:
        """Take everything out, and the hooks off."""
        shell = self._shell
        self._magics.watches.close_all()
        self._completion.unload()
        withdraw_defaults(self.settings.view)
        shell.events.unregister("pre_execute", self._magics.watches.begin_cell)
        shell.events.unregister("post_execute", self._end_cell)
        for transformer in self._transformers:
            shell.input_transformers_cleanup.remove(transformer)
        shell.input_transformer_manager.token_transformers.remove(Misplaced)
        if self._wrap in shell.ast_transformers:  # IPython drops one that raised
            shell.ast_transformers.remove(self._wrap)
        for magics in shell.magics_manager.magics.values():
            for name in [n for n, magic in magics.items() if self._is_ours(magic)]:
                del magics[name]
        for ours in (self._magics, self.settings):
            if ours in shell.configurables:
                shell.configurables.remove(ours)
        shell.magics_manager.registry.pop(FeatMagics.__name__, None)
        if is_engine(shell):
            ipyparallel.end()
        delattr(shell, EXTENSION)

    def _is_ours(self, magic: object) -> bool:
        return getattr(magic, "__self__", None) is self._magics

    def _end_cell(self) -> None:
        self._magics.watches.end_cell()
        # The value of a look that then failed: nobody is left to take it out.
        self._shell.user_ns.pop(VALUE, None)


def load(shell: Any) -> None:
    """Put featmagic into an IPython shell."""
    if hasattr(shell, EXTENSION):
        unload(shell)
    Extension(shell).load()


def unload(shell: Any) -> None:
    """Take featmagic out of an IPython shell, if it is in there."""
    if hasattr(shell, EXTENSION):
        getattr(shell, EXTENSION).unload()
