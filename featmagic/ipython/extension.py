"""Loading and unloading: everything that featmagic adds to a shell, and its removal."""

from __future__ import annotations

from typing import Any

from featmagic.ipython import ipyparallel
from featmagic.ipython.cell import (
    VALUE,
    MisplacedMagic,
    WrapMarkedCell,
    explain_mistake,
    mark_cell,
    redirect_cell_magic,
)
from featmagic.ipython.completion.matcher import Completion
from featmagic.ipython.config import settings_of
from featmagic.ipython.magics import FeatMagics
from featmagic.options.defaults import provide_defaults, withdraw_defaults
from featmagic.support.environment import EXTENSION, is_engine


def load(shell: Any) -> None:
    """Add featmagic to an IPython shell."""
    unload(shell)
    Extension(shell).load()


def unload(shell: Any) -> None:
    """Remove featmagic from an IPython shell, if it is loaded there."""
    if hasattr(shell, EXTENSION):
        getattr(shell, EXTENSION).unload()


class Extension:
    """What a shell holds while the extension is loaded; rewritten cells call it by name."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self.settings = settings_of(shell)
        self._magics = FeatMagics(shell, self.settings)
        self._wrap = WrapMarkedCell(shell)
        self._transformers = (redirect_cell_magic, mark_cell)
        self._completion = Completion(shell, self._magics.watches)
        self.look, self.explain_mistake = self._magics.look, explain_mistake

    def load(self) -> None:
        """Add magics, transformers, events, completion and settings."""
        shell = self._shell
        shell.register_magics(self._magics)
        shell.configurables.append(self.settings)
        shell.input_transformers_cleanup.extend(self._transformers)
        shell.input_transformer_manager.token_transformers.append(MisplacedMagic)
        shell.ast_transformers.append(self._wrap)
        shell.events.register("pre_execute", self._magics.watches.begin_cell)
        shell.events.register("post_execute", self._end_cell)
        if is_engine(shell):
            ipyparallel.begin()
        self._completion.load()
        provide_defaults(self.settings.view)
        setattr(shell, EXTENSION, self)

    def unload(self) -> None:
        """Remove everything that `load` added, and every hook."""
        shell = self._shell
        self._magics.watches.close_all()
        self._completion.unload()
        withdraw_defaults(self.settings.view)
        shell.events.unregister("pre_execute", self._magics.watches.begin_cell)
        shell.events.unregister("post_execute", self._end_cell)
        for transformer in self._transformers:
            shell.input_transformers_cleanup.remove(transformer)
        shell.input_transformer_manager.token_transformers.remove(MisplacedMagic)
        if self._wrap in shell.ast_transformers:  # IPython drops one that raised
            shell.ast_transformers.remove(self._wrap)
        self._unregister_magics()
        if is_engine(shell):
            ipyparallel.end()
        delattr(shell, EXTENSION)

    def _unregister_magics(self) -> None:
        shell = self._shell
        for magics in shell.magics_manager.magics.values():
            for name, magic in list(magics.items()):
                if getattr(magic, "__self__", None) is self._magics:
                    del magics[name]
        for configurable in (self._magics, self.settings):
            if configurable in shell.configurables:
                shell.configurables.remove(configurable)
        shell.magics_manager.registry.pop(FeatMagics.__name__, None)

    def _end_cell(self) -> None:
        self._magics.watches.end_cell()
        # A look that failed after its body left the cell's value, and nothing will show it.
        self._shell.user_ns.pop(VALUE, None)
