"""What `%hook MODEL` lists: the modules of a model as a tree, and what they hold.

Each row has the name below the row above it, class and important sizes, parameters, and the output
shape if a look at the model gave it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from featmagic.explorer.layer_tree import TreeRow, layer_tree
from featmagic.ipython.value_types import class_of
from featmagic.recording.layer_syntax import ROOT
from featmagic.recording.model_tree import unwrap, walk
from featmagic.recording.module_sizes import sizes_of
from featmagic.recording.output_shapes import shapes_of
from featmagic.recording.torch_private import parameters_of
from featmagic.support.text import broken, format_bytes, readable, truncate

_WIDTH = 80  # columns of a terminal
_SHORT = 20  # rows that fit a terminal of 24 lines: a tree of no more isn't folded
_DEEPEST = 12  # levels that are indented
_MOST_SHAPE = 24  # letters


def listing(model: nn.Module, depth: int | None = None) -> Iterator[str]:
    """Yield the lines of the tree of a model's modules, and a line with its totals.

    Args:
        model: The model.
        depth: How many levels are listed; None stands for all. In a long tree, blocks that repeat
            an earlier one beside them are folded. 0 lists every module.
    """
    modules = {path: module for path, module in walk(model) if path != ROOT}
    if not modules:
        yield f"{class_of(unwrap(model)[-1])} has no layers below it: it is a single layer."
        return
    tree = _Tree(model, modules)
    lines = tree.lines(depth or len(tree.rows), folds=depth != 0)
    yield from _in_columns(lines)
    yield from broken(tree.total(), ", ", _WIDTH, "  ")
    if any(line.fold for line in lines):
        yield "Repeated blocks are folded: --depth 0 lists every module."


@dataclass(eq=False)
class _Part:
    """A module in the tree, or a name that only leads to others, with facts about what is in it."""

    path: str
    module: Any  # without wrappers; None for a name alone
    words: str = ""  # its sizes
    children: list[int] = field(default_factory=list)
    same_as: str = ""  # the first path of a module that has several
    shares: str = ""  # the path of an earlier module that has one of its parameters
    parameters: dict[int, Tensor] = field(default_factory=dict)  # its own, by identity
    count: int = 0  # of all parameters in it
    is_lazy: bool = False  # whether some of them aren't known yet
    is_frozen: bool = False  # whether there are some, and none is trained
    inside: int = 0  # how many modules it holds
    structure: int = 0  # equal for equal classes and trees
    settings: int = 0  # equal for equal sizes, too


@dataclass(frozen=True)
class _Line:
    """A line of the listing before it is laid out in columns."""

    level: int
    name: str
    words: str
    count: str
    shape: str
    fold: str = ""  # a sentence in place of name and words; the name is its short form


class _Tree:
    """The modules of a model as a tree of parts, the innermost read first."""

    def __init__(self, model: nn.Module, modules: dict[str, nn.Module]) -> None:
        self.kind = readable(class_of(unwrap(model)[-1]))
        self.shapes = shapes_of(model)
        paths = list(modules)
        self.rows: Sequence[TreeRow] = layer_tree(paths, paths)
        self.parts = [self._part(row, paths, modules) for row in self.rows]
        self.top = [n for n, row in enumerate(self.rows) if row.parent is None]
        for n, row in enumerate(self.rows):
            if row.parent is not None:
                self.parts[row.parent].children.append(n)
        own = {id(each): each for each in parameters_of(unwrap(model)[-1])}
        self.own_count = sum(_count(each) for each in own.values())
        self._mark_shared(own)
        self.all = self._read(own)

    def _part(self, row: TreeRow, paths: list[str], modules: dict[str, nn.Module]) -> _Part:
        if row.layer is None:
            return _Part("", None)
        path = paths[row.layer]
        inner = unwrap(modules[path])[-1]
        own = {id(each): each for each in parameters_of(inner)}
        return _Part(path, inner, sizes_of(inner), parameters=own)

    def _mark_shared(self, own: dict[int, Tensor]) -> None:
        """Mark modules that have an earlier name, and those that have an earlier one's weights."""
        first: dict[int, str] = {}
        owners: dict[int, str] = dict.fromkeys(own, self.kind)
        for part in self.parts:
            if part.module is None:
                continue
            part.same_as = first.setdefault(id(part.module), "") or ""
            if part.same_as:
                continue
            first[id(part.module)] = part.path
            for number in part.parameters:
                part.shares = part.shares or owners.get(number, "")
                owners.setdefault(number, part.path)

    def _read(self, own: dict[int, Tensor]) -> dict[int, Tensor]:
        """Read all parts from the innermost to the top; return all parameters."""
        held: dict[int, dict[int, Tensor]] = {}
        structures: dict[Any, int] = {}
        for n in range(len(self.parts) - 1, -1, -1):
            part = self.parts[n]
            below = [held.pop(child) for child in part.children]
            everything = _joined([*below, dict(part.parameters)])
            held[n] = everything
            part.count = sum(map(_count, everything.values()))
            part.is_lazy = any(map(is_lazy, part.parameters.values())) or any(
                self.parts[child].is_lazy for child in part.children
            )
            part.is_frozen = bool(everything) and not any(
                each.requires_grad for each in everything.values()
            )
            part.inside = sum(1 + self.parts[child].inside for child in part.children)
            named = [(self.rows[child].name, self.parts[child]) for child in part.children]
            structure = (
                None if part.module is None else type(part.module),
                tuple((name, child.structure) for name, child in named),
            )
            part.structure = structures.setdefault(structure, len(structures))
            settings = (
                part.structure,
                part.words,
                part.is_frozen,
                tuple(tuple(each.shape) for each in part.parameters.values() if not is_lazy(each)),
                tuple(child.settings for _, child in named),
            )
            part.settings = structures.setdefault(settings, len(structures))
        return _joined([*held.values(), own])

    def lines(self, depth: int, *, folds: bool) -> list[_Line]:
        """Return the lines of the modules down to a depth."""
        shown = sum(row.level < depth for row in self.rows)
        folds = folds and shown > _SHORT
        lines: list[_Line] = []
        waiting = self._groups(self.top, folds=folds)[::-1]
        while waiting:
            group, like = waiting.pop()
            if like is not None:
                lines.append(self._folded(group, like))
                continue
            (n,) = group
            is_cut = self.rows[n].level + 1 >= depth
            lines.append(self._line(n, is_cut=is_cut))
            part = self.parts[n]
            if part.children and not part.same_as and not is_cut:
                waiting += self._groups(part.children, folds=folds)[::-1]
        return lines

    def _groups(self, siblings: list[int], *, folds: bool) -> list[tuple[list[int], int | None]]:
        """Return what gets a line: a module, or modules beside each other that are like another."""
        groups: list[tuple[list[int], int | None]] = []
        first: dict[int, int] = {}
        for n in siblings:
            part = self.parts[n]
            like = first.setdefault(part.structure if part.children else part.settings, n)
            if not folds or like == n or part.same_as or part.module is None:
                groups.append(([n], None))
                continue
            before, before_like = groups[-1] if groups else ([], None)
            is_beside = before_like == like and self._relation(n, like) == self._relation(
                before[-1], like
            )
            is_numbered = _follows(self.rows[(before or [n])[-1]].name, self.rows[n].name)
            if is_beside and is_numbered:
                before.append(n)
            elif part.children or (before == [like] and is_numbered):
                groups.append(([n], like))
            else:  # such as the next ReLU: a layer alone is folded only beside its like
                groups.append(([n], None))
        return [one for group in groups for one in self._unfolded_if_short(group)]

    def _unfolded_if_short(
        self, group: tuple[list[int], int | None]
    ) -> list[tuple[list[int], int | None]]:
        """Return two layers without children beside each other as they are."""
        numbers, like = group
        is_leaf = not self.parts[numbers[0]].children
        if like is None or not is_leaf or len(numbers) > 1:
            return [group]
        return [(numbers, None)]

    def _relation(self, n: int, like: int) -> str:
        """Say how a module differs from one of the same structure."""
        part, other = self.parts[n], self.parts[like]
        if part.settings == other.settings:
            return ""
        if part.count == other.count:
            return ", other settings"
        return ", wider" if part.count > other.count else ", narrower"

    def _folded(self, group: list[int], like: int) -> _Line:
        first, last, other = (self.parts[n].path for n in (group[0], group[-1], like))
        names = [self.rows[n].name for n in (group[0], group[-1], like)]
        end = f"{self._relation(group[0], like)}"
        texts = [
            f"{readable(a)}{f' … {readable(b)}' if len(group) > 1 else ''} like {readable(c)}{end}"
            for a, b, c in ((first, last, other), names)
        ]
        shapes = {self._shape(self.parts[n].path) for n in group}
        held = _joined([self._all_in(n) for n in group])
        return _Line(
            self.rows[group[0]].level,
            texts[1],
            "",
            _counted(sum(map(_count, held.values())), any(self.parts[n].is_lazy for n in group)),
            shapes.pop() if len(shapes) == 1 else "",
            texts[0],
        )

    def _all_in(self, n: int) -> dict[int, Tensor]:
        return _joined([dict(part.parameters) for part in self.parts[n : self.rows[n].end]])

    def _line(self, n: int, *, is_cut: bool) -> _Line:
        row, part = self.rows[n], self.parts[n]
        name, shape = readable(row.name), self._shape(part.path)
        if part.module is None:
            return _Line(row.level, name, "", _counted(part.count, part.is_lazy), "")
        words = [" ".join(filter(None, [class_of(part.module), part.words]))]
        if part.same_as:
            words = [class_of(part.module), f"the same module as {part.same_as}"]
            return _Line(row.level, name, readable(", ".join(words)), "", shape)
        if part.shares:
            words.append(f"tied to {part.shares}")
        above = None if row.parent is None else self.parts[row.parent]
        if part.is_frozen and not (above and above.is_frozen):
            words.append("frozen")
        if is_cut and part.inside:
            words.append(f"{part.inside} module{'s' * (part.inside > 1)} inside")
        count = _counted(part.count, part.is_lazy)
        return _Line(row.level, name, readable(", ".join(words)), count, shape)

    def _shape(self, path: str) -> str:
        shapes = self.shapes.get(path, ())
        more = ", …" if len(shapes) > 1 else ""
        return truncate("".join(f"{tuple(shape)}" for shape in shapes[:1]) + more, _MOST_SHAPE)

    def total(self) -> str:
        """Return the line with the totals: modules, parameters, memory."""
        known = [each for each in self.all.values() if not is_lazy(each)]
        count, trained = (
            sum(map(_count, each)) for each in (known, [p for p in known if p.requires_grad])
        )
        size = sum(each.numel() * each.element_size() for each in known)
        number = len({id(part.module) for part in self.parts if part.module is not None})
        words = [f"{self.kind}: {number:,} module{'s' * (number > 1)}, {count:,} parameters"]
        words[0] += f" ({format_bytes(size)})"
        if self.own_count:
            words.append(f"{self.own_count:,} of them its own")
        if trained != count:
            words.append(f"{trained:,} of them trainable")
        if len(known) < len(self.all):
            words.append("others not known yet")
        return ", ".join(words)


def _follows(name: str, other: str) -> bool:
    """Return True if names count up, as `layer3` and `layer4` do."""
    numbers = [re.fullmatch(r"(.*?)(\d{1,18})", text, re.DOTALL) for text in (name, other)]
    if None in numbers:
        return False
    (first, n), (second, m) = (match.groups() for match in numbers if match)
    return bool(first == second and int(n) + 1 == int(m))


def _joined(sets: list[dict[int, Tensor]]) -> dict[int, Tensor]:
    """Join sets of parameters into the largest, so that a deep model takes no longer."""
    largest = max(sets, key=len)
    for each in sets:
        if each is not largest:
            largest.update(each)
    return largest


def _count(parameter: Tensor) -> int:
    return 0 if is_lazy(parameter) else parameter.numel()


def _counted(count: int, is_lazy: bool) -> str:
    return "not known yet" if is_lazy else f"{count:,}"


def _in_columns(lines: Sequence[_Line]) -> Iterator[str]:
    """Lay out the lines: name, class and sizes, parameters, shape."""
    counts = max(len(line.count) for line in lines)
    shapes = max(len(line.shape) for line in lines)
    left = _WIDTH - 2 - counts - (2 + shapes if shapes else 0)
    names = [_indented(line, line.name) for line in lines if not line.fold]
    wide = min(max(map(len, names), default=0), left // 2)
    heads = []
    for line in lines:
        if line.fold:
            text = _indented(line, line.fold)
            head = text if len(text) <= left else _indented(line, line.name)
        else:
            head = f"{truncate(_indented(line, line.name), wide):<{wide}}  {line.words}"
        heads.append(_cut(head, left))
    left = max(map(len, heads))
    for line, head in zip(lines, heads, strict=True):
        shape = f"  {line.shape}" if line.shape else ""
        yield f"{head:<{left}}  {line.count:>{counts}}{shape}".rstrip()


def _indented(line: _Line, text: str) -> str:
    return "  " * min(line.level, _DEEPEST) + text


def _cut(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "…"
