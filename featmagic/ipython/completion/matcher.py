"""Completion in IPython: how it asks what may stand at the cursor, and how it gets the answer.

IPython 8.6 and newer call *matchers*, which can suppress other matchers and return types. In older
versions a function among those for the arguments of magics comes closest: if it finds something,
nothing else is asked, not even Jedi. (The `complete_command` hook would add Jedi's guesses.)
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from IPython.core import completer

from featmagic.ipython.watch import Watches
from featmagic.support.text import readable

if TYPE_CHECKING:
    from featmagic.ipython.completion.fragment import Suggestions

HAS_MATCHERS = hasattr(completer, "context_matcher")
_FILES = "IPCompleter.file_matcher"
_ABSENT = object()
_Find = Callable[[str, int], "Suggestions | None"]


class Completion:
    """What IPython calls for completions while the extension is loaded."""

    def __init__(self, shell: Any, watches: Watches) -> None:
        self._shell, self._watches = shell, watches
        if HAS_MATCHERS:
            self._matcher = _context_matcher(self._suggestions)
            self._matchers = shell.Completer.custom_matchers
        else:
            self._matcher = _magic_argument_matcher(shell, self._suggestions)
            self._matchers = shell.Completer.magic_arg_matchers

    @property
    def entry(self) -> tuple[list[Any], Any]:
        """IPython's list of matchers, and the matcher that is added to it."""
        return self._matchers, self._matcher

    def _suggestions(self, line: str, cursor: int) -> Suggestions | None:
        """Return suggestions, and no suggestions after any error, which would disturb the typing.

        None leaves the line to IPython, which would read it as Python.
        """
        # Imported here to keep loading the extension fast.
        from featmagic.ipython.completion.suggest import NOTHING, Known, is_magic_line, suggest

        try:
            names, hidden = self._shell.user_ns, self._shell.user_ns_hidden
            own = {name for name, value in hidden.items() if names.get(name, _ABSENT) is value}
            words = [word for watch in self._watches for word in (watch.name, watch.expression)]
            watched = list(dict.fromkeys(words))
            return suggest(line, cursor, Known(names, own, watched, self._watches.captured()))
        except Exception:
            return NOTHING if is_magic_line(line[:cursor]) else None


def _context_matcher(find: _Find) -> Any:
    """Make a matcher for IPython 8.6 and newer."""

    @completer.context_matcher(identifier="featmagic", priority=1000)  # type: ignore[untyped-decorator]
    def match(context: Any) -> dict[str, Any]:
        suggestions = find(context.line_with_cursor, context.cursor_position)
        if suggestions is None:
            return {"completions": [], "suppress": False}  # a new dict: IPython writes into it
        completions = [
            completer.SimpleCompletion(text, type=readable(kind))
            for text, kind in suggestions.items
        ]
        return {
            "completions": completions or _Silence(),
            "matched_fragment": suggestions.fragment,
            "suppress": True,
            "do_not_suppress": {_FILES} if suggestions.files else set(),
            "ordered": True,
        }

    return match


class _Silence(list[Any]):
    """No completions, but of length 1: after an empty list IPython would ask other matchers."""

    def __len__(self) -> int:
        return 1


def _magic_argument_matcher(shell: Any, find: _Find) -> Callable[[str], list[str]]:
    """Make a function for IPython before 8.6."""

    def featmagic(line: str) -> list[str]:
        cursor = len(shell.Completer.text_until_cursor)
        suggestions = find(line, cursor)
        if suggestions is None:
            return []
        token = shell.Completer.splitter.split_line(line, cursor)
        return [_replacement(token, suggestions.fragment, item.text) for item in suggestions.items]

    return featmagic


def _replacement(token: str, fragment: str, text: str) -> str:
    """Return what replaces IPython's token before the cursor, given what replaces our fragment.

    Example:
        >>> _replacement("layer1.c", "c", "conv1"), _replacement("hi", "enc['hi", "enc['hidden']")
        ('layer1.conv1', "hidden']")
    """
    more = len(token) - len(fragment)
    return token[:more] + text if more >= 0 else text[-more:]
