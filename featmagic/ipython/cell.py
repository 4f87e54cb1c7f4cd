"""A cell magic whose body runs as the user's own cell.

IPython gives a cell magic its body as text. Run from there, the body would lose its line numbers,
its `await`, its value or its errors. So the magic's first line is rewritten into a call that marks
the cell, as many lines as before, and when the cell has been parsed its body is put into a `with`
block. What runs is the user's own cell, but for the block around it.
"""

from __future__ import annotations

import ast
import inspect
import io
import re
import tokenize
from collections.abc import Callable
from contextlib import AbstractContextManager
from tokenize import TokenInfo
from typing import Any

from IPython.core.inputtransformer2 import TokenTransformBase, cell_magic

from featmagic.support.environment import EXTENSION
from featmagic.support.errors import FeatmagicError

MARK = "_featuremaps_cell_"


VALUE = "featmagic value"  # a name that no user can have


_FIRST_LINE = re.compile(r"%%featuremaps(?![\w?!])(.*)", re.DOTALL)


def mark(lines: list[str]) -> list[str]:
    r"""An input transformer: `%%featuremaps LINE` becomes a call with the line as its argument.

    Example:
        >>> mark(["%%featuremaps model\n", "model(x)\n"])
        ["_featuremaps_cell_(' model')\n", 'model(x)\n']
    """
    match = _FIRST_LINE.match(lines[0]) if lines else None
    if match is None or not any(line.strip() for line in lines[1:]):
        return lines
    return [f"{MARK}({match[1].rstrip()!r})\n", *cell_magic(lines[1:])]


# IPython's check whether an input is complete must go on seeing a cell magic.
mark.has_side_effects = True  # type: ignore[attr-defined]


class WithLook(ast.NodeTransformer):
    """Puts the body of a marked cell into `with get_ipython()._featmagic.look(LINE):`."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def visit_Module(self, node: ast.Module) -> ast.Module:
        """Wrap the body; its last expression comes behind the block, so that it is displayed."""
        line = _marked(node)
        if line is None:
            return node
        head, *body = node.body
        future = [part for part in body if _is_future(part)]
        body = [part for part in body if not _is_future(part)]
        tail = _keep_value(body, self._shell.ast_node_interactivity)
        look = ast.parse(f"with get_ipython().{EXTENSION}.look({line!r}): pass").body[0]
        assert isinstance(look, ast.With)
        look.body = body or look.body
        for part in (look, *ast.walk(look.items[0]), *look.body[: not body]):
            ast.copy_location(part, head)
        node.body = [*future, look, *tail]
        return ast.fix_missing_locations(node)


def _marked(node: ast.Module) -> str | None:
    """The line of the magic, if this is a marked cell."""
    first = node.body[0] if node.body else None
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Call):
        call = first.value
        if isinstance(call.func, ast.Name) and call.func.id == MARK:
            return str(ast.literal_eval(call.args[0]))
    return None


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _keep_value(body: list[ast.stmt], interactivity: str) -> list[ast.stmt]:
    """Have the body keep the value that the cell displays; the statement that takes it out."""
    last = body[-1] if body else None
    if isinstance(last, ast.Expr) and interactivity != "none":
        body[-1] = ast.copy_location(ast.Assign([ast.Name(VALUE, ast.Store())], last.value), last)
        return _taken_out(f"get_ipython().user_ns.pop({VALUE!r})", last)
    if isinstance(last, ast.Assign) and interactivity == "last_expr_or_assign":
        target = last.targets[-1]
        if isinstance(target, ast.Name):
            return _taken_out(target.id, last)
    return []


def _taken_out(source: str, place: ast.stmt) -> list[ast.stmt]:
    tail = ast.parse(source).body
    for part in ast.walk(tail[0]):
        ast.copy_location(part, place)
    return tail


def run_body(shell: Any, source: str, look: Callable[[], AbstractContextManager[object]]) -> Any:
    """Run `source` in the user's namespace inside a look, where the cell couldn't be rewritten.

    That is so in `run_cell_magic(...)`, in a function, or for the statement of a line magic.

    Returns:
        The value of its last expression, or None where a semicolon ends it.

    Raises:
        FeatmagicError: it awaits something while an event loop is running, as in a notebook.
    """
    __tracebackhide__ = True
    codes, shows = _compiled(shell, source)
    with look():
        value = None
        for code in codes:
            value = _result(shell, eval(code, shell.user_global_ns, shell.user_ns))
    return value if shows else None


def _compiled(shell: Any, source: str) -> tuple[list[Any], bool]:
    """The code of the statements, and of the last expression if that is what it ends with."""
    source = shell.transform_cell(source)
    name = shell.compile.cache(source, shell.execution_count - 1)
    silent = _ends_in_semicolon(source)
    with shell.compile.extra_flags(ast.PyCF_ALLOW_TOP_LEVEL_AWAIT if shell.autoawait else 0):
        tree = shell.transform_ast(shell.compile.ast_parse(source, filename=name))
        last = tree.body.pop() if tree.body and isinstance(tree.body[-1], ast.Expr) else None
        codes = [shell.compile(tree, name, "exec")] if tree.body else []
        if last is not None:
            codes.append(shell.compile(ast.Expression(last.value), name, "eval"))
    return codes, last is not None and not silent


def _ends_in_semicolon(source: str) -> bool:
    """Whether a semicolon is the last thing before comments and empty lines."""
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER)
    last = ""
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            last = last if token.type in skipped else token.string
    except (tokenize.TokenError, SyntaxError):  # the compiler will say what is wrong
        return False
    return last == ";"


def _result(shell: Any, value: Any) -> Any:
    if not inspect.iscoroutine(value):
        return value
    import asyncio  # half of what loading the extension would take otherwise

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return shell.loop_runner(value)
    value.close()
    raise FeatmagicError(
        "await works in a cell that begins with %%featuremaps, and not inside another magic."
    )


_HELP = {
    "featuremaps": (
        "%%featuremaps goes on the first line of its cell: what stands below it is run. "
        "For one statement there is %featuremaps MODEL LAYER ... -- STATEMENT."
    ),
    "hook": (
        "%hook has one %, and a line of its own. %%featuremaps, on the first line, runs a cell "
        "and shows the grids."
    ),
    "unhook": "%unhook has one %, and a line of its own.",
}


_ON_THE_FIRST_LINE = re.compile(r"%%(hook|unhook)(?![\w?!])")


def mistaken(name: str) -> None:
    """What the cell runs in place of the magic.

    Raises:
        FeatmagicError: always; it says where the magic belongs.
    """
    raise FeatmagicError(_HELP[name])


def one_percent(lines: list[str]) -> list[str]:
    r"""An input transformer: a first line with `%%hook` becomes a call that says what is wrong.

    Example:
        >>> one_percent(["%%hook model\n", "model(x)\n"])
        ["get_ipython()._featmagic.mistaken('hook')\n", 'model(x)\n']
    """
    match = _ON_THE_FIRST_LINE.match(lines[0]) if lines else None
    return [_call(match[1]), *lines[1:]] if match else lines


class Misplaced(TokenTransformBase):  # type: ignore[misc]
    """A token transformer: `%%featuremaps` below the first line becomes such a call, too."""

    priority = 5  # before IPython's own, which takes it for a line magic named %featuremaps

    @classmethod
    def find(cls, tokens_by_line: list[list[TokenInfo]]) -> Misplaced | None:
        """The first such line that is no part of a string, if there is one."""
        for line in tokens_by_line:
            words = [token for token in line if token.string.strip()][:3]
            first, second, name = [*(word.string for word in words), "", "", ""][:3]
            if (first, second) == ("%", "%") and name in _HELP:
                return cls(words[0].start)
        return None

    def transform(self, lines: list[str]) -> list[str]:
        """The lines, with the call in that one's place."""
        line: Any = lines[self.start_line]
        name = re.match(r"%%(\w+)", line[self.start_col :])
        call = line[: self.start_col] + _call(name[1] if name else "featuremaps")
        return [*lines[: self.start_line], call, *lines[self.start_line + 1 :]]


def _call(name: str) -> str:
    return f"get_ipython().{EXTENSION}.mistaken({name!r})\n"
