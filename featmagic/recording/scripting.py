"""Scripting: hide our hooks from `torch.jit.script`, which would try to compile them."""

from __future__ import annotations

from typing import Any

from torch import nn

from featmagic.recording.hooks import Hook, Owner, remove
from featmagic.recording.model_tree import modules_of
from featmagic.recording.torch_private import hook_tables, script_compiler

_compiler = script_compiler()
_create_script_module: Any = getattr(_compiler, "create_script_module", None)
_owners: list[Owner] = []  # the owners whose hooks are on modules now


def hide_hooks_of(owner: Owner) -> None:
    """From now on, script modules as if the owner's hooks weren't there."""
    if not any(other is owner for other in _owners):
        _owners.append(owner)
    if _create_script_module is not None:
        _compiler.create_script_module = _create_without_hooks


def hide_no_more(owner: Owner) -> None:
    """Forget the owner, whose hooks were removed; may be called more than once."""
    _owners[:] = [other for other in _owners if other is not owner]
    now = getattr(_compiler, "create_script_module", None)
    if not _owners and now is _create_without_hooks:
        _compiler.create_script_module = _create_script_module


def _create_without_hooks(nn_module: nn.Module, *args: Any, **kwargs: Any) -> Any:
    """Remove our hooks while torch compiles the module, and then restore them in order.

    What torch makes of it is a copy: passes of it aren't recorded.
    """
    changed: list[tuple[nn.Module, dict[int, Any], dict[int, Any]]] = []
    try:
        for module in modules_of(nn_module):
            for table, *_ in hook_tables(module):
                ours = [n for n, hook in list(table.items()) if isinstance(hook, Hook)]
                if ours:
                    changed.append((module, table, dict(table)))
                for number in ours:
                    table[number].owner.was_copied = True
                    table.pop(number, None)
        return _create_script_module(nn_module, *args, **kwargs)
    finally:
        for module, table, before in changed:
            _put_back(module, table, before)


def _put_back(module: nn.Module, table: dict[int, Any], before: dict[int, Any]) -> None:
    """Put our hooks back into a table, in their original order."""
    for number, hook in before.items():
        if isinstance(hook, Hook) or number in table:
            table[number] = table.pop(number, hook)
    for hook in before.values():
        if isinstance(hook, Hook) and not any(hook.owner is owner for owner in _owners):
            remove(hook.owner, [module])  # its owner was detached meanwhile, and couldn't find it
