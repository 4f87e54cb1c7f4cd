"""Which run of which cell opened an explorer, so that none holds its tensors forever.

A cell that runs again closes the explorers that it opened before. Some front ends (Notebook 6,
nbclient, Jupyter console) don't tell which cell they run, and two cells may have the same code.
Nothing is closed there; instead, the explorers used least recently release their tensors, unless a
variable refers to them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol
from weakref import WeakSet

from featmagic.support.environment import running_shell


class Holder(Protocol):
    """A widget that holds tensors."""

    def close(self) -> None:
        """Release the tensors, and take the widget off the page."""

    def retire(self) -> None:
        """Release the tensors; the widget stays on the page, and says so."""


# If cells have no ids: how many runs keep their tensors besides the newest one.
_KEPT, _KEPT_OF_SAME_CODE = 7, 1


@dataclass(eq=False)
class _Run:
    cell: str | None
    code: str
    holders: WeakSet[Any] = field(default_factory=WeakSet)


_runs: dict[str, _Run] = {}  # by request, the least recently used first


def note_run(holder: Holder) -> None:
    """Note that the running cell made a widget, and release those no longer needed."""
    kernel = getattr(running_shell(), "kernel", None)
    request = (kernel.get_parent() if kernel is not None else None) or {}
    code = (request.get("content") or {}).get("code")
    if code is None:  # no cell is running
        return
    name = request["header"]["msg_id"]
    this = _runs.setdefault(name, _Run(_cell_of(request.get("metadata") or {}), code))
    this.holders.add(holder)
    _move_to_end(name)
    earlier = [run for run in reversed(_runs.values()) if run is not this]
    if this.cell is not None:
        for run in earlier:
            if run.cell == this.cell:
                _each(run, "close")
    else:
        unknown = [run for run in earlier if run.cell is None]
        same = [run for run in unknown if run.code == this.code]
        for run in {*unknown[_KEPT:], *same[_KEPT_OF_SAME_CODE:]}:
            _each(run, "retire", besides=_held_by_variables())
    for name in [name for name, run in _runs.items() if not run.holders]:
        del _runs[name]


def note_use(holder: Holder) -> None:
    """Note that a widget is being used."""
    for name, run in _runs.items():
        if holder in run.holders:
            _move_to_end(name)
            return


def _cell_of(metadata: Mapping[str, Any]) -> str | None:
    """Return the id of a cell, which Colab stores in another place than JupyterLab and VS Code."""
    return metadata.get("cellId") or (metadata.get("colab") or {}).get("cell_id")


def _move_to_end(name: str) -> None:
    _runs[name] = _runs.pop(name)


def _each(run: _Run, does: str, besides: Any = ()) -> None:
    for holder in list(run.holders):
        if id(holder) not in besides:
            getattr(holder, does)()
            run.holders.discard(holder)


def _held_by_variables() -> set[int]:
    """Return the ids of the values of the user's variables, without IPython's (`_`, `Out`)."""
    return set(_ids(getattr(running_shell(), "user_ns", {})))


def _ids(names: Mapping[str, Any]) -> Iterator[int]:
    for name, value in list(names.items()):
        if not name.startswith("_"):
            yield id(value)
