"""The places where a source can be mutated, and the replacements."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

COMPARISONS = {
    ast.Lt: ("<", "<="),
    ast.LtE: ("<=", "<"),
    ast.Gt: (">", ">="),
    ast.GtE: (">=", ">"),
    ast.Eq: ("==", "!="),
    ast.NotEq: ("!=", "=="),
    ast.Is: ("is", "is not"),
    ast.IsNot: (r"is\s+not", "is"),
    ast.In: ("in", "not in"),
    ast.NotIn: (r"not\s+in", "in"),
}
ARITHMETIC = {
    ast.Add: (r"\+", "-"),
    ast.Sub: ("-", "+"),
    ast.Mult: (r"\*", "/"),
    ast.Div: ("/", "*"),
    ast.FloorDiv: ("//", "*"),
    ast.Mod: ("%", "*"),
    ast.Pow: (r"\*\*", "*"),
    ast.BitAnd: ("&", "|"),
    ast.BitOr: (r"\|", "&"),
}
FUNCTIONS = {
    name: other
    for pair in (
        ("min", "max"),
        ("amin", "amax"),
        ("minimum", "maximum"),
        ("any", "all"),
        ("floor", "ceil"),
    )
    for name, other in (pair, pair[::-1])
}
# Functions for which the order of two arguments doesn't matter, or that fail at once.
SYMMETRIC = {"isinstance", "issubclass", "min", "max", "minimum", "maximum", "gcd", "isclose"}
# Arguments that only guard against our own mistakes, or only affect speed.
IDLE_ARGUMENTS = {"strict", "maxsize", "frozen", "kw_only", "eq", "repr", "stacklevel"}


@dataclass(frozen=True)
class Mutant:
    """A source with one place changed.

    Attributes:
        line: the line of the change, counted from 1.
        start, end: the bytes that are replaced.
        text: what replaces them.
        is_static: whether the place runs when the module is imported, and not in a test.
        names: what a static place defines.
    """

    line: int
    start: int
    end: int
    text: str
    is_static: bool = False
    names: tuple[str, ...] = ()

    def apply(self, source: str) -> str:
        """Return the mutated source."""
        code = source.encode()
        return (code[: self.start] + self.text.encode() + code[self.end :]).decode()


def mutants_of(source: str) -> list[Mutant]:
    """Return the mutants of a module, in the order of its lines."""
    found = dict.fromkeys(_Finder(source).of(ast.parse(source)))
    return sorted(found, key=lambda mutant: (mutant.start, mutant.end, mutant.text))


def is_another_program(source: str, mutant: Mutant) -> bool:
    """Return True if the mutated source is valid and compiles to another program."""
    try:
        return ast.dump(ast.parse(mutant.apply(source))) != ast.dump(ast.parse(source))
    except SyntaxError:
        return False


class _Finder:
    """Walks a tree; passes over annotations, docstrings, messages, decorators and typing."""

    def __init__(self, source: str) -> None:
        self._code = source.encode()
        self._starts = [0]
        for line in self._code.splitlines(keepends=True):
            self._starts.append(self._starts[-1] + len(line))
        self._functions = 0
        self._names: tuple[str, ...] = ()

    def of(self, node: ast.AST) -> Iterator[Mutant]:
        if isinstance(node, ast.stmt):
            outer = self._functions, self._names
            if not self._functions:
                self._names = self._names_of(node)
            yield from self._of_statement(node)
            yield from self._below(node)
            self._functions, self._names = outer
        elif not isinstance(node, ast.JoinedStr):  # usually text for people
            yield from self._of_expression(node)
            yield from self._below(node)

    def _names_of(self, node: ast.stmt) -> tuple[str, ...]:
        if isinstance(node, ast.Assign):
            return tuple(
                n.id for target in node.targets for n in ast.walk(target) if isinstance(n, ast.Name)
            )
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            return (node.target.id,)
        if isinstance(node, (ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            return (node.name,)
        return self._names

    def _below(self, node: ast.AST) -> Iterator[Mutant]:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            yield from self._of_defaults(node.args)
            self._functions += 1
            for statement in node.body:
                yield from self.of(statement)
        elif isinstance(node, ast.ClassDef):
            for statement in node.body:
                yield from self.of(statement)
        elif isinstance(node, (ast.AnnAssign, ast.Raise, ast.Import, ast.ImportFrom)):
            if isinstance(node, ast.AnnAssign) and node.value is not None:
                yield from self.of(node.value)
        elif isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            return
        elif isinstance(node, ast.Lambda):
            yield from self._of_defaults(node.args)
            yield from self.of(node.body)
        else:
            for child in ast.iter_child_nodes(node):
                if not (isinstance(child, ast.keyword) and child.arg in IDLE_ARGUMENTS):
                    yield from self.of(child)

    def _of_defaults(self, args: ast.arguments) -> Iterator[Mutant]:
        for default in (*args.defaults, *args.kw_defaults):
            if default is not None:
                yield from self.of(default)

    def _of_statement(self, node: ast.stmt) -> Iterator[Mutant]:
        falsy = isinstance(value := getattr(node, "value", None), ast.Constant) and not value.value
        if isinstance(node, ast.Return) and node.value is not None and not falsy:
            empty = {
                ast.List: "[]",
                ast.ListComp: "[]",
                ast.Dict: "{}",
                ast.DictComp: "{}",
                ast.Tuple: "()",
                ast.JoinedStr: '""',
            }
            yield self._replace(node.value, empty.get(type(node.value), "None"))
        if self._functions and self._is_removable(node):
            yield self._replace(node, "pass")
        if isinstance(node, ast.If) and "TYPE_CHECKING" not in ast.unparse(node.test):
            yield self._replace(node.test, "True")
            yield self._replace(node.test, "False")
        if isinstance(node, ast.While) and not isinstance(node.test, ast.Constant):
            yield self._replace(node.test, "False")
        if isinstance(node, ast.AugAssign) and type(node.op) in ARITHMETIC:
            old, new = ARITHMETIC[type(node.op)]
            yield from self._operator(node.target, node.value, old, new)

    @staticmethod
    def _is_removable(node: ast.stmt) -> bool:
        if isinstance(node, ast.Expr):
            return not isinstance(node.value, ast.Constant)
        if isinstance(node, ast.Assign):
            return not isinstance(node.targets[0], (ast.Name, ast.Tuple))
        return isinstance(node, (ast.AugAssign, ast.Raise, ast.Continue, ast.Break, ast.Delete))

    def _of_expression(self, node: ast.AST) -> Iterator[Mutant]:
        if isinstance(node, ast.Compare):
            sides = [node.left, *node.comparators]
            for left, right, op in zip(sides, sides[1:], node.ops, strict=False):
                yield from self._operator(left, right, *COMPARISONS[type(op)])
        elif isinstance(node, ast.BoolOp):
            old, new = ("and", "or") if isinstance(node.op, ast.And) else ("or", "and")
            for left, right in zip(node.values, node.values[1:], strict=False):
                yield from self._operator(left, right, old, new)
        elif isinstance(node, ast.BinOp) and type(node.op) in ARITHMETIC:
            yield from self._operator(node.left, node.right, *ARITHMETIC[type(node.op)])
        elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub)):
            start = self._start(node)
            sign = re.match(rb"not\s*|-\s*", self._code[start:])
            assert sign is not None
            yield self._mutant(node, start, start + len(sign[0]), "")
        elif isinstance(node, ast.Constant):
            yield from self._of_constant(node)
        elif isinstance(node, ast.Call):
            yield from self._of_call(node)
        elif isinstance(node, ast.IfExp):
            yield self._replace(node.test, "True")
            yield self._replace(node.test, "False")
        elif isinstance(node, ast.comprehension):
            for test in node.ifs:
                yield self._replace(test, "True")
                yield self._replace(test, "False")
        elif isinstance(node, ast.Slice):
            for bound, change in ((node.lower, " + 1"), (node.upper, " - 1")):
                if bound is not None and not isinstance(bound, ast.Constant):
                    yield self._replace(bound, f"({self._text(bound)}){change}")

    def _of_constant(self, node: ast.Constant) -> Iterator[Mutant]:
        if isinstance(node.value, bool):
            yield self._replace(node, str(not node.value))
        elif isinstance(node.value, (int, float)):
            yield self._replace(node, f"{node.value + 1}")
            yield self._replace(node, f"{node.value - 1}")

    def _of_call(self, node: ast.Call) -> Iterator[Mutant]:
        called = node.func
        name = called.id if isinstance(called, ast.Name) else getattr(called, "attr", "")
        if name in FUNCTIONS:
            end = self._end(called)
            yield self._mutant(called, end - len(name), end, FUNCTIONS[name])
        args = node.args[:2]
        if (
            len(args) == 2
            and name not in SYMMETRIC
            and not any(isinstance(arg, ast.Starred) for arg in args)
        ):
            first, second = args
            between = self._code[self._end(first) : self._start(second)].decode()
            swapped = self._text(second) + between + self._text(first)
            yield self._mutant(first, self._start(first), self._end(second), swapped)

    def _operator(self, left: ast.AST, right: ast.AST, old: str, new: str) -> Iterator[Mutant]:
        """Replace the operator between two operands; there may be brackets and spaces beside it."""
        first, last = self._end(left), self._start(right)
        match = re.fullmatch(rf"([)\s]*)({old})([(\s]*)", self._code[first:last].decode())
        if match is not None:
            start = first + len(match[1])
            yield self._mutant(right, start, start + len(match[2]), new)

    def _replace(self, node: ast.AST, text: str) -> Mutant:
        return self._mutant(node, self._start(node), self._end(node), text)

    def _mutant(self, node: ast.AST, start: int, end: int, text: str) -> Mutant:
        line = self._code[:start].count(b"\n") + 1
        return Mutant(line, start, end, text, not self._functions, self._names)

    def _start(self, node: ast.AST) -> int:
        return self._starts[node.lineno - 1] + node.col_offset

    def _end(self, node: ast.AST) -> int:
        return self._starts[node.end_lineno - 1] + node.end_col_offset

    def _text(self, node: ast.AST) -> str:
        return self._code[self._start(node) : self._end(node)].decode()
