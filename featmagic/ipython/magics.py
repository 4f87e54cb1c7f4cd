"""`%hook`, `%unhook` and `%featuremaps`: from a line to what it does."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from IPython.core.magic import Magics, line_cell_magic, line_magic, magics_class, no_var_expand
from IPython.utils.text import DollarFormatter

from featmagic.ipython import manual
from featmagic.ipython.cell import run_body
from featmagic.ipython.config import FeatMagic
from featmagic.ipython.look import Look, save
from featmagic.ipython.namespace import find_model, modules_in
from featmagic.ipython.parser import parse_again, parse_hook, parse_look, parse_names
from featmagic.ipython.tokenizer import split_statement
from featmagic.ipython.watch import Watch, Watches
from featmagic.support.errors import FeatmagicError, one_line
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
            if asked.model is None:
                say(self._watched())
            elif not asked.layers:
                model = find_model(
                    asked.model, self.shell.user_ns
                )  # raises before torch is imported
                from featmagic.ipython.model_listing import listing

                for row in listing(model, asked.depth):
                    say(row)
            else:
                say(f"Watching {self.watches.add(asked.model, asked.layers, asked.into)}")

    @no_var_expand  # type: ignore[untyped-decorator]
    @line_magic  # type: ignore[untyped-decorator]
    def unhook(self, line: str) -> None:
        """Stop watching."""
        names = parse_names(self._expanded(line))
        named = [watch for name in names for watch in self.watches.named(name)]
        for watch in (removed := named if names else list(self.watches)):
            self.watches.remove(watch.name)
        left = f". Still watching {_listed(self.watches)}" if list(self.watches) else ""
        say(f"No longer watching {_listed(removed)}{left}" if removed else self._watched())

    @no_var_expand  # type: ignore[untyped-decorator]
    @line_cell_magic  # type: ignore[untyped-decorator]
    def featuremaps(self, line: str, cell: str | None = None) -> Any:
        """Run a cell or a statement and show the feature maps of a model."""
        __tracebackhide__ = True
        if cell is not None:
            return run_body(self.shell, cell, lambda: self.look(line))
        head, statement = split_statement(line)
        if statement is None:
            with _in_one_line("%featuremaps"):
                return self._show_again(head)
        if not statement:
            raise FeatmagicError(
                "There is no statement after --: %featuremaps MODEL ... -- model(x)."
            )
        return run_body(self.shell, statement, lambda: self.look(head, "%featuremaps"))

    def look(self, line: str, magic: str = "%%featuremaps") -> Look:
        """Return the look that the magic's line describes."""
        with _in_one_line(magic):
            asked = parse_look(self._expanded(line), magic, self._settings.view())
            return Look(asked, self._settings.into, self.watches, self.shell.user_ns)

    def _show_again(self, line: str) -> None:
        """Show what was captured last, drawn another way."""
        asked = parse_again(self._expanded(line), self._settings.view())
        for name in asked.layers[:1]:
            self._check_not_a_model(name)
        maps = self.watches.last()
        from featmagic.feature_maps import files_of, show_view

        if asked.saving:
            overwrite, view = asked.saving.overwrite, asked.saving.view
            files_of(maps, asked.saving.path, asked.layers, view, overwrite=overwrite)
        show_view(maps, asked.layers, asked.view)
        if asked.saving:
            save(maps, asked.layers, asked.saving)

    def _check_not_a_model(self, name: str) -> None:
        """Make sure that a model isn't taken for a layer of what was captured last."""
        if name in modules_in(self.shell.user_ns) and name not in self.watches.captured():
            raise FeatmagicError(
                f"%featuremaps {name} needs code to run: add -- {name}(x), or use %%featuremaps, "
                "with two %, on the first line of a cell."
            )

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
        return "Nothing is watched. %hook MODEL LAYER ... begins; %hook MODEL lists the layers."


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


def _listed(watches: Iterable[Watch]) -> str:
    return "; ".join(map(str, watches))
