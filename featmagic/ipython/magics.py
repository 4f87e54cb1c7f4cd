"""`%hook`, `%unhook` and `%featuremaps`: from a line to what it does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand
from IPython.utils.text import DollarFormatter

from featmagic.ipython import manual
from featmagic.ipython.cell import run_body
from featmagic.ipython.config import FeatMagic
from featmagic.ipython.look import Look, save
from featmagic.ipython.misreadings import explained, option_after_dashes
from featmagic.ipython.namespace import find_model, modules_in
from featmagic.ipython.parser import (
    AgainLine,
    HookLine,
    parse_again,
    parse_hook,
    parse_look,
    parse_unhook,
)
from featmagic.ipython.subject import subject_of
from featmagic.ipython.tokenizer import split_statement
from featmagic.ipython.watch import Watch, Watches
from featmagic.support.errors import FeatmagicError, one_line
from featmagic.support.own_frames import hide_caller, hide_own_frames
from featmagic.support.text import say


@magics_class
class FeatMagics(Magics):  # type: ignore[misc]
    """The magics, and the look that a rewritten cell enters."""

    def __init__(self, shell: Any, settings: FeatMagic) -> None:
        super().__init__(shell)
        self._settings = settings
        self.watches = Watches(shell.user_ns)

    @no_var_expand  # type: ignore[untyped-decorator]
    @line_magic  # type: ignore[untyped-decorator]
    def hook(self, line: str) -> None:
        """Watch layers of a model: every later cell that runs it refreshes `feature_maps`."""
        with _in_one_line("%hook"):
            asked = parse_hook(self._expanded(line), self._settings.into)
            with explained(asked.misread):
                self._hook(asked)

    def _hook(self, asked: HookLine) -> None:
        """Watch layers, list those of a model, or list what is watched."""
        if asked.model is None:
            say(self._watched())
        elif not asked.layers:
            model = find_model(asked.model, self.shell.user_ns)  # raises before torch is imported
            _check_not_a_layer(asked.model, model, self.shell.user_ns)
            from featmagic.ipython.model_listing import listing

            for row in listing(model, asked.depth):
                say(row)
        else:
            say(f"Watching {self.watches.add(asked.model, asked.layers, asked.into)}")

    @no_var_expand  # type: ignore[untyped-decorator]
    @line_magic  # type: ignore[untyped-decorator]
    def unhook(self, line: str) -> None:
        """Stop watching."""
        asked = parse_unhook(self._expanded(line))
        names = asked.names
        with explained(asked.misread):
            named = [watch for name in names for watch in self.watches.named(name)]
        for watch in (removed := named if names else list(self.watches)):
            self.watches.remove(watch.name)
        left = f". Still watching {_listed(self.watches)}" if list(self.watches) else ""
        say(f"No longer watching {_listed(removed)}{left}" if removed else self._watched())

    @no_var_expand  # type: ignore[untyped-decorator]
    @line_cell_magic  # type: ignore[untyped-decorator]
    def featuremaps(self, line: str, cell: str | None = None) -> Any:
        """Run a cell or a statement and show the feature maps of a model."""
        __tracebackhide__ = True  # for Python 3.10
        try:
            if cell is not None:
                return run_body(self.shell, cell, lambda: self.look(line))
            head, statement = split_statement(line)
            if statement is None:
                with _in_one_line("%featuremaps"):
                    return self._show_again(head)
            if not statement:
                raise FeatmagicError("No statement after `--`: %featuremaps MODEL ... -- model(x)")
            if hint := option_after_dashes(statement):
                raise FeatmagicError(hint)
            return run_body(self.shell, statement, lambda: self.look(head, "%featuremaps"))
        except BaseException as error:
            hide_caller(error)
            raise

    def look(self, line: str, magic: str = "%%featuremaps") -> Look:
        """Return the look that the magic's line describes."""
        try:
            with _in_one_line(magic):
                asked = parse_look(self._expanded(line), magic, self._settings.view())
                with explained(asked.misread):
                    return Look(asked, self._settings.into, self.watches, self.shell.user_ns)
        except BaseException as error:
            hide_own_frames(error)
            raise

    def _show_again(self, line: str) -> None:
        """Show what was captured last, or what variables hold, drawn another way."""
        asked = parse_again(self._expanded(line), self._settings.view())
        if not self.watches.captured() and asked.misread:
            raise FeatmagicError(next(iter(asked.misread.values())))
        with explained(asked.misread):
            self._show(asked)

    def _show(self, asked: AgainLine) -> None:
        maps, layers = subject_of(asked.layers, self.shell.user_ns, self.watches)
        from featmagic.feature_maps import files_of, show_view

        if asked.saving:
            overwrite, view = asked.saving.overwrite, asked.saving.view
            files_of(maps, asked.saving.path, layers, view, overwrite=overwrite)
        show_view(maps, layers, asked.view)
        if asked.saving:
            save(maps, layers, asked.saving)

    def _expanded(self, line: str) -> str:
        """Fill in `{name}` and `$name`, as IPython does in the line of any other magic."""
        if not set("{}$") & set(line):  # the formatter takes the square of a word's length
            return line
        try:
            return str(DollarFormatter().vformat(line, (), self.shell.user_ns))
        except Exception:  # as in IPython, what can't be filled in stays as it is
            return line

    def _watched(self) -> str:
        """Say in one line what is watched now."""
        watches = list(self.watches)
        if watches:
            return f"Watching {_listed(watches)}"
        return (
            "No layers are being watched. Watch some with %hook MODEL LAYER ...; %hook MODEL lists "
            "the layers."
        )


# IPython shows these docstrings as help.
FeatMagics.hook.__doc__ = manual.HOOK
FeatMagics.unhook.__doc__ = manual.UNHOOK
FeatMagics.featuremaps.__doc__ = manual.FEATUREMAPS


@contextmanager
def _in_one_line(magic: str) -> Iterator[None]:
    """Turn any error while a line is read, before its cell runs, into a FeatmagicError.

    Almost all errors are checked earlier, with better messages; this catches those that a user's
    values raise when they are inspected. The original error is the cause of the new one.
    """
    try:
        yield
    except FeatmagicError:
        raise
    except Exception as error:
        raise FeatmagicError(f"{magic} failed: {one_line(error)}") from error


def _check_not_a_layer(expression: str, found: Any, namespace: Mapping[str, Any]) -> None:
    """Make sure that a layer, as in `model.cnn1`, isn't taken for a model to list."""
    owner, _, rest = expression.partition(".")
    if not rest or owner not in modules_in(namespace):
        return
    from featmagic.recording.torch_private import children_of

    if not children_of(found):
        raise FeatmagicError(
            f"{expression} has no layers below it. To watch it: %hook {owner} {rest}"
        )


def _listed(watches: Iterable[Watch]) -> str:
    return "; ".join(map(str, watches))
