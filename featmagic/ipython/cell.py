"""Cell magics whose body runs as the user's own cell, and magics in the wrong place.

IPython passes a cell magic its body as text. Run from there, the body would lose its line numbers,
`await`, its value or its errors. So the magic's first line is put in quotes: it marks the cell,
takes up the same number of lines, and is what a traceback shows of it. Once the cell is parsed, its
body is put into a `with` block. Apart from that block, what runs is the user's own cell.

A cell magic that IPython would take for something else is rewritten into a call that explains the
mistake.
"""

from __future__ import annotations

import ast
import inspect
import io
import re
import tokenize
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from tokenize import TokenInfo
from typing import Any

from IPython.core.inputtransformer2 import TokenTransformBase, cell_magic

from featmagic.support.environment import EXTENSION
from featmagic.support.errors import FeatmagicError, one_line
from featmagic.support.own_frames import hide_own_frames
from featmagic.support.text import readable

VALUE = "featmagic value"  # holds the cell's value; the space keeps it out of the user's names

_MAGIC = "%%featuremaps"
_END_OF_MARK = " "  # tells a marked line from a string of the user's, and is hardly seen
_FIRST_LINE = re.compile(r"%%featuremaps(?![\w?!])(.*)", re.DOTALL)
_LINE_MAGIC_AS_CELL = re.compile(r"%%(hook|unhook)(?![\w?!])")
_HELP = {
    "featuremaps": (
        "%%featuremaps must be on the first line of a cell; it runs the rest of the cell. "
        "For one statement, use %featuremaps MODEL LAYER ... -- STATEMENT."
    ),
    "hook": (
        "%hook is a line magic, with a single %. To run a cell and show its feature maps, start it "
        "with %%featuremaps."
    ),
    "unhook": "%unhook is a line magic, with a single %.",
}


def mark_cell(lines: list[str]) -> list[str]:
    r"""Input transformer: put the line `%%featuremaps LINE` in quotes.

    Example:
        >>> mark_cell(["%%featuremaps model\n", "model(x)\n"])
        ["'%%featuremaps model '\n", 'model(x)\n']
    """
    match = _FIRST_LINE.match(lines[0]) if lines else None
    if match is None or not any(line.strip() for line in lines[1:]):
        return lines
    marked = f"{_MAGIC}{match[1].rstrip()}{_END_OF_MARK}"
    return [f"{marked!r}\n", *cell_magic(lines[1:])]


# IPython's check for a complete input must still see a cell magic.
mark_cell.has_side_effects = True  # type: ignore[attr-defined]


class WrapMarkedCell(ast.NodeTransformer):
    """Put the body of a marked cell into `with get_ipython()._featmagic.look(LINE):`."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell

    def visit_Module(self, node: ast.Module) -> ast.Module:
        """Wrap the body; its last expression follows the block, so that it is displayed."""
        line = _marked_line(node)
        if line is None:
            return node
        head, *body = node.body
        future = [statement for statement in body if _is_future(statement)]
        body = [statement for statement in body if not _is_future(statement)]
        tail = _keep_value(body, self._shell.ast_node_interactivity)
        (look,) = _parsed_at(head, f"with get_ipython().{EXTENSION}.look({line!r}): pass")
        assert isinstance(look, ast.With)
        look.body = body or look.body
        node.body = [*future, look, *tail]
        return node


def run_body(shell: Any, source: str, look: Callable[[], AbstractContextManager[object]]) -> Any:
    """Run `source` in the user's namespace inside a look, where the cell couldn't be rewritten.

    This is the case in `run_cell_magic(...)`, in a function, and for the statement of a line magic.
    The value of the last expression is returned, unless a semicolon ends it.
    """
    __tracebackhide__ = True  # for Python 3.10
    try:
        codes, shows = _compiled(shell, source)
    except SyntaxError as error:  # IPython would show the frames of the magics above it
        raise FeatmagicError(_why_no_python(error, source)) from None
    except (
        ValueError,
        MemoryError,
        RecursionError,
    ) as error:  # a lone surrogate, too many brackets
        raise FeatmagicError(f"The statement can't be compiled: {one_line(error)}") from error
    with look():
        value = None
        for code in codes:
            try:
                value = _awaited(shell, eval(code, shell.user_global_ns, shell.user_ns))
            except BaseException as error:  # the user's own
                hide_own_frames(error)
                raise
    return value if shows else None


def redirect_cell_magic(lines: list[str]) -> list[str]:
    """Input transformer: turn `%%hook` on the first line into a call that explains the mistake."""
    match = _LINE_MAGIC_AS_CELL.match(lines[0]) if lines else None
    return [_explaining_call(match[1]), *lines[1:]] if match else lines


class MisplacedMagic(TokenTransformBase):  # type: ignore[misc]
    """Token transformer: the same for a cell magic of ours below the first line."""

    priority = 5  # before IPython's own, which takes it for a line magic named %featuremaps

    @classmethod
    def find(cls, tokens_by_line: list[list[TokenInfo]]) -> MisplacedMagic | None:
        """Return the first such line that isn't part of a string, or None."""
        for line in tokens_by_line:
            tokens = [token for token in line if token.string.strip()][:3]
            match [token.string for token in tokens]:
                case ["%", "%", name] if name in _HELP:
                    return cls(tokens[0].start)
        return None

    def transform(self, lines: list[str]) -> list[str]:
        """Return the lines with the explaining call in place of the misplaced magic."""
        line: Any = lines[self.start_line]
        name = re.match(r"%\s*%\s*(\w+)", line[self.start_col :])
        call = line[: self.start_col] + _explaining_call(name[1] if name else "featuremaps")
        return [*lines[: self.start_line], call, *lines[self.start_line + 1 :]]


def explain_mistake(name: str) -> None:
    """Raise an error that says where a misplaced magic belongs, when the cell runs."""
    raise FeatmagicError(_HELP[name])


def _explaining_call(name: str) -> str:
    return f"get_ipython().{EXTENSION}.explain_mistake({name!r})\n"


def _marked_line(node: ast.Module) -> str | None:
    """Return the magic's line if this is a marked cell."""
    match node.body[:1]:
        case [ast.Expr(ast.Constant(str(line)))] if line.startswith(_MAGIC) and line.endswith(
            _END_OF_MARK
        ):
            return line[len(_MAGIC) : -len(_END_OF_MARK)]
    return None


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _keep_value(body: list[ast.stmt], interactivity: str) -> list[ast.stmt]:
    """Make the body store the value that the cell displays; return the statement that shows it."""
    last = body[-1] if body else None
    if isinstance(last, ast.Expr) and interactivity != "none":
        kept = ast.copy_location(ast.Name(VALUE, ast.Store()), last)
        body[-1] = ast.copy_location(ast.Assign([kept], last.value), last)
        return _parsed_at(last, f"get_ipython().user_ns.pop({VALUE!r})")
    if isinstance(last, ast.Assign) and interactivity == "last_expr_or_assign":
        target = last.targets[-1]
        if isinstance(target, ast.Name):
            return _parsed_at(last, target.id)
    return []


def _parsed_at(place: ast.stmt, source: str) -> list[ast.stmt]:
    """Parse a statement that has the location of another one."""
    body = ast.parse(source).body
    for part in ast.walk(body[0]):
        ast.copy_location(part, place)
    return body


def _compiled(shell: Any, source: str) -> tuple[list[Any], bool]:
    """Compile the source; also return True if it ends in an expression whose value is shown."""
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


def _why_no_python(error: SyntaxError, source: str) -> str:
    """Say what is wrong with a statement, or with which line of several."""
    lines = source.strip().splitlines()
    if len(lines) == 1:
        return f"The statement isn't valid Python: {readable(str(error.msg))}: {readable(lines[0])}"
    text = readable((error.text or "").strip())
    return f"Line {error.lineno} isn't valid Python: {readable(str(error.msg))}: {text}"


def _ends_in_semicolon(source: str) -> bool:
    """Return True if only comments and empty lines follow the last semicolon."""
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.ENDMARKER)
    last = ""
    try:
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            last = last if token.type in skipped else token.string
    except (tokenize.TokenError, SyntaxError):  # the compiler will say what is wrong
        return False
    return last == ";"


def _awaited(shell: Any, value: Any) -> Any:
    """Return the value, or the result of a coroutine."""
    if not inspect.iscoroutine(value):
        return value
    import asyncio  # would take half of the time for loading the extension

    __tracebackhide__ = True
    loop = None
    with suppress(RuntimeError):  # there is none
        loop = asyncio.get_running_loop()
    if loop is None:  # outside of `except`: an error of the user's has nothing to do with that
        return shell.loop_runner(value)
    value.close()
    raise FeatmagicError(
        "await works only in a cell that begins with %%featuremaps, not inside another magic."
    )
