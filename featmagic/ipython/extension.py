"""Loading and unloading: everything that featmagic adds to a shell, and its removal."""

from __future__ import annotations

from collections.abc import Iterator
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
from featmagic.ipython.config import FeatMagic, settings_of
from featmagic.ipython.magics import FeatMagics
from featmagic.ipython.misspelled import MisspelledMagic, explain_misspelling
from featmagic.options.defaults import provide_defaults, withdraw_defaults
from featmagic.support.environment import EXTENSION, is_engine
from featmagic.support.interrupts import uninterrupted

# IPython's name for the extension. IPython keeps the names of loaded extensions for %load_ext and
# the like, and an interrupt may arrive between our work and IPython's.
_NAME = "featmagic"


def load(shell: Any) -> None:
    """Add featmagic to an IPython shell."""
    try:
        unload(shell)
        uninterrupted(lambda: Extension(shell).load())
    except BaseException:
        unload(shell)
        raise


def unload(shell: Any) -> None:
    """Remove featmagic from an IPython shell, if it is loaded there."""
    uninterrupted(lambda: _unload(shell))


def _unload(shell: Any) -> None:
    extension = vars(shell).get(EXTENSION)
    if extension is not None:
        extension.unload()
    # A partly loaded extension may be in this list, and an entry may be there twice.
    shell.configurables[:] = [each for each in shell.configurables if not _is_ours(each)]


def _is_ours(configurable: object) -> bool:
    return isinstance(configurable, (FeatMagics, FeatMagic))


class Extension:
    """What a shell holds while the extension is loaded; rewritten cells call it by name."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self.settings = settings_of(shell)
        self._magics = FeatMagics(shell, self.settings)
        self._wrap = WrapMarkedCell(shell)
        self._misspelled = MisspelledMagic(shell.magics_manager)
        self._transformers = (redirect_cell_magic, mark_cell, self._misspelled.redirect)
        self._completion = Completion(shell, self._magics.watches)
        self.look, self.explain_mistake = self._magics.look, explain_mistake
        self.explain_misspelling = explain_misspelling

    def load(self) -> None:
        """Add magics, transformers, events, completion and settings."""
        shell = self._shell
        setattr(shell, EXTENSION, self)  # first, so that `unload` can remove the rest
        shell.register_magics(self._magics)
        for items, item in self._entries():
            items.append(item)
        if is_engine(shell):
            ipyparallel.begin()
        provide_defaults(self.settings.view)
        shell.extension_manager.loaded.add(_NAME)

    def unload(self) -> None:
        """Remove everything that `load` added, and every hook, whatever state the shell is in."""
        shell = self._shell
        self._magics.watches.close()
        withdraw_defaults(self.settings.view)
        for items, item in self._entries():
            while item in items:  # IPython or the user may have removed it
                items.remove(item)
        self._unregister_magics()
        if is_engine(shell):
            ipyparallel.end()
        vars(shell).pop(EXTENSION, None)
        shell.extension_manager.loaded.discard(_NAME)

    def _entries(self) -> Iterator[tuple[list[Any], Any]]:
        """Yield each list of IPython's to which featmagic adds an entry, with the entry."""
        shell = self._shell
        events, transformers = shell.events.callbacks, shell.input_transformers_cleanup
        yield shell.configurables, self.settings
        for transformer in self._transformers:
            yield transformers, transformer
        yield shell.input_transformer_manager.token_transformers, MisplacedMagic
        yield shell.input_transformer_manager.token_transformers, self._misspelled
        yield shell.ast_transformers, self._wrap
        yield events["pre_execute"], self._magics.watches.begin_cell
        yield events["post_execute"], self._end_cell
        yield self._completion.entry

    def _unregister_magics(self) -> None:
        shell = self._shell
        for magics in shell.magics_manager.magics.values():
            for name, magic in list(magics.items()):
                if getattr(magic, "__self__", None) is self._magics:
                    del magics[name]
        shell.magics_manager.registry.pop(FeatMagics.__name__, None)

    def _end_cell(self) -> None:
        self._magics.watches.end_cell()
        # A look that failed after its body left the cell's value, and nothing will show it.
        self._shell.user_ns.pop(VALUE, None)
