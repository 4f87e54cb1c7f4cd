"""The layers as a tree of modules: rows below each other, some of which fold others."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace

MOST_UNFOLDED = 60  # rows that are all unfolded at first


@dataclass(frozen=True)
class TreeRow:
    """A row: a layer, or the header of a module that has no output of its own.

    Attributes:
        name: What the row is called below the row that folds it.
        level: How many rows fold it.
        layer: The index of the layer; None for a header.
        parent: The index of the row that folds it; None at the top.
        end: The index after the last of the rows that it folds, which follow it.
    """

    name: str
    level: int
    layer: int | None
    parent: int | None
    end: int


@dataclass(eq=False)
class _Module:
    """A module on the way from paths to rows, with the indices of its own layers."""

    name: str
    layers: list[int] = field(default_factory=list)
    children: dict[str, _Module] = field(default_factory=dict)


def layer_tree(keys: Sequence[str], paths: Sequence[str]) -> tuple[TreeRow, ...]:
    """Return a row for each layer and header; the rows that a row folds follow it.

    Rows nest by the dots in the paths, modules in the order in which they first returned. Calls and
    parts of an output are rows of their module, side by side; the first one folds the modules
    inside. A module without an output that holds a single other one is a part of its name.

    Args:
        keys: The layers' keys, in the order in which they ran, such as `block.relu:2`.
        paths: Their modules' paths, such as `block.relu`.

    Example:
        >>> keys = ["enc.0.conv", "enc.0.relu", "enc.0.relu:2", "fc"]
        >>> for row in layer_tree(keys, ["enc.0.conv", "enc.0.relu", "enc.0.relu", "fc"]):
        ...     print(row.level * "  " + row.name)
        enc.0
          conv
          relu
          relu:2
        fc
    """
    rows: list[TreeRow] = []

    def add(name: str, layer: int | None, parent: int | None) -> int:
        level = 0 if parent is None else rows[parent].level + 1
        rows.append(TreeRow(name, level, layer, parent, len(rows) + 1))
        return len(rows) - 1

    # What comes next is last: modules, or rows as name and layer; and the row that folds it.
    waiting: list[tuple[_Module | tuple[str, int], int | None]]
    waiting = [(module, None) for module in reversed(_modules(paths).children.values())]
    while waiting:
        item, parent = waiting.pop()
        if isinstance(item, tuple):
            add(*item, parent)
            continue
        name, module = _merged(item)
        own = [
            (name.strip(".") + keys[layer].removeprefix(paths[layer]) or keys[layer], layer)
            for layer in module.layers
        ]
        head = add(*own[0], parent) if own else add(name, None, parent)
        waiting += [(row, parent) for row in reversed(own[1:])]
        waiting += [(child, head) for child in reversed(module.children.values())]
    return tuple(_with_ends(rows))


def _modules(paths: Sequence[str]) -> _Module:
    """Return the root, which holds the modules that are on top."""
    root = _Module("")
    for layer, path in enumerate(paths):
        module = root
        for name in path.split("."):
            module = module.children.setdefault(name, _Module(name))
        module.layers.append(layer)
    return root


def _merged(module: _Module) -> tuple[str, _Module]:
    """Return the first module inside that has an output or several others, and its name."""
    names = [module.name]
    while not module.layers and len(module.children) == 1:
        (module,) = module.children.values()
        names.append(module.name)
    return ".".join(names), module


def _with_ends(rows: Sequence[TreeRow]) -> Iterator[TreeRow]:
    """Yield the rows, each with the end of what it folds."""
    ends = [row.end for row in rows]
    for index in range(len(rows) - 1, -1, -1):
        parent = rows[index].parent
        if parent is not None:
            ends[parent] = max(ends[parent], ends[index])
    for row, end in zip(rows, ends, strict=True):
        yield replace(row, end=end)


def folding(rows: Sequence[TreeRow]) -> set[int]:
    """Return the indices of the rows that fold others."""
    return {index for index, row in enumerate(rows) if row.end > index + 1}


def folders_of(rows: Sequence[TreeRow], index: int) -> list[int]:
    """Return the indices of the rows that fold a row, from the nearest to the top."""
    found = []
    parent = rows[index].parent
    while parent is not None:
        found.append(parent)
        parent = rows[parent].parent
    return found


def folded_at_first(rows: Sequence[TreeRow], index: int) -> set[int]:
    """Return which rows are folded at first, if the row with that index is chosen.

    None are in a short tree; in others all but those that would hide the chosen row.
    """
    if len(rows) <= MOST_UNFOLDED:
        return set()
    return folding(rows).difference(folders_of(rows, index))


def visible_rows(rows: Sequence[TreeRow], folded: Collection[int]) -> list[int]:
    """Return the indices of the rows that no folded row hides.

    Example:
        >>> rows = layer_tree(["a.b", "a.c", "d"], ["a.b", "a.c", "d"])
        >>> visible_rows(rows, {0})
        [0, 3]
    """
    visible = []
    index = 0
    while index < len(rows):
        visible.append(index)
        index = rows[index].end if index in folded else index + 1
    return visible


def layers_in(rows: Sequence[TreeRow], index: int) -> list[int]:
    """Return the layers of a row and of the rows that it folds."""
    return [row.layer for row in rows[index : rows[index].end] if row.layer is not None]
